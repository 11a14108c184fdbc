"""What a gateway's line carries in a month, for lines that are paid by the byte. Pure.

What MQTT carries is counted. What TCP, IP and TLS add is an estimate: headers of 52 bytes a packet, 29 more a TLS
record, one packet for each message and each answer, an acknowledgement of its own for each exchange.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from edge.config import HubConfig
from edge.spool.wear import Flow, sample_of
from wire.codec import MAX_RECORDS, encode_batch, encode_commit, encode_status
from wire.identifiers import GatewayId
from wire.messages import Commit, Status
from wire.records import Batch
from wire.topics import Down, Up, down_topic, up_topic

STATUS_EVERY_S: Final = 10.0
# A line on which nothing came for so much of the keepalive is tried.
TRIED_AFTER: Final = 0.75
PUBACK_BYTES: Final = 4
_MONTH_S: Final = 30 * 86_400
_HEADER_BYTES: Final = 52
_TLS_BYTES: Final = 29
_SEGMENT_BYTES: Final = 1400
_PING_BYTES: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What decides how much is added to the messages."""

    keepalive_s: float = 30.0
    tls: bool = False

    def overhead_bytes(self, *, carried: float, exchanges: float) -> float:
        """An estimate of what TCP, IP and TLS add to so many bytes of MQTT in so many messages with their answers."""
        more_packets = max(0.0, carried / _SEGMENT_BYTES - exchanges)
        a_packet = _HEADER_BYTES + self.tls * _TLS_BYTES
        return exchanges * (2 * a_packet + _HEADER_BYTES) + more_packets * _HEADER_BYTES

    def pings(self, seconds: float, *, longest_silence_s: float) -> float:
        """An estimate of how often an idle line is tried: never where something is said more often."""
        tried_after_s = TRIED_AFTER * self.keepalive_s
        return seconds / tried_after_s if tried_after_s < longest_silence_s else 0.0


def line_of(hub: HubConfig) -> Line:
    """The line of a gateway file."""
    return Line(keepalive_s=hub.keepalive_s, tls=hub.broker.startswith("mqtts:"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What a gateway says and hears: bytes of MQTT, answers included, for a batch with its commit and for a status."""

    line: Line
    batches_per_s: float
    batch_bytes: int
    status_bytes: int

    @property
    def carried_per_month(self) -> float:
        """Bytes of MQTT in thirty days, both ways."""
        said = self.batches_per_s * self.batch_bytes + self.status_bytes / STATUS_EVERY_S
        return _MONTH_S * said + _PING_BYTES * self._pings

    @property
    def overhead_per_month(self) -> float:
        """An estimate of what TCP, IP and TLS add."""
        exchanges = _MONTH_S * (2 * self.batches_per_s + 1 / STATUS_EVERY_S) + self._pings
        return self.line.overhead_bytes(carried=self.carried_per_month, exchanges=exchanges)

    @property
    def bytes_per_month(self) -> float:
        """Together."""
        return self.carried_per_month + self.overhead_per_month

    @property
    def _pings(self) -> float:
        return self.line.pings(_MONTH_S, longest_silence_s=STATUS_EVERY_S)


def publish_bytes(topic: str, payload_bytes: int) -> int:
    """How long a message with QoS 1 is on the line, without its answer."""
    rest = 2 + len(topic) + 2 + payload_bytes
    return 1 + max(1, math.ceil(rest.bit_length() / 7)) + rest


def traffic_of(flows: Sequence[Flow], status: Status, *, send_s: float, line: Line) -> Traffic:
    """What these flows cost when every record is sent once; `status` is one as this gateway says it."""
    gateway = status.gateway
    said = publish_bytes(up_topic(gateway, Up.STATUS), len(encode_status(status))) + PUBACK_BYTES
    records_per_s = math.fsum(1 / flow.period_s for flow in flows)
    if not records_per_s:
        return Traffic(line=line, batches_per_s=0.0, batch_bytes=0, status_bytes=said)
    in_batch = min(float(MAX_RECORDS), max(1.0, records_per_s * send_s))
    batch = Batch(gateway=gateway, epoch=2**63, records=tuple(sample_of(flows, round(in_batch))))
    batch_bytes = publish_bytes(up_topic(gateway, Up.BATCH), len(encode_batch(batch))) + PUBACK_BYTES
    return Traffic(
        line=line,
        batches_per_s=records_per_s / in_batch,
        batch_bytes=batch_bytes + _commit_bytes(gateway),
        status_bytes=said,
    )


def _commit_bytes(gateway: GatewayId) -> int:
    commit = Commit(gateway=gateway, epoch=2**63, final=((10**6, 10**6),), credit=32, hub_time_ms=1_800_000_000_000)
    return publish_bytes(down_topic(gateway, Down.COMMIT), len(encode_commit(commit))) + PUBACK_BYTES
