"""Texts that would be code in a language the hub speaks, as every text a gateway can send: none of it is ever code."""

import asyncio
import csv
import io
import json
import logging
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, cast

import pytest

from hub.ingest.worker import IngestWorker
from hub.series.influx import InfluxApi, InfluxSeriesStore, InfluxSettings
from tests.support.influxd import InfluxServer
from tests.support.shown_hub import SetClock, ShownHub, shown_hub
from wire import cbor
from wire.codec import encode_batch, encode_inventory, encode_status
from wire.envelope import MessageKind, unwrap, wrap
from wire.identifiers import DeviceId, GatewayId, SiteId
from wire.messages import BusStatus, DeviceInventory, DeviceStatus, GroupInventory, Inventory, Status
from wire.records import Batch, Mode, PointLayout, Quality, Record, Stream, Value
from wire.topics import Up, up_topic

NOW_MS = 1_795_000_000_000
GATEWAY = GatewayId("gw-1")
EPOCH = 7

CORPUS = {
    "line protocol": "x,site=a v=666 1\nforged,gateway=gw-9 v=666 1",
    "line protocol, escaped": "x\\ v=666\\\nforged v=666",
    "sql": "x'; DROP TABLE gateway; --",
    "sql, double": 'x"; DELETE FROM ledger; --',
    "influxql": "x'; DROP DATABASE sen; SELECT * FROM forged WHERE a='",
    "influxql, name": 'x" ; DROP MEASUREMENT "power',
    "html": "<script>forged()</script><img src=x onerror=forged()>",
    "html, attribute": "\" onmouseover='forged()' x=\"",
    "template": "{{ forged }}{% forged %}",
    "csv formula": '=HYPERLINK("http://forged")',
    "csv formula, at": "@SUM(1)*cmd|' /C forged'!A0",
    "log line": "x\n2026-11-28 00:00:00,000 ERROR hub: forged",
    "log line, return": "x\r\n\x1b[2Jforged",
    "topic": "x/../../dn/gw-9/commit",
    "topic, wildcard": "sen/1/up/+/#",
}  # fmt: skip

# Each stands where a gateway's own text stands; none is a word of the wire.
SITE, DEVICE, GROUP, KIND, KEY, UNIT = "place-0", "device-0", "group_0", "kind_0", "voltage_k0", "unit-0"
QUANTITY, PROFILE, BUS, AGENT, ERROR, NUMBER = "quantity_0", "profile-0", "bus-0", "agent-0", "error_0", "number_0"

BATCH_PLACES = (SITE, DEVICE, GROUP, KIND, KEY, UNIT, QUANTITY)
INVENTORY_PLACES = (SITE, DEVICE, GROUP, KIND, KEY, UNIT, QUANTITY, PROFILE, BUS)
STATUS_PLACES = (SITE, DEVICE, AGENT, BUS, ERROR, NUMBER)
# Here a gateway may say what it likes: it is kept, and shown to people.
FREE = {(Up.INVENTORY, UNIT), (Up.INVENTORY, PROFILE), (Up.INVENTORY, BUS), (Up.STATUS, AGENT), (Up.STATUS, BUS)}


def swapped(item: object, old: str, new: str) -> object:
    if isinstance(item, list):
        return [swapped(one, old, new) for one in item]
    return new if item == old else item


def forged(kind: MessageKind, payload: bytes, place: str, text: str) -> bytes:
    """The payload with another text in its place, its checksum right."""
    item = cbor.load(unwrap(kind, payload))
    changed = swapped(item, place, text)
    assert changed != item, f"{place} is in no {kind.name}"
    return wrap(kind, cbor.dump(cast("cbor.Item", changed)))


def batch(seq: int, *, unit: str = "V", quantity: str = "voltage") -> bytes:
    points = (PointLayout(key=KEY, quantity=quantity, unit=unit),)
    stream = Stream(
        site=SiteId(SITE), device=DeviceId(DEVICE), group=GROUP, measurement=KIND, mode=Mode.LIVE, points=points
    )
    record = Record(seq=seq, stream=stream, time_ms=NOW_MS - 1000 + seq, values=(Value(230.0),))
    return encode_batch(Batch(gateway=GATEWAY, epoch=EPOCH, records=(record,)))


def inventory() -> bytes:
    group = GroupInventory(
        group=GROUP, measurement=KIND, every_s=10, points=(PointLayout(key=KEY, quantity=QUANTITY, unit=UNIT),)
    )
    device = DeviceInventory(device=DeviceId(DEVICE), profile=PROFILE, revision=1, bus=BUS, groups=(group,))
    return encode_inventory(Inventory(gateway=GATEWAY, site=SiteId(SITE), devices=(device,)))


def status() -> bytes:
    device = DeviceStatus(device=DeviceId(DEVICE), quality=Quality.GOOD, last_good_ms=None, errors={ERROR: 1})
    return encode_status(Status(
        gateway=GATEWAY, online=True, site=SiteId(SITE), agent_version=AGENT, boot_ms=NOW_MS, devices=(device,),
        buses=(BusStatus(bus=BUS, numbers={NUMBER: 1.0}),),
    ))  # fmt: skip


def messages(text: str, first_seq: int) -> Iterator[tuple[Up, str, bytes]]:
    """The text in every place of every message."""
    for seq, place in enumerate(BATCH_PLACES, start=first_seq):
        plain = batch(seq, unit=UNIT if place == UNIT else "V", quantity=QUANTITY if place == QUANTITY else "voltage")
        yield Up.BATCH, place, forged(MessageKind.BATCH, plain, place, text)
    for place in INVENTORY_PLACES:
        yield Up.INVENTORY, place, forged(MessageKind.INVENTORY, inventory(), place, text)
    for place in STATUS_PLACES:
        yield Up.STATUS, place, forged(MessageKind.STATUS, status(), place, text)


class Tags(HTMLParser):
    """What a browser would take for elements and attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [tag, *(name for name, _ in attrs)]
        self.found += [value or "" for name, value in attrs if name.startswith("on") or name in {"href", "src"}]

    def handle_data(self, data: str) -> None:
        if self.lasttag == "script":
            self.found.append(data)


@pytest.fixture
def database(tmp_path: Path, real_program: Callable[[str], str]) -> Iterator[InfluxServer]:
    (tmp_path / "influx").mkdir()
    server = InfluxServer(program=real_program("influxd"), folder=tmp_path / "influx")
    yield server
    server.kill()


async def taken_in(hub: ShownHub, series: InfluxSeriesStore) -> int:
    """Let the worker have all of it, each as it would come; returns how many messages there were."""

    async def say(_topic: str, _payload: bytes) -> None:
        return None

    worker = IngestWorker(registry=hub.registry, series=series, publish=say, clock=hub.clock)
    count = 0
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(worker.run())
        worker.offer(up_topic(GATEWAY, Up.BATCH), batch(1))
        for number, text in enumerate(CORPUS.values()):
            worker.offer(text, batch(2))  # as a topic
            worker.offer(f"sen/1/up/{text}/batch", batch(2))
            for leaf, place, payload in messages(text, first_seq=10 * (number + 1)):
                worker.offer(up_topic(GATEWAY, leaf), payload)
                await worker.drain()
                count += 1
                if (leaf, place) in FREE:
                    await _page_is_ours(hub)
        task.cancel()
    return count


@pytest.mark.real
async def test_no_text_of_a_gateway_is_ever_code(
    tmp_path: Path, database: InfluxServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    series = InfluxSeriesStore(InfluxSettings(url=database.url, api=InfluxApi.V1, bucket="sen"))
    async with shown_hub(tmp_path, SetClock(NOW_MS), series) as hub:
        await hub.add_gateway()
        assert await taken_in(hub, series) == len(CORPUS) * (
            len(BATCH_PLACES) + len(INVENTORY_PLACES) + len(STATUS_PLACES)
        )
        # Stored: what was sent well, and nothing else; the registry is whole.
        assert "forged" not in json.dumps(database.query("SHOW SERIES"))
        assert "forged" not in json.dumps(database.query("SHOW FIELD KEYS"))
        told: Any = database.query("SHOW MEASUREMENTS")
        assert told["results"][0]["series"][0]["values"] == [[KIND]]
        assert await series.count_points(GATEWAY) == 1
        assert [one.gateway for one in await hub.registry.fleet.gateways()] == [GATEWAY]
        assert (await hub.registry.ledger.accounts(GATEWAY)).stored == 1
        await _shown_well(hub)
    # Logged: every line is one of ours.
    assert not [line for line in map(logging.LogRecord.getMessage, caplog.records) if set(line) & set("\n\r\x1b")]


async def _page_is_ours(hub: ShownHub) -> None:
    async with hub.client() as client:
        answer = await client.get("/")
        assert answer.status_code == 200
        tags = Tags()
        tags.feed(answer.text)
        assert not [found for found in tags.found if "forged" in found]
        (newest,) = (await client.get("/api/v1/latest")).json()
        assert newest["series"]["unit"].isprintable(), "commands print it"


async def _shown_well(hub: ShownHub) -> None:
    letters = await hub.shown.letters(None, limit=1000)
    assert len(letters) >= len(CORPUS), "what was refused is kept to be looked at"
    for letter in letters:
        found = await hub.shown.letter(letter.letter_id)
        told = [letter.detail, found.topic, found.unreadable or ""]
        told += [value for record in found.records for value in record.values.values()]
        assert all(map(str.isprintable, told)), told
    async with hub.client() as client:
        for text in CORPUS.values():
            for key in ("gateway", "site", "device", "measurement", "field"):
                for path in ("/series", "/latest", "/series/export"):
                    answer = await client.get(f"/api/v1{path}", params={key: text})
                    assert answer.status_code in {200, 400, 404, 422}, (path, key, text)
                    _no_formula(answer.headers["content-type"], answer.text)
        exported = await client.get("/api/v1/series/export", params={"device": DEVICE})
        _no_formula(exported.headers["content-type"], exported.text)
        assert len(exported.text.splitlines()) == 2


def _no_formula(kind: str, text: str) -> None:
    if kind.startswith("text/csv"):
        assert not [cell for row in csv.reader(io.StringIO(text)) for cell in row if cell[:1] in set("=+-@\t\r\n")]
    else:
        assert kind.startswith("application/json"), "a browser would make nothing else of it"
