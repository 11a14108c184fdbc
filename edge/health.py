"""How each device is: its last values, when it last answered, what went wrong by kind. Logs changes, not states."""

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from wire.identifiers import DeviceId
from wire.messages import DeviceStatus
from wire.records import PointLayout, Quality, Value

_logger = logging.getLogger(__name__)
_MAX_ERROR_KINDS: Final = 32
# What a kind of error says about the bus: nobody answered, it came damaged, the device said no, somebody else spoke.
_ERROR_GROUPS: Final = {
    "timeout": "error_timeout",
    "garbled": "error_check",
    "exception": "error_exception",
    "foreign": "error_foreign",
}
# Is told of each fault: bus, device, kind, text.
OnFault = Callable[[str, str, str, str], None]


@dataclass(frozen=True, slots=True)
class LastValue:
    """The newest value of a point."""

    layout: PointLayout
    value: Value
    time_ms: int


@dataclass(slots=True)
class DeviceHealth:
    """One device in numbers, since the agent started. Its poller or streamer writes it, everybody else reads."""

    device: DeviceId
    profile: str
    bus: str
    reads: int = 0
    late: int = 0
    held_back: int = 0
    appraised: Counter[Quality] = field(default_factory=Counter)
    last_good_ms: int | None = None
    is_silent: bool = False
    trouble: str | None = None
    errors: Counter[str] = field(default_factory=Counter)
    last: dict[tuple[str, str], LastValue] = field(default_factory=dict)
    identity: Mapping[str, str] = field(default_factory=dict)
    on_fault: OnFault | None = None

    def note_identity(self, who: Mapping[str, str]) -> None:
        """The device told who it is; that it is another one than before is worth a line."""
        if self.identity and self.identity != who:
            _logger.warning(
                "%s is another device, or has other firmware: %s, before %s", self.device, who, self.identity
            )
        self.identity = dict(who)

    def note_values(self, group: str, layout: Sequence[PointLayout], values: Sequence[Value], *, time_ms: int) -> None:
        """A group was read, or could not be: what it gave."""
        for point, value in zip(layout, values, strict=True):
            self.last[group, point.key] = LastValue(point, value, time_ms)

    def note_appraised(self, worst: Quality, *, kept: int) -> None:
        """A reading was found to be as good as its worst value; so many were kept now, perhaps one held back before."""
        self.appraised[worst] += 1
        self.held_back += 1 - kept

    def note_answer(self, *, time_ms: int) -> None:
        """The device answered."""
        self.reads += 1
        self.last_good_ms = time_ms
        self.trouble = None
        if self.is_silent:
            self.is_silent = False
            _logger.warning("%s answers again", self.device)

    def note_error(self, kind: str, text: str) -> None:
        """Something went wrong."""
        if kind in self.errors or len(self.errors) < _MAX_ERROR_KINDS:
            self.errors[kind] += 1
        self.trouble = text
        if self.on_fault is not None:
            self.on_fault(self.bus, self.device, kind, text)

    def note_silence(self) -> None:
        """The device does not answer at all."""
        if not self.is_silent:
            self.is_silent = True
            _logger.warning("%s is silent: %s", self.device, self.trouble)

    @property
    def quality(self) -> Quality:
        """The worst quality among its last values."""
        return max((last.value.quality for last in self.last.values()), default=Quality.STALE)


class Health:
    """The devices of this gateway.

    Args:
        on_fault: is told of each fault, where somebody wants to know.
    """

    def __init__(self, on_fault: OnFault | None = None) -> None:
        self._devices: dict[DeviceId, DeviceHealth] = {}
        self._on_fault = on_fault

    def device(self, device: DeviceId, *, profile: str, bus: str) -> DeviceHealth:
        """The health of one device, made when first asked for."""
        return self._devices.setdefault(device, DeviceHealth(device, profile, bus, on_fault=self._on_fault))

    def of(self, device: DeviceId) -> DeviceHealth:
        """The health of a device that is known."""
        return self._devices[device]

    def statuses(self) -> tuple[DeviceStatus, ...]:
        """For the gateway's status message."""
        return tuple(
            DeviceStatus(
                device=health.device,
                quality=health.quality,
                last_good_ms=health.last_good_ms,
                errors=dict(health.errors),
            )
            for health in self._devices.values()
        )

    def bus_numbers(self) -> dict[str, dict[str, float]]:
        """For the gateway's status: what went wrong on each bus, by the names of `wire.quantities`."""
        buses: dict[str, dict[str, float]] = {}
        for health in self._devices.values():
            told = buses.setdefault(health.bus, dict.fromkeys((*_ERROR_GROUPS.values(), "devices_silent"), 0.0))
            told["devices_silent"] += health.is_silent
            for kind, count in health.errors.items():
                group = _ERROR_GROUPS.get(kind, "error_check" if kind.startswith("bad frame") else None)
                if group is not None:
                    told[group] += count
        return buses

    def snapshot(self, *, now_ms: int) -> list[dict[str, Any]]:
        """For `sen-edge status`: plain values only."""
        return [_plain(health, now_ms) for health in self._devices.values()]


def plain_values(values: Mapping[tuple[str, str], LastValue], *, now_ms: int) -> list[dict[str, Any]]:
    """Values with their unit, age and quality, as plain values."""
    return [
        {
            "group": group,
            "point": key,
            "value": last.value.number,
            "unit": last.layout.unit,
            "quality": last.value.quality.name.lower(),
            "age_s": round(max(0, now_ms - last.time_ms) / 1000, 1),
        }
        for (group, key), last in values.items()
    ]


def _plain(health: DeviceHealth, now_ms: int) -> dict[str, Any]:
    age_ms = None if health.last_good_ms is None else max(0, now_ms - health.last_good_ms)
    return {
        "device": health.device,
        "profile": health.profile,
        "bus": health.bus,
        "identity": dict(health.identity),
        "silent": health.is_silent,
        "quality": health.quality.name.lower(),
        "last_answer_age_s": None if age_ms is None else round(age_ms / 1000, 1),
        "reads": health.reads,
        "late": health.late,
        "held_back": health.held_back,
        "readings": {quality.name.lower(): count for quality, count in sorted(health.appraised.items())},
        "errors": dict(health.errors),
        "trouble": health.trouble,
        "values": plain_values(health.last, now_ms=now_ms),
    }
