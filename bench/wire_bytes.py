"""Bytes on the wire per value, and what encoding and decoding cost, against JSON per poll.

Twenty devices of five slowly varying channels, polled once a second, sent every 1, 10 or 60 seconds. Bytes are the
MQTT payload, the topic, and 7 bytes of MQTT PUBLISH at QoS 1. Run from the top: `python -m bench.wire_bytes`.
"""

import json
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from wire.codec import MAX_RECORDS, decode_batch, encode_batch
from wire.identifiers import DeviceId, GatewayId, SiteId
from wire.quantities import quantity
from wire.records import Batch, Mode, PointLayout, Record, Stream, Value
from wire.topics import Up, up_topic

SEED = 20
DEVICES = 20
SECONDS = 600
START_MS = 1_795_400_000_000
GATEWAY = GatewayId("gw-demo-1")
EPOCH = 0x9F3C_51D2_7A88_E04B
MQTT_BYTES = 7
TARGETS = {1: 4.0, 10: 1.0, 60: 0.7}
JSON_TOPIC = "v1/gateway/telemetry"


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A quantity that wanders by `walk` a second, is measured with `noise`, and is told in `resolution` steps."""

    name: str
    start: float
    spread: float
    walk: float
    noise: float
    decimals: int


CHANNELS = (
    Channel(name="temperature", start=31, spread=2, walk=0.005, noise=0.03, decimals=1),
    Channel(name="humidity", start=70, spread=6, walk=0.02, noise=0.08, decimals=1),
    Channel(name="pressure", start=1008, spread=1.5, walk=0.003, noise=0.03, decimals=1),
    Channel(name="pm2_5", start=38, spread=10, walk=0.1, noise=0.5, decimals=0),
    Channel(name="voltage", start=229, spread=2, walk=0.05, noise=0.1, decimals=1),
)
POINTS = tuple(PointLayout(key=one.name, quantity=one.name, unit=quantity(one.name).unit) for one in CHANNELS)


def stream(number: int) -> Stream:
    """The stream of one device."""
    return Stream(
        site=SiteId("demo-hall"),
        device=DeviceId(f"aq-{number + 1:02}"),
        group="air",
        measurement="air_quality",
        mode=Mode.LIVE,
        points=POINTS,
    )


def records(*, seconds: int, jitter_ms: float) -> list[Record]:
    """What the gateway accepted: a poll of each device each second, 45 ms apart, answers `jitter_ms` early or late."""
    chance = random.Random(SEED)  # noqa: S311 -- a measurement is repeatable
    streams = [stream(number) for number in range(DEVICES)]
    levels = [[chance.gauss(one.start, one.spread) for one in CHANNELS] for _ in streams]
    made: list[Record] = []
    for second in range(seconds):
        for number, level in enumerate(levels):
            level[:] = [now + chance.gauss(0, one.walk) for now, one in zip(level, CHANNELS, strict=True)]
            measured = [
                Value(round(now + chance.gauss(0, one.noise), one.decimals) + 0.0)
                for now, one in zip(level, CHANNELS, strict=True)
            ]
            slot_ms = START_MS + 1000 * second + (45 * number if jitter_ms else 0)
            made.append(
                Record(
                    seq=len(made) + 1,
                    stream=streams[number],
                    time_ms=slot_ms + round(chance.gauss(0, jitter_ms)),
                    values=tuple(measured),
                )
            )
    return made


def batches(made: Sequence[Record], *, flush_s: int) -> Iterator[Batch]:
    """What is sent: the records of `flush_s` seconds, as many batches as the limit asks for."""
    flush = flush_s * DEVICES
    parts = -(-flush // MAX_RECORDS)
    size = -(-flush // parts)
    for start in range(0, len(made), flush):
        for part in range(start, start + flush, size):
            yield Batch(gateway=GATEWAY, epoch=EPOCH, records=tuple(made[part : min(part + size, start + flush)]))


def json_per_poll(record: Record) -> bytes:
    """One message a poll, in the form of the ThingsBoard gateway."""
    values = {
        point.key: round(value.number) if point.key == "pm2_5" and value.number is not None else value.number
        for point, value in zip(record.stream.points, record.values, strict=True)
    }
    message = {record.stream.device: [{"ts": record.time_ms, "values": values}]}
    return json.dumps(message, separators=(",", ":")).encode()


def seconds_per_call(call: Callable[[], object]) -> float:
    """The best of five rounds, in processor time."""
    rounds = []
    for _ in range(5):
        begun = time.process_time()
        for _ in range(20):
            call()
        rounds.append((time.process_time() - begun) / 20)
    return min(rounds)


def print_sizes(title: str, made: Sequence[Record]) -> bool:
    """One table; whether all targets are held."""
    values = len(made) * len(CHANNELS)
    json_bytes = sum(len(json_per_poll(record)) + len(JSON_TOPIC) + MQTT_BYTES for record in made) / values
    print(f"\n{title}\n  flush    JSON per poll    Sen    ratio    target    batch bytes")
    held = True
    for flush_s, target in TARGETS.items():
        payloads = [encode_batch(batch) for batch in batches(made, flush_s=flush_s)]
        topic_bytes = len(up_topic(GATEWAY, Up.BATCH))
        sen_bytes = sum(len(payload) + topic_bytes + MQTT_BYTES for payload in payloads) / values
        mean_bytes = sum(map(len, payloads)) / len(payloads)
        print(
            f"  {flush_s:>3} s    {json_bytes:>13.1f}  {sen_bytes:>5.2f}    {json_bytes / sen_bytes:>4.0f}x    "
            f"{target:>6.1f}    {mean_bytes:>11.0f}"
        )
        held = held and sen_bytes <= target
    return held


def print_speed(made: Sequence[Record]) -> None:
    """Values a second on one core, for batches of 100, 500 and 3000 values."""
    print("\n  values a batch    encode values/s    decode values/s    (one core, records with their objects)")
    for count in (20, 100, 600):
        batch = Batch(gateway=GATEWAY, epoch=EPOCH, records=tuple(made[:count]))
        payload = encode_batch(batch)
        values = count * len(CHANNELS)
        encoding = values / seconds_per_call(partial(encode_batch, batch))
        decoding = values / seconds_per_call(partial(decode_batch, payload))
        print(f"  {values:>14}    {encoding:>15,.0f}    {decoding:>15,.0f}")


def main() -> None:
    """Measure and print."""
    jittered = records(seconds=SECONDS, jitter_ms=1.5)
    together = records(seconds=SECONDS, jitter_ms=0)
    held = print_sizes("Each record with its own time (45 ms apart, jitter of 1.5 ms):", jittered)
    held = print_sizes("One time for a round of all devices:", together) and held
    print_speed(jittered)
    print("\nAll targets held." if held else "\nA target was missed.")


if __name__ == "__main__":
    main()
