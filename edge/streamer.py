"""Listens to, or asks, one device with a serial protocol of its own.

I1. A record's time is when its last byte came; the device's own clock is not trusted with it.
I2. Of a stream at most one sample a group and period is kept, the newest; events are all kept.
I3. Silence is recorded: a group without a reading for three periods (at least 5 s) gets a record that says so.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from device_profiles.decode_serial import FrameReader, SerialReading
from device_profiles.encode_serial import is_reply, request_bytes
from device_profiles.framing.base import BadFrame, Frame
from device_profiles.serial_model import Request, SerialDevice, SerialGroup, SerialMode
from edge.clock import Clock
from edge.drivers.base import ByteStream, DriverError, DriverFault
from edge.health import DeviceHealth
from edge.spool.base import Reading
from wire.records import Quality, RecordKind, Stream, Value

Submit = Callable[[Reading], None]

_LISTEN_S: Final = 1.0
_SHORTEST_SILENCE_S: Final = 5.0
_SILENT_PERIODS: Final = 3
_LONGEST_PAUSE_S: Final = 60.0
_MAX_EVENTS_IN_A_ROW: Final = 200


@dataclass(slots=True)
class _Group:
    """A group, how often it is kept, and what waits to be kept."""

    group: SerialGroup
    stream: Stream
    period_s: float
    due_s: float = 0.0
    heard_s: float = 0.0
    silences: int = 0
    held: Reading | None = None

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
    """One device on a serial line of its own.

    Args:
        device: how it speaks.
        address: its address, for devices that are asked by one.
        streams: what its records have in common, by group.
        periods_s: how often each group is kept or asked for; 0 keeps all.
        line: the line it is on.
        clock: the agent's clock.
        health: where its state is kept.
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
    ) -> None:
        self._device = device
        self._address = address
        self._line = line
        self._clock = clock
        self._health = health
        # Changed by `run` only.
        self._reader = FrameReader(device)
        self._groups = {
            group.name: _Group(group, streams[group.name], periods_s[group.name]) for group in device.groups
        }
        self._sequence = 0
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
        while True:
            try:
                await self._line.open()
                if self._device.mode is SerialMode.STREAM:
                    await self._listen(submit)
                else:
                    await self._ask_due(submit)
            except DriverError as error:
                self._health.note_error(error.kind, str(error))
                self._reader.give_up()  # half a frame from before has no other half
                await self._clock.sleep(_LISTEN_S)
            self._submit_silences(submit)

    async def _listen(self, submit: Submit) -> None:
        if await self._line.wait(self._listen_s()):
            frames = self._reader.frames(self._line.take())
            self._take((one for frame in frames for one in self._found(frame)), submit)
        self._submit_due(submit)

    def _found(self, frame: Frame | BadFrame) -> Sequence[SerialReading | BadFrame]:
        """What a frame gives."""
        return (frame,) if isinstance(frame, BadFrame) else self._read(frame)

    def _read(self, frame: Frame) -> list[SerialReading]:
        """The readings of a frame; it is remembered as the newest of their groups."""
        readings = self._reader.readings(frame)
        for reading in readings:
            self._newest[reading.group] = frame.raw
        return readings

    def _listen_s(self) -> float:
        """Until the next reading that waits is due, at most a while."""
        due_s = min((group.due_s for group in self._groups.values() if group.held is not None), default=math.inf)
        return min(_LISTEN_S, max(0.001, due_s - self._clock.monotonic_s()))

    def _take(self, found: Iterable[SerialReading | BadFrame], submit: Submit) -> bool:
        """Keep readings, count bad frames; whether there was a reading."""
        time_ms = self._clock.now_ms()
        heard = False
        for one in found:
            if isinstance(one, BadFrame):
                self._health.note_error(f"bad frame: {one.fault.value}", f"{self._line.name}: a bad frame")
                continue
            heard = True
            self._keep(one, time_ms, submit)
        if heard:
            self._health.note_answer(time_ms=time_ms)
        return heard

    def _keep(self, one: SerialReading, time_ms: int, submit: Submit) -> None:
        group = self._groups[one.group]
        group.heard_s = self._clock.monotonic_s()
        group.silences = 0
        reading = Reading(stream=group.stream, time_ms=time_ms, values=one.values)
        if group.is_event or group.period_s == 0:
            self._submit(group, reading, submit)
        else:
            group.held = reading

    def _submit_due(self, submit: Submit) -> None:
        now_s = self._clock.monotonic_s()
        for group in self._groups.values():
            if group.held is not None and now_s >= group.due_s:
                self._submit(group, group.held, submit)
                group.held = None
                group.due_s += group.period_s * max(1, int((now_s - group.due_s) / group.period_s) + 1)

    async def _ask_due(self, submit: Submit) -> None:
        """Wait for the group that is due next, and ask for it."""
        group = min(self._groups.values(), key=lambda one: one.due_s)
        wait_s = group.due_s - self._clock.monotonic_s()
        if wait_s > 0:
            await self._clock.sleep(wait_s)
        request = group.group.request
        if request is None:
            raise RuntimeError(f"group {group.group.name} of a device that is asked has no request")
        try:
            for _ in range(_MAX_EVENTS_IN_A_ROW):
                readings = await self._ask(request)
                self._health.note_answer(time_ms=self._clock.now_ms())
                group.heard_s = self._clock.monotonic_s()
                group.silences = 0
                self._take(readings, submit)
                self._submit_due(submit)
                if not (group.is_event and readings):
                    break
        finally:
            now_s = self._clock.monotonic_s()
            group.due_s += group.period_s * max(1, int((now_s - group.due_s) / group.period_s) + 1)

    async def _ask(self, request: Request) -> list[SerialReading]:
        """The readings of one answer; none where the device has nothing to tell.

        Raises:
            DriverError: no good answer came.
        """
        self._sequence = (self._sequence + 1) % 256
        self._line.discard()
        self._reader.give_up()
        self._line.write(request_bytes(request, address=self._address, sequence=self._sequence))
        deadline_s = self._clock.monotonic_s() + request.timeout_ms / 1000
        while (left_s := deadline_s - self._clock.monotonic_s()) > 0 and await self._line.wait(left_s):
            for frame in self._reader.frames(self._line.take()):
                if isinstance(frame, Frame) and is_reply(
                    request, frame, address=self._address, sequence=self._sequence
                ):
                    return self._read(frame)
                kind = f"bad frame: {frame.fault.value}" if isinstance(frame, BadFrame) else DriverFault.FOREIGN
                self._health.note_error(kind, f"{self._line.name}: not an answer to what was asked")
        raise DriverError(DriverFault.TIMEOUT, f"{self._line.name}: no answer; is it on, at this address and baud?")

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
            values = tuple(Value(None, Quality.TIMEOUT) for _ in group.stream.points)
            self._submit(group, Reading(stream=group.stream, time_ms=self._clock.now_ms(), values=values), submit)

    def _has_spoken(self, group: _Group) -> bool:
        return any(name == group.stream.group for name, _ in self._health.last)
