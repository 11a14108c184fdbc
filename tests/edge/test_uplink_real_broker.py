"""Spool, group commit, sender and link together on a real Mosquitto that is killed, with a hub that is forgetful."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiomqtt
import pytest

from edge.clock import SystemClock
from edge.spool.base import SpoolState
from edge.spool.group_commit import GroupCommit
from edge.spool.keeper import SpoolKeeper
from edge.uplink.link import BrokerAddress, MqttLink
from edge.uplink.sender import last_will_of
from tests.support.hub_stand_in import HubStandIn
from tests.support.mosquitto import mosquitto, start
from tests.support.processes import Program
from tests.support.readings import START_MS, reading
from tests.support.sending import IDENTITY, sender_of
from tests.support.spools import GATEWAY, open_spool
from wire.codec import encode_status

pytestmark = pytest.mark.real

FIRST_WAIT_S = 0.5
clock = SystemClock()


class Gateway:
    """All that stands between a reading and the broker, as the agent puts it together."""

    def __init__(self, path: Path, port: int) -> None:
        self.keeper = SpoolKeeper(open_spool(path))
        self.link = MqttLink(
            BrokerAddress(host="127.0.0.1", port=port),
            gateway=GATEWAY,
            last_will=encode_status(last_will_of(IDENTITY)),
            clock=clock,
            random_unit=lambda: 0.1,
        )
        self.sender = sender_of(self.keeper, self.link, clock, first_wait_s=FIRST_WAIT_S)
        self.group = GroupCommit(self.keeper, clock, records=20, seconds=0.05, on_accepted=self.sender.accepted)


@asynccontextmanager
async def gateway(path: Path, port: int) -> AsyncIterator[Gateway]:
    made = Gateway(path, port)
    try:
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(one) for one in (made.link.run(made.sender), made.sender.run(), made.group.run())
            ]
            yield made
            for task in running:
                task.cancel()
    finally:
        made.keeper.close()


async def hub_at_work(hub: HubStandIn, port: int) -> None:
    """Hear and answer until cancelled; come back by itself, without memory of what it was told meanwhile."""
    while True:
        try:
            async with aiomqtt.Client("127.0.0.1", port, protocol=aiomqtt.ProtocolVersion.V311) as client:
                await client.subscribe("sen/1/up/+/#", qos=1)
                async for message in client.messages:
                    assert isinstance(message.payload, bytes)
                    for topic, payload in hub.hear(str(message.topic), message.payload):
                        await client.publish(topic, payload, qos=1)
        except aiomqtt.MqttError:
            await clock.sleep(0.1)


async def final_state(made: Gateway) -> SpoolState:
    """The spool's state, once nothing is in flight."""
    end_s = clock.monotonic_s() + 30
    while (state := await made.keeper.state()).in_flight:
        assert clock.monotonic_s() < end_s, f"{state.in_flight} records are still in flight"
        await clock.sleep(0.05)
    return state


async def until(what: str, holds: Callable[[], bool], *, within_s: float) -> None:
    end_s = clock.monotonic_s() + within_s
    while not holds():
        assert clock.monotonic_s() < end_s, f"within {within_s} s it did not come about that {what}"
        await clock.sleep(0.05)


@pytest.fixture
def port(free_port: Callable[[], int]) -> int:
    return free_port()


@pytest.fixture
async def broker(tmp_path: Path, port: int, real_program: Callable[[str], str]) -> AsyncIterator[Program]:
    made = mosquitto(real_program("mosquitto"), tmp_path / "broker", port)
    start(made)
    yield made
    made.kill()


async def test_nothing_is_lost_when_the_broker_is_killed_and_commits_go_astray(
    broker: Program, port: int, tmp_path: Path
) -> None:
    chance = random.Random(3)
    hub = HubStandIn(GATEWAY, speaks=lambda: chance.random() > 0.3, refuses={17})
    given = [reading(value=n / 10, time_ms=START_MS + n) for n in range(1500)]
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(hub_at_work(hub, port))
        async with gateway(tmp_path / "spool", port) as made:
            for n, one in enumerate(given):
                made.group.add(one)
                if n in (400, 900):
                    broker.kill()
                if n in (600, 1100):
                    start(broker)
                if n % 5 == 0:
                    await clock.sleep(0.01)
                    state = await made.keeper.state()
                    assert state.final_total <= len(hub.settled[state.epoch]), "trimmed without a commit"
            await made.group.commit()
            hub.speaks = lambda: True
            state, counts = await final_state(made), made.sender.counts()
        serving.cancel()
    assert (state.accepted_total, state.final_total, dict(state.lost_total)) == (1500, 1500, {})
    stored = [hub.records[state.epoch, seq] for seq in range(1, 1501)]
    assert [(one.time_ms, one.values) for one in stored] == [(one.time_ms, one.values) for one in given]
    assert counts.batches_due_again > 0
    assert counts.refused_records >= 1


async def test_what_was_spooled_before_a_restart_is_delivered_after_it(
    broker: Program, port: int, tmp_path: Path
) -> None:
    path = tmp_path / "spool"
    broker.kill()
    async with asyncio.timeout(30), gateway(path, port) as made:
        for n in range(300):
            made.group.add(reading(value=n / 10, time_ms=START_MS + n))
        await made.group.commit()
        assert not made.link.is_connected
        first_epoch = (await made.keeper.state()).epoch
    start(broker)
    hub = HubStandIn(GATEWAY)
    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(hub_at_work(hub, port))
        async with gateway(path, port) as made:
            assert (await final_state(made)).epoch != first_epoch
        serving.cancel()
    assert sorted(hub.records) == [(first_epoch, seq) for seq in range(1, 301)]


async def test_the_hub_learns_when_the_gateway_goes_without_a_word(broker: Program, port: int, tmp_path: Path) -> None:
    hub = HubStandIn(GATEWAY)
    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(hub_at_work(hub, port))
        async with gateway(tmp_path / "spool", port) as made:
            await until("a status is said", lambda: bool(hub.statuses), within_s=10)
            assert hub.statuses[-1].online
            thief = aiomqtt.Client("127.0.0.1", port, identifier=GATEWAY, protocol=aiomqtt.ProtocolVersion.V311)
            async with thief:  # the broker ends the connection of whoever has this name
                await until("the last will is said", lambda: not hub.statuses[-1].online, within_s=10)
            assert hub.statuses[-1] == last_will_of(IDENTITY)
            await until("it is back", lambda: hub.statuses[-1].online, within_s=10)
            assert made.link.is_connected
        serving.cancel()
    assert broker.runs
