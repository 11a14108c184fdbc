"""Each fault is made on a real line, and the doctor names its cause."""

import fcntl
import os
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from device_profiles.library import load_profile
from device_profiles.point_model import Line, Parity
from edge.clock import SystemClock
from edge.config import BusConfig, BusKind, DeviceConfig
from edge.diagnosis.bus_findings import bus_findings
from edge.diagnosis.facts import BusFacts, DeviceFacts, ExchangeFacts, GatewayFacts, StreamFacts, TriedLine
from edge.diagnosis.finding import Cause
from edge.diagnosis.findings import findings
from edge.diagnosis.gather import Subject, facts_alone
from edge.diagnosis.heard import Heard
from edge.diagnosis.lines import line_alone
from edge.diagnosis.machine import is_synchronised, reached
from edge.diagnosis.ports import Holder, PortFacts
from edge.drivers.base import ByteStream, Tap
from tests.support.edge_files import GatewayFile, Said, typed
from tests.support.rs485 import Rs485, station

METER = "eastron/sdm120"
CLIMATE = "generic/xy-md02"
CO2 = "senseair/s8"  # its profile waits for 180 ms only
GAS = f"device: co2, profile: {CO2}, unit: 254"


def gateway(folder: Path, port: object, devices: Sequence[str], *, more: str = "", broker: int = 1) -> Path:
    """A gateway file with one serial bus."""
    return GatewayFile(
        folder=folder,
        broker=broker,
        buses=[f"bus: line, kind: modbus-rtu, port: {port}, baud: 9600, parity: N, stop_bits: 1"],
        devices=[f"{one}, bus: line" for one in devices],
        more=more,
    ).write()


def causes(said: Said) -> list[str]:
    """The causes of the findings on lines, not those of the gateway itself."""
    return [one["cause"] for one in said.told["findings"]]


def doctor(folder: Path, field: Rs485, *devices: str) -> Said:
    config = gateway(folder, field.path, devices)
    return typed("doctor", str(config), "--bus", "line", "--json")


TWO = (f"device: meter, profile: {METER}, unit: 1", f"device: climate, profile: {CLIMATE}, unit: 2")


def test_a_line_on_which_all_is_well_has_no_findings(tmp_path: Path) -> None:
    with Rs485(stations=[station(METER, 1, voltage=230.0), station(CLIMATE, 2, temperature=20.0)]) as field:
        said = doctor(tmp_path, field, *TWO)
    assert (said.code, causes(said)) == (0, [])


def test_wrong_baud_is_named_with_the_one_that_is_right(tmp_path: Path) -> None:
    with Rs485(stations=[station(CO2, 254)], line=Line(baud=19200)) as field:
        said = doctor(tmp_path, field, GAS)
    (found,) = said.told["findings"]
    assert (said.code, found["cause"]) == (1, Cause.WRONG_BAUD)
    assert "baud: 19200" in found["next_step"]


def test_two_devices_of_one_address_spoil_each_others_answers_and_nobody_elses(tmp_path: Path) -> None:
    one, other = station(METER, 1, voltage=230.0), station(METER, 1, latency_s=0.012, voltage=118.5)
    with Rs485(stations=[one, other, station(CLIMATE, 2, temperature=20.0)]) as field:
        said = doctor(tmp_path, field, *TWO)
    (found,) = said.told["findings"]
    assert found["cause"] == Cause.DUPLICATE
    assert "unit 1" in found["where"]


def test_two_answers_one_after_the_other_are_a_duplicate_too(tmp_path: Path) -> None:
    one, other = station(CLIMATE, 2, temperature=20.0), station(CLIMATE, 2, latency_s=0.05, temperature=21.0)
    with Rs485(stations=[one, other]) as field:
        (found,) = doctor(tmp_path, field, TWO[1]).told["findings"]
    assert found["cause"] == Cause.DUPLICATE
    assert "two answers to one question" in found["evidence"]


def test_an_echo_is_told_and_is_no_fault(tmp_path: Path) -> None:
    with Rs485(stations=[station(METER, 1)], echoes=True) as field:
        said = doctor(tmp_path, field, TWO[0])
    assert (said.code, causes(said)) == (0, [Cause.ECHO])


def test_a_silent_device_among_others_is_named_alone(tmp_path: Path) -> None:
    with Rs485(stations=[station(METER, 1)]) as field:
        (found,) = doctor(tmp_path, field, TWO[0], GAS).told["findings"]
    assert found["cause"] == Cause.SILENT
    assert "co2 (unit 254" in found["where"]
    assert "sen-edge scan" in found["next_step"]


def test_a_device_slower_than_its_profile_says_is_too_slow(tmp_path: Path) -> None:
    slow = station(CO2, 254, latency_s=0.3)
    with Rs485(stations=[slow]) as field:
        (found,) = doctor(tmp_path, field, GAS).told["findings"]
    assert found["cause"] == Cause.SLOW
    assert "timeout_ms: " in found["next_step"]


def test_a_device_that_answers_the_question_before_is_too_slow_and_nobody_elses_master(tmp_path: Path) -> None:
    slow = station(CO2, 254, latency_s=0.8)  # later than a doctor is patient
    with Rs485(stations=[slow, station(METER, 1), station(CLIMATE, 2)]) as field:
        (found,) = doctor(tmp_path, field, GAS, *TWO).told["findings"]
    assert found["cause"] == Cause.SLOW
    (told_s,) = re.findall(r"it takes (\d+\.\d+) s", found["evidence"])
    assert 0.7 < float(told_s) < 3, "when it was heard, not when a busy machine looked"


def test_a_device_that_answers_now_and_then_is_not_called_well() -> None:
    now_and_then = (ExchangeFacts(heard=Heard.GOOD, latency_s=0.01), ExchangeFacts(heard=Heard.SILENT))
    device = DeviceFacts(device="d1", profile=METER, unit=1, exchanges=now_and_then)
    bus = BusFacts(bus="line", kind=BusKind.MODBUS_RTU, place="/dev/x", line=Line(baud=9600), devices=(device,))
    (found,) = bus_findings(bus, seen(bus))
    assert found.cause is Cause.SILENT
    assert "1 of 2 questions" in found.evidence


def test_damaged_answers_on_a_line_with_one_device_may_be_the_line_or_a_second_device() -> None:
    damaged = (ExchangeFacts(heard=Heard.DAMAGED, raw=b"\x01\x04\x02\x00"),) * 2
    device = DeviceFacts(device="d1", profile=METER, unit=7, exchanges=damaged)
    bus = BusFacts(bus="line", kind=BusKind.MODBUS_RTU, place="/dev/x", line=Line(baud=9600), devices=(device,))
    (found,) = bus_findings(bus, seen(bus))
    assert found.cause is Cause.NOISE
    assert "01 04 02 00" in found.evidence
    assert "no second device has address 7" in found.next_step


def test_a_device_of_another_kind_refuses(tmp_path: Path) -> None:
    with Rs485(stations=[station(CLIMATE, 1), station(METER, 2)]) as field:
        (found,) = doctor(tmp_path, field, "device: ups, profile: huawei/ups2000, unit: 1").told["findings"]
    assert found["cause"] == Cause.REFUSES


def seen(*buses: BusFacts, broker_trouble: str | None = None, agent_runs: bool = True, **more: int) -> GatewayFacts:
    """A gateway on which all else is well."""
    facts = {"spool_bytes": 0, "spool_max_bytes": 1000, "disk_free_bytes": 10**10, "now_ms": 1_795_000_000_000, **more}
    return GatewayFacts(
        config="gateway.yaml",
        user="tech",
        agent_runs=agent_runs,
        broker="mqtt://hub:1883",
        broker_trouble=broker_trouble,
        is_synchronised=None,
        buses=buses,
        **facts,
    )


def subject(field: Rs485, profile: str, *, unit: int | None, kind: BusKind = BusKind.MODBUS_RTU) -> Subject:
    """A bus whose parity the pty's user tells it, because a pty has none."""
    bus = BusConfig(bus="line", kind=kind, port=str(field.path))

    @asynccontextmanager
    async def opened(line: Line, tap: Tap | None) -> AsyncIterator[ByteStream]:
        field.parity = line.parity
        plain = Line(baud=line.baud, stop_bits=line.stop_bits)
        chosen = BusConfig(bus="line", kind=kind, port=str(field.path), baud=line.baud)
        async with line_alone(chosen, plain, clock=SystemClock(), tap=tap) as found:
            yield found

    return Subject(
        bus=bus,
        line=Line(baud=9600),
        devices=[DeviceConfig(device="d1", bus="line", profile=profile, unit=unit)],
        profiles={profile: load_profile(profile)},
        opened=opened,
        others=(Line(baud=19200), Line(baud=9600, parity=Parity.EVEN)),
    )


def say_nothing(_: str) -> None:
    return


async def test_wrong_parity_is_named_with_the_one_that_is_right() -> None:
    with Rs485(stations=[station(CO2, 254)], line=Line(baud=9600, parity=Parity.EVEN)) as field:
        bus = await facts_alone(subject(field, CO2, unit=254), clock=SystemClock(), say=say_nothing)
    (found,) = bus_findings(bus, seen(bus))
    assert found.cause is Cause.WRONG_PARITY
    assert "parity: E" in found.next_step


async def test_a_swapped_pair_gives_only_the_wrong_level() -> None:
    with Rs485(stations=[station(CO2, 254)], is_swapped=True, noise=b"\x00") as field:
        bus = await facts_alone(subject(field, CO2, unit=254), clock=SystemClock(), say=say_nothing)
    (found,) = bus_findings(bus, seen(bus))
    assert found.cause is Cause.SWAPPED
    assert "swap A and B" in found.next_step


async def test_a_line_without_anybody_is_one_finding_that_says_what_was_tried() -> None:
    with Rs485(stations=[]) as field:
        bus = await facts_alone(subject(field, CO2, unit=254), clock=SystemClock(), say=say_nothing)
    (found,) = bus_findings(bus, seen(bus))
    assert found.cause is Cause.NOBODY
    assert "at 2 other line settings neither" in found.evidence
    assert "A to A" in found.next_step


DUST = bytes.fromhex("AA C0 D4 04 3A 0A A1 60 1D AB")


async def test_a_device_that_speaks_at_another_baud_is_named_with_the_right_one() -> None:
    with Rs485(stations=[], spoken=DUST, line=Line(baud=9600)) as field:
        one = subject(field, "nova/sds011", unit=None, kind=BusKind.SERIAL)
        well = await facts_alone(one, clock=SystemClock(), say=say_nothing)
        field.line = Line(baud=19200)
        ill = await facts_alone(one, clock=SystemClock(), say=say_nothing)
    assert list(bus_findings(well, seen(well))) == []
    (found,) = bus_findings(ill, seen(ill))
    assert found.cause is Cause.WRONG_BAUD
    assert "baud: 19200" in found.next_step


def test_a_port_that_is_not_there_is_gone(tmp_path: Path) -> None:
    said = typed("doctor", str(gateway(tmp_path, tmp_path / "none", [GAS])), "--bus", "line", "--json")
    assert (said.code, causes(said)) == (1, [Cause.PORT_GONE])


def test_a_port_that_another_program_holds_is_in_use(tmp_path: Path) -> None:
    with Rs485(stations=[]) as field:
        held = os.open(field.path, os.O_RDWR | os.O_NOCTTY)
        fcntl.flock(held, fcntl.LOCK_EX)
        said = doctor(tmp_path, field, GAS)
        os.close(held)
    assert (said.code, causes(said)) == (1, [Cause.PORT_BUSY])


def test_a_port_that_may_not_be_opened_names_the_group_that_may() -> None:
    port = PortFacts(
        name="/dev/ttyUSB0", device="/dev/ttyUSB0", exists=True, may_open=False,
        owners="user root, group dialout, mode 660", holders=(),
    )  # fmt: skip
    bus = BusFacts(
        bus="line", kind=BusKind.MODBUS_RTU, place=port.name, line=Line(baud=9600), port=port, trouble="denied"
    )
    (found,) = bus_findings(bus, seen(bus))
    assert found.cause is Cause.PORT_DENIED
    assert found.next_step == "sudo adduser tech dialout, and log in again"


def test_what_is_wrong_with_the_gateway_itself_is_named_too(tmp_path: Path) -> None:
    with Rs485(stations=[station(CO2, 254)]) as field:
        config = gateway(tmp_path, field.path, [GAS])
        said = typed("doctor", str(config), "--json")
        shown = typed("doctor", str(config))
    assert said.code == 1
    assert {Cause.AGENT_DOWN, Cause.BROKER} <= set(causes(said))
    assert "the host is there, but no broker listens" in shown.out
    assert all(len(line) <= 80 or " " not in line.strip() for line in shown.out.splitlines())


def test_a_device_server_that_is_not_reached_is_named_with_its_place(tmp_path: Path) -> None:
    config = GatewayFile(
        folder=tmp_path,
        buses=["bus: lan, kind: modbus-rtu-over-tcp, host: 127.0.0.1, tcp_port: 1"],
        devices=[f"{GAS}, bus: lan"],
    ).write()
    (found,) = typed("doctor", str(config), "--bus", "lan", "--json").told["findings"]
    assert found["cause"] == Cause.NOT_REACHED
    assert "127.0.0.1:1" in found["where"]


def test_a_clock_that_was_never_set_and_a_full_disk_are_named() -> None:
    facts = seen(now_ms=86_400_000, disk_free_bytes=1_000_000)
    assert {one.cause for one in findings(facts)} == {Cause.CLOCK_UNSET, Cause.DISK_FULL}


def test_more_than_a_bus_can_do_is_named() -> None:
    bus = BusFacts(bus="line", kind=BusKind.MODBUS_RTU, place="/dev/x", line=Line(baud=9600), load=1.2)
    (found,) = bus_findings(bus, seen(bus))
    assert (found.cause, "120 %" in found.evidence) == (Cause.OVERLOADED, True)


def test_readings_that_come_too_late_for_their_period_are_too_slow() -> None:
    device = DeviceFacts(
        device="d1", profile=METER, unit=1, exchanges=(ExchangeFacts(heard=Heard.GOOD),), reads=80, late=20
    )
    bus = BusFacts(bus="line", kind=BusKind.MODBUS_RTU, place="/dev/x", line=Line(baud=9600), devices=(device,))
    (found,) = bus_findings(bus, seen(bus))
    assert found.cause is Cause.SLOW


def test_whether_a_time_server_has_set_the_clock_is_known_only_where_it_is_told(tmp_path: Path) -> None:
    assert is_synchronised(tmp_path / "none") is None
    assert is_synchronised(tmp_path) is False
    (tmp_path / "synchronized").touch()
    assert is_synchronised(tmp_path) is True


async def test_a_broker_that_cannot_be_reached_says_why() -> None:
    assert await reached("127.0.0.1", 1) == "the host is there, but no broker listens"


RAW = st.binary(max_size=40)
EXCHANGES = st.builds(
    ExchangeFacts,
    heard=st.sampled_from(Heard),
    raw=RAW,
    latency_s=st.none() | st.floats(0, 5),
    has_echo=st.booleans(),
)
STREAMS = st.builds(StreamFacts, seconds=st.floats(0.1, 10), good=st.integers(0, 9), bad=st.integers(0, 9), raw=RAW)
DEVICES = st.builds(
    DeviceFacts,
    device=st.just("d1"),
    profile=st.just(METER),
    unit=st.integers(1, 247),
    timeout_s=st.floats(0.05, 2),
    exchanges=st.lists(EXCHANGES, max_size=3).map(tuple),
    stream=st.none() | STREAMS,
    reads=st.integers(0, 100),
    late=st.integers(0, 100),
)
LINES = st.builds(Line, baud=st.sampled_from((9600, 19200)), parity=st.sampled_from(Parity))
PORTS = st.builds(
    PortFacts,
    name=st.just("/dev/x"),
    device=st.just("/dev/x"),
    exists=st.booleans(),
    may_open=st.booleans(),
    owners=st.just("user root, group dialout, mode 660"),
    holders=st.sampled_from(((), (Holder(pid=1, program="minicom"),))),
)
BUSES = st.builds(
    BusFacts,
    bus=st.just("line"),
    kind=st.sampled_from(BusKind),
    place=st.just("/dev/x"),
    line=LINES,
    port=st.none() | PORTS,
    trouble=st.none() | st.just("cannot be opened"),
    is_agents=st.booleans(),
    devices=st.lists(DEVICES, max_size=3).map(tuple),
    tried=st.lists(st.builds(TriedLine, line=LINES, device=st.just("d1"), is_answered=st.booleans()), max_size=2).map(
        tuple
    ),
    load=st.none() | st.floats(0, 2),
)


@settings(max_examples=50)
@given(BUSES)
def test_every_finding_has_evidence_and_a_next_step_whatever_was_seen(bus: BusFacts) -> None:
    for found in bus_findings(bus, seen(bus)):
        assert found.where
        assert len(found.evidence) > len("only : ")
        assert found.next_step


@settings(max_examples=50)
@given(BUSES)
def test_a_bus_that_cannot_be_opened_has_that_one_finding(bus: BusFacts) -> None:
    found = list(bus_findings(bus, seen(bus)))
    if bus.trouble is not None:
        assert len(found) == 1


@given(st.lists(st.sampled_from(("d1", "d2", "d3")), min_size=1, unique=True), st.integers(1, 3))
def test_a_dumb_bus_has_one_finding_however_many_devices_are_on_it(names: list[str], questions: int) -> None:
    silence = (ExchangeFacts(heard=Heard.SILENT),) * questions
    devices = tuple(DeviceFacts(device=name, profile=METER, unit=1, exchanges=silence) for name in names)
    bus = BusFacts(bus="line", kind=BusKind.MODBUS_RTU, place="/dev/x", line=Line(baud=9600), devices=devices)
    assert [one.cause for one in bus_findings(bus, seen(bus))] == [Cause.NOBODY]
