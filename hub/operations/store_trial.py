"""Tries the series store out before anything is taken in, and again while it is away or unfit."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from hub.clock import Clock
from hub.series.probe import ProbeReport

_log = logging.getLogger(__name__)
_AGAIN_S: Final = 10.0


class Probe(Protocol):
    """Tries a store out."""

    async def __call__(self, *, now_ms: int) -> ProbeReport:
        """What was found."""
        ...


class StoreTrial:
    """What the store was found to do.

    Args:
        probe: tries it out; None for a store that needs no trial.
        clock: the hub's clock.
    """

    def __init__(self, probe: Probe | None, *, clock: Clock) -> None:
        self._probe = probe
        self._clock = clock
        # Changed by run only: what it does, and what is wrong with it.
        self.found: tuple[str, ...] = ()
        self.faults: tuple[str, ...] = ()

    async def run(self, ingest: Callable[[], Awaitable[None]]) -> None:
        """Try the store out once, then ingest until cancelled; meanwhile try again until it is found fit."""
        is_fit = await self._try()

        async def again() -> None:
            fit = is_fit
            while not fit:
                await self._clock.sleep(_AGAIN_S)
                fit = await self._try()

        async def take_in() -> None:
            await ingest()

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(take_in(), name="worker")
            tasks.create_task(again(), name="trial")

    async def _try(self) -> bool:
        if self._probe is None:
            return True
        before = self.faults
        report = await self._probe(now_ms=self._clock.now_ms())
        if not report.reached:  # ingest says that it is away
            return False
        self.found = report.found
        self.faults = (*([report.fault] if report.fault else []), *report.warnings)
        for line in report.found:
            _log.info("series store: %s", line)
        if self.faults != before:
            for line in self.faults:
                _log.error("series store: %s", line)
        return report.fault is None
