"""Everything a gateway accepts is in the database once with its value, or in a loss that names range and reason.

Each seed is another run of the product's own code through crashes, cuts, lies and lost messages; a failure names its
seed. `python -m tests.simulation.test_delivery SEED` repeats one; with --mutants it prints how many runs each mutant
survives.
"""

import sys
from collections import Counter
from collections.abc import Callable

import pytest

from edge.spool import chunks
from tests.simulation.mutants import MUTANTS
from tests.simulation.near_side import decoded_once
from tests.simulation.world import FAULTS, ViolationError, run

RUNS_IN_ALL = 2000
RUNS_AT_A_TIME = 125
MANY_RUNS = 200_000
ENOUGH_FOR_A_MUTANT = 500


@pytest.fixture(autouse=True)
def _decoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same bytes are the same records: what is sent again need not be decoded again."""
    monkeypatch.setattr(chunks, "decode_batch", decoded_once)


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
@pytest.mark.parametrize("first", range(RUNS_IN_ALL, RUNS_IN_ALL + MANY_RUNS, 2000))
def test_nothing_is_lost_in_silence_doubled_or_altered_in_many_runs(first: int, say: Callable[[str], None]) -> None:
    outcomes = [run(seed) for seed in range(first, first + 2000)]
    readings, lost = (sum(getattr(one, what) for one in outcomes) for what in ("readings", "lost"))
    say(f"{len(outcomes)} runs from seed {first}: {readings} readings, {lost} lost and declared, 0 violations")


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
    if sys.argv[1:] == ["--mutants"]:
        for name in MUTANTS:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(chunks, "decode_batch", decoded_once)
                print(f"{name:<45} {survives(name, patch)}")
    for seed in (int(word) for word in sys.argv[1:] if word.isdigit()):
        print(seed, run(seed))


if __name__ == "__main__":
    main()
