"""`sen-edge write` on a real line, beside a running agent and without one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from device_profiles.library import load_profile
from device_profiles.simulate import ModbusResponder
from tests.support.edge_files import GatewayFile, sen_edge, start_agent
from tests.support.rs485 import Rs485, Station

WRITE_COIL = 0x05
RELAYS = """\
profile: test/relays
revision: 1
device: {vendor: Test, model: Relays, kind: relay module}
source: {document: "tests/edge/test_write_command.py", section: "module"}
line: {baud: 9600}
defaults: {table: coil, measurement: io, every_s: 0.5}
modbus:
  timeout_ms: 300
  groups:
    - name: relays
      points:
        - {key: relay_1, quantity: relay, address: 0}
        - {key: relay_2, quantity: relay, address: 1}
  controls:
    - {key: pump, quantity: relay, table: coil, address: 0, states: {0: "off", 1: "on"}}
    - {key: siren, quantity: relay, table: coil, address: 1, states: {0: "off", 1: "on"}}
  commands:
    - {key: toggle_pump, table: coil, address: 0}
"""


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Rs485]:
    profile = tmp_path / "profiles" / "test" / "relays.yaml"
    profile.parent.mkdir(parents=True)
    profile.write_text(RELAYS)
    responder = ModbusResponder(load_profile("test/relays", [tmp_path / "profiles"]), 4)
    with Rs485([Station(answer=responder.answer_rtu)]) as running:
        yield running


def gateway_file(folder: Path, line: Rs485) -> Path:
    return GatewayFile(
        folder=folder,
        buses=[f"bus: line, kind: modbus-rtu, port: {line.path}"],
        devices=["device: io-1, bus: line, profile: test/relays, unit: 4, controls: [pump, toggle_pump]"],
    ).write()


def orders(line: Rs485) -> int:
    return sum(frame[1] == WRITE_COIL for frame in line.requests)


def test_an_order_goes_through_the_agent_once_and_what_the_device_shows_is_told(tmp_path: Path, line: Rs485) -> None:
    config = gateway_file(tmp_path, line)
    agent = start_agent(config)
    try:
        said = sen_edge("write", str(config), "io-1", "pump", "on", "--yes")
        assert (said.code, said.out) == (0, "io-1 pump = 1 (on): obeyed; the device shows 1\n"), said
        assert orders(line) == 1
        assert "a person set pump to 1: obeyed" in agent.tail()
    finally:
        agent.stop()


def test_without_an_agent_the_order_goes_to_the_line_itself(tmp_path: Path, line: Rs485) -> None:
    config = gateway_file(tmp_path, line)
    said = sen_edge("write", str(config), "io-1", "pump", "1", "--yes", "--json")
    assert (said.told["outcome"], said.told["shown"], orders(line)) == ("obeyed", 1, 1)


def test_a_command_needs_no_value_and_what_the_device_shows_is_told(tmp_path: Path, line: Rs485) -> None:
    said = sen_edge("write", str(gateway_file(tmp_path, line)), "io-1", "toggle_pump", "--yes")
    assert (said.code, said.out) == (0, "io-1 toggle_pump = 1 (do): obeyed; 0 before, 1 after\n"), said
    assert orders(line) == 1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("io-1", "siren", "on"), "does not allow to write 'siren'; it allows pump, toggle_pump"),
        (("io-1", "pump", "open"), "found 'open', expected a number or one of off, on"),
        (("io-1", "pump", "3"), "found 3, expected one of 0 (off), 1 (on)"),
        (("io-2", "pump", "on"), "not in the gateway file; it has io-1"),
    ],
)
def test_what_is_not_allowed_is_said_and_not_sent(
    tmp_path: Path, line: Rs485, words: tuple[str, ...], told: str
) -> None:
    said = sen_edge("write", str(gateway_file(tmp_path, line)), *words, "--yes")
    assert said.code == 1
    assert told in said.err
    assert orders(line) == 0


def test_a_person_is_asked_before_anything_is_written(tmp_path: Path, line: Rs485) -> None:
    said = sen_edge("write", str(gateway_file(tmp_path, line)), "io-1", "pump", "on")
    assert said.code == 1
    assert "set pump of io-1 to on?" in said.err
    assert orders(line) == 0
