"""What a hub keeps in its folder and its databases, opened: registry, series, levels."""

import fcntl
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import assert_never

from hub.clock import Clock
from hub.config import ConfigError, HubFolder, SeriesKind
from hub.indicators.air_quality import AirQualityIndex, AirQualityRules
from hub.levels.level import Level, bucket_of
from hub.levels.retention import kept_ns
from hub.levels.service import Levels
from hub.levels.shared_windows import SharedWindows
from hub.levels.touched import TouchedWindows, Windows
from hub.levels.watched import Watcher
from hub.registry.store import Registry
from hub.series.base import SeriesStore
from hub.series.influx import InfluxApi, InfluxSeriesStore, InfluxSettings
from hub.series.sqlite import SqliteSeriesStore


@contextmanager
def only_hub(folder: HubFolder) -> Iterator[None]:
    """Hold the folder; two hubs on one folder would end each other's broker."""
    try:
        lock = folder.lock_file.open("w")
    except OSError as error:
        raise ConfigError(f"folder {folder.path}: {error.strerror}; the hub's user must be able to write it") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConfigError(f"folder {folder.path}: another hub runs on it; end it first") from error
        yield


@asynccontextmanager
async def open_registry(folder: HubFolder) -> AsyncIterator[Registry]:
    """The registry, closed at the end."""
    registry = await Registry.open(folder.registry_url)
    try:
        yield registry
    finally:
        await registry.close()


@asynccontextmanager
async def open_series(folder: HubFolder) -> AsyncIterator[dict[Level, SeriesStore]]:
    """The stores of all levels, closed at the end."""
    async with AsyncExitStack() as opened:
        stores = {}
        for level in Level:
            stores[level] = make_series(folder, level)
            opened.push_async_callback(stores[level].close)
        yield stores


@asynccontextmanager
async def open_windows(folder: HubFolder, registry: Registry, clock: Clock) -> AsyncIterator[Windows]:
    """Which windows of the levels are to be put together again, closed at the end."""
    keep_ns = kept_ns(folder.config.series.retention.raw_days)
    if folder.config.workers.shared:
        yield SharedWindows(registry.windows, keep_ns=keep_ns, clock=clock)
        return
    touched = TouchedWindows(folder.windows_file, keep_ns=keep_ns, clock=clock)
    try:
        yield touched
    finally:
        await touched.close()


def level_days(folder: HubFolder) -> dict[Level, int | None]:
    """For how many days each level is kept; None is for ever."""
    kept = folder.config.series.retention
    return {
        Level.RAW: kept.raw_days,
        Level.FIVE_MINUTES: kept.five_minutes_days,
        Level.HOURLY: kept.hourly_days,
    }


def make_levels(
    folder: HubFolder,
    *,
    registry: Registry,
    stores: Mapping[Level, SeriesStore],
    touched: Windows,
    watchers: Sequence[Watcher] = (),
    clock: Clock,
) -> Levels:
    """The levels of a hub, with the indicators that follow them."""
    air_quality = AirQualityIndex(fleet=registry.fleet, stores=stores, rules=air_quality_rules(folder))
    return Levels(
        stores=stores,
        days=level_days(folder),
        touched=touched,
        fleet=registry.fleet,
        watchers=watchers,
        followers=[air_quality.hours_changed],
        clock=clock,
    )


def air_quality_rules(folder: HubFolder) -> AirQualityRules:
    """What the province decides about its air quality index."""
    config = folder.config.indicators
    return AirQualityRules(
        utc_offset_hours=config.utc_offset_hours, reference_stations=frozenset(config.reference_stations)
    )


def make_series(folder: HubFolder, level: Level = Level.RAW) -> SeriesStore:
    """The series store `hub.yaml` asks for, of one level.

    Raises:
        SeriesError: it cannot be opened.
        ConfigError: a secret is missing.
    """
    config = folder.config.series
    match config.kind:
        case SeriesKind.EMBEDDED:
            return SqliteSeriesStore(folder.series_file(bucket_of("", level)))
        case SeriesKind.INFLUXDB2 | SeriesKind.INFLUXDB1:
            settings = InfluxSettings(
                url=config.url or "",
                bucket=bucket_of(config.bucket or "sen", level),
                api=InfluxApi.V2 if config.kind is SeriesKind.INFLUXDB2 else InfluxApi.V1,
                org=config.org or "",
                token=folder.secret(config.token_file) if config.token_file else "",
                username=config.username or "",
                password=folder.secret(config.password_file) if config.password_file else "",
            )
            return InfluxSeriesStore(settings)
        case _:
            assert_never(config.kind)
