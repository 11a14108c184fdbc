"""What reading thirty devices once costs a serial line, by how points become requests.

The devices are those of the library, as a mixed site has them; each of their groups is read once, at 9600 baud. Sen's
planner (`device_profiles/plan.py`) is compared with a request for each point, and with merging over gaps of a fixed
number of registers or bits, as Telegraf's `max_insert` does. All keep each device's limits and forbidden ranges.

Bytes are those of requests and good replies; bus time adds the silences and the pause that each device needs.
"""

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from device_profiles.library import load_profile
from device_profiles.modbus import ReadRequest, Table
from device_profiles.modbus_frames import rtu_good_reply_bytes, rtu_request
from device_profiles.modbus_model import Limits, ModbusDevice, ModbusPoint
from device_profiles.plan import bus_time_us, plan_points

BAUD: Final = 9600
SITE: Final = {
    "eastron/sdm120": 4,
    "eastron/sdm630": 3,
    "chint/dtsu666": 2,
    "carlo-gavazzi/em24": 2,
    "schneider-electric/iem3000": 2,
    "abb/b23": 2,
    "hiking/dds238-2": 1,
    "peacefair/pzem-004t": 1,
    "generic/xy-md02": 3,
    "ecowitt/wn90lp": 1,
    "elsner/p03-3-modbus": 1,
    "senseair/s8": 1,
    "trolex/air-xd": 1,
    "yosemitech/y4000": 1,
    "yosemitech/y700": 1,
    "apc/smart-ups": 1,
    "huawei/ups2000": 1,
    "epever/tracer": 1,
    "wirenboard/wb-mcm8": 1,
}

# The requests that read a group's points.
Planner = Callable[[Iterable[ModbusPoint], ModbusDevice], Iterable[ReadRequest]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What reading all groups once takes."""

    requests: int
    wire_bytes: int
    bus_s: float


def sen(points: Iterable[ModbusPoint], device: ModbusDevice) -> Iterable[ReadRequest]:
    """The cheapest requests."""
    return plan_points(points, device, baud=BAUD)


def each_point(points: Iterable[ModbusPoint], device: ModbusDevice) -> Iterable[ReadRequest]:
    """A request for each point."""
    del device
    return [ReadRequest(table=point.table, address=point.address, count=point.span) for point in points]


def merged_over(gap: int) -> Planner:
    """Requests that go on over gaps of at most so many registers or bits, as far as the device allows."""

    def plan(points: Iterable[ModbusPoint], device: ModbusDevice) -> Iterable[ReadRequest]:
        spans = sorted({(point.table, point.address, point.address + point.span) for point in points})
        for table in Table:
            yield from _merged(table, [(start, end) for one, start, end in spans if one is table], gap, device.limits)

    return plan


PLANNERS: Final[dict[str, Planner]] = {
    "Sen": sen,
    "a request for each point": each_point,
    "merged over gaps of 0": merged_over(0),
    "merged over gaps of 10": merged_over(10),
    "merged over gaps of 50": merged_over(50),
}


def cost(planner: Planner) -> Cost:
    """What a planner makes of the site."""
    requests = wire_bytes = bus_us = 0
    for device, count in devices():
        for group in device.groups:
            for request in planner(group.points, device):
                requests += count
                wire_bytes += count * (len(rtu_request(1, request)) + rtu_good_reply_bytes(request))
                bus_us += count * bus_time_us(request, turnaround_ms=device.turnaround_ms, baud=BAUD)
    return Cost(requests=requests, wire_bytes=wire_bytes, bus_s=bus_us / 1_000_000)


def devices() -> Iterator[tuple[ModbusDevice, int]]:
    """Each kind of device of the site, and how many there are."""
    for name, count in SITE.items():
        modbus = load_profile(name).modbus
        assert modbus is not None
        yield modbus, count


def _merged(table: Table, spans: list[tuple[int, int]], gap: int, limits: Limits) -> Iterator[ReadRequest]:
    """Spans, sorted by their beginnings, joined one after the other."""
    most = limits.max_bits if table.is_bits else limits.max_registers
    begun: tuple[int, int] | None = None
    for start, end in spans:
        if begun is not None:
            joined = (begun[0], max(begun[1], end))
            is_allowed = joined[1] - joined[0] <= most and not _is_forbidden(table, joined, limits)
            if start - begun[1] <= gap and is_allowed:
                begun = joined
                continue
            yield ReadRequest(table=table, address=begun[0], count=begun[1] - begun[0])
        begun = (start, end)
    if begun is not None:
        yield ReadRequest(table=table, address=begun[0], count=begun[1] - begun[0])


def _is_forbidden(table: Table, span: tuple[int, int], limits: Limits) -> bool:
    return any(one.table is table and one.first < span[1] and span[0] <= one.last for one in limits.forbidden)


def main() -> None:
    """Plan and print; exit code 1 where another planner needs less bus time than Sen's."""
    costs = {name: cost(planner) for name, planner in PLANNERS.items()}
    ours = costs["Sen"]
    print(f"{sum(SITE.values())} devices of {len(SITE)} kinds, every group read once at {BAUD} baud")
    print(f"{'':26}{'requests':>9}{'ratio':>7}{'bytes':>8}{'ratio':>7}{'bus s':>8}{'ratio':>7}")
    for name, one in costs.items():
        print(
            f"{name:26}{one.requests:>9}{one.requests / ours.requests:>7.2f}{one.wire_bytes:>8}"
            f"{one.wire_bytes / ours.wire_bytes:>7.2f}{one.bus_s:>8.2f}{one.bus_s / ours.bus_s:>7.2f}"
        )
    if any(one.bus_s < ours.bus_s for one in costs.values()):
        sys.exit("MISSED: another planner needs less bus time")


if __name__ == "__main__":
    main()
