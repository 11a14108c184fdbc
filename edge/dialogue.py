"""The dialogue with one serial device: wake it, ask, wait for the answer; start it when the line has been opened.

I1. After a failure the device counts as asleep: when it has failed several times in a row it is started anew.
"""

import math
from typing import Final

from device_profiles.asking import Answer, Move, Taken, behind, moves, next_sequence, request_bytes
from device_profiles.decode_serial import FrameReader
from device_profiles.framing.base import BadFrame, Frame
from device_profiles.serial_model import SerialDevice
from device_profiles.serial_request import Request
from edge.clock import Clock
from edge.drivers.base import ByteStream, DriverError, DriverFault
from edge.health import DeviceHealth

# A device that lost its power answers, if at all, that it measures nothing.
_FAILURES_BEFORE_START: Final = 3


class DeviceDialogue:
    """One device on a line of its own.

    Args:
        device: how it is asked.
        address: its address, for devices that are asked by one.
        line: the line it is on.
        reader: reads its frames.
        clock: the agent's clock.
        health: where its errors are counted.
    """

    def __init__(
        self,
        *,
        device: SerialDevice,
        address: int | None,
        line: ByteStream,
        reader: FrameReader,
        clock: Clock,
        health: DeviceHealth,
    ) -> None:
        self._device = device
        self._address = address
        self._line = line
        self._reader = reader
        self._clock = clock
        self._health = health
        # Changed by this class's methods only.
        self._sequence = 1
        self._failures = 0
        self._started_s = -math.inf
        self._is_started = False

    @property
    def is_warming_up(self) -> bool:
        """Whether the device was started so short a time ago that its values do not count."""
        return self._clock.monotonic_s() - self._started_s < self._device.warm_up_s

    async def start(self) -> None:
        """Let the device begin to measure, if it has to be told and was not.

        Raises:
            DriverError: it does not answer as it should.
        """
        if self._is_started:
            return
        if self._device.start:
            self._line.discard()
        await self._carry_out(moves(self._device.start))
        self._is_started = True
        self._failures = 0
        self._started_s = self._clock.monotonic_s()

    def stop(self) -> None:
        """Let the device rest, without waiting for what it says to that."""
        for move in moves(self._device.stop) if self._is_started else ():
            self._line.write(move.send)
        self._is_started = False

    def note_failure(self, *, is_line_lost: bool) -> None:
        """The device told nothing when it should have, or the line to it was lost."""
        self._failures += 1
        if is_line_lost or self._failures >= _FAILURES_BEFORE_START:
            self._is_started = False

    async def ask(self, request: Request) -> list[Frame]:
        """The frames of one answer.

        Raises:
            DriverError: no good answer came.
        """
        self._line.discard()
        self._reader.give_up()
        await self._carry_out(moves(request.before))
        answer = Answer(request, address=self._address, sequence=self._sequence)
        self._line.write(request_bytes(request, address=self._address, sequence=self._sequence))
        self._sequence = next_sequence(request, self._sequence, answered=False)
        deadline_s = self._clock.monotonic_s() + request.timeout_ms / 1000
        early = await self._until_expected(bytes.fromhex(request.expect), deadline_s)
        await self._collect(answer, early, deadline_s)
        self._failures = 0
        if request.sequence is not None and request.sequence.bit is not None:
            self._sequence = next_sequence(request, self._sequence, answered=True)
        await self._carry_out(moves(request.after))
        return answer.frames

    async def _collect(self, answer: Answer, early: bytes, deadline_s: float) -> None:
        """Wait for the frames of an answer.

        Raises:
            DriverError: none came.
        """
        heard = early
        while True:
            if heard and self._taken(answer, self._reader.frames(heard)):
                return
            wait_s = deadline_s - self._clock.monotonic_s()
            pause_s = min((each for each in (answer.patience_s, self._frame_gap_s) if each is not None), default=wait_s)
            if wait_s > 0 and await self._line.wait(min(wait_s, pause_s)):
                heard = self._line.take()
                continue
            heard = b""
            if self._taken(answer, self._reader.give_up() if self._frame_gap_s is not None else []):
                return
            if answer.may_end_here:
                return
            if deadline_s <= self._clock.monotonic_s():
                self._cut_short(answer)
                return

    def _taken(self, answer: Answer, frames: list[Frame | BadFrame]) -> bool:
        """Take frames; whether the answer is whole with them."""
        for frame in frames:
            taken = answer.take(frame) if isinstance(frame, Frame) else None
            if taken is Taken.LAST:
                return True
            if taken is not Taken.PART:
                kind = f"bad frame: {frame.fault.value}" if isinstance(frame, BadFrame) else DriverFault.FOREIGN
                self._health.note_error(kind, f"{self._line.name}: not an answer to what was asked")
        return False

    def _cut_short(self, answer: Answer) -> None:
        """The time is over: each frame that came is good, but the answer is not whole.

        Raises:
            DriverError: none came.
        """
        if not answer.frames:
            raise self._silence()
        self._health.note_error(
            DriverFault.TIMEOUT, f"{self._line.name}: only {len(answer.frames)} frames of an answer"
        )

    async def _carry_out(self, sequence: tuple[Move, ...]) -> None:
        for move in sequence:
            await self._carry_out_one(move)
            if move.pause_s:
                await self._clock.sleep(move.pause_s)

    async def _carry_out_one(self, move: Move) -> None:
        for attempt in range(1, move.tries + 1):
            if move.send:
                self._line.write(move.send)
            try:
                await self._until_expected(move.expect, self._clock.monotonic_s() + move.timeout_s)
            except DriverError as error:
                if error.kind is not DriverFault.TIMEOUT or attempt == move.tries:
                    raise
            else:
                return

    async def _until_expected(self, expected: bytes, deadline_s: float) -> bytes:
        """Wait for bytes that must come; return what came behind them."""
        if not expected:
            return b""
        heard = b""
        while (left_s := deadline_s - self._clock.monotonic_s()) > 0 and await self._line.wait(left_s):
            heard += self._line.take()
            rest = behind(heard, expected)
            if rest is not None:
                return rest
        raise self._silence()

    @property
    def _frame_gap_s(self) -> float | None:
        gap_ms = self._device.binary.frame_gap_ms if self._device.binary else None
        return None if gap_ms is None else gap_ms / 1000

    def _silence(self) -> DriverError:
        return DriverError(DriverFault.TIMEOUT, f"{self._line.name}: no answer; is it on, at this address and baud?")
