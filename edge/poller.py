"""Reads one Modbus device: each group at its period, whatever goes wrong recorded as what it is.

It decides what its device is asked next and what the answers mean; when, its bus decides (`schedule.py`).

I1. Deadlines are absolute: a late or slow reading does not shift those that follow.
I2. A device that gives nothing usable is probed with one request at a time, ever more rarely; each probe that fails is
    recorded.
I3. A register the device refuses costs its own points only.
I4. A device that answers far later than it used to is read when the others leave time for it.
I5. What a device loses by being read is read by the poller alone, and every such reading is recorded.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from device_profiles.decode import RegisterDecoder
from device_profiles.identity import identity_questions
from device_profiles.modbus import ExceptionCode, Order, Question, ReadRequest, Request
from device_profiles.modbus_model import ModbusDevice
from device_profiles.plan import bus_time_us
from edge.asked import AskedRequests
from edge.clock import Clock
from edge.drivers.base import Answer, DriverError, DriverFault, RegisterBus
from edge.group_round import PolledGroup, RawReading, Round
from edge.health import DeviceHealth
from edge.identify import Identification
from edge.refusals import Refusals
from edge.response_time import ResponseTime
from edge.schedule import Lane, Outcome, Task
from edge.spool.base import Reading
from wire.records import Quality, Stream, Value

_logger = logging.getLogger(__name__)
_LONGEST_PAUSE_S: Final = 30.0
_LONGEST_LINE_PAUSE_S: Final = 5.0  # as long as a line waits at most before it is opened again
_GARBLED_IN_A_ROW: Final = 2  # others' noise may damage a few answers of a healthy device
_FORGOTTEN_AFTER_S: Final = 86400.0
_US: Final = 1_000_000
Submit = Callable[[Reading], None]
_QUALITIES: Final = {
    DriverFault.EXCEPTION: Quality.EXCEPTION,
    DriverFault.GARBLED: Quality.SENSOR_FAULT,
    DriverFault.FOREIGN: Quality.SENSOR_FAULT,
}
_LINE_AWAY: Final = (DriverFault.GONE, DriverFault.REFUSED)
_SILENCES: Final = (DriverFault.TIMEOUT, DriverFault.FOREIGN, *_LINE_AWAY)
# How often a request is sent at once before it has failed; a single disturbance is no fault.
_TRIES: Final = {DriverFault.TIMEOUT: 2, DriverFault.FOREIGN: 2, DriverFault.GARBLED: 3}


class DevicePoller:
    """One device on a Modbus bus.

    Args:
        device: how it is spoken to.
        unit: its address.
        streams: what its records have in common, by group.
        periods_s: how often each group is read.
        bus: the line it is on; used only in the turns its tasks are given.
        baud: the line's speed, for planning.
        clock: the agent's clock.
        health: where its state is kept.
        refusals: what devices have refused before.
    """

    def __init__(  # noqa: PLR0913 - given all it needs by name
        self,
        *,
        device: ModbusDevice,
        unit: int,
        streams: Mapping[str, Stream],
        periods_s: Mapping[str, float],
        bus: RegisterBus,
        baud: int,
        clock: Clock,
        health: DeviceHealth,
        refusals: Refusals,
    ) -> None:
        self._device = device
        self._unit = unit
        self._bus = bus
        self._baud = baud
        self._clock = clock
        self._health = health
        self._refusals = refusals
        self._turnaround_s = device.turnaround_ms / 1000
        self._longest_s = device.timeout_ms / 1000
        # Changed by the turns and by `read`, one request at a time.
        self._response = ResponseTime(self._longest_s)
        self._groups = [
            PolledGroup(
                of=group,
                asked=AskedRequests(group, device, baud=baud, refused=refusals.of(health.device, group.name)),
                decoder=RegisterDecoder(group),
                stream=streams[group.name],
                period_s=periods_s[group.name],
            )
            for group in device.groups
        ]
        self._shortest_s = min(group.period_s for group in self._groups)
        self._pause_s = 0.0
        self._longest_pause_s = _LONGEST_PAUSE_S
        self._failed_in_a_row = 0
        self._last_failed: Request | None = None
        self._last_fault = DriverFault.TIMEOUT
        self._probe: Task | None = None
        self._add: Callable[[Task], None] = _nobody
        self._submit: Submit = _nobody
        self._identification = Identification(device, ask=self._ask_who, tell=self._told_who)

    def start(self, add: Callable[[Task], None], submit: Submit, *, offset_s: float = 0.0) -> None:
        """Be read from now on.

        Args:
            add: lets a task wait for turns on the bus.
            submit: takes each reading; must not wait.
            offset_s: how long after now the first reading is due, so that devices do not all come at once.
        """
        self._add, self._submit = add, submit
        start_s = self._clock.monotonic_s() + offset_s
        for group in self._groups:
            group.forget_s = start_s + _FORGOTTEN_AFTER_S
        self._read_all_from(start_s)
        self._identify()

    async def read(self, bus: RegisterBus | None = None) -> list[RawReading]:
        """Every group once, for a person who asks.

        Args:
            bus: whose turns are used; the device's own bus where nobody else uses it.
        """
        is_started = self._submit is not _nobody
        return [
            await (
                self._next_reading(group)
                if is_started and group.has_one_reader
                else self._read_now(group, bus or self._bus)
            )
            for group in self._groups
        ]

    async def _read_now(self, group: PolledGroup, bus: RegisterBus) -> RawReading:
        asking = group.begun()
        while not asking.is_over:
            await self._clock.sleep(asking.not_before_s - self._clock.monotonic_s())
            await self._step(group, asking, bus, timeout_s=self._longest_s)
        return self._ended(group, asking)

    async def _next_reading(self, group: PolledGroup) -> RawReading:
        """Read it now, but as the poller reads it: recorded, and by nobody else (I5)."""
        ended: asyncio.Future[RawReading] = asyncio.get_running_loop().create_future()
        group.waiters.append(ended)
        now_s = self._clock.monotonic_s()
        if self._probe is not None:
            self._add_probe(Lane.OPERATOR, now_s)
        elif group.round is None:
            self._add_group(group, Lane.OPERATOR, now_s)
        return await ended

    def _read_all_from(self, start_s: float) -> None:
        for group in self._groups:
            group.due_s = start_s
            group.round = None
            self._add_group(group)

    def _add_group(self, group: PolledGroup, lane: Lane | None = None, release_s: float | None = None) -> None:
        """Let a group wait for its turns: at its period, unless it is said otherwise."""
        task = group.task = Task(
            lane=self._usual_lane if lane is None else lane,
            release_s=group.due_s if release_s is None else release_s,
            deadline_s=group.due_s + group.period_s,
            work_s=self._work_s((*(one.request for one in group.of.before), *group.asked.requests)),
            take=lambda: self._turn(group, task),
        )
        self._add(task)

    @property
    def _usual_lane(self) -> Lane:
        return Lane.SICK if self._response.is_late else Lane.PERIODIC

    def _work_s(self, requests: Iterable[Request]) -> float:
        turns = [bus_time_us(one, turnaround_ms=self._device.turnaround_ms, baud=self._baud) for one in requests]
        return sum(turns) / _US + len(turns) * self._response.expected_s

    async def _turn(self, group: PolledGroup, task: Task) -> Outcome:
        """One request of a group, and what follows from its answer."""
        if group.task is not task:  # the device was found silent since; its probe speaks for all groups
            return Outcome(is_over=True)
        asking = group.round = group.round or group.begun()
        if asking.is_over:  # a probe has read all of it
            self._finish(group, self._ended(group, asking))
            return Outcome(is_over=True)
        pause_until_s = max(asking.not_before_s, self._bus.quiet_until_s(self._unit, asking.next))
        if pause_until_s > self._clock.monotonic_s():
            task.release_s = pause_until_s
            return Outcome(is_over=False)
        lost_s = await self._step(group, asking, self._bus, timeout_s=self._response.timeout_s)
        if not asking.is_over and not self._health.is_silent:
            task.work_s = self._work_s((*(one.request for one in asking.orders), *asking.waiting))
            task.lane = Lane.AGAIN if asking.tries else self._usual_lane
            return Outcome(is_over=False, lost_s=lost_s)
        self._finish(group, self._ended(group, asking))
        return Outcome(is_over=True, lost_s=lost_s)

    def _finish(self, group: PolledGroup, reading: RawReading) -> None:
        group.round = None
        stream = reading.stream
        self._health.note_values(stream.group, stream.points, reading.values, time_ms=reading.time_ms)
        self._submit(Reading(stream=stream, time_ms=reading.time_ms, values=reading.values))
        group.tell(reading)
        if self._health.is_silent:
            self._submit_silence(but=group)
            self._probe_later()
        else:
            self._pause_s = 0.0
            self._plan_next(group)

    def _plan_next(self, group: PolledGroup) -> None:
        """Set the next deadline; what was missed is counted, not made up for."""
        now_s = self._clock.monotonic_s()
        if now_s >= group.forget_s:
            group.forget_s += _FORGOTTEN_AFTER_S
            group.asked.forget()
        if now_s >= group.due_s:  # else a person wanted it before
            group.due_s += group.period_s
        if group.due_s <= now_s:
            missed = int((now_s - group.due_s) / group.period_s) + 1
            self._health.late += missed
            group.due_s += missed * group.period_s
        self._add_group(group)

    def _probe_later(self) -> None:
        """Ask a silent device again after a pause that grows."""
        longest_s = max(self._longest_pause_s, self._shortest_s)
        self._pause_s = min(max(2 * self._pause_s, self._shortest_s), longest_s)
        for group in self._groups:
            group.task = None
        self._add_probe(Lane.SICK, self._clock.monotonic_s() + self._pause_s)

    def _add_probe(self, lane: Lane, release_s: float) -> None:
        _, request = self._probed()
        probe = self._probe = Task(
            lane=lane,
            release_s=max(release_s, self._bus.quiet_until_s(self._unit, request)),
            deadline_s=release_s,
            work_s=self._response.timeout_s + self._work_s((request,)),
            take=lambda: self._probe_turn(probe),
        )
        self._add(probe)

    def _probed(self) -> tuple[PolledGroup, ReadRequest]:
        """What a silent device is asked, rather nothing it loses by it: the same again, for a late answer's sake."""
        group = min(self._groups, key=lambda one: (one.of.once, one.period_s))
        requests = group.asked.requests or group.asked.missing
        return group, self._last_failed if self._last_failed in requests else requests[0]

    async def _probe_turn(self, probe: Task) -> Outcome:
        """One request to a silent device; where it answers, all of it is due."""
        if self._probe is not probe:  # it has answered a person since
            return Outcome(is_over=True)
        started_s = self._clock.monotonic_s()
        group, request = self._probed()
        answer = None
        try:
            answer = await self._ask(self._bus, request, timeout_s=self._response.timeout_s)
            self._health.note_answer(time_ms=answer.time_ms)
        except DriverError as error:
            if error.kind is not DriverFault.EXCEPTION:
                self._note_silence(error)
                self._submit_silence()
                self._probe_later()
                return Outcome(is_over=True, lost_s=self._clock.monotonic_s() - started_s)
            self._health.is_silent = False
        self._resume()
        if answer is not None and group.of.once and not group.of.before:
            group.round = group.begun()  # what the device told is gone from it, and counts
            group.round.answered_first(request, answer, at_s=self._clock.monotonic_s())
        return Outcome(is_over=True)

    def _resume(self) -> None:
        """The device is there again: all of it is due."""
        self._probe = None
        self._failed_in_a_row = 0
        self._read_all_from(self._clock.monotonic_s())
        self._identify()

    async def _step(self, group: PolledGroup, asking: Round, bus: RegisterBus, *, timeout_s: float) -> float:
        """Send what is next; again later where that failed once. How many seconds were lost."""
        started_s = self._clock.monotonic_s()
        try:
            answer = await self._ask(bus, asking.next, timeout_s=timeout_s)
        except DriverError as error:
            asking.trouble = str(error)
            asking.tries += 1
            if error.kind is not DriverFault.EXCEPTION:
                asking.lost_s += self._clock.monotonic_s() - started_s
            if asking.tries >= _TRIES.get(error.kind, 1) or (group.of.once and not asking.orders):
                self._give_up(group, asking, error)
            elif error.kind is DriverFault.GARBLED:
                return 0.0  # perhaps by another's noise, which is not this device's sickness
            return asking.lost_until_now()
        self._failed_in_a_row = 0
        if asking.time_ms is None:
            self._health.note_answer(time_ms=answer.time_ms)
        if self._probe is not None:
            self._resume()
        if asking.orders:
            asking.ordered(at_s=self._clock.monotonic_s())
        else:
            asking.answered(answer, at_s=self._clock.monotonic_s())
        return self._clock.monotonic_s() - started_s if self._response.is_late else 0.0

    def _give_up(self, group: PolledGroup, asking: Round, error: DriverError) -> None:
        """What is next has failed for good, in this round."""
        request, is_order = asking.next, bool(asking.orders)
        quality = _QUALITIES.get(error.kind, Quality.TIMEOUT)
        asking.failed(quality)
        if error.kind is DriverFault.EXCEPTION:
            self._failed_in_a_row = 0
            is_lacking = error.code == ExceptionCode.ILLEGAL_ADDRESS and not is_order
            if is_lacking and isinstance(request, ReadRequest):
                asking.waiting.extendleft(reversed(group.asked.narrow(request)))
            return
        self._failed_in_a_row += 1
        self._last_failed = request
        if error.kind in _SILENCES or self._failed_in_a_row >= _GARBLED_IN_A_ROW:
            self._note_silence(error)
        if self._health.is_silent:
            asking.abandon(quality)

    async def _ask(self, bus: RegisterBus, request: Request, *, timeout_s: float) -> Answer:
        """One exchange; what it tells of the device is noted."""
        turn_s = self._turnaround_s
        try:
            if isinstance(request, Order):
                answer = await bus.write(self._unit, request, timeout_s=self._longest_s, turnaround_s=turn_s)
            else:
                answer = await bus.read(
                    self._unit, request, timeout_s=timeout_s, turnaround_s=turn_s, late_s=self._longest_s
                )
        except DriverError as error:
            self._health.note_error(error.kind, str(error))
            if error.kind is DriverFault.TIMEOUT:
                self._response.missed()
            raise
        self._response.heard(answer.latency_s)
        return answer

    def _ended(self, group: PolledGroup, asking: Round) -> RawReading:
        if group.asked.settle(response_s=self._response.usual_s):
            self._refusals.remember(self._health.device, group.stream.group, group.asked.refused)
            keys = ", ".join(group.asked.missing_points()) or "nothing alone"
            _logger.warning("%s refused registers; it lacks %s; the rest is read", self._health.device, keys)
        return RawReading(
            stream=group.stream,
            values=group.decoder.values(asking.answers, at_s=asking.read_s),
            answers=asking.answers,
            raw=tuple(asking.raw),
            time_ms=self._clock.now_ms() if asking.time_ms is None else asking.time_ms,
            error=asking.trouble,
        )

    def _note_silence(self, error: DriverError) -> None:
        self._last_fault = error.kind
        self._longest_pause_s = _LONGEST_LINE_PAUSE_S if error.kind in _LINE_AWAY else _LONGEST_PAUSE_S
        self._health.note_silence()

    def _submit_silence(self, *, but: PolledGroup | None = None) -> None:
        """Say of every group (not the one just recorded) that there is nothing: silence is a fact, not a gap."""
        now_ms = self._clock.now_ms()
        quality = _QUALITIES.get(self._last_fault, Quality.TIMEOUT)
        for group in (one for one in self._groups if one is not but):
            values = tuple(Value(None, quality) for _ in group.stream.points)
            self._health.note_values(group.stream.group, group.stream.points, values, time_ms=now_ms)
            self._submit(Reading(stream=group.stream, time_ms=now_ms, values=values))
            group.tell(_nothing(group.stream, values, time_ms=now_ms, error=self._health.trouble))

    def _identify(self) -> None:
        work_s = self._work_s(identity_questions(self._device)[:1])
        self._identification.begin(self._add, from_s=self._clock.monotonic_s(), work_s=work_s)

    async def _ask_who(self, request: Question) -> Answer:
        return await self._ask(self._bus, request, timeout_s=self._response.timeout_s)

    def _told_who(self, who: Mapping[str, str]) -> None:
        self._health.note_identity(who)
        if self._refusals.identified(self._health.device, who):
            for group in self._groups:
                group.asked.forget()


def _nobody(_: object) -> None:
    """Nobody takes it: the device is not read by itself."""


def _nothing(stream: Stream, values: tuple[Value, ...], *, time_ms: int, error: str | None) -> RawReading:
    return RawReading(stream=stream, values=values, answers={}, raw=(), time_ms=time_ms, error=error)
