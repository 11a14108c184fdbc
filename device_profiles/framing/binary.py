"""Binary frames: a header and a length, delimiters and stuffing, or what comes between two silences. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from device_profiles.checks import check_bytes, check_size_bytes
from device_profiles.framing.base import BadFrame, Frame, FrameFault
from device_profiles.framing.stuffing import unstuffed
from device_profiles.numbers import decode_number, size_bytes
from device_profiles.serial_framings import BinaryFraming, Check, FixedBytes, hex_bytes

# How many times longer stuffing can make a frame.
_STUFFED_TIMES = 2


@dataclass(frozen=True, slots=True)
class _Found:
    """What stands at a header, and how many of the bytes from there are done with."""

    what: Frame | BadFrame
    taken: int


class BinaryCutter:
    """Cuts binary frames of one or several forms. At the same byte the form that is named first goes first."""

    def __init__(self, framings: Sequence[BinaryFraming]) -> None:
        self._forms = tuple(_Form(framing) for framing in framings)
        # Changed by feed and give_up only.
        self._pending = bytearray()
        self._is_clean = True
        self.garbage_bytes = 0

    def feed(self, data: bytes) -> list[Frame | BadFrame]:
        """Take the next bytes; return what they completed, in order."""
        self._pending += data
        found: list[Frame | BadFrame] = []
        at = 0
        while (start := self._next_header(at)) >= 0:
            self._drop(start - at)
            at = start
            verdict = self._verdict(start)
            if verdict is None:
                break
            at += self._counted(verdict, found)
        else:
            keep = max(form.header_prefix(self._pending, at) for form in self._forms)
            self._drop(len(self._pending) - keep - at)
            at = len(self._pending) - keep
        del self._pending[:at]
        return found

    def give_up(self) -> list[Frame | BadFrame]:
        """Cut what is unfinished, and return what stood behind its header."""
        found: list[Frame | BadFrame] = []
        while self._pending:
            begun = [form for form in self._forms if self._pending.startswith(form.header)]
            taken = 1
            if begun:
                taken = self._counted(begun[0].last(bytes(self._pending)), found)
            else:
                self._drop(1)
            del self._pending[:taken]
            found += self.feed(b"")
        self._is_clean = True
        return found

    def _counted(self, verdict: _Found, found: list[Frame | BadFrame]) -> int:
        found.append(verdict.what)
        if isinstance(verdict.what, BadFrame):
            self._drop(verdict.taken)
        else:
            self._is_clean = True
        return verdict.taken

    def _drop(self, count: int) -> None:
        self.garbage_bytes += count
        self._is_clean = self._is_clean and not count

    def _next_header(self, at: int) -> int:
        """Where the next header of any form begins; negative where none does."""
        starts = [self._pending.find(form.header, at) for form in self._forms if not form.alone]
        if self._is_clean and any(form.alone and self._pending.startswith(form.header, at) for form in self._forms):
            return at
        return min((start for start in starts if start >= 0), default=-1)

    def _verdict(self, start: int) -> _Found | None:
        """What stands at a header: a frame, none, or None while bytes are missing."""
        forms = [form for form in self._forms if self._is_clean or not form.alone]
        begun = [form for form in forms if self._pending.startswith(form.header, start)]
        verdicts = [form.verdict(self._pending, start) for form in begun]
        whole = next((each for each in verdicts if each is not None and isinstance(each.what, Frame)), None)
        if whole is not None or None in verdicts:
            return whole
        return verdicts[0]


class _Form:
    """One form of frames: whether one stands at a place."""

    def __init__(self, framing: BinaryFraming) -> None:
        self.header = hex_bytes(framing.header)
        # Without a header only a silence tells where a frame begins: nothing is found behind a bad one.
        self.alone = framing.alone or not self.header
        self._framing = framing
        self._tail = hex_bytes(framing.tail)
        # A check inside the head can refuse a false header before its false length makes the reader wait.
        is_stuffed = framing.stuffing is not None
        self._early = tuple(check for check in framing.checks if _is_early(check) and not is_stuffed)
        self._late = tuple(check for check in framing.checks if check not in self._early)
        self._early_fixed = tuple(item for item in framing.fixed if item.at >= 0 and not is_stuffed)
        self._late_fixed = tuple(item for item in framing.fixed if item not in self._early_fixed)
        field = framing.length_field
        self._head_bytes = max(
            len(self.header),
            field.at + size_bytes(field.type) if field else 0,
            *(check.at + check_size_bytes(check.kind) for check in self._early),
            *(item.at + len(hex_bytes(item.value)) for item in self._early_fixed),
            1,
        )
        ends_itself = framing.length is None and field is None and framing.stuffing is None
        self._ends_by_silence = framing.frame_gap_ms is not None and ends_itself

    def header_prefix(self, pending: bytearray, at: int) -> int:
        """How many of the last bytes may be the beginning of a header."""
        longest = min(len(self.header) - 1, len(pending) - at)
        return next((size for size in range(longest, 0, -1) if pending.endswith(self.header[:size])), 0)

    def verdict(self, pending: bytearray, start: int) -> _Found | None:
        """What stands at a header of this form; None while bytes are missing."""
        if self._framing.stuffing is not None:
            return self._stuffed(pending, start)
        if self._ends_by_silence:
            available = len(pending) - start
            is_too_long = available > (self._framing.max_length or available)
            return _Found(BadFrame(FrameFault.LENGTH), available) if is_too_long else None
        return self._measured(pending, start)

    def _measured(self, pending: bytearray, start: int) -> _Found | None:
        """The verdict on a frame whose length is known."""
        available = len(pending) - start
        if available < self._head_bytes:
            return None
        head = bytes(pending[start : start + self._head_bytes])
        if not self._may_begin(head):
            return _Found(BadFrame(FrameFault.CHECK), 1)
        length = self._length(head)
        if length < self._head_bytes or length > (self._framing.max_length or length):
            return _Found(BadFrame(FrameFault.LENGTH), 1)
        if available < length:
            return None
        raw = bytes(pending[start : start + length])
        return self._whole(raw, raw)

    def last(self, pending: bytes) -> _Found:
        """What stands at a header behind which nothing more will come."""
        if not self._ends_by_silence:
            # Without a header nothing says where in the rest another frame may begin.
            return _Found(BadFrame(FrameFault.CUT), 1 if self.header else len(pending))
        whole = self._whole(pending, pending) if self._may_begin(pending) else None
        if whole is not None and isinstance(whole.what, Frame):
            return whole
        return _Found(BadFrame(FrameFault.CHECK), len(pending))

    def _stuffed(self, pending: bytearray, start: int) -> _Found | None:
        longest = _STUFFED_TIMES * (self._framing.max_length or 0)
        stop = pending.find(self._tail, start + 1, start + longest)
        if stop < 0:
            return _Found(BadFrame(FrameFault.LENGTH), 1) if len(pending) - start >= longest else None
        inner = bytes(pending[start + 1 : stop])
        if not inner or self.header in inner:
            return _Found(BadFrame(FrameFault.CUT), 1)
        plain = unstuffed(inner, self._framing.stuffing) if self._framing.stuffing else None
        if plain is None:
            return _Found(BadFrame(FrameFault.FORM), 1)
        whole = self.header + plain + self._tail
        if self._framing.length_field is not None and (
            len(whole) < self._head_bytes or self._length(whole) != len(whole)
        ):
            return _Found(BadFrame(FrameFault.LENGTH), 1)
        return self._whole(bytes(pending[start : stop + 1]), whole)

    def _may_begin(self, head: bytes) -> bool:
        return all(_holds(check, head) for check in self._early) and all(
            _stands(item, head) for item in self._early_fixed
        )

    def _whole(self, raw: bytes, plain: bytes) -> _Found:
        """A frame with all its bytes; `plain` is without stuffing."""
        if not plain.endswith(self._tail):
            return _Found(BadFrame(FrameFault.TAIL), 1)
        if not all(_stands(item, plain) for item in self._late_fixed):
            return _Found(BadFrame(FrameFault.FORM), 1)
        if not all(_holds(check, plain) for check in self._late):
            return _Found(BadFrame(FrameFault.CHECK), 1)
        unescaped = None if self._framing.stuffing is None else plain
        return _Found(Frame(raw=raw, form=self._framing.name, unstuffed=unescaped), len(raw))

    def _length(self, head: bytes) -> int:
        """The length of the frame that begins so."""
        field = self._framing.length_field
        if field is None:
            return self._framing.length or 0
        raw = head[field.at : field.at + size_bytes(field.type)]
        return field.add + int(decode_number(raw, field.type, field.order) or 0)


def _is_early(check: Check) -> bool:
    return check.at >= 0 and check.start >= 0 and (check.end is None or 0 <= check.end <= check.at)


def _stands(item: FixedBytes, raw: bytes) -> bool:
    at = item.at if item.at >= 0 else len(raw) + item.at
    value = hex_bytes(item.value)
    return at >= 0 and raw[at : at + len(value)] == value


def _holds(check: Check, raw: bytes) -> bool:
    size = check_size_bytes(check.kind)
    at = check.at if check.at >= 0 else len(raw) + check.at
    if at < max(check.start, 0):
        return False
    end = at if check.end is None else check.end
    return raw[at : at + size] == check_bytes(check.kind, raw[check.start : end])
