"""A gateway as the hub hears it: status, inventory and batches over real MQTT, and the commits that come back."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import aiomqtt

from hub.clock import SystemClock
from wire.codec import decode_commit, encode_batch, encode_inventory, encode_status
from wire.identifiers import DeviceId, GatewayId, SiteId
from wire.messages import (
    Commit,
    DeviceInventory,
    DeviceStatus,
    EpochStatus,
    GroupInventory,
    Inventory,
    Status,
)
from wire.quantities import quantity
from wire.records import Batch, Mode, PointLayout, Quality, Record, Stream, Value
from wire.topics import Down, Up, down_topic, up_topic


def layout(*keys: str) -> tuple[PointLayout, ...]:
    """Points named by their quantities, or by ``quantity/key``."""
    pairs = [(name.partition("/")[0], name.partition("/")[2] or name) for name in keys]
    return tuple(PointLayout(key=key, quantity=name, unit=quantity(name).unit) for name, key in pairs)


def stream(site: str, device: str, measurement: str, *keys: str, mode: Mode = Mode.LIVE) -> Stream:
    """A stream with one group named as its measurement."""
    return Stream(
        site=SiteId(site),
        device=DeviceId(device),
        group=measurement,
        measurement=measurement,
        mode=mode,
        points=layout(*keys),
    )


class SpeakingGateway:
    """Speaks for one gateway; records get their seq here."""

    def __init__(self, client: aiomqtt.Client, name: str, site: str, streams: Sequence[Stream], every_s: float) -> None:
        self._client = client
        self._name = GatewayId(name)
        self._site = SiteId(site)
        self._streams = streams
        self._every_s = every_s
        self._clock = SystemClock()
        self._epoch = random.getrandbits(64)
        self._seq = 0
        self._final = 0

    async def announce(self) -> None:
        """Say what it reads, and how it is."""
        inventory = Inventory(
            gateway=self._name, site=self._site, devices=tuple(self._device(item) for item in self._streams)
        )
        await self._client.publish(up_topic(self._name, Up.INVENTORY), encode_inventory(inventory), qos=1, retain=True)
        await self.tell_status()

    async def tell_status(self) -> None:
        """Say how it is."""
        now_ms = self._clock.now_ms()
        status = Status(
            gateway=self._name,
            online=True,
            site=self._site,
            agent_version="0.1.0",
            boot_ms=now_ms - 3_600_000,
            accepted_total=self._seq,
            final_total=self._final,
            in_flight=self._seq - self._final,
            oldest_uncommitted_ms=None if self._seq == self._final else now_ms - 4000,
            epochs=(EpochStatus(epoch=self._epoch, accepted_hi=self._seq),),
            devices=tuple(
                DeviceStatus(device=item.device, quality=Quality.GOOD, last_good_ms=now_ms) for item in self._streams
            ),
        )
        await self._client.publish(up_topic(self._name, Up.STATUS), encode_status(status), qos=1, retain=True)

    async def send(self, *readings: tuple[Stream, int, tuple[Value, ...]], within_s: float = 10) -> Commit:
        """Send readings (stream, age in ms, values) and return the commit that makes some final.

        Raises:
            TimeoutError: none came in time.
        """
        now_ms = self._clock.now_ms()
        records = tuple(
            Record(seq=self._seq + place, stream=item, time_ms=now_ms - age_ms, values=values)
            for place, (item, age_ms, values) in enumerate(readings, start=1)
        )
        self._seq += len(records)
        batch = Batch(gateway=self._name, epoch=self._epoch, records=records)
        await self._client.publish(up_topic(self._name, Up.BATCH), encode_batch(batch), qos=1)
        async with asyncio.timeout(within_s):
            while not (commit := await self.heard()).final:
                pass  # a greeting
        self._final = self._seq
        return commit

    async def heard(self) -> Commit:
        """The next commit, also one that is only a greeting."""
        async for message in self._client.messages:
            if str(message.topic) == down_topic(self._name, Down.COMMIT) and isinstance(message.payload, bytes):
                return decode_commit(message.payload)
        raise AssertionError("no commit")

    def _device(self, item: Stream) -> DeviceInventory:
        group = GroupInventory(
            group=item.group, measurement=item.measurement, every_s=self._every_s, points=item.points
        )
        return DeviceInventory(device=item.device, profile="test/any", revision=1, bus="bus-1", groups=(group,))


@asynccontextmanager
async def speaking_gateway(
    *, port: int, name: str, password: str, site: str, streams: Sequence[Stream], every_s: float = 2.0
) -> AsyncIterator[SpeakingGateway]:
    """Connect as a gateway, with its last will."""
    gone = Status(gateway=GatewayId(name), online=False, site=SiteId(site), agent_version="0.1.0", boot_ms=0)
    will = aiomqtt.Will(up_topic(GatewayId(name), Up.STATUS), encode_status(gone), qos=1, retain=True)
    client = aiomqtt.Client(
        "127.0.0.1",
        port,
        username=name,
        password=password,
        identifier=name,
        protocol=aiomqtt.ProtocolVersion.V311,
        will=will,
    )
    async with client:
        await client.subscribe(down_topic(GatewayId(name), Down.COMMIT), qos=1)
        gateway = SpeakingGateway(client, name, site, streams, every_s)
        await gateway.announce()
        yield gateway
