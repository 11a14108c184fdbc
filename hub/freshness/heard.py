"""When each group of each device was last heard of, by the times of what is stored."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hub.series.base import Latest
from hub.series.names import HUB_MEASUREMENTS
from hub.series.sheet import Sheet
from wire.records import Mode


@dataclass(frozen=True, slots=True, kw_only=True)
class LastHeard:
    """The newest record of one device's group: its time, and the tags that it has and an inventory has not."""

    time_ns: int
    site: str
    mode: Mode


class Heard:
    """Grows with the fleet, never with time. Watches what is written to the series store."""

    def __init__(self) -> None:
        # By gateway, device and group. Changed by `hear` and `remember`, both on the event loop.
        self._last: dict[tuple[str, str, str], LastHeard] = {}

    async def hear(self, sheets: Sequence[Sheet]) -> None:
        """These were stored."""
        for sheet in sheets:
            for source, time_ns in sheet.newest():
                if source.measurement not in HUB_MEASUREMENTS:
                    self._note((source.gateway, source.device, source.group), time_ns, source.site, source.mode)

    def remember(self, latest: Iterable[Latest]) -> None:
        """These were in the store before this hub started."""
        for item in latest:
            series = item.series
            if series.measurement not in HUB_MEASUREMENTS:
                key = (series.gateway, series.device, series.group)
                self._note(key, item.sample.time_ns, series.site, series.mode)

    def last(self, gateway: str, device: str, group: str) -> LastHeard | None:
        """The newest record of this group, or None."""
        return self._last.get((gateway, device, group))

    def any_of(self, gateway: str) -> LastHeard | None:
        """The newest record of this gateway, or None."""
        found = [last for (at, _, _), last in self._last.items() if at == gateway]
        return max(found, key=lambda last: last.time_ns, default=None)

    def _note(self, key: tuple[str, str, str], time_ns: int, site: str, mode: Mode) -> None:
        before = self._last.get(key)
        if before is None or before.time_ns <= time_ns:
            self._last[key] = LastHeard(time_ns=time_ns, site=site, mode=mode)
