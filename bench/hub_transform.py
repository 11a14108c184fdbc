"""From a payload's bytes to line protocol, on one core: Sen's columns against JSON and influxdb-client's points.

The data of `bench/wire_bytes.py` (twenty devices of five channels) in batches of 1 to 50 seconds, from as many gateways
as the hub brings together into one write. Values a second of processor time; the baseline has the same values as JSON,
a message a batch. Run from the top: `python -m bench.hub_transform`.
"""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from influxdb_client.client.write.point import Point

from bench.wire_bytes import CHANNELS, batches, records
from hub.ingest.columns import columns_together
from hub.ingest.points import sheet_of
from hub.series.line_protocol import lines_of
from wire.codec import decode_packed_batch, encode_batch
from wire.identifiers import GatewayId
from wire.records import Batch

TARGET = 5_000_000
LINES = 5000
ROUNDS = 9
# Records of all devices in so many seconds, and how many such batches become one write.
SHAPES = {1: 50, 5: 40, 10: 25, 50: 20}


def sen(payloads: Sequence[bytes]) -> int:
    """What the hub does with these payloads; the number of lines."""
    read = columns_together([decode_packed_batch(payload) for payload in payloads])
    sheets = [sheet_of(batch.gateway, batch.epoch, table) for batch in read for table in batch.tables]
    refused: dict[int, str] = {}
    written = sum(len(lines.rows) for lines in lines_of(sheets, refused, most=LINES))
    assert not refused
    return written


def as_json(batch: Batch) -> bytes:
    """The batch as a message of a gateway that sends JSON."""
    rows = [
        {
            "device": record.stream.device,
            "ts": record.time_ms,
            "values": {
                point.key: value.number for point, value in zip(record.stream.points, record.values, strict=True)
            },
        }
        for record in batch.records
    ]
    stream = batch.records[0].stream
    head = {"gateway": batch.gateway, "site": stream.site, "group": stream.group, "measurement": stream.measurement}
    return json.dumps({**head, "rows": rows}, separators=(",", ":")).encode()


def usual(messages: Sequence[bytes]) -> int:
    """JSON to points to line protocol, as the client library's documents show it."""
    lines: list[str] = []
    for message in messages:
        batch = json.loads(message)
        for row in batch["rows"]:
            point = {
                "measurement": batch["measurement"],
                "tags": {
                    "device": row["device"],
                    "gateway": batch["gateway"],
                    "group": batch["group"],
                    "mode": "live",
                    "site": batch["site"],
                },
                "fields": {**row["values"], "quality": 0},
                "time": row["ts"] * 1_000_000,
            }
            lines.append(Point.from_dict(point).to_line_protocol())
    return len("\n".join(lines).encode().splitlines())


def seconds(call: Callable[[], int]) -> float:
    """The best of some rounds, in processor time."""
    rounds = []
    for _ in range(ROUNDS):
        begun = time.process_time()
        call()
        rounds.append(time.process_time() - begun)
    return min(rounds)


def main() -> None:
    """Measure and print."""
    made = records(seconds=50, jitter_ms=1.5)
    print("  values a batch    batches a write      Sen values/s    JSON + Point values/s    ratio")
    best = 0.0
    for flush_s, together in SHAPES.items():
        (batch, *_) = batches(made, flush_s=flush_s)
        several = [replace(batch, gateway=GatewayId(f"gw-{number}")) for number in range(together)]
        payloads, messages = [encode_batch(one) for one in several], [as_json(one) for one in several]
        assert sen(payloads) == usual(messages) == together * len(batch.records)
        values = together * len(batch.records) * len(CHANNELS)
        ours, theirs = values / seconds(partial(sen, payloads)), values / seconds(partial(usual, messages))
        best = max(best, ours)
        print(
            f"  {len(batch.records) * len(CHANNELS):>14}    {together:>15}    {ours:>14,.0f}    {theirs:>21,.0f}"
            f"    {ours / theirs:>4.1f}x"
        )
    print(f"\nTarget {TARGET:,}: {'held' if best >= TARGET else 'missed'}.")


if __name__ == "__main__":
    main()
