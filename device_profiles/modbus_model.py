"""The part of a profile that says how a Modbus device is read."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Final

from annotated_types import Interval, Len

from device_profiles.modbus import MAX_READ_BITS, MAX_READ_REGISTERS, Table
from device_profiles.numbers import ByteOrder, NumberType, size_bytes
from device_profiles.point_model import STRICT, Meaning

Address = Annotated[int, Interval(ge=0, le=0xFFFF)]

_REGISTER_BYTES: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class ModbusPoint(Meaning):
    """One value of a Modbus device.

    `address` is as on the wire, from 0. A register has a `type`, or a `bit` (0 is the least significant of its
    sixteen) with a `bit_width`; a coil or discrete input has neither.
    """

    table: Table
    address: Address
    type: NumberType | None = None
    order: ByteOrder = ByteOrder.BIG
    bit: Annotated[int, Interval(ge=0, le=15)] | None = None
    bit_width: Annotated[int, Interval(ge=1, le=15)] = 1

    @property
    def span(self) -> int:
        """How many registers, or bits, the value takes."""
        if self.type is None:
            return 1
        return max(1, size_bytes(self.type) // _REGISTER_BYTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class ForbiddenRange:
    """Addresses first..last of a table that must never be read, because the device then fails."""

    __pydantic_config__: ClassVar = STRICT

    table: Table
    first: Address
    last: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one request may ask of the device."""

    __pydantic_config__: ClassVar = STRICT

    max_registers: Annotated[int, Interval(ge=1, le=MAX_READ_REGISTERS)] = MAX_READ_REGISTERS
    max_bits: Annotated[int, Interval(ge=1, le=MAX_READ_BITS)] = MAX_READ_BITS
    forbidden: tuple[ForbiddenRange, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ModbusGroup:
    """Points that are read together, `every_s` seconds, and become one record."""

    __pydantic_config__: ClassVar = STRICT

    name: str
    measurement: str
    every_s: Annotated[float, Interval(gt=0, le=86400)]
    points: Annotated[tuple[ModbusPoint, ...], Len(min_length=1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModbusDevice:
    """How the device is spoken to.

    `unit` is the factory's unit address; None where it is set on the device. `timeout_ms` is how long an answer may
    take to begin; `turnaround_ms` is the pause the device needs between an answer and the next request.
    """

    __pydantic_config__: ClassVar = STRICT

    unit: Annotated[int, Interval(ge=1, le=255)] | None = None
    timeout_ms: Annotated[int, Interval(ge=10, le=60000)] = 1000
    turnaround_ms: Annotated[int, Interval(ge=0, le=10000)] = 10
    limits: Limits = Limits()
    groups: Annotated[tuple[ModbusGroup, ...], Len(min_length=1)]
