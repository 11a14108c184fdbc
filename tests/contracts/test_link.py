"""What every link promises (`edge/uplink/base.py`), on the fake one and on a real Mosquitto."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Protocol

import aiomqtt
import pytest

from edge.clock import SystemClock
from edge.uplink.base import Link
from edge.uplink.link import BrokerAddress, MqttLink
from tests.support.fake_link import FakeBroker, FakeLink
from tests.support.faulty_line import FaultyLine
from tests.support.mosquitto import mosquitto, start
from wire.identifiers import GatewayId
from wire.topics import Down, Up, down_topic, up_topic

GATEWAY = GatewayId("gw-1")
BATCH = up_topic(GATEWAY, Up.BATCH)
STATUS = up_topic(GATEWAY, Up.STATUS)
COMMIT = down_topic(GATEWAY, Down.COMMIT)
WILL = b"gone"
Message = tuple[str, bytes]


class Line(Protocol):
    """A gateway's link, the hub's end, and the line between them."""

    link: Link

    async def cut(self) -> None: ...

    async def mend(self) -> None: ...

    async def say(self, topic: str, payload: bytes) -> None: ...

    async def hear(self) -> Message: ...

    async def left(self, topic: str) -> bytes: ...


class FakeLine:
    def __init__(self) -> None:
        self._broker = FakeBroker()
        self._heard: asyncio.Queue[Message] = asyncio.Queue()
        self._broker.hear(lambda topic, payload: self._heard.put_nowait((topic, payload)))
        self._fake = FakeLink(self._broker, gateway=GATEWAY, last_will=WILL)
        self.link: Link = self._fake

    async def cut(self) -> None:
        self._fake.cut()

    async def mend(self) -> None:
        self._fake.mend()

    async def say(self, topic: str, payload: bytes) -> None:
        self._broker.from_hub(topic, payload)

    async def hear(self) -> Message:
        return await self._heard.get()

    async def left(self, topic: str) -> bytes:
        return self._broker.retained[topic]


class RealLine:
    def __init__(self, line: FaultyLine, hub: aiomqtt.Client, port: int) -> None:
        self._line = line
        self._hub = hub
        self._port = port
        self._messages = aiter(hub.messages)
        address = BrokerAddress(host="127.0.0.1", port=line.port)
        self.link: Link = MqttLink(
            address, gateway=GATEWAY, last_will=WILL, clock=SystemClock(), random_unit=random.Random(1).random
        )

    async def cut(self) -> None:
        await self._line.cut()

    async def mend(self) -> None:
        await self._line.mend()

    async def say(self, topic: str, payload: bytes) -> None:
        await self._hub.publish(topic, payload, qos=1)

    async def hear(self) -> Message:
        message = await anext(self._messages)
        assert isinstance(message.payload, bytes)
        return str(message.topic), message.payload

    async def left(self, topic: str) -> bytes:
        async with aiomqtt.Client("127.0.0.1", self._port) as late:
            await late.subscribe(topic, qos=1)
            async for message in late.messages:
                assert message.retain
                assert isinstance(message.payload, bytes)
                return message.payload
        raise AssertionError("nothing was left")


class Listener:
    gateways = 0

    def __init__(self) -> None:
        self.told: asyncio.Queue[Message | str] = asyncio.Queue()

    def connected(self) -> None:
        self.told.put_nowait("connected")

    def received(self, topic: str, payload: bytes) -> None:
        self.told.put_nowait((topic, payload))


@pytest.fixture(params=["fake", pytest.param("mosquitto", marks=pytest.mark.real)])
async def line(
    request: pytest.FixtureRequest, tmp_path: Path, free_port: Callable[[], int], real_program: Callable[[str], str]
) -> AsyncIterator[Line]:
    if request.param == "fake":
        yield FakeLine()
        return
    port = free_port()
    broker = mosquitto(real_program("mosquitto"), tmp_path, port)
    start(broker)
    try:
        async with AsyncExitStack() as stack:
            cut_line = await stack.enter_async_context(FaultyLine(port=free_port(), target=port))
            hub = await stack.enter_async_context(aiomqtt.Client("127.0.0.1", port))
            await hub.subscribe("sen/1/up/#", qos=1)
            yield RealLine(cut_line, hub, port)
    finally:
        broker.kill()


@pytest.fixture
async def listener(line: Line) -> AsyncIterator[Listener]:
    """Listens on the running link; it has just been told of the connection."""
    made = Listener()
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(line.link.run(made))
        assert await made.told.get() == "connected"
        yield made
        running.cancel()


def trouble_of(link: Link) -> str | None:
    return link.trouble


async def gone(link: Link) -> None:
    """Return when the link knows that it is cut."""
    while link.is_connected:
        await link.publish(BATCH, b"into the void")


async def test_nothing_can_be_said_before_it_is_connected(line: Line) -> None:
    assert not line.link.is_connected
    assert line.link.trouble
    assert not await line.link.publish(BATCH, b"too early")


@pytest.mark.usefixtures("listener")
async def test_what_is_published_reaches_the_hub(line: Line) -> None:
    assert line.link.is_connected
    assert line.link.trouble is None
    assert await line.link.publish(BATCH, b"\x00\xff")
    assert await line.hear() == (BATCH, b"\x00\xff")


@pytest.mark.usefixtures("listener")
async def test_what_is_retained_is_there_for_who_comes_later(line: Line) -> None:
    assert await line.link.publish(STATUS, b"first", retain=True)
    assert await line.link.publish(STATUS, b"second", retain=True)
    assert await line.left(STATUS) == b"second"


async def test_what_the_hub_says_to_us_is_handed_over_and_nothing_else(line: Line, listener: Listener) -> None:
    await line.say(down_topic(GatewayId("gw-10"), Down.COMMIT), b"for another")
    await line.say(COMMIT, b"for us")
    assert await listener.told.get() == (COMMIT, b"for us")


async def test_after_a_cut_it_says_so_and_connects_again_by_itself(line: Line, listener: Listener) -> None:
    await line.cut()
    await gone(line.link)
    assert trouble_of(line.link)
    assert not await line.link.publish(BATCH, b"lost")
    await line.mend()
    assert await listener.told.get() == "connected"
    assert trouble_of(line.link) is None
    assert await line.link.publish(BATCH, b"back")
    await line.say(COMMIT, b"heard again")
    assert await listener.told.get() == (COMMIT, b"heard again")


@pytest.mark.usefixtures("listener")
async def test_the_last_will_is_said_when_it_vanishes(line: Line) -> None:
    assert await line.link.publish(STATUS, b"here", retain=True)
    assert await line.hear() == (STATUS, b"here")
    await line.cut()
    assert await line.hear() == (STATUS, WILL)
    assert await line.left(STATUS) == WILL
