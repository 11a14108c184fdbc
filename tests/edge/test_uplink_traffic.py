"""What a line carries is counted, and foretold, as a real one carries it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiomqtt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.clock import SystemClock
from edge.spool.group_commit import GroupCommit
from edge.spool.keeper import SpoolKeeper
from edge.spool.wear import Flow
from edge.uplink.link import BrokerAddress, MqttLink
from edge.uplink.sender import SenderCounts, last_will_of, status_of
from edge.uplink.traffic import STATUS_EVERY_S, Line, traffic_of
from tests.support.faulty_line import FaultyLine
from tests.support.hub_stand_in import HubStandIn
from tests.support.mosquitto import mosquitto, start
from tests.support.readings import START_MS, reading, stream
from tests.support.sending import IDENTITY, devices, sender_of
from tests.support.spools import GATEWAY, open_spool
from wire.codec import encode_status

CLOCK = SystemClock()
FLOWS = [Flow(stream=stream(), period_s=0.1)]


class Meter:
    """A sound line that counts what it carries, both ways."""

    def __init__(self) -> None:
        self.carried = 0

    async def __call__(self, data: bytes) -> AsyncIterator[bytes]:
        self.carried += len(data)
        yield data


async def answer(hub: HubStandIn, port: int) -> None:
    async with aiomqtt.Client("127.0.0.1", port) as client:
        await client.subscribe("sen/1/up/+/#", qos=1)
        async for message in client.messages:
            assert isinstance(message.payload, bytes)
            for topic, payload in hub.hear(str(message.topic), message.payload):
                await client.publish(topic, payload, qos=1)


async def spoken(path: Path, *, port: int, near: int, seconds: int) -> tuple[SenderCounts, int]:
    """What a gateway counted that sent ten readings a second over a real broker, and what the line carried."""
    keeper, meter = SpoolKeeper(open_spool(path)), Meter()
    will = encode_status(last_will_of(IDENTITY))
    async with FaultyLine(port=near, target=port) as line, asyncio.TaskGroup() as tasks:
        line.suffer(meter)
        address = BrokerAddress(host="127.0.0.1", port=near)
        link = MqttLink(address, gateway=GATEWAY, last_will=will, clock=CLOCK, random_unit=lambda: 0.1)
        sender = sender_of(keeper, link, CLOCK)
        group = GroupCommit(keeper, CLOCK, records=20, seconds=0.05, on_accepted=sender.accepted)
        hub = answer(HubStandIn(GATEWAY), port)
        running = [tasks.create_task(one) for one in (hub, link.run(sender), sender.run(), group.run())]
        while not link.is_connected:
            await CLOCK.sleep(0.05)
        for n in range(10 * seconds):
            group.add(reading(value=7919 * n % 1000 / 10, time_ms=START_MS + 100 * n))
            await CLOCK.sleep(0.1)
        counts, carried = sender.counts(), meter.carried
        for task in running:
            task.cancel()
    keeper.close()
    return counts, carried


@pytest.mark.real
async def test_what_is_counted_and_what_is_foretold_are_within_fifteen_percent_of_what_a_real_line_carries(
    tmp_path: Path, free_port: Callable[[], int], real_program: Callable[[str], str]
) -> None:
    port = free_port()
    broker = mosquitto(real_program("mosquitto"), tmp_path / "broker", port)
    start(broker)
    spool = open_spool(tmp_path / "other")
    status = status_of(IDENTITY, spool.state(), online=True, devices=devices())
    spool.close()
    try:
        counts, carried = await spoken(tmp_path / "spool", port=port, near=free_port(), seconds=11)
    finally:
        broker.kill()
    assert counts.commits >= 8
    assert counts.bytes_sent + counts.bytes_received == pytest.approx(carried, rel=0.15)
    foretold = traffic_of(FLOWS, status, send_s=1.0, line=Line())
    statuses = 1 + 11 // STATUS_EVERY_S
    expected = counts.batches_sent * foretold.batch_bytes + statuses * foretold.status_bytes
    assert expected == pytest.approx(carried, rel=0.15)
    assert counts.batches_sent == pytest.approx(11 * foretold.batches_per_s, abs=3)


def test_a_line_with_tls_or_with_a_short_keepalive_carries_more() -> None:
    status = last_will_of(IDENTITY)
    plain, tls, impatient = (
        traffic_of(FLOWS, status, send_s=10.0, line=line) for line in (Line(), Line(tls=True), Line(keepalive_s=5))
    )
    assert plain.carried_per_month == tls.carried_per_month < impatient.carried_per_month
    assert plain.overhead_per_month < min(tls.overhead_per_month, impatient.overhead_per_month)


def test_a_ping_costs_what_was_measured_by_hand() -> None:
    """Two packets and an acknowledgement: 160 bytes, with what they carry; about 220 with TLS."""
    assert 4 + Line().overhead_bytes(carried=4, exchanges=1) == 160
    assert 4 + Line(tls=True).overhead_bytes(carried=4, exchanges=1) == pytest.approx(220, rel=0.02)


@given(period_s=st.floats(0.1, 3600), send_s=st.floats(1, 3600))
def test_sending_less_often_never_costs_more(period_s: float, send_s: float) -> None:
    flows, status = [Flow(stream=stream(), period_s=period_s)], last_will_of(IDENTITY)
    often, seldom = (traffic_of(flows, status, send_s=one, line=Line()) for one in (send_s, 3 * send_s))
    assert seldom.bytes_per_month <= 1.05 * often.bytes_per_month


def test_without_devices_only_the_status_is_said() -> None:
    none = traffic_of([], last_will_of(IDENTITY), send_s=1.0, line=Line())
    assert (none.batches_per_s, none.batch_bytes) == (0.0, 0)
    assert none.bytes_per_month > 0
