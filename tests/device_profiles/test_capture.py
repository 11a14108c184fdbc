"""Captures: what a device sent is read as the capture says, or the difference is told with its place."""

import pytest

from device_profiles.capture import check_capture, parse_capture
from device_profiles.library import load_profile
from device_profiles.yaml_tree import where


def told(name: str, exchange: str) -> list[tuple[str, str]]:
    capture = parse_capture(f"profile: {name}\nexchanges:\n  - {{{exchange}, origin: computed}}\n", "x.capture.yaml")
    return [(where(item.path), item.found) for item in check_capture(load_profile(name), capture)]


@pytest.mark.parametrize(
    ("name", "exchange"),
    [
        (
            "generic/xy-md02",
            'request: "01 04 00 01 00 01 60 0A", reply: "01 04 02 01 31 79 74", expect: {temperature: 30.5}',
        ),
        ("generic/xy-md02", 'table: input, address: 1, words: "FF 33", expect: {temperature: -20.5}'),
        ("generic/xy-md02", "table: input, address: 1, words_dec: [305, 546], expect: {humidity: 54.6}"),
        ("generic/xy-md02", 'request: "01 04 00 02 00 01 90 0A", reply: "01 04 02 02 22 D1 BA", refused: crc'),
        ("generic/xy-md02", 'request: "01 04 00 01 00 01 60 0A", reply: "01 84 02 C2 C1", refused: exception'),
        ("senseair/s8", 'request: "FE 06 00 1F 00 B4 AC 74"'),
        ("nova/sds011", 'received: "AA C0 D4 04 3A 0A A1 60 1E AB", bad_frames: 1'),
        ("waveshare/modbus-rtu-relay", 'request: "01 05 00 00 FF 00 8C 3A", orders: {relay_1: 1}'),
        ("waveshare/modbus-rtu-relay", 'request: "01 05 00 FF 55 00 C2 AA", orders: {toggle_all: 1}'),
        ("waveshare/modbus-rtu-relay", 'request: "01 05 00 FF 12 34 F0 8D", never_sent: true'),
        ("peacefair/pzem-004t", 'request: "01 42 80 11", reply: "01 42 80 11", orders: {reset_energy: 1}'),
        (
            "wirenboard/wb-mwac-v2",
            'table: input, address: 270, words: "00 01 E2 40", identity: {serial_number: "123456"}',
        ),
    ],
)
def test_what_is_read_as_the_capture_says_is_no_fault(name: str, exchange: str) -> None:
    assert told(name, exchange) == []


@pytest.mark.parametrize(
    ("exchange", "place"),
    [
        ('request: "01 04 00 01 00 01 60 0A", reply: "01 04 02 01 31 79 75", expect: {temperature: 30.5}', ""),
        ('request: "01 04 00 01 00 01 60 0B"', ""),
        ('request: "01 2B 00 01 00 01 60 0B"', ""),
        ('request: "01 04 00 01 00 01 60 0A", reply: "01 04 02 01 31 79 74", refused: crc', "refused"),
        ('request: "01 04 00 01 00 01 60 0A", expect: {temperature: 30.5}', "expect"),
        ('table: input, address: 1, words: "FF 33", expect: {temperature: 20}', "expect.temperature"),
        ('table: input, address: 1, words: "FF 33", expect: {temperature: null}', "expect.temperature"),
        ('table: input, address: 2, words: "FF 33", expect: {temperature: 20}', "expect.temperature"),
        ('words: "FF 33", expect: {temperature: 20}', ""),
        ('table: input, address: 1, words: "FF3", expect: {temperature: 20}', ""),
        ('table: input, address: 1, words: "FG", expect: {temperature: 20}', ""),
        ("note: nothing", ""),
        ('received: "00"', ""),
        ('table: input, address: 1, words: "00 01", quality: {temperature: stuck}', "quality.temperature"),
    ],
)
def test_what_is_not_read_as_the_capture_says_is_told_with_its_place(exchange: str, place: str) -> None:
    assert [where_told for where_told, _ in told("generic/xy-md02", exchange)] == [f"exchanges[0].{place}".rstrip(".")]


@pytest.mark.parametrize(
    ("name", "exchange", "place", "found"),
    [
        (
            "waveshare/modbus-rtu-relay",
            'request: "01 05 00 00 FF 00 8C 3A", orders: {relay_2: 1}',
            "orders.relay_2",
            "",
        ),
        (
            "waveshare/modbus-rtu-relay",
            'request: "01 05 00 00 FF 00 8C 3A", orders: {relay_1: 0}',
            "orders.relay_1",
            "",
        ),
        (
            "waveshare/modbus-rtu-relay",
            'request: "01 05 00 00 FF 00 8C 3A", orders: {relay_1: 2}',
            "orders.relay_1",
            "found 2",
        ),
        (
            "waveshare/modbus-rtu-relay",
            'request: "01 05 00 00 FF 00 8C 3A", orders: {lamp: 1}',
            "orders.lamp",
            "'lamp'",
        ),
        (
            "waveshare/modbus-rtu-relay",
            'request: "01 05 00 00 FF 00 8C 3A", never_sent: true',
            "never_sent",
            "",
        ),
        ("waveshare/modbus-rtu-relay", 'request: "01 05 00 FF 12 34 F0 8D"', "", "no device takes"),
        (
            "wirenboard/wb-mwac-v2",
            'table: input, address: 270, words: "00 01 E2 40", identity: {serial_number: "123"}',
            "identity.serial_number",
            "'123456'",
        ),
        ("vaisala/aqt530", 'request: "01 2B 0E 04 01 B2 E7", identity: {model: AQT530}', "identity", "without a reply"),
        (
            "wirenboard/wb-mwac-v2",
            'table: input, address: 270, words: "00 01", identity: {serial_number: "1"}',
            "identity.serial_number",
            "serial_number",
        ),
    ],
)
def test_an_order_or_identity_that_differs_is_told_with_its_place(
    name: str, exchange: str, place: str, found: str
) -> None:
    ((where_told, found_told),) = told(name, exchange)
    assert where_told == f"exchanges[0].{place}".rstrip(".")
    assert found in found_told


def test_a_serial_reading_that_differs_is_told_with_its_place() -> None:
    exchange = (
        'received: "AA C0 D4 04 3A 0A A1 60 1D AB", readings: [{group: particles, values: {pm2_5: 1.5}}], bad_frames: 2'
    )
    places = [place for place, _ in told("nova/sds011", exchange)]
    assert places == ["exchanges[0].bad_frames", "exchanges[0].readings[0].values.pm2_5"]


def test_a_request_the_profile_does_not_send_is_told() -> None:
    assert told("nova/sds011", 'request: "AA", received: ""') == [("exchanges[0].request", "aa")]
