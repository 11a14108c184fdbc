"""The running agent as its machine sees it: what it tells, how it ends, and that nobody else touches its buses."""

import asyncio
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from edge.spool.segment_spool import SegmentSpool
from tests.support.counting_field import CountingField, CountingUnit
from tests.support.edge_files import COUNTER, ROOT, GatewayFile, sen_edge, start_agent
from tests.support.mosquitto import mosquitto, start
from tests.support.processes import Program, wait_until
from wire.codec import decode_status
from wire.identifiers import GatewayId
from wire.messages import Status
from wire.topics import Up, up_topic

GATEWAY = GatewayId("gw-1")


@pytest.fixture
def field() -> Iterator[CountingField]:
    with CountingField(rtu_units={1: CountingUnit()}, tcp_units={1: CountingUnit()}) as running:
        yield running


def gateway_file(folder: Path, field: CountingField, *, broker: int = 1) -> Path:
    return GatewayFile(
        folder=folder,
        broker=broker,
        buses=[
            f"bus: line, kind: modbus-rtu, port: {field.port}",
            f"bus: lan, kind: modbus-tcp, host: 127.0.0.1, tcp_port: {field.tcp_port}",
        ],
        devices=[
            f"device: rtu-1, bus: line, profile: {COUNTER}, unit: 1",
            f"device: tcp-1, bus: lan, profile: {COUNTER}, unit: 1",
            f"device: tcp-9, bus: lan, profile: {COUNTER}, unit: 9",
        ],
    ).write()


def status_of(config: Path) -> dict[str, Any]:
    told: dict[str, Any] = sen_edge("status", str(config), "--json").told
    return told


def accepted(config: Path) -> int:
    return int(status_of(config)["spool"]["accepted_total"])


@pytest.fixture
def running(tmp_path: Path, field: CountingField) -> Iterator[tuple[Program, Path]]:
    """An agent without a hub, and its file; it has accepted some records."""
    config = gateway_file(tmp_path, field)
    agent = start_agent(config)
    try:
        wait_until("records are accepted", lambda: accepted(config) >= 10, within_s=20)
        yield agent, config
    finally:
        if agent.runs:
            agent.stop()


def test_status_says_how_every_device_the_spool_and_the_link_are(running: tuple[Program, Path]) -> None:
    _, config = running
    status = status_of(config)
    devices = {device["device"]: device for device in status["devices"]}
    for name in ("rtu-1", "tcp-1"):
        assert not devices[name]["silent"]
        assert devices[name]["last_answer_age_s"] < 5
        assert {value["quality"] for value in devices[name]["values"]} == {"good"}
    assert devices["tcp-9"]["silent"]
    assert devices["tcp-9"]["errors"]["timeout"] >= 2
    assert status["spool"]["in_flight"] == status["spool"]["accepted_total"]
    assert not status["link"]["connected"]
    assert status["spool"]["bytes_written"] > 0
    assert status["spool"]["oldest_uncommitted_age_s"] > 0
    shown = sen_edge("status", str(config)).out
    assert "NOT CONNECTED" in shown
    assert "tcp-9 (test/counter on lan): never answered, SILENT" in shown
    assert "errors: timeout" in shown


def test_a_read_goes_through_the_agent_because_a_line_has_one_master(running: tuple[Program, Path]) -> None:
    _, config = running
    before = status_of(config)
    said = sen_edge("read", str(config), "rtu-1", "--json")
    assert said.code == 0
    (older,) = [device["values"][0]["value"] for device in before["devices"] if device["device"] == "rtu-1"]
    assert said.told["values"][0]["value"] > older
    assert said.told["raw"]


def test_what_the_agent_refuses_is_not_tried_beside_it(running: tuple[Program, Path]) -> None:
    _, config = running
    added = "  - {device: new-1, bus: line, profile: test/counter, unit: 2}\n"
    config.write_text(config.read_text() + added)  # the agent does not know of it
    said = sen_edge("read", str(config), "new-1")
    assert said.code == 1
    assert "device 'new-1': not in the gateway file; it has rtu-1, tcp-1, tcp-9" in said.err


def test_a_whole_cycle_is_refused_while_the_agent_owns_the_buses(running: tuple[Program, Path]) -> None:
    _, config = running
    said = sen_edge("test", str(config))
    assert said.code == 1
    assert "the agent runs and owns the buses" in said.err


def test_a_second_agent_is_refused_and_the_first_goes_on(running: tuple[Program, Path]) -> None:
    agent, config = running
    said = sen_edge("run", str(config))
    assert said.code == 1
    assert "another agent uses it" in said.err.splitlines()[-1]
    assert agent.runs
    before = accepted(config)
    wait_until("the first goes on", lambda: accepted(config) > before, within_s=10)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop_it_keeps_what_it_read_and_ends_well(
    running: tuple[Program, Path], number: signal.Signals
) -> None:
    agent, config = running
    said = accepted(config)
    assert agent.process is not None
    agent.process.send_signal(number)
    assert agent.process.wait(20) == 0
    assert "Traceback" not in agent.tail(200)
    assert not (config.parent / "state" / "control.sock").exists()
    spool = SegmentSpool.open(
        config.parent / "state" / "spool", gateway=GATEWAY, max_bytes=10_000_000, random_u64=lambda: 7
    )
    kept = spool.state().in_flight
    spool.close()
    assert kept >= said


def test_what_a_killed_agent_leaves_keeps_neither_status_nor_read_nor_its_successor_from_working(
    running: tuple[Program, Path],
) -> None:
    agent, config = running
    agent.kill()
    assert (config.parent / "state" / "control.sock").exists()
    said = sen_edge("status", str(config))
    assert (said.code, said.out) == (1, "")
    assert "no agent runs here" in said.err
    assert sen_edge("read", str(config), "tcp-1").code == 0
    agent.start()
    wait_until("its successor answers", lambda: sen_edge("status", str(config)).code == 0, within_s=20)
    assert agent.stop(within_s=10) == 0


def test_it_ends_in_time_while_it_waits_for_a_broker_that_does_not_answer(tmp_path: Path, field: CountingField) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as silent:
        address = silent.getsockname()
        with socket.create_connection(address):  # the only place in the queue is taken: who comes now waits
            agent = start_agent(gateway_file(tmp_path, field, broker=address[1]))
            assert agent.stop(within_s=10) == 0


def test_of_a_device_that_has_not_spoken_yet_a_read_says_so(tmp_path: Path) -> None:
    config = GatewayFile(
        folder=tmp_path,
        buses=[f"bus: gps, kind: serial, port: {tmp_path}/none"],
        devices=["device: gps-1, bus: gps, profile: nmea/gnss"],
    ).write()
    agent = start_agent(config)
    try:
        said = sen_edge("read", str(config), "gps-1")
    finally:
        agent.stop()
    assert said.code == 1
    assert "no such port" in " ".join(said.out.split())


def test_a_disk_that_fails_ends_it_with_one_line(tmp_path: Path, field: CountingField) -> None:
    config = gateway_file(tmp_path, field)
    # A file-size limit stands for the failing disk: the system refuses the write.
    done = subprocess.run(
        ["prlimit", "--fsize=49152", sys.executable, "-m", "edge", "run", str(config)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("sen-edge: spool ")
    assert "state/spool" in last


async def told_status(port: int, *, online: bool) -> Status:
    """What the broker holds or hears of the gateway, as soon as it says so."""
    async with asyncio.timeout(20), aiomqtt.Client("127.0.0.1", port) as client:
        await client.subscribe(up_topic(GATEWAY, Up.STATUS), qos=1)
        async for message in client.messages:
            assert isinstance(message.payload, bytes)
            status = decode_status(message.payload)
            if status.online is online:
                return status
    raise AssertionError("the broker has gone")


@pytest.mark.real
async def test_its_last_word_is_that_it_goes_and_its_will_that_it_vanished(
    tmp_path: Path, field: CountingField, free_port: Callable[[], int], real_program: Callable[[str], str]
) -> None:
    port = free_port()
    broker = mosquitto(real_program("mosquitto"), tmp_path / "broker", port)
    start(broker)
    config = gateway_file(tmp_path, field, broker=port)
    try:
        agent = start_agent(config)
        wait_until("it is connected", lambda: bool(status_of(config)["link"]["connected"]), within_s=20)
        told = await told_status(port, online=True)
        assert told.machine["spool_limit_bytes"] >= told.machine["spool_used_bytes"] > 0
        assert told.machine["memory_used_bytes"] > 0
        assert told.buses
        assert all(set(bus.numbers) >= {"bus_load_percent", "requests", "error_timeout"} for bus in told.buses)
        assert agent.stop() == 0
        assert (await told_status(port, online=False)).accepted_total is not None
        agent = start_agent(config)
        wait_until("it is connected", lambda: bool(status_of(config)["link"]["connected"]), within_s=20)
        await told_status(port, online=True)
        agent.kill()
        assert (await told_status(port, online=False)).accepted_total is None
    finally:
        broker.kill()
