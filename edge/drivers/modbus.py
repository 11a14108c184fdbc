"""Modbus on a serial line, on a serial line behind a TCP endpoint, and Modbus TCP.

I1. An answer is taken only where unit, function, length and check are those of the request; anything else is counted
    and thrown away, and the line is silent again before the next request.

Source: Modbus over Serial Line V1.02, 2.5.1.1 (silence of 3.5 characters, 1.75 ms above 19200 baud).
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Final

from device_profiles.modbus import Order, Question, ReplyError, ReplyFault, Request
from device_profiles.modbus_frames import (
    parse_rtu_reply,
    parse_tcp_reply,
    rtu_good_reply_bytes,
    rtu_request,
    tcp_frame_bytes,
    tcp_request,
)
from edge.clock import Clock
from edge.drivers.base import Answer, DriverError, DriverFault
from edge.drivers.line import ByteLine
from edge.drivers.rtu_reply import enough_bytes, is_cut_off, reply_at, skipped_echo

_BITS_PER_CHARACTER: Final = 11
_FAST_BAUD: Final = 19200
_FAST_SILENCE_S: Final = 0.00175
_MAX_RESYNC_S: Final = 1.0
_SILENT_REQUESTS: Final = 3
_TRANSACTIONS: Final = 0x10000
_FOREIGN: Final = (ReplyFault.FOREIGN_UNIT, ReplyFault.FOREIGN_FUNCTION, ReplyFault.FOREIGN_TRANSACTION)


class ModbusRtuBus:
    """RTU frames on a line.

    Args:
        line: a serial port, or the TCP endpoint of a serial device server.
        baud: the line's speed; it gives the silence between frames and the time an answer takes.
        clock: the agent's clock.
    """

    def __init__(self, line: ByteLine, *, baud: int, clock: Clock) -> None:
        self._line = line
        self._clock = clock
        self._character_s = _BITS_PER_CHARACTER / baud
        self._silence_s = _FAST_SILENCE_S if baud > _FAST_BAUD else 3.5 * self._character_s
        # Changed by `read` only, under the lock.
        self._lock = asyncio.Lock()
        self._free_at_s = 0.0
        self._is_dirty = True
        self._owed: dict[int, tuple[Request, float]] = {}
        self.discarded: Counter[str] = Counter()

    async def read(
        self, unit: int, request: Question, *, timeout_s: float, turnaround_s: float, late_s: float | None = None
    ) -> Answer:
        """One request and its answer; see `RegisterBus.read`."""
        return await self._exchange(unit, request, timeout_s, turnaround_s, late_s)

    async def write(self, unit: int, request: Order, *, timeout_s: float, turnaround_s: float) -> Answer:
        """One order and its answer; see `RegisterBus.write`."""
        return await self._exchange(unit, request, timeout_s, turnaround_s, None)

    def quiet_until_s(self, unit: int, request: Request) -> float:
        """RTU does not tell a late answer from that to another request of the same form; see `RegisterBus`."""
        asked, until_s = self._owed.get(unit, (request, 0.0))
        return 0.0 if asked == request else until_s

    async def close(self) -> None:
        """Let the port go."""
        self._line.close()

    async def _exchange(
        self, unit: int, request: Request, timeout_s: float, turnaround_s: float, late_s: float | None
    ) -> Answer:
        await self._outwait_late_answer(unit, request)
        async with self._lock:
            await self._line.open()
            await self._prepare()
            self._line.write(rtu_request(unit, request))
            try:
                return await self._answer(unit, request, timeout_s)
            except DriverError as error:
                self._is_dirty = error.kind is not DriverFault.EXCEPTION
                if error.kind not in {DriverFault.EXCEPTION, DriverFault.GARBLED}:
                    late_s = timeout_s if late_s is None else late_s
                    self._owed[unit] = request, self._clock.monotonic_s() + late_s
                raise
            finally:
                self._free_at_s = self._clock.monotonic_s() + max(self._silence_s, turnaround_s)

    async def _answer(self, unit: int, request: Request, timeout_s: float) -> Answer:
        sent_s = self._clock.monotonic_s()
        asked_s = len(rtu_request(unit, request)) * self._character_s
        whole_s = asked_s + rtu_good_reply_bytes(request) * self._character_s
        heard = await self._line.receive(lambda head: enough_bytes(unit, request, head), timeout_s=timeout_s + whole_s)
        time_ms, took_s = self._clock.now_ms(), self._clock.monotonic_s() - sent_s
        echo = skipped_echo(unit, request, heard)
        found = reply_at(unit, request, heard)
        start, end = found or (echo, len(heard))
        if echo:
            self.discarded["echo"] += 1
        if found is not None and start > echo:
            self.discarded["bytes before an answer"] += start - echo
        frame = heard[start:end]
        where = f"{self._line.name} unit {unit}"
        if is_cut_off(unit, request, frame):
            raise _driver_error(ReplyError(ReplyFault.SHORT, "half an answer"), where, frame)
        values = _values(lambda: parse_rtu_reply(unit, request, frame), where, frame)
        on_line_s = asked_s + len(frame) * self._character_s
        return Answer(values=values, time_ms=time_ms, raw=frame, latency_s=max(0.0, took_s - on_line_s))

    async def _outwait_late_answer(self, unit: int, request: Request) -> None:
        """Let a late answer of this unit come first; who can use the bus for others meanwhile asks `quiet_until_s`."""
        left_s = self.quiet_until_s(unit, request) - self._clock.monotonic_s()
        if left_s > 0:
            await self._clock.sleep(left_s)
        if unit in self._owed and self._owed[unit][1] <= self._clock.monotonic_s():
            del self._owed[unit]

    async def _prepare(self) -> None:
        """Leave the pause the devices need, and make sure that nothing old is on the line."""
        pause_s = self._free_at_s - self._clock.monotonic_s()
        if pause_s > 0:
            await self._clock.sleep(pause_s)
        stale = self._line.discard()
        if self._is_dirty or stale:
            stale += await self._line.silence(self._silence_s, at_most_s=_MAX_RESYNC_S)
            self._is_dirty = False
        if stale:
            self.discarded["stale bytes"] += stale


class ModbusTcpBus:
    """Modbus TCP on one connection.

    Args:
        line: the endpoint.
        clock: the agent's clock.
        in_flight: how many requests may wait for their answers at a time; many devices understand only one.
    """

    def __init__(self, line: ByteLine, *, clock: Clock, in_flight: int = 1) -> None:
        self._line = line
        self._clock = clock
        self._slots = asyncio.Semaphore(in_flight)
        self._beginning = asyncio.Lock()
        # Changed by `read` and by what the line tells, all on the event loop.
        self._transaction = 0
        self._waiting: dict[int, asyncio.Future[bytes]] = {}
        self._head = b""
        self._silent_requests = 0
        self._free_at_s: dict[int, float] = {}  # of each unit: a bridge asks another one without a pause
        self.discarded: Counter[str] = Counter()
        line.watch(self._changed)

    async def read(
        self, unit: int, request: Question, *, timeout_s: float, turnaround_s: float, late_s: float | None = None
    ) -> Answer:
        """One request and its answer; see `RegisterBus.read`. A late answer does no harm here: it has its number."""
        del late_s
        return await self._exchange(unit, request, timeout_s, turnaround_s)

    async def write(self, unit: int, request: Order, *, timeout_s: float, turnaround_s: float) -> Answer:
        """One order and its answer; see `RegisterBus.write`."""
        return await self._exchange(unit, request, timeout_s, turnaround_s)

    def quiet_until_s(self, unit: int, request: Request) -> float:
        """At once: an answer carries the number of its request; see `RegisterBus`."""
        del unit, request
        return 0.0

    async def close(self) -> None:
        """Let the connection go."""
        self._line.close()

    async def _exchange(self, unit: int, request: Request, timeout_s: float, turnaround_s: float) -> Answer:
        async with self._slots:
            async with self._beginning:
                await self._line.open()
                pause_s = self._free_at_s.get(unit, 0.0) - self._clock.monotonic_s()
                if pause_s > 0:
                    await self._clock.sleep(pause_s)
            self._transaction = transaction = (self._transaction + 1) % _TRANSACTIONS
            sent_s = self._clock.monotonic_s()
            try:
                frame = await self._asked(transaction, tcp_request(transaction, unit, request), timeout_s)
            finally:
                ended_s = self._clock.monotonic_s()
                self._free_at_s[unit] = ended_s + turnaround_s
        where = f"{self._line.name} unit {unit}"
        if not frame:
            self._note_silence()
            raise DriverError(DriverFault.TIMEOUT, f"{where}: no answer; is there a device with this unit address?")
        values = _values(lambda: parse_tcp_reply(transaction, unit, request, frame), where, frame)
        return Answer(values=values, time_ms=self._clock.now_ms(), raw=frame, latency_s=ended_s - sent_s)

    async def _asked(self, transaction: int, request: bytes, timeout_s: float) -> bytes:
        """The frame that answers a transaction; nothing where none comes in time."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[bytes] = loop.create_future()
        self._waiting[transaction] = answer
        timer = loop.call_later(timeout_s, _give, answer, b"")
        try:
            self._line.write(request)
            return await answer
        finally:
            timer.cancel()
            del self._waiting[transaction]

    def _changed(self) -> None:
        """Give what came to those who wait for it; where the connection has gone, tell them all."""
        if not self._line.is_open:
            self._head = b""
            self._fail(self._line.trouble)
            return
        heard = self._head + self._line.take()
        try:
            while (size := tcp_frame_bytes(heard)) is not None and len(heard) >= size:
                self._sort_out(heard[:size])
                heard = heard[size:]
        except ReplyError as error:  # what comes is no Modbus TCP: there is no way back into step on this connection
            text = f"{self._line.name}: {error}; the connection was closed"
            self._fail(DriverError(DriverFault.GARBLED, text))
            self._line.close()
            return
        self._head = heard

    def _sort_out(self, frame: bytes) -> None:
        self._silent_requests = 0
        answer = self._waiting.get(int.from_bytes(frame[:2], "big"))
        if answer is None or answer.done():
            self.discarded["late answers"] += 1
        else:
            answer.set_result(frame)

    def _fail(self, error: DriverError) -> None:
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(DriverError(error.kind, str(error)))

    def _note_silence(self) -> None:
        """Close a connection on which nothing comes any more: its other end may be gone without a word."""
        self._silent_requests += 1
        if self._silent_requests >= _SILENT_REQUESTS:
            self._silent_requests = 0
            self._line.close()


def _values(parse: Callable[[], tuple[int, ...]], where: str, frame: bytes) -> tuple[int, ...]:
    try:
        return parse()
    except ReplyError as error:
        raise _driver_error(error, where, frame) from error


def _driver_error(error: ReplyError, where: str, frame: bytes) -> DriverError:
    if not frame:
        return DriverError(
            DriverFault.TIMEOUT, f"{where}: no answer; is it on, wired A to A, with this address and baud?"
        )
    shown = frame[:16].hex(" ")
    if error.kind is ReplyFault.EXCEPTION:
        return DriverError(DriverFault.EXCEPTION, f"{where}: refused: {error}", code=error.code, raw=frame)
    if error.kind in _FOREIGN:
        return DriverError(DriverFault.FOREIGN, f"{where}: {error} ({shown}); is an address given twice?", raw=frame)
    if error.kind is ReplyFault.SHORT:
        text = f"{where}: the answer broke off after {len(frame)} bytes ({shown})"
        return DriverError(DriverFault.TIMEOUT, text, raw=frame)
    return DriverError(DriverFault.GARBLED, f"{where}: {error} ({shown})", raw=frame)


def _give(answer: asyncio.Future[bytes], frame: bytes) -> None:
    if not answer.done():
        answer.set_result(frame)
