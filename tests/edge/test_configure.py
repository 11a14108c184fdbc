"""What is wrong with a gateway file is told at once, each fault with its line; and what is right reaches the agent."""

import copy
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from device_profiles.compiled import plain_of, plain_to
from device_profiles.faults import FileFaults
from edge.config import BusKind, CheckedGateway
from edge.configure import checked_gateway
from tests.support.edge_files import COUNTER, ROOT, GatewayFile
from wire.records import Mode

FAULTY = """\
gateway: GW_1
site: hall
mode: forecast
colour: blue
hub:
  broker: "http://hub"
  username: gw-1
  password_file: nowhere.password
spool: {commit_records: 0, commit_s: 1.0}
send_s: soon
buses:
  - {bus: line, kind: modbus-rtu, port: /dev/ttyUSB0}
  - {bus: line, kind: modbus-tcp, host: 192.0.2.7, port: /dev/ttyUSB0}
  - {bus: lan, kind: modbus-tcp, tcp_port: 70000}
  - {bus: gps, kind: serial, port: /dev/ttyAMA0, parity: X}
  - {bus: odd, kind: profibus, port: /dev/ttyS9}
  - {bus: both, kind: modbus-rtu, port: /dev/ttyUSB2}
devices:
  - {device: meter-1, bus: both, profile: eastron/sdm120, unit: 1}
  - {device: meter-1, bus: both, profile: eastron/sdm120, unit: 1}
  - {device: meter-2, bus: both, profile: eastron/sdm129, unit: 2}
  - {device: meter-3, bus: booth, profile: eastron/sdm120, unit: 3}
  - {device: gps-1, bus: both, profile: nmea/gnss}
  - {device: gps-2, bus: gps, profile: nmea/gnss, unit: 4}
  - {device: dust-1, bus: gps, profile: nova/sds011}
  - {device: meter-4, bus: both, profile: eastron/sdm630, unit: 300, every_s: {power: 10}}
  - {device: wind-1, bus: both, profile: ecowitt/wn90lp, unit: 5, every_s: {weather: 0}}
  - {device: meter-5, bus: both, profile: eastron/sdm120, unit: 6, controls: [reset], parameters: {ratio: 4}}
  - {device: meter-6, bus: both, profile: eastron/sdm120, unit: 7, checks: {voltag: {stuck_h: 0}, power: {stuck_h: -1}}}
  - {device: meter-7, bus: both, profile: eastron/sdm120, unit: 8, report: {deadband: {energy_import: 1, voltage: 0}}}
"""

# Line, where, and a word of what was found or expected: in the order of the file.
FAULTS = [
    (1, "gateway", "GW_1"),
    (3, "mode", "a gateway makes no other data"),
    (4, "colour", "unknown key"),
    (6, "hub.broker", "mqtts://host"),
    (8, "hub.password_file", "not there"),
    (9, "spool.commit_records", "1 or more"),
    (10, "send_s", "a number"),
    (13, "buses[1].bus", "a second time"),
    (13, "buses[1].port", "no port for this kind"),
    (13, "buses[1].port", "which is bus line"),
    (14, "buses[2].tcp_port", "65535 or less"),
    (14, "buses[2]", "without host"),
    (15, "buses[3].parity", "'N', 'E' or 'O'"),
    (16, "buses[4].kind", "modbus-rtu-over-tcp"),
    (20, "devices[1].device", "a second time"),
    (20, "devices[1].unit", "which is meter-1 on bus both"),
    (21, "devices[2].profile", "did you mean eastron/sdm120"),
    (22, "devices[3].bus", "did you mean both?"),
    (23, "devices[4].bus", "a bus of kind serial"),
    (24, "devices[5].unit", "this device sends by itself"),
    (25, "devices[6].bus", "one device on a serial line"),
    (26, "devices[7].unit", "255 or less"),
    (26, "devices[7].every_s.power", "electricity, energy"),
    (27, "devices[8].every_s.weather", "more than 0"),
    (28, "devices[9].parameters.ratio", "asks for no number"),
    (28, "devices[9].controls[0]", "has no controls"),
    (29, "devices[10].checks.power.stuck_h", "0 or more"),
    (29, "devices[10].checks.voltag", "did you mean voltage"),
    (30, "devices[11].report.deadband.voltage", "more than 0"),
    (30, "devices[11].report.deadband.energy_import", "every change of it is recorded"),
]

WITH_PARAMETER = """\
profile: test/ratio
revision: 1
device: {vendor: Test, model: Gauge, kind: level gauge}
line: {baud: 9600}
source: {document: "tests/edge/test_configure.py", section: "module"}
modbus:
  groups:
    - name: level
      measurement: water
      every_s: 10
      points:
        - {key: depth, quantity: water_level, table: input, type: u16, address: 0, scale: 0.001}
      derived:
        - {key: elevation, quantity: water_level, form: sum, of: [depth], parameter: datum}
"""

LINE = "bus: line, kind: modbus-rtu, port: /dev/ttyUSB0"
LAN = "bus: lan, kind: modbus-tcp, host: 192.0.2.7"
METER = "device: meter-1, bus: line, profile: eastron/sdm120, unit: 1"
COUNTING = f"device: counter-1, bus: lan, profile: {COUNTER}, unit: 1"


def faults_of(path: Path) -> list[str]:
    with pytest.raises(FileFaults) as found:
        checked_gateway(path)
    return [str(fault) for fault in found.value.faults]


def faults_with(folder: Path, *, buses: Sequence[str], devices: Sequence[str], more: str = "") -> list[str]:
    return faults_of(GatewayFile(folder=folder, buses=buses, devices=devices, more=more).write())


def test_two_dozen_faults_are_told_in_one_run_each_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text(FAULTY)
    told = faults_of(path)
    assert [line.split(": ")[:2] for line in told] == [[f"{path}:{line}", where] for line, where, _ in FAULTS]
    assert [word for (_, _, word), line in zip(FAULTS, told, strict=True) if word not in line] == []


@pytest.mark.parametrize(("every_s", "rounds"), [(300, "1.25"), (240, "1 times"), (3600, "15 times")])
def test_a_period_in_which_a_counter_could_go_round_unseen_is_refused_with_the_arithmetic(
    tmp_path: Path, every_s: int, rounds: str
) -> None:
    bus = "bus: loop, kind: serial, port: /dev/ttyUSB0"
    device = f"device: loop-1, bus: loop, profile: canoga/c900, unit: 128, every_s: {{channels: {every_s}}}"
    (told,) = faults_with(tmp_path, buses=[bus], devices=[device])
    assert f"found {every_s} s: vehicle_counter_1 can count 256 in 240 s and go round {rounds}" in told
    assert "less than 240" in told
    good = device.replace(f"channels: {every_s}", "channels: 239")
    assert checked_gateway(GatewayFile(folder=tmp_path, buses=[bus], devices=[good]).write())


def test_the_numbers_a_profile_asks_for_are_given_by_the_device_and_reach_the_agent(tmp_path: Path) -> None:
    profile = tmp_path / "profiles" / "test" / "ratio.yaml"
    profile.parent.mkdir(parents=True)
    profile.write_text(WITH_PARAMETER)
    device = "device: m-1, bus: line, profile: test/ratio, unit: 1"
    (told,) = faults_with(tmp_path, buses=[LINE], devices=[device])
    assert "no datum in parameters" in told
    path = GatewayFile(folder=tmp_path, buses=[LINE], devices=[f"{device}, parameters: {{datum: 2.5}}"]).write()
    checked = plain_to(CheckedGateway, json.loads(json.dumps(plain_of(checked_gateway(path)))))
    assert checked.config.devices[0].parameters == {"datum": 2.5}


def test_as_a_program_it_prints_the_faults_and_how_many_and_fails(tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text(FAULTY)
    done = subprocess.run(
        [sys.executable, "-m", "edge.configure", str(path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1] == f"{len(FAULTS)} fault(s)"


def test_devices_whose_line_settings_differ_need_those_of_the_bus(tmp_path: Path) -> None:
    devices = [METER, f"device: counter-1, bus: line, profile: {COUNTER}, unit: 2"]
    (told,) = faults_with(tmp_path, buses=[LINE], devices=devices)
    assert "no baud for devices that differ: eastron/sdm120 9600, test/counter 115200" in told
    said = GatewayFile(folder=tmp_path, buses=[f"{LINE}, baud: 19200"], devices=devices).write()
    assert checked_gateway(said).config.buses[0].baud == 19200


def test_only_modbus_tcp_has_several_requests_in_flight(tmp_path: Path) -> None:
    (told,) = faults_with(tmp_path, buses=[f"{LINE}, in_flight: 2"], devices=[METER])
    assert "buses[0].in_flight: found in_flight with kind modbus-rtu" in told
    good = GatewayFile(folder=tmp_path, buses=[f"{LAN}, in_flight: 2"], devices=[COUNTING]).write()
    assert checked_gateway(good).config.buses[0].in_flight == 2


def test_one_serial_server_is_one_bus(tmp_path: Path) -> None:
    server = "kind: modbus-rtu-over-tcp, host: 192.0.2.8, tcp_port: 4001"
    devices = [METER, METER.replace("meter-1", "meter-2").replace("line", "line-2")]
    (told,) = faults_with(tmp_path, buses=[f"bus: line, {server}", f"bus: line-2, {server}"], devices=devices)
    assert "buses[1].host" in told
    assert "which is bus line" in told


def test_a_device_behind_a_serial_server_needs_the_servers_port(tmp_path: Path) -> None:
    server = "bus: gps, kind: serial-over-tcp, host: 192.0.2.8"
    device = "device: gps-1, bus: gps, profile: nmea/gnss"
    (told,) = faults_with(tmp_path, buses=[server], devices=[device])
    assert "buses[0]: found kind serial-over-tcp without tcp_port" in told
    good = GatewayFile(folder=tmp_path, buses=[f"{server}, tcp_port: 4001"], devices=[device]).write()
    assert checked_gateway(good).config.buses[0].kind is BusKind.SERIAL_OVER_TCP
    (told,) = faults_with(
        tmp_path,
        buses=[f"{server}, tcp_port: 4001", "bus: line, kind: modbus-rtu-over-tcp, host: 192.0.2.8, tcp_port: 4001"],
        devices=[device, METER],
    )
    assert "which is bus gps" in told


def test_a_fault_of_a_profile_beside_the_file_is_told_with_the_file_s_own(tmp_path: Path) -> None:
    path = GatewayFile(folder=tmp_path, buses=[LAN], devices=[COUNTING], more="colour: blue").write()
    profile = tmp_path / "profiles" / "test" / "counter.yaml"
    profile.write_text(profile.read_text().replace("quantity: pulse_count, address: 0x003E", "quantity: pulses"))
    told = faults_of(path)
    assert any("colour" in line and str(path) in line for line in told)
    assert any("pulses" in line and str(profile) in line for line in told)


BAD_PROFILE = """\
profile: acme/bad
revision: 0
device: {vendor: Acme, model: Bad, kind: meter}
source: {document: "none", section: "none"}
line: {baud: 9600}
modbus:
  unit: 1
  groups:
    - name: power
      measurement: electricity
      every_s: 1
      points:
        - {key: power, quantity: wattage, table: input, address: 0, type: f32}
        - {key: power, quantity: voltage, table: input, address: 2, type: f31}
"""


def test_every_fault_of_a_bad_profile_is_in_the_one_report_by_its_own_file_and_line(tmp_path: Path) -> None:
    devices = [METER, "device: bad-1, bus: line, profile: acme/bad", "device: bad-2, bus: line, profile: acme/bad"]
    path = GatewayFile(folder=tmp_path, buses=[LINE], devices=devices, more="colour: blue").write()
    profile = tmp_path / "profiles" / "acme" / "bad.yaml"
    profile.parent.mkdir()
    profile.write_text(BAD_PROFILE)
    told = faults_of(path)
    assert [line.split(": ")[0] for line in told] == [f"{path}:7"] + [f"{profile}:{line}" for line in (2, 13, 14, 14)]


def test_a_profile_that_is_no_text_is_a_fault(tmp_path: Path) -> None:
    path = GatewayFile(folder=tmp_path, buses=[LAN], devices=[COUNTING]).write()
    profile = tmp_path / "profiles" / "test" / "counter.yaml"
    profile.write_bytes(b"\xff\xfe\x00")
    (told,) = faults_of(path)
    assert told.startswith(f"{profile}:1: found what cannot be read")


def test_a_profile_that_calls_itself_by_another_name_than_its_path_is_a_fault(tmp_path: Path) -> None:
    path = GatewayFile(folder=tmp_path, buses=[LAN], devices=[COUNTING]).write()
    profile = tmp_path / "profiles" / "test" / "counter.yaml"
    profile.write_text("# mine\n" + profile.read_text().replace("test/counter", "test/other", 1))
    (told,) = faults_of(path)
    assert told == f"{profile}:2: profile: found 'test/other', expected 'test/counter', as the file's path says"


@pytest.mark.parametrize(
    ("buses", "devices", "where", "expected"),
    [
        ([LAN.replace("192.0.2.7", "a..b")], [COUNTING], "buses[0].host", "an address, or a name the network knows"),
        ([LAN.replace("192.0.2.7", '"a b"')], [COUNTING], "buses[0].host", "an address, or a name the network knows"),
        ([LINE, LINE.replace("line", "line-2")], [METER], "buses[1].port", "one bus a port"),
        (["bus: line, kind: serial, port: /dev/ttyS0, tcp_port: 502"], [], "buses[0].tcp_port", "no tcp_port"),
        (["bus: line, kind: serial, port: /dev/ttyS0, host: h"], [], "buses[0].host", "no host for this kind"),
        ([LINE], ["device: m-1, bus: line, profile: eastron/sdm120, unit: one"], "devices[0].unit", "a whole number"),
        ([LAN], [COUNTING.replace(", unit: 1", "")], "devices[0]", "unit: the address set on the device"),
        (
            ["bus: line, kind: serial, port: /dev/ttyS0"],
            ["device: radar-1, bus: line, profile: wavetronix/ss125"],
            "devices[0]",
            "unit: the address set on the device, it is asked by it",
        ),
        (
            ["bus: line, kind: serial, port: /dev/ttyS0"],
            ["device: co2-1, bus: line, profile: eastron/sdm120, unit: 1"],
            "devices[0].bus",
            "a Modbus bus",
        ),
        ([LAN], [COUNTING, COUNTING.replace("counter-1", "-x")], "devices[1].device", "a letter or digit at both ends"),
        ([LINE.replace("/dev/ttyUSB0", r'"/dev/ttyUSB0\a"')], [METER], "buses[0].port", "text that can be printed"),
    ],
)
def test_a_fault_is_told_where_it_is(
    tmp_path: Path, buses: list[str], devices: list[str], where: str, expected: str
) -> None:
    told = faults_with(tmp_path, buses=buses, devices=devices or ["device: d-1, bus: line, profile: nmea/gnss"])
    assert [line for line in told if f": {where}: " in line and expected in line]


@pytest.mark.parametrize(
    ("hub", "expected"),
    [
        ('{broker: "mqtt://h", username: gw-1}', "hub: found one of username and password_file, expected both"),
        ('{broker: "mqtt://gw-1:secret@h"}', "expected mqtt://host[:port]"),
        ('{broker: "mqtt://h:99999"}', "expected mqtt://host[:port]"),
        ('{broker: "mqtt://a..b"}', "expected mqtt://host[:port]"),
        ('{broker: "mqtt://h/path"}', "expected mqtt://host[:port]"),
        ('{broker: "mqtts://h", ca_file: none.pem}', "expected a file, relative to this one"),
        ("{}", "no key 'broker'"),
    ],
)
def test_a_hub_that_cannot_be_reached_like_this_is_a_fault(tmp_path: Path, hub: str, expected: str) -> None:
    path = GatewayFile(folder=tmp_path, buses=[LAN], devices=[COUNTING]).write()
    text = path.read_text().replace('{broker: "mqtt://127.0.0.1:1"}', hub)
    path.write_text(text)
    (told,) = faults_of(path)
    assert told.startswith(f"{path}:4: ")
    assert expected in told


WHOLE: dict[str, Any] = {
    "gateway": "gw-1",
    "site": "hall",
    "mode": "live",
    "state_dir": "state",
    "hub": {"broker": "mqtt://h:1883", "ca_file": "ca.pem"},
    "spool": {"commit_records": 60},
    "send_s": 1.0,
    "buses": [
        {"bus": "a", "kind": "modbus-rtu", "port": "/dev/ttyS0", "baud": 9600, "parity": "N"},
        {"bus": "b", "kind": "modbus-rtu-over-tcp", "host": "h", "tcp_port": 4001},
    ],
    "devices": [{"device": "m-1", "bus": "a", "profile": COUNTER, "unit": 1, "site": "x", "every_s": {"counters": 1}}],
}
JUNK: list[Any] = [None, True, -1, 1.5, 10**30, "", "x", "\ud800", "\0", [], {}, [1], [[]], {"a": []}]


def places(value: object, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield at
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, item in items:
        yield from places(item, (*at, step))


def with_junk(at: tuple[Any, ...], junk: object) -> object:
    if not at:
        return junk
    whole: Any = copy.deepcopy(WHOLE)
    inner = whole
    for step in at[:-1]:
        inner = inner[step]
    inner[at[-1]] = junk
    return whole


@pytest.mark.parametrize("junk", JUNK, ids=repr)
def test_junk_in_any_place_is_a_fault_or_harmless_and_never_an_accident(tmp_path: Path, junk: object) -> None:
    path = GatewayFile(folder=tmp_path, buses=[LAN], devices=[COUNTING]).write()
    (tmp_path / "ca.pem").touch()
    path.write_text(json.dumps(WHOLE))
    checked_gateway(path)
    faulty = 0
    for at in places(WHOLE):
        path.write_text(json.dumps(with_junk(at, junk)))
        try:
            checked_gateway(path)
        except FileFaults:
            faulty += 1
    assert faulty >= 10


def test_a_state_folder_whose_socket_would_have_too_long_a_path_is_a_fault(tmp_path: Path) -> None:
    (told,) = faults_with(tmp_path, buses=[LAN], devices=[COUNTING], more=f"state_dir: {'x' * 100}")
    assert "a shorter path" in told


@pytest.mark.parametrize("text", ["", "[]", "gateway: [", "a: 1\n a: 2", "\t", "&a 1", "gateway: gw\nbuses: 7"])
def test_what_is_no_gateway_file_at_all_is_told_as_such(tmp_path: Path, text: str) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text(text)
    assert faults_of(path)


def test_what_was_checked_reaches_the_agent_unchanged(tmp_path: Path) -> None:
    path = GatewayFile(
        folder=tmp_path, buses=[LINE, LAN], devices=[f"{METER}, every_s: {{electricity: 2.5}}", COUNTING]
    ).write()
    checked = checked_gateway(path)
    assert plain_to(CheckedGateway, json.loads(json.dumps(plain_of(checked)))) == checked
    assert checked.config.mode is Mode.SIMULATED
    assert [bus.kind for bus in checked.config.buses] == [BusKind.MODBUS_RTU, BusKind.MODBUS_TCP]
    assert checked.config.devices[0].every_s == {"electricity": 2.5}
    assert sorted(checked.profiles) == ["eastron/sdm120", COUNTER]
