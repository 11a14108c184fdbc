"""docs/technician.md: every command it shows is run on a real line, and prints what it shows; every cause is shown."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from edge.commands.doctor_text import finding_text
from edge.commands.scan_text import ports_text
from edge.diagnosis.fault_file import FAULT_FILE, FaultFile
from edge.diagnosis.finding import Cause
from edge.diagnosis.findings import findings
from edge.diagnosis.flight_recorder import FlightRecorder, incident_told
from edge.diagnosis.ports import serial_ports
from tests.support.edge_files import typed
from tests.support.fake_clock import FakeClock
from tests.support.rs485 import Rs485, station
from tests.support.serial_device import speaking
from tests.support.sick_gateways import SICK_GATEWAYS

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "technician.md").read_text()
FOLDER, PORT, DUST_PORT, BROKER = "/etc/sen", "/dev/ttyUSB0", "/dev/ttyUSB1", "127.0.0.1:1883"
DUST = bytes.fromhex("AA C0 0B 00 0E 00 51 B9 23 AB")
ANYTHING = "..."


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A command of the page and what the page shows of its output; `...` stands for anything."""

    words: tuple[str, ...]
    output: str

    def pattern(self) -> str:
        """What the output must match, but for white space."""
        words = " ".join(self.output.split()).split(ANYTHING)
        return ".*".join(re.escape(one.strip()) for one in words)


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)


def shown() -> Iterator[Shown]:
    for block in blocks("console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            yield Shown(words=tuple(command.split()), output=output)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, Rs485]]:
    """The page's gateway: its folder, and its line with a meter, a climate sensor and relays; nobody has address 3."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # for the process that checks the gateway file
    stations = [
        station("eastron/sdm120", 1, voltage=231.2, current=1.4, power=300.1, frequency=49.98, energy_import=1234560),
        station("generic/xy-md02", 2, temperature=24.5, humidity=61.2),
        station("waveshare/modbus-rtu-relay", 4),
    ]
    with Rs485(stations=stations) as line:
        (block,) = blocks("yaml")
        (tmp_path / "gateway.yaml").write_text(block.replace(PORT, str(line.path)).replace(BROKER, "127.0.0.1:1"))
        yield tmp_path, line


def remember_a_fault(state_dir: Path) -> None:
    """What the agent would have kept of a damaged answer."""
    clock = FakeClock(now_ms=1_795_000_000_000)
    recorder = FlightRecorder(clock)
    tap = recorder.tap("rs485-1")
    tap.sent(bytes.fromhex("02 04 00 01 00 02 20 38"))
    clock.advance(0.031)
    tap.heard(bytes.fromhex("02 04 04 00 F5 8A 64 2B 19"))
    recorder.note("rs485-1", "climate-1", "crc", "unit 2: wrong CRC; noise, or two devices with one address")
    clock.advance(3)
    state_dir.mkdir()
    FaultFile(state_dir / FAULT_FILE).append([incident_told(one) for one in recorder.settle()])


def test_every_command_of_the_page_prints_what_the_page_shows(place: tuple[Path, Rs485]) -> None:
    folder, line = place
    remember_a_fault(folder / "state")
    commands = list(shown())
    assert {"scan", "read", "test", "doctor", "capture", "write", "logs", "support-bundle"} == {
        one.words[1] for one in commands
    }
    with speaking(DUST) as dust:
        places = {FOLDER: str(folder), PORT: str(line.path), DUST_PORT: dust}
        for one in commands:
            program, verb, *words = (put(word, places) for word in one.words)
            assert program == "sen-edge"
            if words:  # without any it lists the ports of this machine
                said = typed(verb, *words)
                is_as_printed(put(said.out + said.err, {place: name for name, place in places.items()}), one)


def put(text: str, places: Mapping[str, str]) -> str:
    for name, place in places.items():
        text = text.replace(name, place)
    return text


def is_as_printed(text: str, one: Shown) -> None:
    printed = " ".join(text.split())
    assert re.fullmatch(one.pattern(), printed), f"{' '.join(one.words)} prints\n{text}"


def test_ports_are_listed_as_the_page_shows(tmp_path: Path) -> None:
    (listing,) = (one for one in shown() if one.words == ("sen-edge", "scan"))
    by_id, holder = tmp_path / "dev" / "serial" / "by-id", tmp_path / "proc" / "4711"
    by_id.mkdir(parents=True)
    for name in ("ttyUSB0", "ttyAMA0"):
        (tmp_path / "dev" / name).touch()
    (by_id / "usb-FTDI_USB-RS485-if00-port0").symlink_to("../../ttyUSB0")
    (holder / "fd").mkdir(parents=True)
    (holder / "fd" / "3").symlink_to(tmp_path / "dev" / "ttyAMA0")
    (holder / "cmdline").write_bytes(b"gpsd\0-n\0/dev/ttyAMA0")
    is_as_printed(ports_text(serial_ports(tmp_path), {}).replace(str(tmp_path), ""), listing)


@pytest.mark.parametrize("cause", Cause)
def test_each_cause_that_the_doctor_knows_is_shown_as_it_is_printed(cause: Cause) -> None:
    found = findings(SICK_GATEWAYS[cause])[0]
    assert found.cause is cause
    assert f"### {cause}\n" in PAGE
    section = PAGE.partition(f"### {cause}\n")[2].partition("\n#")[0]
    assert f"```text\n{finding_text(found)}\n```" in section
