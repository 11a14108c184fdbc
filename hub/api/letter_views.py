"""Dead letters as they are shown: the bytes as they came, and beside them what they say. Pure."""

from dataclasses import dataclass
from typing import Final

from hub.api.views import printable
from hub.registry.ledger import LostRange
from hub.registry.model import ClosedLetter, DeadLetter
from wire.codec import decode_batch
from wire.errors import WireError
from wire.records import Batch, Record, Value

_MOST_RECORDS: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterView:
    """A dead letter in a list. `epoch` is hexadecimal; None where it is a whole message."""

    letter_id: int
    gateway: str
    reason: str
    detail: str
    time_ms: int
    times: int
    epoch: str | None
    seq: int | None
    payload_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordView:
    """One record that a letter holds."""

    seq: int
    time_ms: int
    device: str
    group: str
    measurement: str
    mode: str
    values: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterContents:
    """A dead letter whole: `payload_hex` as it came; `records` what it says, or `unreadable` why it says nothing."""

    letter: LetterView
    topic: str
    payload_hex: str
    records: tuple[RecordView, ...]
    more_records: int
    unreadable: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedView:
    """The trace of a letter that was stored after all, or dropped."""

    letter_id: int
    gateway: str
    reason: str
    detail: str
    epoch: str | None
    seq: int | None
    outcome: str
    closed_ms: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LostView:
    """Records that are lost, and why."""

    epoch: str
    first: int
    last: int
    records: int
    reason: str


def letter_view(letter: DeadLetter) -> LetterView:
    """A letter in a list."""
    return LetterView(
        letter_id=letter.letter_id or 0,
        gateway=letter.gateway,
        reason=letter.reason.value,
        detail=letter.detail,
        time_ms=letter.time_ms,
        times=letter.times,
        epoch=_epoch(letter.epoch),
        seq=letter.seq,
        payload_bytes=len(letter.payload),
    )


def letter_contents(letter: DeadLetter) -> LetterContents:
    """A letter whole."""
    batch, unreadable = _read(letter.payload)
    records = batch.records if batch else ()
    return LetterContents(
        letter=letter_view(letter),
        topic=letter.topic,
        payload_hex=letter.payload.hex(),
        records=tuple(_record_view(record) for record in records[:_MOST_RECORDS]),
        more_records=max(0, len(records) - _MOST_RECORDS),
        unreadable=unreadable,
    )


def closed_view(letter: ClosedLetter) -> ClosedView:
    """The trace of a letter."""
    return ClosedView(
        letter_id=letter.letter_id,
        gateway=letter.gateway,
        reason=letter.reason.value,
        detail=letter.detail,
        epoch=_epoch(letter.epoch),
        seq=letter.seq,
        outcome=letter.outcome.value,
        closed_ms=letter.closed_ms,
        digest=letter.digest,
    )


def lost_view(lost: LostRange) -> LostView:
    """A lost range."""
    return LostView(
        epoch=f"{lost.epoch:016x}",
        first=lost.first,
        last=lost.last,
        records=lost.last - lost.first + 1,
        reason=lost.reason.value,
    )


def _read(payload: bytes) -> tuple[Batch | None, str | None]:
    try:
        return decode_batch(payload), None
    except WireError as error:
        return None, str(error)


def _record_view(record: Record) -> RecordView:
    return RecordView(
        seq=record.seq,
        time_ms=record.time_ms,
        device=record.stream.device,
        group=record.stream.group,
        measurement=record.stream.measurement,
        mode=record.stream.mode.value,
        values={
            point.key: _told(value, point.unit)
            for point, value in zip(record.stream.points, record.values, strict=True)
        },
    )


def _told(value: Value, unit: str) -> str:
    number = "none" if value.number is None else f"{value.number:.9g}"
    return f"{number} {printable(unit)} ({value.quality.name.lower()})"


def _epoch(epoch: int | None) -> str | None:
    return None if epoch is None else f"{epoch:016x}"
