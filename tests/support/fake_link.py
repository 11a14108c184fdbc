"""A broker in memory, and links to it that come and go as a test says. It passes the contract of the real link."""

import asyncio
from collections.abc import Callable

from edge.uplink.base import LinkListener
from wire.identifiers import GatewayId
from wire.topics import Up, down_filter, up_topic

Heard = Callable[[str, bytes], None]


class FakeBroker:
    """Hands what is published to whoever listens, at once. `loses` decides which messages are lost."""

    def __init__(self) -> None:
        self.retained: dict[str, bytes] = {}
        self.loses: Callable[[str, bytes], bool] = lambda _topic, _payload: False
        self._hub: Heard = lambda _topic, _payload: None
        self._links: list[FakeLink] = []

    def hear(self, hub: Heard) -> None:
        """What gateways publish goes to the hub; first what they left."""
        self._hub = hub
        for topic, payload in self.retained.items():
            hub(topic, payload)

    def attach(self, link: "FakeLink") -> None:
        """A gateway's connection."""
        self._links.append(link)

    def from_gateway(self, topic: str, payload: bytes, *, retain: bool) -> None:
        """A gateway has published."""
        if retain:
            self.retained[topic] = payload
        if not self.loses(topic, payload):
            self._hub(topic, payload)

    def from_hub(self, topic: str, payload: bytes) -> None:
        """The hub has published."""
        if self.loses(topic, payload):
            return
        for link in self._links:
            link.deliver(topic, payload)


class FakeLink:
    """A gateway's end."""

    def __init__(self, broker: FakeBroker, *, gateway: GatewayId, last_will: bytes) -> None:
        self._broker = broker
        self._gateway = gateway
        self._last_will = last_will
        self._listener: LinkListener | None = None
        self._is_up = asyncio.Event()
        self._is_up.set()
        self._has_gone = asyncio.Event()
        broker.attach(self)

    @property
    def is_connected(self) -> bool:
        return self._listener is not None

    @property
    def trouble(self) -> str | None:
        return None if self.is_connected else "the line is cut"

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> bool:
        if not self.is_connected:
            return False
        self._broker.from_gateway(topic, payload, retain=retain)
        return True

    async def run(self, listener: LinkListener) -> None:
        while True:
            await self._is_up.wait()
            self._has_gone.clear()
            self._listener = listener
            listener.connected()
            try:
                await self._has_gone.wait()
            finally:
                self._listener = None

    def deliver(self, topic: str, payload: bytes) -> None:
        """A message from the broker."""
        if self._listener is not None and topic.startswith(down_filter(self._gateway).removesuffix("#")):
            self._listener.received(topic, payload)

    def cut(self) -> None:
        """End the connection without a word, and allow no new one; the broker says the last will."""
        self._is_up.clear()
        if self._listener is not None:
            self._listener = None
            self._broker.from_gateway(up_topic(self._gateway, Up.STATUS), self._last_will, retain=True)
        self._has_gone.set()

    def mend(self) -> None:
        """Let it connect again."""
        self._is_up.set()
