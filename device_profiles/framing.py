"""Bytes of a serial line to whole frames whose checks hold. Pure; holds the bytes of an unfinished frame, no more.

I1. A frame whose check fails never leaves this module as a frame.
I2. How the bytes are cut into calls does not change what comes out.
I3. After a false header the search goes on one byte behind it, so a good frame after or inside it is found.
I4. Every byte is part of a good frame, garbage, or still pending. Pending bytes are bounded by the framing's length.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from device_profiles.checks import check_bytes, check_size_bytes, xor_of
from device_profiles.numbers import decode_number, size_bytes
from device_profiles.serial_model import BinaryFraming, BlockFraming, Check, SentenceFraming, SerialDevice, hex_bytes

_CR: Final = 0x0D
_LF: Final = 0x0A
_ASCII_END: Final = 0x7F
# NMEA 0183 4.1, 5.3: talker two characters, formatter three; proprietary sentences begin with P.
_ADDRESS_LENGTH: Final = 5


class FrameFault(StrEnum):
    """Why bytes that began like a frame are none."""

    CHECK = "check"
    LENGTH = "length"
    TAIL = "tail"
    FORM = "form"
    CUT = "cut"


@dataclass(frozen=True, slots=True)
class BadFrame:
    """Bytes that began like a frame and are none."""

    fault: FrameFault


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One whole frame. `raw` is all of it; `labels` are a block's, `fields` a sentence's (0 is its formatter)."""

    raw: bytes
    labels: Mapping[str, str] | None = None
    fields: tuple[str, ...] = ()


class Cutter(Protocol):
    """Cuts a byte stream into frames, incrementally."""

    garbage_bytes: int

    def feed(self, data: bytes) -> list[Frame | BadFrame]:
        """Take the next bytes; return what they completed, in order."""

    def give_up(self) -> list[Frame | BadFrame]:
        """No more bytes will come: whatever is unfinished is cut; return what stood behind it."""


def cutter(device: SerialDevice) -> Cutter:
    """The cutter for a device's framing."""
    if device.binary is not None:
        return BinaryCutter(device.binary)
    if device.blocks is not None:
        return BlockCutter(device.blocks)
    assert device.sentences is not None  # noqa: S101 - SerialDevice has exactly one
    return SentenceCutter(device.sentences)


class BinaryCutter:
    """Cuts frames with a header and a fixed length or a length field."""

    def __init__(self, framing: BinaryFraming) -> None:
        self._framing = framing
        self._header = hex_bytes(framing.header)
        self._tail = hex_bytes(framing.tail)
        # A check inside the head can refuse a false header before its false length makes the reader wait.
        self._early = tuple(check for check in framing.checks if _is_early(check))
        self._late = tuple(check for check in framing.checks if not _is_early(check))
        field = framing.length_field
        self._head_bytes = max(
            len(self._header),
            field.at + size_bytes(field.type) if field else 0,
            *(check.at + check_size_bytes(check.kind) for check in self._early),
        )
        # Changed by feed and give_up only.
        self._pending = bytearray()
        self.garbage_bytes = 0

    def feed(self, data: bytes) -> list[Frame | BadFrame]:
        """Take the next bytes; return what they completed, in order."""
        self._pending += data
        found: list[Frame | BadFrame] = []
        at = 0
        while (start := self._pending.find(self._header, at)) >= 0:
            self.garbage_bytes += start - at
            at = start
            verdict = self._verdict(start)
            if verdict is None:
                break
            found.append(verdict)
            if isinstance(verdict, Frame):
                at += len(verdict.raw)
            else:
                at += 1
                self.garbage_bytes += 1
        else:
            keep = _header_prefix(self._pending, self._header, at)
            self.garbage_bytes += len(self._pending) - keep - at
            at = len(self._pending) - keep
        del self._pending[:at]
        return found

    def give_up(self) -> list[Frame | BadFrame]:
        """Cut what is unfinished, and return what stood behind its header."""
        found: list[Frame | BadFrame] = []
        while self._pending:
            if self._pending.startswith(self._header):
                found.append(BadFrame(FrameFault.CUT))
            del self._pending[:1]
            self.garbage_bytes += 1
            found += self.feed(b"")
        return found

    def _verdict(self, start: int) -> Frame | BadFrame | None:
        """What stands at a header: a frame, none, or None while bytes are missing."""
        available = len(self._pending) - start
        if available < self._head_bytes:
            return None
        head = bytes(self._pending[start : start + self._head_bytes])
        if not all(_holds(check, head) for check in self._early):
            return BadFrame(FrameFault.CHECK)
        length = self._length(start)
        if length < self._head_bytes or length > (self._framing.max_length or length):
            return BadFrame(FrameFault.LENGTH)
        if available < length:
            return None
        raw = bytes(self._pending[start : start + length])
        return self._whole(raw)

    def _whole(self, raw: bytes) -> Frame | BadFrame:
        if not raw.endswith(self._tail):
            return BadFrame(FrameFault.TAIL)
        if not all(_holds(check, raw) for check in self._late):
            return BadFrame(FrameFault.CHECK)
        return Frame(raw=raw)

    def _length(self, start: int) -> int:
        """The length of the frame whose head stands at `start`."""
        field = self._framing.length_field
        if field is None:
            return self._framing.length or 0
        first = start + field.at
        raw = bytes(self._pending[first : first + size_bytes(field.type)])
        return field.add + int(decode_number(raw, field.type, field.order) or 0)


class SentenceCutter:
    """Cuts NMEA 0183 sentences out of a line that may carry other things."""

    def __init__(self, framing: SentenceFraming) -> None:
        self._max_length = framing.max_length
        # Changed by feed and give_up only.
        self._pending = bytearray()
        self.garbage_bytes = 0

    def feed(self, data: bytes) -> list[Frame | BadFrame]:
        """Take the next bytes; return what they completed, in order."""
        self._pending += data
        found: list[Frame | BadFrame] = []
        at = 0
        while (start := self._pending.find(b"$", at)) >= 0:
            self._drop(at, start)
            at = start
            stop = self._stop(start)
            if stop is None:
                break
            found.append(self._sentence(start, stop))
            at = stop
            if isinstance(found[-1], BadFrame):
                self._drop(start, stop)
        else:
            self._drop(at, len(self._pending))
            at = len(self._pending)
        del self._pending[:at]
        return found

    def give_up(self) -> list[Frame | BadFrame]:
        """Cut the unfinished sentence; nothing can stand behind it."""
        cut: list[Frame | BadFrame] = [BadFrame(FrameFault.CUT)] if self._pending else []
        self._drop(0, len(self._pending))
        self._pending.clear()
        return cut

    def _stop(self, start: int) -> int | None:
        """Where a sentence that began at `start` ends: at its line end, the next $, or its greatest length."""
        limit = start + self._max_length
        stops = [at for mark in (b"\r", b"\n", b"$") if (at := self._pending.find(mark, start + 1, limit)) >= 0]
        if stops:
            return min(stops)
        return limit if len(self._pending) >= limit else None

    def _sentence(self, start: int, stop: int) -> Frame | BadFrame:
        raw = bytes(self._pending[start:stop])
        if stop == start + self._max_length:
            return BadFrame(FrameFault.LENGTH)
        if self._pending[stop] not in {_CR, _LF}:
            return BadFrame(FrameFault.CUT)
        body, star, digits = raw[1:].rpartition(b"*")
        digits = digits.rstrip()
        if not star:
            return BadFrame(FrameFault.FORM)
        if digits.upper() != b"%02X" % xor_of(body):
            return BadFrame(FrameFault.CHECK)
        if max(body, default=0) > _ASCII_END:
            return BadFrame(FrameFault.FORM)
        address, *fields = body.decode("ascii").split(",")
        return Frame(raw=raw, fields=(formatter(address), *fields))

    def _drop(self, start: int, stop: int) -> None:
        """Count garbage; line ends between sentences are none."""
        dropped = self._pending[start:stop]
        self.garbage_bytes += len(dropped) - dropped.count(b"\r") - dropped.count(b"\n")


class BlockCutter:
    """Cuts label TAB value blocks, whose bytes up to and with the check byte sum to 0."""

    def __init__(self, framing: BlockFraming) -> None:
        self._framing = framing
        self._end = b"\r\n" + framing.end_label.encode() + b"\t"
        self._interleaved = hex_bytes(framing.interleaved)[0] if framing.interleaved else None
        # Changed by feed and give_up only.
        self._block = bytearray()
        self._interleaving = False
        self.garbage_bytes = 0

    def feed(self, data: bytes) -> list[Frame | BadFrame]:
        """Take the next bytes; return what they completed, in order."""
        found: list[Frame | BadFrame] = []
        for byte in data:
            verdict = self._take(byte)
            if verdict is not None:
                found.append(verdict)
        return found

    def give_up(self) -> list[Frame | BadFrame]:
        """Cut the unfinished block; nothing can stand behind it."""
        cut: list[Frame | BadFrame] = [self._bad(FrameFault.CUT)] if self._block else []
        self._interleaving = False
        return cut

    def _take(self, byte: int) -> Frame | BadFrame | None:
        if self._interleaving:
            self._interleaving = byte != _LF
            return None
        block = self._block
        if block.endswith(self._end):
            block.append(byte)
            return self._verdict()
        if byte == self._interleaved:
            self._interleaving = True
        elif block or byte == _CR:
            block.append(byte)
            if len(block) > self._framing.max_length:
                return self._bad(FrameFault.LENGTH)
        else:
            self.garbage_bytes += 1
        return None

    def _verdict(self) -> Frame | BadFrame:
        raw = bytes(self._block)
        if sum(raw) & 0xFF:
            return self._bad(FrameFault.CHECK)
        labels = _labels(raw[: -len(self._end) - 1])
        if labels is None:
            return self._bad(FrameFault.FORM)
        self._block.clear()
        return Frame(raw=raw, labels=labels)

    def _bad(self, fault: FrameFault) -> BadFrame:
        self.garbage_bytes += len(self._block)
        self._block.clear()
        return BadFrame(fault)


def formatter(address: str) -> str:
    """The formatter of a sentence's address (RMC of GPRMC); a proprietary address stands for itself."""
    return address[2:] if len(address) == _ADDRESS_LENGTH and not address.startswith("P") else address


def _is_early(check: Check) -> bool:
    return check.at >= 0 and check.start >= 0 and (check.end is None or 0 <= check.end <= check.at)


def _holds(check: Check, raw: bytes) -> bool:
    size = check_size_bytes(check.kind)
    at = check.at if check.at >= 0 else len(raw) + check.at
    end = at if check.end is None else check.end
    return raw[at : at + size] == check_bytes(check.kind, raw[check.start : end])


def _header_prefix(pending: bytearray, header: bytes, at: int) -> int:
    """How many of the last bytes may be the beginning of a header."""
    longest = min(len(header) - 1, len(pending) - at)
    return next((size for size in range(longest, 0, -1) if pending.endswith(header[:size])), 0)


def _labels(text: bytes) -> dict[str, str] | None:
    """The labels of a block's lines; None where a line is no label TAB value, or a label stands twice."""
    if not text:
        return {}
    lines = [line.split("\t") for line in text.decode("latin-1").removeprefix("\r\n").split("\r\n")]
    labels = {line[0]: line[1] for line in lines if len(line) == 2 and line[0]}  # noqa: PLR2004 - label and value
    return labels if len(labels) == len(lines) else None
