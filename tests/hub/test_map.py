"""The map that Grafana shows: positions from the registry, behind a key of its own."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from hub.api.access import Access, map_key_of
from hub.api.map import map_router, sites_geojson
from hub.api.views import SiteView
from hub.new_folder import make_folder
from tests.support.hub_process import make_hub, sen_hub

ROOT = Path(__file__).resolve().parents[2]
KEY = map_key_of("a token")
BRIDGE = SiteView(site="bridge", name="Cầu", latitude=18.68, longitude=105.68, admin_unit="", gateways=1, online=1)
NOWHERE = SiteView(site="office", name="Office", latitude=None, longitude=None, admin_unit="", gateways=0, online=0)
OK, NOT_FOUND = 200, 404


class Sites:
    """As much of what is shown as the map asks for."""

    async def sites(self) -> list[SiteView]:
        return [BRIDGE, NOWHERE]


async def got(path: str, *, outline: Path | None = None, headers: dict[str, str] | None = None) -> httpx.Response:
    app = FastAPI()
    app.include_router(map_router(Sites(), key=KEY, origin="http://grafana.ioc:3000", outline=outline))
    transport = httpx.ASGITransport(app=Access(app, token="a token"))  # noqa: S106 - of this test
    async with httpx.AsyncClient(transport=transport, base_url="http://hub.ioc:8080") as client:
        return await client.get(path, headers=headers)


async def test_sites_with_a_position_are_found_by_their_name() -> None:
    answer = await got(f"/map/{KEY}/sites.geojson")
    (feature,) = answer.json()["features"]
    assert feature["properties"] == {"id": "bridge", "name": "Cầu"}
    assert feature["geometry"] == {"type": "Point", "coordinates": [105.68, 18.68]}
    assert sites_geojson([NOWHERE])["features"] == []


async def test_only_grafanas_pages_may_read_the_map_across_origins() -> None:
    answer = await got(f"/map/{KEY}/sites.geojson")
    assert answer.headers["access-control-allow-origin"] == "http://grafana.ioc:3000"
    assert answer.headers["content-type"].startswith("application/geo+json")


@pytest.mark.parametrize("path", ["/map/wrong/sites.geojson", "/map/wrong/outline.geojson", "/map//sites.geojson"])
async def test_without_the_key_there_is_no_map(path: str) -> None:
    assert (await got(path)).status_code == NOT_FOUND


async def test_the_key_opens_the_map_and_nothing_else() -> None:
    assert (await got("/api/v1/sites", headers={"Authorization": f"Bearer {KEY}"})).status_code != OK


async def test_an_outline_is_what_the_hub_was_given_or_empty(tmp_path: Path) -> None:
    assert (await got(f"/map/{KEY}/outline.geojson")).json() == {"type": "FeatureCollection", "features": []}
    outline = tmp_path / "outline.geojson"
    outline.write_text('{"type": "FeatureCollection", "features": [1]}')
    assert (await got(f"/map/{KEY}/outline.geojson", outline=outline)).json()["features"] == [1]


def hub(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "hub", *words], cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_position_is_given_by_a_command_and_stays_when_other_things_change(tmp_path: Path) -> None:
    make_folder(tmp_path)
    given = hub("site", "set", str(tmp_path), "bridge", "--at", "18.6796,105.6813")
    assert given.returncode == 0, given.stderr
    renamed = hub("site", "set", str(tmp_path), "bridge", "--name", "Cầu Bến Thủy")
    assert "Cầu Bến Thủy" in renamed.stdout
    assert "18.6796" in renamed.stdout
    assert "18.67960,105.68130" in hub("site", "list", str(tmp_path)).stdout


@pytest.mark.parametrize("at", ["north", "18.6", "118,105", "18,205", "1,2,3"])
def test_a_position_that_is_none_is_refused_with_an_example(tmp_path: Path, at: str) -> None:
    make_folder(tmp_path)
    refused = hub("site", "set", str(tmp_path), "bridge", "--at", at)
    assert refused.returncode == 1
    assert "--at: found" in refused.stderr


def test_the_map_of_a_running_hub_is_where_its_panels_look_for_it(tmp_path: Path, free_port: Callable[[], int]) -> None:
    more = {
        "series": "{kind: embedded}",
        "grafana": "{url: 'http://127.0.0.1:3000', influx_url: 'http://127.0.0.1:8086'}",
    }
    hub = make_hub(tmp_path / "hub", http_port=free_port(), mqtt_port=free_port(), broker="embedded", more=more)
    sen_hub("site", "set", str(hub.folder), "bridge", "--at", "18.6796,105.6813")
    hub.start()
    try:
        # Panels are exported for a hub whose series stand in InfluxDB; the map is the same.
        text = (hub.folder / "hub.yaml").read_text()
        other = text.replace("series: {kind: embedded}", "series: {kind: influxdb1, url: 'http://127.0.0.1:8086'}")
        (hub.folder / "for-influx.yaml").write_text(other)
        sen_hub("grafana", "export", str(hub.folder / "for-influx.yaml"), str(tmp_path / "out"))
        wall = (tmp_path / "out" / "sen-dashboards" / "sen-wall.json").read_text()
        (address,) = set(re.findall(r"http://[^\"]+/sites\.geojson", wall))
        answer = httpx.get(address)
        assert json.loads(answer.text)["features"][0]["properties"]["id"] == "bridge"
        assert answer.headers["access-control-allow-origin"] == "http://127.0.0.1:3000"
    finally:
        hub.program.stop()
