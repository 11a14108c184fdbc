"""What the hub brings into InfluxDB, against what that InfluxDB takes from a plain loader of the same lines.

Sixty gateways of twenty devices with five channels hand the hub full batches, as after an outage, as fast as it
commits them (`--flush 10` for live ones of ten seconds): payloads, a real Mosquitto, the whole hub with its ledger and
commits, a real InfluxDB 1.x. Before and after, a loader posts the same points as ready-made lines (gzip level 1; the
best of three sizes and one or two connections). Points are stamped ahead, so that no level is put together meanwhile.
Prints lines a second, and where the processor time went: with everything on one machine, what the hub, the broker and
the gateways take is missing to the database; with `--apart` it has one core, and all the rest the other.

Run from the top: `python -m bench.hub_ingest`.
"""

import argparse
import asyncio
import gzip
import http.client
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import aiomqtt

from bench.gateway_load import cpu_s, free_port, rss_mb, running, sen, wait_for_hub
from bench.wire_bytes import CHANNELS, batches, records
from hub.config import open_folder
from hub.ingest.columns import columns_together
from hub.ingest.points import sheet_of
from hub.registry.store import Registry
from hub.series.line_protocol import lines_of
from tests.support.influxd import InfluxServer
from tests.support.mosquitto import mosquitto, start
from wire.codec import decode_commit, decode_packed_batch, encode_batch
from wire.identifiers import GatewayId
from wire.records import Batch
from wire.topics import Up, up_topic

TARGET = 0.9
IN_FLIGHT = 4  # batches of one gateway that are not committed
SIZES = (2000, 5000, 10_000)
HUB = """\
http: {{host: 127.0.0.1, port: {http}}}
broker: {{kind: url, url: "mqtt://127.0.0.1:{mqtt}"}}
series: {{kind: influxdb1, url: "{influx}", bucket: sen}}
"""


@dataclass(frozen=True, kw_only=True)
class Load:
    """What is brought in: the payloads of each gateway in order, and the same as lines."""

    payloads: dict[GatewayId, list[bytes]]
    lines: list[bytes]
    of_batch: int  # records

    @property
    def messages(self) -> int:
        """How many payloads."""
        return sum(map(len, self.payloads.values()))


@dataclass(frozen=True, kw_only=True)
class Took:
    """What it took: wall time, and processor seconds by process."""

    lines: int
    seconds: float
    cpu_s: dict[str, float]

    @property
    def rate(self) -> float:
        """Lines a second."""
        return self.lines / self.seconds

    @property
    def cpu_us(self) -> float:
        """Processor microseconds a line, of all processes."""
        return 1e6 * sum(self.cpu_s.values()) / self.lines


def made(gateways: int, seconds: int, flush_s: int) -> Load:
    """The load, stamped from now on."""
    ahead_ms = round(time.time() * 1000)
    once = list(batches(records(seconds=seconds, jitter_ms=1.5), flush_s=flush_s))
    first_ms = once[0].records[0].time_ms
    payloads: dict[GatewayId, list[bytes]] = {}
    for number in range(gateways):
        gateway = GatewayId(f"gw-{number:03}")
        payloads[gateway] = [encode_batch(_moved(batch, gateway, ahead_ms - first_ms)) for batch in once]
    lines: list[bytes] = []
    for together in zip(*payloads.values(), strict=True):
        for batch in columns_together([decode_packed_batch(payload) for payload in together]):
            sheets = [sheet_of(batch.gateway, batch.epoch, table) for table in batch.tables]
            lines += [line for some in lines_of(sheets, {}, most=10_000) for line in some.text.splitlines()]
    return Load(payloads=payloads, lines=lines, of_batch=len(once[0].records))


def _moved(batch: Batch, gateway: GatewayId, by_ms: int) -> Batch:
    moved = tuple(replace(record, time_ms=record.time_ms + by_ms) for record in batch.records)
    return replace(batch, gateway=gateway, records=moved)


@contextmanager
def taken(lines: int, into: list[Took], **processes: int) -> Iterator[None]:
    """Notes what the block takes, of this process (`gateways` or `loader`) and others."""
    before = {name: cpu_s(pid) for name, pid in processes.items()}
    begun_s = time.monotonic()
    yield
    seconds = time.monotonic() - begun_s
    into.append(
        Took(lines=lines, seconds=seconds, cpu_s={name: cpu_s(pid) - before[name] for name, pid in processes.items()})
    )


def load_plainly(server: InfluxServer, lines: Sequence[bytes], *, size: int, connections: int, is_zipped: bool) -> Took:
    """What a loader takes."""
    database = f"plain-{size}-{connections}-{is_zipped}"
    server.query(f'CREATE DATABASE "{database}"')
    bodies = [b"\n".join(lines[at : at + size]) for at in range(0, len(lines), size)]
    took: list[Took] = []

    def post() -> None:
        link = http.client.HTTPConnection(urlsplit(server.url).netloc)
        while bodies:
            body = bodies.pop(0)
            if is_zipped:
                body = gzip.compress(body, 1, mtime=0)
            link.request(
                "POST", f"/write?db={database}&precision=ns", body, {"Content-Encoding": "gzip"} if is_zipped else {}
            )
            answer = link.getresponse()
            assert answer.status == http.client.NO_CONTENT, answer.read()
            answer.read()
        link.close()

    threads = [threading.Thread(target=post) for _ in range(connections)]
    with taken(len(lines), took, database=server.pid, loader=os.getpid()):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    server.query(f'DROP DATABASE "{database}"')
    return took[0]


def pin(pid: int, core: int) -> None:
    """Give a process, with all its threads, one core."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), {core})


def best_plainly(server: InfluxServer, lines: Sequence[bytes]) -> dict[str, Took]:
    """The best over one connection and over two, by how it was done."""
    some = lines[: len(lines) // 2]
    best: dict[str, Took] = {}
    for links in (1, 2):
        ways = [
            (load_plainly(server, some, size=size, connections=links, is_zipped=is_zipped), size, is_zipped)
            for size in SIZES
            for is_zipped in (False, True)
        ]
        took, size, is_zipped = max(ways, key=lambda way: way[0].rate)
        best[f"{links} connection{'s' * (links > 1)}, {size} lines{', gzip' * is_zipped}"] = took
    return best


async def deliver(load: Load, port: int) -> None:
    """Be the gateways: each sends while few of its batches are not committed, until all are."""
    waiting = {gateway: list(reversed(payloads)) for gateway, payloads in load.payloads.items()}
    finals: dict[GatewayId, int] = dict.fromkeys(waiting, 0)
    sent: dict[GatewayId, int] = dict.fromkeys(waiting, 0)
    async with aiomqtt.Client("127.0.0.1", port) as client:
        await client.subscribe("sen/1/dn/+/commit", qos=1)
        client.pending_calls_threshold = IN_FLIGHT * len(waiting)

        async def send(gateway: GatewayId) -> None:
            while waiting[gateway] and sent[gateway] - finals[gateway] // load.of_batch < IN_FLIGHT:
                sent[gateway] += 1
                await client.publish(up_topic(gateway, Up.BATCH), waiting[gateway].pop(), qos=1)

        async with asyncio.TaskGroup() as tasks:
            for gateway in waiting:
                tasks.create_task(send(gateway))
            left = len(waiting)
            async for message in client.messages:
                assert isinstance(message.payload, bytes)
                commit = decode_commit(message.payload)
                if not commit.final:
                    continue  # a greeting
                finals[commit.gateway] = max(finals[commit.gateway], commit.final[-1][1])
                if finals[commit.gateway] == load.of_batch * len(load.payloads[commit.gateway]):
                    left -= 1
                    if not left:
                        return
                tasks.create_task(send(commit.gateway))


async def register(folder: Path, gateways: Sequence[GatewayId]) -> None:
    """Make the gateways known to the hub."""
    registry = await Registry.open(open_folder(folder).registry_url)
    for gateway in gateways:
        await registry.fleet.register(gateway, site=None, now_ms=1)
    await registry.close()


def through_the_hub(server: InfluxServer, load: Load, folder: Path) -> tuple[Took, float]:
    """What the hub takes, and its resident memory afterwards."""
    http_port, mqtt_port = free_port(), free_port()
    sen("hub", "init", str(folder))
    (folder / "hub.yaml").write_text(HUB.format(http=http_port, mqtt=mqtt_port, influx=server.url))
    asyncio.run(register(folder, list(load.payloads)))
    broker = mosquitto("mosquitto", folder / "mosquitto", mqtt_port, more="max_inflight_messages 0")
    start(broker)
    took: list[Took] = []
    try:
        with running([sys.executable, "-m", "hub", "serve", str(folder)], folder / "hub.log") as hub:
            wait_for_hub(http_port, hub, folder / "hub.log")
            assert broker.process is not None
            with taken(
                len(load.lines), took, database=server.pid, hub=hub.pid, broker=broker.process.pid, gateways=os.getpid()
            ):
                asyncio.run(deliver(load, mqtt_port))
            memory_mb = rss_mb(hub.pid)
    finally:
        broker.stop()
    found = server.query("SELECT count(quality) FROM air_quality GROUP BY gateway", database="sen")
    stored = [series["values"][0][1] for series in found["results"][0]["series"]]  # type: ignore[index]
    assert stored == [len(load.lines) // len(load.payloads)] * len(load.payloads), f"stored: {stored}"
    return took[0], memory_mb


def shown(name: str, took: Took) -> str:
    """One row."""
    split = ", ".join(f"{who} {1e6 * spent / took.lines:.1f}" for who, spent in took.cpu_s.items())
    return f"  {name:<44}{took.rate:>10,.0f}{took.rate * len(CHANNELS):>12,.0f}    {took.cpu_us:>5.1f} us ({split})"


def printed(before: dict[str, Took], hub: Took, after: dict[str, Took], memory_mb: float) -> None:
    """Print what each took."""
    print(f"  {'':<44}{'lines/s':>10}{'values/s':>12}    processor a line")
    for how, took in before.items():
        print(shown(f"loader before ({how})", took))
    print(shown("the hub", hub))
    for how, took in after.items():
        print(shown(f"loader after ({how})", took))
    print()
    for links in ("1 connection", "2 connections"):
        loaders = [took for found in (before, after) for how, took in found.items() if how.startswith(f"{links},")]
        ratio = hub.rate / max(took.rate for took in loaders)
        cpu_ratio = min(took.cpu_us for took in loaders) / hub.cpu_us
        print(f"Of what the loader brings in over {links}: {ratio:.0%} by the clock, {cpu_ratio:.0%} by processor time")
    print(f"of all processes a line (target {TARGET:.0%}). The hub's memory: {memory_mb:.0f} MB.")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gateways", type=int, default=60)
    parser.add_argument("--seconds", type=int, default=200, help="of data from each gateway")
    parser.add_argument("--apart", action="store_true", help="the database has a core of its own")
    parser.add_argument("--flush", type=int, default=50, help="seconds of data in a batch")
    given = parser.parse_args()
    load = made(given.gateways, given.seconds, given.flush)
    print(f"{load.messages} batches, {len(load.lines):,} lines of {len(CHANNELS)} values\n")
    with tempfile.TemporaryDirectory(prefix="sen-ingest-") as place:
        (Path(place) / "influx").mkdir()
        server = InfluxServer(program="influxd", folder=Path(place) / "influx")
        if given.apart:
            pin(server.pid, 0)
            pin(os.getpid(), 1)  # and what it starts from now on
        try:
            before = best_plainly(server, load.lines)
            hub, memory_mb = through_the_hub(server, load, Path(place) / "hub")
            after = best_plainly(server, load.lines)
        finally:
            server.stop()
    printed(before, hub, after, memory_mb)


if __name__ == "__main__":
    main()
