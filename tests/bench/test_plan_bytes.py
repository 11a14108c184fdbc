"""The planners that Sen's is compared with do what they say, so that the comparison is fair."""

import pytest

from bench.plan_bytes import PLANNERS, Planner, cost, devices, merged_over
from device_profiles.modbus import ReadRequest, Table
from device_profiles.modbus_model import ForbiddenRange, Limits, ModbusDevice, ModbusGroup, ModbusPoint
from device_profiles.numbers import NumberType
from device_profiles.plan import covers


def point(address: int) -> ModbusPoint:
    return ModbusPoint(
        key=f"r{address}", quantity="pulse_count", table=Table.HOLDING, address=address, type=NumberType.U16
    )


def device_of(*addresses: int, limits: Limits | None = None) -> ModbusDevice:
    group = ModbusGroup(name="all", measurement="io", every_s=1, points=tuple(point(one) for one in addresses))
    return ModbusDevice(limits=limits or Limits(), groups=(group,))


def spans(planner: Planner, device: ModbusDevice) -> list[tuple[int, int]]:
    return [(one.address, one.count) for one in planner(device.groups[0].points, device)]


@pytest.mark.parametrize("name", PLANNERS)
def test_every_planner_reads_every_point_within_the_limits_of_its_device(name: str) -> None:
    for device, _ in devices():
        for group in device.groups:
            requests = list(PLANNERS[name](group.points, device))
            assert all(any(covers(request, one) for request in requests) for one in group.points)
            assert all(is_allowed(request, device.limits) for request in requests)


def is_allowed(request: ReadRequest, limits: Limits) -> bool:
    end = request.address + request.count
    is_forbidden = any(
        one.table is request.table and one.first < end and request.address <= one.last for one in limits.forbidden
    )
    return request.count <= (limits.max_bits if request.table.is_bits else limits.max_registers) and not is_forbidden


def test_a_gap_is_read_over_where_it_is_not_wider_than_said() -> None:
    device = device_of(0, 1, 5, 20)
    assert spans(merged_over(0), device) == [(0, 2), (5, 1), (20, 1)]
    assert spans(merged_over(3), device) == [(0, 6), (20, 1)]
    assert spans(merged_over(50), device) == [(0, 21)]


def test_merging_stops_at_what_the_device_allows() -> None:
    assert spans(merged_over(50), device_of(0, 5, 9, limits=Limits(max_registers=8))) == [(0, 6), (9, 1)]
    forbidden = Limits(forbidden=(ForbiddenRange(table=Table.HOLDING, first=3, last=3),))
    assert spans(merged_over(50), device_of(0, 5, 9, limits=forbidden)) == [(0, 1), (5, 5)]


def test_no_planner_needs_less_bus_time_than_sen_s() -> None:
    costs = {name: cost(planner).bus_s for name, planner in PLANNERS.items()}
    assert min(costs.values()) == costs["Sen"]
