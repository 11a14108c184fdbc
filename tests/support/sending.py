"""A sender at work: over any spool and link, in real or manual time."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from edge.clock import Clock, SystemClock
from edge.spool.base import Spool
from edge.spool.keeper import SpoolKeeper
from edge.time_trust import TimeTrust
from edge.uplink.base import Link
from edge.uplink.lanes import Lanes
from edge.uplink.sender import Identity, Sender
from tests.support.fake_link import FakeBroker, FakeLink
from tests.support.hub_stand_in import HubStandIn
from tests.support.manual_clock import ManualClock
from tests.support.readings import readings
from tests.support.spools import GATEWAY
from wire.identifiers import DeviceId, SiteId
from wire.messages import DeviceInventory, DeviceStatus, Inventory
from wire.records import Quality

IDENTITY = Identity(gateway=GATEWAY, site=SiteId("hall"), agent_version="0.1.0", boot_ms=1_700_000_000_000)
INVENTORY = Inventory(
    gateway=GATEWAY,
    site=SiteId("hall"),
    devices=(DeviceInventory(device=DeviceId("d1"), profile="test/any", revision=1, bus="lan", groups=()),),
)


def devices() -> tuple[DeviceStatus, ...]:
    """The devices of the gateway, all well."""
    return (DeviceStatus(device=DeviceId("d1"), quality=Quality.GOOD, last_good_ms=None),)


def vouched(clock: Clock) -> TimeTrust:
    """A clock that a time server vouches for."""
    trust = TimeTrust()
    trust.kernel_says(is_disciplined=True, now_ms=clock.now_ms(), at_s=clock.monotonic_s())
    return trust


def sender_of(keeper: SpoolKeeper, link: Link, clock: Clock, *, first_wait_s: float = 30.0) -> Sender:
    """A sender that sends each second."""
    return Sender(
        identity=IDENTITY,
        keeper=keeper,
        link=link,
        lanes=Lanes(random_unit=lambda: 1.0, first_wait_s=first_wait_s),
        clock=clock,
        inventory=INVENTORY,
        devices=devices,
        trust=vouched(clock),
        send_s=1.0,
    )


class Sending:
    """A sender between a spool and a hub, over a fake link, in the time of a manual clock.

    `state` is the spool's as it was when time last passed: the spool itself belongs to the keeper's thread.
    """

    def __init__(self, spool: Spool) -> None:
        self.keeper = SpoolKeeper(spool)
        self.state = spool.state()
        self.clock = ManualClock()
        self.broker = FakeBroker()
        self.link = FakeLink(self.broker, gateway=GATEWAY, last_will=b"")
        self.hub = HubStandIn(GATEWAY)
        self.sender = sender_of(self.keeper, self.link, self.clock)
        self.is_deaf = False
        self.broker.hear(self._hear)

    def _hear(self, topic: str, payload: bytes) -> None:
        if self.is_deaf or not payload:
            return
        for answer in self.hub.hear(topic, payload):
            self.broker.from_hub(*answer)

    async def accept(self, count: int) -> None:
        """Records become durable, and the sender is told."""
        await self.keeper.accepting(readings(count))
        self.state = await self.keeper.state()
        self.sender.accepted()

    async def pass_s(self, seconds: float) -> None:
        """Let time pass in small steps; whoever has work with the spool's thread gets it done."""
        for _ in range(max(1, round(seconds / 0.25))):
            await self.clock.advance(min(0.25, seconds))
            await self.rest()

    async def rest(self) -> None:
        """Until nothing is under way in the spool's thread."""
        for _ in range(6):
            self.state = await self.keeper.state()
            await self.clock.advance(0)

    async def until(self, what: str, holds: Callable[[], bool], *, within_s: float = 100.0) -> None:
        """Let time pass until it holds."""
        end_s = self.clock.monotonic_s() + within_s
        while not holds():
            assert self.clock.monotonic_s() < end_s, f"within {within_s} s it did not come about that {what}"
            await self.pass_s(0.25)
            await SystemClock().sleep(0.0005)


@asynccontextmanager
async def sending(spool: Spool) -> AsyncIterator[Sending]:
    """A sender and its link at work."""
    made = Sending(spool)
    try:
        async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(made.link.run(made.sender)), tasks.create_task(made.sender.run())]
            await made.clock.advance(0)
            yield made
            for task in running:
                task.cancel()
    finally:
        made.keeper.close()
