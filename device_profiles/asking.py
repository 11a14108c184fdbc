"""Asking a serial device: the bytes to send, the steps around them, and which frames are the answer. Pure.

I1. A frame of another address, sequence number or kind is never part of an answer.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from device_profiles.decode_serial import holds
from device_profiles.encode_binary import fill_checks
from device_profiles.encode_error import EncodeError
from device_profiles.framing.base import Frame
from device_profiles.numbers import decode_number, encode_number, size_bytes
from device_profiles.serial_request import Request, Step

_SEQUENCES = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One step in bytes and seconds: send, wait for what is expected (up to `tries` times), pause."""

    send: bytes
    expect: bytes
    timeout_s: float
    tries: int
    pause_s: float


class Taken(StrEnum):
    """What a frame is to an answer."""

    FOREIGN = "foreign"
    PART = "part"
    LAST = "last"


class Answer:
    """The frames of one answer, as they come."""

    def __init__(self, request: Request, *, address: int | None = None, sequence: int = 0) -> None:
        self._request = request
        self._address = address
        self._sequence = sequence
        # Changed by take only.
        self.frames: list[Frame] = []

    def take(self, frame: Frame) -> Taken:
        """Take the next frame; foreign ones are not kept."""
        if not is_reply(self._request, frame, address=self._address, sequence=self._sequence):
            return Taken.FOREIGN
        self.frames.append(frame)
        until = self._request.until
        is_last = bool(until) and all(holds(condition, frame) for condition in until)
        return Taken.LAST if is_last or len(self.frames) >= self._request.frames else Taken.PART

    @property
    def patience_s(self) -> float | None:
        """How long to wait for the next frame at most; None where only the request's timeout counts."""
        gap_ms = self._request.gap_ms
        return gap_ms / 1000 if gap_ms is not None and self.frames else None

    @property
    def may_end_here(self) -> bool:
        """Whether it is whole when nothing more comes."""
        return bool(self.frames) and self._request.gap_ms is not None


def request_bytes(request: Request, *, address: int | None = None, sequence: int = 0) -> bytes:
    """The bytes to send: the template with the device's address, the sequence number (mod 256) and the checks.

    Raises:
        EncodeError: the request needs an address and there is none.
        NumberError: the address does not fit its field.
    """
    out = bytearray(request.sent)
    if request.address is not None:
        if address is None:
            raise EncodeError("the device is asked by its address: expected an address, found none")
        raw = encode_number(address, request.address.type, request.address.order)
        out[request.address.at : request.address.at + len(raw)] = raw
    place = request.sequence
    if place is not None and place.bit is None:
        out[place.at] = sequence & 0xFF
    elif place is not None and place.bit is not None:
        out[place.at] = out[place.at] & ~(1 << place.bit) | (sequence & 1) << place.bit
    fill_checks(out, request.checks)
    return bytes(out)


def is_reply(request: Request, frame: Frame, *, address: int | None = None, sequence: int = 0) -> bool:
    """Whether a frame answers the request that was sent with this address and sequence number."""
    if frame.form in request.unaddressed:
        return True
    if not all(holds(condition, frame) for condition in request.reply):
        return False
    place = request.sequence
    if place is not None and place.bit is None:
        expected = (sequence + place.reply_adds) & 0xFF
        if frame.data[place.at : place.at + 1] != bytes((expected,)):
            return False
    field = request.address
    if field is None or field.reply_at is None:
        return True
    raw = frame.data[field.reply_at : field.reply_at + size_bytes(field.type)]
    return len(raw) == size_bytes(field.type) and decode_number(raw, field.type, field.order) == address


def next_sequence(request: Request, sequence: int, *, answered: bool) -> int:
    """The sequence number after this one; a toggle bit stays until its request was answered."""
    is_toggle = request.sequence is not None and request.sequence.bit is not None
    return sequence if is_toggle and not answered else (sequence + 1) % _SEQUENCES


def moves(steps: Iterable[Step]) -> tuple[Move, ...]:
    """The steps of a sequence as they are carried out."""
    return tuple(
        Move(
            send=step.sent,
            expect=step.expected,
            timeout_s=step.timeout_ms / 1000,
            tries=step.tries,
            pause_s=step.wait_ms / 1000,
        )
        for step in steps
    )


def behind(heard: bytes, expected: bytes) -> bytes | None:
    """What stands behind the expected bytes in what was heard; None where they have not come yet."""
    at = heard.find(expected)
    return None if at < 0 else heard[at + len(expected) :]
