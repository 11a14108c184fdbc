"""How much one gateway may send: messages and bytes, each through a bucket of its own. Pure: it is told the time.

I1. What exceeds the limits of one gateway is dropped and counted against it; no other gateway is touched.
I2. Over any time a gateway gets through at most its burst and its rate; below its rate it loses nothing.
I3. Memory is bounded: of too many names, the one that spoke longest ago is forgotten.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from wire.identifiers import GatewayId

_MOST_GATEWAYS: Final = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FloodLimits:
    """What one gateway may send: on average, and at once after it was quiet.

    A week's backlog at ten readings a second is 6000 full batches: at these rates it is through in minutes.
    """

    messages_per_s: float = 50.0
    burst_messages: float = 1000.0
    bytes_per_s: float = 4 * 1024 * 1024
    burst_bytes: float = 64 * 1024 * 1024


@dataclass(slots=True)
class _Bucket:
    """What one gateway may still send, as of a moment; and how many of its messages were dropped."""

    messages: float
    payload_bytes: float
    at_s: float
    dropped: int = 0


class FloodGuard:
    """The buckets of all gateways."""

    def __init__(self, limits: FloodLimits | None = None) -> None:
        self._limits = limits or FloodLimits()
        # Changed by lets_through only; who spoke last is last.
        self._buckets: OrderedDict[GatewayId, _Bucket] = OrderedDict()

    def lets_through(self, gateway: GatewayId, payload_bytes: int, *, now_s: float) -> bool:
        """Whether this message may be taken; one that may not is counted and takes nothing from the bucket.

        Args:
            gateway: who sent it.
            payload_bytes: its size.
            now_s: a monotonic time in seconds.
        """
        bucket = self._filled(gateway, now_s)
        if bucket.messages < 1 or bucket.payload_bytes < payload_bytes:
            bucket.dropped += 1
            return False
        bucket.messages -= 1
        bucket.payload_bytes -= payload_bytes
        return True

    def dropped(self) -> dict[GatewayId, int]:
        """How many messages were dropped, of each gateway that sent too much."""
        return {gateway: bucket.dropped for gateway, bucket in self._buckets.items() if bucket.dropped}

    def _filled(self, gateway: GatewayId, now_s: float) -> _Bucket:
        limits = self._limits
        bucket = self._buckets.get(gateway)
        if bucket is None:
            if len(self._buckets) >= _MOST_GATEWAYS:
                self._buckets.popitem(last=False)
            bucket = self._buckets[gateway] = _Bucket(limits.burst_messages, limits.burst_bytes, now_s)
        passed_s = max(0.0, now_s - bucket.at_s)
        bucket.messages = min(limits.burst_messages, bucket.messages + passed_s * limits.messages_per_s)
        bucket.payload_bytes = min(limits.burst_bytes, bucket.payload_bytes + passed_s * limits.bytes_per_s)
        bucket.at_s = max(now_s, bucket.at_s)
        self._buckets.move_to_end(gateway)
        return bucket
