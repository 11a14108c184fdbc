"""A TCP line between a client and a server on loopback that can be cut, fall silent, or do badly what a line does.

A fault is what happens to the bytes of one direction: a function from what was read to what goes on, and when.
"""

import asyncio
import socket
import struct
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from edge.clock import SystemClock

# Given some bytes, yields those that go on, each as soon as it may.
Fault = Callable[[bytes], AsyncIterator[bytes]]
_Result = TypeVar("_Result")

_CLOCK: Final = SystemClock()
_NOTHING: Final[tuple[bytes, ...]] = ()
_CHUNK: Final = 65536
_DONE_WITHIN_S: Final = 10.0
_RESET: Final = struct.pack("ii", 1, 0)  # linger on, for no time: closing sends a reset


async def sound(data: bytes) -> AsyncIterator[bytes]:
    """What is read goes on at once."""
    yield data


def delayed(seconds: float) -> Fault:
    """Each piece takes its time."""

    async def carry(data: bytes) -> AsyncIterator[bytes]:
        await _CLOCK.sleep(seconds)
        yield data

    return carry


def throttled(bytes_per_s: float, *, piece_bytes: int = 256) -> Fault:
    """No more than so many bytes in a second."""

    async def carry(data: bytes) -> AsyncIterator[bytes]:
        for start in range(0, len(data), piece_bytes):
            piece = data[start : start + piece_bytes]
            await _CLOCK.sleep(len(piece) / bytes_per_s)
            yield piece

    return carry


def sliced(piece_bytes: int) -> Fault:
    """Everything arrives in small pieces, each by itself."""

    async def carry(data: bytes) -> AsyncIterator[bytes]:
        for start in range(0, len(data), piece_bytes):
            yield data[start : start + piece_bytes]
            await _CLOCK.sleep(0)

    return carry


async def swallowed(_: bytes) -> AsyncIterator[bytes]:
    """A half-open line: nothing arrives, and nobody is told."""
    for piece in _NOTHING:
        yield piece


def breaking_after(data_bytes: int) -> Fault:
    """A connection is reset in the middle of what it carries, each time so many bytes have come over the line."""
    left = data_bytes

    async def carry(data: bytes) -> AsyncIterator[bytes]:
        nonlocal left
        if len(data) > left:
            yield data[:left]
            left = data_bytes
            raise ConnectionResetError("the line breaks here")
        left -= len(data)
        yield data

    return carry


class FaultyLine:
    """Forwards `port` to `target`; `async with` opens and closes it."""

    def __init__(self, *, port: int, target: int) -> None:
        self.port = port
        self._target = target
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._flows = asyncio.Event()
        self._flows.set()
        self._fault: Fault = sound
        # Connections that lack bytes, which no later byte may hide.
        self._torn: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        await self.mend()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.cut()

    async def mend(self) -> None:
        """Let connections through again, without a fault. Those of which bytes were swallowed are reset."""
        self._flows.set()
        self._fault = sound
        await self._end(self._torn)
        if self._server is None:
            self._server = await asyncio.start_server(self._carry, "127.0.0.1", self.port)

    async def cut(self) -> None:
        """End all connections without a word; new ones are refused."""
        self._flows.set()
        server, self._server = self._server, None
        if server is not None:
            server.close()
        await self._end(self._tasks)
        if server is not None:
            await server.wait_closed()

    def fall_silent(self) -> None:
        """Keep the connections, but carry nothing any more."""
        self._flows.clear()

    def suffer(self, fault: Fault) -> None:
        """Carry everything in this way from now on, until mended."""
        self._fault = fault

    async def _end(self, some: set[asyncio.Task[None]]) -> None:
        ending = list(some)
        for task in ending:
            task.cancel()
        if ending:
            await asyncio.wait(ending)

    async def _carry(self, near: asyncio.StreamReader, near_writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        far_writer: asyncio.StreamWriter | None = None
        try:
            far, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._pour(near, far_writer, task))
                tasks.create_task(self._pour(far, near_writer, task))
        except (OSError, ExceptionGroup, asyncio.CancelledError):
            pass  # a cut line ends like this
        finally:
            self._tasks.discard(task)
            self._torn.discard(task)
            for writer in (near_writer, far_writer):
                if writer is not None:
                    await _reset(writer)

    async def _pour(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, carrying: asyncio.Task[None]
    ) -> None:
        while data := await source.read(_CHUNK):
            await self._flows.wait()
            fault = self._fault
            if fault is swallowed:
                self._torn.add(carrying)
            async for piece in fault(data):
                sink.write(piece)
                await sink.drain()
        if carrying in self._torn or self._fault is swallowed:  # nor does the end get through
            self._torn.add(carrying)
            await asyncio.Event().wait()
        raise ConnectionResetError("one side has ended, so must the other")


async def _reset(writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
    with suppress(OSError):
        await writer.wait_closed()


class LineLoop:
    """An event loop in a thread of its own, for lines of tests that do not await; `with` runs it."""

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="faulty-lines")
        self._thread.start()
        self._lines: list[FaultyLine] = []
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for line in self._lines:
            self.do(line.cut())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def line(self, *, port: int, target: int) -> FaultyLine:
        """A line that carries until the loop ends."""

        async def opened() -> FaultyLine:
            made = FaultyLine(port=port, target=target)
            await made.mend()
            return made

        self._lines.append(self.do(opened()))
        return self._lines[-1]

    def do(self, what: Coroutine[Any, Any, _Result]) -> _Result:
        """Do it in the loop, and wait for it."""
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(_DONE_WITHIN_S)
