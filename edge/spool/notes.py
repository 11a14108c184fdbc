"""What a frame says of the spool besides its records: what changed since the frame before, or all there is. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from edge.spool.contents import Contents
from edge.spool.ledger import DamagedError, EpochLedger, Totals
from wire import cbor, items
from wire.cbor import Item
from wire.errors import WireError


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Totals and ledgers as they are from now on, and the ids of epochs of which nothing is left."""

    totals: Totals
    ledgers: Mapping[int, EpochLedger]
    closed: tuple[int, ...]

    def applied_to(self, before: Contents) -> Contents:
        """The contents from now on."""
        ledgers = {**before.ledgers, **self.ledgers}
        return Contents(
            totals=self.totals,
            ledgers={number: ledgers[number] for number in sorted(ledgers.keys() - set(self.closed))},
        )


def note_of(before: Contents, after: Contents) -> bytes:
    """What changed. Of `Contents()` everything is new: that note is whole."""
    changed: list[Item] = [
        [number, ledger.to_bytes()] for number, ledger in after.ledgers.items() if ledger != before.ledgers.get(number)
    ]
    closed: list[Item] = [*sorted(before.ledgers.keys() - after.ledgers.keys())]
    return cbor.dump([after.totals.to_bytes(), changed, closed])


def note_in(data: bytes) -> Note:
    """Read it again.

    Raises:
        DamagedError: any other bytes.
    """
    try:
        totals, ledgers, closed = items.fields(cbor.load(data), what="note", count=3)
        pairs = [
            items.fields(one, what="epoch", count=2)
            for one in items.array(ledgers, what="epochs", maximum=cbor.MAX_ITEMS)
        ]
        numbers = items.array(closed, what="closed epochs", maximum=cbor.MAX_ITEMS)
        return Note(
            totals=Totals.of_bytes(items.data(totals, what="totals")),
            ledgers=dict(_ledger(number, body) for number, body in pairs),
            closed=tuple(items.integer(number, what="epoch id") for number in numbers),
        )
    except WireError as error:
        raise DamagedError(f"note: {error}") from error


def _ledger(number: Item, body: Item) -> tuple[int, EpochLedger]:
    found = items.integer(number, what="epoch id")
    return found, EpochLedger.of_bytes(found, items.data(body, what="epoch"))
