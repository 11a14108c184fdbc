"""An event loop whose time passes only when nobody has anything to do: hours take milliseconds, in one order only."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, TypeVar

_Result = TypeVar("_Result")
_Coro = Any  # what a loop runs until it is complete


class StuckError(Exception):
    """Everybody waits, and nothing will ever happen."""


class _NoFiles:
    """What a loop waits with: nothing is ever readable, time just passes."""

    def __init__(self, loop: "VirtualLoop") -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[Any]:
        if timeout is None:
            raise StuckError("nobody will wake anybody")
        self._loop.now_s += timeout
        return []

    def close(self) -> None:
        """Nothing to release."""


class VirtualLoop(asyncio.BaseEventLoop):
    """asyncio without files, sockets and threads; the same program does the same each time."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self._selector = _NoFiles(self)

    def time(self) -> float:
        return self.now_s

    def _process_events(self, event_list: list[Any]) -> None:
        """There are none."""

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

    def submit(self, fn: Callable[..., _Result], /, *args: Any, **kwargs: Any) -> "Future[_Result]":
        done: Future[_Result] = Future()
        self._free_at_s = max(self._free_at_s, self._loop.now_s) + self._takes_s()
        self._loop.call_at(self._free_at_s, self._do, done, lambda: fn(*args, **kwargs))
        return done

    def _do(self, done: "Future[_Result]", call: Callable[[], _Result]) -> None:
        if not done.set_running_or_notify_cancel():
            return
        try:
            done.set_result(call())
        except self._dies:
            return
        except Exception as error:  # noqa: BLE001 - whoever asked is told, as by any executor
            done.set_exception(error)
