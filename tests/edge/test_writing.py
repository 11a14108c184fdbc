"""Controls: an order is sent once, and what became of it is what the device shows."""

import asyncio

import pytest

from device_profiles.controls import ControlError
from device_profiles.modbus import TOGGLE, ExceptionCode, Order, Question, ReadRequest, Request, Table, WriteRequest
from device_profiles.modbus_model import Command, Control, ModbusDevice, ModbusGroup, ModbusPoint
from edge.bus_worker import BusWorker
from edge.drivers.base import Answer, DriverError, DriverFault
from edge.schedule import Lane, Task
from edge.schedule import Outcome as Turn
from edge.writing import Outcome, Writer, Written
from tests.support.manual_clock import ManualClock

PUMP = Control(key="pump", quantity="relay", table=Table.COIL, address=2, states={0: "off", 1: "on"})
DEVICE = ModbusDevice(
    timeout_ms=500,
    turnaround_ms=0,
    groups=(
        ModbusGroup(
            name="relays",
            measurement="relay",
            every_s=10,
            points=(ModbusPoint(key="pump", quantity="relay", table=Table.COIL, address=2),),
        ),
    ),
    controls=(PUMP,),
)


class Relay:
    """A device with one coil. `trouble` comes of an order, which it obeys where it `hears` it, after `slow_s`."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.state = 0
        self.orders = 0
        self.hears = True
        self.slow_s = 0.0
        self.trouble: DriverError | None = None
        self.blind: DriverError | None = None
        self._obeys_s = 0.0
        self.ordered = 0

    async def write(self, unit: int, request: Order, *, timeout_s: float, turnaround_s: float) -> Answer:
        del unit
        self.orders += 1
        await self.clock.sleep(timeout_s + turnaround_s if self.trouble else 0.02)
        if self.hears:
            if isinstance(request, WriteRequest):
                self.ordered = 1 - self.state if request.values == (TOGGLE,) else request.values[0]
            self._obeys_s = self.clock.monotonic_s() + self.slow_s
        if self.trouble is not None:
            raise self.trouble
        return Answer(values=(), time_ms=self.clock.now_ms(), raw=b"")

    async def read(
        self, unit: int, request: Question, *, timeout_s: float, turnaround_s: float, late_s: float | None = None
    ) -> Answer:
        assert isinstance(request, ReadRequest)
        assert (unit, request.address, request.count) == (3, 2, 1)
        del timeout_s, turnaround_s, late_s
        await self.clock.sleep(0.02)
        if self.blind is not None:
            raise self.blind
        if self.clock.monotonic_s() >= self._obeys_s:
            self.state = self.ordered
        return Answer(values=(self.state,), time_ms=self.clock.now_ms(), raw=b"")

    def quiet_until_s(self, unit: int, request: Request) -> float:
        del unit, request
        return 0.0

    async def close(self) -> None:
        pass


async def set_to(relay: Relay, number: float, *, busy_s: float = 0.0, within_s: float = 10.0) -> Written:
    worker = BusWorker(clock=relay.clock)

    async def occupy() -> Turn:
        await relay.clock.sleep(busy_s)
        return Turn(is_over=True)

    async with asyncio.TaskGroup() as tasks:
        working = tasks.create_task(worker.run())
        if busy_s:
            worker.add(Task(lane=Lane.OPERATOR, release_s=0.0, deadline_s=0.0, work_s=busy_s, take=occupy))
        await relay.clock.advance(0.01)
        writer = Writer(relay, worker, clock=relay.clock)
        writing = tasks.create_task(writer.write(3, DEVICE, PUMP, number))
        await relay.clock.advance(within_s)
        working.cancel()
    assert relay.orders <= 1
    return writing.result()


TOGGLED = Command(key="toggle_pump", table=Table.COIL, address=2)
RESET = Command(key="reset_energy", function=0x42)


async def commanded(relay: Relay, command: Command, said: str = "do") -> Written:
    worker = BusWorker(clock=relay.clock)
    async with asyncio.TaskGroup() as tasks:
        working = tasks.create_task(worker.run())
        await relay.clock.advance(0.01)
        writing = tasks.create_task(Writer(relay, worker, clock=relay.clock).command(3, DEVICE, command, said))
        await relay.clock.advance(10)
        working.cancel()
    assert relay.orders <= 1
    return writing.result()


@pytest.mark.parametrize("before", [0, 1])
async def test_a_toggle_is_believed_where_the_coil_is_not_what_it_was(before: int) -> None:
    relay = Relay(ManualClock())
    relay.state = relay.ordered = before
    relay.slow_s = 0.5
    written = await commanded(relay, TOGGLED)
    assert (written.outcome, written.shown, relay.state) == (Outcome.OBEYED, 1 - before, 1 - before)
    assert written.text == f"{before} before, {1 - before} after"


async def test_a_toggle_whose_answer_was_lost_is_judged_by_the_coil_and_never_sent_again() -> None:
    relay = Relay(ManualClock())
    relay.trouble = DriverError(DriverFault.TIMEOUT, "no answer")
    assert (await commanded(relay, TOGGLED)).outcome is Outcome.OBEYED
    deaf = Relay(ManualClock())
    deaf.trouble, deaf.hears = relay.trouble, False
    assert (await commanded(deaf, TOGGLED)).outcome is Outcome.NOT_OBEYED


async def test_a_toggle_of_a_coil_that_cannot_be_read_is_not_sent() -> None:
    relay = Relay(ManualClock())
    relay.blind = DriverError(DriverFault.TIMEOUT, "no answer")
    written = await commanded(relay, TOGGLED)
    assert (written.outcome, relay.orders) == (Outcome.NOT_SENT, 0)


async def test_of_a_command_that_shows_nothing_only_the_answer_is_told() -> None:
    written = await commanded(Relay(ManualClock()), RESET)
    assert (written.outcome, written.shown) == (Outcome.ANSWERED, None)
    assert "shows no state" in written.text
    lost = Relay(ManualClock())
    lost.trouble = DriverError(DriverFault.TIMEOUT, "no answer")
    assert (await commanded(lost, RESET)).outcome is Outcome.UNKNOWN
    refusing = Relay(ManualClock())
    refusing.trouble = DriverError(DriverFault.EXCEPTION, "refused", code=ExceptionCode.ILLEGAL_FUNCTION)
    assert (await commanded(refusing, RESET)).outcome is Outcome.REFUSED


async def test_a_command_takes_no_value() -> None:
    relay = Relay(ManualClock())
    with pytest.raises(ControlError, match="found '5', expected 'do'"):
        await Writer(relay, BusWorker(clock=relay.clock), clock=relay.clock).command(3, DEVICE, RESET, "5")
    assert relay.orders == 0


async def test_an_order_that_the_device_shows_to_have_obeyed() -> None:
    relay = Relay(ManualClock())
    relay.slow_s = 0.5
    written = await set_to(relay, 1)
    assert (written.outcome, written.shown, relay.state) == (Outcome.OBEYED, 1, 1)


async def test_a_device_that_acknowledges_and_does_nothing_has_not_obeyed() -> None:
    relay = Relay(ManualClock())
    relay.hears = False
    written = await set_to(relay, 1)
    assert (written.outcome, written.shown) == (Outcome.NOT_OBEYED, 0)


async def test_of_an_order_whose_answer_was_lost_the_register_tells() -> None:
    relay = Relay(ManualClock())
    relay.trouble = DriverError(DriverFault.TIMEOUT, "no answer")
    assert (await set_to(relay, 1)).outcome is Outcome.OBEYED
    deaf = Relay(ManualClock())
    deaf.trouble, deaf.hears = relay.trouble, False
    written = await set_to(deaf, 1)
    assert written.outcome is Outcome.NOT_OBEYED
    assert "no answer" in written.text


async def test_where_nothing_is_shown_nobody_claims_to_know() -> None:
    relay = Relay(ManualClock())
    relay.blind = DriverError(DriverFault.TIMEOUT, "no answer from unit 3")
    written = await set_to(relay, 1)
    assert (written.outcome, written.shown) == (Outcome.UNKNOWN, None)
    assert "no answer from unit 3" in written.text


@pytest.mark.parametrize(
    ("kind", "outcome"), [(DriverFault.EXCEPTION, Outcome.REFUSED), (DriverFault.REFUSED, Outcome.NOT_SENT)]
)
async def test_what_is_known_to_be_refused_or_unsent_is_said(kind: DriverFault, outcome: Outcome) -> None:
    relay = Relay(ManualClock())
    relay.trouble, relay.hears = DriverError(kind, "no", code=ExceptionCode.ILLEGAL_VALUE), False
    assert (await set_to(relay, 1)).outcome is outcome


async def test_i1_an_order_whose_turn_comes_too_late_is_not_sent() -> None:
    relay = Relay(ManualClock())
    written = await set_to(relay, 1, busy_s=7.0)
    assert (written.outcome, relay.orders, relay.state) == (Outcome.NOT_SENT, 0, 0)


async def test_what_the_profile_does_not_allow_is_not_sent() -> None:
    relay = Relay(ManualClock())
    with pytest.raises(ControlError, match="expected one of 0"):
        await Writer(relay, BusWorker(clock=relay.clock), clock=relay.clock).write(3, DEVICE, PUMP, 2)
    assert relay.orders == 0
