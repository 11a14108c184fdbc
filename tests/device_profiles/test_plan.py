"""The poll plan: every point whole, within limits, and as cheap as can be."""

from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_profiles.library import load_profile
from device_profiles.modbus import ReadRequest, Table
from device_profiles.modbus_model import ForbiddenRange, Limits, ModbusDevice, ModbusGroup, ModbusPoint
from device_profiles.numbers import NumberType
from device_profiles.plan import PlanError, bus_time_us, covers, narrowed, plan_points, read_plan

NO_LIMITS = Limits()
TYPES = (NumberType.U16, NumberType.F32, NumberType.U64)


def point(address: int, number_type: NumberType = NumberType.U16) -> ModbusPoint:
    return ModbusPoint(key=f"p{address}", quantity="number", table=Table.INPUT, address=address, type=number_type)


def device(points: Sequence[ModbusPoint], limits: Limits = NO_LIMITS, turnaround_ms: int = 10) -> ModbusDevice:
    group = ModbusGroup(name="all", measurement="inputs", every_s=1, points=tuple(points))
    return ModbusDevice(turnaround_ms=turnaround_ms, limits=limits, groups=(group,))


points_strategy = st.lists(
    st.builds(point, st.integers(0, 60), st.sampled_from(TYPES)), min_size=1, max_size=6, unique_by=lambda p: p.address
)
forbidden_strategy = st.lists(st.integers(0, 60), max_size=2).map(
    lambda places: tuple(ForbiddenRange(table=Table.INPUT, first=at, last=at) for at in places)
)
devices = st.builds(
    device,
    points_strategy,
    st.builds(Limits, max_registers=st.integers(4, 40), forbidden=forbidden_strategy),
    st.integers(0, 60),
)


def partitions(points: list[ModbusPoint]) -> Iterator[list[list[ModbusPoint]]]:
    """Every way to put the points into requests, in any company."""
    if not points:
        yield []
        return
    for rest in partitions(points[1:]):
        yield [[points[0]], *rest]
        for index in range(len(rest)):
            yield [*rest[:index], [points[0], *rest[index]], *rest[index + 1 :]]


def cost_of(parts: list[list[ModbusPoint]], asked: ModbusDevice, baud: int) -> int | None:
    cost = 0
    for part in parts:
        first, end = min(p.address for p in part), max(p.address + p.span for p in part)
        if end - first > asked.limits.max_registers:
            return None
        if any(first <= item.last and item.first < end for item in asked.limits.forbidden):
            return None
        request = ReadRequest(table=Table.INPUT, address=first, count=end - first)
        cost += bus_time_us(request, turnaround_ms=asked.turnaround_ms, baud=baud)
    return cost


@given(devices, st.sampled_from((1200, 9600, 115200)))
def test_the_plan_is_as_cheap_as_any_way_there_is(asked: ModbusDevice, baud: int) -> None:
    points = list(asked.groups[0].points)
    costs = [cost for parts in partitions(points) if (cost := cost_of(parts, asked, baud)) is not None]
    if not costs:
        with pytest.raises(PlanError):
            read_plan(asked, baud=baud)
        return
    (plan,) = read_plan(asked, baud=baud)
    spent = sum(bus_time_us(item, turnaround_ms=asked.turnaround_ms, baud=baud) for item in plan.requests)
    assert spent == min(costs)


@given(devices)
def test_i1_every_point_lies_whole_in_one_request_and_i2_within_the_limits(asked: ModbusDevice) -> None:
    try:
        (plan,) = read_plan(asked)
    except PlanError:
        return
    for item in asked.groups[0].points:
        assert any(covers(request, item) for request in plan.requests)
    for request in plan.requests:
        assert request.count <= asked.limits.max_registers
        last = request.address + request.count - 1
        assert not any(item.first <= last and request.address <= item.last for item in asked.limits.forbidden)


def test_a_gap_is_read_over_only_where_that_is_cheaper() -> None:
    near, far = (point(0), point(10)), (point(0), point(40))
    assert len(plan_points(near, device(near))) == 1
    assert len(plan_points(far, device(far))) == 2
    # A device that thinks for long makes another request dear.
    assert len(plan_points(far, device(far, turnaround_ms=200))) == 1


def test_bits_and_registers_are_asked_for_apart() -> None:
    switch = ModbusPoint(key="s", quantity="relay", table=Table.COIL, address=0)
    both = (point(0), switch)
    assert {request.table for request in plan_points(both, device(both))} == {Table.COIL, Table.INPUT}


def test_bits_of_one_register_are_one_request_of_one_register() -> None:
    bits = [ModbusPoint(key=f"b{bit}", quantity="alarm", table=Table.HOLDING, address=7, bit=bit) for bit in range(16)]
    assert plan_points(bits, device(bits)) == (ReadRequest(table=Table.HOLDING, address=7, count=1),)


def test_a_refused_request_narrows_down_to_the_one_bad_register() -> None:
    points = [point(address) for address in (0, 1, 2, 3, 10)]
    waiting = list(plan_points(points, device(points)))
    good: list[ReadRequest] = []
    bad: list[ReadRequest] = []
    for _ in range(20):
        if not waiting:
            break
        request = waiting.pop()
        if not request.address <= 2 < request.address + request.count:
            good.append(request)
        elif halves := narrowed(request, points):
            waiting.extend(halves)
        else:
            bad.append(request)
    assert bad == [ReadRequest(table=Table.INPUT, address=2, count=1)]
    assert all(any(covers(request, item) for request in good) for item in points if item.address != 2)


@pytest.mark.parametrize(
    ("name", "group", "requests"),
    [
        ("eastron/sdm120", 0, [(0x0000, 38), (0x0046, 2)]),
        ("eastron/sdm630", 0, [(0x0000, 72)]),
        ("ecowitt/wn90lp", 0, [(0x0165, 10)]),
        ("senseair/s8", 0, [(0x0000, 4)]),
        ("generic/xy-md02", 0, [(0x0001, 2)]),
        ("wirenboard/wb-mcm8", 1, [(60, 16)]),
    ],
)
def test_the_librarys_plans_are_sensible(name: str, group: int, requests: list[tuple[int, int]]) -> None:
    profile = load_profile(name)
    assert profile.modbus is not None
    plan = read_plan(profile.modbus, baud=profile.line.baud)[group]
    assert [(request.address, request.count) for request in plan.requests] == requests
