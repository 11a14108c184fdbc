"""Plans of gateway files: what a bus cannot hold is refused with the arithmetic, what it can is printed."""

from pathlib import Path

import pytest

from device_profiles.faults import FileFaults
from edge.configure import checked_gateway
from tests.support.edge_files import GatewayFile, sen_edge

LINE = "bus: line, kind: modbus-rtu, port: /dev/ttyUSB0, baud: 9600"
LAN = "bus: lan, kind: modbus-tcp, host: 192.0.2.7"
GPS = "bus: gps, kind: serial, port: /dev/ttyAMA0"


def meters(bus: str, count: int, every_s: float) -> list[str]:
    return [
        f"device: m-{n}, bus: {bus}, profile: eastron/sdm630, unit: {n}, every_s: {{electricity: {every_s}}}"
        for n in range(1, count + 1)
    ]


def test_periods_that_a_line_cannot_hold_are_refused_with_the_arithmetic_and_the_line(tmp_path: Path) -> None:
    path = GatewayFile(folder=tmp_path, buses=[LINE], devices=meters("line", 12, 1)).write()
    with pytest.raises(FileFaults) as found:
        checked_gateway(path)
    (fault,) = found.value.faults
    assert path.read_text().splitlines()[fault.line - 1].strip().startswith("- {bus: line")
    assert "12 devices: " in fault.found
    assert "% " in f"{fault.found} "
    assert "every period" in fault.expected


def test_the_same_devices_are_fine_at_longer_periods_or_over_tcp(tmp_path: Path) -> None:
    for bus, every_s in ((LINE, 10), (LAN, 1)):
        name = bus.split(",")[0].split(": ")[1]
        checked_gateway(GatewayFile(folder=tmp_path, buses=[bus], devices=meters(name, 12, every_s)).write())


def test_the_plan_of_a_gateway_file_is_printed_without_asking_a_device(tmp_path: Path) -> None:
    config = GatewayFile(
        folder=tmp_path,
        buses=[LINE, LAN, GPS],
        devices=[
            *meters("line", 3, 10),
            "device: t-1, bus: lan, profile: eastron/sdm120, unit: 1",
            "device: gps-1, bus: gps, profile: nmea/gnss",
        ],
    ).write()
    said = sen_edge("plan", str(config), "--requests")
    assert said.code == 0, said.err
    assert said.out.count("read input") >= 3
    assert "devices: m-1" in said.out
    assert said.out.count("every period holds") == 2
    assert "no plan for gps" in said.out
    told = sen_edge("plan", str(config), "--json", "--response-ms", "200").told
    assert told["buses"]["line"]["holds"]
    assert told["buses"]["line"]["percent"] > sen_edge("plan", str(config), "--json").told["buses"]["line"]["percent"]


def test_the_plan_tells_for_how_many_years_the_card_bears_what_is_recorded(tmp_path: Path) -> None:
    """What a longer window saves, and what a smaller card costs."""
    years = {}
    config = tmp_path / "gateway.yaml"
    for window_s, card_gb in ((1, 32), (1, 16), (10, 32)):
        spool = f"commit_s: {window_s}, commit_records: 1000, card_gb: {card_gb}"
        GatewayFile(folder=tmp_path, buses=[LAN], devices=meters("lan", 10, 1), spool=spool).write()
        told = sen_edge("plan", str(config), "--json").told["card"]
        years[window_s, card_gb] = told["years"]
        per_day = told["records_per_s"] * 86_400 * told["bytes_per_record"]
        assert told["bytes_per_day"] == pytest.approx(per_day, rel=0.01)
    assert years[1, 16] == pytest.approx(years[1, 32] / 2, rel=0.01)
    assert years[10, 32] > 2 * years[1, 32]
    said = " ".join(sen_edge("plan", str(config)).out.split())
    assert "a card of 32 GB that can be written 500 times bears this for more than a century" in said


def test_the_plan_tells_what_the_line_carries_in_a_month(tmp_path: Path) -> None:
    """A tenth of the readings is far fewer bytes, but not a tenth: a status is said all the same."""
    config, told = tmp_path / "gateway.yaml", {}
    for every_s in (1, 10):
        GatewayFile(folder=tmp_path, buses=[LAN], devices=meters("lan", 10, every_s)).write()
        told[every_s] = sen_edge("plan", str(config), "--json").told["line"]
    often, seldom = told[1]["carried_bytes_per_month"], told[10]["carried_bytes_per_month"]
    assert often / 10 < seldom < often / 5
    assert told[1]["overhead_bytes_per_month_estimated"] > 0
    said = " ".join(sen_edge("plan", str(config)).out.split())
    assert "with TCP and IP, and a keepalive of 30 s, about" in said
