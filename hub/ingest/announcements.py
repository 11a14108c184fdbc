"""What gateways say about themselves: status and inventory, into the registry.

Only the newest word of each gateway matters, so only that one waits: memory is bounded by the number of names.
"""

import asyncio
import logging
from collections import Counter

from hub.clock import Clock
from hub.ingest import dead_letters
from hub.ingest.books import Books
from hub.ingest.inbox import Message
from hub.registry.model import DeadReason, GatewayState, RegistryError
from wire.codec import decode_inventory, decode_status
from wire.errors import WireError
from wire.identifiers import GatewayId
from wire.messages import Inventory, Status
from wire.topics import Up

_logger = logging.getLogger(__name__)

_Key = tuple[GatewayId, Up]

_MOST_WAITING = 10_000
_RETRY_S = 1.0


class Announcements:
    """Takes status and inventory in. `counts` is the worker's."""

    def __init__(self, *, registry: Books, clock: Clock, counts: Counter[str]) -> None:
        self._registry = registry
        self._clock = clock
        self._counts = counts
        # Changed by `offer` and `run`, both on the event loop.
        self._waiting: dict[_Key, Message] = {}
        self._something = asyncio.Event()
        self._nothing = asyncio.Event()
        self._nothing.set()

    def offer(self, leaf: Up, message: Message) -> None:
        """Take the newest word of a gateway; an empty one is a retained message that was taken away."""
        key = (message.gateway, leaf)
        if not message.payload:
            return
        if key not in self._waiting and len(self._waiting) >= _MOST_WAITING:
            self._counts["dropped_full"] += 1
            return
        self._waiting[key] = message
        self._something.set()
        self._nothing.clear()

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            await self._something.wait()
            while self._waiting:
                key = next(iter(self._waiting))
                await self._handle_until_kept(key[1], self._waiting.pop(key))
            self._something.clear()
            self._nothing.set()

    async def drain(self) -> None:
        """Wait until everything that was offered is in the registry."""
        await self._nothing.wait()

    async def _handle_until_kept(self, leaf: Up, message: Message) -> None:
        while True:
            try:
                await self.handle(leaf, message)
            except RegistryError as error:
                _logger.warning("%s of gateway %s waits: %s", leaf.value, message.gateway, error)
                self._counts["retries"] += 1
                await self._clock.sleep(_RETRY_S)
            else:
                return

    async def handle(self, leaf: Up, message: Message) -> None:
        """Keep one status or inventory.

        Raises:
            RegistryError: the registry's database did not take it.
        """
        now_ms = self._clock.now_ms()
        state = (await self._registry.fleet.states([message.gateway])).get(message.gateway)
        if state is None:
            self._counts["ignored_unknown"] += 1
            await self._registry.fleet.note_unknown({message.gateway: 1}, now_ms=now_ms)
            return
        if state is GatewayState.BLOCKED:
            self._counts["ignored_blocked"] += 1
            return
        try:
            said = decode_status(message.payload) if leaf is Up.STATUS else decode_inventory(message.payload)
        except WireError as error:
            await self._put_aside(message, DeadReason.UNREADABLE, str(error), now_ms)
            return
        if said.gateway != message.gateway:
            detail = f"gateway {message.gateway} spoke in the name of gateway {said.gateway}"
            await self._put_aside(message, DeadReason.FORGED, detail, now_ms)
            return
        await self._keep(said, now_ms)

    async def _keep(self, said: Status | Inventory, now_ms: int) -> None:
        match said:
            case Status():
                await self._registry.fleet.record_status(said, now_ms=now_ms)
            case Inventory():
                await self._registry.fleet.record_inventory(said)

    async def _put_aside(self, message: Message, reason: DeadReason, detail: str, now_ms: int) -> None:
        self._counts[reason.value] += 1
        letter = dead_letters.of_message(message, reason, detail=detail, now_ms=now_ms)
        await self._registry.dead_letters.add([letter])
