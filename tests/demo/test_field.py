"""The demonstration's field is to a gateway what real devices are: ports that answer, stream, and outlive it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path

import pytest
from pymodbus import FramerType
from pymodbus.client import ModbusTcpClient
from pymodbus.client.mixin import ModbusClientMixin
from pymodbus.framer import FramerRTU
from pymodbus.pdu import DecodePDU, ModbusPDU

from device_profiles.asking import request_bytes
from device_profiles.decode import Answer, decode_registers
from device_profiles.library import load_profile
from device_profiles.modbus import ReadRequest, Table
from device_profiles.plan import read_plan
from tests.support.demo_field import Listener, StartedField, listening, started_field
from tests.support.processes import pause, wait_until
from wire.records import Quality, Value


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartedField]:
    with started_field(tmp_path_factory.mktemp("field"), ["--seed", "7"]) as started:
        yield started


class LinePeer(ModbusClientMixin[ModbusPDU]):
    """The pymodbus client on a serial port, with pymodbus' own framer; its own port needs one more library."""

    def __init__(self, port: str) -> None:
        self._file = os.open(port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        self._framer = FramerRTU(DecodePDU(is_server=False))
        self._heard = b""

    def execute(self, no_response_expected: bool, request: ModbusPDU) -> ModbusPDU:  # noqa: FBT001 - pymodbus' signature
        """Send a request, and wait for its answer."""
        assert not no_response_expected
        self._heard = b""
        os.write(self._file, self._framer.buildFrame(request))
        found: list[ModbusPDU] = []

        def is_answered() -> bool:
            with suppress(BlockingIOError):
                self._heard += os.read(self._file, 4096)
            found.extend(pdu for pdu in [self._framer.handleFrame(self._heard, request.dev_id, 0)[1]] if pdu)
            return bool(found)

        wait_until("the device answers", is_answered, within_s=1)
        return found[0]

    def close(self) -> None:
        os.close(self._file)


@contextmanager
def client_of(field: StartedField, device: str) -> Iterator[ModbusClientMixin[ModbusPDU]]:
    bus = field.device(device)["bus"]
    assert isinstance(bus, dict)
    if bus["kind"] == "modbus-rtu":
        peer = LinePeer(bus["port"])
        yield peer
        peer.close()
        return
    framer = FramerType.RTU if bus["kind"] == "modbus-rtu-over-tcp" else FramerType.SOCKET
    with ModbusTcpClient(bus["host"], port=bus["tcp_port"], framer=framer, timeout=2) as client:
        yield client


def asked(client: ModbusClientMixin[ModbusPDU], request: ReadRequest, unit: int) -> Answer:
    """One request by the independent peer."""
    address, count = request.address, request.count
    match request.table:
        case Table.DISCRETE:
            return tuple(map(int, client.read_discrete_inputs(address, count=count, device_id=unit).bits[:count]))
        case Table.COIL:
            return tuple(map(int, client.read_coils(address, count=count, device_id=unit).bits[:count]))
        case Table.HOLDING:
            return tuple(client.read_holding_registers(address, count=count, device_id=unit).registers)
        case Table.INPUT:
            return tuple(client.read_input_registers(address, count=count, device_id=unit).registers)


def polled(field: StartedField, device: str) -> dict[str, Value]:
    """Everything that a Modbus device measures, as pymodbus reads it."""
    entry = field.device(device)
    profile = load_profile(str(entry["profile"])).modbus
    assert profile is not None
    values: dict[str, Value] = {}
    with client_of(field, device) as client:
        for plan in read_plan(profile):
            answers = {request: asked(client, request, int(str(entry["unit"]))) for request in plan.requests}
            decoded = decode_registers(plan.group, answers)
            values |= dict(zip((point.key for point in plan.group.points), decoded, strict=True))
    return values


def number(values: dict[str, Value], key: str) -> float:
    found = values[key].number
    assert found is not None
    return found


MODBUS = ["meter-1", "meter-2", "climate-1", "weather-1", "air-1", "climate-2", "counter-1", "level-1"]
STREAMS = {"dust-1": "particles", "dust-2": "particles", "gps-1": "gga", "solar-1": "charger", "battery-1": "battery"}


def test_every_device_is_told_with_its_bus_and_two_gateways_share_them(field: StartedField) -> None:
    assert set(field.devices()) == {*MODBUS, *STREAMS, "radar-1"}
    assert set(field.devices().values()) == {"simulated"}
    gateways = {str(field.device(name)["gateway"]) for name in field.devices()}
    assert gateways == {"gw-demo-hall", "gw-demo-road"}


@pytest.mark.parametrize("device", MODBUS)
def test_pymodbus_reads_only_good_values_from_every_modbus_device(field: StartedField, device: str) -> None:
    values = polled(field, device)
    assert {key for key, value in values.items() if value.quality is not Quality.GOOD} == set()


def test_what_a_meter_says_agrees_with_itself(field: StartedField) -> None:
    meter = polled(field, "meter-1")
    assert number(meter, "voltage") * number(meter, "current") == pytest.approx(
        number(meter, "apparent_power"), rel=1e-3
    )
    mains = polled(field, "meter-2")
    phases = sum(number(mains, f"power_l{phase}") for phase in (1, 2, 3))
    assert number(mains, "power") == pytest.approx(phases, rel=1e-5)
    assert number(mains, "energy") == pytest.approx(sum(number(mains, f"energy_l{n}") for n in (1, 2, 3)), rel=1e-6)


def test_a_unit_that_is_not_on_the_bus_is_silent_and_disturbs_nobody(field: StartedField) -> None:
    with client_of(field, "meter-1") as client:
        with pytest.raises(AssertionError, match="the device answers"):
            client.read_input_registers(0, count=2, device_id=77)
        assert len(client.read_input_registers(0, count=2, device_id=1).registers) == 2


def test_an_address_the_device_does_not_have_is_refused(field: StartedField) -> None:
    with client_of(field, "counter-1") as client:
        refusal = client.read_input_registers(5000, count=1, device_id=10)
    assert refusal.isError()
    assert refusal.exception_code == 2


@pytest.mark.parametrize(("device", "group"), STREAMS.items())
def test_every_streaming_device_sends_good_frames_each_second(field: StartedField, device: str, group: str) -> None:
    with listening(field.port(device), str(field.device(device)["profile"])) as listener:
        readings = listener.wait_for(group, 3)
        assert dict(listener.reader.bad_frames) == {}
        assert all(value.quality is Quality.GOOD for reading in readings for value in reading.values)


def test_the_receivers_clock_runs_with_ours(field: StartedField) -> None:
    with listening(field.port("gps-1"), "nmea/gnss") as listener:
        listener.wait_for("rmc", 1)
        pause(0.2)
        heard = len(listener.readings("rmc"))
        readings = listener.wait_for("rmc", heard + 3)[heard:]
    times = [reading.device_time_ms for reading in readings]
    steps = [later - earlier for earlier, later in pairwise(times) if later is not None and earlier is not None]
    assert len(steps) >= 2
    assert all(800 <= step <= 1200 for step in steps)


def fetched(listener: Listener, sequence: int) -> None:
    device = load_profile("wavetronix/ss125").serial
    assert device is not None
    request = device.groups[0].request
    assert request is not None
    listener.say(request_bytes(request, address=5, sequence=sequence))


def test_vehicles_reach_the_radar_and_the_counter(field: StartedField) -> None:
    before = polled(field, "counter-1")
    with listening(field.port("radar-1"), "wavetronix/ss125") as radar:
        asks = iter(range(10_000))

        def has_vehicles() -> bool:
            fetched(radar, next(asks) & 0xFF)
            pause(0.05)
            return len(radar.readings("vehicle")) >= 2

        wait_until("two vehicles are fetched", has_vehicles, within_s=120)
        vehicle = radar.numbers("vehicle")
    assert vehicle["lane"] in {1, 2}
    assert 5 < (vehicle["speed"] or 0) < 120
    assert dict(radar.reader.bad_frames) == {}
    after = polled(field, "counter-1")
    assert number(after, "pulses_1") + number(after, "pulses_2") >= number(before, "pulses_1") + number(
        before, "pulses_2"
    )


def test_a_listener_who_returns_hears_the_present_and_not_what_was_said_meanwhile(tmp_path: Path) -> None:
    with started_field(tmp_path) as field:
        pause(6)  # nobody listens; the charger says about 250 bytes a second
        with listening(field.port("solar-1"), "victron/vedirect-mppt") as listener:
            listener.listen()
            assert len(listener.heard) < 4096
            listener.wait_for("charger", 2)
        with listening(field.port("solar-1"), "victron/vedirect-mppt") as again:
            again.wait_for("charger", 1)
    assert not (tmp_path / "field.json").exists()
    assert list((tmp_path / "ports").iterdir()) == []


def test_a_folder_without_recordings_is_refused_with_one_line(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with (
        pytest.raises(AssertionError, match="found no recording in it"),
        started_field(tmp_path, ["--replay", str(empty)]),
    ):
        pass
    assert "Traceback" not in (tmp_path / "log").read_text()
