"""What every broker of ours promises, on the embedded one and on a real Mosquitto."""

import asyncio
import gc
import os
import random
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import aiomqtt
import pytest

from hub.broker.base import HUB_USERNAME, BrokerError, Listener, TlsListener
from hub.broker.child import USERS_FILE, ChildBroker
from hub.broker.client import HubLink, LinkDown
from hub.broker.embedded import embedded_program
from hub.broker.mosquitto import mosquitto_program
from hub.broker.passwords import PasswordFile
from hub.clock import SystemClock

PROGRAMS = {"embedded": embedded_program, "mosquitto": mosquitto_program}
HUB_WORD = "what the hub says at the door"
GATEWAYS = {"gw-1": "one", "gw-2": "two"}


@pytest.fixture(params=["embedded", pytest.param("mosquitto", marks=pytest.mark.real)])
def build(
    request: pytest.FixtureRequest, tmp_path: Path, free_port: Callable[[], int], real_program: Callable[[str], str]
) -> Callable[[], ChildBroker]:
    """Makes brokers of one kind, all on one port and folder."""
    kind = str(request.param)
    if kind == "mosquitto":
        real_program("mosquitto")
    listener = Listener(host="127.0.0.1", port=free_port())
    folder = tmp_path / "broker"

    def make() -> ChildBroker:
        program = PROGRAMS[kind](listener, folder)
        return ChildBroker(program, listener=listener, folder=folder, hub_password=HUB_WORD, clock=SystemClock())

    return make


@pytest.fixture
def users(tmp_path: Path) -> PasswordFile:
    (tmp_path / "broker").mkdir(mode=0o700)
    file = PasswordFile(tmp_path / "broker" / USERS_FILE)
    for name, password in GATEWAYS.items():
        file.put(name, password)
    return file


@pytest.fixture
async def broker(build: Callable[[], ChildBroker], users: PasswordFile) -> AsyncIterator[ChildBroker]:
    assert set(users.read()) == set(GATEWAYS)
    made = build()
    await made.start()
    async with asyncio.TaskGroup() as tasks:
        keeper = tasks.create_task(made.keep())
        yield made
        keeper.cancel()
    await made.stop()


def client(
    broker: ChildBroker, name: str | None, password: str | None = None, will: aiomqtt.Will | None = None
) -> aiomqtt.Client:
    return aiomqtt.Client(
        broker.door.host,
        broker.door.port,
        username=name,
        password=password if password is not None else GATEWAYS.get(name or ""),
        identifier=f"test-{name}-{random.getrandbits(32):x}",
        protocol=aiomqtt.ProtocolVersion.V311,
        will=will,
        timeout=5,
    )


def hub_client(broker: ChildBroker) -> aiomqtt.Client:
    return client(broker, HUB_USERNAME, HUB_WORD)


async def next_message(listener: aiomqtt.Client) -> tuple[str, object]:
    async with asyncio.timeout(5):
        async for message in listener.messages:
            return str(message.topic), message.payload
    raise AssertionError("unreachable")


async def test_nobody_connects_without_a_password(broker: ChildBroker) -> None:
    for name, password in ((None, None), ("gw-1", "wrong"), ("gw-1", ""), ("nobody", "one"), (HUB_USERNAME, "one")):
        with pytest.raises(aiomqtt.MqttError):
            async with client(broker, name, password):
                pass


async def test_what_a_gateway_says_below_its_own_topic_reaches_the_hub(broker: ChildBroker) -> None:
    async with hub_client(broker) as hub, client(broker, "gw-1") as gateway:
        await hub.subscribe("sen/1/up/+/batch", qos=1)
        await gateway.publish("sen/1/up/gw-1/batch", b"a", qos=1)
        assert await next_message(hub) == ("sen/1/up/gw-1/batch", b"a")


async def test_several_hubs_share_batches_where_the_broker_can_and_know_it_where_it_cannot(
    broker: ChildBroker,
) -> None:
    heard: list[list[str]] = [[], []]

    def link_of(mine: list[str]) -> HubLink:
        def hear(topic: str, _payload: bytes) -> None:
            mine.append(topic)

        return HubLink(broker.door, hear=hear, clock=SystemClock(), chance=random.Random(1), wants_share=True)

    links = [link_of(mine) for mine in heard]
    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(link.run()) for link in links]
        while any(link.trouble for link in links):
            await SystemClock().sleep(0.05)
        shares = {link.has_share for link in links}
        assert shares == {broker.kind == "mosquitto"}
        async with client(broker, "gw-1") as gateway:
            await gateway.publish("sen/1/up/gw-1/status", b"s", qos=1)
            for _ in range(20):
                await gateway.publish("sen/1/up/gw-1/batch", b"b", qos=1)
        copies = 1 if shares == {True} else 2
        while sum(map(len, heard)) < 2 + 20 * copies:
            await SystemClock().sleep(0.05)
        batches = [mine.count("sen/1/up/gw-1/batch") for mine in heard]
        assert (sum(batches), min(batches) > 0) == (20 * copies, True)
        assert all("sen/1/up/gw-1/status" in mine for mine in heard)
        for task in running:
            task.cancel()


async def test_what_a_gateway_says_in_the_name_of_another_reaches_nobody(broker: ChildBroker) -> None:
    async with hub_client(broker) as hub, client(broker, "gw-1") as gateway:
        await hub.subscribe("sen/1/#", qos=1)
        for topic in ("sen/1/up/gw-2/batch", "sen/1/dn/gw-1/commit", "sen/1/up/gw-10/batch"):
            await gateway.publish(topic, b"forged", qos=1)
        await gateway.publish("sen/1/up/gw-1/batch", b"own", qos=1)
        assert await next_message(hub) == ("sen/1/up/gw-1/batch", b"own")


async def test_a_gateway_hears_only_what_is_said_to_it(broker: ChildBroker) -> None:
    async with hub_client(broker) as hub, client(broker, "gw-1") as gateway:
        for topic in ("sen/1/dn/gw-2/#", "sen/1/dn/+/commit", "sen/1/up/#", "#"):
            try:
                await gateway.subscribe(topic, qos=1)
            except aiomqtt.MqttError:
                continue  # refusing the subscription is as good as delivering nothing
        await gateway.subscribe("sen/1/dn/gw-1/#", qos=1)
        await hub.publish("sen/1/dn/gw-2/commit", b"other", qos=1)
        await hub.publish("sen/1/up/gw-2/status", b"other", qos=1)
        await hub.publish("sen/1/dn/gw-1/commit", b"own", qos=1)
        assert await next_message(gateway) == ("sen/1/dn/gw-1/commit", b"own")


async def test_a_retained_status_is_there_for_a_hub_that_comes_later(broker: ChildBroker) -> None:
    async with client(broker, "gw-1") as gateway:
        await gateway.publish("sen/1/up/gw-1/status", b"here", qos=1, retain=True)
    async with hub_client(broker) as hub:
        await hub.subscribe("sen/1/up/+/status", qos=1)
        assert await next_message(hub) == ("sen/1/up/gw-1/status", b"here")


async def test_the_last_will_of_a_gateway_that_vanishes_reaches_the_hub(broker: ChildBroker) -> None:
    will = aiomqtt.Will("sen/1/up/gw-1/status", b"gone", qos=1, retain=True)
    async with hub_client(broker) as hub:
        await hub.subscribe("sen/1/up/+/status", qos=1)
        async with client(broker, "gw-1", will=will) as gateway:
            await gateway.publish("sen/1/up/gw-1/status", b"here", qos=1)
            assert await next_message(hub) == ("sen/1/up/gw-1/status", b"here")
            vanish(gateway)
            assert await next_message(hub) == ("sen/1/up/gw-1/status", b"gone")


async def test_a_last_will_in_the_name_of_another_reaches_nobody(broker: ChildBroker) -> None:
    will = aiomqtt.Will("sen/1/up/gw-2/status", b"forged", qos=1)
    async with hub_client(broker) as hub:
        await hub.subscribe("sen/1/up/+/status", qos=1)
        try:
            async with client(broker, "gw-1", will=will) as gateway:
                vanish(gateway)
        except aiomqtt.MqttError:
            pass  # refusing the connection is as good
        async with client(broker, "gw-2") as other:
            await other.publish("sen/1/up/gw-2/status", b"own", qos=1)
            assert await next_message(hub) == ("sen/1/up/gw-2/status", b"own")


def vanish(gateway: aiomqtt.Client) -> None:
    """Drop the connection as a power cut does: without DISCONNECT."""
    connection = gateway._client.socket()  # noqa: SLF001 - aiomqtt has no public way to be rude
    assert connection is not None
    with socket.socket(fileno=os.dup(connection.fileno())) as same:
        same.shutdown(socket.SHUT_RDWR)


async def test_credentials_change_while_the_broker_runs(broker: ChildBroker, users: PasswordFile) -> None:
    users.put("gw-3", "three")
    await until_admitted(broker, "gw-3", "three")
    async with client(broker, "gw-3", "three") as gateway:
        assert users.remove("gw-3")
        with pytest.raises(aiomqtt.MqttError):
            await next_message(gateway)
    with pytest.raises(aiomqtt.MqttError):
        async with client(broker, "gw-3", "three"):
            pass


async def test_others_stay_connected_when_credentials_change(broker: ChildBroker, users: PasswordFile) -> None:
    async with hub_client(broker) as hub, client(broker, "gw-1") as gateway:
        await hub.subscribe("sen/1/up/+/batch", qos=1)
        users.remove("gw-2")
        users.put("gw-3", "three")
        await until_admitted(broker, "gw-3", "three")
        await gateway.publish("sen/1/up/gw-1/batch", b"still here", qos=1)
        assert await next_message(hub) == ("sen/1/up/gw-1/batch", b"still here")


async def until_admitted(broker: ChildBroker, name: str, password: str) -> None:
    async with asyncio.timeout(5):
        while True:
            try:
                async with client(broker, name, password):
                    return
            except aiomqtt.MqttError:
                await SystemClock().sleep(0.1)


async def test_a_killed_broker_comes_back_and_the_hub_hears_again(broker: ChildBroker) -> None:
    heard: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()

    def hear(topic: str, payload: bytes) -> None:
        heard.put_nowait((topic, payload))

    link = HubLink(broker.door, hear=hear, clock=SystemClock(), chance=random.Random(1))
    with pytest.raises(LinkDown):
        await link.publish("sen/1/dn/gw-1/commit", b"nobody there")
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(link.run())
        await speak_until_heard(broker, heard, b"before")
        kill(broker)
        await speak_until_heard(broker, heard, b"after")
        assert link.trouble is None
        async with client(broker, "gw-1") as gateway:
            await gateway.subscribe("sen/1/dn/gw-1/#", qos=1)
            await link.publish("sen/1/dn/gw-1/commit", b"commit")
            assert await next_message(gateway) == ("sen/1/dn/gw-1/commit", b"commit")
        running.cancel()


async def speak_until_heard(broker: ChildBroker, heard: asyncio.Queue[tuple[str, bytes]], payload: bytes) -> None:
    while True:
        try:
            async with client(broker, "gw-1") as gateway:
                await gateway.publish("sen/1/up/gw-1/batch", payload, qos=1)
            async with asyncio.timeout(1):
                assert await heard.get() == ("sen/1/up/gw-1/batch", payload)
                return
        except (aiomqtt.MqttError, TimeoutError):
            await SystemClock().sleep(0.1)


def kill(broker: ChildBroker) -> None:
    assert broker.pid is not None
    os.kill(broker.pid, signal.SIGKILL)


async def test_a_port_in_use_is_said_with_what_to_do(broker: ChildBroker, tmp_path: Path) -> None:
    listener = Listener(host="127.0.0.1", port=broker.door.port)
    folder = tmp_path / "second"
    second = ChildBroker(
        embedded_program(listener, folder), listener=listener, folder=folder, hub_password=HUB_WORD, clock=SystemClock()
    )
    with pytest.raises(BrokerError, match=r"127\.0\.0\.1:\d+: Address already in use; .*mqtt\.port in hub\.yaml"):
        await second.start()


@pytest.mark.usefixtures("users")
async def test_a_broker_left_behind_by_a_killed_hub_is_ended(build: Callable[[], ChildBroker]) -> None:
    left_behind, fresh = build(), build()
    await left_behind.start()
    await fresh.start()
    assert left_behind.pid is None or left_behind.pid != fresh.pid
    async with client(fresh, "gw-1"):
        pass
    await fresh.stop()
    await left_behind.stop()


@pytest.mark.parametrize("kind", ["embedded", pytest.param("mosquitto", marks=pytest.mark.real)])
# After a certificate is refused, paho leaves its socket to the garbage collector.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
async def test_gateways_can_come_in_encrypted_and_check_whom_they_talk_to(
    kind: str, tmp_path: Path, free_port: Callable[[], int], real_program: Callable[[str], str]
) -> None:
    if kind == "mosquitto":
        real_program("mosquitto")
    certificate, key = make_certificate(real_program("openssl"), tmp_path)
    tls = TlsListener(port=free_port(), certificate_file=certificate, key_file=key)
    listener = Listener(host="127.0.0.1", port=free_port(), tls=tls)
    folder = tmp_path / "broker"
    made = ChildBroker(
        PROGRAMS[kind](listener, folder), listener=listener, folder=folder, hub_password=HUB_WORD, clock=SystemClock()
    )
    await made.start()
    door = replace(made.door, host="localhost", port=tls.port, tls=True, ca_file=certificate)
    heard: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
    link = HubLink(
        door,
        hear=lambda topic, payload: heard.put_nowait((topic, payload)),
        clock=SystemClock(),
        chance=random.Random(1),
    )
    distrustful = HubLink(
        replace(door, ca_file=None), hear=lambda *_: None, clock=SystemClock(), chance=random.Random(1)
    )
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(link.run()), tasks.create_task(distrustful.run())]
        while link.trouble is not None:
            await SystemClock().sleep(0.05)
        await link.publish("sen/1/up/gw-1/batch", b"encrypted")
        assert await heard.get() == ("sen/1/up/gw-1/batch", b"encrypted")
        assert distrustful.trouble is not None
        for task in running:
            task.cancel()
    await made.stop()
    gc.collect()


def make_certificate(openssl: str, folder: Path) -> tuple[Path, Path]:
    """A certificate for localhost that is its own authority, and its key."""
    certificate, key = folder / "hub.crt", folder / "hub.key"
    subprocess.run(
        [
            openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-days", "2",
            "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-out", certificate, "-keyout", key,
        ],
        check=True,
        capture_output=True,
    )  # fmt: skip
    return certificate, key
