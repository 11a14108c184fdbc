"""The spool as the event loop sees it: one thread of its own, so that the disk never holds up a bus.

I1. What was asked is done, in the order asked, even where the asker is cancelled meanwhile.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import TypeVar

from edge.spool.base import Reading, Spool, SpoolState
from wire.ranges import RangeSet
from wire.records import Batch

_Result = TypeVar("_Result")


class SpoolKeeper:
    """Calls a spool from one thread, in the order asked.

    Args:
        spool: what nobody else calls from now on.
        thread: does one thing after the other; a thread of its own where none is given.
    """

    def __init__(self, spool: Spool, thread: Executor | None = None) -> None:
        self._spool = spool
        self._thread = thread or ThreadPoolExecutor(max_workers=1, thread_name_prefix="spool")

    def accepting(self, readings: Sequence[Reading]) -> asyncio.Future[tuple[int, int]]:
        """`Spool.accept`, begun. Wait for the future with `asyncio.wait`: cancelling it would not stop the disk."""
        return self._in_thread(lambda: self._spool.accept(readings))

    async def unsent(self, *, skip: Mapping[int, RangeSet], limit: int, newest_first: bool) -> Batch | None:
        """`Spool.unsent`."""
        return await self._in_thread(lambda: self._spool.unsent(skip=skip, limit=limit, newest_first=newest_first))

    async def finish(self, epoch: int, final: RangeSet) -> int:
        """`Spool.finish`."""
        return await asyncio.shield(self._in_thread(lambda: self._spool.finish(epoch, final)))

    async def state(self) -> SpoolState:
        """`Spool.state`."""
        return await self._in_thread(self._spool.state)

    def close(self) -> None:
        """Finish what was asked, then close the spool. Blocks until that is done."""
        closing = self._thread.submit(self._spool.close)
        self._thread.shutdown(wait=True)
        closing.result()

    def _in_thread(self, call: Callable[[], _Result]) -> asyncio.Future[_Result]:
        return asyncio.get_running_loop().run_in_executor(self._thread, call)
