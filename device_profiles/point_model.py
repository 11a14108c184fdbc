"""What every kind of point has, and how its raw number becomes a value. Pure.

I1. A raw sentinel is None with a quality, never a number.
I2. A number outside its plausible range is kept and marked, so that nobody has to guess what the device said.
I3. Scaling is decimal: raw 305 at scale 0.1 is 30.5, never 30.500000000000004.
"""

import math
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, ClassVar

from annotated_types import Ge, Gt, Le, MinLen

from wire.identifiers import check_point_key
from wire.quantities import quantity
from wire.records import Quality, RecordKind, Value

# pydantic reads this from each class when a file that people wrote is checked; nothing else does.
STRICT: dict[str, str] = {"extra": "forbid"}


class Parity(StrEnum):
    """The parity bit of a serial line."""

    NONE = "N"
    EVEN = "E"
    ODD = "O"


class GroupKind(StrEnum):
    """A sample is taken when it is due; an event happened (a vehicle passed)."""

    SAMPLE = "sample"
    EVENT = "event"

    @property
    def record_kind(self) -> RecordKind:
        """The same word on the wire."""
        return RecordKind.EVENT if self is GroupKind.EVENT else RecordKind.SAMPLE


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """The settings of a serial line, as the device leaves the factory."""

    __pydantic_config__: ClassVar = STRICT

    baud: Annotated[int, Ge(50), Le(4_000_000)]
    data_bits: Annotated[int, Ge(5), Le(8)] = 8
    parity: Parity = Parity.NONE
    stop_bits: Annotated[int, Ge(1), Le(2)] = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The document that a profile was written from."""

    __pydantic_config__: ClassVar = STRICT

    document: Annotated[str, MinLen(1)]
    section: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFacts:
    """Which device a profile describes. `kind` is the trade's word: `particle sensor`, `energy meter`."""

    __pydantic_config__: ClassVar = STRICT

    vendor: Annotated[str, MinLen(1)]
    model: Annotated[str, MinLen(1)]
    kind: Annotated[str, MinLen(1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """What a point's raw number means: value = raw x scale + offset, in the unit of the quantity.

    `unavailable`, `unavailable_from` (that and above) and `unavailable_below` are raw numbers that say "no value".
    `minimum` and `maximum` bound the scaled value and default to the quantity's plausible range. `states` names raw
    codes of a state quantity. `rollover` is the count at which a counter begins again at 0, after scaling.
    `fastest_wrap_s` is how soon it can get there at its busiest: no period may be as long.
    `decimals` rounds the scaled value; without it all digits that raw, scale and offset give are kept.
    """

    __pydantic_config__: ClassVar = STRICT

    key: str
    quantity: str
    scale: float = 1.0
    offset: float = 0.0
    unavailable: tuple[int | float, ...] = ()
    unavailable_from: int | None = None
    unavailable_below: int | None = None
    minimum: float | None = None
    maximum: float | None = None
    states: dict[int, str] = field(default_factory=dict, hash=False)
    rollover: Annotated[float, Gt(0)] | None = None
    fastest_wrap_s: Annotated[float, Gt(0)] | None = None
    decimals: Annotated[int, Ge(0), Le(12)] | None = None
    note: str = ""

    def __post_init__(self) -> None:
        """Refuse a key that may not name a field, an unknown quantity, and a scale that loses the value."""
        check_point_key(self.key)
        quantity(self.quantity)
        if self.scale == 0:
            raise ValueError(f"point {self.key}: scale 0 would lose the value")
        if self.fastest_wrap_s is not None and self.rollover is None:
            raise ValueError(f"point {self.key}: fastest_wrap_s needs the rollover it is about")


def scaled(raw: float, meaning: Meaning) -> float:
    """The raw number in the quantity's unit, calculated in decimals."""
    if meaning.scale == 1 and meaning.offset == 0:
        number = raw
    else:
        exact = raw if isinstance(raw, int) else Decimal(repr(raw))
        number = float(exact * _decimal(meaning.scale) + _decimal(meaning.offset))
    return float(number if meaning.decimals is None else round(number, meaning.decimals))


def unscaled(number: float, meaning: Meaning) -> float:
    """The raw number that scales to `number`; the inverse of `scaled`, for simulators."""
    if meaning.scale == 1 and meaning.offset == 0:
        return number
    return float((Decimal(repr(number)) - _decimal(meaning.offset)) / _decimal(meaning.scale))


def is_unavailable(raw: float, meaning: Meaning) -> bool:
    """Whether the raw number is the device's way of saying that it has no value."""
    return (
        raw in meaning.unavailable
        or (meaning.unavailable_from is not None and raw >= meaning.unavailable_from)
        or (meaning.unavailable_below is not None and raw < meaning.unavailable_below)
    )


def value_of(raw: float | None, meaning: Meaning) -> Value:
    """The value that a raw number means; see `ValueReader.value`."""
    return ValueReader(meaning).value(raw)


class ValueReader:
    """What the raw numbers of one point mean; what does not change between them is looked up once."""

    def __init__(self, meaning: Meaning) -> None:
        plausible = quantity(meaning.quantity)
        minimum = plausible.minimum if meaning.minimum is None else meaning.minimum
        maximum = plausible.maximum if meaning.maximum is None else meaning.maximum
        self._meaning = meaning
        self._minimum = -math.inf if minimum is None else minimum
        self._maximum = math.inf if maximum is None else maximum
        self._can_be_unavailable = (
            bool(meaning.unavailable) or meaning.unavailable_from is not None or meaning.unavailable_below is not None
        )

    def value(self, raw: float | None) -> Value:
        """The value that a raw number means.

        Args:
            raw: as decoded; None where the bytes name no number.

        Returns:
            None with `sensor_fault` for no number and for sentinels; the number with `out_of_range` outside the
            plausible range and for state codes that the profile does not name; else the good number.
        """
        meaning = self._meaning
        if raw is None or (self._can_be_unavailable and is_unavailable(raw, meaning)):
            return Value(None, Quality.SENSOR_FAULT)
        number = scaled(raw, meaning)
        is_plausible = self._minimum <= number <= self._maximum and (not meaning.states or raw in meaning.states)
        return Value(number, Quality.GOOD if is_plausible else Quality.OUT_OF_RANGE)

    def rescaled(self, value: Value, factor: float | None) -> Value:
        """A value whose scale the device tells beside it: judged anew after it was multiplied. Decimal, as in I3."""
        if value.number is None or value.quality is Quality.SENSOR_FAULT:
            return value
        if factor is None:
            return Value(None, Quality.SENSOR_FAULT)
        number = float(Decimal(repr(value.number)) * _decimal(factor))
        is_plausible = self._minimum <= number <= self._maximum
        return Value(number, Quality.GOOD if is_plausible else Quality.OUT_OF_RANGE)


@lru_cache(maxsize=1024)
def _decimal(number: float) -> Decimal:
    return Decimal(repr(float(number)))
