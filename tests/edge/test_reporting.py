"""Report by exception (`edge/reporting.py`): what can be known of the readings that were not recorded."""

from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from edge.reporting import Reporter, ReportRule
from edge.spool.base import Reading
from wire.identifiers import DeviceId, SiteId
from wire.quantities import quantity
from wire.records import Mode, PointLayout, Quality, RecordKind, Stream, TimeQuality, Value

BAND, PERCENT, SILENCE_S = 0.5, 2.0, 20.0
KEYS = {
    "t": "temperature",
    "p": "power",
    "wind": "wind_direction",
    "energy": "energy_import",
    "cars": "vehicle_count",
    "door": "door",
}
POINTS = tuple(PointLayout(key=key, quantity=name, unit=quantity(name).unit) for key, name in KEYS.items())
RULE = ReportRule(max_silence_s=SILENCE_S, deadband={"t": BAND, "wind": 10}, deadband_percent={"p": PERCENT})


def reading(numbers: tuple[float | None, ...], second: int, kind: RecordKind = RecordKind.SAMPLE) -> Reading:
    stream = Stream(
        site=SiteId("hall"),
        device=DeviceId("d1"),
        group="all",
        measurement="weather",
        mode=Mode.LIVE,
        kind=kind,
        points=POINTS,
    )
    values = tuple(Value(number, Quality.GOOD if number is not None else Quality.TIMEOUT) for number in numbers)
    return Reading(stream=stream, time_ms=1000 * second, values=values)


number = st.one_of(st.none(), st.floats(-5, 5).map(lambda one: round(one, 1)))
Row = tuple[float | None, ...]
rows = st.lists(
    st.tuples(
        number,
        st.floats(90, 110),
        st.integers(0, 360),
        st.integers(0, 2),
        st.integers(0, 1),
        st.integers(0, 1),
    ),
    min_size=1,
    max_size=60,
)


def played(readings: list[Reading]) -> list[Reading]:
    reporter = Reporter(POINTS, RULE)
    return [one for each in readings for one in reporter.passed(each, at_s=each.time_ms / 1000)]


@given(rows)
def test_i1_no_reading_was_further_from_the_recorded_one_than_the_deadband(
    found: list[tuple[float | None, ...]],
) -> None:
    readings = [reading(row, second) for second, row in enumerate(found)]
    recorded = {one.time_ms: one for one in played(readings)}
    newest = readings[0]
    for one in readings:
        newest = recorded.get(one.time_ms, newest)
        t, p, wind = zip(one.values[:3], newest.values[:3], strict=True)
        assert (t[0].number is None) == (t[1].number is None)
        if t[0].number is not None and t[1].number is not None:
            assert abs(t[0].number - t[1].number) <= BAND
        assert abs((p[0].number or 0) - (p[1].number or 0)) <= PERCENT / 100 * (p[1].number or 0)
        turn = abs((wind[0].number or 0) - (wind[1].number or 0))
        assert min(turn, 360 - turn) <= 10


@given(rows)
def test_i2_what_is_counted_is_exact(found: list[Row]) -> None:
    total, readings = 0.0, []
    for second, row in enumerate(found):
        total += row[3] or 0
        readings.append(reading((*row[:3], total, *row[4:]), second))
    recorded = played(readings)
    assert sum(one.values[4].number or 0 for one in recorded) == sum(one.values[4].number or 0 for one in readings)
    times = {one.time_ms for one in recorded}
    for before, after in pairwise(readings):
        if before.values[3] != after.values[3]:
            assert {before.time_ms, after.time_ms} <= times
        if before.values[5] != after.values[5]:
            assert after.time_ms in times


@given(rows)
def test_i3_each_is_recorded_once_in_its_order_and_the_silence_has_an_end(
    found: list[tuple[float | None, ...]],
) -> None:
    recorded = played([reading(row, second) for second, row in enumerate(found)])
    times = [one.time_ms for one in recorded]
    assert times[0] == 0
    assert times == sorted(set(times))
    ends = [*times[1:], 1000 * (len(found) - 1)]
    assert all(later - earlier <= SILENCE_S * 1000 for earlier, later in zip(times, ends, strict=True))


def test_i3_every_event_is_recorded() -> None:
    row = (20.0, 100.0, 0, 0, 0, 0)
    assert len(played([reading(row, second, RecordKind.EVENT) for second in range(5)])) == 5


def test_i3_a_change_of_how_good_the_time_is_is_recorded() -> None:
    readings = [reading((20.0, 100.0, 0, 7, 0, 0), second) for second in range(10)]
    readings[3:5] = [replace(one, time_quality=TimeQuality.UNSYNCED) for one in readings[3:5]]
    assert [one.time_ms // 1000 for one in played(readings)] == [0, 3, 5]


def test_i3_readings_that_come_a_little_late_make_no_silence_longer_than_its_limit() -> None:
    readings = [reading((20.0, 100.0, 0, 7, 0, 0), 3 * index) for index in range(40)]
    times = [one.time_ms // 1000 for one in played(readings)]
    assert max(later - earlier for earlier, later in pairwise(times)) <= SILENCE_S


def test_what_stands_still_costs_one_record_in_the_longest_silence() -> None:
    readings = [reading((20.0, 100.0, 0, 7, 0, 0), second) for second in range(101)]
    assert [one.time_ms // 1000 for one in played(readings)] == [0, 20, 40, 60, 80, 100]
