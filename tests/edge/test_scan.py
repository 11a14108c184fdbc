"""Who is on a bus: found quickly, by their own address, on a real line, alone and beside a running agent."""

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from device_profiles.library import load_all, load_capture
from device_profiles.modbus import IdentifyRequest
from device_profiles.point_model import Line
from device_profiles.simulate import ModbusResponder
from edge.diagnosis.identify import fitting_profiles
from edge.diagnosis.ports import port_facts, serial_ports
from edge.diagnosis.scan import scan_units
from edge.diagnosis.survey import ALL_UNITS, patient_units
from tests.support.counting_field import CountingField, CountingUnit
from tests.support.edge_files import COUNTER, GatewayFile, start_agent, typed
from tests.support.fake_clock import FakeClock
from tests.support.processes import wait_until
from tests.support.responding_bus import RespondingBus
from tests.support.rs485 import Rs485, station

PROFILES = load_all()
MODBUS = [name for name, profile in PROFILES.items() if profile.modbus is not None]
METER = {"voltage": 231.2, "current": 1.4, "frequency": 49.98, "power": 300.1}


def responder(profile: str, unit: int) -> ModbusResponder:
    """A device of the library with the values of its capture."""
    made = ModbusResponder(PROFILES[profile], unit)
    for exchange in load_capture(profile).exchanges:
        good = {key: number for key, number in exchange.expect.items() if exchange.quality.get(key, "good") == "good"}
        made.set_values({key: number for key, number in good.items() if number is not None})
    return made


async def test_247_addresses_with_five_devices_at_9600_baud_take_less_than_a_minute_with_their_profiles() -> None:
    names = ["eastron/sdm120", "generic/xy-md02", "peacefair/pzem-004t", "yosemitech/y4000", "abb/b23"]
    units = dict(zip((1, 17, 44, 100, 247), names, strict=True))
    clock = FakeClock()
    start_s = clock.monotonic_s()
    bus = RespondingBus({unit: responder(name, unit) for unit, name in units.items()}, clock)
    found = await scan_units(bus, ALL_UNITS, patient=patient_units(PROFILES))
    best = {one.unit: (await fitting_profiles(bus, one.unit, PROFILES, timeout_s=0.15))[0].profile for one in found}
    assert best == units
    assert clock.monotonic_s() - start_s < 60


@pytest.mark.parametrize("name", MODBUS)
async def test_each_profile_of_the_library_is_recognised_by_the_values_of_its_capture(name: str) -> None:
    clock = FakeClock()
    bus = RespondingBus({7: responder(name, 7)}, clock)
    start_s = clock.monotonic_s()
    fits = await fitting_profiles(bus, 7, PROFILES, timeout_s=0.15)
    assert name in [fit.profile for fit in fits]
    assert clock.monotonic_s() - start_s < 5 + len(MODBUS) / 10
    assert all("plausible" in fit.reason for fit in fits)


async def test_a_device_that_tells_its_name_is_taken_for_what_it_says_though_it_measures_nothing() -> None:
    device = ModbusResponder(PROFILES["epever/tracer"], 7)
    device.set_values({"battery_voltage": 12.3, "battery_temperature": 25.0})
    bus = RespondingBus({7: device}, FakeClock())
    best = (await fitting_profiles(bus, 7, PROFILES, timeout_s=0.15))[0]
    assert (best.profile, best.bits > 24) == ("epever/tracer", True)
    assert sum(isinstance(request, IdentifyRequest) and request.access == 1 for _, request in bus.asked) == 1


async def test_a_device_whose_registers_are_all_zero_is_taken_for_nothing() -> None:
    bus = RespondingBus({7: ModbusResponder(PROFILES["eastron/sdm120"], 7)}, FakeClock())
    assert await fitting_profiles(bus, 7, PROFILES, timeout_s=0.15) == []


def test_units_are_found_on_a_real_line_and_slow_ones_under_their_own_address() -> None:
    stations = [
        station("eastron/sdm120", 3, **METER),
        station("generic/xy-md02", 5, latency_s=0.07, temperature=24.5, humidity=61.2),  # speaks when 6 is asked
        station("abb/b23", 8, latency_s=0.3),
    ]
    with Rs485(stations=stations) as line:
        said = typed("scan", "--port", str(line.path), "--units", "1-12", "--no-profiles", "--json")
        requests = line.requests
    assert said.code == 0, said.err
    (scan,) = said.told["scans"]
    found = {one["unit"]["unit"]: one for one in scan["units"]}
    assert sorted(found) == [3, 5, 8]
    assert [found[unit]["unit"]["is_late"] for unit in (3, 5, 8)] == [False, True, True]
    assert {request[1] for request in requests} <= {1, 2, 3, 4}, "a scan only reads"


def test_what_was_found_is_printed_as_lines_for_the_gateway_file(tmp_path: Path) -> None:
    with Rs485(stations=[station("eastron/sdm120", 3, **METER)]) as line:
        said = typed("scan", "--port", str(line.path), "--units", "3")
        _, _, lines = said.out.partition("buses:\n")
        bus, device = (one.strip(" -{}") for one in lines.splitlines() if one.startswith("  - "))
        config = GatewayFile(folder=tmp_path, buses=[bus], devices=[device]).write()
        read = typed("read", str(config), "sdm120-3", "--json")
    assert "1. eastron/sdm120: " in said.out
    assert "voltage 231.2 V" in " ".join(said.out.split())
    assert read.code == 0, read.err
    assert 231.2 in [value["value"] for value in read.told["values"]]


def test_a_guess_says_what_it_tries_and_ends_with_the_settings_that_answer() -> None:
    with Rs485(stations=[station("eastron/sdm120", 2, **METER)], line=Line(baud=19200)) as line:
        said = typed("scan", "--port", str(line.path), "--guess", "--units", "1-2", "--no-profiles")
    assert said.code == 0, said.err
    assert "2 addresses at each of 13 settings" in said.out
    assert "38400 8N1" in said.out
    assert "9600 8N1: nobody answered" in said.out
    assert "9600 8E1: " in said.out, "a setting that the port cannot do is told, and passed over"
    assert "baud: 19200, parity: " in said.out
    assert "likeliest" not in said.out, "who named the addresses knows which were left out"


def test_nobody_on_the_line_is_no_success_and_says_what_to_do_next() -> None:
    with Rs485(stations=[]) as line:
        said = typed("scan", "--port", str(line.path), "--units", "1-2", "--no-profiles")
    assert said.code == 1
    assert "nobody answered; `sen-edge scan --guess`" in said.err


@pytest.fixture
def counting() -> Iterator[CountingField]:
    with CountingField(rtu_units={1: CountingUnit()}, tcp_units={1: CountingUnit()}) as running:
        yield running


def gateway_file(folder: Path, field: CountingField) -> Path:
    return GatewayFile(
        folder=folder,
        buses=[
            f"bus: line, kind: modbus-rtu, port: {field.port}",
            f"bus: lan, kind: modbus-tcp, host: 127.0.0.1, tcp_port: {field.tcp_port}",
        ],
        devices=[
            f"device: rtu-1, bus: line, profile: {COUNTER}, unit: 1, every_s: {{counters: 1}}",
            f"device: tcp-1, bus: lan, profile: {COUNTER}, unit: 1",
        ],
    ).write()


def test_a_scan_beside_a_running_agent_uses_its_bus_and_disturbs_nothing(
    counting: CountingField, tmp_path: Path
) -> None:
    config = gateway_file(tmp_path, counting)
    agent = start_agent(config)
    try:
        wait_until("it has read", lambda: counting.rtu_units[1].answers >= 3, within_s=20)
        said = typed("scan", str(config), "--bus", "line", "--units", "1-6", "--json")
        alone = typed("scan", "--port", str(counting.port), "--units", "1-6")
        status = typed("status", str(config), "--json").told
    finally:
        assert agent.stop(within_s=10) == 0
    assert said.code == 0, said.err
    assert [one["unit"]["unit"] for one in said.told["scans"][0]["units"]] == [1]
    assert said.told["scans"][0]["units"][0]["fits"][0]["profile"] == COUNTER
    # What others send on a line garbles answers; a machine that is busy makes one late now and then.
    assert {kind for device in status["devices"] for kind in device["errors"]} <= {"timeout"}
    assert alone.code == 1
    assert "another program uses it" in alone.err


def test_modbus_tcp_is_scanned_by_its_name_or_its_bus(counting: CountingField, tmp_path: Path) -> None:
    config = gateway_file(tmp_path, counting)
    by_host = typed("scan", "--host", f"127.0.0.1:{counting.tcp_port}", "--units", "1-2", "--no-profiles", "--json")
    by_bus = typed("scan", str(config), "--bus", "lan", "--units", "1-2", "--no-profiles", "--json")
    for said in (by_host, by_bus):
        assert said.code == 0, said.err
        assert [one["unit"]["unit"] for one in said.told["scans"][0]["units"]] == [1]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--port", "/dev/none", "--units", "0"], "expected addresses of 1 to 255"),
        (["--port", "/dev/none", "--units", "a"], "expected addresses like 1-247 or 1,2,10-20"),
        (["--port", "/dev/none"], "/dev/none: no such port"),
        (["--bus", "line"], "name the gateway file before it"),
        (["--port", "/dev/none", "--host", "x"], "expected one of them"),
        (["--host", "127.0.0.1:1"], "nothing listens there"),
        (["none.yaml", "--bus", "line"], "none.yaml: No such file or directory"),
    ],
)
def test_what_cannot_be_scanned_is_told_in_one_line(arguments: list[str], expected: str) -> None:
    said = typed("scan", *arguments, "--no-profiles")
    assert said.code == 1
    assert expected in said.err
    assert len(said.err.splitlines()) == 1


def test_ports_are_listed_by_their_lasting_names_with_who_may_open_and_who_has_them(tmp_path: Path) -> None:
    by_id = tmp_path / "dev" / "serial" / "by-id"
    by_id.mkdir(parents=True)
    for name in ("ttyUSB0", "ttyACM0", "ttyS0"):
        (tmp_path / "dev" / name).touch()
    (by_id / "usb-FTDI-if00").symlink_to("../../ttyUSB0")
    empty = tmp_path / "sys" / "class" / "tty" / "ttyS0"
    empty.mkdir(parents=True)
    (empty / "type").write_text("0\n")  # no chip there
    holder = tmp_path / "proc" / "4711"
    (holder / "fd").mkdir(parents=True)
    (holder / "fd" / "3").symlink_to(tmp_path / "dev" / "ttyACM0")
    (holder / "cmdline").write_bytes(b"minicom\0-b\x009600\0")
    ports = {Path(port.name).name: port for port in serial_ports(tmp_path)}
    assert sorted(ports) == ["ttyACM0", "usb-FTDI-if00"]
    assert ports["usb-FTDI-if00"].device == str(tmp_path / "dev" / "ttyUSB0")
    assert ports["usb-FTDI-if00"].holders == ()
    assert [(one.pid, one.program) for one in ports["ttyACM0"].holders] == [(4711, "minicom -b 9600")]
    assert not port_facts(str(tmp_path / "dev" / "ttyUSB9"), tmp_path).exists


def test_a_port_that_another_program_has_locked_is_left_alone() -> None:
    with Rs485(stations=[]) as line:
        held = os.open(line.path, os.O_RDWR | os.O_NOCTTY)
        fcntl.flock(held, fcntl.LOCK_EX)
        said = typed("scan", "--port", str(line.path), "--units", "1", "--no-profiles")
        os.close(held)
    assert said.code == 1
    assert "another program uses it; end that program" in said.err
