"""A series store in memory that can be made to fail as a database does: in part, or without saying how it ended."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from hub.series.base import (
    Aggregate,
    Latest,
    Sample,
    Selection,
    SeriesKey,
    SeriesSamples,
    TimeRange,
    WriteResult,
)
from hub.series.names import HUB_MEASUREMENTS, faults_of
from hub.series.sheet import Point, Sheet
from tests.support.points import points_of
from wire.records import Quality

_Identity = tuple[str, str, str, str, str, str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What the next write does: store only the first `stored` points, then say that the outcome is unknown."""

    stored: int
    reason: str = "connection lost"


class FakeSeriesStore:
    """Keeps points in a dict. `faults` are used up one a write; `poison` decides which points are refused."""

    def __init__(self) -> None:
        self.points: dict[_Identity, Point] = {}
        self.faults: list[Fault] = []
        self.poison: Callable[[Point], str | None] = lambda _point: None
        self.writes = 0
        self.is_down = False

    async def write(self, sheets: Sequence[Sheet]) -> WriteResult:
        self.writes += 1
        points = list(points_of(sheets))
        if self.is_down:
            return WriteResult(unknown="connection refused")
        fault = self.faults.pop(0) if self.faults else None
        faults = [faults_of(sheet).get(row) for sheet in sheets for row in range(len(sheet))]
        refused: dict[int, str] = {}
        for index, point in enumerate(points[: None if fault is None else fault.stored]):
            if reason := faults[index] or self.poison(point):
                refused[index] = reason
            else:
                self.points[_identity(point)] = point
        return WriteResult(refused=refused, unknown=None if fault is None else fault.reason)

    async def series(self, selection: Selection) -> list[SeriesKey]:
        return sorted({key for key, _ in self._samples() if _matches(key, selection)}, key=_order)

    async def latest(self, selection: Selection) -> list[Latest]:
        newest: dict[SeriesKey, Sample] = {}
        for key, sample in self._samples():
            if _matches(key, selection) and (key not in newest or newest[key].time_ns < sample.time_ns):
                newest[key] = sample
        return [Latest(series=key, sample=newest[key]) for key in sorted(newest, key=_order)]

    async def samples(self, series: SeriesKey, time_range: TimeRange, *, limit: int) -> list[Sample]:
        found = [
            sample
            for key, sample in self._samples()
            if key == series and time_range.start_ns <= sample.time_ns < time_range.end_ns
        ]
        return sorted(found, key=lambda sample: sample.time_ns)[-limit:]

    async def windows(
        self, series: SeriesKey, time_range: TimeRange, *, aggregate: Aggregate, window_ns: int
    ) -> list[Sample]:
        windows: dict[int, list[float]] = {}
        for sample in await self.samples(series, time_range, limit=10**9):
            if sample.number is not None:
                windows.setdefault(sample.time_ns // window_ns * window_ns, []).append(sample.number)
        reduced: dict[Aggregate, Callable[[list[float]], float]] = {
            Aggregate.MEAN: fmean,
            Aggregate.MIN: min,
            Aggregate.MAX: max,
            Aggregate.SUM: sum,
            Aggregate.COUNT: len,
            Aggregate.LAST: lambda numbers: numbers[-1],
        }
        reduce = reduced[aggregate]
        return [
            Sample(time_ns=start, number=float(reduce(numbers)), quality=Quality.GOOD)
            for start, numbers in sorted(windows.items())
        ]

    async def span(self, selection: Selection, time_range: TimeRange) -> list[SeriesSamples]:
        found: dict[SeriesKey, list[Sample]] = {}
        for key, sample in self._samples():
            if _matches(key, selection) and time_range.start_ns <= sample.time_ns < time_range.end_ns:
                found.setdefault(key, []).append(sample)
        return [
            SeriesSamples(series=key, samples=tuple(sorted(found[key], key=lambda sample: sample.time_ns)))
            for key in sorted(found, key=_order)
        ]

    async def forget_before(self, time_ns: int) -> None:
        self.points = {identity: point for identity, point in self.points.items() if point.time_ns >= time_ns}

    async def count_points(self, gateway: str, time_range: TimeRange | None = None) -> int:
        asked = time_range or TimeRange(start_ns=0, end_ns=2**63)
        return sum(
            point.gateway == gateway
            and point.measurement not in HUB_MEASUREMENTS
            and asked.start_ns <= point.time_ns < asked.end_ns
            for point in self.points.values()
        )

    async def close(self) -> None:
        """Nothing to release."""

    def _samples(self) -> list[tuple[SeriesKey, Sample]]:
        return [
            (
                SeriesKey(
                    measurement=point.measurement,
                    site=point.site,
                    gateway=point.gateway,
                    device=point.device,
                    group=point.group,
                    mode=point.mode,
                    field=field,
                ),
                Sample(time_ns=point.time_ns, number=point.fields.get(field), quality=quality),
            )
            for point in self.points.values()
            for field, quality in point.qualities.items()
        ]


def _identity(point: Point) -> _Identity:
    return point.measurement, point.site, point.gateway, point.device, point.group, point.mode, point.time_ns


def _order(key: SeriesKey) -> tuple[str, ...]:
    return key.measurement, key.site, key.gateway, key.device, key.group, key.mode, key.field


def _matches(key: SeriesKey, selection: Selection) -> bool:
    as_selection = Selection(
        measurement=key.measurement,
        site=key.site,
        gateway=key.gateway,
        device=key.device,
        group=key.group,
        mode=key.mode,
        field=key.field,
    )
    wanted = {name: value for name in Selection.__slots__ if (value := getattr(selection, name)) is not None}
    return replace(as_selection, **wanted) == as_selection
