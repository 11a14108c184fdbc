"""What a profile says of a device model: one frozen tree, validated where people write it, plain where it runs."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, ClassVar

from annotated_types import Interval

from device_profiles.modbus_model import ModbusDevice, ModbusGroup
from device_profiles.point_model import STRICT, DeviceFacts, Line, Meaning, Source
from device_profiles.serial_model import SerialDevice, SerialGroup
from wire.quantities import quantity
from wire.records import PointLayout, RecordKind


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupFacts:
    """What whoever stores or shows a group must know of it, however it is read."""

    name: str
    measurement: str
    every_s: float
    kind: RecordKind
    layout: tuple[PointLayout, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceProfile:
    """A device model: what it is, where that is documented, and how it is read. Has `modbus` or `serial`, not both.

    `profile` is `vendor/model`; `revision` counts up with each change of the file. `line` is the factory's setting.
    """

    __pydantic_config__: ClassVar = STRICT

    profile: str
    revision: Annotated[int, Interval(ge=1, le=1_000_000)]
    device: DeviceFacts
    source: Source
    line: Line
    modbus: ModbusDevice | None = None
    serial: SerialDevice | None = None

    @property
    def groups(self) -> tuple[GroupFacts, ...]:
        """The point groups, in the order of the file."""
        if self.modbus is not None:
            return tuple(_facts(group, RecordKind.SAMPLE) for group in self.modbus.groups)
        if self.serial is not None:
            return tuple(_facts(group, group.kind.record_kind) for group in self.serial.groups)
        return ()


def _facts(group: ModbusGroup | SerialGroup, kind: RecordKind) -> GroupFacts:
    return GroupFacts(
        name=group.name,
        measurement=group.measurement,
        every_s=group.every_s,
        kind=kind,
        layout=_layout(group.recorded),
    )


def _layout(points: Iterable[Meaning]) -> tuple[PointLayout, ...]:
    return tuple(
        PointLayout(key=point.key, quantity=point.quantity, unit=quantity(point.quantity).unit) for point in points
    )
