"""The one master of a bus: who is no poller has turns too, between those of the devices that are read."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from device_profiles.modbus import Function, Order, Question, ReadRequest, Request, Table, WriteRequest
from edge.bus_worker import BusWorker, LaneBus
from edge.drivers.base import Answer, DriverError, DriverFault
from edge.schedule import Lane, Outcome, Task
from tests.support.manual_clock import ManualClock

TURN_S = 0.05
REQUEST = ReadRequest(table=Table.HOLDING, address=0, count=1)
ORDER = WriteRequest(function=Function.WRITE_REGISTER, address=1, values=(7,))


class Bus:
    """A bus on which units above 100 are dead."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.asked: list[tuple[float, int, Request]] = []
        self.at_once = 0
        self.most_at_once = 0
        self.owed: dict[int, float] = {}

    async def read(
        self, unit: int, request: Question, *, timeout_s: float, turnaround_s: float, late_s: float | None = None
    ) -> Answer:
        del turnaround_s, late_s
        return await self._exchange(unit, request, timeout_s)

    async def write(self, unit: int, request: Order, *, timeout_s: float, turnaround_s: float) -> Answer:
        del turnaround_s
        return await self._exchange(unit, request, timeout_s)

    def quiet_until_s(self, unit: int, request: Request) -> float:
        del request
        return self.owed.get(unit, 0.0)

    async def close(self) -> None:
        pass

    async def _exchange(self, unit: int, request: Request, timeout_s: float) -> Answer:
        self.asked.append((self.clock.monotonic_s(), unit, request))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await self.clock.sleep(timeout_s if unit > 100 else TURN_S)
        self.at_once -= 1
        if unit > 100:
            raise DriverError(DriverFault.TIMEOUT, "no answer")
        return Answer(values=(unit,), time_ms=self.clock.now_ms(), raw=b"")


class Bench:
    def __init__(self, *, in_flight: int = 1) -> None:
        self.clock = ManualClock()
        self.bus = Bus(self.clock)
        self.worker = BusWorker(clock=self.clock, in_flight=in_flight)
        self.late: list[float] = []

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as tasks:
            working = tasks.create_task(self.worker.run())
            await self.clock.advance(0)
            yield
            working.cancel()

    def read_every(self, unit: int, period_s: float) -> None:
        """A device that is read at a period; `late` holds by how much each reading missed its deadline."""

        async def take() -> Outcome:
            await self.bus.read(unit, REQUEST, timeout_s=1.0, turnaround_s=0.0)
            if self.clock.monotonic_s() > task.deadline_s:
                self.late.append(self.clock.monotonic_s() - task.deadline_s)
            task.release_s += period_s
            task.deadline_s += period_s
            return Outcome(is_over=False)

        task = Task(lane=Lane.PERIODIC, release_s=0.0, deadline_s=period_s, work_s=TURN_S, take=take)
        self.worker.add(task)


async def ask(bench: Bench, lane: Lane, unit: int, *, timeout_s: float = 1.0) -> Answer:
    return await LaneBus(bench.bus, bench.worker, lane).read(unit, REQUEST, timeout_s=timeout_s, turnaround_s=0.0)


async def test_a_scan_of_dead_addresses_costs_no_deadline() -> None:
    bench = Bench()
    async with bench.running():
        for unit in range(1, 9):
            bench.read_every(unit, 1.0)

        async def scan() -> int:
            found = 0
            for unit in range(101, 248):
                try:
                    found += bool(await ask(bench, Lane.BACKGROUND, unit, timeout_s=0.06))
                except DriverError:
                    continue
            return found

        async with asyncio.TaskGroup() as tasks:
            scanning = tasks.create_task(scan())
            await bench.clock.advance(60)
        assert scanning.result() == 0
    assert not bench.late
    assert len([unit for _, unit, _ in bench.bus.asked if unit > 100]) == 147


async def test_what_the_bus_says_reaches_who_asked_and_the_others_go_on() -> None:
    bench = Bench()

    async def fault() -> DriverError:
        with pytest.raises(DriverError) as found:
            await ask(bench, Lane.OPERATOR, 200)
        return found.value

    async with bench.running():
        bench.read_every(1, 1.0)
        async with asyncio.TaskGroup() as tasks:
            dead, alive = tasks.create_task(fault()), tasks.create_task(ask(bench, Lane.OPERATOR, 9))
            await bench.clock.advance(10)
        assert dead.result().kind is DriverFault.TIMEOUT
        assert alive.result().values == (9,)
    assert len([unit for _, unit, _ in bench.bus.asked if unit == 1]) >= 9


async def test_who_no_longer_waits_takes_no_turn() -> None:
    bench = Bench()
    async with bench.running():
        bench.read_every(1, 0.06)
        async with asyncio.TaskGroup() as tasks:
            first = tasks.create_task(ask(bench, Lane.BACKGROUND, 9))
            await bench.clock.advance(0.1)
            first.cancel()
            await bench.clock.advance(5)
    assert not [unit for _, unit, _ in bench.bus.asked if unit == 9]


async def test_an_order_is_sent_once_and_waits_for_its_turn() -> None:
    bench = Bench()
    async with bench.running():
        bench.read_every(1, 0.2)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(
                LaneBus(bench.bus, bench.worker, Lane.OPERATOR).write(2, ORDER, timeout_s=1.0, turnaround_s=0.0)
            )
            await bench.clock.advance(3)
    assert [request for _, unit, request in bench.bus.asked if unit == 2] == [ORDER]
    assert bench.bus.most_at_once == 1


async def test_a_request_that_could_be_answered_by_an_older_answer_waits_and_others_go_on() -> None:
    bench = Bench()
    bench.bus.owed[9] = 2.0
    async with bench.running():
        bench.read_every(1, 0.5)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(ask(bench, Lane.OPERATOR, 9))
            await bench.clock.advance(3)
    assert [at_s for at_s, unit, _ in bench.bus.asked if unit == 9] == [pytest.approx(2.0, abs=TURN_S)]
    assert len([at_s for at_s, unit, _ in bench.bus.asked if unit == 1 and at_s < 2]) == 4


async def test_where_nobody_works_a_person_has_the_bus_to_himself() -> None:
    bench = Bench()
    async with asyncio.TaskGroup() as tasks:
        asked = tasks.create_task(ask(bench, Lane.OPERATOR, 5))
        await bench.clock.advance(1)
    assert asked.result().values == (5,)


async def test_several_exchanges_at_a_time_where_the_link_allows() -> None:
    bench = Bench(in_flight=3)
    async with bench.running():
        for unit in range(1, 7):
            bench.read_every(unit, 1.0)
        await bench.clock.advance(10)
    assert bench.bus.most_at_once == 3
    assert not bench.late


async def test_the_load_says_what_the_bus_was_used_for() -> None:
    bench = Bench()
    async with bench.running():
        bench.read_every(1, 1.0)
        await bench.clock.advance(100)
        load = bench.worker.load()
    assert load["periodic"] == pytest.approx(5.0, abs=0.2)
    assert load["operator"] == load["lost"] == 0


async def test_each_status_tells_the_load_since_the_one_before() -> None:
    bench = Bench()
    async with bench.running():
        await bench.clock.advance(100)
        idle = bench.worker.numbers()
        bench.read_every(1, 1.0)
        await bench.clock.advance(100)
        bench.worker.numbers()
        await bench.clock.advance(100)
        busy = bench.worker.numbers()
    assert idle == {"bus_load_percent": 0.0, "requests": 0.0}
    assert busy["bus_load_percent"] == pytest.approx(5.0, abs=0.2)
    assert busy["requests"] == pytest.approx(300, abs=3)
