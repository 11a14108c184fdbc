"""An event loop whose time passes only when nobody has anything to do: hours take milliseconds, in one order only."""

import asyncio
import heapq
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, TypeVar, TypeVarTuple

_Result = TypeVar("_Result")
_Args = TypeVarTuple("_Args")


class StuckError(Exception):
    """Everybody waits, and nothing will ever happen."""


class VirtualLoop(asyncio.BaseEventLoop):
    """asyncio without files, sockets and threads; the same program does the same each time."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0

    def time(self) -> float:
        return self.now_s

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*_Args], _Result], *args: *_Args
    ) -> "asyncio.Future[_Result]":
        """Only virtual threads are there to ask."""
        assert isinstance(executor, VirtualThread)
        return executor.asked(func, *args)

    def _run_once(self) -> None:
        """All that is ready; where nothing is, time passes until something is."""
        loop: Any = self  # the names of asyncio's own that are no part of its interface
        ready, timers = loop._ready, loop._scheduled
        while timers and (not ready or timers[0]._when <= self.now_s):
            timer = heapq.heappop(timers)
            if not timer._cancelled:
                self.now_s = max(self.now_s, timer._when)
                ready.append(timer)
        if not ready:
            raise StuckError("nobody will wake anybody")
        while ready and not loop._stopping:
            handle = ready.popleft()
            if not handle._cancelled:
                handle._run()

    def _timer_handle_cancelled(self, handle: Any) -> None:
        """It is passed over when its time comes."""

    def _write_to_self(self) -> None:
        """Nobody sleeps who would have to be woken."""


class VirtualThread(Executor):
    """One thread of virtual time: each call takes as long as `takes_s` says, one after the other.

    A call that raises `dies` never comes back: the process is gone.
    """

    def __init__(self, loop: VirtualLoop, takes_s: Callable[[], float], dies: type[BaseException]) -> None:
        self._loop = loop
        self._takes_s = takes_s
        self._dies = dies
        self._free_at_s = 0.0

    def asked(self, call: Callable[..., _Result], *args: Any) -> "asyncio.Future[_Result]":
        """The result, some time. As with any thread, a call that has begun is carried out whoever still waits."""
        done: asyncio.Future[_Result] = self._loop.create_future()
        self._free_at_s = max(self._free_at_s, self._loop.now_s) + self._takes_s()
        self._loop.call_at(self._free_at_s, self._do, done, call, args)
        return done

    def _do(self, done: "asyncio.Future[_Result]", call: Callable[..., _Result], args: tuple[Any, ...]) -> None:
        if done.cancelled():
            return
        try:
            done.set_result(call(*args))
        except self._dies:
            return
        except Exception as error:  # noqa: BLE001 - whoever asked is told, as by any executor
            done.set_exception(error)
