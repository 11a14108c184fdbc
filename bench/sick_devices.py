"""What sick devices cost the healthy ones on their bus: Sen's acquisition beside today's usual loop.

Ten devices of 20 registers, each read every 2 s at 9600 baud, which takes 43 % of the line. After 20 s one of them
dies, one babbles (noise for answers, and 20 bytes of it about each second unasked), one answers after 0.4 s only. Both
masters have a line of their own, true to the character (`timed_bus.py`), at the same time.

Today's usual loop asks one device after the other, each up to three times with a second's patience, and begins again
every 2 s or when it is through: pymodbus's asyncio client, as a gateway uses it.

A deadline is kept where a good reading came within its period: not before it began, and before the next. The periods
of a device begin where its first healthy requests began at the earliest. An exchange takes the bus from its request
until the next one, or until the master has said what became of it.
"""

import argparse
import asyncio
import bisect
import itertools
import logging
import math
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from shutil import copy
from typing import Final

from pymodbus.client import AsyncModbusSerialClient
from pymodbus.exceptions import ModbusException

from bench.rs485_line import Exchange, FaultKind, LineRecord, LineSpec, Unit, UnitFault
from bench.timed_bus import TimedBus
from device_profiles.parse import parse_profile
from edge.acquisition import Acquisition
from edge.clock import SystemClock
from edge.configure import checked_gateway
from edge.spool.base import Reading
from wire.records import Quality

BAUD: Final = 9600
DEVICES: Final = 10
REGISTERS: Final = 20
PERIOD_S: Final = 2.0
LATENCY_S: Final = 0.02
SICK_FROM_S: Final = 20.0
AT_FIRST_S: Final = 10.0
PATIENCE_S: Final = 1.0
TRIES: Final = 3
SICK: Final = {2: FaultKind.DEAD, 5: FaultKind.BABBLING, 8: FaultKind.LATE}
HEALTHY: Final = tuple(unit for unit in range(1, DEVICES + 1) if unit not in SICK)
PROFILE: Final = Path(__file__).resolve().parent / "registers.yaml"
GATEWAY_FILE: Final = """\
gateway: gw-bench
site: bench
mode: simulated
hub: {{broker: "mqtt://127.0.0.1:1"}}
buses:
  - {{bus: line, kind: modbus-rtu, port: "{port}", baud: {baud}}}
devices:
"""
DEVICE: Final = (
    "  - {{device: d{unit}, bus: line, profile: bench/registers, unit: {unit}, every_s: {{registers: {period}}}}}\n"
)
# The most that sick devices may take of the bus once they are known, and the deadlines that the others keep then.
SICK_SHARE_TARGET: Final = 5.0
KEPT_TARGET: Final = 99.5
# A device that is well again is found within a minute.
FORGOTTEN_TARGET_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a master said of a device, and when (monotonic): whether it has its values."""

    unit: int
    at_s: float
    is_good: bool


# Reads the devices behind a port and notes what became of them, until cancelled.
Master = Callable[[Path, list[Told]], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """What happened between two moments: deadlines kept by the healthy and bus time taken by the sick, in percent.

    `forgotten_s` is the longest time in which one of the sick was not asked at all; `sick_good` is how many good
    readings came of each sick unit.
    """

    kept: float
    sick_share: float
    forgotten_s: float
    sick_good: dict[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a line and its devices under one master."""

    healthy: Span
    at_first: Span
    steady: Span


async def sen(port: Path, told: list[Told]) -> None:
    """Sen's acquisition of a gateway file."""
    with tempfile.TemporaryDirectory(prefix="sen-sick-") as name:
        folder = Path(name)
        (folder / "profiles" / "bench").mkdir(parents=True)
        (folder / "state").mkdir()
        copy(PROFILE, folder / "profiles" / "bench" / "registers.yaml")
        file = folder / "gateway.yaml"
        devices = (DEVICE.format(unit=unit, period=PERIOD_S) for unit in range(1, DEVICES + 1))
        file.write_text(GATEWAY_FILE.format(port=port, baud=BAUD) + "".join(devices))
        acquisition = Acquisition(checked_gateway(file), clock=SystemClock())

        def submit(reading: Reading) -> None:
            is_good = all(value.quality is Quality.GOOD for value in reading.values)
            told.append(Told(unit=int(reading.stream.device[1:]), at_s=time.monotonic(), is_good=is_good))

        try:
            await acquisition.run(submit)
        finally:
            await acquisition.close()


async def usual_loop(port: Path, told: list[Told]) -> None:
    """One device after the other, with pymodbus."""
    client = AsyncModbusSerialClient(str(port), baudrate=BAUD, timeout=PATIENCE_S, retries=TRIES - 1)
    await client.connect()
    try:
        due_s = time.monotonic()
        while True:
            for unit in range(1, DEVICES + 1):
                is_good = await _asked(client, unit)
                told.append(Told(unit=unit, at_s=time.monotonic(), is_good=is_good))
            due_s = max(due_s + PERIOD_S, time.monotonic())
            await asyncio.sleep(due_s - time.monotonic())
    finally:
        client.close()


async def _asked(client: AsyncModbusSerialClient, unit: int) -> bool:
    try:
        reply = await client.read_holding_registers(0, count=REGISTERS, device_id=unit)
    except ModbusException:
        await asyncio.sleep(0)
        return False
    return not reply.isError()


def line_spec() -> LineSpec:
    """The line and its devices."""
    profile = parse_profile(PROFILE.read_text(), str(PROFILE))
    faults = {unit: (UnitFault(kind=kind, from_s=SICK_FROM_S),) for unit, kind in SICK.items()}
    return LineSpec(
        baud=BAUD,
        units=tuple(
            Unit(unit=unit, profile=profile, latency_s=LATENCY_S, faults=faults.get(unit, ()))
            for unit in range(1, DEVICES + 1)
        ),
    )


def periods_begin_s(record: LineRecord) -> dict[int, float]:
    """A beginning of a period of each unit: the earliest of its requests while all were well, as far as periods go."""
    first_s = record.exchanges[0].request_s
    begin_s: dict[int, float] = {}
    for one in record.exchanges:
        if one.request_s < first_s + SICK_FROM_S - PERIOD_S:
            phase_s = (one.request_s - first_s) % PERIOD_S
            begin_s[one.unit] = min(begin_s.get(one.unit, PERIOD_S), phase_s)
    return {unit: first_s + phase_s - 1e-3 for unit, phase_s in begin_s.items()}


def outcome(record: LineRecord, told: Sequence[Told], seconds: float) -> Outcome:
    """What the record of a line and the words of its master say together."""
    begin_s, first_s = periods_begin_s(record), record.exchanges[0].request_s
    taken = list(occupied(record.exchanges, told))

    def span(from_s: float, to_s: float) -> Span:
        from_s, to_s = first_s + from_s, first_s + to_s
        clipped = (max(0.0, min(end_s, to_s) - max(start_s, from_s)) for unit, start_s, end_s in taken if unit in SICK)
        deadlines = [kept for unit in HEALTHY for kept in deadlines_kept(unit, told, begin_s[unit], from_s, to_s)]
        good = [one.unit for one in told if one.is_good and from_s <= one.at_s < to_s]
        return Span(
            kept=100 * sum(deadlines) / len(deadlines),
            sick_share=100 * sum(clipped) / (to_s - from_s),
            forgotten_s=max(longest_gap_s(unit, record.exchanges, from_s, to_s) for unit in SICK),
            sick_good={unit: good.count(unit) for unit in SICK},
        )

    return Outcome(
        healthy=span(PERIOD_S, SICK_FROM_S),
        at_first=span(SICK_FROM_S, SICK_FROM_S + AT_FIRST_S),
        steady=span(SICK_FROM_S + AT_FIRST_S, seconds),
    )


def deadlines_kept(unit: int, told: Sequence[Told], begin_s: float, from_s: float, to_s: float) -> Iterator[bool]:
    """Of each period of a device that lies whole between two moments: whether a good reading came in it."""
    good = {math.floor((one.at_s - begin_s) / PERIOD_S) for one in told if one.unit == unit and one.is_good}
    first, last = math.ceil((from_s - begin_s) / PERIOD_S), math.floor((to_s - begin_s) / PERIOD_S)
    yield from (period in good for period in range(first, last))


def longest_gap_s(unit: int, exchanges: Sequence[Exchange], from_s: float, to_s: float) -> float:
    """The longest time between two moments in which a unit was not asked."""
    asked_s = [one.request_s for one in exchanges if one.unit == unit and from_s <= one.request_s < to_s]
    return max(after_s - before_s for before_s, after_s in itertools.pairwise([from_s, *asked_s, to_s]))


def occupied(exchanges: Sequence[Exchange], told: Sequence[Told]) -> Iterator[tuple[int, float, float]]:
    """Unit, start and end of the bus time that each exchange took."""
    words: dict[int, list[float]] = {}
    for one in told:
        words.setdefault(one.unit, []).append(one.at_s)
    for exchange, following in itertools.zip_longest(exchanges, exchanges[1:]):
        said = words.get(exchange.unit, [])
        index = bisect.bisect_left(said, exchange.request_s)
        ends_s = [said[index]] if index < len(said) else []
        if following is not None:
            ends_s.append(following.request_s)
        yield exchange.unit, exchange.request_s, min(ends_s, default=exchange.request_end_s)


async def mastered(master: Master, port: Path, seconds: float) -> list[Told]:
    """What a master says in so many seconds."""
    told: list[Told] = []
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await master(port, told)
    return told


async def both(ours: Path, theirs: Path, seconds: float) -> tuple[list[Told], list[Told]]:
    """What both masters say."""
    async with asyncio.TaskGroup() as tasks:
        sens = tasks.create_task(mastered(sen, ours, seconds))
        usual = tasks.create_task(mastered(usual_loop, theirs, seconds))
    return sens.result(), usual.result()


def measured(seconds: float) -> tuple[Outcome, Outcome]:
    """Sen's outcome, and that of the usual loop."""
    with TimedBus(line_spec()) as ours, TimedBus(line_spec()) as theirs:
        sens, usual = asyncio.run(both(ours.port, theirs.port, seconds))
        ended_s = seconds - PERIOD_S
        return outcome(ours.finish(), sens, ended_s), outcome(theirs.finish(), usual, ended_s)


def printed(ours: Outcome, theirs: Outcome) -> bool:
    """Print the table; whether the targets are met."""
    print(f"{DEVICES} devices x {REGISTERS} registers every {PERIOD_S:g} s at {BAUD} baud; three fall ill")
    print(f"{'':44}{'Sen':>8}{'usual':>8}{'ratio':>8}   target")
    met = [
        _row("deadlines kept by the healthy, before, %", ours.healthy.kept, theirs.healthy.kept),
        _row("the same, first 10 s of sickness", ours.at_first.kept, theirs.at_first.kept),
        _row("the same, afterwards", ours.steady.kept, theirs.steady.kept, at_least=KEPT_TARGET),
        _row("bus time the sick take, first 10 s, %", ours.at_first.sick_share, theirs.at_first.sick_share),
        _row("the same, afterwards", ours.steady.sick_share, theirs.steady.sick_share, at_most=SICK_SHARE_TARGET),
        _row(
            "longest time a sick one was not asked, s",
            ours.steady.forgotten_s,
            theirs.steady.forgotten_s,
            at_most=FORGOTTEN_TARGET_S,
        ),
    ]
    for unit, kind in SICK.items():
        _row(f"good readings of the one {kind}, afterwards", ours.steady.sick_good[unit], theirs.steady.sick_good[unit])
    return all(met)


def _row(name: str, ours: float, theirs: float, *, at_least: float | None = None, at_most: float | None = None) -> bool:
    is_met = (at_least is None or ours >= at_least) and (at_most is None or ours <= at_most)
    goal = "" if at_least is None else f">= {at_least:g}"
    goal = goal if at_most is None else f"<= {at_most:g}"
    ratio = f"{ours / theirs:.2f}" if theirs else ""
    print(f"{name:44}{ours:>8.4g}{theirs:>8.4g}{ratio:>8}   {goal}{'' if is_met else '  MISSED'}")
    return is_met


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=120.0, help="of them 20 healthy and 10 at first")
    given = parser.parse_args()
    if given.seconds < SICK_FROM_S + AT_FIRST_S + 3 * PERIOD_S:
        parser.error(f"--seconds: expected at least {SICK_FROM_S + AT_FIRST_S + 3 * PERIOD_S:g}")
    logging.disable(logging.CRITICAL)  # both masters tell of the sick ones; the table does too
    if not printed(*measured(given.seconds)):
        sys.exit(1)


if __name__ == "__main__":
    main()
