"""Reads one Modbus device: each group at its period, whatever goes wrong recorded as what it is.

It decides what its device is asked next and what the answers mean; when, its bus decides (`schedule.py`).

I1. Deadlines are absolute: a late or slow reading does not shift those that follow.
I2. A device that gives nothing usable is probed with one request at a time, ever more rarely; each probe that fails is
    recorded.
I3. A register the device refuses costs its own points only.
I4. A device that answers far later than it used to is read when the others leave time for it.
"""

import logging
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from device_profiles.decode import RegisterDecoder
from device_profiles.modbus import ExceptionCode, ReadRequest
from device_profiles.modbus_model import ModbusDevice
from device_profiles.plan import bus_time_us
from edge.asked import AskedRequests
from edge.clock import Clock
from edge.drivers.base import Answer, DriverError, DriverFault, RegisterBus
from edge.health import DeviceHealth
from edge.refusals import Refusals
from edge.response_time import ResponseTime
from edge.schedule import Lane, Outcome, Task
from edge.spool.base import Reading
from wire.records import Quality, Stream, Value

_logger = logging.getLogger(__name__)
_LONGEST_PAUSE_S: Final = 60.0
_LONGEST_LINE_PAUSE_S: Final = 5.0  # as long as a line waits at most before it is opened again
_GARBLED_IN_A_ROW: Final = 3  # others' noise may damage a few answers of a healthy device
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
_NOT_ASKED_AGAIN: Final = (DriverFault.EXCEPTION, *_LINE_AWAY)


@dataclass(slots=True)
class _Group:
    """A group, how it is read, and when next."""

    asked: AskedRequests
    decoder: RegisterDecoder
    stream: Stream
    period_s: float
    due_s: float = 0.0
    forget_s: float = 0.0
    round: "_Round | None" = None
    task: Task | None = None


@dataclass(slots=True)
class _Round:
    """A group being read: what is still to be asked, and what has come. One request is one turn on the bus."""

    waiting: deque[ReadRequest]
    answers: dict[ReadRequest, tuple[int, ...] | Quality]
    raw: list[bytes] = field(default_factory=list)
    time_ms: int | None = None
    trouble: str | None = None
    is_again: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RawReading:
    """One group as read for a person: values in the stream's order beside what came over the wire."""

    stream: Stream
    values: tuple[Value, ...]
    answers: Mapping[ReadRequest, tuple[int, ...] | Quality]
    raw: tuple[bytes, ...]
    time_ms: int
    error: str | None


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
            _Group(
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
        self._last_failed: ReadRequest | None = None
        self._last_fault = DriverFault.TIMEOUT
        self._probe: Task | None = None
        self._add: Callable[[Task], None] = _nobody
        self._submit: Submit = _nobody

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

    async def read(self, bus: RegisterBus | None = None) -> list[RawReading]:
        """Every group once, for a person who asks.

        Args:
            bus: whose turns are used; the device's own bus where nobody else uses it.
        """
        found = []
        for group in self._groups:
            asking = _begun(group)
            while asking.waiting:
                await self._step(group, asking, bus or self._bus, timeout_s=self._longest_s)
            found.append(self._ended(group, asking))
        return found

    def _read_all_from(self, start_s: float) -> None:
        for group in self._groups:
            group.due_s = start_s
            group.round = None
            self._add_group(group)

    def _add_group(self, group: _Group) -> None:
        task = group.task = Task(
            lane=Lane.SICK if self._response.is_late else Lane.PERIODIC,
            release_s=group.due_s,
            deadline_s=group.due_s + group.period_s,
            work_s=self._work_s(group.asked.requests),
            take=lambda: self._turn(group, task),
        )
        self._add(task)

    def _work_s(self, requests: tuple[ReadRequest, ...] | deque[ReadRequest]) -> float:
        planned_us = sum(
            bus_time_us(request, turnaround_ms=self._device.turnaround_ms, baud=self._baud) for request in requests
        )
        return planned_us / _US + len(requests) * self._response.expected_s

    async def _turn(self, group: _Group, task: Task) -> Outcome:
        """One request of a group, and what follows from its answer."""
        if group.task is not task:  # the device was found silent since; its probe speaks for all groups
            return Outcome(is_over=True)
        asking = group.round = group.round or _begun(group)
        now_s = self._clock.monotonic_s()
        quiet_s = self._bus.quiet_until_s(self._unit, asking.waiting[0])
        if quiet_s > now_s:
            task.release_s = quiet_s
            return Outcome(is_over=False)
        lost_s = await self._step(group, asking, self._bus, timeout_s=self._response.timeout_s)
        if asking.waiting and not self._health.is_silent:
            task.work_s = self._work_s(asking.waiting)
            return Outcome(is_over=False, lost_s=lost_s)
        self._finish(group, self._ended(group, asking))
        return Outcome(is_over=True, lost_s=lost_s)

    def _finish(self, group: _Group, reading: RawReading) -> None:
        group.round = None
        stream = reading.stream
        self._health.note_values(stream.group, stream.points, reading.values, time_ms=reading.time_ms)
        self._submit(Reading(stream=stream, time_ms=reading.time_ms, values=reading.values))
        if self._health.is_silent:
            self._submit_silence(but=group)
            self._probe_later()
        else:
            self._pause_s = 0.0
            self._plan_next(group)

    def _plan_next(self, group: _Group) -> None:
        """Set the next deadline; what was missed is counted, not made up for."""
        now_s = self._clock.monotonic_s()
        if now_s >= group.forget_s:
            group.forget_s += _FORGOTTEN_AFTER_S
            group.asked.forget()
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
        release_s = self._clock.monotonic_s() + self._pause_s
        probe = self._probe = Task(
            lane=Lane.SICK,
            release_s=release_s,
            deadline_s=release_s,
            work_s=self._response.timeout_s + self._work_s((self._probe_request(),)),
            take=lambda: self._probe_turn(probe),
        )
        for group in self._groups:
            group.task = None
        self._add(probe)

    def _probe_request(self) -> ReadRequest:
        """What a silent device is asked: the same again, so that a late answer does no harm."""
        group = min(self._groups, key=lambda one: one.period_s)
        return self._last_failed or (group.asked.requests or group.asked.missing)[0]

    async def _probe_turn(self, probe: Task) -> Outcome:
        """One request to a silent device; where it answers, all of it is due."""
        if self._probe is not probe:  # it has answered a person since
            return Outcome(is_over=True)
        started_s = self._clock.monotonic_s()
        try:
            answer = await self._ask(self._bus, self._probe_request(), timeout_s=self._response.timeout_s)
            self._health.note_answer(time_ms=answer.time_ms)
        except DriverError as error:
            if error.kind is not DriverFault.EXCEPTION:
                self._note_silence(error)
                self._submit_silence()
                self._probe_later()
                return Outcome(is_over=True, lost_s=self._clock.monotonic_s() - started_s)
            self._health.is_silent = False
        self._resume()
        return Outcome(is_over=True)

    def _resume(self) -> None:
        """The device is there again: all of it is due."""
        self._probe = None
        self._failed_in_a_row = 0
        self._read_all_from(self._clock.monotonic_s())

    async def _step(self, group: _Group, asking: _Round, bus: RegisterBus, *, timeout_s: float) -> float:
        """Ask the first request that waits; again later where that failed once. How many seconds were lost."""
        request = asking.waiting[0]
        started_s = self._clock.monotonic_s()
        try:
            answer = await self._ask(bus, request, timeout_s=timeout_s)
        except DriverError as error:
            asking.trouble = str(error)
            if not asking.is_again and error.kind not in _NOT_ASKED_AGAIN:
                asking.is_again = True  # a single disturbance is no fault
            else:
                self._give_up(group, asking, error)
            return 0.0 if error.kind is DriverFault.EXCEPTION else self._clock.monotonic_s() - started_s
        asking.waiting.popleft()
        asking.is_again = False
        self._failed_in_a_row = 0
        if asking.time_ms is None:
            self._health.note_answer(time_ms=answer.time_ms)
        if self._probe is not None:
            self._resume()
        asking.answers[request] = answer.values
        asking.raw.append(answer.raw)
        asking.time_ms = answer.time_ms
        return max(0.0, answer.latency_s - self._response.usual_s) if self._response.is_late else 0.0

    def _give_up(self, group: _Group, asking: _Round, error: DriverError) -> None:
        """A request has failed for good, in this round."""
        request = asking.waiting.popleft()
        asking.is_again = False
        asking.answers[request] = _QUALITIES.get(error.kind, Quality.TIMEOUT)
        if error.kind is DriverFault.EXCEPTION:
            self._failed_in_a_row = 0
            if error.code == ExceptionCode.ILLEGAL_ADDRESS:
                asking.waiting.extendleft(reversed(group.asked.narrow(request)))
            return
        self._failed_in_a_row += 1
        self._last_failed = request
        if error.kind in _SILENCES or self._failed_in_a_row >= _GARBLED_IN_A_ROW:
            self._note_silence(error)
        if self._health.is_silent:
            asking.waiting.clear()

    async def _ask(self, bus: RegisterBus, request: ReadRequest, *, timeout_s: float) -> Answer:
        """One exchange; what it tells of the device is noted."""
        try:
            answer = await bus.read(
                self._unit,
                request,
                timeout_s=timeout_s,
                turnaround_s=self._turnaround_s,
                late_s=self._longest_s,
            )
        except DriverError as error:
            self._health.note_error(error.kind, str(error))
            if error.kind is DriverFault.TIMEOUT:
                self._response.missed()
            raise
        self._response.heard(answer.latency_s)
        return answer

    def _ended(self, group: _Group, asking: _Round) -> RawReading:
        if group.asked.settle(response_s=self._response.usual_s):
            self._refusals.remember(self._health.device, group.stream.group, group.asked.refused)
            keys = ", ".join(group.asked.missing_points()) or "nothing alone"
            _logger.warning("%s refused registers; it lacks %s; the rest is read", self._health.device, keys)
        return RawReading(
            stream=group.stream,
            values=group.decoder.values(asking.answers),
            answers=asking.answers,
            raw=tuple(asking.raw),
            time_ms=self._clock.now_ms() if asking.time_ms is None else asking.time_ms,
            error=asking.trouble,
        )

    def _note_silence(self, error: DriverError) -> None:
        self._last_fault = error.kind
        self._longest_pause_s = _LONGEST_LINE_PAUSE_S if error.kind in _LINE_AWAY else _LONGEST_PAUSE_S
        self._health.note_silence()

    def _submit_silence(self, *, but: _Group | None = None) -> None:
        """Say of every group (not the one just recorded) that there is nothing: silence is a fact, not a gap."""
        now_ms = self._clock.now_ms()
        quality = _QUALITIES.get(self._last_fault, Quality.TIMEOUT)
        for group in (one for one in self._groups if one is not but):
            values = tuple(Value(None, quality) for _ in group.stream.points)
            self._health.note_values(group.stream.group, group.stream.points, values, time_ms=now_ms)
            self._submit(Reading(stream=group.stream, time_ms=now_ms, values=values))


def _begun(group: _Group) -> _Round:
    return _Round(waiting=deque(group.asked.requests), answers=dict.fromkeys(group.asked.missing, Quality.EXCEPTION))


def _nobody(_: object) -> None:
    """Nobody takes it: the device is not read by itself."""
