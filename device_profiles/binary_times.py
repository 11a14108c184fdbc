"""The UTC time that a device tells in bytes, and back. Pure. Bytes that name no time are None."""

import struct
from datetime import UTC, datetime
from typing import Final

from device_profiles.text_readings import date_ms

_PACKED_BYTES: Final = 8
# u-blox 8 protocol specification, UBX-NAV-PVT: from year to nano.
_UBX: Final = struct.Struct("<HBBBBBBIi")
_UBX_DATE_AND_TIME_VALID: Final = 0b11
_NS_PER_MS: Final = 1_000_000


def packed_ms(raw: bytes) -> int | None:
    """Milliseconds since 1970 of eight big-endian bytes: year, month, day; hour, minute, second, millisecond."""
    if len(raw) < _PACKED_BYTES:
        return None
    date, time = int.from_bytes(raw[:4], "big"), int.from_bytes(raw[4:8], "big")
    day = date_ms(date & 0x1F, date >> 5 & 0xF, date >> 9 & 0xFFF)
    clock = _clock_ms(time >> 22 & 0x1F, time >> 16 & 0x3F, time >> 10 & 0x3F)
    millisecond = time & 0x3FF
    return None if day is None or clock is None or millisecond > 999 else day + clock + millisecond  # noqa: PLR2004


def packed_time(time_ms: int) -> bytes:
    """The inverse of `packed_ms`."""
    at = datetime.fromtimestamp(time_ms / 1000, UTC)
    date = at.year << 9 | at.month << 5 | at.day
    clock = at.hour << 22 | at.minute << 16 | at.second << 10 | time_ms % 1000
    return date.to_bytes(4, "big") + clock.to_bytes(4, "big")


def ubx_utc_ms(raw: bytes) -> int | None:
    """Milliseconds since 1970 of a u-blox receiver's UTC; None unless it calls both date and time valid."""
    if len(raw) < _UBX.size:
        return None
    year, month, day, hour, minute, second, valid, _, nanoseconds = _UBX.unpack_from(raw)
    first_ms, clock = date_ms(day, month, year), _clock_ms(hour, minute, second)
    if valid & _UBX_DATE_AND_TIME_VALID != _UBX_DATE_AND_TIME_VALID or first_ms is None or clock is None:
        return None
    return first_ms + clock + round(int(nanoseconds) / _NS_PER_MS)


def ubx_utc(time_ms: int) -> bytes:
    """The inverse of `ubx_utc_ms`."""
    at = datetime.fromtimestamp(time_ms // 1000, UTC)
    clock = (at.hour, at.minute, at.second)
    valid = _UBX_DATE_AND_TIME_VALID
    return _UBX.pack(at.year, at.month, at.day, *clock, valid, 0, time_ms % 1000 * _NS_PER_MS)


def _clock_ms(hour: int, minute: int, second: int) -> int | None:
    if hour > 23 or minute > 59 or second > 59:  # noqa: PLR2004 - a clock
        return None
    return ((hour * 60 + minute) * 60 + second) * 1000
