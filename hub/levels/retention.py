"""Drops what is older than its level is kept, in stores that do not do it themselves."""

import logging
from collections.abc import Mapping
from typing import Final

from hub.clock import Clock
from hub.levels.level import NS_PER_S, Level
from hub.series.base import SeriesError, SeriesStore

_log = logging.getLogger(__name__)

_EVERY_S: Final = 3600.0
_DAY_NS: Final = 86_400 * NS_PER_S
_NS_PER_MS: Final = 1_000_000


def kept_ns(days: int | None) -> int | None:
    """How long a level is kept; None: for ever."""
    return None if days is None else days * _DAY_NS


class RetentionKeeper:
    """Holds each store to the days its level is kept."""

    def __init__(self, stores: Mapping[Level, SeriesStore], days: Mapping[Level, int | None], clock: Clock) -> None:
        self._stores = stores
        self._days = days
        self._clock = clock

    async def run(self) -> None:
        """Look every hour, until cancelled."""
        while True:
            await self._clock.sleep(_EVERY_S)
            try:
                await self.forget_old()
            except SeriesError as error:
                _log.warning("old series are not dropped: %s", error)

    async def forget_old(self) -> None:
        """Drop what is too old now.

        Raises:
            SeriesError: a store did not do it.
        """
        now_ns = self._clock.now_ms() * _NS_PER_MS
        for level, store in self._stores.items():
            if (kept := kept_ns(self._days[level])) is not None:
                await store.forget_before(max(0, now_ns - kept))
