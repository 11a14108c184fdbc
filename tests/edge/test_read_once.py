"""Readings that a device gives once, orders before them, and who it is; on a counter that clears, in virtual time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hypothesis import given, settings
from hypothesis import strategies as st

from device_profiles.derived_model import DerivedForm, DerivedPoint
from device_profiles.modbus import (
    ExceptionCode,
    IdentifyRequest,
    Order,
    Question,
    ReadRequest,
    Request,
    Table,
    WriteRequest,
    parse_reply_pdu,
)
from device_profiles.modbus_model import (
    Identity,
    IdentityForm,
    IdentityObject,
    ModbusDevice,
    ModbusGroup,
    ModbusPoint,
    OrderBefore,
)
from device_profiles.modbus_server import identification_pdu
from device_profiles.numbers import NumberType
from edge.bus_worker import BusWorker, LaneBus
from edge.drivers.base import Answer, DriverError, DriverFault
from edge.health import DeviceHealth
from edge.identify import Identification
from edge.poller import DevicePoller
from edge.refusals import Refusals
from edge.schedule import Lane, Task
from edge.spool.base import Reading
from tests.support.manual_clock import ManualClock
from wire.identifiers import DeviceId, SiteId
from wire.records import Mode, PointLayout, Quality, Stream

START = OrderBefore(table=Table.HOLDING, address=0x2500, wait_ms=200)
HOLD = OrderBefore(table=Table.COIL, address=5, value=1, wait_ms=200)
COUNT = ModbusPoint(key="vehicles", quantity="vehicle_count", table=Table.INPUT, address=0, type=NumberType.U16)
INCREASE = DerivedPoint(
    key="passed", quantity="vehicle_count", form=DerivedForm.INCREASE, of=("vehicles",), rollover=65536
)
FIRMWARE = Identity(key="firmware", table=Table.HOLDING, address=100, form=IdentityForm.NUMBER)


class Counter:
    """A device that counts; reading clears its register where it `clears`, an order latches it where it is `held`."""

    def __init__(self, clock: ManualClock, *, clears: bool = True, held: bool = False) -> None:
        self.clock = clock
        self.clears = clears
        self.held = held
        self.count = 0
        self.latched = 0
        self.handed_out = 0
        self.firmware = 7
        self.is_silent = False
        self.refuses_orders = False
        self.missing: set[int] = set()
        self.said: list[tuple[float, Request]] = []

    async def read(
        self, unit: int, request: Question, *, timeout_s: float, turnaround_s: float, late_s: float | None = None
    ) -> Answer:
        assert isinstance(request, ReadRequest)
        del unit, late_s
        await self._heard(request, timeout_s + turnaround_s)
        if request.address in self.missing:
            raise DriverError(DriverFault.EXCEPTION, "refused", code=ExceptionCode.ILLEGAL_ADDRESS)
        if request.table is Table.HOLDING:
            return Answer(values=(self.firmware,), time_ms=self.clock.now_ms(), raw=b"")
        told = self.latched if self.held else self.count
        if self.clears:
            self.handed_out += told
            self.count = 0
        return Answer(values=(told,), time_ms=self.clock.now_ms(), raw=b"")

    async def write(self, unit: int, request: Order, *, timeout_s: float, turnaround_s: float) -> Answer:
        assert isinstance(request, WriteRequest)
        del unit
        await self._heard(request, timeout_s + turnaround_s)
        if self.refuses_orders:
            raise DriverError(DriverFault.EXCEPTION, "refused", code=ExceptionCode.ILLEGAL_FUNCTION)
        self.latched = self.count
        return Answer(values=request.values, time_ms=self.clock.now_ms(), raw=b"")

    async def _heard(self, request: Request, timeout_s: float) -> None:
        self.said.append((self.clock.monotonic_s(), request))
        await self.clock.sleep(timeout_s if self.is_silent else 0.02)
        if self.is_silent:
            raise DriverError(DriverFault.TIMEOUT, "no answer")

    def quiet_until_s(self, unit: int, request: Request) -> float:
        del unit, request
        return 0.0

    async def close(self) -> None:
        pass


class Bench:
    """One counter, read every second."""

    def __init__(
        self,
        counter: Counter,
        *,
        once: bool = True,
        before: tuple[OrderBefore, ...] = (),
        derived: tuple[DerivedPoint, ...] = (),
        identity: tuple[Identity, ...] = (),
        refusals: Refusals | None = None,
    ) -> None:
        self.counter, self.clock = counter, counter.clock
        self.worker = BusWorker(clock=self.clock)
        self.readings = list[Reading]()
        group = ModbusGroup(
            name="traffic",
            measurement="traffic",
            every_s=1.0,
            points=(COUNT,),
            once=once,
            before=before,
            derived=derived,
        )
        layout = tuple(PointLayout(key=one.key, quantity=one.quantity, unit="1") for one in group.recorded)
        stream = Stream(
            site=SiteId("bridge"),
            device=DeviceId("c1"),
            group="traffic",
            measurement="traffic",
            mode=Mode.LIVE,
            points=layout,
        )
        self.health = DeviceHealth(DeviceId("c1"), "test/counter", "bus")
        self.poller = DevicePoller(
            device=ModbusDevice(timeout_ms=500, turnaround_ms=0, groups=(group,), identity=identity),
            unit=1,
            streams={"traffic": stream},
            periods_s={"traffic": 1.0},
            bus=counter,
            baud=9600,
            clock=self.clock,
            health=self.health,
            refusals=refusals or Refusals(None, {}),
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as tasks:
            self.poller.start(self.worker.add, self.readings.append)
            working = tasks.create_task(self.worker.run())
            yield
            working.cancel()

    async def asked_by_a_person(self, within_s: float = 3.0) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.poller.read(LaneBus(self.counter, self.worker, Lane.OPERATOR)))
            await self.clock.advance(within_s)

    def recorded(self, key: str = "vehicles") -> float:
        index = [point.key for point in self.readings[0].stream.points].index(key)
        return sum(one.values[index].number or 0 for one in self.readings)


@given(st.lists(st.tuples(st.integers(0, 9), st.sampled_from(("drive", "ask", "silent", "back"))), max_size=25))
@settings(max_examples=40)
def test_i5_of_a_counter_that_clears_every_vehicle_it_told_is_recorded(steps: list[tuple[int, str]]) -> None:
    async def play() -> None:
        bench = Bench(Counter(ManualClock()))
        async with bench.running():
            for vehicles, event in steps:
                bench.counter.count += vehicles
                bench.counter.is_silent = event == "silent" or (bench.counter.is_silent and event != "back")
                if event == "ask":
                    await bench.asked_by_a_person()
                await bench.clock.advance(0.7)
        assert bench.counter.handed_out == (bench.recorded() if bench.readings else 0)

    asyncio.run(play())


async def test_i5_a_person_s_question_is_a_reading_more_and_costs_none() -> None:
    bench = Bench(Counter(ManualClock()))
    async with bench.running():
        await bench.clock.advance(4.5)
        await bench.asked_by_a_person(within_s=0.2)
        await bench.clock.advance(5.4)
    assert len(bench.readings) == 5 + 1 + 6
    assert bench.health.late == 0


async def test_what_is_told_since_the_reading_before_is_not_shortened_by_a_person() -> None:
    bench = Bench(Counter(ManualClock(), clears=False), once=False, derived=(INCREASE,))
    async with bench.running():
        for _ in range(20):
            bench.counter.count += 3
            await bench.asked_by_a_person(within_s=0.5)
        await bench.clock.advance(1)
    first = bench.readings[0].values[0].number
    assert first is not None
    assert bench.recorded("passed") == bench.counter.count - first


async def test_a_reading_that_comes_once_is_not_asked_for_again_at_once() -> None:
    bench = Bench(Counter(ManualClock()))
    async with bench.running():
        await bench.clock.advance(2.5)
        bench.counter.is_silent = True
        before = len(bench.counter.said)
        await bench.clock.advance(0.9)
        assert len(bench.counter.said) == before + 1


async def test_the_order_comes_first_then_the_pause_then_the_reading() -> None:
    bench = Bench(Counter(ManualClock(), clears=False, held=True), once=False, before=(HOLD,))
    bench.counter.count = 12
    async with bench.running():
        await bench.clock.advance(0.9)
    (ordered_s, order), (read_s, request) = bench.counter.said
    assert isinstance(order, WriteRequest)
    assert isinstance(request, ReadRequest)
    assert read_s - ordered_s >= 0.02 + 0.2
    assert bench.recorded() == 12


async def test_a_reading_that_the_device_takes_for_an_order_comes_first_and_is_no_value() -> None:
    bench = Bench(Counter(ManualClock()), once=False, before=(START,))
    bench.counter.count = 12
    async with bench.running():
        await bench.clock.advance(0.9)
    (ordered_s, order), (read_s, request) = bench.counter.said
    assert order == ReadRequest(table=Table.HOLDING, address=0x2500, count=1)
    assert request == ReadRequest(table=Table.INPUT, address=0, count=1)
    assert read_s - ordered_s >= 0.02 + 0.2
    assert bench.recorded() == 12


async def test_a_device_that_does_not_know_such_an_order_is_not_said_to_lack_a_register() -> None:
    bench = Bench(Counter(ManualClock()), once=False, before=(START,))
    bench.counter.missing = {0x2500}
    async with bench.running():
        await bench.clock.advance(2.9)
    assert {request for _, request in bench.counter.said} == {START.request}
    assert [value.quality for one in bench.readings for value in one.values] == [Quality.EXCEPTION] * 3


async def test_i1_where_the_order_fails_nothing_is_read_and_the_record_says_so() -> None:
    bench = Bench(Counter(ManualClock(), held=True), once=False, before=(HOLD,))
    bench.counter.refuses_orders = True
    async with bench.running():
        await bench.clock.advance(0.9)
    assert not [one for _, one in bench.counter.said if isinstance(one, ReadRequest)]
    assert [value.quality for one in bench.readings for value in one.values] == [Quality.EXCEPTION]


async def test_the_bus_is_others_while_a_device_takes_its_pause() -> None:
    bench = Bench(Counter(ManualClock(), held=True), once=False, before=(HOLD,))
    async with bench.running():
        await bench.clock.advance(10)
    assert bench.worker.load()["periodic"] < 100 * (0.02 + 0.02 + 0.01)


async def test_who_a_device_is_is_asked_when_it_is_first_read_and_when_it_comes_back() -> None:
    bench = Bench(Counter(ManualClock()), identity=(FIRMWARE,))
    async with bench.running():
        await bench.clock.advance(2)
        assert bench.health.identity == {"firmware": "7"}
        bench.counter.is_silent = True
        await bench.clock.advance(20)
        bench.counter.is_silent, bench.counter.firmware = False, 8
        await bench.clock.advance(70)
        assert bench.health.identity == {"firmware": "8"}
    who = ReadRequest(table=Table.HOLDING, address=100, count=1)
    assert [one for _, one in bench.counter.said].count(who) == 2


async def test_what_another_firmware_refused_is_asked_again() -> None:
    refusals = Refusals(None, {"c1": "test/counter 1"})
    counter = Counter(ManualClock())
    counter.missing = {0}
    bench = Bench(counter, once=False, identity=(FIRMWARE,), refusals=refusals)
    async with bench.running():
        await bench.clock.advance(5)
    assert refusals.of("c1", "traffic") == ()  # of a device that refuses everything nothing is kept
    refusals.remember("c1", "traffic", [ReadRequest(table=Table.INPUT, address=0, count=1)])
    assert not refusals.identified("c1", {"firmware": "7"})
    assert refusals.of("c1", "traffic")
    assert refusals.identified("c1", {"firmware": "8"})
    assert refusals.of("c1", "traffic") == ()


async def test_an_identification_in_two_answers_is_told_as_one() -> None:
    device = ModbusDevice(
        groups=(ModbusGroup(name="traffic", measurement="traffic", every_s=1.0, points=(COUNT,)),),
        identity_objects=(IdentityObject(key="maker", number=0), IdentityObject(key="firmware", number=2)),
    )
    objects = {0: b"a" * 200, 1: b"b" * 100, 2: b"V1"}
    waiting, told = list[Task](), list[dict[str, str]]()

    async def ask(question: Question) -> Answer:
        assert isinstance(question, IdentifyRequest)
        left = {number: text for number, text in objects.items() if number >= question.first}
        values = parse_reply_pdu(question, identification_pdu(question, left))
        return Answer(values=values, time_ms=0, raw=b"")

    identification = Identification(device, ask=ask, tell=lambda who: told.append(dict(who)))
    identification.begin(waiting.append, from_s=0.0, work_s=0.1)
    turns = 1
    while turns < 9 and not (await waiting[0].take()).is_over:
        turns += 1
    assert (turns, told) == (2, [{"maker": "a" * 200, "firmware": "V1"}])
