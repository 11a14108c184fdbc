"""What a frame says of the spool besides its records: what changed since the frame before, or all there is. Pure.

The note a segment begins with says all there is, of the other segments too: so that nobody has to read them to open the
spool.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from edge.spool.contents import Contents
from edge.spool.index import Spans
from edge.spool.ledger import DamagedError, EpochLedger, Totals
from wire import cbor, items
from wire.cbor import Item
from wire.errors import WireError

_FIELDS: Final = 3
_FIELDS_OF_BEGINNING: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """A segment that is written no more: its number, and what is in it."""

    number: int
    spans: Spans


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """How a segment was begun: with so many frames in one piece, beside these segments with something in them.

    `sealed` is by slot; None where that would have been too much to tell.
    """

    frames: int
    sealed: Mapping[int, Sealed] | None


class Notes:
    """What notes say, one after the other. Ledgers are looked at only when all are known: most are replaced."""

    def __init__(self) -> None:
        # Changed by `add`.
        self._totals: Item = Totals().to_bytes()
        self._ledgers: dict[int, Item] = {}

    def add(self, data: bytes, *, is_whole: bool) -> None:
        """The next note.

        Raises:
            DamagedError: this is none, and changes nothing.
        """
        try:
            totals, ledgers, closed, *_ = _fields(data)
            changed = [items.fields(one, what="epoch", count=2) for one in _array(ledgers, what="epochs")]
            told = {items.integer(number, what="epoch id"): body for number, body in changed}
            gone = {items.integer(number, what="epoch id") for number in _array(closed, what="closed epochs")}
        except WireError as error:
            raise DamagedError(f"note: {error}") from error
        before = {} if is_whole else self._ledgers
        self._totals = totals
        self._ledgers = {number: body for number, body in {**before, **told}.items() if number not in gone}

    def contents(self) -> Contents:
        """All that was said.

        Raises:
            DamagedError: it makes no sense.
        """
        try:
            return Contents(
                totals=Totals.of_bytes(items.data(self._totals, what="totals")),
                ledgers={
                    number: EpochLedger.of_bytes(number, items.data(body, what="epoch"))
                    for number, body in sorted(self._ledgers.items())
                },
            )
        except WireError as error:
            raise DamagedError(f"notes: {error}") from error


def note_of(before: Contents, after: Contents, beginning: Beginning | None = None) -> bytes:
    """What changed. Of `Contents()` everything is new: that note is whole, and says how the segment was begun."""
    changed: list[Item] = [
        [number, ledger.to_bytes()] for number, ledger in after.ledgers.items() if ledger != before.ledgers.get(number)
    ]
    closed: list[Item] = [*sorted(before.ledgers.keys() - after.ledgers.keys())]
    told: list[Item] = [after.totals.to_bytes(), changed, closed]
    if beginning is not None:
        told += [beginning.frames, None if beginning.sealed is None else _sealed_items(beginning.sealed)]
    return cbor.dump(told)


def beginning_in(data: bytes) -> Beginning:
    """How a segment was begun.

    Raises:
        DamagedError: the note does not say so.
    """
    try:
        *_, frames, sealed = items.fields(cbor.load(data), what="note", count=_FIELDS_OF_BEGINNING)
        told = None if sealed is None else dict(_sealed(one) for one in _array(sealed, what="segments"))
        return Beginning(frames=items.integer(frames, what="frames"), sealed=told)
    except ValueError as error:
        raise DamagedError(f"note: {error}") from error


def _sealed_items(sealed: Mapping[int, Sealed]) -> Item:
    return [
        [slot, one.number, [number for epoch_id, span in one.spans.items() for number in (epoch_id, *span)]]
        for slot, one in sealed.items()
    ]


def _sealed(item: Item) -> tuple[int, Sealed]:
    slot, number, flat = items.fields(item, what="segment", count=3)
    numbers = [items.integer(one, what="span") for one in _array(flat, what="spans")]
    spans = zip(numbers[::3], numbers[1::3], numbers[2::3], strict=True)
    return items.integer(slot, what="slot"), Sealed(
        number=items.integer(number, what="segment"), spans={epoch_id: (first, last) for epoch_id, first, last in spans}
    )


def _fields(data: bytes) -> list[Item]:
    found = _array(cbor.load(data), what="note")
    return items.fields(found, what="note", count=_FIELDS if len(found) == _FIELDS else _FIELDS_OF_BEGINNING)


def _array(item: Item, *, what: str) -> list[Item]:
    return items.array(item, what=what, maximum=cbor.MAX_ITEMS)
