"""What protects ingest: from a gateway that floods it, a fault of our own, and a message that kills workers."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from hub.ingest.breaker import Breaker, BreakerState, Refusing
from hub.ingest.crash_journal import DEATHS_ALLOWED
from hub.ingest.decide import Question, RefusedItem, Workload
from hub.ingest.flood import FloodGuard
from hub.ingest.inbox import Message
from hub.registry.ledger import Settlement
from wire.identifiers import GatewayId
from wire.ranges import RangeSet

UNOPENED: Final = f"not opened: {DEATHS_ALLOWED} workers ended while they had it in work"


class Journal(Protocol):
    """What remembers which messages were in work when a worker died; see `hub.ingest.crash_journal`."""

    def deaths(self, payload: bytes) -> int:
        """How many workers died while they had this message."""
        ...

    def begin(self, payloads: Sequence[bytes]) -> None:
        """These are in work from now on."""
        ...

    def end(self, payloads: Sequence[bytes]) -> None:
        """They are done with."""
        ...


class NoJournal:
    """Remembers nothing: for workers whose death takes everything with it."""

    def deaths(self, payload: bytes) -> int:  # noqa: ARG002 - see Journal
        """None."""
        return 0

    def begin(self, payloads: Sequence[bytes]) -> None:
        """Nothing."""

    def end(self, payloads: Sequence[bytes]) -> None:
        """Nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guards:
    """The three, each of them this worker's own."""

    flood: FloodGuard = field(default_factory=FloodGuard)
    breaker: Breaker = field(default_factory=Breaker)
    journal: Journal = field(default_factory=NoJournal)

    def alone(self, messages: Sequence[Message]) -> list[Sequence[Message]]:
        """The messages as they are to be worked on: together, but those that may have killed a worker one by one."""
        suspects = [one for one in messages if self.journal.deaths(one.payload)]
        if not suspects:
            return [messages]
        others = [one for one in messages if not self.journal.deaths(one.payload)]
        return [*([others] if others else []), *([one] for one in suspects)]

    def suspects(self, messages: Sequence[Message]) -> bool:
        """Whether any of them may have killed a worker: then nothing else may be in work beside them."""
        return any(self.journal.deaths(message.payload) for message in messages)

    def kills(self, message: Message) -> bool:
        """Whether so many workers died of this message that it is not opened any more."""
        return self.journal.deaths(message.payload) >= DEATHS_ALLOWED

    def holds_message(self, gateway: GatewayId, reason: str, *, now_s: float) -> bool:
        """A whole message is at fault; returns whether it is held back instead of put aside."""
        return self.breaker.refused(gateway, Refusing(at_s=now_s, reason=reason))

    def held_back(self, refused: Sequence[RefusedItem], *, now_s: float) -> list[RefusedItem]:
        """Those of the refused records that are neither committed nor put aside: the fault may be ours."""
        held: list[RefusedItem] = []
        for one in refused:
            why = Refusing(at_s=now_s, reason=one.detail, epoch=one.item.epoch, seq=one.item.record.seq)
            if self.breaker.refused(one.item.gateway, why):
                held.append(one)
        return held

    def note_passed(self, settlements: Sequence[Settlement], work: Workload, *, now_s: float) -> None:
        """These are in the ledger."""
        for one in settlements:
            if not one.refused:
                self.breaker.passed(one.gateway, one.epoch, work.questions[one.gateway, one.epoch].asked, now_s=now_s)

    def state(self, *, now_s: float) -> BreakerState:
        """How the breaker is."""
        return self.breaker.state(now_s=now_s)


def without(work: Workload, held: Sequence[RefusedItem]) -> Workload:
    """The work as if the held records had not been sent: nothing is said about them."""
    unsaid: dict[tuple[GatewayId, int], RangeSet] = {}
    for one in held:
        seq = one.item.record.seq
        unsaid[one.item.key] = unsaid.get(one.item.key, RangeSet()) | RangeSet(((seq, seq),))
    questions = {key: _less(question, unsaid.get(key)) for key, question in work.questions.items()}
    written = {key: seqs - unsaid.get(key, RangeSet()) for key, seqs in work.written.items()}
    return replace(work, questions=questions, written=written)


def _less(question: Question, unsaid: RangeSet | None) -> Question:
    return question if unsaid is None else replace(question, asked=question.asked - unsaid)
