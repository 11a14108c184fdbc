"""Report by exception: of readings that say nothing new only some are recorded. Pure.

I1. Between two records no point was further from its recorded number than its deadband, at any reading.
I2. Counters, tallies and states are exact: every change is recorded with its own time, and of a counter the reading
    before the change too, so that a rate is never spread over the time it stood still.
I3. No change of quality is held back, be it a value's or the time's, no value that comes or goes, and no event; and
    while readings come in their rhythm no silence is longer than its limit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from edge.spool.base import Reading
from wire.quantities import QuantityKind, quantity
from wire.records import PointLayout, RecordKind, Value

_CIRCLE_DEG = 360.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRule:
    """When a reading is recorded: deadbands by key of the point, in its unit or in percent of the recorded number."""

    max_silence_s: float
    deadband: Mapping[str, float] = field(default_factory=dict)
    deadband_percent: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Band:
    """What a point's change must be larger than; 0 for what is exact."""

    kind: QuantityKind
    absolute: float
    percent: float


class Reporter:
    """The readings of one group of one device.

    Args:
        points: of its stream.
        rule: when they are recorded.
    """

    def __init__(self, points: Sequence[PointLayout], rule: ReportRule) -> None:
        self._points = [
            _Band(
                kind=quantity(point.quantity).kind,
                absolute=rule.deadband.get(point.key, 0.0),
                percent=rule.deadband_percent.get(point.key, 0.0),
            )
            for point in points
        ]
        self._max_silence_s = rule.max_silence_s
        # Changed by passed only.
        self._recorded: Reading | None = None
        self._recorded_s = 0.0
        self._read_s = 0.0
        self._held: Reading | None = None

    def passed(self, reading: Reading, *, at_s: float) -> tuple[Reading, ...]:
        """What is to be recorded now that this was read: nothing, the reading, or the one before it and the reading.

        Args:
            reading: the newest of the group.
            at_s: when it was read, in monotonic seconds.
        """
        before, self._held = self._held, reading
        passed_s, self._read_s = at_s - self._read_s, at_s
        if self._recorded is None or reading.stream.kind is RecordKind.EVENT:
            return self._record((reading,), at_s)
        news = [
            band.kind
            for band, old, new in zip(self._points, self._recorded.values, reading.values, strict=True)
            if _is_news(band, old, new)
        ]
        if before is not None and QuantityKind.COUNTER in news:
            return self._record((before, reading), at_s)
        is_news = bool(news) or reading.time_quality is not self._recorded.time_quality
        if is_news or at_s + passed_s - self._recorded_s > self._max_silence_s:  # the next would come too late
            return self._record((reading,), at_s)
        return ()

    def _record(self, readings: tuple[Reading, ...], at_s: float) -> tuple[Reading, ...]:
        self._recorded, self._recorded_s, self._held = readings[-1], at_s, None
        return readings


def _is_news(band: _Band, old: Value, new: Value) -> bool:
    """Whether a value says what the recorded one does not."""
    if old.quality is not new.quality or old.number is None or new.number is None:
        return old != new
    if band.kind is QuantityKind.TALLY:
        return new.number != 0
    distance = abs(new.number - old.number)
    if band.kind is QuantityKind.ANGLE:
        distance = min(distance % _CIRCLE_DEG, -distance % _CIRCLE_DEG)
    return distance > max(band.absolute, band.percent / 100 * abs(old.number))
