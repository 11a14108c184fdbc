"""How much of a serial line's time one master uses: 20 registers of one device again and again, as fast as it can.

Printed is the time that the wire needs, 8 + 45 characters and two silences (3.5 characters, 1.75 ms above 19200
baud), as a share of the time from one request to the next. Sen's driver and pymodbus's asyncio client take turns on
a line true to the character (`timed_bus.py`), several rounds; the figure is the median of the rounds' means.

Sen keeps the silence before each request itself. pymodbus does not: for it the device is as much slower, so that
both have the same time to reach, and how often it would have spoken too soon is printed. A line that lets it do so
is no measure: most devices do not understand a request that follows an answer without a pause.
"""

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pymodbus.client import AsyncModbusSerialClient

from bench.rs485_line import LineRecord, LineSpec, Unit
from bench.timed_bus import TimedBus
from device_profiles.modbus import ReadRequest, Table
from device_profiles.modbus_frames import rtu_good_reply_bytes, rtu_request
from device_profiles.parse import parse_profile
from device_profiles.point_model import Line
from edge.clock import SystemClock
from edge.drivers.line import ByteLine, SerialPort
from edge.drivers.modbus import ModbusRtuBus

TARGETS: Final = {9600: 98.0, 19200: 97.5, 115200: 93.0}
REQUEST: Final = ReadRequest(table=Table.HOLDING, address=0, count=20)
CHARACTERS: Final = len(rtu_request(1, REQUEST)) + rtu_good_reply_bytes(REQUEST)
TIMEOUT_S: Final = 0.5
SETTLING: Final = 2  # exchanges in which the port is opened and the code is warmed
REGISTERS: Final = Path(__file__).resolve().parent / "registers.yaml"

# Reads from the port until so many seconds are over.
Master = Callable[[Path, int, float], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What one master made of the line for a while. `too_soon` is the share of requests before the silence was over."""

    share: float
    too_soon: float
    line_late_ms: float


async def sen(port: Path, baud: int, seconds: float) -> None:
    """Sen's driver."""
    clock = SystemClock()
    bus = ModbusRtuBus(ByteLine(SerialPort(str(port), Line(baud=baud)), clock), baud=baud, clock=clock)
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        await bus.read(1, REQUEST, timeout_s=TIMEOUT_S, turnaround_s=0.0)
    await bus.close()


async def pymodbus(port: Path, baud: int, seconds: float) -> None:
    """The client of pymodbus."""
    client = AsyncModbusSerialClient(str(port), baudrate=baud, timeout=TIMEOUT_S, retries=0)
    await client.connect()
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        reply = await client.read_holding_registers(REQUEST.address, count=REQUEST.count, device_id=1)
        assert len(reply.registers) == REQUEST.count
    client.close()


def measured(master: Master, baud: int, seconds: float, *, keeps_silence: bool) -> Round:
    """One round of one master."""
    profile = parse_profile(REGISTERS.read_text(), str(REGISTERS))
    silence_s = LineSpec(baud=baud, units=()).silence_s
    latency_s = silence_s if keeps_silence else 2 * silence_s
    spec = LineSpec(baud=baud, units=(Unit(unit=1, profile=profile, latency_s=latency_s),))
    with TimedBus(spec) as bus:
        asyncio.run(_within(master(bus.port, baud, seconds), seconds))
        record = bus.finish()
    return judged(record, spec)


def judged(record: LineRecord, spec: LineSpec) -> Round:
    """What a record says of its master."""
    ideal_s = CHARACTERS * spec.character_s + 2 * spec.silence_s
    starts_s = [one.request_s for one in record.exchanges[SETTLING:]]
    gaps_s = [one.gap_s for one in record.exchanges if one.gap_s is not None]
    cycle_s = (starts_s[-1] - starts_s[0]) / (len(starts_s) - 1)
    return Round(
        share=100 * ideal_s / cycle_s,
        too_soon=sum(gap_s < spec.silence_s for gap_s in gaps_s) / len(gaps_s),
        line_late_ms=statistics.quantiles(record.late_ms, n=100)[-1],
    )


def printed(baud: int, ours: list[Round], theirs: list[Round]) -> bool:
    """Print a line of the table; whether the target is met."""
    share, other = (statistics.median(one.share for one in rounds) for rounds in (ours, theirs))
    early, other_early = (100 * statistics.fmean(one.too_soon for one in rounds) for rounds in (ours, theirs))
    late_ms = statistics.median(one.line_late_ms for one in (*ours, *theirs))
    is_met = share >= TARGETS[baud] and early == 0
    print(
        f"{baud:>7}{share:>9.1f}{other:>10.1f}{share / other:>8.3f}{early:>7.0f} %{other_early:>9.0f} %{late_ms:>10.2f}"
        f"   >= {TARGETS[baud]:g}{'' if is_met else '  MISSED'}",
        flush=True,
    )
    return is_met


async def _within(work: Awaitable[None], seconds: float) -> None:
    async with asyncio.timeout(seconds + 10):
        await work


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=1.2, help="of each round of each master")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    print("wire time as percent of the time from request to request, 20 registers; the silence that was not kept")
    print(f"{'baud':>7}{'Sen':>9}{'pymodbus':>10}{'ratio':>8}{'too soon':>9}{'pymodbus':>11}{'p99 ms':>10}   target")
    is_met = True
    for baud in TARGETS:
        ours, theirs = [], []
        for _ in range(given.rounds):
            ours.append(measured(sen, baud, given.seconds, keeps_silence=True))
            theirs.append(measured(pymodbus, baud, given.seconds, keeps_silence=False))
        is_met = printed(baud, ours, theirs) and is_met
    print("p99 ms: how late the simulated line itself was")
    if not is_met:
        sys.exit(1)


if __name__ == "__main__":
    main()
