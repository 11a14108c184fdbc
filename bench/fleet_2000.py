"""Two thousand gateways on one hub, each with a batch every ten seconds: does anything grow?

The whole hub with a real Mosquitto and a real InfluxDB 1.x; the gateways are one program that sends for all of them,
evenly spread, one reading of twenty devices a batch, and sends again what is not committed within half a minute. Its
batches are made beforehand, stamped as they are to be sent, so that making them takes nothing from the hub. Watches
what the hub holds (messages, memory) and the time to the commit; at the end everything sent is committed and stored,
and nothing is unexplained. Run from the top: `python -m bench.fleet_2000 [--seconds 180]`.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import aiomqtt

from bench.gateway_load import cpu_s, free_port, rss_mb, running, sen, wait_for_hub
from bench.hub_ingest import HUB, register
from bench.wire_bytes import DEVICES, records
from hub.config import open_folder
from hub.registry.ledger import Accounts
from hub.registry.store import Registry
from tests.support.influxd import InfluxServer
from tests.support.mosquitto import mosquitto, start
from wire.codec import decode_commit, encode_batch, encode_status
from wire.identifiers import GatewayId, SiteId
from wire.messages import EpochStatus, Status
from wire.records import Batch
from wire.topics import Up, up_topic

EVERY_S = 10.0
AGAIN_S = 30.0
LOOK_S = 5.0
WITHIN_S = 120.0
EPOCH = 7


@dataclass
class Fleet:
    """What was sent and what was committed. Batch n of a gateway holds seqs 20 n + 1 to 20 n + 20."""

    names: list[GatewayId]
    example: Batch
    sent: int = 0
    waiting: dict[tuple[GatewayId, int], tuple[float, float]] = field(default_factory=dict)  # first sent, last sent
    took_s: list[float] = field(default_factory=list)
    again: int = 0

    def make(self, seconds: float) -> list[bytes]:
        """The batches to be sent in so many seconds, in order, stamped from now on."""
        now_ms = round(time.time() * 1000)
        pace_ms = 1000 * EVERY_S / len(self.names)
        return [
            self._payload(place, round(now_ms + place * pace_ms)) for place in range(round(seconds * 1000 / pace_ms))
        ]

    def _payload(self, place: int, at_ms: int) -> bytes:
        number, gateway = divmod(place, len(self.names))
        made = tuple(
            replace(record, seq=number * DEVICES + row + 1, time_ms=at_ms - 45 * (DEVICES - row))
            for row, record in enumerate(self.example.records)
        )
        return encode_batch(replace(self.example, gateway=self.names[gateway], records=made))

    async def send(self, client: aiomqtt.Client, payloads: Sequence[bytes]) -> None:
        """Send these, each gateway in its turn, at its own time, and again until all are committed."""
        begun_s = time.monotonic()
        pace_s = EVERY_S / len(self.names)
        held: dict[tuple[GatewayId, int], bytes] = {}
        while self.sent < len(payloads):
            now_s = time.monotonic()
            for payload in payloads[self.sent : int((now_s - begun_s) / pace_s)]:
                number, place = divmod(self.sent, len(self.names))
                key = (self.names[place], number)
                held[key] = payload
                self.waiting[key] = (now_s, now_s)
                self.sent += 1
                await client.publish(up_topic(key[0], Up.BATCH), payload, qos=1)
            held = {key: payload for key, payload in held.items() if key in self.waiting}
            await self._send_again(client, held)
            await asyncio.sleep(0.05)
        deadline_s = time.monotonic() + WITHIN_S
        while self.waiting and time.monotonic() < deadline_s:
            await self._send_again(client, held)
            await asyncio.sleep(0.5)

    async def _send_again(self, client: aiomqtt.Client, held: dict[tuple[GatewayId, int], bytes]) -> None:
        now_s = time.monotonic()
        late = [key for key, (_, last_s) in self.waiting.items() if now_s - last_s > AGAIN_S]
        for key in late:
            if key not in self.waiting:
                continue  # heard of meanwhile
            self.waiting[key] = (self.waiting[key][0], now_s)
            self.again += 1
            await client.publish(up_topic(key[0], Up.BATCH), held[key], qos=1)

    async def hear(self, client: aiomqtt.Client) -> None:
        """Take commits until cancelled."""
        async for message in client.messages:
            assert isinstance(message.payload, bytes)
            commit = decode_commit(message.payload)
            now_s = time.monotonic()
            for first, last in commit.final:
                for number in range((first - 1) // DEVICES, last // DEVICES):
                    if (sent := self.waiting.pop((commit.gateway, number), None)) is not None:
                        self.took_s.append(now_s - sent[0])


@dataclass(frozen=True, kw_only=True)
class Look:
    """One look at the hub."""

    at_s: float
    memory_mb: float
    cpu_s: float
    gateways_cpu_s: float
    waiting: int


async def run(fleet: Fleet, port: int, hub_pid: int, payloads: Sequence[bytes]) -> list[Look]:
    """Send, hear, and look at the hub every few seconds."""
    looks: list[Look] = []
    begun_s = time.monotonic()

    async def look() -> None:
        while True:
            now_s = time.monotonic() - begun_s
            looks.append(
                Look(
                    at_s=now_s,
                    memory_mb=rss_mb(hub_pid),
                    cpu_s=cpu_s(hub_pid),
                    gateways_cpu_s=cpu_s(os.getpid()),
                    waiting=len(fleet.waiting),
                )
            )
            await asyncio.sleep(LOOK_S)

    async with aiomqtt.Client("127.0.0.1", port) as client:
        await client.subscribe("sen/1/dn/+/commit", qos=1)
        async with asyncio.TaskGroup() as tasks:
            others = [tasks.create_task(fleet.hear(client)), tasks.create_task(look())]
            await tasks.create_task(fleet.send(client, payloads))
            for other in others:
                other.cancel()
    return looks


async def tell(fleet: Fleet, port: int, folder: Path) -> None:
    """Each gateway says what it accepted and that it holds nothing more; returns when the hub has heard all."""
    registry = await Registry.open(open_folder(folder).registry_url)
    async with aiomqtt.Client("127.0.0.1", port) as client:
        for place, gateway in enumerate(fleet.names):
            accepted = DEVICES * len(range(place, fleet.sent, len(fleet.names)))
            status = Status(
                gateway=gateway,
                online=True,
                site=SiteId("bench"),
                agent_version="bench",
                boot_ms=1,
                accepted_total=accepted,
                final_total=accepted,
                in_flight=0,
                epochs=(EpochStatus(epoch=EPOCH, accepted_hi=accepted),),
            )
            await client.publish(up_topic(gateway, Up.STATUS), encode_status(status), qos=1)
    deadline_s = time.monotonic() + WITHIN_S
    while time.monotonic() < deadline_s:
        if all(one.in_flight is not None for one in await registry.fleet.gateways()):
            break
        await asyncio.sleep(1)
    await registry.close()


async def accounts(folder: Path) -> list[Accounts]:
    """Where all records are, by the hub's account."""
    registry = await Registry.open(open_folder(folder).registry_url)
    found = await registry.ledger.all_accounts()
    await registry.close()
    return found


def printed(fleet: Fleet, looks: list[Look], found: list[Accounts], stored: int) -> bool:
    """Print what was seen; whether all is well."""
    thirds = [looks[len(looks) * part // 3 : len(looks) * (part + 1) // 3] for part in range(3)]
    print(f"  {'':<28}{'first third':>14}{'second':>14}{'last':>14}")
    for name, of in (("hub's memory, MB", "memory_mb"), ("batches not yet committed", "waiting")):
        means = [sum(getattr(one, of) for one in third) / len(third) for third in thirds]
        print(f"  {name:<28}" + "".join(f"{mean:>14.0f}" for mean in means))
    lasted_s = looks[-1].at_s - looks[0].at_s
    took_s = sorted(fleet.took_s)
    for name, of in (("hub's processor", "cpu_s"), ("gateways' processor", "gateways_cpu_s")):
        share = (getattr(looks[-1], of) - getattr(looks[0], of)) / lasted_s
        print(f"  {name:<28}{100 * share:>14.0f} % of a core")
    half, most = took_s[len(took_s) // 2], took_s[len(took_s) * 99 // 100]
    print(f"  sent to committed            p50 {half:.2f} s, p99 {most:.2f} s")
    records_sent = fleet.sent * DEVICES
    unexplained = sum(one.unexplained for one in found)
    booked = sum(one.stored for one in found)
    print(f"  sent {records_sent}, committed {len(took_s) * DEVICES}, in the ledger {booked}, in the database {stored}")
    print(f"  sent again {fleet.again}, unexplained {unexplained}")
    return records_sent == len(took_s) * DEVICES == booked == stored and not unexplained


def measured(fleet: Fleet, place: Path, seconds: float) -> bool:
    """Run all of it and print; whether all is well."""
    folder = place / "hub"
    (place / "influx").mkdir()
    http_port, mqtt_port = free_port(), free_port()
    server = InfluxServer(program="influxd", folder=place / "influx")
    sen("hub", "init", str(folder))
    (folder / "hub.yaml").write_text(HUB.format(http=http_port, mqtt=mqtt_port, influx=server.url))
    asyncio.run(register(folder, fleet.names))
    payloads = fleet.make(seconds)
    broker = mosquitto("mosquitto", folder / "mosquitto", mqtt_port, more="max_inflight_messages 0")
    start(broker)
    try:
        with running([sys.executable, "-m", "hub", "serve", str(folder)], folder / "hub.log") as hub:
            wait_for_hub(http_port, hub, folder / "hub.log")
            looks = asyncio.run(run(fleet, mqtt_port, hub.pid, payloads))
            asyncio.run(tell(fleet, mqtt_port, folder))
        found = asyncio.run(accounts(folder))
        rows = server.query("SELECT count(quality) FROM air_quality", database="sen")
        stored = rows["results"][0]["series"][0]["values"][0][1]  # type: ignore[index]
    finally:
        broker.stop()
        server.stop()
    print(f"{len(fleet.names)} gateways, a batch of {DEVICES} records every {EVERY_S:.0f} s, for {seconds:.0f} s\n")
    return printed(fleet, looks, found, stored)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gateways", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=180)
    given = parser.parse_args()
    names = [GatewayId(f"gw-{number:04}") for number in range(given.gateways)]
    example = Batch(gateway=names[0], epoch=EPOCH, records=tuple(records(seconds=1, jitter_ms=1.5)))
    with tempfile.TemporaryDirectory(prefix="sen-fleet-") as place:
        sys.exit(not measured(Fleet(names, example), Path(place), given.seconds))


if __name__ == "__main__":
    main()
