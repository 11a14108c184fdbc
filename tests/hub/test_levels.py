"""Levels: whatever the order of arrival, and whatever fails in between, they are what a plain recomputation gives."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from statistics import fmean

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from hub.levels.level import FIVE_MINUTES_NS, HOUR_BIT, HOUR_NS, GatewayHour, Level, closed_bits, touched_by
from hub.levels.touched import TouchedWindows
from hub.levels.watched import WatchedSeries
from hub.levels.writer import LevelWriter
from hub.series.base import Selection, SeriesError, SeriesKey, SeriesSamples, TimeRange, WriteResult
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

    async def _follow(self, gateway: str, hours: Sequence[int]) -> None:
        self.followed += [GatewayHour(hour, gateway) for hour in hours]

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
    max_examples=40, stateful_step_count=15, suppress_health_check=[HealthCheck.too_slow]
)
