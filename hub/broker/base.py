"""What a broker promises the hub.

I1. Nobody connects without a password.
I2. A gateway writes only below its own `up` topic and reads only below its own `dn` topic.
I3. Retained messages and last wills work; nothing else is relied on, not even that acknowledged messages arrive.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

HUB_USERNAME = "sen.hub"  # the dot: no gateway can be called so


class BrokerError(Exception):
    """The broker cannot be used: what, where, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """Where and as whom the hub's own client enters the broker."""

    host: str
    port: int
    username: str | None = None
    password: str | None = None
    tls: bool = False
    ca_file: Path | None = None

    @property
    def url(self) -> str:
        """The address without its secrets, for messages."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'mqtts' if self.tls else 'mqtt'}://{host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsListener:
    """A second, encrypted listener: its port and its certificate."""

    port: int
    certificate_file: Path
    key_file: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """Where gateways find a broker of ours."""

    host: str
    port: int
    tls: TlsListener | None = None


class Broker(Protocol):
    """A running broker. One contract suite runs on every one of ours."""

    @property
    def door(self) -> Door:
        """Where and as whom the hub's own client enters."""
        ...

    @property
    def kind(self) -> str:
        """What it is, for people."""
        ...

    async def start(self) -> None:
        """Return when the broker takes connections.

        Raises:
            BrokerError: it does not; the reason, and what to do.
        """
        ...

    async def keep(self) -> None:
        """Never return: bring the broker back when it dies, and let it take up changed credentials."""
        ...

    async def stop(self) -> None:
        """End it; connections drop."""
        ...


def reachable(host: str) -> str:
    """Where this machine finds a listener that listens on `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound


def may_publish(username: str, topic: str) -> bool:
    """Whether I2 lets this user write there."""
    return username == HUB_USERNAME or topic.startswith(f"sen/1/up/{username}/")


def may_read(username: str, topic_or_filter: str) -> bool:
    """Whether I2 lets this user read there (or subscribe to such a filter)."""
    return username == HUB_USERNAME or topic_or_filter.startswith(f"sen/1/dn/{username}/")
