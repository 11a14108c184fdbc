"""Two hubs on one broker, registry and database: one dies with messages in its hands, and nothing is missing."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from hub.clock import SystemClock
from hub.registry.model import Site
from hub.registry.store import Registry
from tests.support.hub_process import HubProcess, make_hub
from tests.support.influxd import InfluxServer
from tests.support.mosquitto import mosquitto, start
from tests.support.postgres import PostgresServer
from tests.support.processes import Program, wait_until
from tests.support.speaking_gateway import stream
from wire.codec import decode_commit, encode_batch, encode_status
from wire.identifiers import GatewayId, SiteId
from wire.messages import EpochStatus, Status
from wire.ranges import RangeSet
from wire.records import Batch, Record, Value
from wire.topics import Down, Up, down_topic, up_topic

pytestmark = pytest.mark.real

CLOCK = SystemClock()
LEASE_S = 4
GATEWAYS = [GatewayId(f"gw-{number}") for number in range(1, 5)]
BATCHES, RECORDS = 12, 25
ALL = 2 * BATCHES * RECORDS
HOUR_MS = 3_600_000
POWER = stream("hall", "meter-1", "power", "voltage")


@dataclass
class Repeating:
    """A gateway that sends each batch again until all of it is committed. Its readings are of the last hours."""

    name: GatewayId
    port: int
    epoch: int = field(default_factory=lambda: random.getrandbits(64))
    made: int = 0
    final: RangeSet = field(default_factory=RangeSet)
    waiting: dict[int, bytes] = field(default_factory=dict)
    base_ms: int = CLOCK.now_ms() // HOUR_MS * HOUR_MS - 2 * HOUR_MS
    client: aiomqtt.Client | None = None

    async def make(self, batches: int) -> None:
        """So many batches more, sent once."""
        for _ in range(batches):
            first = self.made + 1
            self.made += RECORDS
            records = tuple(self._record(seq) for seq in range(first, self.made + 1))
            self.waiting[first] = encode_batch(Batch(gateway=self.name, epoch=self.epoch, records=records))
            await self._say(Up.BATCH, self.waiting[first])

    async def again(self) -> None:
        """What is not committed, and how it stands."""
        for payload in list(self.waiting.values()):
            await self._say(Up.BATCH, payload)
        status = Status(
            gateway=self.name, online=True, site=SiteId("hall"), agent_version="1", boot_ms=1,
            accepted_total=self.made, final_total=self.final_count, in_flight=self.made - self.final_count,
            epochs=(EpochStatus(epoch=self.epoch, accepted_hi=self.made),),
        )  # fmt: skip
        await self._say(Up.STATUS, encode_status(status))

    @property
    def final_count(self) -> int:
        """How many are committed."""
        return len(self.final)

    async def hear(self) -> None:
        """Commits, until cancelled."""
        assert self.client is not None
        async for message in self.client.messages:
            assert isinstance(message.payload, bytes)
            commit = decode_commit(message.payload)
            assert not commit.refused
            self.final |= RangeSet.of(commit.final)
            for first in [first for first in self.waiting if first in self.final]:
                if len(RangeSet(((first, first + RECORDS - 1),)) & self.final) == RECORDS:
                    del self.waiting[first]

    async def _say(self, leaf: Up, payload: bytes) -> None:
        assert self.client is not None
        await self.client.publish(up_topic(self.name, leaf), payload, qos=1, retain=leaf is Up.STATUS)

    def _record(self, seq: int) -> Record:
        # Neighbours lie in different windows: every batch touches what the batches before it have touched.
        time_ms = self.base_ms + seq * 7_919_000 % (2 * HOUR_MS - 600_000) + seq % 1000
        return Record(seq=seq, stream=POWER, time_ms=time_ms, values=(Value(float(seq)),))


@asynccontextmanager
async def speaking(port: int) -> AsyncIterator[list[Repeating]]:
    async with AsyncExitStack() as stack:
        gateways = [Repeating(name, port) for name in GATEWAYS]
        for gateway in gateways:
            gateway.client = await stack.enter_async_context(aiomqtt.Client("127.0.0.1", port, timeout=20))
            await gateway.client.subscribe(down_topic(gateway.name, Down.COMMIT), qos=1)
        hearing = [asyncio.get_running_loop().create_task(gateway.hear()) for gateway in gateways]
        yield gateways
        for task in hearing:
            task.cancel()
        await asyncio.gather(*hearing, return_exceptions=True)


@dataclass
class Centre:
    """What the hubs share, and the hubs."""

    broker_port: int
    database: InfluxServer
    registry_url: str
    hubs: list[HubProcess]


@pytest.fixture
def centre(
    tmp_path: Path,
    free_port: Callable[[], int],
    real_program: Callable[[str], str],
    postgres_server: PostgresServer,
) -> Iterator[Centre]:
    port = free_port()
    broker = mosquitto(real_program("mosquitto"), tmp_path / "broker", port)
    start(broker)
    (tmp_path / "influx").mkdir()
    database = InfluxServer(program=real_program("influxd"), folder=tmp_path / "influx")
    url = postgres_server.new_database()
    more = {
        "series": f"{{kind: influxdb1, url: '{database.url}', bucket: sen}}",
        "broker": f"{{kind: url, url: 'mqtt://127.0.0.1:{port}'}}",
        "registry": f"{{url: '{url}'}}",
        "workers": f"{{shared: true, lease_s: {LEASE_S}}}",
    }
    hubs = [
        make_hub(tmp_path / name, http_port=free_port(), mqtt_port=free_port(), broker="url", more=more)
        for name in ("first", "second")
    ]
    yield Centre(port, database, url, hubs)
    for program in (*(hub.program for hub in hubs), broker):
        _end(program)
    database.kill()


def _end(program: Program) -> None:
    if program.runs:
        program.kill()


def leads(hub: HubProcess) -> bool:
    return bool(hub.get("/health").json()["leads"])


def share(hub: HubProcess) -> int:
    return int(hub.get("/health").json()["ingest"]["records_stored"])


async def until(what: str, holds: Callable[[], object], *, within_s: float) -> None:
    await asyncio.to_thread(wait_until, what, holds, within_s=within_s)


async def committed(gateways: list[Repeating], *, within_s: float) -> None:
    """Repeat until everything is."""
    async with asyncio.timeout(within_s):
        while any(gateway.waiting for gateway in gateways):
            for gateway in gateways:
                await gateway.again()
            await CLOCK.sleep(0.5)


def numbers(database: InfluxServer, question: str, *, level: str = "sen") -> dict[str, dict[int, float]]:
    """Voltages by gateway and time."""
    answer: Any = database.query(question, database=level)
    return {
        series["tags"]["gateway"]: {int(row[0]): row[1] for row in series["values"] if row[1] is not None}
        for series in answer["results"][0].get("series", [])
    }


async def register(url: str) -> None:
    registry = await Registry.open(url)
    await registry.fleet.save_site(Site(site=SiteId("hall"), name="Hall"))
    for gateway in GATEWAYS:
        await registry.fleet.register(gateway, site=SiteId("hall"), now_ms=1)
    await registry.close()


async def test_a_hub_that_dies_with_messages_in_its_hands_costs_nothing_and_another_leads_within_the_lease(
    centre: Centre, say: Callable[[str], None]
) -> None:
    first, second = centre.hubs
    await register(centre.registry_url)
    first.start(within_s=60)
    await until("the first leads", lambda: leads(first), within_s=20)
    second.start(within_s=60)
    assert not leads(second)
    async with speaking(centre.broker_port) as gateways:
        for gateway in gateways:
            await gateway.make(BATCHES)
        await committed(gateways, within_s=60)
        shares = [share(hub) for hub in centre.hubs]
        assert min(shares) > 0, "both have their share"
        took_s = await killed_in_the_middle(first, second, gateways)
        await committed(gateways, within_s=60)
        for gateway in gateways:
            await gateway.again()  # the status
        await until("the accounts are whole", lambda: _are_whole(second), within_s=20)
    stored = numbers(centre.database, "SELECT voltage FROM power GROUP BY gateway")
    expected = [float(seq) for seq in range(1, ALL + 1)]
    assert {name: sorted(values.values()) for name, values in stored.items()} == dict.fromkeys(GATEWAYS, expected)
    assert second.program.stop() == 0  # it gives the lease back, and whoever comes puts together what is left at once
    first.start(within_s=60)
    await until("the levels are right", lambda: _levels_are_right(centre.database), within_s=40)
    say(f"shares {shares}, the second led {took_s:.1f} s after the first was killed (lease {LEASE_S} s)")


async def killed_in_the_middle(first: HubProcess, second: HubProcess, gateways: list[Repeating]) -> float:
    """The first dies with messages in its hands; returns after how many seconds the second led."""
    first.program.freeze()  # from now on what it is given stays in its hands
    for gateway in gateways:
        await gateway.make(BATCHES)
    await CLOCK.sleep(1.0)
    assert any(gateway.waiting for gateway in gateways), "some of it is in the hands of the first"
    first.program.kill()
    killed_s = CLOCK.monotonic_s()
    await until("the second leads", lambda: leads(second), within_s=LEASE_S + 10)
    return CLOCK.monotonic_s() - killed_s


def _are_whole(hub: HubProcess) -> bool:
    wanted = {"accepted": ALL, "stored": ALL, "unexplained": 0, "in_flight": 0}
    told = [one["accounts"] for one in hub.get("/gateways").json()["gateways"]]
    return len(told) == len(GATEWAYS) and all(wanted.items() <= one.items() for one in told)


def _levels_are_right(database: InfluxServer) -> bool:
    means = "SELECT mean(voltage) FROM power WHERE time < now() GROUP BY time(5m), gateway fill(none)"
    right = numbers(database, means)
    found = numbers(database, "SELECT voltage FROM power GROUP BY gateway", level="sen_5m")
    assert right.keys() == set(GATEWAYS)
    return found.keys() == right.keys() and all(found[name] == pytest.approx(right[name]) for name in right)
