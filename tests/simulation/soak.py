"""Many runs of the simulation, on all cores: `python -m tests.simulation.soak --schedules 200000`.

Each run is named by its seed. A violation ends nothing: all are printed, each with the command that repeats it.
"""

import argparse
import gc
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import Final

from tests.simulation.world import ViolationError, run

AT_A_TIME: Final = 250
_REPEAT: Final = "python -m tests.simulation.test_delivery"


@dataclass
class Soaked:
    """What came of so many runs."""

    schedules: int = 0
    readings: int = 0
    lost: int = 0
    refused: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)

    def add(self, other: "Soaked") -> None:
        """With another's runs."""
        self.schedules += other.schedules
        self.readings += other.readings
        self.lost += other.lost
        self.refused += other.refused
        self.faults += other.faults
        self.violations += other.violations

    def summary(self) -> str:
        """In one line."""
        return (
            f"{self.schedules} schedules, {self.readings} readings, {self.faults.total()} faults, "
            f"{len(self.violations)} violations"
        )


def runs(seeds: range) -> Soaked:
    """These runs, one after the other."""
    gc.freeze()
    soaked = Soaked()
    for seed in seeds:
        soaked.schedules += 1
        try:
            outcome = run(seed)
        except ViolationError as error:
            soaked.violations.append(f"{error}\n    repeat it: {_REPEAT} {seed}")
        else:
            soaked.readings += outcome.readings
            soaked.lost += outcome.lost
            soaked.refused += outcome.refused
            soaked.faults += outcome.faults
    return soaked


def soak(seeds: range, *, processes: int, told: Callable[[Soaked], None] = lambda _: None) -> Soaked:
    """These runs, on so many processes. `told` hears how far they are."""
    soaked = Soaked()
    with ProcessPoolExecutor(processes) as pool:
        for part in pool.map(runs, _parts(seeds)):
            soaked.add(part)
            told(soaked)
    return soaked


def _parts(seeds: range) -> Iterator[range]:
    for first in range(seeds.start, seeds.stop, AT_A_TIME):
        yield range(first, min(first + AT_A_TIME, seeds.stop))


def main() -> None:
    """Run, say how far it is every now and then, and the sum at the end."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.soak", description=__doc__)
    parser.add_argument("--schedules", type=int, default=20_000, help="how many runs (20000)")
    parser.add_argument("--first", type=int, default=2000, help="the first seed (2000: the tests run those before)")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="how many at once (all cores)")
    asked = parser.parse_args()
    said = 0

    def told(soaked: Soaked) -> None:
        nonlocal said
        for violation in soaked.violations[said:]:
            print(violation, flush=True)
        said = len(soaked.violations)
        if soaked.schedules % (20 * AT_A_TIME) == 0:
            print(f"... {soaked.summary()}", file=sys.stderr, flush=True)

    soaked = soak(range(asked.first, asked.first + asked.schedules), processes=asked.processes, told=told)
    print("; ".join(f"{name} {count}" for name, count in sorted(soaked.faults.items())))
    print(soaked.summary())
    sys.exit(bool(soaked.violations))


if __name__ == "__main__":
    main()
