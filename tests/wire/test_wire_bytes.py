"""A value costs no more bytes on the wire than was promised."""

import pytest

from bench.wire_bytes import CHANNELS, GATEWAY, MQTT_BYTES, TARGETS, batches, records
from wire.codec import decode_batch, encode_batch
from wire.topics import Up, up_topic


@pytest.mark.parametrize(("flush_s", "target"), TARGETS.items())
def test_slowly_varying_channels_stay_within_the_promised_bytes(flush_s: int, target: float) -> None:
    made = records(seconds=120, jitter_ms=1.5)
    sent = list(batches(made, flush_s=flush_s))
    payloads = [encode_batch(batch) for batch in sent]
    overhead = len(up_topic(GATEWAY, Up.BATCH)) + MQTT_BYTES
    assert [decode_batch(payload) for payload in payloads] == sent
    assert sum(len(payload) + overhead for payload in payloads) / (len(made) * len(CHANNELS)) <= target
