"""Listens to, or asks, one device with a serial protocol of its own.

I1. A record's time is when its last byte came; the device's own clock is not trusted with it.
I2. Of a stream at most one sample a group and period is kept, the newest; events are all kept.
I3. Silence is recorded: a group without a reading for three periods (at least 5 s) gets a record that says so.
"""

import math
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, TypeVar

from device_profiles.decode_serial import FrameReader, SerialReading
from device_profiles.framing.base import BadFrame, Frame
from device_profiles.serial_model import SerialDevice, SerialGroup, SerialMode
from device_profiles.serial_request import Request
from edge.bus_worker import BusWorker
from edge.clock import Clock
from edge.dialogue import DeviceDialogue
from edge.drivers.base import ByteStream, DriverError, DriverFault
from edge.health import DeviceHealth
from edge.plausibility import DeviceClock, as_stale
from edge.schedule import Lane
from edge.spool.base import Reading
from wire.records import Quality, RecordKind, Stream, Value

Submit = Callable[[Reading], None]
_T = TypeVar("_T")

_LISTEN_S: Final = 1.0
_SHORTEST_SILENCE_S: Final = 5.0
_SILENT_PERIODS: Final = 3
_LONGEST_PAUSE_S: Final = 60.0
_MAX_EVENTS_IN_A_ROW: Final = 200
_NOT_READY: Final = Value(None, Quality.WARMING_UP)


@dataclass(slots=True)
class _Group:
    """A group, how often it is kept, and what waits to be kept."""

    group: SerialGroup
    stream: Stream
    period_s: float
    due_s: float = 0.0
    heard_s: float = 0.0
    silences: int = 0
    held: tuple[Reading, ...] = ()
    clock: DeviceClock = field(default_factory=DeviceClock)

    @property
    def is_event(self) -> bool:
        """Whether each reading counts."""
        return self.stream.kind is RecordKind.EVENT

    @property
    def silent_after_s(self) -> float:
        """How long without a reading is silence; grows while it lasts."""
        first_s = max(_SHORTEST_SILENCE_S, _SILENT_PERIODS * self.period_s)
        return float(min(first_s * 2**self.silences, max(_LONGEST_PAUSE_S, first_s)))


class DeviceStreamer:
    """One device on a serial line: its own, or one that it shares with others which are asked by address too.

    Args:
        device: how it speaks.
        address: its address, for devices that are asked by one.
        streams: what its records have in common, by group.
        periods_s: how often each group is kept or asked for; 0 keeps all.
        line: the line it is on.
        clock: the agent's clock.
        health: where its state is kept.
        worker: gives the turns on a line that devices share which are asked by their addresses.
    """

    def __init__(
        self,
        *,
        device: SerialDevice,
        address: int | None,
        streams: Mapping[str, Stream],
        periods_s: Mapping[str, float],
        line: ByteStream,
        clock: Clock,
        health: DeviceHealth,
        worker: BusWorker | None = None,
    ) -> None:
        self._device = device
        self._line = line
        self._worker = worker
        self._clock = clock
        self._health = health
        # Changed by `run` only.
        self._reader = FrameReader(device)
        self._dialogue = DeviceDialogue(
            device=device, address=address, line=line, reader=self._reader, clock=clock, health=health
        )
        self._groups = {
            group.name: _Group(group, streams[group.name], periods_s[group.name]) for group in device.groups
        }
        self._asked_s = self._byte_s = -math.inf
        self._pause_s = 0.0
        self._newest: dict[str, bytes] = {}

    @property
    def has_told_all(self) -> bool:
        """Whether each group that comes by itself has come, or has been found silent; of events alone, one of each."""
        samples = [group for group in self._groups.values() if not group.is_event]
        return all(self._has_spoken(group) for group in samples or self._groups.values())

    @property
    def groups_told(self) -> int:
        """Of how many groups something is known, be it that they are silent."""
        return sum(self._has_spoken(group) for group in self._groups.values())

    def newest_frames(self) -> list[bytes]:
        """The newest whole frame of each group, as it came over the wire."""
        return list(dict.fromkeys(self._newest.values()))

    async def run(self, submit: Submit) -> None:
        """Listen or ask until cancelled."""
        now_s = self._clock.monotonic_s()
        for group in self._groups.values():
            group.due_s = group.heard_s = now_s
        self._begin_midway()
        try:
            while True:
                await self._once(submit)
        finally:
            with suppress(DriverError):  # a device on a line that is lost rests anyway
                self._dialogue.stop()

    async def _once(self, submit: Submit) -> None:
        try:
            await self._line.open()
            if self._device.start:
                await self._in_turn(self._dialogue.start, deadline_s=self._clock.monotonic_s())
            else:
                await self._dialogue.start()
            if self._device.mode is SerialMode.STREAM:
                await self._listen(submit)
            else:
                await self._ask_due(submit)
        except DriverError as error:
            self._health.note_error(error.kind, str(error))
            self._dialogue.note_failure(is_line_lost=error.kind is not DriverFault.TIMEOUT)
            self._begin_midway()
            await self._clock.sleep(_LISTEN_S)
        self._submit_silences(submit)

    def _begin_midway(self) -> None:
        """Half a frame from before has no other half, and a stream may be in the middle of one."""
        self._reader.give_up()
        if self._device.mode is SerialMode.STREAM:
            self._reader.join_midway()

    async def _listen(self, submit: Submit) -> None:
        frames: list[Frame | BadFrame] = []
        if await self._line.wait(self._listen_s()):
            frames = self._reader.frames(self._line.take())
            self._byte_s = self._clock.monotonic_s()
        elif self._clock.monotonic_s() - self._byte_s >= self._frame_gap_s:
            frames = self._reader.give_up()
        for frame in frames:
            self._take(self._found(frame), submit)
        self._submit_due(submit)

    @property
    def _frame_gap_s(self) -> float:
        """The silence that ends a frame; endless where none does."""
        gap_ms = self._device.binary.frame_gap_ms if self._device.binary else None
        return math.inf if gap_ms is None else gap_ms / 1000

    def _found(self, frame: Frame | BadFrame) -> Sequence[SerialReading | BadFrame]:
        """What a frame gives."""
        return (frame,) if isinstance(frame, BadFrame) else self._read(frame)

    def _read(self, frame: Frame) -> list[SerialReading]:
        """The readings of a frame; it is remembered as the newest of their groups."""
        readings = self._reader.readings(frame, at_s=self._clock.monotonic_s())
        for reading in readings:
            self._newest[reading.group] = frame.raw
        return readings

    def _listen_s(self) -> float:
        """Until the next reading that waits is due, at most a while."""
        due_s = min((group.due_s for group in self._groups.values() if group.held), default=math.inf)
        return min(_LISTEN_S, self._frame_gap_s, max(0.001, due_s - self._clock.monotonic_s()))

    def _take(self, found: Iterable[SerialReading | BadFrame], submit: Submit) -> bool:
        """Keep readings, count bad frames; whether there was a reading."""
        time_ms = self._clock.now_ms()
        heard = False
        fresh: dict[str, list[Reading]] = {}
        for one in found:
            if isinstance(one, BadFrame):
                self._health.note_error(f"bad frame: {one.fault.value}", f"{self._line.name}: a bad frame")
                continue
            heard = True
            fresh.setdefault(one.group, []).append(self._heard(one, time_ms))
        for name, readings in fresh.items():
            self._keep(self._groups[name], readings, submit)
        if heard:
            self._health.note_answer(time_ms=time_ms)
        return heard

    def _heard(self, one: SerialReading, time_ms: int) -> Reading:
        """What was read, as it is recorded: no value counts while the device warms up."""
        group = self._groups[one.group]
        group.heard_s = self._clock.monotonic_s()
        group.silences = 0
        values = tuple(_NOT_READY for _ in one.values) if self._dialogue.is_warming_up else one.values
        if not group.is_event and group.clock.stands_still(one.device_time_ms, at_s=group.heard_s):
            values = as_stale(values)
        return Reading(stream=group.stream, time_ms=time_ms, values=values)

    def _keep(self, group: _Group, readings: list[Reading], submit: Submit) -> None:
        """Record what one frame gave, or hold it until the group is due."""
        if group.is_event or group.period_s == 0:
            for reading in readings:
                self._submit(group, reading, submit)
        else:
            group.held = tuple(readings)

    def _submit_due(self, submit: Submit) -> None:
        now_s = self._clock.monotonic_s()
        for group in self._groups.values():
            if group.held and now_s >= group.due_s:
                for reading in group.held:
                    self._submit(group, reading, submit)
                group.held = ()
                group.due_s += group.period_s * max(1, int((now_s - group.due_s) / group.period_s) + 1)

    async def _ask_due(self, submit: Submit) -> None:
        """Wait for the group that is due next, and ask for it."""
        asked = [(group, group.group.request) for group in self._groups.values() if group.group.request is not None]
        group, request = min(((one, each) for one, each in asked if each is not None), key=lambda one: one[0].due_s)
        await self._pause_until(group.due_s)
        due_s = group.due_s
        try:
            for _ in range(_MAX_EVENTS_IN_A_ROW):
                readings = await self._ask(request, deadline_s=due_s + group.period_s)
                self._note_answer(group, readings)
                self._take(readings, submit)
                self._submit_due(submit)
                if not (group.is_event and any(self._groups[reading.group].is_event for reading in readings)):
                    break
        finally:
            now_s = self._clock.monotonic_s()
            next_s = due_s + group.period_s * max(1, int((now_s - due_s) / group.period_s) + 1)
            self._pause_s = self._longer_pause_s(group.period_s)
            group.due_s = max(next_s, now_s + self._pause_s)

    def _longer_pause_s(self, period_s: float) -> float:
        """On a shared line, until a silent device is asked again: ever longer, so that it costs the others little."""
        if self._worker is None or not self._health.is_silent:
            return 0.0
        return min(max(2 * self._pause_s, period_s), max(_LONGEST_PAUSE_S, period_s))

    async def _ask(self, request: Request, *, deadline_s: float) -> list[SerialReading]:
        """The readings of one answer; none where the device has nothing to tell.

        Raises:
            DriverError: no good answer came.
        """
        await self._pause_until(self._asked_s + self._device.min_interval_s)
        self._asked_s = self._clock.monotonic_s()
        frames = await self._in_turn(lambda: self._dialogue.ask(request), deadline_s=deadline_s)
        return [reading for frame in frames for reading in self._read(frame)]

    async def _in_turn(self, exchange: Callable[[], Awaitable[_T]], *, deadline_s: float) -> _T:
        """Use the line: at once where it is the device's own."""
        if self._worker is None:
            return await exchange()
        lane = Lane.SICK if self._health.is_silent else Lane.PERIODIC
        return await self._worker.in_turn(lane, exchange, deadline_s=deadline_s)

    async def _pause_until(self, time_s: float) -> None:
        wait_s = time_s - self._clock.monotonic_s()
        if wait_s > 0:
            await self._clock.sleep(wait_s)

    def _note_answer(self, group: _Group, readings: Sequence[SerialReading]) -> None:
        """The device is there; no vehicle is news, but a sample without a value is none."""
        self._health.note_answer(time_ms=self._clock.now_ms())
        if readings or group.is_event:
            group.heard_s = self._clock.monotonic_s()
            group.silences = 0
        else:
            self._dialogue.note_failure(is_line_lost=False)

    def _submit(self, group: _Group, reading: Reading, submit: Submit) -> None:
        stream = group.stream
        self._health.note_values(stream.group, stream.points, reading.values, time_ms=reading.time_ms)
        submit(reading)

    def _submit_silences(self, submit: Submit) -> None:
        """Say so where a group has been silent; of a group that has never spoken only when the device is silent."""
        now_s = self._clock.monotonic_s()
        spoke = max(group.heard_s for group in self._groups.values())
        asked = self._device.mode is SerialMode.REQUEST
        can_tell = asked or not all(group.is_event for group in self._groups.values())
        for group in self._groups.values():
            if group.group.optional:
                continue
            if group.is_event and (not can_tell or now_s - spoke < group.silent_after_s):
                continue  # no vehicle has passed; the device itself is there
            if now_s - max(group.heard_s, spoke if not self._has_spoken(group) else 0.0) < group.silent_after_s:
                continue
            group.heard_s = now_s
            group.silences += 1
            if now_s - spoke >= _SHORTEST_SILENCE_S:
                self._health.note_error(
                    DriverFault.TIMEOUT, f"{self._line.name}: nothing comes; is it on, at this baud?"
                )
                self._health.note_silence()
                self._dialogue.note_failure(is_line_lost=True)
            values = tuple(Value(None, Quality.TIMEOUT) for _ in group.stream.points)
            self._submit(group, Reading(stream=group.stream, time_ms=self._clock.now_ms(), values=values), submit)

    def _has_spoken(self, group: _Group) -> bool:
        return any(name == group.stream.group for name, _ in self._health.last)
