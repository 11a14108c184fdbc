"""A TCP line that can be cut, or fall silent, between a client and a server on loopback."""

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import Self

_CHUNK = 65536


class CutLine:
    """Forwards `port` to `target`; `async with` opens and closes it."""

    def __init__(self, *, port: int, target: int) -> None:
        self.port = port
        self._target = target
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._flows = asyncio.Event()
        self._flows.set()

    async def __aenter__(self) -> Self:
        await self.mend()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.cut()

    async def mend(self) -> None:
        """Let connections through again."""
        self._flows.set()
        if self._server is None:
            self._server = await asyncio.start_server(self._carry, "127.0.0.1", self.port)

    async def cut(self) -> None:
        """End all connections without a word; new ones are refused."""
        self._flows.set()
        server, self._server = self._server, None
        if server is not None:
            server.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        if server is not None:
            await server.wait_closed()

    def fall_silent(self) -> None:
        """Keep the connections, but carry nothing any more."""
        self._flows.clear()

    async def _carry(self, near: asyncio.StreamReader, near_writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        far_writer: asyncio.StreamWriter | None = None
        try:
            far, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._pour(near, far_writer))
                tasks.create_task(self._pour(far, near_writer))
        except (OSError, ExceptionGroup, asyncio.CancelledError):
            pass  # a cut line ends like this
        finally:
            self._tasks.discard(task)
            for writer in (near_writer, far_writer):
                if writer is not None:
                    writer.transport.abort()
                    with suppress(OSError):
                        await writer.wait_closed()

    async def _pour(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(_CHUNK):
            await self._flows.wait()
            sink.write(data)
            await sink.drain()
        raise ConnectionResetError("one side has ended, so must the other")
