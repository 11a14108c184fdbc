"""What the ingest needs of the registry: who may speak, what became of records, what was put aside."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from hub.registry.ledger import EpochView, Settlement
from hub.registry.model import DeadLetter, GatewayState
from wire.identifiers import GatewayId
from wire.messages import Inventory, Status
from wire.ranges import RangeSet

EpochKey = tuple[GatewayId, int]


class FleetBook(Protocol):
    """Who is there. Every method is one transaction, durable when it returns, or RegistryError."""

    async def states(self, gateways: Collection[GatewayId]) -> dict[GatewayId, GatewayState]:
        """The states of those of these gateways that are registered."""
        ...

    async def note_unknown(self, messages: Mapping[GatewayId, int], *, now_ms: int) -> None:
        """Remember that these unregistered names sent so many messages."""
        ...

    async def record_status(self, status: Status, *, now_ms: int) -> None:
        """Keep what a registered gateway says about itself."""
        ...

    async def record_inventory(self, inventory: Inventory) -> None:
        """Keep what a registered gateway reads."""
        ...


class LedgerBook(Protocol):
    """What became of every record. Every method is one transaction, durable when it returns, or RegistryError."""

    async def views(self, asked: Mapping[EpochKey, RangeSet]) -> dict[EpochKey, EpochView]:
        """The ledger of each epoch, with the refusals among the seqs asked for."""
        ...

    async def settle(
        self, settlements: Sequence[Settlement], *, dead_letters: Sequence[DeadLetter] = (), now_ms: int
    ) -> None:
        """Record what became of records, with the dead letters of the refused ones: all of it or nothing."""
        ...


class DeadLetterBook(Protocol):
    """What was put aside."""

    async def add(self, letters: Sequence[DeadLetter]) -> None:
        """Keep these, durably."""
        ...


class Books(Protocol):
    """The three together."""

    @property
    def fleet(self) -> FleetBook:
        """Who is there."""
        ...

    @property
    def ledger(self) -> LedgerBook:
        """What became of every record."""
        ...

    @property
    def dead_letters(self) -> DeadLetterBook:
        """What was put aside."""
        ...
