"""Reads one Modbus device: each group at its period, whatever goes wrong recorded as what it is.

I1. Deadlines are absolute: a late or slow reading does not shift those that follow.
I2. A device that does not answer is probed with one request at a time, ever more rarely, so that others on its bus lose
    little; each failed probe is recorded.
I3. A register the device refuses costs its own points only.
"""

import logging
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from device_profiles.decode import RegisterDecoder
from device_profiles.modbus import ExceptionCode, ReadRequest
from device_profiles.modbus_model import ModbusDevice, ModbusGroup
from device_profiles.plan import covers, narrowed, read_plan
from edge.clock import Clock
from edge.drivers.base import Answer, DriverError, DriverFault, RegisterBus
from edge.health import DeviceHealth
from edge.spool.base import Reading
from wire.records import Quality, Stream, Value

_logger = logging.getLogger(__name__)
_LONGEST_PAUSE_S: Final = 60.0
_LONGEST_LINE_PAUSE_S: Final = 5.0  # as long as a line waits at most before it is opened again
Submit = Callable[[Reading], None]
_QUALITIES: Final = {
    DriverFault.EXCEPTION: Quality.EXCEPTION,
    DriverFault.GARBLED: Quality.SENSOR_FAULT,
    DriverFault.FOREIGN: Quality.SENSOR_FAULT,
}
_LINE_AWAY: Final = (DriverFault.GONE, DriverFault.REFUSED)
_SILENCES: Final = (DriverFault.TIMEOUT, DriverFault.FOREIGN, *_LINE_AWAY)


@dataclass(slots=True)
class _Group:
    """A group, how it is read, and when next. `asked` changes when a register turns out to be refused."""

    group: ModbusGroup
    decoder: RegisterDecoder
    stream: Stream
    period_s: float
    planned: tuple[ReadRequest, ...]
    asked: tuple[ReadRequest, ...]
    refused: tuple[ReadRequest, ...] = ()
    due_s: float = 0.0


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
        bus: the line it is on.
        baud: the line's speed, for planning.
        clock: the agent's clock.
        health: where its state is kept.
    """

    def __init__(
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
    ) -> None:
        self._device = device
        self._unit = unit
        self._bus = bus
        self._clock = clock
        self._health = health
        self._timeout_s = device.timeout_ms / 1000
        self._turnaround_s = device.turnaround_ms / 1000
        # Changed by `run` and `read`, one reading at a time.
        self._groups = [
            _Group(
                group=plan.group,
                decoder=RegisterDecoder(plan.group),
                stream=streams[plan.group.name],
                period_s=periods_s[plan.group.name],
                planned=plan.requests,
                asked=plan.requests,
            )
            for plan in read_plan(device, baud=baud)
        ]
        self._pause_s = 0.0
        self._longest_pause_s = _LONGEST_PAUSE_S

    async def run(self, submit: Submit, *, offset_s: float = 0.0) -> None:
        """Read until cancelled.

        Args:
            submit: takes each reading; must not wait.
            offset_s: how long after now the first reading is due, so that devices do not all come at once.
        """
        start_s = self._clock.monotonic_s() + offset_s
        for group in self._groups:
            group.due_s = start_s
        while True:
            group = min(self._groups, key=lambda one: one.due_s)
            wait_s = group.due_s - self._clock.monotonic_s()
            if wait_s > 0:
                await self._clock.sleep(wait_s)
            if not self._health.is_silent:
                await self._poll(group, submit)
            elif await self._probe(submit):
                continue
            self._plan_next(group)

    async def read(self) -> list[RawReading]:
        """Every group once, for a person who asks."""
        return [await self._read(group) for group in self._groups]

    async def _poll(self, group: _Group, submit: Submit) -> None:
        reading = await self._read(group)
        self._note(reading)
        submit(Reading(stream=reading.stream, time_ms=reading.time_ms, values=reading.values))
        if self._health.is_silent:
            self._submit_silence(submit, but=group)
        else:
            self._pause_s = 0.0

    async def _probe(self, submit: Submit) -> bool:
        """One request to a silent device; whether it answers, and then all of it is due."""
        group = min(self._groups, key=lambda one: one.period_s)
        try:
            answer = await self._ask((group.asked or group.refused)[0])
        except DriverError as error:
            self._health.note_error(error.kind, str(error))
            if error.kind is not DriverFault.EXCEPTION:
                self._note_silence(error)
                self._submit_silence(submit)
                return False
        else:
            self._health.note_answer(time_ms=answer.time_ms)
        self._health.is_silent = False
        now_s = self._clock.monotonic_s()
        for one in self._groups:
            one.due_s = now_s
        return True

    def _plan_next(self, group: _Group) -> None:
        """Set the next deadline; what was missed is counted, not made up for."""
        now_s = self._clock.monotonic_s()
        if self._health.is_silent:
            shortest_s = min(one.period_s for one in self._groups)
            self._pause_s = min(max(2 * self._pause_s, shortest_s), max(self._longest_pause_s, shortest_s))
            for one in self._groups:
                one.due_s = now_s + self._pause_s
            return
        group.due_s += group.period_s
        if group.due_s <= now_s:
            missed = int((now_s - group.due_s) / group.period_s) + 1
            self._health.late += missed
            group.due_s += missed * group.period_s

    async def _read(self, group: _Group) -> RawReading:
        answers: dict[ReadRequest, tuple[int, ...] | Quality] = dict.fromkeys(group.refused, Quality.EXCEPTION)
        raw: list[bytes] = []
        time_ms: int | None = None
        trouble: str | None = None
        waiting = deque(group.asked)
        while waiting:
            request = waiting.popleft()
            try:
                answer = await self._ask_again(request)
            except DriverError as error:
                trouble = str(error)
                answers[request] = _QUALITIES.get(error.kind, Quality.TIMEOUT)
                if error.code == ExceptionCode.ILLEGAL_ADDRESS:
                    waiting.extendleft(reversed(self._narrow(group, request)))
                if self._health.is_silent:
                    break
            else:
                if time_ms is None:
                    self._health.note_answer(time_ms=answer.time_ms)
                answers[request] = answer.values
                raw.append(answer.raw)
                time_ms = answer.time_ms
        if not group.asked:  # all was refused: that says more of the device's state than of its registers
            group.asked, group.refused = group.planned, ()
        return RawReading(
            stream=group.stream,
            values=group.decoder.values(answers),
            answers=answers,
            raw=tuple(raw),
            time_ms=self._clock.now_ms() if time_ms is None else time_ms,
            error=trouble,
        )

    async def _ask_again(self, request: ReadRequest) -> Answer:
        """Ask; once more where the answer was damaged or none came, since a single disturbance is no fault."""
        try:
            return await self._ask(request)
        except DriverError as error:
            self._health.note_error(error.kind, str(error))
            if error.kind in {DriverFault.EXCEPTION, DriverFault.GONE, DriverFault.REFUSED}:
                self._note_silence(error)
                raise
        try:
            return await self._ask(request)
        except DriverError as error:
            self._health.note_error(error.kind, str(error))
            self._note_silence(error)
            raise

    async def _ask(self, request: ReadRequest) -> Answer:
        return await self._bus.read(self._unit, request, timeout_s=self._timeout_s, turnaround_s=self._turnaround_s)

    def _note_silence(self, error: DriverError) -> None:
        if error.kind in _SILENCES:
            self._longest_pause_s = _LONGEST_LINE_PAUSE_S if error.kind in _LINE_AWAY else _LONGEST_PAUSE_S
            self._health.note_silence()

    def _narrow(self, group: _Group, request: ReadRequest) -> tuple[ReadRequest, ...]:
        """What to ask instead after ILLEGAL DATA ADDRESS; a point that is refused alone is not asked for again."""
        halves = narrowed(request, group.group.points)
        group.asked = tuple(one for asked in group.asked for one in (halves if asked == request else (asked,)))
        if not halves:
            group.refused = (*group.refused, request)
            keys = ", ".join(point.key for point in group.group.points if covers(request, point))
            _logger.warning("%s has no %s; not asked for again in this run", self._health.device, keys)
        return halves

    def _note(self, reading: RawReading) -> None:
        stream = reading.stream
        self._health.note_values(stream.group, stream.points, reading.values, time_ms=reading.time_ms)

    def _submit_silence(self, submit: Submit, *, but: _Group | None = None) -> None:
        """Say of every group (not the one just recorded) that there is nothing: silence is a fact, not a gap."""
        now_ms = self._clock.now_ms()
        for group in (one for one in self._groups if one is not but):
            values = tuple(Value(None, Quality.TIMEOUT) for _ in group.stream.points)
            self._health.note_values(group.stream.group, group.stream.points, values, time_ms=now_ms)
            submit(Reading(stream=group.stream, time_ms=now_ms, values=values))
