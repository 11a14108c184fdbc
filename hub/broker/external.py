"""A broker that somebody else runs: the hub only enters it."""

from pathlib import Path
from typing import ClassVar, Final
from urllib.parse import urlsplit

from hub.broker.base import BrokerError, Door
from hub.clock import Clock

_PORTS: Final = {"mqtt": 1883, "mqtts": 8883}
_HOUR_S: Final = 3600.0


def door_of(url: str, *, username: str | None, password: str | None, ca_file: Path | None) -> Door:
    """The door a URL names.

    Raises:
        BrokerError: not mqtt://host[:port] or mqtts://host[:port].
    """
    parts = urlsplit(url)
    try:
        port = parts.port or _PORTS[parts.scheme]
    except (KeyError, ValueError):
        port = 0
    if not port or not parts.hostname or parts.username or parts.path.strip("/"):
        raise BrokerError(f"broker url {url!r}: expected mqtt://host[:port] or mqtts://host[:port], the user beside it")
    tls = parts.scheme == "mqtts"
    return Door(host=parts.hostname, port=port, username=username, password=password, tls=tls, ca_file=ca_file)


class ExternalBroker:
    """Somebody's broker: nothing to start, keep or stop. Its users and topics are its operator's to set."""

    kind: ClassVar[str] = "external"

    def __init__(self, door: Door, clock: Clock) -> None:
        self._door = door
        self._clock = clock

    @property
    def door(self) -> Door:
        """Where and as whom the hub's own client enters."""
        return self._door

    async def start(self) -> None:
        """Nothing: the hub's client connects when the broker is there."""

    async def keep(self) -> None:
        """Never return."""
        while True:
            await self._clock.sleep(_HOUR_S)

    async def stop(self) -> None:
        """Nothing."""
