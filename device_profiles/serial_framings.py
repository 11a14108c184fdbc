"""The part of a serial profile that says how bytes are cut into frames and checked.

Offsets in a binary frame count from the first header byte, from 0.
"""

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from annotated_types import Interval, MinLen

from device_profiles.checks import CheckKind
from device_profiles.numbers import ByteOrder, NumberType
from device_profiles.point_model import STRICT

# Longer than any frame of the devices known (a UMB frame has 263 bytes): bounds what a damaged length can make wait.
MAX_FRAME_BYTES = 4096

Offset = Annotated[int, Interval(ge=0, le=MAX_FRAME_BYTES)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A check value at `at` over the bytes from `start` up to `end` (without it: up to `at`); -1 is the last byte."""

    __pydantic_config__: ClassVar = STRICT

    kind: CheckKind
    at: int
    start: int = 0
    end: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedBytes:
    """Bytes (hex) that stand at `at` in each frame; -1 is the last byte."""

    __pydantic_config__: ClassVar = STRICT

    at: int
    value: str

    def __post_init__(self) -> None:
        """Refuse bytes that are not hex."""
        if not hex_bytes(self.value):
            raise ValueError("fixed bytes are at least one byte")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stuffing:
    """Bytes that may not stand in a frame: `codes` gives for each (hex) the byte that follows `escape` instead of it.

    Header and tail are then one byte each, and end the frame. Places in the frame count bytes before the stuffing.
    """

    __pydantic_config__: ClassVar = STRICT

    escape: str
    codes: dict[str, str] = field(hash=False)

    def __post_init__(self) -> None:
        """Refuse what is not one byte each, and codes that name two bytes."""
        pairs = [(hex_bytes(plain), hex_bytes(code)) for plain, code in self.codes.items()]
        if any(len(each) != 1 for each in (hex_bytes(self.escape), *(part for pair in pairs for part in pair))):
            raise ValueError("stuffing: escape and codes are one byte each")
        if len({code for _, code in pairs}) != len(pairs):
            raise ValueError("stuffing: each code stands for one byte")


@dataclass(frozen=True, slots=True, kw_only=True)
class LengthField:
    """The frame's length is the number at `at` plus `add`: the bytes of the frame that the number does not count."""

    __pydantic_config__: ClassVar = STRICT

    at: Offset
    type: NumberType = NumberType.U8
    order: ByteOrder = ByteOrder.BIG
    add: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BinaryFraming:
    """Frames with a fixed `length`, or with a length field, which `max_length` bounds. Header and tail are hex text.

    Stuffed frames are as long as their delimiters say. With `frame_gap_ms` such a silence ends a frame: then it needs
    no length, and no header where it begins with the first byte behind a silence. `checks: []` says that the device has
    none. `name`: where frames of several forms come on one line, for the groups to name. `alone`: a
    frame too short to be told from any other byte counts only behind a whole frame or after a silence.
    """

    __pydantic_config__: ClassVar = STRICT

    header: str
    length: Annotated[int, Interval(ge=1, le=MAX_FRAME_BYTES)] | None = None
    length_field: LengthField | None = None
    max_length: Annotated[int, Interval(ge=2, le=MAX_FRAME_BYTES)] | None = None
    tail: str = ""
    fixed: tuple[FixedBytes, ...] = ()
    stuffing: Stuffing | None = None
    frame_gap_ms: Annotated[int, Interval(ge=1, le=60000)] | None = None
    checks: tuple[Check, ...]
    name: str = ""
    alone: bool = False

    def __post_init__(self) -> None:
        """Refuse framings whose length is told twice or not at all, and bytes that are not hex."""
        if (self.length is None) == (self.length_field is None) and not self._ends_itself:
            raise ValueError("a binary framing has a length or a length_field")
        if self.length is None and self.max_length is None:
            raise ValueError("a length_field needs a max_length: a damaged length must not make the reader wait")
        if not hex_bytes(self.header) and self.frame_gap_ms is None:
            raise ValueError("the header has at least one byte, or a frame_gap_ms tells where a frame begins")
        hex_bytes(self.tail)
        if self.stuffing is not None:
            ends = (hex_bytes(self.header), hex_bytes(self.tail))
            escaped = {hex_bytes(plain) for plain in self.stuffing.codes}
            if not {*ends, hex_bytes(self.stuffing.escape)} <= escaped:
                raise ValueError("stuffing: header, tail and escape are one byte each, and have codes")

    @property
    def _ends_itself(self) -> bool:
        """Whether neither a length nor a length field is needed."""
        is_cut = self.stuffing is not None or self.frame_gap_ms is not None
        return is_cut and self.length is None and self.length_field is None


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockFraming:
    """CR LF label TAB value lines, ended by the line `end_label` TAB and one byte that makes the sum of all bytes 0.

    `interleaved` (one byte, hex) begins a frame of another protocol, which ends with LF, may stand between any two
    bytes but not before the check byte, and is no part of the sum.
    """

    __pydantic_config__: ClassVar = STRICT

    end_label: Annotated[str, MinLen(1)]
    interleaved: str = ""
    max_length: Annotated[int, Interval(ge=16, le=MAX_FRAME_BYTES)] = 2048

    def __post_init__(self) -> None:
        """Refuse an interleaved start that is not one byte."""
        if len(hex_bytes(self.interleaved)) > 1:
            raise ValueError(f"interleaved {self.interleaved!r}: expected one byte as hex, or nothing")


@dataclass(frozen=True, slots=True, kw_only=True)
class SentenceFraming:
    """NMEA 0183 sentences: $ talker formatter , fields * check CR LF. The check is required."""

    __pydantic_config__: ClassVar = STRICT

    max_length: Annotated[int, Interval(ge=16, le=MAX_FRAME_BYTES)] = 255


def hex_or_text(as_hex: str, as_text: str, *, what: str) -> bytes:
    """The bytes that one of two keys names, as hex or as ASCII text; none where both are empty.

    Raises:
        ValueError: both name some, or one is not what it should be.
    """
    if as_hex and as_text:
        raise ValueError(f"{what} and {what}_text: expected one of them")
    if not as_text.isascii():
        raise ValueError(f"{what}_text {as_text!r}: expected ASCII")
    return as_text.encode("ascii") or hex_bytes(as_hex)


def hex_bytes(text: str) -> bytes:
    """The bytes that hex text like `AA C0` names.

    Raises:
        ValueError: it is not hex.
    """
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise ValueError(f"{text!r}: expected bytes as hex, like AA C0") from error
