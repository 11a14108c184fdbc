"""Simulated devices of every kind on real lines, read by the gateway's own commands; each fault is told as it is."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.edge_files import ROOT, GatewayFile, sen_edge

LINE = "bus: line, kind: modbus-rtu, port: {port}"
METER = "device: m-1, bus: line, profile: eastron/sdm120, unit: 7"


@contextmanager
def simulated(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """`sen-profile simulate` as a process; ready when it has said where it is."""
    process = subprocess.Popen(
        [sys.executable, "-m", "device_profiles", "simulate", *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert " at " in process.stdout.readline()
        yield process
    finally:
        process.terminate()
        assert process.wait(timeout=10) == 0
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()


def typed(process: subprocess.Popen[str], line: str) -> str:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()
    return process.stdout.readline().strip()


def test_a_meter_on_a_pty_is_read_and_each_fault_is_told_as_what_it_is(tmp_path: Path) -> None:
    port = tmp_path / "meter"
    config = GatewayFile(folder=tmp_path, buses=[LINE.format(port=port)], devices=[METER]).write()
    with simulated("eastron/sdm120", "--pty", str(port), "--unit", "7", "--set", "voltage=231.5") as meter:
        read = sen_edge("read", str(config), "m-1", "--json")
        assert read.code == 0, read.err
        values = {value["point"]: value["value"] for value in read.told["values"]}
        assert values["voltage"] == pytest.approx(231.5)
        assert typed(meter, "set voltage 229") == "voltage: 229"
        assert "expected one of" in typed(meter, "fault broken")
        for fault, told in (
            ("silence", "no answer"),
            ("crc", "crc"),
            ("half", "broke off"),
            ("exception 4", "exception"),
            ("foreign", "unit 8 answers for unit 7"),
        ):
            assert typed(meter, f"fault {fault}") == f"fault: {fault}"
            bad = sen_edge("read", str(config), "m-1", "--json")
            assert bad.code == 1
            assert told in bad.told["error"].lower(), (fault, bad.told["error"])
            assert all(value["value"] is None for value in bad.told["values"])
        assert typed(meter, "fault none") == "fault: none"
        good = sen_edge("read", str(config), "m-1", "--json")
        assert {value["point"]: value["value"] for value in good.told["values"]}["voltage"] == pytest.approx(229)


@pytest.mark.parametrize(
    ("profile", "place", "bus", "device"),
    [
        ("eastron/sdm630", "--tcp", "bus: b, kind: modbus-tcp, host: 127.0.0.1, tcp_port: {port}", ", unit: 7"),
        (
            "generic/xy-md02",
            "--rtu-over-tcp",
            "bus: b, kind: modbus-rtu-over-tcp, host: 127.0.0.1, tcp_port: {port}",
            ", unit: 7",
        ),
        ("nova/sds011", "--pty", "bus: b, kind: serial, port: {port}", ""),
        ("nova/sds011", "--tcp", "bus: b, kind: serial-over-tcp, host: 127.0.0.1, tcp_port: {port}", ""),
        ("megatec/q1", "--tcp", "bus: b, kind: serial-over-tcp, host: 127.0.0.1, tcp_port: {port}", ""),
        ("gill/windsonic", "--pty", "bus: b, kind: serial, port: {port}", ""),
        ("nmea/gnss", "--pty", "bus: b, kind: serial, port: {port}", ""),
        ("megatec/q1", "--pty", "bus: b, kind: serial, port: {port}", ""),
    ],
)
def test_devices_of_every_kind_are_read_from_their_simulators(
    tmp_path: Path, profile: str, place: str, bus: str, device: str
) -> None:
    port = str(tmp_path / "port") if place == "--pty" else str(free_port())
    where = port if place == "--pty" else f"127.0.0.1:{port}"
    unit = ("--unit", "7") if device else ()
    config = GatewayFile(
        folder=tmp_path, buses=[bus.format(port=port)], devices=[f"device: d-1, bus: b, profile: {profile}{device}"]
    ).write()
    with simulated(profile, place, where, *unit, "--every", "0.2"):
        read = sen_edge("read", str(config), "d-1", "--json")
    assert read.code == 0, read.err
    assert any(value["quality"] == "good" for value in read.told["values"])


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("eastron/sdm121", "--pty", "x"), "did you mean eastron/sdm120"),
        (("eastron/sdm120",), "expected one of them"),
        (("eastron/sdm120", "--tcp", "here"), "expected HOST:PORT"),
        (("nova/sds011", "--pty", "x", "--fault", "exception 2"), "speaks no Modbus"),
        (("eastron/sdm120", "--pty", "x", "--set", "volts=1"), "expected one of voltage"),
        (("eastron/sdm120", "--pty", "/proc/x"), "/proc/x"),
    ],
)
def test_what_cannot_be_simulated_is_said_in_one_line(arguments: tuple[str, ...], told: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "device_profiles", "simulate", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 1
    assert told in done.stderr
    assert "Traceback" not in done.stderr
