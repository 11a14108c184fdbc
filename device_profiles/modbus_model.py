"""The part of a profile that says how a Modbus device is read."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, ClassVar, Final

from annotated_types import Interval, Len, MinLen

from device_profiles.derived_model import DerivedPoint
from device_profiles.modbus import (
    MAX_READ_BITS,
    MAX_READ_REGISTERS,
    TOGGLE,
    CustomRequest,
    Function,
    Order,
    ReadRequest,
    Request,
    Table,
    WriteRequest,
)
from device_profiles.numbers import ByteOrder, NumberType, size_bytes
from device_profiles.point_model import STRICT, Meaning
from wire.identifiers import check_point_key

Address = Annotated[int, Interval(ge=0, le=0xFFFF)]

_REGISTER_BYTES: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleFrom:
    """A scale that the device tells in another register of the same group, under `key` there.

    Without `factors` that number is a power of ten (SunSpec's scale factors); with them it chooses one.
    """

    __pydantic_config__: ClassVar = STRICT

    key: str
    factors: dict[int, float] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModbusPoint(Meaning):
    """One value of a Modbus device.

    `address` is as on the wire, from 0. A register has a `type`, or a `bit` (0 is the least significant of its
    sixteen) with a `bit_width`; a coil or discrete input has neither. With `scale_from` the scaled value is multiplied
    by what the device says there; where it says nothing there is no value.
    """

    table: Table
    address: Address
    type: NumberType | None = None
    order: ByteOrder = ByteOrder.BIG
    bit: Annotated[int, Interval(ge=0, le=15)] | None = None
    bit_width: Annotated[int, Interval(ge=1, le=15)] = 1
    scale_from: ScaleFrom | None = None

    @property
    def span(self) -> int:
        """How many registers, or bits, the value takes."""
        if self.type is None:
            return 1
        return max(1, size_bytes(self.type) // _REGISTER_BYTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPlace:
    """Which model of a walked device something belongs to: one of `ids`, whose id is usually at the address `at`.

    The addresses of its points are those of the usual layout; they move with the model.
    """

    __pydantic_config__: ClassVar = STRICT

    ids: Annotated[tuple[int, ...], Len(min_length=1)]
    at: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """How models are found: `marker` (two registers) at one of `bases`, then the id, length and body of each."""

    __pydantic_config__: ClassVar = STRICT

    table: Table
    bases: Annotated[tuple[Address, ...], Len(min_length=1)]
    marker: Annotated[int, Interval(ge=0, le=0xFFFFFFFF)]


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
class OrderBefore:
    """What is written before a group is read (to hold its counters, say): one register or coil, then a pause.

    Without a `value` the address is read, which some devices take for the order; what it tells is nothing. Where it is
    `empty` no register at all is written to the address, which others take for it.
    """

    __pydantic_config__: ClassVar = STRICT

    table: Table
    address: Address
    value: Annotated[int, Interval(ge=0, le=0xFFFF)] | None = None
    empty: bool = False
    wait_ms: Annotated[int, Interval(ge=0, le=60000)] = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be sent."""
        self.request  # noqa: B018 - says what is wrong with it

    @property
    def request(self) -> Request:
        """The order as it is sent.

        Raises:
            ValueError: the table cannot be written, or not with this value.
        """
        if self.empty:
            if self.value is not None:
                raise ValueError("found empty and a value, expected one of them")
            return empty_write(self.table, self.address)
        if self.value is None:
            return ReadRequest(table=self.table, address=self.address, count=1)
        return order(self.table, self.address, (self.value,))


@dataclass(frozen=True, slots=True, kw_only=True)
class ModbusGroup:
    """Points that are read together, `every_s` seconds, and become one record.

    `along` is read with them and not recorded: scale factors, halves of derived points. `before` is written before each
    reading. A group that is `once` loses what was read by being read (counters that clear): it is asked once, and an
    answer that was damaged is a loss that the record shows.
    """

    __pydantic_config__: ClassVar = STRICT

    name: str
    measurement: str
    every_s: Annotated[float, Interval(gt=0, le=86400)]
    points: Annotated[tuple[ModbusPoint, ...], Len(min_length=1)]
    along: tuple[ModbusPoint, ...] = ()
    derived: tuple[DerivedPoint, ...] = ()
    before: tuple[OrderBefore, ...] = ()
    once: bool = False
    model: ModelPlace | None = None

    def __post_init__(self) -> None:
        """Refuse points that refer to what is not there."""
        keys = [point.key for point in self.read]
        faults = [
            f"point {point.key}: found scale_from {point.scale_from.key!r}, expected a key of the group"
            for point in self.read
            if point.scale_from is not None and point.scale_from.key not in keys
        ]
        faults += [
            f"point {point.key}: found {key!r} in `of`, expected a key of the group"
            for point in self.derived
            for key in point.of
            if key not in keys
        ]
        if faults:
            raise ValueError("; ".join(faults))

    @property
    def read(self) -> tuple[ModbusPoint, ...]:
        """All that requests are made for: the points, and what is read along with them."""
        return self.points + self.along

    @property
    def recorded(self) -> tuple[Meaning, ...]:
        """What a record of the group holds, in its order."""
        return (*self.points, *self.derived)


@dataclass(frozen=True, slots=True, kw_only=True)
class Control(Meaning):
    """Something that may be written, where a gateway file allows it for its device.

    `read_back` is where the device shows that it obeyed, if not where it is written. States, or `minimum` and
    `maximum`, bound what may be written.
    """

    table: Table
    address: Address
    type: NumberType | None = None
    order: ByteOrder = ByteOrder.BIG
    read_back: Address | None = None
    read_back_table: Table | None = None

    def __post_init__(self) -> None:
        """Refuse what `Meaning` refuses, and tables that cannot be written."""
        Meaning.__post_init__(self)
        if self.table not in {Table.COIL, Table.HOLDING}:
            raise ValueError(f"control {self.key}: table {self.table} cannot be written")
        if (self.type is None) != self.table.is_bits:
            raise ValueError(f"control {self.key}: a holding register has a type, a coil has none")
        if not self.states and self.table is Table.HOLDING and (self.minimum is None or self.maximum is None):
            raise ValueError(f"control {self.key}: states, or minimum and maximum, say what may be written")


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """Something the device is told to do, where a gateway file allows it: sent once, and answered.

    Without a `function` (one of the maker's own, that stands alone) it goes to an address: to a coil as "be what you
    were not", to a holding register as a write of none. A toggle is believed where each of `coils` from `read_back` on
    (the coil itself, without it) is not what it was before; of the others the answer is all there is.
    """

    __pydantic_config__: ClassVar = STRICT

    key: str
    function: int | None = None
    table: Table | None = None
    address: Address | None = None
    read_back: Address | None = None
    coils: Annotated[int, Interval(ge=1, le=MAX_READ_BITS)] = 1
    note: str = ""

    def __post_init__(self) -> None:
        """Refuse what cannot be sent."""
        check_point_key(self.key)
        self.order  # noqa: B018 - says what is wrong with it

    @property
    def order(self) -> Order:
        """The command as it is sent.

        Raises:
            ValueError: it has no place, or too many, or one that takes no such order.
        """
        if (self.function is None) == (self.table is None and self.address is None):
            raise ValueError(f"command {self.key}: expected a function, or table and address")
        if self.function is not None:
            return CustomRequest(function=self.function)
        if self.table is None or self.address is None:
            raise ValueError(f"command {self.key}: expected table and address, found one of them")
        if self.table is Table.COIL:
            return WriteRequest(function=Function.WRITE_COIL, address=self.address, values=(TOGGLE,))
        return empty_write(self.table, self.address)

    @property
    def shown_by(self) -> ReadRequest | None:
        """The request for the coils that show whether the device obeyed; None where nothing does."""
        if self.table is not Table.COIL or self.address is None:
            return None
        first = self.address if self.read_back is None else self.read_back
        return ReadRequest(table=Table.COIL, address=first, count=self.coils)


class IdentityForm(StrEnum):
    """How registers tell who the device is: two characters each, or a number."""

    TEXT = "text"
    NUMBER = "number"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Something that tells one device, or its firmware, from another: read once at the start."""

    __pydantic_config__: ClassVar = STRICT

    key: Annotated[str, MinLen(1)]
    table: Table
    address: Address
    registers: Annotated[int, Interval(ge=1, le=32)] = 1
    form: IdentityForm = IdentityForm.TEXT
    model: ModelPlace | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityObject:
    """The same, told by function 43 (read device identification) as text.

    `number` is 0 maker, 1 product code, 2 revision, 3 the maker's page, 4 product, 5 model, 0x80 on: his own.
    `is_single` where the device gives objects one by one only. `begins` is what the text of key `model` begins with on
    this model, for its recognition; without it the text is compared with the profile's `device.model`.
    """

    __pydantic_config__: ClassVar = STRICT

    key: Annotated[str, MinLen(1)]
    number: Annotated[int, Interval(ge=0, le=255)]
    is_single: bool = False
    begins: str = ""


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
    walk: Walk | None = None
    groups: Annotated[tuple[ModbusGroup, ...], Len(min_length=1)]
    controls: tuple[Control, ...] = ()
    commands: tuple[Command, ...] = ()
    identity: tuple[Identity, ...] = ()
    identity_objects: tuple[IdentityObject, ...] = ()

    @property
    def models(self) -> tuple[ModelPlace, ...]:
        """The models that its groups and its identity belong to, each once, by their usual addresses."""
        places = [one.model for one in (*self.groups,) if one.model is not None]
        places += [one.model for one in self.identity if one.model is not None]
        return tuple(sorted(dict.fromkeys(places), key=lambda place: place.at))

    @property
    def orders(self) -> tuple[Control | Command, ...]:
        """All that a gateway file may allow to be sent."""
        return (*self.controls, *self.commands)


def empty_write(table: Table, address: int) -> WriteRequest:
    """The request that writes no register to an address.

    Raises:
        ValueError: the table is none of holding registers.
    """
    if table is not Table.HOLDING:
        raise ValueError(f"table {table} takes no write of nothing; expected holding")
    return WriteRequest(function=Function.WRITE_REGISTERS, address=address, values=())


def order(table: Table, address: int, values: tuple[int, ...]) -> WriteRequest:
    """The request that writes one coil, or registers.

    Raises:
        ValueError: the table cannot be written, or not with these values.
    """
    if table is Table.COIL:
        function = Function.WRITE_COIL
    elif table is Table.HOLDING:
        function = Function.WRITE_REGISTER if len(values) == 1 else Function.WRITE_REGISTERS
    else:
        raise ValueError(f"table {table} cannot be written")
    return WriteRequest(function=function, address=address, values=values)
