"""How long a counter may go unread: one that goes round unseen between two readings has lost a whole round. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from device_profiles.modbus_model import ModbusGroup
from device_profiles.model import DeviceProfile
from device_profiles.serial_model import SerialGroup


@dataclass(frozen=True, slots=True, kw_only=True)
class WrapLimit:
    """The counter of a group that goes round soonest, where the profile knows how soon that can be."""

    group: str
    key: str
    rollover: float
    fastest_wrap_s: float

    def is_held_by(self, period_s: float) -> bool:
        """Whether a reading comes before the counter can have gone round."""
        return period_s < self.fastest_wrap_s

    def arithmetic(self, period_s: float) -> str:
        """What happens at a period that is too long."""
        rounds = period_s / self.fastest_wrap_s
        return (
            f"{period_s:g} s: {self.key} can count {self.rollover:g} in {self.fastest_wrap_s:g} s and go round"
            f" {rounds:.3g} times between two readings"
        )


def wrap_limits(profile: DeviceProfile) -> dict[str, WrapLimit]:
    """The limit of each group that has one, by its name."""
    found: dict[str, WrapLimit] = {}
    for group in _groups(profile):
        soonest = min(_of(group), key=lambda one: one.fastest_wrap_s, default=None)
        if soonest is not None:
            found[group.name] = soonest
    return found


def _groups(profile: DeviceProfile) -> tuple[ModbusGroup | SerialGroup, ...]:
    if profile.modbus is not None:
        return profile.modbus.groups
    return profile.serial.groups if profile.serial is not None else ()


def _of(group: ModbusGroup | SerialGroup) -> Iterator[WrapLimit]:
    for point in group.recorded:
        if point.fastest_wrap_s is not None and point.rollover is not None:
            yield WrapLimit(
                group=group.name, key=point.key, rollover=point.rollover, fastest_wrap_s=point.fastest_wrap_s
            )
