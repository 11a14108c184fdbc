"""The bounded queue between the broker's client and the worker."""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from wire.identifiers import GatewayId


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it came, with the gateway of its topic."""

    gateway: GatewayId
    topic: str
    payload: bytes


class Inbox:
    """Holds at most `messages` messages of together `payload_bytes` bytes; both count until they are handled."""

    def __init__(self, *, messages: int, payload_bytes: int) -> None:
        self._most_messages = messages
        self._most_bytes = payload_bytes
        # Changed by `put`, `take` and `done`, all on the event loop. `_ready` are gateways with something waiting and
        # nothing at work, who waits longest first.
        self._waiting: dict[GatewayId, deque[Message]] = {}
        self._ready: deque[GatewayId] = deque()
        self._at_work: set[GatewayId] = set()
        self._held_messages = 0
        self._held_bytes = 0
        self._something = asyncio.Event()
        self._nothing = asyncio.Event()
        self._nothing.set()

    @property
    def messages(self) -> int:
        """How many messages are held."""
        return self._held_messages

    @property
    def payload_bytes(self) -> int:
        """How many bytes of payload are held."""
        return self._held_bytes

    @property
    def fill(self) -> float:
        """How much of the room is taken, 0 to 1."""
        return max(self._held_messages / self._most_messages, self._held_bytes / self._most_bytes)

    def put(self, message: Message) -> bool:
        """Take the message if there is room; returns whether there was."""
        if self._held_messages >= self._most_messages or self._held_bytes + len(message.payload) > self._most_bytes:
            return False
        gateway = message.gateway
        if gateway not in self._waiting:
            self._waiting[gateway] = deque()
            if gateway not in self._at_work:
                self._ready.append(gateway)
                self._something.set()
        self._waiting[gateway].append(message)
        self._held_messages += 1
        self._held_bytes += len(message.payload)
        self._nothing.clear()
        return True

    async def take(self, *, most: int, most_bytes: int) -> list[Message]:
        """Wait for messages; returns one, or as many as `most` with together `most_bytes` of payload.

        Gateways have their turn in order, each with all its messages in theirs. They wait while others of the same
        gateway are taken and not done: of one gateway nothing is worked on twice at a time.
        """
        while not self._ready:
            self._something.clear()
            await self._something.wait()
        taken: list[Message] = []
        while self._ready and len(taken) < most:
            gateway = self._ready[0]
            waiting = self._waiting[gateway]
            while waiting and len(taken) < most and (not taken or len(waiting[0].payload) <= most_bytes):
                most_bytes -= len(waiting[0].payload)
                taken.append(waiting.popleft())
            if taken[-1].gateway != gateway:
                break
            self._at_work.add(self._ready.popleft())
            if waiting:
                break
            del self._waiting[gateway]
        return taken

    def done(self, messages: Sequence[Message]) -> None:
        """These are handled: their room is free."""
        self._held_messages -= len(messages)
        self._held_bytes -= sum(len(message.payload) for message in messages)
        for gateway in {message.gateway: None for message in messages}:
            self._at_work.discard(gateway)
            if gateway in self._waiting:
                self._ready.append(gateway)
                self._something.set()
        if not self._held_messages:
            self._nothing.set()

    async def drain(self) -> None:
        """Wait until nothing is held."""
        await self._nothing.wait()
