"""How a serial device is asked: requests with address, sequence number and checks; wake, start and stop sequences."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from annotated_types import Interval

from device_profiles.numbers import ByteOrder, NumberType
from device_profiles.point_model import STRICT
from device_profiles.serial_framings import Check, Offset, hex_bytes, hex_or_text
from device_profiles.serial_parts import Condition

TimeoutMs = Annotated[int, Interval(ge=10, le=60000)]


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceField:
    """A sequence number, one byte at `at`; the reply carries at the same place the request's plus `reply_adds`.

    With `bit` it is a toggle bit of that byte: it changes after each good answer, the device repeats its last answer
    where it has not changed, and the reply does not carry it.
    """

    __pydantic_config__: ClassVar = STRICT

    at: Offset
    bit: Annotated[int, Interval(ge=0, le=7)] | None = None
    reply_adds: Annotated[int, Interval(ge=0, le=255)] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressField:
    """The device's address in the request; the reply carries it at `reply_at`, if at all."""

    __pydantic_config__: ClassVar = STRICT

    at: Offset
    type: NumberType = NumberType.U8
    order: ByteOrder = ByteOrder.BIG
    reply_at: Offset | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a sequence: `send` hex bytes, wait for the bytes `expect`, then pause for `wait_ms`.

    Each part may be empty; `send_text` and `expect_text` say the same as text. Where the expected bytes do not come
    within `timeout_ms` they are asked for again, `tries` times in all; other bytes before them are passed over.
    """

    __pydantic_config__: ClassVar = STRICT

    send: str = ""
    send_text: str = ""
    expect: str = ""
    expect_text: str = ""
    timeout_ms: TimeoutMs = 1000
    tries: Annotated[int, Interval(ge=1, le=10)] = 1
    wait_ms: Annotated[int, Interval(ge=0, le=60000)] = 0

    def __post_init__(self) -> None:
        """Refuse bytes that are not hex, and a step that does nothing."""
        if not (self.sent or self.expected or self.wait_ms):
            raise ValueError("a step sends, expects or waits")

    @property
    def sent(self) -> bytes:
        """The bytes to send."""
        return hex_or_text(self.send, self.send_text, what="send")

    @property
    def expected(self) -> bytes:
        """The bytes to wait for."""
        return hex_or_text(self.expect, self.expect_text, what="expect")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is sent to be answered: hex bytes, 00 at the places of address, sequence number and checks; or `send_text`.

    `before` and `after`: what is done around it (wake up, start; stop). `expect`: bytes that come before the answer (an
    acknowledgement). `reply`: what holds in a frame that answers; others are foreign. `unaddressed`: names of frames
    that carry neither address nor sequence number. An answer of several frames has at most `frames`, ends with the one
    for which every `until` holds, or when nothing more has come for `gap_ms`; each is read by the groups it belongs to.
    """

    __pydantic_config__: ClassVar = STRICT

    send: str = ""
    send_text: str = ""
    before: tuple[Step, ...] = ()
    after: tuple[Step, ...] = ()
    expect: str = ""
    address: AddressField | None = None
    sequence: SequenceField | None = None
    checks: tuple[Check, ...] = ()
    reply: tuple[Condition, ...] = ()
    unaddressed: tuple[str, ...] = ()
    frames: Annotated[int, Interval(ge=1, le=255)] = 1
    until: tuple[Condition, ...] = ()
    gap_ms: TimeoutMs | None = None
    timeout_ms: TimeoutMs = 1000

    def __post_init__(self) -> None:
        """Refuse bytes that are not hex, and an answer of several frames without an end."""
        if not self.sent:
            raise ValueError("a request sends at least one byte")
        hex_bytes(self.expect)
        if (self.frames > 1) != bool(self.until or self.gap_ms):
            raise ValueError("an answer of several frames has `frames` (at most) and `until` or `gap_ms` (its end)")

    @property
    def sent(self) -> bytes:
        """The bytes to send, without address, sequence number and checks."""
        return hex_or_text(self.send, self.send_text, what="send")
