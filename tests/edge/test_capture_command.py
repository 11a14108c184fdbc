"""`sen-edge capture`: what a device says becomes a capture file that its profile reads, on real ports."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from device_profiles.__main__ import app as profile_app
from device_profiles.capture import Capture, Origin, check_capture, parse_capture
from device_profiles.capture_text import capture_text
from device_profiles.library import LIBRARY, capture_path, load_all, load_capture, load_profile, profile_path
from device_profiles.modbus import ReplyFault
from device_profiles.simulate_serial import SerialResponder
from edge.commands.recorded import recorded, serial_exchanges
from edge.diagnosis.probing import Piece
from tests.support.counting_field import CountingField, CountingUnit
from tests.support.edge_files import COUNTER, GatewayFile, start_agent, typed
from tests.support.processes import wait_until
from tests.support.rs485 import Rs485, station
from tests.support.serial_device import answering, speaking

PROFILES = load_all()
SPEAKING = [
    name
    for name, profile in PROFILES.items()
    if profile.serial is not None and all(group.request is None for group in profile.serial.groups)
]
# The manufacturer's own example (protocol V1.3).
DUST = bytes.fromhex("AA C0 D4 04 3A 0A A1 60 1D AB")
POSITION = b"$GPRMC,092751.000,A,5321.6802,N,00630.3371,W,0.06,31.66,280511,,,A*45\r\n"


def written(path: Path, profile: str) -> Capture:
    """The file as its reader sees it: it must be of origin capture, and its profile must read it as it says."""
    capture = parse_capture(path.read_text(), str(path))
    assert check_capture(PROFILES.get(profile) or load_profile(profile, [path.parent]), capture) == []
    assert {exchange.origin for exchange in capture.exchanges} == {Origin.CAPTURE}
    return capture


@pytest.mark.parametrize("name", [name for name in PROFILES if capture_path(profile_path(name)).is_file()])
def test_every_capture_of_the_library_is_the_same_when_it_is_written_and_read_again(name: str) -> None:
    capture = load_capture(name)
    assert parse_capture(capture_text(capture, comment="one\ntwo"), "x.capture.yaml") == capture


def test_a_device_on_a_port_becomes_a_capture_that_sen_profile_tests(tmp_path: Path) -> None:
    profile = tmp_path / "profiles" / "eastron" / "sdm120.yaml"
    profile.parent.mkdir(parents=True)
    profile.write_text((LIBRARY / "eastron" / "sdm120.yaml").read_text())
    with Rs485(stations=[station("eastron/sdm120", 3, voltage=231.2, current=1.4, frequency=49.98)]) as line:
        said = typed("capture", "--port", str(line.path), "--profile", str(profile), "--unit", "3")
        asked = {request.hex(" ").upper() for request in line.requests}
    assert said.code == 0, said.err
    assert "voltage 231.2" in said.out
    assert "compare each value with the device's display" in said.out
    capture = written(capture_path(profile), "eastron/sdm120")
    assert {exchange.request for exchange in capture.exchanges} == asked
    values = {key: number for exchange in capture.exchanges for key, number in exchange.expect.items()}
    assert values["voltage"] == pytest.approx(231.2, abs=1e-4)
    tested = CliRunner().invoke(profile_app, ["test", str(profile)])
    assert tested.exit_code == 0, tested.output
    profile.write_text(profile.read_text().replace("address: 0x0000", "address: 0x0006", 1))
    assert CliRunner().invoke(profile_app, ["test", str(profile)]).exit_code == 1, "a wrong profile fails on it"


def test_a_refused_request_stands_in_the_capture_with_its_bytes(tmp_path: Path) -> None:
    with Rs485(stations=[station("generic/xy-md02", 1)]) as line:
        said = typed(
            "capture",
            "--port",
            str(line.path),
            "--profile",
            "huawei/ups2000",
            "--unit",
            "1",
            "--to",
            f"{tmp_path}/c.yaml",
        )
    assert said.code == 0, said.err
    capture = written(tmp_path / "c.yaml", "huawei/ups2000")
    assert {exchange.refused for exchange in capture.exchanges} == {ReplyFault.EXCEPTION}
    assert all(exchange.reply for exchange in capture.exchanges)


@pytest.mark.parametrize(("name", "frame"), [("nova/sds011", DUST), ("nmea/gnss", POSITION)])
def test_a_device_that_speaks_by_itself_becomes_a_capture_without_torn_frames(
    tmp_path: Path, name: str, frame: bytes
) -> None:
    with speaking(b"\x01\x02" + frame) as port:
        said = typed(
            "capture", "--port", port, "--profile", name, "--seconds", "0.7", "--to", f"{tmp_path}/c.yaml", "--json"
        )
    assert said.code == 0, said.err
    (exchange,) = written(tmp_path / "c.yaml", name).exchanges
    assert (bytes.fromhex(exchange.received) or exchange.received_text.encode()) == frame
    assert exchange.readings
    assert exchange.bad_frames == 0


def test_a_serial_device_that_is_asked_becomes_its_question_with_the_answer(tmp_path: Path) -> None:
    responder = SerialResponder(load_profile("cubic/pm1006"))

    def answer(heard: bytes) -> bytes:
        return b"".join(responder.reply(asked, {"pm2_5": 42.0}) for asked in responder.feed(heard))

    with answering(answer) as port:
        said = typed(
            "capture", "--port", port, "--profile", "cubic/pm1006", "--seconds", "0.5", "--to", f"{tmp_path}/c.yaml"
        )
    assert said.code == 0, said.err
    (exchange,) = written(tmp_path / "c.yaml", "cubic/pm1006").exchanges
    assert exchange.request == "11 02 0B 01 E1"
    assert [reading.values for reading in exchange.readings] == [{"pm2_5": 42.0}]


@pytest.mark.parametrize("name", SPEAKING)
def test_what_a_device_of_the_library_sends_by_itself_is_cut_into_exchanges_that_it_reads(name: str) -> None:
    profile = PROFILES[name]
    assert profile.serial is not None
    real = [one for one in load_capture(name).exchanges if one.readings and not one.bad_frames]
    heard = b"".join(bytes.fromhex(one.received) or one.received_text.encode("latin-1") for one in real)
    found = recorded(profile, serial_exchanges(profile.serial, [Piece(is_sent=False, data=heard)], address=None))
    assert found is not None
    assert check_capture(profile, found) == []


def test_beside_a_running_agent_its_bus_is_asked_and_what_its_line_heard_is_kept(tmp_path: Path) -> None:
    with CountingField(rtu_units={1: CountingUnit()}, tcp_units={1: CountingUnit()}) as field, speaking(DUST) as port:
        config = GatewayFile(
            folder=tmp_path,
            buses=[
                f"bus: line, kind: modbus-rtu, port: {field.port}",
                f"bus: lan, kind: modbus-tcp, host: 127.0.0.1, tcp_port: {field.tcp_port}",
                f"bus: dust, kind: serial, port: {port}",
            ],
            devices=[
                f"device: rtu-1, bus: line, profile: {COUNTER}, unit: 1",
                f"device: tcp-1, bus: lan, profile: {COUNTER}, unit: 1",
                "device: dust-1, bus: dust, profile: nova/sds011",
            ],
        ).write()
        agent = start_agent(config)
        try:
            wait_until("it has read", lambda: field.rtu_units[1].answers >= 2, within_s=20)
            said = {
                device: typed("capture", str(config), device, "--to", f"{tmp_path}/{device}.yaml")
                for device in ("rtu-1", "tcp-1", "dust-1")
            }
        finally:
            assert agent.stop(within_s=10) == 0
    assert {device: one.code for device, one in said.items()} == dict.fromkeys(said, 0), said
    folder = [tmp_path / "profiles"]
    counter = load_profile(COUNTER, folder)
    frames, words = (parse_capture((tmp_path / f"{one}.yaml").read_text(), one) for one in ("rtu-1", "tcp-1"))
    assert check_capture(counter, frames) == check_capture(counter, words) == []
    assert frames.exchanges[0].reply
    assert words.exchanges[0].words_dec
    (dust,) = written(tmp_path / "dust-1.yaml", "nova/sds011").exchanges
    assert bytes.fromhex(dust.received) == DUST


def test_of_many_frames_of_a_kind_two_are_kept_and_what_is_damaged_is_none_of_them() -> None:
    profile = load_profile("nova/sds011")
    assert profile.serial is not None
    frames = [bytes((0xAA, 0xC0, n, 0, n, 0, 0, 0, 2 * n, 0xAB)) for n in range(1, 6)]
    pieces = [Piece(is_sent=False, data=frame) for frame in (frames[0][:-2] + b"\x99\xab", *frames)]
    found = recorded(profile, serial_exchanges(profile.serial, pieces, address=None))
    assert found is not None
    assert [one.readings[0].values["pm2_5"] for one in found.exchanges] == [0.1, 0.2]
    assert recorded(profile, serial_exchanges(profile.serial, pieces[:1], address=None)) is None


def test_a_capture_that_is_there_is_never_written_over(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("confirmed")
    said = typed("capture", "--port", "/dev/none", "--profile", "nova/sds011", "--to", f"{tmp_path}/c.yaml")
    assert (said.code, (tmp_path / "c.yaml").read_text()) == (1, "confirmed")
    assert "is there already; name another file with --to" in said.err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--port", "/dev/none"], "expected a gateway file and a device of it, or --port and --profile"),
        (["--port", "/dev/none", "--profile", "nova/sds011"], "/dev/none: no such port"),
        (["--port", "/dev/none", "--profile", "nova/sds012"], "did you mean nova/sds011"),
        (["--port", "/dev/none", "--profile", "none.yaml"], "none.yaml: cannot be read"),
        (["none.yaml", "meter"], "none.yaml: No such file or directory"),
    ],
)
def test_what_cannot_be_captured_is_told_in_one_line(tmp_path: Path, arguments: list[str], expected: str) -> None:
    said = typed("capture", *arguments, "--to", f"{tmp_path}/c.yaml")
    assert said.code == 1
    assert expected in said.err
    assert len(said.err.splitlines()) == 1
    assert not (tmp_path / "c.yaml").exists()
