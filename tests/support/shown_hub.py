"""The hub's API and page over real stores in a test's own folder, without a broker."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from hub.api.shown import Running, Shown
from hub.app import web_app
from hub.clock import Clock
from hub.ingest.counters import IngestCounters
from hub.ingest.worker import IngestWorker
from hub.registry.model import Site
from hub.registry.store import Registry
from hub.series.base import SeriesStore
from hub.series.sheet import Point, sheets_of
from hub.series.sqlite import SqliteSeriesStore
from wire.identifiers import DeviceId, GatewayId, SiteId
from wire.messages import DeviceInventory, EpochStatus, GroupInventory, Inventory, Status
from wire.quantities import quantity
from wire.records import Mode, PointLayout, Quality


@dataclass
class SetClock:
    """A clock a test sets by hand."""

    ms: int = 1_795_000_000_000

    def now_ms(self) -> int:
        return self.ms

    def monotonic_s(self) -> float:
        return self.ms / 1000

    async def sleep(self, seconds: float) -> None:
        self.ms += round(1000 * seconds)


@dataclass
class ShownHub:
    """A fleet of one gateway, and what the hub says about it."""

    registry: Registry
    series: SeriesStore
    shown: Shown
    clock: Clock

    def client(self, *, token: str | None = None, host: str = "127.0.0.1:8080") -> httpx.AsyncClient:
        """A client of the API and the page."""
        app = web_app(self.shown, token=token)
        return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=f"http://{host}")

    async def add_gateway(self, *, online: bool = True) -> None:
        """Register gw-1 at site north, with a meter promised every 10 s."""
        now_ms = self.clock.now_ms()
        await self.registry.fleet.save_site(Site(site=SiteId("north"), name="Trạm bơm Bắc"))
        await self.registry.fleet.register(GatewayId("gw-1"), site=SiteId("north"), now_ms=now_ms)
        points = tuple(
            PointLayout(key=key, quantity=name, unit=quantity(name).unit)
            for key, name in (("voltage_l1", "voltage"), ("power", "power"), ("temperature", "temperature"))
        )
        group = GroupInventory(group="electricity", measurement="electricity", every_s=10, points=points)
        device = DeviceInventory(
            device=DeviceId("meter-1"), profile="eastron/sdm120", revision=1, bus="rs485-1", groups=(group,)
        )
        await self.registry.fleet.record_inventory(
            Inventory(gateway=GatewayId("gw-1"), site=SiteId("north"), devices=(device,))
        )
        status = Status(
            gateway=GatewayId("gw-1"),
            online=online,
            site=SiteId("north"),
            agent_version="0.1.0",
            boot_ms=now_ms,
            accepted_total=5,
            final_total=2,
            in_flight=3,
            oldest_uncommitted_ms=now_ms - 4000,
            epochs=(EpochStatus(epoch=1, accepted_hi=5),),
        )
        await self.registry.fleet.record_status(status, now_ms=now_ms)

    async def store(
        self,
        *,
        age_ms: int = 0,
        mode: Mode = Mode.LIVE,
        fields: dict[str, float] | None = None,
        qualities: dict[str, Quality] | None = None,
    ) -> None:
        """Store one record of the meter."""
        values = {"voltage_l1": 230.2} if fields is None else fields
        point = Point(
            measurement="electricity",
            site="north",
            gateway="gw-1",
            device="meter-1",
            group="electricity",
            mode=mode,
            time_ns=(self.clock.now_ms() - age_ms) * 1_000_000,
            fields=values,
            qualities={**dict.fromkeys(values, Quality.GOOD), **(qualities or {})},
        )
        result = await self.series.write(sheets_of([point]))
        assert not result.refused
        assert result.unknown is None


@asynccontextmanager
async def shown_hub(folder: Path, clock: Clock, series: SeriesStore | None = None) -> AsyncIterator[ShownHub]:
    """Open the stores in a folder; `series` in place of the embedded store."""
    registry = await Registry.open(f"sqlite+aiosqlite:///{folder / 'registry.sqlite'}")
    series = series or SqliteSeriesStore(folder / "series.sqlite")

    async def publish(_topic: str, _payload: bytes) -> None:
        pass

    def counters() -> IngestCounters:
        return worker.counters()

    worker = IngestWorker(registry=registry, series=series, publish=publish, clock=clock)
    running = Running(
        version="test",
        started_ms=clock.now_ms(),
        broker_kind="none",
        series_kind="embedded",
        registry_kind="sqlite",
        broker_trouble=lambda: None,
        ingest=counters,
    )
    shown = Shown(registry=registry, series=series, running=running, clock=clock)
    try:
        yield ShownHub(registry=registry, series=series, shown=shown, clock=clock)
    finally:
        await series.close()
        await registry.close()
