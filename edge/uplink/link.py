"""The MQTT connection: the only file of the agent that knows the client library.

MQTT 3.1.1 suffices: everything that matters is in the payloads. A clean session each time: nothing is left with a
broker, whose memory promises nothing.
"""

import asyncio
import errno
import logging
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiomqtt

from edge.clock import Clock
from edge.uplink.base import LinkListener
from edge.uplink.reconnect import Parting, pause_s
from edge.uplink.traffic import TRIED_AFTER
from wire.identifiers import GatewayId
from wire.topics import Up, down_filter, up_topic

_logger = logging.getLogger(__name__)
_ANSWER_S: Final = 10.0
_STEADY_S: Final = 60.0
_MAX_QUEUED: Final = 1000
_REFUSALS: Final = ("not authorized", "user name or password")
_KEEPALIVE_OVER: Final = "Keep alive timeout"
# As errors of a connection: no way there, no name found, no answer in time. Whatever else it is, somebody spoke.
_NOBODY_SPOKE: Final = (TimeoutError, socket.gaierror)
_NO_WAY: Final = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN})


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerAddress:
    """Where the broker is and who we are there."""

    host: str
    port: int
    tls: bool = False
    ca_file: Path | None = None
    username: str | None = None
    password_file: Path | None = None
    keepalive_s: int = 30


class MqttLink:
    """A gateway's connection to the broker.

    Args:
        address: where.
        gateway: who; also the client id.
        last_will: the status the broker publishes for us when we vanish.
        clock: the agent's clock.
        random_unit: draws from 0 to 1, for jitter between attempts.
        answer_s: how long the broker may take to answer, in seconds.
    """

    def __init__(
        self,
        address: BrokerAddress,
        *,
        gateway: GatewayId,
        last_will: bytes,
        clock: Clock,
        random_unit: Callable[[], float],
        answer_s: float = _ANSWER_S,
    ) -> None:
        self._answer_s = answer_s
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
            await client.publish(topic, payload, qos=1, retain=retain, timeout=self._answer_s)
        except aiomqtt.MqttError:
            return False
        return True

    async def run(self, listener: LinkListener) -> None:
        """Connect, hand over messages, and connect again after a pause, until cancelled."""
        lost_s = self._clock.monotonic_s()
        while True:
            began_s, parting = self._clock.monotonic_s(), Parting.SPOKEN
            try:
                await self._stay_connected(listener)
            except (aiomqtt.MqttError, OSError) as error:
                parting = _parting(error)
                self._note(None, self._told(error))
                _pass_cancellation_on(error)
            finally:
                was_connected, self._client = self._client is not None, None
            now_s = self._clock.monotonic_s()
            if was_connected and now_s - began_s >= _STEADY_S:
                lost_s = now_s  # else somebody may be throwing us out again and again
            away_s, unit = now_s - lost_s, self._random_unit()
            await self._clock.sleep(pause_s(parting, away_s=away_s, gateways=listener.gateways, random_unit=unit))

    async def _stay_connected(self, listener: LinkListener) -> None:
        async with self._new_client() as client:
            await client.subscribe(down_filter(self._gateway), qos=1, timeout=self._answer_s)
            self._note(client, None)
            listener.connected()
            async for message in client.messages:
                if isinstance(message.payload, bytes | bytearray):
                    listener.received(str(message.topic), bytes(message.payload))

    @property
    def _where(self) -> str:
        scheme = "mqtts" if self._address.tls else "mqtt"
        return f"{scheme}://{self._address.host}:{self._address.port}"

    def _told(self, error: Exception) -> str:
        """What went wrong, where, and what to do."""
        text = str(error) or type(error).__name__
        if any(refusal in text.lower() for refusal in _REFUSALS):
            text += (
                "; see hub.username and hub.password_file of the gateway file, and whether the hub knows this gateway"
            )
        return f"{self._where}: {text}"

    def _note(self, client: aiomqtt.Client | None, trouble: str | None) -> None:
        """Remember the state, and say it when it changes."""
        if trouble is None:
            _logger.info("connected to %s", self._where)
        elif trouble != self._trouble:
            _logger.warning("not connected: %s", trouble)
        self._client = client
        self._trouble = trouble

    def _new_client(self) -> aiomqtt.Client:
        address = self._address
        context = _tls(address.ca_file) if address.tls else None
        return aiomqtt.Client(
            address.host,
            address.port,
            identifier=self._gateway,
            username=address.username,
            password=_secret(address.password_file),
            protocol=aiomqtt.ProtocolVersion.V311,
            clean_session=True,
            keepalive=int(TRIED_AFTER * address.keepalive_s),  # given up after twice this
            timeout=self._answer_s,
            tls_context=context,
            will=aiomqtt.Will(up_topic(self._gateway, Up.STATUS), self._last_will, qos=1, retain=True),
            max_queued_outgoing_messages=_MAX_QUEUED,
            logger=logging.getLogger("edge.uplink.mqtt"),
        )


def _parting(error: BaseException) -> Parting:
    """Whether the other side spoke: the client's errors have what was at fault behind them."""
    at: BaseException | None = error
    while at is not None:
        if isinstance(at, _NOBODY_SPOKE) or (isinstance(at, OSError) and at.errno in _NO_WAY):
            return Parting.SILENT
        if isinstance(at, aiomqtt.MqttCodeError) and _KEEPALIVE_OVER in str(at):
            return Parting.SILENT
        at = at.__cause__ or at.__context__
    return Parting.SPOKEN


def _pass_cancellation_on(error: Exception) -> None:
    """The client's farewell to a dead line ends in an error of its own, which must not hide that we are cancelled."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError from error


def _tls(ca_file: Path | None) -> ssl.SSLContext:
    """Trust in the authorities of this file; without one, in those of the system."""
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise OSError(f"ca_file {ca_file}: {error.strerror or error}") from error


def _secret(path: Path | None) -> str | None:
    """The password, read anew at each attempt, so that a renewed one needs no restart."""
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise OSError(f"password_file {path}: {error}") from error
