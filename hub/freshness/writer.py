"""Writes how fresh every device's groups are, as a series of its own: silence becomes a number that can be drawn.

A group that was never heard of takes site and mode from what its gateway last sent; before a gateway sent anything,
there is nothing to say of its devices that the gateway's own state does not say.
"""

import logging
from collections.abc import Iterable, Iterator
from typing import Final, Protocol

from hub.clock import Clock
from hub.freshness.heard import Heard
from hub.freshness.promise import freshness_of
from hub.registry.model import Device, RegistryError
from hub.series.base import Selection, SeriesError, SeriesStore
from hub.series.sheet import Point, sheets_of
from wire.messages import GroupInventory
from wire.records import Quality

_log = logging.getLogger(__name__)

EVERY_S: Final = 30.0
MEASUREMENT: Final = "freshness"
_NS_PER_MS: Final = 1_000_000
_NS_PER_S: Final = 1_000_000_000


class Devices(Protocol):
    """Who promised what."""

    async def devices(self) -> list[Device]:
        """All devices with their groups.

        Raises:
            RegistryError: the registry cannot answer.
        """
        ...


class FreshnessWriter:
    """Says every half minute how old the newest value of each promised group is.

    Where `others_store` (several hubs), what this one heard is not all: the store is asked each time.
    """

    def __init__(
        self, *, fleet: Devices, heard: Heard, series: SeriesStore, clock: Clock, others_store: bool = False
    ) -> None:
        self._fleet = fleet
        self._heard = heard
        self._series = series
        self._clock = clock
        self._others_store = others_store

    async def run(self) -> None:
        """Remember what is stored, then write again and again until cancelled."""
        await self._remember()
        while True:
            await self._clock.sleep(EVERY_S)
            if self._others_store:
                await self._remember()
            try:
                await self.write()
            except RegistryError as error:
                _log.warning("freshness is not written: %s", error)

    async def _remember(self) -> None:
        try:
            self._heard.remember(await self._series.latest(Selection()))
        except SeriesError as error:
            _log.warning("freshness goes on without what others stored: %s", error)

    async def write(self) -> None:
        """Write one point for each promised group.

        A store that does not take them is not asked again: the next ones are due soon, and ingest says what is wrong.

        Raises:
            RegistryError: the registry cannot say what is promised.
        """
        now_ns = self._clock.now_ms() * _NS_PER_MS
        points = list(freshness_points(await self._fleet.devices(), self._heard, now_ns=now_ns))
        if points:
            await self._series.write(sheets_of(points))


def freshness_points(devices: Iterable[Device], heard: Heard, *, now_ns: int) -> Iterator[Point]:
    """How each promised group of these devices stands."""
    for device in devices:
        for group in device.groups:
            if group.every_s > 0:  # events are promised at no interval
                yield from _point(device, group, heard, now_ns)


def _point(device: Device, group: GroupInventory, heard: Heard, now_ns: int) -> Iterator[Point]:
    last = heard.last(device.gateway, device.device, group.group)
    known = last or heard.any_of(device.gateway)
    if known is None:
        return
    age_s = None if last is None else (now_ns - last.time_ns) / _NS_PER_S
    fields = {"promised_s": group.every_s, "state": float(freshness_of(age_s, group.every_s))}
    if age_s is not None:
        fields["age_s"] = age_s
    yield Point(
        measurement=MEASUREMENT,
        site=known.site,
        gateway=device.gateway,
        device=device.device,
        group=group.group,
        mode=known.mode,
        time_ns=now_ns,
        fields=fields,
        qualities=dict.fromkeys(fields, Quality.GOOD),
    )
