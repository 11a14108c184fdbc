"""Lines of text, with or without a start, a check, and other things between them. Pure."""

from typing import Final

from device_profiles.checks import check_bytes, check_size_bytes
from device_profiles.framing.base import BadFrame, Frame, FrameFault
from device_profiles.line_framings import LineCheck, LineFraming

_TAB: Final = 0x09
_FIRST_PRINTABLE: Final = 0x20
_LAST_PRINTABLE: Final = 0x7E

# Where to go on, and what was found on the way there; None: more bytes must come first.
_Step = tuple[int, Frame | BadFrame | None] | None


class LineCutter:
    """Cuts lines out of what a line brings. What is too long to be a line is passed over up to the next end."""

    def __init__(self, framing: LineFraming) -> None:
        self._framing = framing
        self._starts = tuple(start.encode("ascii") for start in framing.starts)
        self._ends = tuple(end.encode("ascii") for end in framing.ends)
        marks = (*framing.starts, *((framing.check.mark, framing.check.after) if framing.check else ()))
        self._allowed = frozenset("".join(marks).encode("ascii"))
        behind = framing.check is not None and framing.check.behind_end
        self._behind_bytes = check_size_bytes(framing.check.kind) if framing.check and behind else 0
        # Changed by feed, give_up and join_midway only.
        self._pending = bytearray()
        self._passing_over = False
        self.garbage_bytes = 0

    def feed(self, data: bytes) -> list[Frame | BadFrame]:
        """Take the next bytes; return what they completed, in order."""
        self._pending += data
        found: list[Frame | BadFrame] = []
        at = 0
        while (step := self._from_start(at) if self._starts else self._from_end(at)) is not None:
            at, one = step
            if one is not None:
                found.append(one)
        del self._pending[:at]
        return found

    def give_up(self) -> list[Frame | BadFrame]:
        """Cut the unfinished line; nothing can stand behind it, because a start or an end would have cut it."""
        cut: list[Frame | BadFrame] = [BadFrame(FrameFault.CUT)] if self._is_in_line() else []
        self._drop(0, len(self._pending))
        self._pending.clear()
        self._passing_over = False
        return cut

    def join_midway(self) -> None:
        """The next bytes come from amid a stream: without starts the first line may be half a one, and is no line."""
        self._passing_over = not self._starts

    def _is_in_line(self) -> bool:
        if self._starts:
            return any(start in self._pending for start in self._starts)
        return bool(self._pending) and not self._passing_over

    def _from_start(self, at: int) -> _Step:
        """One step of a search for lines that have starts."""
        start = self._first(self._starts, at, len(self._pending))
        if start is None:
            kept = len(self._pending) - self._unfinished_mark(self._starts, at)
            return self._skipped(at, kept)
        if start > at:
            return self._skipped(at, start)
        return self._line_from(start)

    def _line_from(self, start: int) -> _Step:
        """One step at a start."""
        limit = start + (self._framing.length or self._framing.max_length)
        stop = self._stop(start, limit)
        inner = self._first(self._starts, start + 1, limit)
        if inner is not None and (stop is None or inner < stop):
            self._drop(start, inner)
            return inner, BadFrame(FrameFault.CUT)
        if stop is None:
            return self._refused(start, FrameFault.LENGTH) if len(self._pending) >= limit else None
        behind = stop + len(self._end_at(stop))
        if behind + self._behind_bytes > len(self._pending):
            return None
        line = self._line(start, stop, behind)
        return self._refused(start, line.fault) if isinstance(line, BadFrame) else (behind + self._behind_bytes, line)

    def _stop(self, start: int, limit: int) -> int | None:
        """Where the text of the line that begins at `start` ends; None while it does not."""
        if self._framing.length is not None:
            return limit if limit <= len(self._pending) else None
        return self._first(self._ends, start + 1, limit)

    def _from_end(self, at: int) -> _Step:
        """One step of a search for lines that follow each other's ends."""
        if self._passing_over:
            return self._passed_over(at)
        limit = at + self._framing.max_length
        stop = self._first(self._ends, at, limit)
        if stop is None:
            self._passing_over = len(self._pending) >= limit
            return (at, BadFrame(FrameFault.LENGTH)) if self._passing_over else None
        behind = stop + len(self._end_at(stop))
        if stop == at:
            return self._skipped(at, behind)
        if behind + self._behind_bytes > len(self._pending):
            return None
        line = self._line(at, stop, behind)
        if isinstance(line, Frame):
            return behind + self._behind_bytes, line
        self._drop(at, behind)
        return behind, line

    def _passed_over(self, at: int) -> _Step:
        stop = self._first(self._ends, at, len(self._pending))
        if stop is None:
            return self._skipped(at, len(self._pending) - self._unfinished_mark(self._ends, at))
        self._passing_over = False
        return self._skipped(at, stop + len(self._end_at(stop)))

    def _line(self, start: int, stop: int, behind: int) -> Frame | BadFrame:
        content, end = bytes(self._pending[start:stop]), bytes(self._pending[stop:behind])
        after = bytes(self._pending[behind : behind + self._behind_bytes])
        check = self._framing.check
        is_checked = check is not None and has_check(check, content)
        if check is not None and is_checked:
            text, covered, digits = _parts(check, content, end, after)
            if digits != check_bytes(check.kind, covered):
                return BadFrame(FrameFault.CHECK)
        else:
            text = content
        if not all(_is_printable(byte) or byte in self._allowed for byte in text):
            return BadFrame(FrameFault.FORM)
        return Frame(raw=content + end + after, text=text.decode("ascii"), is_checked=is_checked)

    def _first(self, marks: tuple[bytes, ...], start: int, limit: int) -> int | None:
        return min((at for mark in marks if (at := self._pending.find(mark, start, limit)) >= 0), default=None)

    def _end_at(self, stop: int) -> bytes:
        return next((end for end in self._ends if self._pending.startswith(end, stop)), b"")

    def _unfinished_mark(self, marks: tuple[bytes, ...], at: int) -> int:
        """How many of the last bytes, from `at` on, may be the beginning of a mark."""
        counts = range(min(max(map(len, marks)) - 1, len(self._pending) - at), 0, -1)
        return next((n for n in counts if any(mark.startswith(self._pending[-n:]) for mark in marks)), 0)

    def _refused(self, start: int, fault: FrameFault) -> _Step:
        """Search on one byte behind a false start."""
        self._drop(start, start + 1)
        return start + 1, BadFrame(fault)

    def _skipped(self, start: int, stop: int) -> _Step:
        self._drop(start, stop)
        return (stop, None) if stop > start else None

    def _drop(self, start: int, stop: int) -> None:
        """Count garbage; line ends between lines are none."""
        dropped = self._pending[start:stop]
        self.garbage_bytes += len(dropped) - dropped.count(b"\r") - dropped.count(b"\n")


def has_check(check: LineCheck, content: bytes) -> bool:
    """Whether a line carries a check."""
    return not check.prefixes or content.startswith(tuple(prefix.encode("ascii") for prefix in check.prefixes))


def checked_line(framing: LineFraming, text: str) -> bytes:
    """The line with this text as it is sent: with its check and its end."""
    content, end, check = text.encode("ascii"), "".join(framing.ends[:1]).encode("ascii"), framing.check
    if check is None or not has_check(check, content):
        return content + end
    if check.behind_end:
        return content + end + check_bytes(check.kind, _covered(check, content, end))
    mark = check.mark.encode("ascii")
    return content + mark + check_bytes(check.kind, _covered(check, content, mark)) + end


def _parts(check: LineCheck, content: bytes, end: bytes, after: bytes) -> tuple[bytes, bytes, bytes]:
    """The text of a line, what its check covers, and the check; without a mark in it the check is empty."""
    if check.behind_end:
        return content, _covered(check, content, end), after
    if check.mark:
        mark = check.mark.encode("ascii")
        text, found, digits = content.rpartition(mark)
        return text, _covered(check, text, mark), digits if found else b""
    size = check_size_bytes(check.kind)
    return content[:-size], _covered(check, content[:-size], b""), content[-size:]


def _covered(check: LineCheck, text: bytes, mark: bytes) -> bytes:
    covered = text + mark if check.with_mark else text
    return covered.partition(check.after.encode("ascii"))[2] if check.after else covered


def _is_printable(byte: int) -> bool:
    return _FIRST_PRINTABLE <= byte <= _LAST_PRINTABLE or byte == _TAB
