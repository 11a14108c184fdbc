"""How the samples of one window become one point. Pure.

I1. The result depends on which samples there are, never on the order in which they arrived.
I2. Only sound values (good, or good at an uncertain time) are put together where there are any; otherwise the numbers
    there are, and the quality of the result says so. The worst quality of all samples is the quality of the point.
I3. Modes never mix: a point is of one mode, which stays its tag.

The field of a point's own key holds what its quantity allows: the mean of a gauge, the direction of an angle's mean
vector, the sum of a tally, the last of a counter or a state.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from hub.series.base import Sample, SeriesKey
from hub.series.sheet import Point
from wire.identifiers import QUALITY_SUFFIX, RESERVED_POINT_KEYS
from wire.quantities import QUANTITIES, Quantity, QuantityKind
from wire.records import Mode, Quality

WORST_MODE_KEY: Final = "worst_mode"
SOUND: Final = frozenset({Quality.GOOD, Quality.TIME_ESTIMATED})
_MODES: Final = tuple(Mode)
_LONGEST_KEY: Final = 63
# Below this share of full length a mean vector points nowhere.
_NO_DIRECTION: Final = 1e-9

QuantityOf = Callable[[SeriesKey], Quantity | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """What is kept of some numbers, enough to put two of these together. `newest_ns` is the time of `last`."""

    count: int = 0
    total: float = 0.0
    least: float = math.inf
    most: float = -math.inf
    newest_ns: int = -1
    last: float = 0.0
    sine: float = 0.0
    cosine: float = 0.0

    def with_others(self, other: "Numbers") -> "Numbers":
        """Both together."""
        newest = self if self.newest_ns >= other.newest_ns else other
        return Numbers(
            count=self.count + other.count,
            total=self.total + other.total,
            least=min(self.least, other.least),
            most=max(self.most, other.most),
            newest_ns=newest.newest_ns,
            last=newest.last,
            sine=self.sine + other.sine,
            cosine=self.cosine + other.cosine,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """The samples of one series in one window: `samples` counts all, known or not."""

    samples: int = 0
    sound: Numbers = Numbers()
    doubtful: Numbers = Numbers()
    worst: Quality = Quality.GOOD

    @property
    def numbers(self) -> Numbers:
        """What the aggregates are made of (I2)."""
        return self.sound if self.sound.count else self.doubtful

    @property
    def good_share(self) -> float:
        """The share of samples that are sound, 0 to 1."""
        return self.sound.count / self.samples

    def with_others(self, other: "Fold") -> "Fold":
        """Two parts of one window together."""
        return Fold(
            samples=self.samples + other.samples,
            sound=self.sound.with_others(other.sound),
            doubtful=self.doubtful.with_others(other.doubtful),
            worst=max(self.worst, other.worst),
        )


def fold(samples: Sequence[Sample], quantity: Quantity | None) -> Fold:
    """Put samples together; `samples` are of one series, one window, and in time order."""
    is_angle = quantity is not None and quantity.kind is QuantityKind.ANGLE
    sound: list[Sample] = []
    doubtful: list[Sample] = []
    worst = Quality.GOOD
    for sample in samples:
        worst = max(worst, sample.quality)
        if sample.number is not None:
            (sound if sample.quality in SOUND else doubtful).append(sample)
    return Fold(
        samples=len(samples),
        sound=_numbers(sound, is_angle=is_angle),
        doubtful=_numbers(doubtful, is_angle=is_angle),
        worst=worst,
    )


def folds_by_window(samples: Iterable[Sample], quantity: Quantity | None, *, window_ns: int) -> dict[int, Fold]:
    """One fold for each window that has samples, by the window's beginning."""
    by_window: dict[int, list[Sample]] = {}
    for sample in samples:
        by_window.setdefault(sample.time_ns // window_ns * window_ns, []).append(sample)
    return {start: fold(some, quantity) for start, some in by_window.items()}


def point_of(folds: Mapping[SeriesKey, Fold], quantity_of: QuantityOf, *, start_ns: int) -> Point:
    """The point of one window of one device's group in one mode: `folds` holds each of its series."""
    some = next(iter(folds))
    fields: dict[str, float] = {WORST_MODE_KEY: float(_MODES.index(some.mode))}
    qualities: dict[str, Quality] = {WORST_MODE_KEY: Quality.GOOD}
    keys = {series.field for series in folds}
    for series, folded in folds.items():
        derived = derived_fields(series.field, folded, quantity_of(series))
        allowed = {key: number for key, number in derived.items() if key not in keys and _may_name(key, keys)}
        fields |= allowed
        qualities |= dict.fromkeys(allowed, Quality.GOOD)
    for series, folded in folds.items():
        number = natural(folded, quantity_of(series))
        qualities[series.field] = folded.worst
        fields.pop(series.field, None)  # a device's own point of this name goes before ours
        if number is not None:
            fields[series.field] = number
        elif folded.worst in SOUND:
            qualities[series.field] = Quality.OUT_OF_RANGE
    return Point(
        measurement=some.measurement,
        site=some.site,
        gateway=some.gateway,
        device=some.device,
        group=some.group,
        mode=some.mode,
        time_ns=start_ns,
        fields=fields,
        qualities=qualities,
    )


def natural(folded: Fold, quantity: Quantity | None) -> float | None:
    """The one number that stands for a window, in the quantity's unit; None where there is none."""
    numbers = folded.numbers
    if not numbers.count:
        return None
    number = _by_kind(numbers, quantity)
    return number if number is not None and math.isfinite(number) else None


def derived_fields(key: str, folded: Fold, quantity: Quantity | None) -> dict[str, float]:
    """What stands beside the number: how many, how good, and what the kind of quantity has a use for."""
    numbers = folded.numbers
    fields = {f"{key}_count": float(numbers.count), f"{key}_good": folded.good_share}
    if not numbers.count:
        return fields
    kind = QuantityKind.GAUGE if quantity is None else quantity.kind
    if kind is not QuantityKind.ANGLE:
        fields |= {f"{key}_min": numbers.least, f"{key}_max": numbers.most}
    if kind in {QuantityKind.GAUGE, QuantityKind.ANGLE, QuantityKind.TALLY}:
        fields[f"{key}_last"] = numbers.last
    return fields


def quantity_of_key(key: str) -> Quantity | None:
    """The quantity a key names, by itself or before its own ending: `voltage_l1` is a voltage."""
    while key:
        if (found := QUANTITIES.get(key)) is not None:
            return found
        key = key.rpartition("_")[0]
    return None


def _numbers(samples: Sequence[Sample], *, is_angle: bool) -> Numbers:
    values = [sample.number for sample in samples if sample.number is not None]
    if not values:
        return Numbers()
    radians = [math.radians(value) for value in values] if is_angle else []
    return Numbers(
        count=len(values),
        total=sum(values),
        least=min(values),
        most=max(values),
        newest_ns=samples[-1].time_ns,
        last=values[-1],
        sine=sum(map(math.sin, radians)),
        cosine=sum(map(math.cos, radians)),
    )


def _by_kind(numbers: Numbers, quantity: Quantity | None) -> float | None:
    match QuantityKind.GAUGE if quantity is None else quantity.kind:
        case QuantityKind.GAUGE:
            return numbers.total / numbers.count
        case QuantityKind.TALLY:
            return numbers.total
        case QuantityKind.ANGLE:
            return _direction(numbers, is_signed=quantity is not None and quantity.minimum < 0)
        case QuantityKind.COUNTER | QuantityKind.STATE:
            return numbers.last


def _direction(numbers: Numbers, *, is_signed: bool) -> float | None:
    if math.hypot(numbers.sine, numbers.cosine) < _NO_DIRECTION * numbers.count:
        return None
    degrees = round(math.degrees(math.atan2(numbers.sine, numbers.cosine)), 9)  # a hair below 0 is not 360
    return degrees if is_signed else degrees % 360.0


def _may_name(key: str, keys: set[str]) -> bool:
    """Whether a derived name may stand beside these points without being taken for something of theirs."""
    shadows = {key + QUALITY_SUFFIX, key.removesuffix(QUALITY_SUFFIX)} & keys
    return len(key) <= _LONGEST_KEY and key not in RESERVED_POINT_KEYS and not shadows
