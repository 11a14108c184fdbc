"""Loads recorded hours of air quality into a hub's folder, the way readings come: ingest, ledger, levels, indicators.

The hub must not be running, and must keep raw series for as long as the recording is old (`series.retention` in its
`hub.yaml`). Loading again changes nothing.

From the top of the checkout: `python -m deploy.demo.history HUB RECORDINGS`.
"""

import argparse
import asyncio
import itertools
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from deploy.demo.air_history import GROUP, HOUR_S, MEASUREMENT, Hour, beijing_hours, hanoi_hours, records_of
from deploy.demo.recordings import RecordingError
from hub.clock import Clock, SystemClock
from hub.config import ConfigError, HubFolder, open_folder
from hub.ingest.worker import IngestWorker
from hub.kept import make_levels, only_hub, open_registry, open_series, open_windows
from hub.registry.model import RegistryError, Site
from hub.registry.store import Registry
from hub.series.base import SeriesError, SeriesStore
from wire.codec import encode_batch
from wire.identifiers import DeviceId, GatewayId, SiteId
from wire.messages import DeviceInventory, GroupInventory, Inventory
from wire.records import Batch, Record
from wire.topics import Up, up_topic

_RECORDS_PER_BATCH: Final = 500
_DAY_MS: Final = 86_400_000
_FILES: Final[dict[str, Callable[[Iterable[str], str], Iterator[Hour]]]] = {
    "PRSA_Data_*.csv": beijing_hours,
    "Hanoi_PM2.5_*.csv": hanoi_hours,
}


def stations_in(folder: Path, *, hours: int | None = None) -> dict[str, list[Record]]:
    """The records of each recorded station by its name; at most the first `hours` of each.

    Raises:
        RecordingError: no such folder, no station in it, or a file that cannot be used.
    """
    found: dict[str, list[Record]] = {}
    for pattern, read in _FILES.items():
        for path in sorted(folder.rglob(pattern)):
            name = path.stem.split("_")[2 if read is beijing_hours else 0].lower()
            try:
                lines = path.read_text(encoding="utf-8-sig").splitlines()
            except (OSError, UnicodeDecodeError) as error:
                raise RecordingError(f"{path}: {error}") from error
            found[name] = list(itertools.islice(records_of(read(lines, path.name), site=name, device="station"), hours))
    if not found:
        raise RecordingError(f"{folder}: found no recording in it, expected one or more of {', '.join(_FILES)}")
    return found


async def load(folder: HubFolder, stations: dict[str, list[Record]], clock: Clock) -> int:
    """Take the records in and put the levels together; returns how many records the hub holds of these stations.

    Raises:
        ConfigError: a hub runs on the folder, or it keeps raw series too short.
        SeriesError: the series store did not do it.
        RegistryError: the registry did not do it.
    """
    _check_retention(folder, stations, clock)
    with only_hub(folder):
        async with (
            open_registry(folder) as registry,
            open_series(folder) as stores,
            open_windows(folder, registry, clock) as touched,
        ):
            levels = make_levels(folder, registry=registry, stores=stores, touched=touched, clock=clock)
            for name, records in stations.items():
                gateway = GatewayId(f"recorded-{name}")
                await _introduce(registry, gateway, name, records[0], clock)
                await _take_in(registry, levels.series, gateway, records, clock)
            while await levels.catch_up():
                pass
            return sum([await levels.series.count_points(f"recorded-{name}") for name in stations])


def _check_retention(folder: HubFolder, stations: dict[str, list[Record]], clock: Clock) -> None:
    kept_days = folder.config.series.retention.raw_days
    oldest_ms = min(record.time_ms for records in stations.values() for record in records)
    needed_days = (clock.now_ms() - oldest_ms) // _DAY_MS + 1
    if kept_days is not None and kept_days < needed_days:
        raise ConfigError(
            f"{folder.path}: raw series are kept {kept_days} days, and the recording is {needed_days} days old; "
            "set series.retention.raw_days in hub.yaml to null"
        )


async def _introduce(registry: Registry, gateway: GatewayId, name: str, record: Record, clock: Clock) -> None:
    await registry.fleet.save_site(Site(site=SiteId(name), name=f"{name.capitalize()} (recorded)"))
    await registry.fleet.register(gateway, site=SiteId(name), now_ms=clock.now_ms())
    group = GroupInventory(group=GROUP, measurement=MEASUREMENT, every_s=HOUR_S, points=record.stream.points)
    device = DeviceInventory(
        device=DeviceId("station"), profile="recorded", revision=1, bus="recorded", groups=(group,)
    )
    await registry.fleet.record_inventory(Inventory(gateway=gateway, site=SiteId(name), devices=(device,)))


async def _take_in(
    registry: Registry, series: SeriesStore, gateway: GatewayId, records: Sequence[Record], clock: Clock
) -> None:
    async def publish(_topic: str, _payload: bytes) -> None:
        """Nobody waits for commits."""

    worker = IngestWorker(registry=registry, series=series, publish=publish, clock=clock)
    epoch = zlib.crc32(gateway.encode())  # always the same: what was loaded once is known
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(worker.run())
        for start in range(0, len(records), _RECORDS_PER_BATCH):
            batch = Batch(gateway=gateway, epoch=epoch, records=tuple(records[start : start + _RECORDS_PER_BATCH]))
            worker.offer(up_topic(gateway, Up.BATCH), encode_batch(batch))
            await worker.drain()
        running.cancel()


def main() -> None:
    """Load what a folder holds into a hub."""
    parser = argparse.ArgumentParser(prog="python -m deploy.demo.history", description=__doc__)
    parser.add_argument("hub", type=Path, help="the hub's folder (sen-hub init)")
    parser.add_argument("recordings", type=Path, help="a folder with recorded air quality, of Beijing or Hanoi")
    parser.add_argument("--hours", type=int, help="only so many hours of each station")
    asked = parser.parse_args()
    try:
        stations = stations_in(asked.recordings, hours=asked.hours)
        held = asyncio.run(load(open_folder(asked.hub), stations, SystemClock()))
    except (RecordingError, ConfigError, SeriesError, RegistryError) as error:
        sys.exit(str(error))
    print(f"{', '.join(stations)}: {held} recorded hours are in the hub")


if __name__ == "__main__":
    main()
