"""`sen-edge` as a technician types it where no agent runs: what it prints, and that it fails where it must."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.counting_field import CountingField, CountingUnit, counters_of
from tests.support.edge_files import COUNTER, GatewayFile, sen_edge
from tests.support.serial_device import speaking

# The manufacturer's own example (protocol V1.3).
DUST_FRAME = bytes.fromhex("AA C0 D4 04 3A 0A A1 60 1D AB")
POSITION = b"$GPRMC,092751.000,A,5321.6802,N,00630.3371,W,0.06,31.66,280511,,,A*45\r\n"


@pytest.fixture
def field() -> Iterator[CountingField]:
    with CountingField(rtu_units={1: CountingUnit()}, tcp_units={1: CountingUnit()}) as running:
        yield running


@pytest.fixture
def counting(field: CountingField, tmp_path: Path) -> Path:
    """A device on a serial line, one on a network, and one that does not answer."""
    return GatewayFile(
        folder=tmp_path,
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


def test_one_cycle_of_every_device_is_printed_and_nothing_is_kept(counting: Path) -> None:
    said = sen_edge("test", str(counting), "--json")
    told = {one["device"]: one for one in said.told}
    for device in ("rtu-1", "tcp-1"):
        assert [value["value"] for value in told[device]["values"]] == list(counters_of(1))
        assert {value["quality"] for value in told[device]["values"]} == {"good"}
    assert {value["quality"] for value in told["tcp-9"]["values"]} == {"timeout"}
    assert said.code == 1
    assert "1 of 3 devices gave no good reading: tcp-9" in said.err
    assert not (counting.parent / "state").exists()


def test_values_are_printed_beside_what_came_over_the_wire(counting: Path) -> None:
    said = sen_edge("read", str(counting), "rtu-1")
    assert said.code == 0
    assert "counters.pulses_0" in said.out
    assert "raw 01 04 20 00 00 00 08 00 00 00 09" in " ".join(said.out.split())


@pytest.mark.parametrize(
    ("profile", "frame", "values", "raw"),
    [
        ("nova/sds011", DUST_FRAME, {"particles.pm2_5": 123.6, "particles.pm10": 261.8}, DUST_FRAME.hex(" ")),
        ("nmea/gnss", POSITION, {"rmc.latitude": 53.36133667, "rmc.speed": 0.06 * 1.852}, POSITION.decode().strip()),
    ],
)
def test_a_device_that_speaks_by_itself_is_listened_to(
    tmp_path: Path, profile: str, frame: bytes, values: dict[str, float], raw: str
) -> None:
    with speaking(frame) as port:
        config = GatewayFile(
            folder=tmp_path,
            buses=[f"bus: line, kind: serial, port: {port}"],
            devices=[f"device: d1, bus: line, profile: {profile}"],
        ).write()
        said = sen_edge("read", str(config), "d1", "--json")
    assert said.code == 0, said.err
    found = {f"{value['group']}.{value['point']}": value["value"] for value in said.told["values"]}
    assert {key: found[key] for key in values} == pytest.approx(values)
    assert said.told["raw"] == [raw]


def test_neither_a_cycle_nor_a_read_speaks_to_the_broker(field: CountingField, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as broker:
        broker.settimeout(0)
        config = GatewayFile(
            folder=tmp_path,
            broker=broker.getsockname()[1],
            buses=[f"bus: lan, kind: modbus-tcp, host: 127.0.0.1, tcp_port: {field.tcp_port}"],
            devices=[f"device: tcp-1, bus: lan, profile: {COUNTER}, unit: 1"],
        ).write()
        said = sen_edge("test", str(config))
        assert said.code == 0
        assert "counters.pulses_7" in said.out
        assert sen_edge("read", str(config), "tcp-1").code == 0
        with pytest.raises(BlockingIOError):
            broker.accept()


@pytest.mark.parametrize("command", ["read", "test"])
def test_a_port_that_is_not_there_says_what_to_do(tmp_path: Path, command: str) -> None:
    config = GatewayFile(
        folder=tmp_path,
        buses=[f"bus: line, kind: modbus-rtu, port: {tmp_path}/none, baud: 9600"],
        devices=[f"device: d1, bus: line, profile: {COUNTER}, unit: 1"],
    ).write()
    said = sen_edge(command, str(config), *(["d1"] if command == "read" else []), "--json")
    assert said.code == 1
    told = said.told if command == "read" else said.told[0]
    assert told["error"].count(f"{tmp_path}/none: no such port; is the adapter plugged in?") == 1


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["status", "{file}"], "no agent runs here"),
        (["read", "{file}", "tcp-7"], "device 'tcp-7': not in the gateway file; it has rtu-1, tcp-1, tcp-9"),
        (["test", "{folder}/none.yaml"], "none.yaml: No such file or directory"),
        (["run", "{folder}/none.yaml"], "none.yaml: No such file or directory"),
        (["status", "{folder}"], "Is a directory"),
        (["status", "{folder}/none.yaml"], "none.yaml: No such file or directory"),
        (["run", "{folder}/binary.yaml"], "binary.yaml: not UTF-8 text (at byte 1)"),
        (["test", "{folder}/binary.yaml"], "binary.yaml: not UTF-8 text (at byte 1)"),
        (["--", "run", "{folder}/none.yaml"], "none.yaml: No such file or directory"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(counting: Path, arguments: list[str], expected: str) -> None:
    (counting.parent / "binary.yaml").write_bytes(b"a\xff\x00")
    said = sen_edge(*(word.format(file=counting, folder=counting.parent) for word in arguments))
    assert (said.code, said.out) == (1, "")
    assert expected in said.err
    assert len(said.err.splitlines()) == 1


def test_all_faults_of_the_file_are_printed_before_anything_is_opened(counting: Path) -> None:
    counting.write_text(counting.read_text().replace("unit: 9", "unit: 999").replace("site: hall", "site: Hall 1"))
    for command in (["run"], ["test"], ["read"]):
        said = sen_edge(*command, str(counting), *(["rtu-1"] if command == ["read"] else []))
        assert said.code == 1
        assert "gateway.yaml:2: site: found 'Hall 1'" in said.err
        assert "devices[2].unit: found 999" in said.err


@pytest.mark.parametrize("name", ["afile", "/proc/none"])
def test_a_state_folder_that_cannot_be_used_is_told_in_one_line(
    tmp_path: Path, free_port: Callable[[], int], name: str
) -> None:
    (tmp_path / "afile").touch()
    config = GatewayFile(
        folder=tmp_path,
        buses=[f"bus: lan, kind: modbus-tcp, host: 127.0.0.1, tcp_port: {free_port()}"],
        devices=[f"device: d1, bus: lan, profile: {COUNTER}, unit: 1"],
        more=f"state_dir: {name}",
    ).write()
    said = sen_edge("run", str(config))
    assert said.code == 1
    (line,) = said.err.splitlines()
    assert f"state_dir {tmp_path / name}" in line
    assert "name a folder this user may write" in line


@pytest.mark.parametrize("text", ["", "{", "\0", "- 1"])
def test_what_is_no_gateway_file_is_told_with_its_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text(text)
    for command in ("status", "run"):
        said = sen_edge(command, str(path))
        assert said.code == 1
        assert said.err.startswith(f"{path}:1: found ")
        assert said.err.splitlines()[-1] == "1 fault(s)"


def test_a_folder_where_the_socket_should_be_is_told_in_one_line(counting: Path) -> None:
    (counting.parent / "state" / "control.sock").mkdir(parents=True)
    said = sen_edge("run", str(counting))
    assert said.code == 1
    last = said.err.splitlines()[-1]
    assert last.startswith(f"sen-edge: {counting.parent}/state/control.sock: ")


def test_a_state_folder_with_too_long_a_path_is_a_fault_of_the_file(counting: Path) -> None:
    counting.write_text(counting.read_text().replace("site: hall", f"site: hall\nstate_dir: {'x' * 100}"))
    said = sen_edge("run", str(counting))
    assert said.code == 1
    assert "gateway.yaml:3: state_dir: found " in said.err
    assert "expected a shorter path" in said.err


@pytest.mark.parametrize("command", ["run", "status", "read", "test"])
def test_every_command_has_help_with_an_example(command: str) -> None:
    said = sen_edge(command, "--help")
    assert said.code == 0
    assert f"Example: sen-edge {command}" in said.out


@pytest.mark.parametrize(
    "arguments", [[], ["fly"], ["run"], ["run", "--fast", "a.yaml"], ["run", "a.yaml", "b.yaml"], ["read", "a.yaml"]]
)
def test_what_is_no_command_fails(arguments: list[str]) -> None:
    assert sen_edge(*arguments).code == 2
