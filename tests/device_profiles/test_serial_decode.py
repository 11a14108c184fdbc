import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_profiles.asking import is_reply, request_bytes
from device_profiles.compiled import from_plain, to_plain
from device_profiles.decode_serial import FrameReader, SerialReading
from device_profiles.encode_error import EncodeError
from device_profiles.encode_serial import encode_frame
from device_profiles.framing.base import BadFrame, Frame, FrameFault
from device_profiles.library import load_profile
from device_profiles.serial_model import SerialDevice, SerialGroup, TextForm
from device_profiles.serial_request import Request
from device_profiles.text_readings import clock_ms, date_ms, nearest_day_ms, number_text, short_date_ms, text_number
from wire.records import Quality, Value

SERIAL_PROFILES = (
    "nova/sds011",
    "plantower/pms3003",
    "plantower/pms5003",
    "plantower/pms5003t",
    "nmea/gnss",
    "victron/vedirect-bmv",
    "victron/vedirect-mppt",
    "wavetronix/ss125",
)
DAY_MS = 86_400_000


def serial(name: str) -> SerialDevice:
    found = load_profile(name).serial
    assert found is not None
    return found


DEVICES = {name: serial(name) for name in SERIAL_PROFILES}
GROUPS = [(name, group) for name, device in DEVICES.items() for group in device.groups]


def readings(reader: FrameReader, data: bytes) -> list[SerialReading]:
    return [each for each in reader.feed(data) if isinstance(each, SerialReading)]


@pytest.mark.parametrize("name", SERIAL_PROFILES)
def test_a_serial_profile_survives_its_compiled_form(name: str) -> None:
    profile = load_profile(name)
    assert from_plain(to_plain(profile)) == profile


@pytest.mark.parametrize(("name", "group"), GROUPS, ids=lambda each: each if isinstance(each, str) else each.name)
@given(data=st.data())
def test_an_encoded_frame_decodes_to_its_values(name: str, group: SerialGroup, data: st.DataObject) -> None:
    steps = [data.draw(st.integers(1, 80)) for _ in group.points]
    values: list[float | None] = [
        step / 2 if point.form in {TextForm.LATITUDE, TextForm.LONGITUDE} else _stepped(step, point.scale)
        for step, point in zip(steps, group.points, strict=True)
    ]
    for index, point in enumerate(group.points):
        if point.texts:
            values[index] = steps[index] % 2
    time_ms = 1_700_000_000_000 + steps[0] if group.time else None
    frame = encode_frame(DEVICES[name], group.name, values, time_ms=time_ms)
    reader = FrameReader(DEVICES[name])
    found = {reading.group: reading for reading in readings(reader, frame)}
    assert [value.number for value in found[group.name].values] == pytest.approx(values, abs=1e-9)
    if group.time is not None and group.time.form != "clock":
        assert found[group.name].device_time_ms == time_ms


def _stepped(step: int, scale: float) -> float:
    return round(step * scale, 9)


def test_a_missing_value_survives_its_frame_where_the_frame_can_say_so() -> None:
    values = [1, 12.5, 0.25, None, 2, 4.5]
    frame = encode_frame(DEVICES["wavetronix/ss125"], "vehicle", values, time_ms=1_700_000_000_123)
    (reading,) = readings(FrameReader(DEVICES["wavetronix/ss125"]), frame)
    assert [value.number for value in reading.values] == values
    assert reading.values[3].quality is Quality.SENSOR_FAULT
    assert reading.device_time_ms == 1_700_000_000_123
    frame = encode_frame(DEVICES["nmea/gnss"], "rmc", [None, None, None], time_ms=None)
    (reading,) = readings(FrameReader(DEVICES["nmea/gnss"]), frame)
    assert reading.values == (Value(None, Quality.SENSOR_FAULT),) * 3


def test_a_frame_that_cannot_be_made_is_refused() -> None:
    device = DEVICES["nova/sds011"]
    with pytest.raises(EncodeError, match="expected one of particles"):
        encode_frame(device, "dust", [1, 2])
    with pytest.raises(EncodeError, match="expected 2 values, found 1"):
        encode_frame(device, "particles", [1])


def test_a_block_gives_a_reading_only_for_groups_whose_labels_it_carries() -> None:
    device = DEVICES["victron/vedirect-mppt"]
    reader = FrameReader(device)
    assert [each.group for each in readings(reader, encode_frame(device, "load", [1, 0.5]))] == ["load"]
    assert [each.group for each in readings(reader, encode_frame(device, "tracker", [2]))] == ["tracker"]
    unknown = b"\r\nXYZ\t12\r\nChecksum\t"
    assert reader.feed(unknown + bytes((-sum(unknown) & 0xFF,))) == []
    assert reader.frame_count == 3


def test_an_endless_time_to_go_is_no_reading_and_no_fault() -> None:
    block = b"\r\nTTG\t-1\r\nChecksum\t"
    reader = FrameReader(DEVICES["victron/vedirect-bmv"])
    assert reader.feed(block + bytes((-sum(block) & 0xFF,))) == []
    assert reader.frame_count == 1


def test_a_text_that_says_no_number_is_no_value() -> None:
    block = b"\r\nMPPT\t---\r\nChecksum\t"
    (reading,) = readings(FrameReader(DEVICES["victron/vedirect-mppt"]), block + bytes((-sum(block) & 0xFF,)))
    assert reading.values == (Value(None, Quality.SENSOR_FAULT),)


def test_faults_and_garbage_are_counted() -> None:
    device = DEVICES["nova/sds011"]
    reader = FrameReader(device)
    good = encode_frame(device, "particles", [1, 2])
    found = reader.feed(b"\x00\x01" + good + good[:8] + b"\xff\xab" + good)
    assert [type(each) for each in found] == [SerialReading, BadFrame, SerialReading]
    assert (reader.frame_count, dict(reader.bad_frames), reader.garbage_bytes) == (2, {FrameFault.CHECK: 1}, 12)


def test_the_day_of_a_bare_clock_is_that_of_the_nearest_full_time() -> None:
    device = DEVICES["nmea/gnss"]
    reader = FrameReader(device)
    before = b"$GPGGA,235959,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,"
    (first,) = readings(reader, sentence(before))
    assert first.device_time_ms is None
    reader.feed(sentence(b"$GPZDA,000001.50,11,03,2004,-1,00"))
    assert reader.device_time_ms == (midnight := date_ms(11, 3, 2004) or 0) + 1500
    (second,) = readings(reader, sentence(before))
    assert second.device_time_ms == midnight - 1000


def sentence(body: bytes) -> bytes:
    total = 0
    for byte in body[1:]:
        total ^= byte
    return body + b"*%02X\r\n" % total


@pytest.mark.parametrize(
    "line", [b"$GPRMC,120000,V,4807.038,N,01131.000,E,0,0,010124,,,N", b"$GPRMC,250000,A,,,,,,,320124,,,A"]
)
def test_a_time_that_is_void_or_in_no_calendar_is_not_believed(line: bytes) -> None:
    reader = FrameReader(DEVICES["nmea/gnss"])
    reader.feed(sentence(line))
    assert reader.device_time_ms is None


def test_a_radar_is_asked_by_address_and_sequence_and_only_its_answer_is_a_reply() -> None:
    device = DEVICES["wavetronix/ss125"]
    request = device.groups[0].request
    assert request is not None
    sent = request_bytes(request, address=5, sequence=255)
    assert sent == bytes.fromhex("5A 31 00 00 05 00 00 00 FF 03 08 67 00 00 BC")
    (asked,) = FrameReader(device).frames(sent)
    assert isinstance(asked, Frame)  # its own checks hold
    answer = Frame(raw=bytes.fromhex("5A 31 00 00 00 00 00 05 00 17") + bytes(25))
    assert is_reply(request, answer, address=5, sequence=255)
    assert not is_reply(request, answer, address=6, sequence=255)
    assert not is_reply(request, answer, address=5, sequence=0)
    assert not is_reply(request, asked, address=5, sequence=254)


def test_a_request_without_its_address_is_refused() -> None:
    request = DEVICES["wavetronix/ss125"].groups[0].request
    assert request is not None
    with pytest.raises(EncodeError, match="address"):
        request_bytes(request)
    assert request_bytes(Request(send="01 02")) == b"\x01\x02"


@given(st.text(max_size=60), st.sampled_from(TextForm), st.sampled_from(["", "N", "S", "E", "W", "NS"]))
def test_any_text_is_a_number_or_none(text: str, form: TextForm, hemisphere: str) -> None:
    number = text_number(text, form, hemisphere)
    assert number is None or number == number + 0


@given(st.floats(-90, 90))
def test_a_latitude_survives_its_text(angle: float) -> None:
    text, hemisphere = number_text(angle, TextForm.LATITUDE)
    assert text_number(text, TextForm.LATITUDE, hemisphere) == pytest.approx(angle, abs=2e-9)


@pytest.mark.parametrize(
    ("text", "form", "hemisphere", "number"),
    [
        ("12530", TextForm.DECIMAL, "", 12530),
        ("-0.5", TextForm.DECIMAL, "", -0.5),
        (".5", TextForm.DECIMAL, "", 0.5),
        ("nan", TextForm.DECIMAL, "", None),
        ("1_000", TextForm.DECIMAL, "", None),
        ("1e5", TextForm.DECIMAL, "", None),
        ("", TextForm.DECIMAL, "", None),
        ("0xA042", TextForm.HEX, "", 0xA042),
        ("8960.0000", TextForm.LATITUDE, "N", None),
        ("9000.1", TextForm.LATITUDE, "N", None),
        ("4807.038", TextForm.LATITUDE, "", None),
        ("4807.038", TextForm.LATITUDE, "E", None),
        ("0734.0836864", TextForm.LONGITUDE, "W", -7.56806144),
    ],
)
def test_text_reads_as_the_number_it_says(text: str, form: TextForm, hemisphere: str, number: float | None) -> None:
    found = text_number(text, form, hemisphere)
    assert found == (number if number is None else pytest.approx(number, abs=1e-12))


def test_clocks_and_dates_read_as_they_say() -> None:
    assert clock_ms("160012.71") == ((16 * 60 + 0) * 60 + 12) * 1000 + 710
    assert clock_ms("235960") == DAY_MS
    assert [clock_ms(text) for text in ("240000", "126000", "120061", "1200", "", "12:00:00")] == [None] * 6
    assert short_date_ms("130998") == date_ms(13, 9, 1998)
    assert short_date_ms("280214") == date_ms(28, 2, 2014)
    assert [short_date_ms(text) for text in ("300223", "0101", "")] == [None] * 3


@given(st.integers(0, DAY_MS - 1), st.integers(0, 2**41))
def test_the_nearest_day_is_at_most_half_a_day_away(clock: int, reference_ms: int) -> None:
    found = nearest_day_ms(clock, reference_ms)
    assert found % DAY_MS == clock
    assert abs(found - reference_ms) <= DAY_MS // 2
