"""What every cutter promises: bytes of a serial line to whole frames whose checks hold. Pure.

A cutter holds the bytes of an unfinished frame, no more.

I1. A frame whose check fails never leaves a cutter as a frame.
I2. How the bytes are cut into calls does not change what comes out.
I3. After a false header the search goes on one byte behind it, so a good frame after or inside it is found.
I4. Every byte is part of a good frame, garbage, or still pending. Pending bytes are bounded by the framing's length.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


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
    """One whole frame. `raw` is all of it; `labels` are a block's, `fields` a sentence's (0 is its formatter).

    `form` names its form where several come on one line; `unstuffed` is what a stuffed frame means. `number` is that of
    a repeated block inside a frame, from 1; a frame has 0. `text` is a line's, without check and end; how it is laid
    out each group says. `is_checked`: a check proved it.
    """

    raw: bytes
    labels: Mapping[str, str] | None = None
    fields: tuple[str, ...] = ()
    form: str = ""
    unstuffed: bytes | None = None
    number: int = 0
    text: str | None = None
    is_checked: bool = True

    @property
    def data(self) -> bytes:
        """The bytes in which the places of a profile count."""
        return self.raw if self.unstuffed is None else self.unstuffed


class Cutter(Protocol):
    """Cuts a byte stream into frames, incrementally."""

    garbage_bytes: int

    def feed(self, data: bytes) -> list[Frame | BadFrame]:
        """Take the next bytes; return what they completed, in order."""

    def give_up(self) -> list[Frame | BadFrame]:
        """No more bytes will come: whatever is unfinished is cut; return what stood behind it."""
