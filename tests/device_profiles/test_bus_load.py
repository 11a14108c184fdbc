"""What a bus is asked, and whether it can be held (`device_profiles/bus_load.py`), judged by playing it through."""

import heapq

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_profiles.bus_load import BusLoad, GroupLoad, Turn, advice, arithmetic, modbus_load
from device_profiles.library import load_profile
from device_profiles.modbus import ReadRequest, Table
from device_profiles.modbus_model import ModbusDevice
from device_profiles.plan_text import plan_lines, verdict

REQUEST = ReadRequest(table=Table.HOLDING, address=0, count=1)


def group_of(number: int, period_ms: int, turns_ms: list[int]) -> GroupLoad:
    turns = tuple(Turn(request=REQUEST, wire_bytes=15, seconds=one / 1000) for one in turns_ms)
    return GroupLoad(device=f"d{number}", group="all", period_s=period_ms / 1000, turns=turns)


loads = st.lists(
    st.tuples(st.sampled_from((100, 200, 250, 500, 1000)), st.lists(st.integers(1, 60), min_size=1, max_size=4)),
    min_size=1,
    max_size=6,
).map(lambda groups: BusLoad(tuple(group_of(n, *group) for n, group in enumerate(groups))))
offsets = st.lists(st.integers(0, 999), min_size=6, max_size=6)


def missed_ms(load: BusLoad, offsets_ms: list[int], until_ms: int = 6000) -> int | None:
    """When a deadline was missed by earliest-deadline-first, a turn at a time; None where none was."""
    coming = [(offsets_ms[n] % round(1000 * one.period_s), n) for n, one in enumerate(load.groups)]
    heapq.heapify(coming)
    ready: list[tuple[int, int, int]] = []  # deadline, group, turn
    now = 0
    while now < until_ms:
        while coming and coming[0][0] <= now:
            release, n = heapq.heappop(coming)
            period = round(1000 * load.groups[n].period_s)
            heapq.heappush(ready, (release + period, n, 0))
            heapq.heappush(coming, (release + period, n))
        if not ready:
            now = coming[0][0]
            continue
        deadline, n, turn = heapq.heappop(ready)
        turns = load.groups[n].turns
        now += round(1000 * turns[turn].seconds)
        if now > deadline:
            return now
        if turn + 1 < len(turns):
            heapq.heappush(ready, (deadline, n, turn + 1))
    return None


@given(loads, offsets)
def test_i1_a_bus_that_holds_keeps_every_deadline_whenever_its_groups_begin(load: BusLoad, begin_ms: list[int]) -> None:
    if load.holds:
        assert missed_ms(load, begin_ms) is None


@given(loads, offsets)
def test_i2_a_bus_that_is_impossible_misses_one(load: BusLoad, begin_ms: list[int]) -> None:
    if load.share > 1.02:  # a hair above, the miss comes late
        assert missed_ms(load, begin_ms, until_ms=120_000) is not None


@given(loads)
def test_what_is_advised_makes_it_possible_and_what_is_fine_is_left_alone(load: BusLoad) -> None:
    if load.is_possible:
        assert "cannot be held" not in verdict(load)
    else:
        assert "cannot be held" in verdict(load)
        assert "%" in advice(load)
    assert f"{100 * load.share:.3g} %" in arithmetic(load)


def test_the_dearest_device_alone_is_named_where_it_alone_is_the_cure() -> None:
    load = BusLoad((group_of(1, 1000, [60]), group_of(2, 100, [50, 60])))
    assert advice(load) == "read d2 less often: all every 1 s (now 0.1); that makes 17 %"


def meter() -> ModbusDevice:
    found = load_profile("eastron/sdm120").modbus
    assert found is not None
    return found


def test_a_request_costs_its_bytes_its_silence_its_pause_and_the_time_to_answer() -> None:
    (first, *_) = modbus_load("m", meter(), {}, baud=9600, response_ms=20)
    turn = first.turns[0]
    characters = turn.wire_bytes + 7
    assert turn.seconds == pytest.approx(characters * 11 / 9600 + meter().turnaround_ms / 1000 + 0.020, abs=1e-5)


def test_over_tcp_bytes_cost_nothing_and_periods_can_be_changed() -> None:
    loads = modbus_load("m", meter(), {"energy": 300}, baud=9600, is_network=True)
    assert all(turn.seconds == meter().turnaround_ms / 1000 for group in loads for turn in group.turns)
    assert {group.group: group.period_s for group in loads}["energy"] == 300


def test_the_plan_tells_each_request_each_device_and_the_sum() -> None:
    loads = (*modbus_load("m1", meter(), {}, baud=9600), *modbus_load("m2", meter(), {}, baud=9600))
    lines = list(plan_lines(BusLoad(loads), with_requests=True))
    assert sum("read input" in line for line in lines) == sum(len(group.turns) for group in loads)
    assert "devices: m1" in lines[-2]
    assert lines[-1].endswith("every period holds")
