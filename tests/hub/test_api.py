"""What the API answers, over real stores."""

import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.api.asked import AskedError, moment_ns, span_s
from hub.freshness.promise import is_stale, stale_after
from hub.registry.model import GatewayState
from hub.series.influx import InfluxSeriesStore, InfluxSettings
from tests.support.shown_hub import SetClock, ShownHub, shown_hub
from wire.identifiers import GatewayId
from wire.records import Mode, Quality

NOW_MS = 1_795_000_000_000
KEY = "open sesame"


@pytest.fixture
def clock() -> SetClock:
    return SetClock(NOW_MS)


@pytest.fixture
async def hub(tmp_path: Path, clock: SetClock) -> AsyncIterator[ShownHub]:
    async with shown_hub(tmp_path, clock) as made:
        yield made


async def test_a_value_comes_with_unit_age_mode_and_quality(hub: ShownHub) -> None:
    await hub.add_gateway()
    await hub.store(age_ms=3000)
    async with hub.client() as client:
        (latest,) = (await client.get("/api/v1/latest")).json()
    assert latest["value"] == 230.2
    assert latest["series"]["unit"] == "V"
    assert latest["series"]["quantity"] == "voltage"
    assert latest["series"]["mode"] == "live"
    assert (latest["age_s"], latest["quality"], latest["stale"]) == (3.0, "good", False)


async def test_a_value_past_its_promise_is_stale(hub: ShownHub, clock: SetClock) -> None:
    await hub.add_gateway()
    await hub.store()
    async with hub.client() as client:
        clock.ms += 30_000
        assert [item["stale"] for item in (await client.get("/api/v1/latest")).json()] == [False]
        clock.ms += 1
        assert [item["stale"] for item in (await client.get("/api/v1/latest")).json()] == [True]


async def test_a_missing_value_is_null_with_its_reason_never_a_number(hub: ShownHub) -> None:
    await hub.add_gateway()
    await hub.store(fields={"power": 5.0}, qualities={"temperature": Quality.SENSOR_FAULT})
    async with hub.client() as client:
        found = {item["series"]["field"]: item for item in (await client.get("/api/v1/latest")).json()}
    assert found["temperature"]["value"] is None
    assert found["temperature"]["quality"] == "sensor_fault"


async def test_simulated_and_live_values_of_one_point_stay_two_series(hub: ShownHub) -> None:
    await hub.add_gateway()
    await hub.store(mode=Mode.LIVE)
    await hub.store(mode=Mode.SIMULATED)
    async with hub.client() as client:
        assert sorted(item["mode"] for item in (await client.get("/api/v1/series")).json()) == ["live", "simulated"]
        only = (await client.get("/api/v1/latest", params={"mode": "simulated"})).json()
        assert [item["series"]["mode"] for item in only] == ["simulated"]
        answer = await client.get("/api/v1/series/values", params={"field": "voltage_l1"})
        assert answer.status_code == 400
        assert "choose by mode (live, simulated)" in answer.json()["error"]


async def test_samples_come_in_order_and_in_windows(hub: ShownHub) -> None:
    await hub.add_gateway()
    for age_s in range(120):
        await hub.store(age_ms=age_s * 1000, fields={"voltage_l1": 200.0 + age_s})
    async with hub.client() as client:
        asked = {"field": "voltage_l1", "from": "-2m", "to": "now"}
        samples = (await client.get("/api/v1/series/values", params=asked)).json()["samples"]
        assert len(samples) == 119
        assert [item["time_ms"] for item in samples] == sorted(item["time_ms"] for item in samples)
        few = (await client.get("/api/v1/series/values", params={**asked, "limit": "5"})).json()
        assert (len(few["samples"]), few["truncated"]) == (5, True)
        assert few["samples"][-1] == samples[-1]
        windows = {**asked, "aggregate": "max", "window": "1m"}
        answer = (await client.get("/api/v1/series/values", params=windows)).json()
        assert (answer["aggregate"], answer["window_s"]) == ("max", 60.0)
        assert max(item["value"] for item in answer["samples"]) == 319.0


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"from": "yesterday"}, "from: found 'yesterday', expected a time such as"),
        ({"from": "2026-11-23T10:00:00"}, "without its offset from UTC"),
        ({"from": "now", "to": "-1h"}, "expected from to lie before to"),
        ({"window": "1m"}, "expected both or none"),
        ({"aggregate": "median", "window": "1m"}, "aggregate: found 'median'"),
        ({"aggregate": "mean", "window": "1 minute"}, "expected a span such as"),
        ({"aggregate": "mean", "window": "1s", "from": "-7d"}, "expected at most 11000"),
        ({"limit": "0"}, "limit: found '0'"),
        ({"mode": "real"}, "mode: found 'real'"),
        ({"gateway": "../etc"}, "gateway: found '../etc'"),
        ({"sensor": "x"}, "sensor: found 'x'"),
    ],
)
async def test_a_wrong_question_is_told_what_was_expected(hub: ShownHub, asked: dict[str, str], told: str) -> None:
    await hub.add_gateway()
    await hub.store()
    async with hub.client() as client:
        answer = await client.get("/api/v1/series/values", params=asked)
    assert answer.status_code == 400
    assert told in answer.json()["error"]


async def test_what_is_not_there_is_not_found(hub: ShownHub) -> None:
    async with hub.client() as client:
        for path in ("/api/v1/series/values?field=nothing", "/api/v1/gateways/gw-9", "/api/v1/nothing", "/nothing"):
            answer = await client.get(path)
            assert answer.status_code == 404
            assert answer.json()["error"]


async def test_a_gateway_comes_with_presence_and_accounts(hub: ShownHub, clock: SetClock) -> None:
    await hub.add_gateway()
    await hub.registry.fleet.note_unknown({GatewayId("gw-stranger"): 4}, now_ms=NOW_MS)
    async with hub.client() as client:
        fleet = (await client.get("/api/v1/gateways")).json()
        (gateway,) = fleet["gateways"]
        assert (gateway["presence"], gateway["spool_in_flight"]) == ("online", 3)
        accounts = gateway["accounts"]
        assert accounts["accepted"] == 5
        assert accounts["accepted"] == sum(
            accounts[part] for part in ("stored", "refused", "lost", "in_flight", "unexplained")
        )
        assert fleet["unknown"] == [{"gateway": "gw-stranger", "age_s": 0.0, "messages": 4}]
        clock.ms += 36_000
        assert (await client.get("/api/v1/gateways/gw-1")).json()["presence"] == "silent"
        await hub.registry.fleet.set_state(GatewayId("gw-1"), GatewayState.BLOCKED)
        assert (await client.get("/api/v1/gateways/gw-1")).json()["state"] == "blocked"


async def test_sites_and_devices_are_listed(hub: ShownHub) -> None:
    await hub.add_gateway()
    async with hub.client() as client:
        assert (await client.get("/api/v1/sites")).json()[0]["online"] == 1
        (device,) = (await client.get("/api/v1/devices", params={"gateway": "gw-1"})).json()
    assert (device["site"], device["profile"], device["groups"][0]["every_s"]) == ("north", "eastron/sdm120", 10)


async def test_health_names_the_part_in_trouble(
    hub: ShownHub, tmp_path: Path, clock: SetClock, free_port: Callable[[], int]
) -> None:
    async with hub.client() as client:
        assert (await client.get("/api/v1/health")).json()["ok"] is True
    away = InfluxSeriesStore(InfluxSettings(url=f"http://127.0.0.1:{free_port()}"))
    (tmp_path / "away").mkdir()
    async with shown_hub(tmp_path / "away", clock, away) as troubled, troubled.client() as client:
        health = (await client.get("/api/v1/health")).json()
        assert (health["ok"], health["series"]["ok"], health["registry"]["ok"]) == (False, False, True)
        assert health["series"]["trouble"]
        assert (await client.get("/api/v1/latest")).status_code == 503
        shown = await client.get("/", params={"lang": "en"})
        assert shown.status_code == 200
        assert "The values cannot be read just now." in shown.text
        assert "No value has arrived" not in shown.text


async def test_the_api_describes_itself(hub: ShownHub) -> None:
    async with hub.client() as client:
        described = (await client.get("/api/v1/openapi.json")).json()
    paths = {
        "health",
        "sites",
        "gateways",
        "gateways/{gateway}",
        "gateways/{gateway}/losses",
        "dead-letters",
        "dead-letters/closed",
        "dead-letters/{letter_id}",
        "devices",
        "latest",
        "series",
        "series/export",
        "series/values",
    }
    assert {f"/api/v1/{path}" for path in paths} == set(described["paths"])


async def test_another_web_page_cannot_pretend_to_be_this_machine(hub: ShownHub) -> None:
    for host in ("evil.example:8080", "127.0.0.1.evil.example"):
        async with hub.client(host=host) as client:
            assert (await client.get("/api/v1/gateways")).status_code == 421
    for host in ("localhost:8080", "127.0.0.1:8080", "[::1]:8080", "localhost"):
        async with hub.client(host=host) as client:
            assert (await client.get("/api/v1/gateways")).status_code == 200


async def test_with_a_token_everything_asks_for_it(hub: ShownHub) -> None:
    async with hub.client(token=KEY, host="hub.example") as client:
        for path in ("/api/v1/health", "/api/v1/latest", "/api/v1/openapi.json", "/", "/live"):
            assert (await client.get(path)).status_code == 401
            wrong = {"Authorization": "Bearer wrong"}
            assert (await client.get(path, headers=wrong)).status_code == 401
            assert (await client.get(path, headers={"Authorization": f"Bearer {KEY}"})).status_code == 200


async def test_a_browser_is_asked_for_the_token_once(hub: ShownHub) -> None:
    async with hub.client(token=KEY, host="hub.example") as client:
        sent = await client.get("/", headers={"accept": "text/html"})
        assert (sent.status_code, sent.headers["location"]) == (303, "/sign-in")
        assert (await client.get("/sign-in")).status_code == 200
        assert (await client.post("/sign-in", data={"token": "wrong"})).status_code == 401
        assert (await client.get("/", headers={"accept": "text/html"})).status_code == 303
        entered = await client.post("/sign-in", data={"token": KEY})
        assert entered.status_code == 303
        cookie = entered.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert re.search("SameSite=strict", cookie, re.IGNORECASE)
        assert KEY not in cookie
        assert (await client.get("/", headers={"accept": "text/html"})).status_code == 200


@given(st.text(max_size=40))
def test_any_text_for_a_time_gives_a_time_or_a_clear_error(text: str) -> None:
    try:
        moment = moment_ns(text, what="from", now_ms=NOW_MS)
    except AskedError as error:
        told = str(error)
    else:
        told = f"from: found {moment}"
    assert told.startswith("from: found")


def test_moments_are_understood() -> None:
    hour_ns = 3600 * 10**9
    now_ns = NOW_MS * 10**6
    assert moment_ns("-6h", what="from", now_ms=NOW_MS) == now_ns - 6 * hour_ns
    assert moment_ns("1970-01-01T08:00:00+07:00", what="from", now_ms=NOW_MS) == hour_ns
    assert moment_ns("1970-01-01T08:00:00 07:00", what="from", now_ms=NOW_MS) == hour_ns
    assert moment_ns("1970-01-01T01:00:00Z", what="from", now_ms=NOW_MS) == hour_ns
    assert moment_ns(str(NOW_MS), what="from", now_ms=NOW_MS) == now_ns
    assert span_s("2w", what="window") == 1_209_600


def test_what_is_promised_slowly_is_stale_later_and_events_never() -> None:
    assert stale_after(3600) == 10_800
    assert stale_after(1) == 16
    assert stale_after(0) is None
    assert not is_stale(1e9, None)
    assert is_stale(-61, 1e9), "a value from the future is not fresh"
