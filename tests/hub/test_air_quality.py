"""The stored index of a station: from enough good values, in its own world, again when its hours change."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from hub.indicators.air_quality import AirQualityIndex, AirQualityRules
from hub.indicators.vn_aqi import FORMULA_VERSION
from hub.levels.level import HOUR_NS, Level
from hub.levels.service import Levels
from hub.levels.touched import TouchedWindows
from hub.registry.model import Site
from hub.registry.store import Registry
from hub.series.base import Selection, SeriesStore, TimeRange, WriteResult
from hub.series.sheet import Point, sheets_of
from tests.support.fake_clock import FakeClock
from tests.support.fake_series import FakeSeriesStore
from wire.identifiers import DeviceId, GatewayId, SiteId
from wire.messages import DeviceInventory, GroupInventory, Inventory
from wire.records import Mode, PointLayout, Quality

GATEWAY, SITE = GatewayId("gw-1"), SiteId("park")
ALWAYS = TimeRange(start_ns=0, end_ns=2**62)
# Midnight in Viet Nam.
DAY = 1_795_003_200 // 86_400 * 24 - 7
# 09:00 to 20:00 as the Decision prints them.
PRINTED = (26.9, 24.7, 20.5, 23.5, 19.5, 16.5, 19.0, 16.5, 20.3, 22.4, 19.6, 20.6)


def at(hour: int, fields: dict[str, float], *, quality: Quality = Quality.GOOD, **other: str) -> Point:
    return Point(
        measurement="air_quality",
        site=SITE,
        gateway=GATEWAY,
        device=other.get("device", "air-1"),
        group=other.get("group", "air"),
        mode=Mode(other.get("mode", Mode.LIVE)),
        time_ns=(DAY + hour) * HOUR_NS + 1,
        fields=fields,
        qualities=dict.fromkeys(fields, quality),
    )


def group(name: str, every_s: float, *keys: tuple[str, str]) -> GroupInventory:
    points = tuple(PointLayout(key=key, quantity=key, unit=unit) for key, unit in keys)
    return GroupInventory(group=name, measurement="air_quality", every_s=every_s, points=points)


class Station:
    """A hub with one gateway, whose clock stands two days after the first hour."""

    def __init__(self, registry: Registry, folder: Path, rules: AirQualityRules) -> None:
        self.registry = registry
        self.stores: dict[Level, SeriesStore] = {level: FakeSeriesStore() for level in Level}
        clock = FakeClock(now_ms=(DAY + 48) * 3_600_000)
        self.touched = TouchedWindows(folder / "levels.sqlite", keep_ns=None, clock=clock)
        index = AirQualityIndex(fleet=registry.fleet, stores=self.stores, rules=rules)
        self.levels = Levels(
            stores=self.stores,
            days=dict.fromkeys(Level),
            touched=self.touched,
            fleet=registry.fleet,
            watchers=[],
            followers=[index.hours_changed],
            clock=clock,
        )

    async def promises(self, *groups: GroupInventory) -> None:
        device = DeviceInventory(device=DeviceId("air-1"), profile="x/y", revision=1, bus="b", groups=groups)
        await self.registry.fleet.record_inventory(Inventory(gateway=GATEWAY, site=SITE, devices=(device,)))

    async def measures(self, points: Sequence[Point]) -> None:
        assert await self.levels.series.write(sheets_of(points)) == WriteResult()
        while await self.levels.catch_up():
            pass

    async def index(
        self, field: str = "aqi", *, level: Level = Level.HOURLY, mode: Mode | None = None
    ) -> dict[int, float | None]:
        """The stored numbers by hour of the day."""
        found = await self.stores[level].span(Selection(measurement="indicator", field=field, mode=mode), ALWAYS)
        return {sample.time_ns // HOUR_NS - DAY: sample.number for item in found for sample in item.samples}


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[Registry]:
    opened = await Registry.open(f"sqlite+aiosqlite:///{tmp_path / 'registry.sqlite'}")
    await opened.fleet.save_site(Site(site=SITE, name="Park"))
    await opened.fleet.register(GATEWAY, site=SITE, now_ms=1)
    yield opened
    await opened.close()


@pytest.fixture
async def station(registry: Registry, tmp_path: Path) -> AsyncIterator[Station]:
    made = Station(registry, tmp_path, AirQualityRules())
    await made.promises(
        group("air", 3600, ("pm2_5", "ug/m3")), group("gases", 3600, ("o3", "ppb"), ("no2_mass", "ug/m3"))
    )
    yield made
    await made.touched.close()


def printed(*, missing: Sequence[int] = ()) -> list[Point]:
    return [at(9 + i, {"pm2_5": number}) for i, number in enumerate(PRINTED) if 9 + i not in missing]


async def test_the_printed_series_is_stored_with_its_index_mode_and_formula_on_every_level(station: Station) -> None:
    await station.measures(printed())
    for level in Level:
        assert (await station.index(level=level))[20] == 41
        assert (await station.index("formula", level=level))[20] == FORMULA_VERSION
    nowcasts = await station.index("pm25_nowcast", mode=Mode.LIVE)
    assert nowcasts[20] == pytest.approx(20.27, abs=0.01)
    assert (await station.index("pm25_hours"))[20] == 12
    assert (await station.index("indicative"))[20] == 1.0


async def test_gases_are_weighed_and_the_worst_part_is_the_index(station: Station) -> None:
    o3_ppb = 136.1 * 24.465 / 47.997
    await station.measures([*printed(), at(20, {"o3": o3_ppb, "no2_mass": 20.0}, group="gases")])
    assert (await station.index())[20] == 43
    assert (await station.index("aqi_o3"))[20] == 43
    assert (await station.index("aqi_no2"))[20] == 10


async def test_an_hour_that_comes_late_changes_every_index_that_rests_on_it(station: Station) -> None:
    await station.measures(printed(missing=[10, 18]))
    before = await station.index("pm25_nowcast")
    assert (await station.index("pm25_hours"))[20] == 10
    await station.measures([at(10, {"pm2_5": 24.7}), at(18, {"pm2_5": 22.4})])
    assert (await station.index("pm25_hours"))[20] == 12
    assert (await station.index("pm25_nowcast"))[20] == pytest.approx(20.27, abs=0.01)
    assert before[20] != (await station.index("pm25_nowcast"))[20]


async def test_without_two_of_the_last_three_hours_the_index_is_said_to_be_missing(station: Station) -> None:
    await station.measures(printed(missing=[18, 19]))
    assert (await station.index())[20] is None
    assert 20 not in await station.index("aqi_pm25")


async def test_values_that_are_not_good_make_no_index(station: Station) -> None:
    await station.measures(printed(missing=[20]))
    await station.measures([at(20, {"pm2_5": 20.6}, quality=Quality.STUCK)])
    assert 20 not in await station.index()


async def test_an_hour_needs_three_quarters_of_what_was_promised(station: Station) -> None:
    await station.promises(group("air", 600, ("pm2_5", "ug/m3")))
    points = [at(hour, {"pm2_5": 25.0}) for hour in (1, 2, 3) for _ in range(1)]
    thick = [
        Point(**{name: getattr(point, name) for name in Point.__slots__} | {"time_ns": point.time_ns + i * 600 * 10**9})
        for point in points
        for i in range(4 if point is points[-1] else 5)
    ]
    await station.measures(thick)
    assert set(await station.index()) == {1, 2}


async def test_simulated_air_is_never_part_of_a_real_index(station: Station) -> None:
    await station.measures([*printed(), *(at(9 + i, {"pm2_5": 400.0}, mode=Mode.SIMULATED) for i in range(12))])
    assert (await station.index(mode=Mode.LIVE))[20] == 41
    assert (await station.index(mode=Mode.SIMULATED))[20] == 433


async def test_the_worst_mode_of_the_inputs_is_the_mode_of_the_index(station: Station) -> None:
    await station.measures([*printed(missing=[12]), at(12, {"pm2_5": 23.5}, mode=Mode.MANUAL)])
    assert (await station.index(mode=Mode.MANUAL))[20] == 41
    assert set(await station.index(mode=Mode.MANUAL)) == set(range(12, 21))


async def test_a_day_has_its_index_when_eighteen_of_its_hours_stand(station: Station) -> None:
    await station.measures([at(hour, {"pm2_5": 55.7}) for hour in range(17)])
    assert await station.index("aqi_daily") == {}
    await station.measures([at(hour, {"pm2_5": 55.7}) for hour in range(17, 24)])
    assert await station.index("aqi_daily") == {0: 110}
    assert (await station.index("daily_hours"))[0] == 24


async def test_only_a_station_that_the_province_names_is_more_than_indicative(
    registry: Registry, tmp_path: Path
) -> None:
    named = Station(registry, tmp_path, AirQualityRules(reference_stations=frozenset({"gw-1/air-1"})))
    await named.measures([*printed(), *(at(9 + i, {"pm2_5": 1.0}, device="air-2") for i in range(12))])
    found = await named.stores[Level.RAW].span(Selection(measurement="indicator", field="indicative"), ALWAYS)
    assert {item.series.device: item.samples[-1].number for item in found} == {"air-1": 0.0, "air-2": 1.0}
    await named.touched.close()


async def test_computing_again_changes_nothing(station: Station) -> None:
    await station.measures(printed())
    store = station.stores[Level.RAW]
    assert isinstance(store, FakeSeriesStore)
    before = dict(store.points)
    index = AirQualityIndex(fleet=station.registry.fleet, stores=station.stores, rules=AirQualityRules())
    await index.hours_changed("gw-1", [DAY + 12])
    assert store.points == before
