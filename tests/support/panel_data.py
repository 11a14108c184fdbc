"""A database that panels can be asked about: the demonstration's scene, a day of it, through the hub's own path.

Records are made from the demonstration's devices and their profiles, encoded as gateways encode them, and taken in by
the hub's worker; levels, freshness and the index of the air are
written by the hub's own code. Registers and lines are left out: they have
tests of their own. What no simulated device of the demonstration measures is drawn here and goes the same way
(`DRAWN`), and what the hub says about gateways and itself is its own
code's word about machines that are drawn (`SAID_BY_THE_HUB`).
"""

import asyncio
import math
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import takewhile
from pathlib import Path
from typing import Final

from deploy.demo.devices import FieldState, modbus_values, stream_values, vehicle_values
from deploy.demo.layout import BUSES, DEVICES, GATEWAYS, HALL, ROAD, DemoDevice
from deploy.demo.scene import Moment, Scene, vehicles
from device_profiles.library import load_profile
from device_profiles.model import DeviceProfile
from hub.clock import SystemClock
from hub.freshness.heard import Heard
from hub.freshness.writer import FreshnessWriter
from hub.indicators.air_quality import AirQualityIndex, AirQualityRules
from hub.ingest.counters import IngestCounters
from hub.ingest.worker import IngestWorker
from hub.levels.level import Level, bucket_of
from hub.levels.quantities import InventoryQuantities
from hub.levels.touched import TouchedWindows
from hub.levels.watched import WatchedSeries
from hub.levels.writer import LevelWriter
from hub.operations.points import HubNumbers, audit_point, gateway_points, hub_points
from hub.registry.ledger import Accounts
from hub.registry.model import Gateway, GatewayState, Site
from hub.registry.store import Registry
from hub.series.influx import InfluxApi, InfluxSeriesStore, InfluxSettings
from hub.series.sheet import Point, sheets_of
from tests.support.influxd import InfluxServer
from wire.codec import encode_batch, encode_inventory
from wire.identifiers import DeviceId, GatewayId, SiteId
from wire.messages import BusStatus, DeviceInventory, GroupInventory, Inventory
from wire.quantities import QUANTITIES
from wire.records import Batch, Mode, PointLayout, Quality, Record, RecordKind, Stream, TimeQuality, Value
from wire.topics import Up, up_topic

DATABASE: Final = "sen"
HISTORY_S: Final = 26 * 3600
RECENT_S: Final = 900
TRAFFIC_S: Final = 2.5 * 3600
HISTORY_STEP_S: Final = 600
RECENT_STEP_S: Final = 30
SEED: Final = 1
# The road plays reality: rules leave simulated values alone, so something must be live for them to see.
MODES: Final = {HALL.gateway: Mode.SIMULATED, ROAD.gateway: Mode.LIVE}
GAUGE: Final = "level-1"
CAMERA: Final = "camera-1"
INTERVALS: Final = "intervals-1"
# What no simulated device of the demonstration measures yet: drawn here, taken in like everything else.
DRAWN: Final = (
    f"{INTERVALS} (rtms/g4: occupancy, flow, mean speed)",
    f"{CAMERA} (no camera worker writes yet)",
)
# What the hub writes of itself by its own code, here of machines that are drawn.
SAID_BY_THE_HUB: Final = ("gateway", "hub")

Values = Mapping[str, float | None]


@cache
def _profile(name: str) -> DeviceProfile:
    return load_profile(name)


@dataclass(slots=True)
class Shift:
    """One gateway's records on their way in."""

    gateway: str
    site: str
    seq: int = 0
    records: list[Record] = field(default_factory=list)

    def take(self, stream: Stream, time_ms: int, values: Values) -> None:
        """Accept one reading."""
        self.seq += 1
        known = [
            Value(number, Quality.GOOD)
            if (number := values.get(point.key)) is not None
            else Value(None, Quality.TIMEOUT)
            for point in stream.points
        ]
        self.records.append(Record(seq=self.seq, stream=stream, time_ms=time_ms, values=tuple(known)))


@asynccontextmanager
async def filled(server: InfluxServer, folder: Path, *, now_ms: int) -> AsyncIterator[None]:
    """Fill the databases of all levels up to this time; what is open is closed again at the end."""
    clock = SystemClock()
    stores = {
        level: InfluxSeriesStore(
            InfluxSettings(url=server.url, bucket=bucket_of(DATABASE, level), api=InfluxApi.V1, timeout_s=60)
        )
        for level in Level
    }
    registry = await Registry.open(f"sqlite+aiosqlite:///{folder / 'registry.sqlite'}")
    touched = TouchedWindows(folder / "levels.sqlite", keep_ns=None, clock=clock)
    heard = Heard()
    series = WatchedSeries(stores[Level.RAW], [touched.touch, heard.hear])
    try:
        worker = IngestWorker(registry=registry, series=series, publish=_unheard, clock=clock)
        await _deliver(registry, worker, now_ms)
        await series.write(sheets_of(list(_said_by_the_hub(now_ms, worker.counters()))))
        await FreshnessWriter(fleet=registry.fleet, heard=heard, series=series, clock=clock).write()
        quantities = InventoryQuantities(registry.fleet)
        rules = AirQualityRules(utc_offset_hours=7, reference_stations=frozenset())
        air = AirQualityIndex(fleet=registry.fleet, stores=stores, rules=rules)
        await LevelWriter(
            stores=stores, touched=touched, quantities=quantities, followers=[air.hours_changed], clock=clock
        ).catch_up()
        yield
    finally:
        await touched.close()
        await registry.close()
        for store in stores.values():
            await store.close()


async def _unheard(_topic: str, _payload: bytes) -> None:
    """No gateway listens for commits."""


async def _deliver(registry: Registry, worker: IngestWorker, now_ms: int) -> None:
    for gateway in GATEWAYS:
        await registry.fleet.save_site(Site(site=SiteId(gateway.site), name=gateway.site_name))
        await registry.fleet.register(GatewayId(gateway.gateway), site=SiteId(gateway.site), now_ms=now_ms)
    shifts = {one.gateway: Shift(one.gateway, one.site) for one in GATEWAYS}
    streams = {gateway.gateway: _streams(gateway.gateway, gateway.site) for gateway in GATEWAYS}
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(worker.run(), name="worker")
        for name, own in streams.items():
            worker.offer(up_topic(GatewayId(name), Up.INVENTORY), encode_inventory(_inventory(shifts[name], own)))
        await worker.drain()
        _measure(shifts, streams, now_ms)
        for shift in shifts.values():
            for start in range(0, len(shift.records), 400):
                batch = Batch(
                    gateway=GatewayId(shift.gateway), epoch=2**40 + 7, records=tuple(shift.records[start : start + 400])
                )
                worker.offer(up_topic(GatewayId(shift.gateway), Up.BATCH), encode_batch(batch))
                await worker.drain()
        running.cancel()
    counts = worker.counters()
    assert counts.trouble is None
    assert counts.records_refused == counts.unreadable == 0
    assert counts.records_stored == sum(len(shift.records) for shift in shifts.values())


def _measure(shifts: Mapping[str, Shift], streams: Mapping[str, Mapping[tuple[str, str], Stream]], now_ms: int) -> None:
    scene = Scene(SEED)
    now_s = now_ms / 1000
    state = FieldState(seed=SEED, unix_s=now_s - HISTORY_S)
    for unix_s in _moments(now_s):
        moment = scene.at(unix_s)
        state.advance(moment, unix_s)
        for gateway in GATEWAYS:
            for (device, group), values in _readings(gateway.gateway, moment, state, unix_s):
                shifts[gateway.gateway].take(streams[gateway.gateway][device, group], round(unix_s * 1000), values)
    passing = takewhile(lambda one: one.at_s < now_s, vehicles(scene, SEED, now_s - TRAFFIC_S))
    for vehicle in passing:
        stream = streams[ROAD.gateway]["radar-1", "vehicle"]
        shifts[ROAD.gateway].take(stream, round(vehicle.at_s * 1000), vehicle_values(vehicle))


def _moments(now_s: float) -> Iterator[float]:
    """A day in coarse steps, then the last minutes as an operator watches them."""
    for back in range(HISTORY_S, RECENT_S, -HISTORY_STEP_S):
        yield now_s - back
    for back in range(RECENT_S, 0, -RECENT_STEP_S):
        yield now_s - back


def _readings(
    gateway: str, moment: Moment, state: FieldState, unix_s: float
) -> Iterator[tuple[tuple[str, str], Values]]:
    for device in _devices_of(gateway):
        profile = _profile(device.profile)
        if profile.modbus is not None:
            values = modbus_values(device.profile, moment, state)
            yield from (((device.device, group.name), values) for group in profile.modbus.groups)
        elif device.unit is None:
            yield from (
                ((device.device, group), values) for group, values in stream_values(device.profile, moment, state)
            )
    if gateway == ROAD.gateway:
        yield from _drawn(moment, unix_s)


def _drawn(moment: Moment, unix_s: float) -> Iterator[tuple[tuple[str, str], Values]]:
    """An interval counter, and a camera that a branch covers now and then."""
    flow = moment.vehicles_per_hour
    interval = {"traffic_flow": flow, "occupancy": flow / 60, "mean_speed": 52 - flow / 60, "vehicle_count": flow / 60}
    yield (INTERVALS, "volume"), interval
    covered = float(math.sin(unix_s / 900) > 0.9)
    counts = {"frames": 30.0, "count_in": flow / 120, "count_out": flow / 130, "motion_percent": flow / 100}
    yield (CAMERA, "view"), counts | {"dark": 0.0, "frozen": 0.0, "covered": covered, "moved": 0.0, "blurred": 0.0}


_DRAWN_STREAMS: Final = {
    (INTERVALS, "volume"): ("traffic", ("traffic_flow", "occupancy", "mean_speed", "vehicle_count"), "rtms/g4"),
    (CAMERA, "view"): (
        "camera",
        ("frames", "count_in", "count_out", "motion_percent", "dark", "frozen", "covered", "moved", "blurred"),
        "drawn/camera",
    ),
}
_PLAIN: Final = {"frames": "count", "count_in": "count", "count_out": "count", "motion_percent": "ratio"}


def _streams(gateway: str, site: str) -> dict[tuple[str, str], Stream]:
    found: dict[tuple[str, str], Stream] = {}
    for device in _devices_of(gateway):
        profile = _profile(device.profile)
        groups = (
            profile.modbus.groups if profile.modbus is not None else profile.serial.groups if profile.serial else ()
        )
        for group in groups:
            points = [(point.key, point.quantity) for point in group.points]
            is_event = device.device == "radar-1"
            found[device.device, group.name] = _stream(
                gateway, site, device.device, group.name, group.measurement, points, is_event=is_event
            )
    if gateway == ROAD.gateway:
        for (name, group_name), (measurement, keys, _) in _DRAWN_STREAMS.items():
            points = [(key, key if key in QUANTITIES else _PLAIN.get(key, "state")) for key in keys]
            found[name, group_name] = _stream(gateway, site, name, group_name, measurement, points)
    return found


def _stream(
    gateway: str,
    site: str,
    device: str,
    group: str,
    measurement: str,
    points: Sequence[tuple[str, str]],
    *,
    is_event: bool = False,
) -> Stream:
    layouts = [PointLayout(key=key, quantity=name, unit=QUANTITIES[name].unit) for key, name in points]
    return Stream(
        site=SiteId(site),
        device=DeviceId(device),
        group=group,
        measurement=measurement,
        mode=MODES[gateway],
        kind=RecordKind.EVENT if is_event else RecordKind.SAMPLE,
        points=tuple(layouts),
    )


def _inventory(shift: Shift, streams: Mapping[tuple[str, str], Stream]) -> Inventory:
    names = sorted({device for device, _ in streams})
    devices = [
        DeviceInventory(
            device=DeviceId(name),
            profile=next((one.profile for one in DEVICES if one.device == name), "drawn/here"),
            revision=1,
            bus="drawn",
            groups=tuple(
                GroupInventory(
                    group=group,
                    measurement=stream.measurement,
                    every_s=0.0 if stream.kind is RecordKind.EVENT else float(HISTORY_STEP_S),
                    points=stream.points,
                )
                for (device, group), stream in streams.items()
                if device == name
            ),
        )
        for name in names
    ]
    return Inventory(gateway=GatewayId(shift.gateway), site=SiteId(shift.site), devices=tuple(devices))


def _devices_of(gateway: str) -> list[DemoDevice]:
    own = {bus.bus for bus in BUSES if bus.gateway == gateway}
    return [device for device in DEVICES if device.bus in own]


def _said_by_the_hub(now_ms: int, counters: IngestCounters) -> Iterator[Point]:
    """What the hub writes about gateways and itself, by its own code; the machines behind it are drawn."""
    for back_s in range(7200, -1, -60):
        time_ms = now_ms - back_s * 1000
        done = 7200 - back_s
        for gateway in GATEWAYS:
            told = _told_by(gateway.gateway, gateway.site, done, time_ms)
            yield from gateway_points(told, _accounts(gateway.gateway, done), is_online=True, now_ms=time_ms)
        ingest = replace(counters, records_stored=20 * done, write_delay_s=0.02)
        yield from hub_points(HubNumbers(ingest=ingest, dead_letters_open=0, memory_bytes=9e7), now_ms=time_ms)
        yield audit_point([], now_ms=time_ms)


def _accounts(gateway: str, done: int) -> Accounts:
    return Accounts(
        gateway=GatewayId(gateway),
        accepted=10 * done + 5,
        stored=10 * done,
        refused=0,
        lost={},
        in_flight=5,
        unexplained=0,
    )


def _told_by(gateway: str, site: str, done: int, time_ms: int) -> Gateway:
    machine = {
        "spool_used_bytes": 4e6, "spool_limit_bytes": 1e9, "disk_written_bytes": 5000.0 * done, "disk_free_bytes": 2e10,
        "disk_worn_percent": 12, "cpu_temperature": 52 + done % 7, "cpu_percent": 11, "memory_used_bytes": 4.5e7,
        "clock_offset_ms": 12, "bytes_sent": 90.0 * done, "uptime_s": float(done), "commit_delay_s": 0.8,
    }  # fmt: skip
    bus = {
        "bus_load_percent": 31, "requests": 8.0 * done, "error_timeout": done // 600, "error_check": 0,
        "error_exception": 0, "error_foreign": 0, "devices_silent": 0,
    }  # fmt: skip
    return Gateway(
        gateway=GatewayId(gateway),
        site=SiteId(site),
        state=GatewayState.ACTIVE,
        registered_ms=0,
        status_ms=time_ms - 4000,
        online=True,
        time_quality=TimeQuality.SYNCED,
        oldest_uncommitted_ms=time_ms - 1500,
        machine=machine,
        buses=(BusStatus(bus="rs485-1", numbers=bus),),
    )
