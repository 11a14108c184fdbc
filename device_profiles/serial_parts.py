"""Parts of a serial profile that its groups and its requests share: conditions on a frame, repeated blocks, items."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from annotated_types import Interval

from device_profiles.numbers import WHOLE, ByteOrder, NumberType, decode_number, size_bytes
from device_profiles.point_model import STRICT
from device_profiles.serial_framings import MAX_FRAME_BYTES, Offset

Bit = Annotated[int, Interval(ge=0, le=63)]
BitWidth = Annotated[int, Interval(ge=1, le=64)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """Holds when the field has one of the numbers (`one_of`), one of the texts (`text`), or is within its bounds.

    `at_least` and `at_most` are the bounds. With `not_text` it holds unless the field has one of these texts; a field
    that is not there has none. A condition on a label alone holds when the block carries it. With `bit` only
    `bit_width` bits from there are the number.
    """

    __pydantic_config__: ClassVar = STRICT

    at: Offset | None = None
    label: str | None = None
    type: NumberType = NumberType.U8
    order: ByteOrder = ByteOrder.BIG
    bit: Bit | None = None
    bit_width: BitWidth = 1
    one_of: tuple[int, ...] = ()
    text: tuple[str, ...] = ()
    not_text: tuple[str, ...] = ()
    at_least: float | None = None
    at_most: float | None = None

    def __post_init__(self) -> None:
        """Refuse a condition without a place, or on bits that its type does not have."""
        if (self.at is None) == (self.label is None):
            raise ValueError("a condition has a place: `at`, or `label`")
        if fault := bit_fault(self.type, self.bit, self.bit_width):
            raise ValueError(f"a condition: {fault}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """Blocks of `every` bytes from `first`, each a record of its own; places in the group are then places in a block.

    How many there are: the number at `count_at` (one byte); or, with `after`, as many as fit before the last `after`
    bytes of the frame, which is the group's only where they fit exactly; or always `at_most`. A block where not every
    `when` holds is none.
    """

    __pydantic_config__: ClassVar = STRICT

    first: Offset
    every: Annotated[int, Interval(ge=1, le=MAX_FRAME_BYTES)]
    at_most: Annotated[int, Interval(ge=1, le=255)]
    count_at: Offset | None = None
    after: Offset | None = None
    when: tuple[Condition, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a count that is told twice."""
        if self.count_at is not None and self.after is not None:
            raise ValueError("a repeat has count_at, or after, not both")

    def count(self, data: bytes) -> int:
        """How many blocks a frame has; 0 where it is none of this group's."""
        if self.count_at is not None:
            counted = data[self.count_at] if self.count_at < len(data) else 0
            fits = self.first + counted * self.every <= len(data)
            return counted if fits and counted <= self.at_most else 0
        if self.after is None:
            return self.at_most if self.first + self.at_most * self.every <= len(data) else 0
        blocks, rest = divmod(len(data) - self.first - self.after, self.every)
        return blocks if not rest and 0 < blocks <= self.at_most else 0

    def blocks(self, data: bytes) -> list[bytes]:
        """The blocks of a frame, in order."""
        starts = range(self.first, self.first + self.count(data) * self.every, self.every)
        return [data[start : start + self.every] for start in starts]


@dataclass(frozen=True, slots=True, kw_only=True)
class Items:
    """Items of different lengths, one behind the other from `first` to the last `after` bytes of the frame.

    Each begins with its length (one byte, to which `length_adds` is added) and carries a tag; the points of the group
    name theirs, and count their places in it. How many there are stands at `count_at`, if anywhere.
    """

    __pydantic_config__: ClassVar = STRICT

    first: Offset
    after: Offset
    length_adds: Annotated[int, Interval(ge=0, le=255)] = 0
    tag_at: Offset
    tag_type: NumberType = NumberType.U8
    tag_order: ByteOrder = ByteOrder.BIG
    count_at: Offset | None = None

    def by_tag(self, data: bytes) -> dict[int, bytes] | None:
        """The items of a frame by their tags; None where it is not made of such items."""
        found: dict[int, bytes] = {}
        at, end = self.first, len(data) - self.after
        while at < end:
            length = data[at] + self.length_adds
            item = data[at : at + length]
            tag = item[self.tag_at : self.tag_at + size_bytes(self.tag_type)]
            if at + length > end or len(tag) < size_bytes(self.tag_type):
                return None
            found[int(decode_number(tag, self.tag_type, self.tag_order) or 0)] = item
            at += length
        return found if at == end else None


def bit_fault(number_type: NumberType | None, bit: int | None, bit_width: int) -> str:
    """What is wrong with a bit field of a number of this type; empty where nothing is."""
    if bit is None:
        return "" if bit_width == 1 else "bit_width without bit"
    if number_type not in WHOLE:
        return f"bits of {number_type}: only whole numbers (u8 ... i64) have bits"
    if bit + bit_width > 8 * size_bytes(number_type):
        return f"bits {bit} to {bit + bit_width - 1} are outside {number_type}"
    return ""
