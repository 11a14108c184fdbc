"""Which cutter cuts the frames of a device. Pure."""

from device_profiles.framing.base import Cutter
from device_profiles.framing.binary import BinaryCutter
from device_profiles.framing.blocks import BlockCutter
from device_profiles.framing.lines import LineCutter
from device_profiles.framing.sentences import SentenceCutter
from device_profiles.serial_model import SerialDevice


def cutter(device: SerialDevice) -> Cutter:
    """The cutter for a device's framing."""
    if device.binary is not None:
        return BinaryCutter(device.forms)
    if device.blocks is not None:
        return BlockCutter(device.blocks)
    if device.lines is not None:
        return LineCutter(device.lines)
    assert device.sentences is not None  # noqa: S101 - SerialDevice has exactly one
    return SentenceCutter(device.sentences)
