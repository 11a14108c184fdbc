"""The MQTT connection: the only file of the agent that knows the client library.

MQTT 3.1.1 suffices: everything that matters is in the payloads. A clean session each time: nothing is left with a
broker, whose memory promises nothing.
"""

import logging
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiomqtt

from edge.clock import Clock
from edge.uplink.base import LinkListener
from wire.identifiers import GatewayId
from wire.topics import Up, down_filter, up_topic

_logger = logging.getLogger(__name__)
_KEEPALIVE_S: Final = 30
_ANSWER_S: Final = 10.0
_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 60.0
_MAX_QUEUED: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerAddress:
    """Where the broker is and who we are there."""

    host: str
    port: int
    tls: bool = False
    ca_file: Path | None = None
    username: str | None = None
    password_file: Path | None = None


class MqttLink:
    """A gateway's connection to the broker.

    Args:
        address: where.
        gateway: who; also the client id.
        last_will: the status the broker publishes for us when we vanish.
        clock: the agent's clock.
        random_unit: draws from 0 to 1, for jitter between attempts.
    """

    def __init__(
        self,
        address: BrokerAddress,
        *,
        gateway: GatewayId,
        last_will: bytes,
        clock: Clock,
        random_unit: Callable[[], float],
    ) -> None:
        self._address = address
        self._gateway = gateway
        self._last_will = last_will
        self._clock = clock
        self._random_unit = random_unit
        # Changed by `run` only.
        self._client: aiomqtt.Client | None = None
        self._trouble: str | None = "not yet connected"

    @property
    def is_connected(self) -> bool:
        """Whether a message published now has a chance."""
        return self._client is not None

    @property
    def trouble(self) -> str | None:
        """Why it is not connected."""
        return self._trouble

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> bool:
        """Send with QoS 1 and wait for the broker's word."""
        client = self._client
        if client is None:
            return False
        try:
            await client.publish(topic, payload, qos=1, retain=retain, timeout=_ANSWER_S)
        except aiomqtt.MqttError:
            return False
        return True

    async def run(self, listener: LinkListener) -> None:
        """Connect, hand over messages, and connect again after a pause that grows, until cancelled."""
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                async with self._new_client() as client:
                    await client.subscribe(down_filter(self._gateway), qos=1, timeout=_ANSWER_S)
                    pause_s = _FIRST_PAUSE_S
                    self._note(client, None)
                    await listener.connected()
                    async for message in client.messages:
                        if isinstance(message.payload, bytes | bytearray):
                            listener.received(str(message.topic), bytes(message.payload))
            except (aiomqtt.MqttError, OSError) as error:
                self._note(None, f"{self._where}: {error}")
            finally:
                self._client = None
            await self._clock.sleep(pause_s * (0.5 + 0.5 * self._random_unit()))
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)

    @property
    def _where(self) -> str:
        scheme = "mqtts" if self._address.tls else "mqtt"
        return f"{scheme}://{self._address.host}:{self._address.port}"

    def _note(self, client: aiomqtt.Client | None, trouble: str | None) -> None:
        """Remember the state, and say it when it changes."""
        if trouble is None:
            _logger.info("connected to %s", self._where)
        elif self._trouble is None or self._client is not None:
            _logger.warning("connection lost: %s", trouble)
        self._client = client
        self._trouble = trouble

    def _new_client(self) -> aiomqtt.Client:
        address = self._address
        context = ssl.create_default_context(cafile=address.ca_file) if address.tls else None
        return aiomqtt.Client(
            address.host,
            address.port,
            identifier=self._gateway,
            username=address.username,
            password=_secret(address.password_file),
            protocol=aiomqtt.ProtocolVersion.V311,
            clean_session=True,
            keepalive=_KEEPALIVE_S,
            timeout=_ANSWER_S,
            tls_context=context,
            will=aiomqtt.Will(up_topic(self._gateway, Up.STATUS), self._last_will, qos=1, retain=True),
            max_queued_outgoing_messages=_MAX_QUEUED,
            logger=logging.getLogger("edge.uplink.mqtt"),
        )


def _secret(path: Path | None) -> str | None:
    """The password, read anew at each attempt, so that a renewed one needs no restart."""
    return None if path is None else path.read_text(encoding="utf-8").strip()
