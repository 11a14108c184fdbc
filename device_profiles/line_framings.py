"""The part of a serial profile that says how text is cut into lines, checked, and laid out.

A line's text begins with its start, where the framing has starts, and ends before its check and its end.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import permutations
from typing import Annotated, ClassVar, Final

from annotated_types import Interval, MinLen

from device_profiles.checks import CheckKind
from device_profiles.line_template import line_template
from device_profiles.point_model import STRICT
from device_profiles.serial_framings import MAX_FRAME_BYTES

Mark = Annotated[str, MinLen(1)]
_TEXT_CHECKS: Final = (CheckKind.XOR8_HEX, CheckKind.SUM_HEX4, CheckKind.SUM_DEC4, CheckKind.CRC_WXT3)
_LAST_ASCII: Final = "\x7f"


class LayoutKind(StrEnum):
    """How values stand in a line."""

    FIELDS = "fields"
    SIGNED = "signed"
    PAIRS = "pairs"
    TEMPLATE = "template"
    JSON = "json"


@dataclass(frozen=True, slots=True, kw_only=True)
class LineLayout:
    """How values stand in a line, behind the group's prefix.

    fields: split at `separator` (a blank: at any run of blanks), counted from 0, each without the blanks around it;
    `count` is how many there are exactly. signed: numbers that each begin with their sign (+012.5-3+99), counted too.
    pairs: `separator` between pairs, `assign` between name and value; a pair without exactly one `assign`, or a name
    twice, is no such line. template: see `line_template`; `also` are other forms of the same line, in which only
    optional points may be missing. json: one flat object.
    """

    __pydantic_config__: ClassVar = STRICT

    kind: LayoutKind
    separator: Mark = ","
    assign: Mark = "="
    template: str = ""
    also: tuple[str, ...] = ()
    count: Annotated[int, Interval(ge=1, le=256)] | None = None

    def __post_init__(self) -> None:
        """Refuse a template that says nothing, and a count of what is not counted."""
        if (self.kind is LayoutKind.TEMPLATE) != bool(self.template):
            raise ValueError("a layout has a template exactly where its kind is template")
        if self.also and not self.template:
            raise ValueError("a layout has other forms only of its template")
        for template in self.templates:
            line_template(template)
        if self.count is not None and not self.is_counted:
            raise ValueError("a layout has a count only where its kind is fields or signed")

    @property
    def is_counted(self) -> bool:
        """Whether a line has fields that are counted, and not labels."""
        return self.kind in {LayoutKind.FIELDS, LayoutKind.SIGNED}

    @property
    def templates(self) -> tuple[str, ...]:
        """The template and its other forms."""
        return (self.template, *self.also) if self.template else ()

    @property
    def labels(self) -> frozenset[str] | None:
        """The labels that points may name; None where a line may carry any, or where fields are counted."""
        if not self.template:
            return None
        return frozenset(name for template in self.templates for name in line_template(template).names)


@dataclass(frozen=True, slots=True, kw_only=True)
class LineCheck:
    """The characters that prove a line. They stand behind `mark`; without one they are the line's last characters.

    Covered are the characters from behind the first `after` (without it: from the first) up to the mark; `with_mark`:
    and the mark itself. `behind_end`: the check stands behind the line's end, which then is the mark. `prefixes`: only
    lines that begin with one of these carry a check; without any all do.
    """

    __pydantic_config__: ClassVar = STRICT

    kind: CheckKind
    mark: str = ""
    after: str = ""
    with_mark: bool = False
    behind_end: bool = False
    prefixes: tuple[Mark, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a check that is no text, and one with two places."""
        if self.kind not in _TEXT_CHECKS:
            raise ValueError(f"check {self.kind}: expected one that is text: {', '.join(_TEXT_CHECKS)}")
        if self.behind_end and (self.mark or self.prefixes):
            raise ValueError("a check behind the end has neither mark nor prefixes: the end is its mark, of every line")


@dataclass(frozen=True, slots=True, kw_only=True)
class LineFraming:
    r"""Lines of printable text, ended by one of `ends` ("\r\n", "\x03"), or without an end and all of one `length`.

    `starts`: text that stands at the beginning of each line and nowhere else in it; what is before it is no line. A
    line that no group reads is a bad frame, unless its check holds or it begins with one of `ignored` (banners,
    comments, echoes; "" is every line). `layout` is that of each group without its own.
    """

    __pydantic_config__: ClassVar = STRICT

    starts: tuple[Mark, ...] = ()
    ends: tuple[Mark, ...] = ()
    length: Annotated[int, Interval(ge=2, le=MAX_FRAME_BYTES)] | None = None
    check: LineCheck | None = None
    ignored: tuple[str, ...] = ()
    layout: LineLayout | None = None
    max_length: Annotated[int, Interval(ge=4, le=MAX_FRAME_BYTES)] = 255

    def __post_init__(self) -> None:
        """Refuse marks that could be told apart only with hindsight, or are no ASCII."""
        if bool(self.ends) == (self.length is not None):
            raise ValueError("lines have ends, or all one length")
        if self.length is not None and not self.starts:
            raise ValueError("lines of one length need starts: nothing else tells where one begins")
        if faults := [*self._faults()]:
            raise ValueError("; ".join(faults))

    def _faults(self) -> Iterator[str]:
        marks = (*self.starts, *self.ends, *((self.check.mark, self.check.after) if self.check else ()))
        if any(character > _LAST_ASCII for mark in marks for character in mark):
            yield "starts, ends and marks are ASCII"
        for end in self.ends:
            others = [*self.starts, *(other for other in self.ends if other is not end)]
            if any(set(end) & set(other) for other in others):
                yield f"end {end!r} shares a character with another end or with a start"
        for start, other in permutations(self.starts, 2):
            if other[0] in start[1:]:
                yield f"start {start!r}: another start may begin inside it"
        if self.check is not None and self.check.behind_end and len(self.ends) != 1:
            yield "a check behind the end needs a single end"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitScale:
    """A unit that the device may say: the number with this text is number x scale + offset in the quantity's unit."""

    __pydantic_config__: ClassVar = STRICT

    text: str
    scale: float = 1.0
    offset: float = 0.0

    def __post_init__(self) -> None:
        """Refuse a scale that loses the value."""
        if self.scale == 0:
            raise ValueError(f"unit {self.text}: scale 0 would lose the value")
