"""What the sender needs of a connection to the hub.

I1. `publish` returns whether the broker has the message. That means nothing but just this: only a commit counts.
I2. After every (re)connection `connected` is called before any message is handed over.
"""

from typing import Protocol


class LinkListener(Protocol):
    """Who is told what happens on the link."""

    def connected(self) -> None:
        """A connection has been made; messages may be published. It must not wait and not raise."""
        ...

    def received(self, topic: str, payload: bytes) -> None:
        """A message from the hub. It must not wait and not raise."""
        ...

    @property
    def gateways(self) -> int:
        """How many gateways the hub said it serves, which may all come back at once; 0 where it has not said it."""
        ...


class Link(Protocol):
    """A connection that comes and goes."""

    @property
    def is_connected(self) -> bool:
        """Whether a message published now has a chance."""
        ...

    @property
    def trouble(self) -> str | None:
        """Why it is not connected; None while it is."""
        ...

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> bool:
        """Send with QoS 1; False where the broker did not take it."""
        ...

    async def run(self, listener: LinkListener) -> None:
        """Connect, stay connected, and connect again, until cancelled."""
        ...
