"""A gateway was away for days at 10 readings a second: does the present reach the database while the past drains?

The past is written into a real spool by the spool's own code; then the real agent starts on it, reads its devices, and
delivers both through a real Mosquitto and a real hub into InfluxDB 1.x. The delay of a live reading is from its own
time to the first look (two a second) that finds it in the database. The baseline is to send in the order of time: then
the present waits until the past is through.

At the end the past is counted and summed up in the database, counter by counter. Exit code 1 where a live reading was
more than 5 s behind in any minute, or anything is missing.
"""

import argparse
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from bench.naive_publisher import free_port, installed
from edge.spool.base import Reading
from edge.spool.segment_spool import SegmentSpool
from tests.support.counting_field import COUNTERS, counters_of
from tests.support.delivery_chain import MODE, ChainPlan, DeliveryChain
from wire.identifiers import DeviceId, GatewayId, SiteId
from wire.quantities import quantity
from wire.records import Mode, PointLayout, Stream, Value

PLAN: Final = ChainPlan(gateways=1, devices=10, rtu_units=0, every_s=1.0)
GATEWAY: Final = "gw-1"
SPOOL_BYTES: Final = 512 * 1024 * 1024  # as large as it is where nobody says otherwise
SECONDS_A_DAY: Final = 86400
SECONDS_A_GROUP: Final = 60
LOOK_S: Final = 0.5
LOOK_BACK_NS: Final = 60 * 10**9
MINUTE_S: Final = 60.0
TARGET_S: Final = 5.0
DRAINED_RECORDS: Final = 100
GIVEN_UP_AFTER_S: Final = 2 * 3600.0


def stream_of(unit: int) -> Stream:
    """The stream of a device, as the agent will go on with it."""
    of = quantity("pulse_count")
    points = tuple(PointLayout(key=f"pulses_{k}", quantity="pulse_count", unit=of.unit) for k in range(COUNTERS))
    return Stream(
        site=SiteId("hall"),
        device=DeviceId(f"tcp-{unit}"),
        group="counters",
        measurement="io",
        mode=Mode(MODE),
        points=points,
    )


def past(seconds: int, *, end_ms: int) -> Iterator[list[Reading]]:
    """Groups of readings up to this time: each device once a second, its n-th reading holding its n-th counters."""
    streams = [stream_of(unit) for unit in range(1, PLAN.devices + 1)]
    begin_ms = end_ms - 1000 * seconds
    for first in range(0, seconds, SECONDS_A_GROUP):
        yield [
            Reading(
                stream=stream,
                time_ms=begin_ms + 1000 * n + 100 * place,
                values=tuple(Value(float(counter)) for counter in counters_of(n + 1)),
            )
            for n in range(first, min(first + SECONDS_A_GROUP, seconds))
            for place, stream in enumerate(streams)
        ]


def fill(folder: Path, seconds: int, *, end_ms: int) -> int:
    """Write the past into a spool; returns its bytes."""
    spool = SegmentSpool.open(
        folder, gateway=GatewayId(GATEWAY), max_bytes=SPOOL_BYTES, random_u64=lambda: secrets.randbits(64)
    )
    for group in past(seconds, end_ms=end_ms):
        spool.accept(group)
    state = spool.state()
    spool.close()
    assert not state.lost_total, f"the spool is too small: {state.lost_total}"
    return state.bytes_on_disk


@dataclass
class Present:
    """When live readings are found in the database."""

    chain: DeliveryChain
    since_ns: int
    seen: set[tuple[str, int]] = field(default_factory=set)
    newest_ns: int = 0

    def look(self) -> list[float]:
        """The delays in seconds of the readings that were not there before."""
        since_ns = max(self.since_ns, self.newest_ns - LOOK_BACK_NS)
        answer: Any = self.chain.database.query(f"SELECT pulses_0 FROM io WHERE time >= {since_ns} GROUP BY device")  # noqa: S608
        now_ns = time.time_ns()
        found = {
            (series["tags"]["device"], row[0])
            for series in answer["results"][0].get("series", [])
            for row in series["values"]
        }
        new = found - self.seen
        self.seen |= new
        self.newest_ns = max([self.newest_ns, *(at_ns for _, at_ns in new)])
        return [(now_ns - at_ns) / 1e9 for _, at_ns in new]


@dataclass(frozen=True, kw_only=True)
class Minute:
    """One minute of draining."""

    delays_s: list[float]
    drained: int
    left: int
    seconds: float

    def line(self, number: int) -> str:
        """As a row of the table."""
        delays_s = sorted(self.delays_s) or [float("inf")]
        p50, p99 = statistics.median(delays_s), delays_s[int(0.99 * (len(delays_s) - 1))]
        return (
            f"{number:>6}{len(self.delays_s):>8}{p50:>8.2f}{p99:>8.2f}{delays_s[-1]:>8.2f}"
            f"{self.drained / self.seconds:>16.0f}{self.left:>12}"
        )


def minutes(chain: DeliveryChain, present: Present) -> Iterator[Minute]:
    """Minute after minute, until the past is through."""
    gateway = chain.gateways[0]
    begun_s, delays_s = time.monotonic(), list[float]()
    final, left = 0, DRAINED_RECORDS + 1
    end_s = begun_s + GIVEN_UP_AFTER_S
    while left > DRAINED_RECORDS and time.monotonic() < end_s:
        time.sleep(LOOK_S)
        delays_s += present.look()
        spool = gateway.spool()
        left = int(spool["in_flight"]) if spool else left
        passed_s = time.monotonic() - begun_s
        if passed_s >= MINUTE_S or left <= DRAINED_RECORDS:
            before, final = final, int(spool["final_total"])
            yield Minute(delays_s=delays_s, drained=final - before, left=left, seconds=passed_s)
            begun_s, delays_s = time.monotonic(), []


def faults_of(chain: DeliveryChain, seconds: int, *, live_from_ns: int, seen: int) -> list[str]:
    """What is missing, doubled or altered of the past, and what was never seen of the present."""
    faults = []
    for unit in range(1, PLAN.devices + 1):
        sums = ", ".join(f"count(pulses_{k}), sum(pulses_{k})" for k in range(COUNTERS))
        answer: Any = chain.database.query(
            f"SELECT {sums} FROM io WHERE device = 'tcp-{unit}' AND time < {live_from_ns}"  # noqa: S608 - our own names
        )
        found = answer["results"][0]["series"][0]["values"][0][1:]
        expected = [
            number
            for k in range(COUNTERS)
            for number in (seconds, COUNTERS * seconds * (seconds + 1) // 2 + k * seconds)
        ]
        if found != expected:
            faults.append(f"tcp-{unit}: {found}, expected {expected}")
    accounts = chain.accounts(chain.gateways[0])
    live = accounts["stored"] - PLAN.devices * seconds
    if accounts["accepted"] != accounts["stored"] or accounts["unexplained"]:
        faults.append(f"accounts: {accounts}")
    if not 0 <= live - seen <= 2 * DRAINED_RECORDS:  # those of the end were not looked for any more
        faults.append(f"{live} live readings stored, {seen} of them seen in time")
    return faults


def main() -> int:
    """Print each minute; 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=float, default=0.1)
    seconds = int(parser.parse_args().days * SECONDS_A_DAY)
    with tempfile.TemporaryDirectory(prefix="sen-backlog-") as name:
        folder, begun_s = Path(name) / "chain", time.monotonic()
        spool = folder / GATEWAY / "state" / "spool"
        spool.mkdir(parents=True)
        held = fill(spool, seconds, end_ms=time.time_ns() // 10**6 - 10_000)
        records = PLAN.devices * seconds
        print(
            f"{records} records of {COUNTERS} values in a spool of {held / 1e6:.0f} MB, accepted at"
            f" {records / (time.monotonic() - begun_s):.0f} a second"
        )
        print("minute    live p50, s p99, s max, s   drained, 1/s        left", flush=True)
        live_from_ns = time.time_ns()
        with DeliveryChain(PLAN, folder, installed(), free_port=free_port) as chain:
            present, worst_s, started_s = Present(chain, live_from_ns), 0.0, time.monotonic()
            for number, minute in enumerate(minutes(chain, present), start=1):
                print(minute.line(number), flush=True)
                worst_s = max([worst_s, *minute.delays_s])
            drained_s = time.monotonic() - started_s
            chain.rest(within_s=300)
            faults = faults_of(chain, seconds, live_from_ns=live_from_ns, seen=len(present.seen))
    print(f"drained in {drained_s:.0f} s, {records / drained_s:.0f} records a second")
    print(f"the present at most {worst_s:.1f} s behind (target {TARGET_S:.0f}); in the order of time {drained_s:.0f} s")
    print("\n".join(faults) or f"all {records} records of the past are there once, with their values")
    return bool(faults) or worst_s > TARGET_S


if __name__ == "__main__":
    sys.exit(main())
