"""Everything a gateway accepts is in the database once with its value, or in a loss that names range and reason.

Each seed is another run of the product's own code through crashes, cuts, lies and lost messages; a failure names its
seed. `python -m tests.simulation.test_delivery SEED` repeats one; with --mutants it prints how many runs each mutant
survives. `python -m tests.simulation.soak` runs many, on all cores.
"""

import os
import sys
from collections import Counter
from collections.abc import Callable

import pytest

from tests.simulation.mutants import MUTANTS
from tests.simulation.soak import soak
from tests.simulation.world import FAULTS, ViolationError, run

RUNS_IN_ALL = 2000
RUNS_AT_A_TIME = 125
MANY_RUNS = 200_000
ENOUGH_FOR_A_MUTANT = 500


@pytest.mark.parametrize("first", range(0, RUNS_IN_ALL, RUNS_AT_A_TIME))
def test_nothing_is_lost_in_silence_doubled_or_altered(first: int) -> None:
    happened: Counter[str] = Counter()
    readings = lost = 0
    for seed in range(first, first + RUNS_AT_A_TIME):
        outcome = run(seed)
        happened += outcome.faults
        readings, lost = readings + outcome.readings, lost + outcome.lost
    assert len(happened) == len(FAULTS)
    assert readings > 50 * RUNS_AT_A_TIME
    assert 0 < lost < readings / 5, "some spools were full, most were not"


@pytest.mark.soak
def test_nothing_is_lost_in_silence_doubled_or_altered_in_many_runs(say: Callable[[str], None]) -> None:
    soaked = soak(range(RUNS_IN_ALL, RUNS_IN_ALL + MANY_RUNS), processes=os.cpu_count() or 1)
    say(f"{soaked.summary()}; {soaked.lost} lost and declared, {soaked.refused} refused")
    assert not soaked.violations


def survives(name: str, patch: pytest.MonkeyPatch) -> int | None:
    """How many runs it takes to see a mutant; None where it is not seen."""
    MUTANTS[name](patch)
    for seed in range(ENOUGH_FOR_A_MUTANT):
        try:
            run(seed)
        except ViolationError:
            return seed + 1
    return None


@pytest.mark.parametrize("name", MUTANTS)
def test_the_simulation_sees_what_would_be_wrong(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert survives(name, monkeypatch) is not None


def main() -> None:
    """Repeat runs by their seeds, or print the list of mutants."""
    if sys.argv[1:2] == ["--mutants"]:
        for name in sys.argv[2:] or MUTANTS:
            with pytest.MonkeyPatch.context() as patch:
                print(f"{name:<45} {survives(name, patch)}")
    for seed in (int(word) for word in sys.argv[1:] if word.isdigit()):
        print(seed, run(seed))


if __name__ == "__main__":
    main()
