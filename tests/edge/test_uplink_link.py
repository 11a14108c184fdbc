"""How the MQTT link comes and goes, and what it says about it."""

import asyncio
import gc
import logging
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import aiomqtt
import pytest

from edge.clock import SystemClock
from edge.uplink.link import BrokerAddress, MqttLink
from tests.support.certificates import make_certificate
from tests.support.fake_clock import FakeClock
from tests.support.faulty_line import FaultyLine, swallowed
from tests.support.mosquitto import mosquitto, start
from tests.support.processes import Program
from wire.identifiers import GatewayId

GATEWAY = GatewayId("gw-1")
PASSWORD = "a word nobody may read in a log"  # noqa: S105 - of no use elsewhere


class Silent:
    """Listens, and says nothing to anybody."""

    gateways = 0

    def __init__(self) -> None:
        self.connections = asyncio.Queue[None]()

    def connected(self) -> None:
        self.connections.put_nowait(None)

    def received(self, topic: str, payload: bytes) -> None:
        raise AssertionError(f"nobody speaks to us: {topic} {payload!r}")


class PauseClock(SystemClock):
    """Who asks for a pause gets none that ends."""

    def __init__(self) -> None:
        self.pauses = asyncio.Queue[float]()

    async def sleep(self, seconds: float) -> None:
        self.pauses.put_nowait(seconds)
        await asyncio.Event().wait()


def link_to(address: BrokerAddress, clock: SystemClock | FakeClock, *, answer_s: float = 5.0) -> MqttLink:
    return MqttLink(
        address, gateway=GATEWAY, last_will=b"gone", clock=clock, random_unit=lambda: 1.0, answer_s=answer_s
    )


async def trouble_of(address: BrokerAddress) -> str:
    """What the link says after its first attempt."""
    clock = FakeClock()
    link = link_to(address, clock)
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(link.run(Silent()))
        await clock.until_slept(1)
        running.cancel()
    assert link.trouble is not None
    return link.trouble


@pytest.fixture
def broker(tmp_path: Path, free_port: Callable[[], int], real_program: Callable[[str], str]) -> Iterator[Program]:
    made = mosquitto(real_program("mosquitto"), tmp_path / "broker", free_port())
    start(made)
    yield made
    made.kill()


def port_of(broker: Program) -> int:
    line = next(one for one in (broker.cwd / "mosquitto.conf").read_text().splitlines() if one.startswith("listener"))
    return int(line.split()[1])


async def test_the_pauses_between_attempts_are_a_tenth_of_the_time_away_up_to_five_minutes(
    free_port: Callable[[], int],
) -> None:
    clock = FakeClock()
    link = link_to(BrokerAddress(host="127.0.0.1", port=free_port()), clock)
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(link.run(Silent()))
        await clock.until_slept(80)
        running.cancel()
    expected: list[float] = []
    while len(expected) < len(clock.slept):
        expected.append(min(max(1.0, sum(expected) / 10), 300.0))
    assert clock.slept == pytest.approx(expected)
    assert clock.slept[-1] == 300


async def test_a_broker_that_refuses_makes_a_fleet_come_back_apart(free_port: Callable[[], int]) -> None:
    chance, clock = random.Random(4), FakeClock()
    link = MqttLink(
        BrokerAddress(host="127.0.0.1", port=free_port()),
        gateway=GATEWAY,
        last_will=b"",
        clock=clock,
        random_unit=chance.random,
    )
    listener = Silent()
    listener.gateways = 2000
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(link.run(listener))
        await clock.until_slept(40)
        running.cancel()
    assert max(clock.slept) > 250
    assert min(clock.slept) < 50


@pytest.mark.real
async def test_a_broker_that_ends_makes_a_fleet_wait_and_a_line_that_falls_silent_nobody(
    broker: Program, free_port: Callable[[], int]
) -> None:
    """The first pause of a gateway that knows of 2,000, drawn as long as it may be."""
    first_s = {}
    for ending in ("broker", "line"):
        clock, listener = PauseClock(), Silent()
        listener.gateways = 2000
        async with FaultyLine(port=free_port(), target=port_of(broker)) as line:
            link = link_to(BrokerAddress(host="127.0.0.1", port=line.port, keepalive_s=5), clock)
            async with asyncio.timeout(40), asyncio.TaskGroup() as tasks:
                running = tasks.create_task(link.run(listener))
                await listener.connections.get()
                if ending == "line":
                    line.suffer(swallowed)
                else:
                    broker.kill()
                first_s[ending] = await clock.pauses.get()
                running.cancel()
        if ending == "broker":
            start(broker)
    assert first_s == {"broker": 300.0, "line": 1.0}


async def test_a_broker_that_is_not_there_is_said_once(
    free_port: Callable[[], int], caplog: pytest.LogCaptureFixture
) -> None:
    port, clock = free_port(), FakeClock()
    link = link_to(BrokerAddress(host="127.0.0.1", port=port), clock)
    with caplog.at_level(logging.INFO, "edge"):
        async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(link.run(Silent()))
            await clock.until_slept(5)
            running.cancel()
    assert [one.getMessage() for one in caplog.records] == [
        f"not connected: mqtt://127.0.0.1:{port}: [Errno 111] Connection refused"
    ]


async def test_files_that_cannot_be_read_are_named(tmp_path: Path, free_port: Callable[[], int]) -> None:
    port = free_port()
    missing = tmp_path / "missing"
    no_password = await trouble_of(BrokerAddress(host="127.0.0.1", port=port, username="gw-1", password_file=missing))
    assert f"password_file {missing}" in no_password
    no_authority = await trouble_of(BrokerAddress(host="127.0.0.1", port=port, tls=True, ca_file=missing))
    assert f"ca_file {missing}" in no_authority
    missing.write_bytes(b"no certificate")
    assert f"ca_file {missing}" in await trouble_of(
        BrokerAddress(host="127.0.0.1", port=port, tls=True, ca_file=missing)
    )


@pytest.mark.real
async def test_a_wrong_password_is_said_with_what_to_do_and_without_the_password(
    tmp_path: Path,
    free_port: Callable[[], int],
    real_program: Callable[[str], str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    port = free_port()
    broker = mosquitto(real_program("mosquitto"), tmp_path / "broker", port, anonymous=False)
    start(broker)
    file = tmp_path / "mqtt.password"
    file.write_text(f"{PASSWORD}\n")
    with caplog.at_level(logging.DEBUG):
        trouble = await trouble_of(BrokerAddress(host="127.0.0.1", port=port, username="gw-1", password_file=file))
    broker.kill()
    assert "hub.username and hub.password_file of the gateway file" in trouble
    assert PASSWORD not in trouble + caplog.text


@pytest.mark.real
# After a certificate is refused, paho leaves its socket to the garbage collector.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
async def test_it_speaks_tls_and_checks_whom_it_speaks_to(
    tmp_path: Path, free_port: Callable[[], int], real_program: Callable[[str], str]
) -> None:
    port, secure = free_port(), free_port()
    certificate, key = make_certificate(real_program("openssl"), tmp_path)
    more = f"listener {secure} 127.0.0.1\ncertfile {certificate}\nkeyfile {key}\n"
    broker = mosquitto(real_program("mosquitto"), tmp_path / "broker", port, more=more)
    start(broker)
    listener = Silent()
    link = link_to(BrokerAddress(host="localhost", port=secure, tls=True, ca_file=certificate), SystemClock())
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(link.run(listener))
        await listener.connections.get()
        running.cancel()
    assert "CERTIFICATE_VERIFY_FAILED" in await trouble_of(BrokerAddress(host="localhost", port=secure, tls=True))
    broker.kill()
    gc.collect()


@pytest.mark.real
async def test_it_ends_when_told_to_even_on_a_line_that_has_fallen_silent(
    broker: Program, free_port: Callable[[], int]
) -> None:
    listener = Silent()
    async with FaultyLine(port=free_port(), target=port_of(broker)) as line:
        link = link_to(BrokerAddress(host="127.0.0.1", port=line.port), SystemClock(), answer_s=0.2)
        async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(link.run(listener))
            await listener.connections.get()
            line.fall_silent()
            more_than_sockets_hold = bytes(16 * 1024 * 1024)
            assert not await link.publish("sen/1/up/gw-1/batch", more_than_sockets_hold)
            running.cancel()
    assert not link.is_connected


@pytest.mark.real
async def test_nothing_is_left_with_the_broker_that_promises_nothing(broker: Program) -> None:
    """A clean session: what the hub said while we were away is not kept for us; it will say it again."""
    listener = Silent()
    for _ in range(2):
        link = link_to(BrokerAddress(host="127.0.0.1", port=port_of(broker)), SystemClock())
        async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(link.run(listener))
            await listener.connections.get()
            assert await link.publish("sen/1/up/gw-1/status", b"here"), "by now we had heard what was kept"
            running.cancel()
        async with aiomqtt.Client("127.0.0.1", port_of(broker)) as hub:
            await hub.publish("sen/1/dn/gw-1/commit", b"unheard", qos=1)


@pytest.mark.real
async def test_a_line_on_which_bytes_vanish_is_given_up_within_one_and_a_half_keepalives(
    broker: Program, free_port: Callable[[], int]
) -> None:
    clock, keepalive_s = SystemClock(), 5
    async with FaultyLine(port=free_port(), target=port_of(broker)) as line:
        link = link_to(BrokerAddress(host="127.0.0.1", port=line.port, keepalive_s=keepalive_s), clock)
        listener = Silent()
        async with asyncio.timeout(40), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(link.run(listener))
            await listener.connections.get()
            line.suffer(swallowed)
            began_s = clock.monotonic_s()
            while link.is_connected:
                await clock.sleep(0.1)
            took_s = clock.monotonic_s() - began_s
            running.cancel()
    assert took_s <= 1.5 * keepalive_s + 1.5, "and a second and a half, because the library looks each second"
