"""What the bytes after a Modbus request are: an answer, an echo, two answers, or marks of a sick line. Pure."""

from enum import StrEnum
from typing import Final

from device_profiles.checks import CheckKind, check_bytes
from device_profiles.modbus import Function, ReadRequest, ReplyError
from device_profiles.modbus_frames import parse_rtu_reply
from edge.drivers.rtu_reply import is_cut_off, reply_at, skipped_echo

_EXCEPTION_BYTES: Final = 5
_CRC_BYTES: Final = 2
_HEAD_BYTES: Final = 3
_REQUEST_BYTES: Final = 8
_ERROR_BIT: Final = 0x80
_LAST_UNIT: Final = 247
_FUNCTIONS: Final = frozenset(int(function) for function in Function)
_READS: Final = frozenset({1, 2, 3, 4})
_IDLE: Final = frozenset({0x00, 0xFF})  # a line that stands at the wrong level, as a UART reads it


class Heard(StrEnum):
    """What came."""

    GOOD = "good"
    REFUSED = "refused"
    TWICE = "twice"
    SILENT = "silent"
    ECHO = "echo"
    FOREIGN = "foreign"
    DAMAGED = "damaged"
    CUT_OFF = "cut_off"
    IDLE_NOISE = "idle_noise"
    GARBAGE = "garbage"

    @property
    def is_answer(self) -> bool:
        """Whether a whole answer of the unit was in it."""
        return self in {Heard.GOOD, Heard.REFUSED, Heard.TWICE}

    @property
    def has_head(self) -> bool:
        """Whether the unit was understood, be its answer damaged or not."""
        return self.is_answer or self in {Heard.DAMAGED, Heard.CUT_OFF}


def heard(unit: int, request: ReadRequest, raw: bytes) -> Heard:
    """What the bytes are that came after this request to this unit.

    Args:
        unit: who was asked.
        request: what for.
        raw: all that came, from the request's last byte until the line was silent.
    """
    found = reply_at(unit, request, raw)
    if found is not None:
        return _answer(unit, request, raw, found)
    rest = raw[skipped_echo(unit, request, raw) :]
    if not rest:
        return Heard.ECHO if raw else Heard.SILENT
    if set(rest) <= _IDLE:
        return Heard.IDLE_NOISE
    if whole_frames(rest):
        return Heard.FOREIGN
    if rest[:2] == bytes((unit, request.function)):
        return Heard.CUT_OFF if is_cut_off(unit, request, rest) else Heard.DAMAGED
    return Heard.GARBAGE


def has_echo(unit: int, request: ReadRequest, raw: bytes) -> bool:
    """Whether the request itself came back first."""
    return bool(skipped_echo(unit, request, raw))


def whole_frames(raw: bytes) -> list[bytes]:
    """The requests and answers with a good check among bytes, whoever they are of."""
    found = []
    for start in range(len(raw) - _EXCEPTION_BYTES + 1):
        for length in _lengths(raw[start : start + _HEAD_BYTES]):
            frame = raw[start : start + length]
            if len(frame) == length and check_bytes(CheckKind.CRC16_MODBUS, frame[:-_CRC_BYTES]) == frame[-_CRC_BYTES:]:
                found.append(frame)
    return found


def _lengths(head: bytes) -> set[int]:
    """How long a frame may be that begins like this."""
    unit, function, third = head
    if not 1 <= unit <= _LAST_UNIT:
        return set()
    if function & _ERROR_BIT:
        return {_EXCEPTION_BYTES} if function & ~_ERROR_BIT in _FUNCTIONS else set()
    if function in _READS:
        return {_REQUEST_BYTES, _EXCEPTION_BYTES + third}
    return {_REQUEST_BYTES} if function in _FUNCTIONS else set()


def _answer(unit: int, request: ReadRequest, raw: bytes, found: tuple[int, int]) -> Heard:
    start, end = found
    if reply_at(unit, request, raw[end:]) is not None:
        return Heard.TWICE
    try:
        parse_rtu_reply(unit, request, raw[start:end])
    except ReplyError:
        return Heard.REFUSED
    return Heard.GOOD
