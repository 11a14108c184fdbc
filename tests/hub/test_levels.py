"""Levels: whatever the order of arrival, and whatever fails in between, they are what a plain recomputation gives."""

import asyncio
import math
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from statistics import fmean

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from hub.levels.fold import Fold, fold, folds_by_window, natural, point_of, quantity_of_key
from hub.levels.level import FIVE_MINUTES_NS, HOUR_BIT, HOUR_NS, GatewayHour, Level, bucket_of, closed_bits, touched_by
from hub.levels.touched import TouchedWindows
from hub.levels.watched import WatchedSeries
from hub.levels.writer import LevelWriter
from hub.series.base import Sample, Selection, SeriesError, SeriesKey, SeriesSamples, TimeRange, WriteResult
from hub.series.sheet import Point, Sheet, sheets_of
from tests.support.fake_clock import FakeClock
from tests.support.fake_series import FakeSeriesStore, Fault
from wire.quantities import QUANTITIES, Quantity
from wire.records import Mode, Quality

NOW_MS = 1_795_003_600_000 // 3_600_000 * 3_600_000
NOW_NS = NOW_MS * 1_000_000
DAY_NS = 24 * HOUR_NS
MODES = tuple(Mode)
ALWAYS = TimeRange(start_ns=0, end_ns=2**62)

numbers = st.floats(-1e6, 1e6)
qualities = st.sampled_from(list(Quality))


def key(field: str = "voltage", *, mode: Mode = Mode.LIVE, gateway: str = "gw-1") -> SeriesKey:
    return SeriesKey(
        measurement="power", site="hall", gateway=gateway, device="meter-1", group="main", mode=mode, field=field
    )


@st.composite
def samples(draw: st.DrawFn) -> list[Sample]:
    times = draw(st.lists(st.integers(0, 3 * HOUR_NS), unique=True, min_size=1, max_size=40))
    made = []
    for time_ns in sorted(times):
        number = draw(st.none() | numbers)
        quality = draw(qualities) if number is not None else draw(st.sampled_from(list(Quality)[2:]))
        made.append(Sample(time_ns=time_ns, number=number, quality=quality))
    return made


def chosen(some: Sequence[Sample]) -> list[float]:
    """The plain rule: the sound numbers, or where there are none, those there are."""
    known = [sample for sample in some if sample.number is not None]
    sound = [sample for sample in known if sample.quality in {Quality.GOOD, Quality.TIME_ESTIMATED}]
    return [sample.number for sample in sound or known if sample.number is not None]


@given(samples())
def test_an_aggregate_is_what_its_definition_says(some: list[Sample]) -> None:
    folded = fold(some, QUANTITIES["voltage"])
    plain = chosen(some)
    point = point_of({key(): folded}, lambda _: QUANTITIES["voltage"], start_ns=0)
    assert point.fields["voltage_count"] == len(plain)
    sound = [one for one in some if one.number is not None and one.quality <= Quality.TIME_ESTIMATED]
    assert point.fields["voltage_good"] == len(sound) / len(some)
    assert point.qualities["voltage"] == max(sample.quality for sample in some)
    if plain:
        assert point.fields["voltage"] == pytest.approx(fmean(plain), abs=1e-6)
        assert (point.fields["voltage_min"], point.fields["voltage_max"]) == (min(plain), max(plain))
        assert point.fields["voltage_last"] == plain[-1]
    else:
        assert "voltage" not in point.fields


@given(samples(), st.randoms(use_true_random=False))
def test_parts_put_together_in_any_order_are_the_whole(some: list[Sample], chance: object) -> None:
    whole = fold(some, QUANTITIES["wind_direction"])
    parts = list(folds_by_window(some, QUANTITIES["wind_direction"], window_ns=FIVE_MINUTES_NS).values())
    chance.shuffle(parts)  # type: ignore[attr-defined] # hypothesis gives a Random
    together = Fold()
    for part in parts:
        together = together.with_others(part)
    assert (together.samples, together.worst) == (whole.samples, whole.worst)
    for mine, theirs in ((together.sound, whole.sound), (together.doubtful, whole.doubtful)):
        assert (mine.count, mine.least, mine.most, mine.last) == (theirs.count, theirs.least, theirs.most, theirs.last)
        assert mine.total == pytest.approx(theirs.total, abs=1e-6)
        assert math.hypot(mine.sine - theirs.sine, mine.cosine - theirs.cosine) < 1e-6


@pytest.mark.parametrize(
    ("quantity", "values", "expected"),
    [
        ("temperature", [1.0, 2.0, 6.0], 3.0),
        ("wind_direction", [350.0, 10.0], 0.0),
        ("wind_direction", [80.0, 100.0], 90.0),
        ("wind_direction", [0.0, 180.0], None),
        ("phase_angle", [-10.0, -30.0], -20.0),
        ("energy", [5.0, 6.0, 1.0], 1.0),
        ("vehicle_count", [1.0, 2.0, 3.0], 6.0),
        ("charge_state", [3.0, 5.0, 3.0], 3.0),
        ("temperature", [1.7e308, 1.7e308], None),
    ],
)
def test_each_kind_of_quantity_has_its_own_aggregate(
    quantity: str, values: list[float], expected: float | None
) -> None:
    folded = fold(
        [Sample(time_ns=i, number=v, quality=Quality.GOOD) for i, v in enumerate(values)], QUANTITIES[quantity]
    )
    found = natural(folded, QUANTITIES[quantity])
    assert found == (None if expected is None else pytest.approx(expected, abs=1e-6))
    point = point_of({key("x"): folded}, lambda _: QUANTITIES[quantity], start_ns=0)
    assert ("x" in point.fields) == (expected is not None)
    assert point.qualities["x"] == (Quality.GOOD if expected is not None else Quality.OUT_OF_RANGE)


def test_a_window_without_numbers_says_so_and_is_not_zero() -> None:
    folded = fold([Sample(time_ns=1, number=None, quality=Quality.TIMEOUT)], None)
    point = point_of({key(): folded}, lambda _: None, start_ns=0)
    assert point.fields == {"voltage_count": 0.0, "voltage_good": 0.0, "worst_mode": 0.0}
    assert point.qualities["voltage"] is Quality.TIMEOUT


def test_a_point_of_the_device_goes_before_a_derived_field_of_the_same_name() -> None:
    one = fold([Sample(time_ns=1, number=1.0, quality=Quality.GOOD)], None)
    seven = fold([Sample(time_ns=1, number=7.0, quality=Quality.GOOD)], None)
    long = "v" * 60
    found = point_of(
        {key("a"): one, key("a_max"): seven, key("worst_mode"): seven, key(long): one}, lambda _: None, start_ns=0
    )
    assert (found.fields["a_max"], found.fields["worst_mode"]) == (7.0, 7.0)
    assert found.fields["a_max_max"] == 7.0
    assert not any(len(name) > 63 for name in found.fields)


def test_a_key_with_an_ending_of_its_own_names_its_quantity() -> None:
    assert quantity_of_key("voltage_l1") == QUANTITIES["voltage"]
    assert quantity_of_key("pm2_5") == QUANTITIES["pm2_5"]
    assert quantity_of_key("nobody_knows") is None


def test_levels_have_buckets_of_their_own() -> None:
    assert [bucket_of("sen", level) for level in Level] == ["sen", "sen_5m", "sen_1h"]


def raw(time_ns: int, number: float, *, mode: Mode = Mode.LIVE, gateway: str = "gw-1") -> Point:
    return Point(
        measurement="power", site="hall", gateway=gateway, device="meter-1", group="main", mode=mode,
        time_ns=time_ns, fields={"voltage": number}, qualities={"voltage": Quality.GOOD},
    )  # fmt: skip


@given(st.lists(st.integers(NOW_NS - 3 * HOUR_NS, NOW_NS + HOUR_NS), max_size=30), st.integers(0, HOUR_NS))
def test_every_window_that_was_written_to_is_touched_and_no_other(times: list[int], later: int) -> None:
    touched = touched_by(sheets_of([raw(time_ns, 1.0) for time_ns in times]), start_ns=0, end_ns=2**62)
    windows = {
        key.start_ns + place * FIVE_MINUTES_NS
        for key, bits in touched.items()
        for place in range(12)
        if bits >> place & 1
    }
    assert windows == {time_ns // FIVE_MINUTES_NS * FIVE_MINUTES_NS for time_ns in times}
    assert all(bits & HOUR_BIT for bits in touched.values())
    for one, bits in touched.items():
        closed = closed_bits(one, bits, now_ns=NOW_NS + later)
        ended = {
            place
            for place in range(12)
            if one.start_ns + (place + 1) * FIVE_MINUTES_NS <= NOW_NS + later and bits >> place & 1
        }
        assert {place for place in range(12) if closed >> place & 1} == ended
        assert bool(closed & HOUR_BIT) == (one.start_ns + HOUR_NS <= NOW_NS + later)


class Voltages:
    """All of it is voltage."""

    async def of_gateway(self, _gateway: str) -> Callable[[SeriesKey], Quantity | None]:
        return lambda _series: QUANTITIES["voltage"]


class RawStore(FakeSeriesStore):
    """Runs what a test wants to happen between the reading of a window and its being written."""

    def __init__(self) -> None:
        super().__init__()
        self.while_reading: Callable[[], object] | None = None

    async def span(self, selection: Selection, time_range: TimeRange) -> list[SeriesSamples]:
        found = await super().span(selection, time_range)
        if (act := self.while_reading) is not None:
            self.while_reading = None
            await act()  # type: ignore[misc] # a coroutine function
        return found


class Hub:
    """Raw series, levels, and the file between them, which survives `restart`."""

    def __init__(self, folder: Path, *, keep_ns: int | None = 30 * DAY_NS) -> None:
        self.clock = FakeClock(now_ms=NOW_MS)
        self.raw = RawStore()
        self.levels = {Level.RAW: self.raw, Level.FIVE_MINUTES: FakeSeriesStore(), Level.HOURLY: FakeSeriesStore()}
        self.followed: list[GatewayHour] = []
        self._folder = folder
        self._keep_ns = keep_ns
        self.open()

    def open(self) -> None:
        self.touched = TouchedWindows(self._folder / "levels.sqlite", keep_ns=self._keep_ns, clock=self.clock)
        self.series = WatchedSeries(self.raw, [self.touched.touch])
        self.writer = LevelWriter(
            stores=self.levels, touched=self.touched, quantities=Voltages(), followers=[self._follow], clock=self.clock
        )

    async def restart(self) -> None:
        await self.touched.close()
        self.open()

    async def write(self, *points: Point) -> None:
        assert await self.series.write(sheets_of(points)) == WriteResult()

    async def settle(self) -> None:
        self.clock.advance(2 * 3600)
        while await self.writer.catch_up():
            pass

    async def _follow(self, key: GatewayHour) -> None:
        self.followed.append(key)

    def plain(self, window_ns: int) -> dict[tuple[str, Mode, int], float]:
        """The means of the raw points, recomputed."""
        found: dict[tuple[str, Mode, int], list[float]] = {}
        for point in self.raw.points.values():
            window = point.time_ns // window_ns * window_ns
            found.setdefault((point.gateway, point.mode, window), []).append(point.fields["voltage"])
        return {window: fmean(values) for window, values in found.items()}

    def check(self) -> None:
        for level, window_ns in ((Level.FIVE_MINUTES, FIVE_MINUTES_NS), (Level.HOURLY, HOUR_NS)):
            stored = {
                (point.gateway, point.mode, point.time_ns): point.fields["voltage"]
                for point in self.levels[level].points.values()
            }
            assert stored == pytest.approx(self.plain(window_ns))
            assert all(
                point.fields["worst_mode"] == MODES.index(point.mode) for point in self.levels[level].points.values()
            )


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    made = Hub(tmp_path)
    yield made
    await made.touched.close()


async def test_what_was_written_stands_in_the_levels_when_its_window_has_ended(hub: Hub) -> None:
    await hub.write(raw(NOW_NS, 1.0), raw(NOW_NS + FIVE_MINUTES_NS, 3.0))
    hub.clock.advance(310)
    await hub.writer.catch_up()
    assert not hub.levels[Level.FIVE_MINUTES].points, "the window had no time to settle"
    hub.clock.advance(20)
    await hub.writer.catch_up()
    assert [point.time_ns for point in hub.levels[Level.FIVE_MINUTES].points.values()] == [NOW_NS]
    assert not hub.levels[Level.HOURLY].points
    await hub.settle()
    hub.check()
    assert [point.fields["voltage_count"] for point in hub.levels[Level.HOURLY].points.values()] == [2.0]


async def test_a_week_of_backlog_that_arrives_today_is_put_together_window_by_window(hub: Hub) -> None:
    await hub.write(raw(NOW_NS - HOUR_NS, 1.0))
    await hub.settle()
    week = [raw(NOW_NS - hours * HOUR_NS + 7, float(hours)) for hours in range(7 * 24)]
    await hub.write(*week)
    await hub.settle()
    hub.check()
    assert len(hub.levels[Level.HOURLY].points) == 7 * 24
    assert await hub.writer.catch_up() == 0


async def test_a_write_that_cannot_be_remembered_is_not_said_to_be_stored(hub: Hub) -> None:
    async def broken(_sheets: Sequence[Sheet]) -> None:
        raise SeriesError("disk full")

    result = await WatchedSeries(hub.raw, [broken]).write(sheets_of([raw(NOW_NS, 1.0)]))
    assert result.unknown == "disk full"


async def test_what_is_older_than_raw_series_are_kept_never_overwrites_what_was_put_together(tmp_path: Path) -> None:
    hub = Hub(tmp_path, keep_ns=DAY_NS)
    await hub.write(raw(NOW_NS - 25 * HOUR_NS, 1.0), raw(NOW_NS + 25 * HOUR_NS, 1.0))
    await hub.settle()
    assert not hub.levels[Level.HOURLY].points
    await hub.touched.close()


async def test_followers_hear_of_an_hour_before_it_is_forgotten_and_again_when_it_changes(hub: Hub) -> None:
    await hub.write(raw(NOW_NS - HOUR_NS, 1.0))
    await hub.settle()
    await hub.write(raw(NOW_NS - HOUR_NS + 1, 2.0))
    await hub.settle()
    assert hub.followed == [GatewayHour(NOW_NS // HOUR_NS - 1, "gw-1")] * 2


async def test_what_is_written_while_its_window_is_read_is_put_together_again(hub: Hub) -> None:
    await hub.write(raw(NOW_NS - HOUR_NS, 1.0))
    hub.raw.while_reading = lambda: hub.write(raw(NOW_NS - HOUR_NS + 1, 2.0))
    await hub.settle()
    hub.check()


async def test_modes_never_mix(hub: Hub) -> None:
    await hub.write(raw(NOW_NS, 1.0), raw(NOW_NS + 1, 100.0, mode=Mode.SIMULATED))
    await hub.settle()
    found = {point.mode: point.fields["voltage"] for point in hub.levels[Level.HOURLY].points.values()}
    assert found == {Mode.LIVE: 1.0, Mode.SIMULATED: 100.0}


async def test_windows_wait_on_disk_once_however_many_records_touch_them(hub: Hub) -> None:
    await hub.write(*(raw(NOW_NS + i, 1.0) for i in range(100)))
    await hub.restart()
    await hub.write(raw(NOW_NS + 101, 1.0))
    hub.clock.advance(7200)
    assert [(due.key, due.bits) for due in await hub.touched.due()] == [
        (GatewayHour(NOW_NS // HOUR_NS, "gw-1"), 1 | HOUR_BIT)
    ]


class LevelMachine(RuleBasedStateMachine):
    """Writes in any order, failing stores, crashes and writes in the midst of reading."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory()
        self.hub = Hub(Path(self.folder.name))
        self.number = 0.0

    def teardown(self) -> None:
        try:
            self.loop.run_until_complete(self._settle_and_check())
        finally:
            self.loop.run_until_complete(self.hub.touched.close())
            self.loop.close()
            self.folder.cleanup()

    points = st.lists(
        st.tuples(
            st.integers(-66, -55), st.integers(0, 59), st.sampled_from(["gw-1", "gw-2"]), st.sampled_from(MODES[:2])
        ),
        min_size=1,
        max_size=5,
    )

    @rule(where=points)
    def write(self, where: list[tuple[int, int, str, Mode]]) -> None:
        self.loop.run_until_complete(self.hub.write(*self._made(where)))

    @rule(where=points)
    def write_while_reading(self, where: list[tuple[int, int, str, Mode]]) -> None:
        some = self._made(where)
        self.hub.raw.while_reading = lambda: self.hub.write(*some)

    @rule(minutes=st.integers(0, 90))
    def time_passes(self, minutes: int) -> None:
        self.hub.clock.advance(minutes * 60)

    @rule()
    def catch_up(self) -> None:
        self.loop.run_until_complete(self.hub.writer.catch_up())

    @rule(level=st.sampled_from([Level.FIVE_MINUTES, Level.HOURLY]), stored=st.integers(0, 2))
    def a_level_fails(self, level: Level, stored: int) -> None:
        self.hub.levels[level].faults.append(Fault(stored=stored))
        try:
            self.loop.run_until_complete(self.hub.writer.catch_up())
        except SeriesError:
            self.loop.run_until_complete(self.hub.restart())
        self.hub.levels[level].faults.clear()

    @rule()
    def restart(self) -> None:
        self.loop.run_until_complete(self.hub.restart())

    def _made(self, where: list[tuple[int, int, str, Mode]]) -> list[Point]:
        made = []
        for minutes, seconds, gateway, mode in where:
            self.number += 1
            time_ns = NOW_NS + (minutes * 60 + seconds) * 1_000_000_000
            made.append(raw(time_ns, self.number, mode=mode, gateway=gateway))
        return made

    async def _settle_and_check(self) -> None:
        self.hub.raw.while_reading = None
        await self.hub.settle()
        self.hub.check()


TestLevelsUnderAnyOrder = LevelMachine.TestCase
TestLevelsUnderAnyOrder.settings = settings(
    max_examples=40, stateful_step_count=15, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
