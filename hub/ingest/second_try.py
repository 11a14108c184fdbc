"""A dead letter once more: through what every record goes through, and out of the dead letters where it passes."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from hub.clock import Clock
from hub.ingest.inbox import Message
from hub.registry.model import DeadLetter, DeadReason, Outcome
from wire.codec import decode_batch
from wire.errors import WireError
from wire.topics import parse_up

_MS_PER_DAY: Final = 86_400_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TriedAgain:
    """What became of it: stored and gone, or why it stays."""

    letter_id: int
    stored: bool
    detail: str


class Letters(Protocol):
    """The dead letters."""

    async def letter(self, letter_id: int) -> DeadLetter | None:
        """One of them, or None."""
        ...

    async def close(self, letter: DeadLetter, outcome: Outcome, *, now_ms: int) -> bool:
        """Take one away that has not come again since it was read; returns whether it went."""
        ...


class Ledger(Protocol):
    """What becomes of a refused record that is stored."""

    async def redeem(self, letter: DeadLetter, *, day: int, now_ms: int) -> bool:
        """It is stored now, and its letter goes; returns whether it went."""
        ...


class SecondTry:
    """Tries dead letters again.

    Args:
        letters: the dead letters.
        ledger: the ledger.
        write: writes the records of a batch as ingest does; returns why not. Waits while the store is in trouble.
        handle: brings whole messages all the way, as they came.
        clock: the hub's clock.
    """

    def __init__(
        self,
        *,
        letters: Letters,
        ledger: Ledger,
        write: Callable[[bytes], Awaitable[str | None]],
        handle: Callable[[Sequence[Message]], Awaitable[None]],
        clock: Clock,
    ) -> None:
        self._letters = letters
        self._ledger = ledger
        self._write = write
        self._handle = handle
        self._clock = clock

    async def retry(self, letter_id: int) -> TriedAgain | None:
        """Try one again; None where it is not there.

        A refused record is written, and only then called stored: a crash between the two leaves the letter, and trying
        again writes the same point. A whole message is handled as if it had just come.

        Raises:
            RegistryError: the registry did not take it; the letter stays.
        """
        letter = await self._letters.letter(letter_id)
        if letter is None:
            return None
        if letter.reason is DeadReason.REFUSED:
            return await self._retry_record(letter, letter_id)
        if letter.reason is DeadReason.CONFLICT:
            return TriedAgain(letter_id=letter_id, stored=False, detail=f"{letter.detail}: look at both, and drop it")
        return await self._retry_message(letter, letter_id)

    async def _retry_record(self, letter: DeadLetter, letter_id: int) -> TriedAgain:
        try:
            (record,) = decode_batch(letter.payload).records
        except WireError as error:
            return TriedAgain(letter_id=letter_id, stored=False, detail=str(error))
        if (reason := await self._write(letter.payload)) is not None:
            return TriedAgain(letter_id=letter_id, stored=False, detail=reason)
        day = record.time_ms // _MS_PER_DAY
        if not await self._ledger.redeem(letter, day=day, now_ms=self._clock.now_ms()):
            return TriedAgain(letter_id=letter_id, stored=False, detail="it was put aside again meanwhile: try again")
        return TriedAgain(letter_id=letter_id, stored=True, detail="stored")

    async def _retry_message(self, letter: DeadLetter, letter_id: int) -> TriedAgain:
        gateway, _ = parse_up(letter.topic)
        await self._handle([Message(gateway, letter.topic, letter.payload)])
        if await self._letters.close(letter, Outcome.STORED, now_ms=self._clock.now_ms()):
            return TriedAgain(letter_id=letter_id, stored=True, detail="taken in")
        again = await self._letters.letter(letter_id)
        return TriedAgain(
            letter_id=letter_id, stored=False, detail=again.detail if again else "it is not there any more"
        )
