"""Dead letters as people deal with them: seen, looked into, tried again, dropped; the accounts add up throughout."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from hub.clock import SystemClock
from tests.support.hub_process import HubProcess, make_hub, sen_hub
from tests.support.speaking_gateway import speaking_gateway, stream
from wire.records import Stream, Value

GOOD = stream("hall", "air-1", "air_quality", "pm2_5")
BAD = replace(GOOD, points=tuple(replace(point, unit="mg/m3") for point in GOOD.points))
WRONG_PLACE = replace(GOOD, measurement="gateway")


@pytest.fixture
def hub(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[HubProcess]:
    made = make_hub(tmp_path / "hub", http_port=free_port(), mqtt_port=free_port(), broker="embedded")
    made.start()
    yield made
    if made.program.runs:
        made.program.stop()


async def sent(hub: HubProcess, *streams: Stream) -> None:
    """Register a gateway and send one reading of each stream."""
    file = hub.folder / "gw.password"
    sen_hub("gateway", "add", str(hub.folder), "gw-1", "--site", "hall", "--password-file", str(file))
    await SystemClock().sleep(1.0)
    async with speaking_gateway(
        port=hub.mqtt_port, name="gw-1", password=file.read_text().strip(), site="hall", streams=[GOOD]
    ) as gateway:
        for one in streams:
            commit = await gateway.send((one, 0, (Value(35.5),)), within_s=20)
            assert len(commit.final) == 1
        await gateway.tell_status()


def page(hub: HubProcess) -> str:
    return httpx.get(hub.url, timeout=10).text


def accounts(hub: HubProcess) -> tuple[int, int, int, int]:
    told = hub.get("/gateways/gw-1").json()["accounts"]
    return told["accepted"], told["stored"], told["refused"], told["unexplained"]


async def test_what_was_refused_is_seen_looked_into_tried_again_and_dropped(hub: HubProcess) -> None:
    folder = str(hub.folder)
    await sent(hub, GOOD, BAD, WRONG_PLACE)
    assert accounts(hub) == (3, 1, 2, 0)
    assert "2 dead letters are open (gw-1: 2)" in sen_hub("status", folder, expect=1).stdout
    assert "Dead letters" in page(hub)
    listed = json.loads(sen_hub("dead-letters", "list", folder, "--gateway", "gw-1", "--json").stdout)
    assert [(one["gateway"], one["reason"], one["seq"]) for one in listed] == [
        ("gw-1", "refused", 3),
        ("gw-1", "refused", 2),
    ]
    first, second = (str(one["letter_id"]) for one in listed)
    shown = sen_hub("dead-letters", "show", folder, second).stdout
    assert "expected 'ug/m3'" in shown
    assert "pm2_5 35.5 mg/m3 (good)" in shown
    assert "00000000 " in shown
    assert "stays: point pm2_5" in sen_hub("dead-letters", "retry", folder, second, expect=1).stdout
    assert accounts(hub) == (3, 1, 2, 0)
    sen_hub("dead-letters", "drop", folder, first, second)
    assert sen_hub("dead-letters", "list", folder).stdout == "none\n"
    closed = sen_hub("dead-letters", "list", folder, "--closed").stdout
    assert closed.count("dropped") == 2
    assert accounts(hub) == (3, 1, 2, 0), "a dropped record stays refused"
    assert "dead_letters" not in sen_hub("status", folder).stdout
    assert "is not there" in sen_hub("dead-letters", "drop", folder, first, expect=1).stderr
    assert sen_hub("breaker", "show", folder).stdout == "closed\n"
    assert "0 records are lost" in sen_hub("gateway", "losses", folder, "gw-1").stdout


def test_what_changes_something_asks_for_the_token_also_on_loopback(hub: HubProcess) -> None:
    for path in ("/dead-letters/1/drop", "/dead-letters/1/retry", "/breaker/close"):
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Cookie": "sen_access=whatever"}):
            answer = httpx.post(f"{hub.url}/api/v1{path}", headers=headers, timeout=10)
            assert answer.status_code == 401, path
            assert "Bearer" in answer.json()["error"]
    assert "is closed" in sen_hub("breaker", "close", str(hub.folder)).stdout
