"""Frames with a header and a fixed length or a length field. Pure."""

from device_profiles.checks import check_bytes, check_size_bytes
from device_profiles.framing.base import BadFrame, Frame, FrameFault
from device_profiles.numbers import decode_number, size_bytes
from device_profiles.serial_framings import BinaryFraming, Check, hex_bytes


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
