"""The hub's own MQTT client: hears what gateways say, says what the hub has to say, and comes back when the link drops.

I1. A message is handed on once for each time the broker delivers it; nothing here remembers or repeats.
I2. `publish` returns only when the broker has the message; while there is no link it raises, it never queues.
I3. No session outlives its link: what a broker keeps for a hub that is dead, nobody would hear. Gateways send again.
"""

import logging
import random
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import aiomqtt

from hub.broker.base import BrokerError, Door
from hub.clock import Clock
from wire.topics import Up, shared_up_filter, up_filter

_log = logging.getLogger(__name__)
# paho reports each lost link as a warning of its own; the one line here says it better.
logging.getLogger("mqtt").setLevel(logging.CRITICAL)
_FIRST_WAIT_S: Final = 0.2
_LONGEST_WAIT_S: Final = 5.0
_KEEPALIVE_S: Final = 20
_TIMEOUT_S: Final = 10.0
_ID_BITS: Final = 64
_ANNOUNCED: Final = (Up.STATUS, Up.INVENTORY)
_LEAST_FAILURE: Final = 0x80


class LinkDown(Exception):  # noqa: N818 - it names a state of the link
    """There is no link to the broker just now; what was to be said was not said."""


class HubLink:
    """The hub's link to its broker. `run` keeps it; `publish` speaks over it; `hear` is handed topic and payload.

    Args:
        door: where and as whom it enters.
        hear: is handed what is heard.
        clock: the hub's clock.
        chance: spreads reconnects.
        wants_share: several hubs hear the batches, each its share, where the broker can do that. Where it cannot, each
            hears all of them, and `has_share` is false.

    Raises:
        BrokerError: the authority's file of an encrypted door cannot be used.
    """

    def __init__(
        self,
        door: Door,
        *,
        hear: Callable[[str, bytes], object],
        clock: Clock,
        chance: random.Random,
        wants_share: bool = False,
    ) -> None:
        self._door = door
        self._hear = hear
        self._clock = clock
        self._chance = chance
        # An identifier nobody can guess: a broker hands a session to whoever names it.
        self._tls = _tls_context(door)
        self._identifier = f"{door.username or 'sen.hub'}-{random.SystemRandom().getrandbits(_ID_BITS):016x}"
        # Changed by run only.
        self._client: aiomqtt.Client | None = None
        self._trouble: str | None = "not connected yet"
        self._connections = 0
        self._wants_share = wants_share
        self._speaks_mqtt5 = wants_share
        self.has_share = False

    @property
    def connections(self) -> int:
        """How often there has been a link; what was said to the hub in between it has not heard."""
        return self._connections

    @property
    def trouble(self) -> str | None:
        """Why there is no link; None while there is one."""
        return self._trouble

    async def run(self) -> None:
        """Never return: connect, hear, and connect again after growing waits."""
        wait_s = _FIRST_WAIT_S
        while True:
            since_s = self._clock.monotonic_s()
            try:
                await self._hear_while_connected()
            except aiomqtt.MqttError as error:
                self._note(error)
            finally:
                self._client = None
            wait_s = _FIRST_WAIT_S if self._clock.monotonic_s() - since_s > _LONGEST_WAIT_S else wait_s
            await self._clock.sleep(self._chance.uniform(0.5, 1.0) * wait_s)
            wait_s = min(2 * wait_s, _LONGEST_WAIT_S)

    async def publish(self, topic: str, payload: bytes) -> None:
        """Say something with QoS 1; return when the broker has it.

        Raises:
            LinkDown: it was not said, or nobody can know.
        """
        if self._client is None:
            raise LinkDown(f"broker {self._door.url}: {self._trouble}")
        try:
            await self._client.publish(topic, payload, qos=1)
        except aiomqtt.MqttError as error:
            raise LinkDown(f"broker {self._door.url}: {error}") from error

    async def hear_retained(self) -> None:
        """Have the broker say again what gateways left retained; nothing where there is no link."""
        if self._client is not None:
            with suppress(aiomqtt.MqttError):
                await self._client.subscribe([(up_filter(leaf), 1) for leaf in _ANNOUNCED])

    def _note(self, error: aiomqtt.MqttError) -> None:
        if self._trouble is None:
            _log.warning("broker %s: link lost: %s", self._door.url, error)
            self._speaks_mqtt5 = self._wants_share
        else:
            if self._trouble != str(error):
                _log.warning("broker %s: no link: %s", self._door.url, error)
            # There are brokers that say nothing at all to MQTT 5; one that takes no connection may yet speak it.
            if self._wants_share and not _is_unreachable(error):
                self._speaks_mqtt5 = not self._speaks_mqtt5
        self._trouble = str(error)

    async def _subscribe(self, client: aiomqtt.Client) -> None:
        self.has_share = False
        if self._speaks_mqtt5:
            codes = await client.subscribe([(shared_up_filter(Up.BATCH), 1)])
            self.has_share = all(getattr(code, "value", code) < _LEAST_FAILURE for code in codes)
        if self._wants_share and not self.has_share:
            _log.warning("broker %s: no shared subscriptions: only the leading hub takes batches in", self._door.url)
        heard = _ANNOUNCED if self.has_share else (Up.BATCH, *_ANNOUNCED)
        await client.subscribe([(up_filter(leaf), 1) for leaf in heard])

    async def _hear_while_connected(self) -> None:
        async with self._new_client() as client:
            await self._subscribe(client)
            self._client, self._trouble = client, None
            self._connections += 1
            _log.info("broker %s: connected", self._door.url)
            async for message in client.messages:
                if isinstance(message.payload, bytes):
                    self._hear(str(message.topic), message.payload)

    def _new_client(self) -> aiomqtt.Client:
        door = self._door
        return aiomqtt.Client(
            door.host,
            door.port,
            username=door.username,
            password=door.password,
            identifier=self._identifier,
            protocol=aiomqtt.ProtocolVersion.V5 if self._speaks_mqtt5 else aiomqtt.ProtocolVersion.V311,
            clean_session=None if self._speaks_mqtt5 else True,  # MQTT 5: clean start, and a session ends with its link
            keepalive=_KEEPALIVE_S,
            timeout=_TIMEOUT_S,
            tls_context=self._tls,
        )


def _is_unreachable(error: aiomqtt.MqttError) -> bool:
    return isinstance(error.__context__, OSError) and not isinstance(error.__context__, TimeoutError)


def _tls_context(door: Door) -> ssl.SSLContext | None:
    """What checks the broker's certificate.

    Raises:
        BrokerError: the authority's file cannot be used.
    """
    if not door.tls:
        return None
    try:
        return ssl.create_default_context(cafile=door.ca_file)
    except OSError as error:
        raise BrokerError(f"broker.ca_file {door.ca_file}: {error}") from error
