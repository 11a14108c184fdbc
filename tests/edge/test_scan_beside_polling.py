"""A scan through the agent's door while the agent reads: it has what time the devices leave, in virtual time."""

import asyncio
from dataclasses import dataclass

import pytest

from device_profiles.modbus import Order, Question, Request
from edge.bus_worker import LaneBus
from edge.diagnosis.agent_bus import ExchangeRequest, exchanged
from edge.diagnosis.scan import scan_units
from edge.drivers.base import Answer, DriverError, DriverFault, RegisterBus
from edge.schedule import Lane
from tests.edge.test_poller import TIMEOUT_S, Bench, silent

UNITS = range(1, 248)


@dataclass(frozen=True, slots=True)
class Door:
    """A scan's bus: each read crosses as the control socket's plain values, and waits for its turn."""

    inner: RegisterBus

    async def read(
        self, unit: int, request: Question, *, timeout_s: float, turnaround_s: float, late_s: float | None = None
    ) -> Answer:
        del late_s
        asked = ExchangeRequest(bus="bus", unit=unit, request=request, timeout_s=timeout_s, turnaround_s=turnaround_s)
        told = await exchanged(self.inner, ExchangeRequest.from_told(asked.told()))
        if "fault" in told:
            raise DriverError(DriverFault(told["fault"]), told["text"], code=told["code"])
        return Answer(values=tuple(told["values"]), time_ms=told["time_ms"], raw=b"", latency_s=told["latency_s"])

    async def write(self, unit: int, request: Order, *, timeout_s: float, turnaround_s: float) -> Answer:
        raise AssertionError(f"a scan writes: {unit} {request} {timeout_s} {turnaround_s}")

    def quiet_until_s(self, unit: int, request: Request) -> float:
        return self.inner.quiet_until_s(unit, request)

    async def close(self) -> None:
        pass


@dataclass(frozen=True, slots=True)
class Asked:
    """The bench's bus for those who say nothing of late answers."""

    bench: Bench

    async def read(
        self, unit: int, request: Question, *, timeout_s: float, turnaround_s: float, late_s: float | None = None
    ) -> Answer:
        assert late_s is None
        return await self.bench.bus.read(
            unit, request, timeout_s=timeout_s, turnaround_s=turnaround_s, late_s=TIMEOUT_S
        )

    async def write(self, unit: int, request: Order, *, timeout_s: float, turnaround_s: float) -> Answer:
        return await self.bench.bus.write(unit, request, timeout_s=timeout_s, turnaround_s=turnaround_s)

    def quiet_until_s(self, unit: int, request: Request) -> float:
        return self.bench.bus.quiet_until_s(unit, request)

    async def close(self) -> None:
        pass


@pytest.mark.parametrize(("devices", "latency_s"), [(2, 0.0), (5, 0.03), (10, 0.03)])
async def test_a_scan_of_all_addresses_costs_no_deadline_of_the_devices_that_are_read(
    devices: int, latency_s: float
) -> None:
    bench = Bench(devices=devices, period_s=1.0)
    bench.bus.late_s = dict.fromkeys(range(1, devices + 1), latency_s)
    bench.bus.faults |= {unit: silent() for unit in UNITS if unit > devices}
    started_ms = bench.clock.now_ms()
    bus = Door(LaneBus(Asked(bench), bench.worker, Lane.BACKGROUND))
    async with bench.running(), asyncio.TaskGroup() as tasks:
        await bench.clock.advance(5)
        scan = tasks.create_task(scan_units(bus, UNITS, patient=range(11, 31)))
        while not scan.done():
            await bench.clock.advance(5)
    passed_s = bench.clock.monotonic_s()
    assert [one.unit for one in scan.result()] == list(range(1, devices + 1))
    assert [health.late for health in bench.health] == [0] * devices
    for health in bench.health:
        ends_s = [(one.time_ms - started_ms) / 1000 for one in bench.readings_of(health.device)]
        assert [int(end_s) for end_s in ends_s] == list(range(int(passed_s)))
