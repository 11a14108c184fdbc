"""The poller in virtual time, on a bus that answers as told: periods, silence, refused registers."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from itertools import pairwise

from device_profiles.modbus import ExceptionCode, Order, Question, ReadRequest, Request, Table
from device_profiles.modbus_model import ModbusDevice, ModbusGroup, ModbusPoint
from device_profiles.numbers import NumberType
from edge.bus_worker import BusWorker, LaneBus
from edge.drivers.base import Answer, DriverError, DriverFault
from edge.health import DeviceHealth
from edge.poller import DevicePoller
from edge.refusals import Refusals
from edge.schedule import Lane
from edge.spool.base import Reading
from tests.support.manual_clock import ManualClock
from wire.identifiers import DeviceId, SiteId
from wire.records import Mode, PointLayout, Quality, Stream

ANSWER_S = 0.03
TIMEOUT_S = 1.0


class Bus:
    """One line: requests take turns; `faults` by unit, `missing` addresses are refused."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.faults: dict[int, DriverError] = {}
        self.late_s: dict[int, float] = {}
        self.failed_s: dict[int, float] = {}
        self.owed: set[tuple[int, Request]] = set()
        self.owed_until_s = 0.0
        self.glitches: list[DriverError] = []
        self.missing: set[int] = set()
        self.asked: list[tuple[float, int, ReadRequest]] = []
        self.answer_s = ANSWER_S
        self._lock = asyncio.Lock()

    async def read(
        self, unit: int, request: Question, *, timeout_s: float, turnaround_s: float, late_s: float | None = None
    ) -> Answer:
        assert isinstance(request, ReadRequest)
        async with self._lock:
            self.asked.append((self.clock.monotonic_s(), unit, request))
            fault = self.faults.get(unit)
            assert late_s == TIMEOUT_S
            latency_s = self.late_s.get(unit, 0.0)
            if fault is not None or latency_s > timeout_s:
                lost_s = 2 * self.answer_s if fault is not None and fault.kind is DriverFault.GARBLED else timeout_s
                self.failed_s[unit] = self.failed_s.get(unit, 0.0) + lost_s
                await self.clock.sleep(lost_s)
                raise fault or silent()
            await self.clock.sleep(self.answer_s + latency_s + turnaround_s)
            if self.glitches:
                raise self.glitches.pop()
            if self.missing & set(range(request.address, request.address + request.count)):
                raise DriverError(DriverFault.EXCEPTION, "refused", code=ExceptionCode.ILLEGAL_ADDRESS)
            values = tuple(range(request.address, request.address + request.count))
            return Answer(values=values, time_ms=self.clock.now_ms(), raw=b"", latency_s=latency_s)

    async def write(self, unit: int, request: Order, *, timeout_s: float, turnaround_s: float) -> Answer:
        text = f"unit {unit} takes no {request} within {timeout_s} s or {turnaround_s} s"
        raise DriverError(DriverFault.EXCEPTION, text, code=ExceptionCode.ILLEGAL_FUNCTION)

    def quiet_until_s(self, unit: int, request: Request) -> float:
        return self.owed_until_s if (unit, request) in self.owed else 0.0

    async def close(self) -> None:
        pass

    def times_of(self, unit: int) -> list[float]:
        return [at_s for at_s, one, _ in self.asked if one == unit]


class Bench:
    """A bus with devices 1..n, each with a group of four temperatures."""

    def __init__(self, *, devices: int = 1, period_s: float = 1.0) -> None:
        self.clock = ManualClock()
        self.bus = Bus(self.clock)
        self.worker = BusWorker(clock=self.clock)
        self.readings: list[Reading] = []
        self.refusals = Refusals(None, {})
        self.health = [DeviceHealth(DeviceId(f"d{unit}"), "test/device", "bus") for unit in range(1, devices + 1)]
        self.pollers = [self._poller(unit, period_s) for unit in range(1, devices + 1)]

    def _poller(self, unit: int, period_s: float) -> DevicePoller:
        points = tuple(
            ModbusPoint(key=f"t{n}", quantity="temperature", table=Table.INPUT, address=n, type=NumberType.U16)
            for n in range(1, 5)
        )
        group = ModbusGroup(name="climate", measurement="weather", every_s=period_s, points=points)
        device = ModbusDevice(timeout_ms=int(TIMEOUT_S * 1000), turnaround_ms=0, groups=(group,))
        layout = tuple(PointLayout(key=point.key, quantity=point.quantity, unit="degC") for point in points)
        stream = Stream(
            site=SiteId("hall"),
            device=DeviceId(f"d{unit}"),
            group="climate",
            measurement="weather",
            mode=Mode.LIVE,
            points=layout,
        )
        return DevicePoller(
            device=device,
            unit=unit,
            streams={"climate": stream},
            periods_s={"climate": period_s},
            bus=self.bus,
            baud=9600,
            clock=self.clock,
            health=self.health[unit - 1],
            refusals=self.refusals,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as tasks:
            for poller in self.pollers:
                poller.start(self.worker.add, self.readings.append)
            working = tasks.create_task(self.worker.run())
            yield
            working.cancel()

    def is_silent(self) -> bool:
        return self.health[0].is_silent

    def readings_of(self, device: str) -> list[Reading]:
        return [reading for reading in self.readings if reading.stream.device == device]


def qualities(reading: Reading) -> Mapping[str, Quality]:
    return {point.key: value.quality for point, value in zip(reading.stream.points, reading.values, strict=True)}


def silent() -> DriverError:
    return DriverError(DriverFault.TIMEOUT, "no answer")


async def test_the_period_does_not_drift_over_an_hour() -> None:
    bench = Bench()
    async with bench.running():
        await bench.clock.advance(3600.5)
    times = bench.bus.times_of(1)
    assert len(times) == 3601
    assert max(abs(at_s - n) for n, at_s in enumerate(times)) < 1e-6
    assert bench.health[0].late == 0


async def test_a_record_s_time_is_the_end_of_its_answer() -> None:
    bench = Bench()
    started_ms = bench.clock.now_ms()
    async with bench.running():
        await bench.clock.advance(0.5)
    assert [reading.time_ms - started_ms for reading in bench.readings] == [30]
    assert [value.number for value in bench.readings[0].values] == [1, 2, 3, 4]


async def test_slots_that_were_missed_are_counted_and_not_made_up_for() -> None:
    bench = Bench()
    bench.bus.answer_s = 2.5
    async with bench.running():
        await bench.clock.advance(30)
    assert [round(at_s) for at_s in bench.bus.times_of(1)] == list(range(0, 31, 3))
    assert bench.health[0].late == 20


async def test_a_dead_device_is_probed_ever_more_rarely_up_to_half_a_minute() -> None:
    bench = Bench()
    bench.bus.faults[1] = silent()
    async with bench.running():
        await bench.clock.advance(600)
    probes = bench.bus.times_of(1)[2:]
    gaps = [round(later - earlier) for earlier, later in pairwise(probes)]
    assert gaps == sorted(gaps)
    assert gaps[-1] == 31  # half a minute from the end of one probe, which itself took its timeout
    assert len(bench.readings) == len(probes) + 1
    assert all(set(qualities(reading).values()) == {Quality.TIMEOUT} for reading in bench.readings)


async def test_a_dead_device_costs_the_others_at_most_a_twentieth_of_the_bus() -> None:
    bench = Bench(devices=2)
    async with bench.running():
        await bench.clock.advance(100)
        bench.bus.faults[2] = silent()
        await bench.clock.advance(1000)
    taken_s = len([at_s for at_s in bench.bus.times_of(2) if at_s > 100.5]) * TIMEOUT_S
    assert taken_s <= 0.05 * 1000
    healthy = [at_s for at_s in bench.bus.times_of(1) if at_s > 100]
    assert len(healthy) >= 0.95 * 1000
    assert all(set(qualities(reading).values()) == {Quality.GOOD} for reading in bench.readings_of("d1"))


async def test_of_ten_devices_one_dies_one_babbles_one_answers_late_and_seven_keep_every_deadline() -> None:
    bench = Bench(devices=10, period_s=1.0)
    bench.bus.answer_s = 0.06
    async with bench.running():
        await bench.clock.advance(20)
        bench.bus.faults[1] = silent()
        bench.bus.faults[2] = DriverError(DriverFault.GARBLED, "crc")
        bench.bus.late_s[3] = 0.4
        await bench.clock.advance(300)
    assert [health.late for health in bench.health[3:]] == [0] * 7
    for unit in range(4, 11):
        readings = bench.readings_of(f"d{unit}")
        assert len(readings) == 320
        assert all(set(qualities(reading).values()) == {Quality.GOOD} for reading in readings)
    late_s = 0.4 * sum(set(qualities(one).values()) == {Quality.GOOD} for one in bench.readings_of("d3")[20:])
    assert sum(bench.bus.failed_s.values()) + late_s <= 0.05 * 300 + 2.5
    assert late_s > 0


async def test_a_late_device_is_read_at_its_period_again_once_it_is_quick_again() -> None:
    bench = Bench(devices=2)
    async with bench.running():
        await bench.clock.advance(20)
        bench.bus.late_s[2] = 0.5
        await bench.clock.advance(60)
        assert len(bench.readings_of("d2")) < 50
        bench.bus.late_s.clear()
        await bench.clock.advance(40)
        count = len(bench.readings_of("d2"))
        await bench.clock.advance(10)
    assert len(bench.readings_of("d2")) - count == 10


async def test_a_person_s_question_waits_for_one_turn_and_costs_no_deadline() -> None:
    bench = Bench(devices=5)
    bench.bus.answer_s = 0.1
    async with bench.running():
        await bench.clock.advance(10.05)
        asked_s = bench.clock.monotonic_s()
        operator = LaneBus(bench.bus, bench.worker, Lane.OPERATOR)
        async with asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(bench.pollers[0].read(operator))
            await bench.clock.advance(5)
        assert reading.result()[0].error is None
        ended_s = (reading.result()[0].time_ms - bench.clock.now_ms()) / 1000 + bench.clock.monotonic_s()
        assert ended_s - asked_s < 0.2
    assert [health.late for health in bench.health] == [0] * 5


async def test_a_silent_device_that_answers_a_person_is_read_again_from_then_on() -> None:
    bench = Bench()
    async with bench.running():
        bench.bus.faults[1] = silent()
        await bench.clock.advance(300)
        bench.bus.faults.clear()
        assert bench.is_silent()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(bench.pollers[0].read(LaneBus(bench.bus, bench.worker, Lane.OPERATOR)))
            await bench.clock.advance(1)
        count = len(bench.readings)
        await bench.clock.advance(120)
    assert len(bench.readings) - count == 120


async def test_a_device_that_answers_again_has_its_period_again() -> None:
    bench = Bench()
    async with bench.running():
        bench.bus.faults[1] = silent()
        await bench.clock.advance(200)
        assert bench.is_silent()
        bench.bus.faults.clear()
        await bench.clock.advance(65)
        assert not bench.is_silent()
        count = len(bench.readings)
        await bench.clock.advance(10)
    assert len(bench.readings) - count == 10


async def test_a_line_that_was_away_is_tried_again_within_seconds() -> None:
    bench = Bench()
    async with bench.running():
        bench.bus.faults[1] = DriverError(DriverFault.GONE, "unplugged")
        await bench.clock.advance(200)
        bench.bus.faults.clear()
        await bench.clock.advance(7)
        assert not bench.is_silent()


async def test_one_lost_answer_costs_no_record() -> None:
    bench = Bench()
    async with bench.running():
        await bench.clock.advance(2.5)
        bench.bus.glitches = [DriverError(DriverFault.GARBLED, "crc")]
        await bench.clock.advance(3.0)
    assert len(bench.readings) == 6
    assert all(set(qualities(reading).values()) == {Quality.GOOD} for reading in bench.readings)
    assert bench.health[0].errors == {"garbled": 1}


async def test_a_register_the_device_lacks_costs_its_own_point_only_and_is_not_asked_again() -> None:
    bench = Bench()
    bench.bus.missing = {3}
    async with bench.running():
        await bench.clock.advance(0.9)
        asked = len(bench.bus.asked)
        await bench.clock.advance(5)
    for reading in bench.readings:
        assert qualities(reading) == {
            "t1": Quality.GOOD,
            "t2": Quality.GOOD,
            "t3": Quality.EXCEPTION,
            "t4": Quality.GOOD,
        }
    later = [request for _, _, request in bench.bus.asked[asked:]]
    assert later
    assert not any(request.address <= 3 < request.address + request.count for request in later)


async def test_a_device_that_refuses_everything_for_a_while_is_asked_for_everything_again() -> None:
    bench = Bench()
    bench.bus.missing = {1, 2, 3, 4}
    async with bench.running():
        await bench.clock.advance(3)
        bench.bus.missing = set()
        await bench.clock.advance(3)
    assert set(qualities(bench.readings[0]).values()) == {Quality.EXCEPTION}
    assert set(qualities(bench.readings[-1]).values()) == {Quality.GOOD}


async def test_a_person_may_read_beside_the_poller() -> None:
    bench = Bench()
    async with asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(bench.pollers[0].read())
        await bench.clock.advance(1)
    (one,) = reading.result()
    assert [value.number for value in one.values] == [1, 2, 3, 4]
    assert one.error is None
