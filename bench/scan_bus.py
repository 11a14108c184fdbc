"""How long a technician waits for `sen-edge scan`: every address of a bus asked, its devices found and recognised.

Five devices, among them a slow one and one that answers while the next address is asked, on a simulated line that is
true to the character (`timed_bus.py`). The whole command is timed, from typing it to its end: starting Python, asking
247 addresses, and recognising each device among all profiles of the library.

The naive scan asks the same 247 addresses on a line of its own, one register each with a second's patience, as most
programs do it: pymodbus, no retries. It finds addresses only.

The second line is at 19200 baud, which the technician does not know: `--guess` says what it tries.
"""

import argparse
import asyncio
import json
import logging
import subprocess
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pymodbus.client import AsyncModbusSerialClient
from pymodbus.exceptions import ModbusException

from bench.rs485_line import LineSpec, Unit
from bench.timed_bus import ROOT, TimedBus
from device_profiles.library import load_capture, load_profile

BAUD: Final = 9600
UNKNOWN_BAUD: Final = 19200
ALL_UNITS: Final = range(1, 248)
PATIENCE_S: Final = 1.0
TARGET_S: Final = 60.0
DEVICES: Final = {
    1: ("eastron/sdm120", 0.015),
    17: ("generic/xy-md02", 0.07),  # speaks when 18 is asked
    44: ("peacefair/pzem-004t", 0.02),
    100: ("yosemitech/y4000", 0.3),  # slow
    247: ("abb/b23", 0.01),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """One scan: how long it took, and who was found as what (None where the scan does not say)."""

    seconds: float
    found: Mapping[int, str | None]


def spec(baud: int) -> LineSpec:
    """The line with all devices."""
    units = tuple(
        Unit(unit=unit, profile=load_profile(name), latency_s=latency_s, values=captured(name))
        for unit, (name, latency_s) in DEVICES.items()
    )
    return LineSpec(baud=baud, units=units, is_speed_set=True)


def captured(profile: str) -> dict[str, float]:
    """The last good values of a profile's capture."""
    return {
        key: number
        for exchange in load_capture(profile).exchanges
        for key, number in exchange.expect.items()
        if number is not None and exchange.quality.get(key, "good") == "good"
    }


def by_command(port: Path, *arguments: str) -> Scan:
    """`sen-edge scan` as a technician types it."""
    command = [sys.executable, "-m", "edge", "scan", "--port", str(port), "--json", *arguments]
    begun_s = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - begun_s
    sys.stderr.write(done.stderr if done.returncode else "")
    scans = json.loads(done.stdout)["scans"] if done.stdout else []
    found = {
        one["unit"]["unit"]: one["fits"][0]["profile"] if one["fits"] else None
        for scan in scans
        for one in scan["units"]
    }
    return Scan(seconds=seconds, found=found)


async def naive(port: Path) -> Scan:
    """Each address asked for one register, with a second's patience."""
    client = AsyncModbusSerialClient(str(port), baudrate=BAUD, timeout=PATIENCE_S, retries=0)
    begun_s = time.monotonic()
    found: dict[int, str | None] = {}
    for unit in ALL_UNITS:
        await client.connect()  # it closes the port where nobody answers
        try:
            await client.read_holding_registers(0, count=1, device_id=unit)  # an exception is an answer too
            found[unit] = None
        except ModbusException:
            continue
    client.close()
    return Scan(seconds=time.monotonic() - begun_s, found=found)


def guessed() -> tuple[float, str]:
    """A scan of a line of which nothing is known: how long it took, and what it printed."""
    with TimedBus(spec(UNKNOWN_BAUD)) as bus:
        begun_s = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "edge", "scan", "--port", str(bus.port), "--guess"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        return time.monotonic() - begun_s, done.stdout + done.stderr


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--no-naive", action="store_true", help="leave out the naive scan, which takes 4 minutes")
    is_compared = not parser.parse_args().no_naive
    logging.disable(logging.CRITICAL)  # pymodbus tells of each silent address
    with TimedBus(spec(BAUD)) as line, TimedBus(spec(BAUD)) as other, ThreadPoolExecutor() as threads:
        waiting = threads.submit(asyncio.run, naive(other.port)) if is_compared else None
        ours = by_command(line.port)
        guess_s, said = guessed()
        theirs = waiting.result() if waiting is not None else None
    print(said.rstrip())
    print(f"the command took {guess_s:.1f} s\n")
    if not printed(ours, theirs):
        sys.exit(1)


def printed(ours: Scan, theirs: Scan | None) -> bool:
    """The table; whether all were found in time and recognised."""
    known = {unit: name for unit, (name, _) in DEVICES.items()}
    print(f"| {len(DEVICES)} devices, {len(ALL_UNITS)} addresses, {BAUD} baud | found | recognised | seconds |")
    print("|---|---|---|---|")
    recognised = sum(ours.found.get(unit) == name for unit, name in known.items())
    print(f"| sen-edge scan, whole command | {len(ours.found)} | {recognised} | {ours.seconds:.1f} |")
    if theirs is not None:
        print(f"| one register, 1 s patience | {len(theirs.found)} | - | {theirs.seconds:.1f} |")
        print(f"\nratio {theirs.seconds / ours.seconds:.1f}, target: below {TARGET_S:g} s, all found")
    return ours.found == known and ours.seconds < TARGET_S


if __name__ == "__main__":
    main()
