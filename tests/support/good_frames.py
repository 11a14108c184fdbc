"""A good frame of every binary framing, by the profile it is of; and cutting them as a line would bring them."""

from collections.abc import Sequence

from device_profiles.encode_serial import encode_frame
from device_profiles.framing.base import BadFrame, Cutter, Frame
from device_profiles.library import load_profile
from device_profiles.serial_model import (
    SerialDevice,
)

NAMES = (
    "nova/sds011",
    "plantower/pms5003",
    "nmea/gnss",
    "victron/vedirect-bmv",
    "wavetronix/ss125",
    "sensirion/sps30",
    "houston-radar/dr500",
    "adec/tdc3",
    "u-blox/nav-pvt",
)


def serial(name: str) -> SerialDevice:
    """The protocol of a profile."""
    found = load_profile(name).serial
    assert found is not None
    return found


DEVICES = {name: serial(name) for name in NAMES}
GOOD = {
    "nova/sds011": encode_frame(DEVICES["nova/sds011"], "particles", [12.3, 26.1]),
    "plantower/pms5003": encode_frame(DEVICES["plantower/pms5003"], "particles", [1, 2, 3, 40, 50, 60, 70, 80, 90, 0]),
    "nmea/gnss": encode_frame(DEVICES["nmea/gnss"], "rmc", [10.5, 106.7, 1.852], time_ms=1_700_000_000_000),
    "victron/vedirect-bmv": encode_frame(DEVICES["victron/vedirect-bmv"], "autonomy", [600]),
    "wavetronix/ss125": encode_frame(
        DEVICES["wavetronix/ss125"], "vehicle", [1, 12.5, 0.25, 67.75, 2, 4.5], time_ms=1_700_000_000_000
    ),
    "sensirion/sps30": bytes.fromhex(
        "7E 00 03 00 28 40 DF 03 DA 41 7D 31 62 AE 41 27 9E 32 41 2C 10 7D 5E 42 30 7D 5E D3 42 55 C0 4C 42 5E 09 08"
        "42 5F A2 8A 42 5F E4 43 3F 40 FA 1F FF 7E"
    ),
    "houston-radar/dr500": encode_frame(DEVICES["houston-radar/dr500"], "traffic", [47]),
    "adec/tdc3": encode_frame(DEVICES["adec/tdc3"], "vehicle", [54, 1, 0xE5 / 100, 1.2]),
    "u-blox/nav-pvt": encode_frame(
        DEVICES["u-blox/nav-pvt"], "fix", [3, 9, 106.7, 10.8, 12.5, 1.5, 2.5, 0, 90, 1.1], time_ms=1_700_000_000_000
    ),
}


def cut(device: Cutter, pieces: Sequence[bytes]) -> list[Frame | BadFrame]:
    """All that a cutter finds in the pieces."""
    return [found for piece in pieces for found in device.feed(piece)]
