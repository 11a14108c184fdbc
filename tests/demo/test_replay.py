"""Recorded reality comes out of the field's wires as it was recorded, and what was not recorded is not made up."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pymodbus.client import ModbusTcpClient

from deploy.demo.devices import FieldState, modbus_values, stream_bytes
from deploy.demo.recordings import (
    RecordedAir,
    RecordingError,
    air_hours,
    dumped_frames,
    endless,
    nmea_bytes,
    vedirect_bytes,
    vehicles_of,
)
from deploy.demo.replay import load_replay
from deploy.demo.scene import Scene
from device_profiles.asking import request_bytes
from device_profiles.library import load_profile
from device_profiles.simulate import ModbusResponder
from tests.support.demo_field import StartedField, listening, started_field
from tests.support.processes import pause, wait_until

AIR_HEADER = "No,year,month,day,hour,PM2.5,PM10,SO2,NO2,CO,O3,TEMP,PRES,DEWP,RAIN,wd,WSPM,station,lat,long"
AIR_ROW = "1,2013,3,1,0,6,18,5,NA,800,88,-0.7,1023,-18.8,0.4,NNW,4.4,Gucheng,0,0"
MISSING_ROW = "2,2013,3,1,1,NA,18,5,NA,800,88,NA,NA,-18.8,NA,NA,NA,Gucheng,0,0"
VEHICLES = """Date/Time:, 11/6/2023 11:34:00 AM
Site Code:, 165367
Veh. No., Date, Time, Channel, Class, Speed
1, 11/6/2023, 11:59:57 AM, 2, 2, 36.3
2, 11/6/2023, 12:00:01 PM, 1, 9, 50
"""


def test_an_hour_of_air_becomes_the_weather_of_that_hour() -> None:
    air = RecordedAir(air_hours([AIR_HEADER, AIR_ROW, MISSING_ROW], "a.csv"))
    drawn = Scene(1).at(0)
    first, second = air.over(drawn, 3599), air.over(drawn, 3600)
    assert (first.temperature, first.pressure, first.wind_speed, first.wind_direction) == (-0.7, 1023, 4.4, 337.5)
    assert (first.rain_total, first.pm2_5, first.pm10) == (0.4, 6, 18)
    assert (second.temperature, second.humidity, second.pressure, second.pm2_5, second.wind_direction) == (None,) * 5
    assert (first.illuminance, first.wind_gust, first.uv_index) == (None, None, None)
    assert air.over(drawn, 7200) == first


def test_humidity_follows_from_the_dew_point() -> None:
    saturated = AIR_ROW.replace("-18.8", "-0.7")
    drawn = Scene(1).at(0)
    assert RecordedAir(air_hours([AIR_HEADER, saturated], "a.csv")).over(drawn, 0).humidity == pytest.approx(100)
    # 20 degrees with a dew point of 10: 52.5 % by the tables.
    usual = AIR_ROW.replace(",-0.7,", ",20,").replace("-18.8", "10")
    humidity = RecordedAir(air_hours([AIR_HEADER, usual], "a.csv")).over(drawn, 0).humidity
    assert humidity == pytest.approx(52.5, abs=0.2)


def test_vehicles_pass_in_their_recorded_rhythm_again_and_again() -> None:
    found = vehicles_of(VEHICLES.splitlines(), "v.txt")
    assert [(one.at_s, one.lane, one.vehicle_class) for one in found] == [(0, 2, 2), (4, 1, 9)]
    assert [one.speed_kmh for one in found] == pytest.approx([36.3 * 1.609344, 50 * 1.609344])
    assert [one.at_s for one in itertools.islice(endless(found), 4)] == [0, 4, 5, 9]


@pytest.mark.parametrize(
    ("read", "complaint"),
    [
        (lambda: air_hours(["No,year", "1,2"], "a.csv"), r"a\.csv:1: found no column TEMP"),
        (lambda: air_hours([AIR_HEADER, AIR_ROW.replace("1023", "??")], "a.csv"), r"a\.csv:2: found .*numbers or NA"),
        (lambda: vehicles_of(["nothing"], "v.txt"), r"v\.txt: found no vehicles"),
        (lambda: vehicles_of([*VEHICLES.splitlines(), "3, soon"], "v.txt"), r"v\.txt:6: found '3, soon'"),
        (lambda: nmea_bytes(b"# only a comment\n", "g.log", baud=4800), "no NMEA sentence"),
        (lambda: vedirect_bytes(b"\r\nV\t12", "b.dump", baud=19200), "no block"),
        (lambda: dumped_frames("xx", "p.hexdump", header=b"BM", baud=9600), r"p\.hexdump:1: found 'xx'"),
        (lambda: dumped_frames("0: aa bb  ..", "p.hexdump", header=b"BM", baud=9600), "begin with 42 4d"),
    ],
)
def test_a_recording_that_is_none_is_refused_by_name(read: Callable[[], object], complaint: str) -> None:
    with pytest.raises(RecordingError, match=complaint):
        read()


def test_sentences_begin_with_their_second_and_take_the_time_of_the_line() -> None:
    log = b"# comment\n$GPGGA,030719.000,a\r\n$GPRMC,030719.000,b\r\n$GPGGA,030720.000,c\r\n"
    recorded = nmea_bytes(log, "g.log", baud=4800)
    assert b"".join(chunk.data for chunk in recorded.chunks) == log.partition(b"\n")[2]
    first, second = recorded.chunks
    assert first.at_s == pytest.approx(len(first.data) * 10 / 4800)
    assert second.at_s == pytest.approx(1 + len(second.data) * 10 / 4800)
    assert recorded.seconds == 2


@pytest.mark.recorded
def test_every_recorded_byte_is_played(recorded_data: Path) -> None:
    replay = load_replay(recorded_data)
    assert len(replay.vehicles) == 58_418
    folder = recorded_data / "device-bytes"
    battery = (folder / "vedirect" / "bvm702.dump").read_bytes()
    played = b"".join(chunk.data for chunk in replay.streams["battery-1"].chunks)
    assert battery.startswith(played)
    assert b"Checksum" not in battery[len(played) :]
    gps = (folder / "gps" / "bu353s4.log").read_bytes()
    assert gps.endswith(b"".join(chunk.data for chunk in replay.streams["gps-1"].chunks))


@pytest.mark.recorded
def test_every_recorded_hour_can_be_said(recorded_data: Path) -> None:
    replay = load_replay(recorded_data / "air-weather")
    assert replay.air is not None
    drawn, state = Scene(1).at(0), FieldState(seed=1, unix_s=0)
    weather, dust = load_profile("ecowitt/wn90lp"), load_profile("nova/sds011")
    station = ModbusResponder(weather, 0x90)
    silent_hours = 0
    for hour in range(35_064):
        moment = replay.air.over(drawn, hour * 3600)
        station.set_values(modbus_values("ecowitt/wn90lp", moment, state))
        silent_hours += not stream_bytes(dust, moment, state)
    # 646 hours have no PM2.5; some more have no PM10.
    assert 646 <= silent_hours <= 1200


@pytest.fixture(scope="module")
def replayed(recorded_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartedField]:
    folder = tmp_path_factory.mktemp("replay")
    with started_field(folder, ["--replay", str(recorded_data), "--speed", "0.1"]) as started:
        yield started


@pytest.mark.recorded
def test_only_devices_with_a_recording_are_there_and_it_is_told_which(replayed: StartedField) -> None:
    fed_by = replayed.devices()
    assert set(fed_by) == {
        "weather-1", "counter-1", "radar-1", "dust-1", "dust-2", "gps-1", "solar-1", "battery-1"
    }  # fmt: skip
    assert "PRSA_Data_Gucheng" in fed_by["weather-1"]
    assert "165367" in fed_by["radar-1"]
    assert (replayed.told["source"], replayed.told["speed"], replayed.told["air_speed"]) == ("recorded", 0.1, 60.0)
    printed = (replayed.folder / "log").read_text()
    assert all(f"{device} is fed by " in printed for device in fed_by)


@pytest.mark.recorded
def test_the_first_vehicles_reach_the_radar_with_their_class_lane_and_speed(replayed: StartedField) -> None:
    device = load_profile("wavetronix/ss125").serial
    assert device is not None
    request = device.groups[0].request
    assert request is not None
    with listening(replayed.port("radar-1"), "wavetronix/ss125") as radar:

        def has_vehicle() -> bool:
            radar.say(request_bytes(request, address=5, sequence=1))
            pause(0.05)
            return bool(radar.readings("vehicle"))

        wait_until("the first vehicle is fetched", has_vehicle, within_s=20)
        vehicle = radar.numbers("vehicle")
    assert (vehicle["lane"], vehicle["vehicle_class"]) == (2, 2)
    assert vehicle["speed"] == pytest.approx(36.3 * 1.609344, abs=1 / 256)
    with ModbusTcpClient("127.0.0.1", port=replayed.tcp_port("counter-1"), timeout=2) as client:
        # The second vehicle passes 40 s after the first at a tenth of the speed.
        assert client.read_input_registers(60, count=4, device_id=10).registers == [0, 0, 0, 1]


@pytest.mark.recorded
def test_the_first_hour_of_air_comes_out_of_the_dust_sensor(replayed: StartedField) -> None:
    with listening(replayed.port("dust-1"), "nova/sds011") as dust:
        dust.wait_for("particles", 1)
        assert dust.numbers("particles") == {"pm2_5": 6, "pm10": 18}


@pytest.mark.recorded
@pytest.mark.parametrize(
    ("device", "group", "key", "number"),
    [
        ("gps-1", "gga", "satellites", 8),
        ("solar-1", "charger", "battery_voltage", 12.53),
        ("battery-1", "battery", "battery_voltage", 12.065),
    ],
)
def test_raw_bytes_are_read_as_the_device_meant_them(
    recorded_data: Path, tmp_path: Path, device: str, group: str, key: str, number: float
) -> None:
    with (
        started_field(tmp_path, ["--replay", str(recorded_data / "device-bytes"), "--speed", "4"]) as field,
        listening(field.port(device), str(field.device(device)["profile"])) as listener,
    ):
        listener.wait_for(group, 1)
        assert listener.numbers(group)[key] == number
        assert "weather-1" not in field.devices()
