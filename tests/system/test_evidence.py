"""The judge of the chaos tests sees what it is there to see: a row that lacks, one too many, one that is not so."""

from collections.abc import Sequence
from typing import Any

import pytest

from tests.support.counting_field import counters_of
from tests.support.evidence import Verdict, judged

NS_PER_MS = 1_000_000
EVERY_MS = 200


def row(answer: int) -> dict[str, Any]:
    """The row of an answer, as the database gives it; each has its own time."""
    values = {f"pulses_{k}": float(value) for k, value in enumerate(counters_of(answer))}
    return {"time": answer * EVERY_MS * NS_PER_MS, "mode": "simulated", "quality": 0, **values}


def failure(after: int) -> dict[str, Any]:
    """The row of a reading without an answer."""
    nothing = {f"pulses_{k}": None for k in range(8)}
    return {"time": (after * EVERY_MS + 1) * NS_PER_MS, "mode": "simulated", "quality": 3, **nothing}


def verdict(rows: Sequence[dict[str, Any]], *, ends_ms: Sequence[float] = (10.5 * EVERY_MS,)) -> Verdict:
    """The verdict where the device answered ten times before its gateway was told to end."""
    return judged("d", rows, answers=10, mode="simulated", ends_ms=ends_ms)


def rows_but(*missing: int) -> list[dict[str, Any]]:
    return [row(answer) for answer in range(1, 11) if answer not in missing]


def test_all_answers_once_are_a_clean_verdict() -> None:
    found = verdict(rows_but())
    assert found.is_clean
    assert (found.rows, found.good, found.never_accepted, found.asked_again) == (10, 10, 0, 0)


@pytest.mark.parametrize("missing", [(1, 2), (5, 6), (3, 4, 5, 6, 7)])
def test_answers_that_lack_while_their_gateway_runs_are_a_silent_loss(missing: tuple[int, ...]) -> None:
    found = verdict(rows_but(*missing))
    assert found.silently_lost == [f"d: answers {missing[0]} to {missing[-1]}"]


def test_answers_that_lack_at_the_end_without_an_end_of_their_gateway_are_a_silent_loss() -> None:
    assert verdict(rows_but(9, 10), ends_ms=()).silently_lost == ["d: answers 9 to 10"]


def test_answers_that_lack_where_their_gateway_was_killed_were_never_accepted() -> None:
    found = verdict(rows_but(5, 6, 7), ends_ms=[7.5 * EVERY_MS])
    assert found.is_clean
    assert found.never_accepted == 3


def test_an_answer_too_late_is_asked_again() -> None:
    assert verdict(rows_but(5)).asked_again == 1
    around = sorted([*rows_but(5, 6, 7), failure(5)], key=lambda one: int(one["time"]))
    found = verdict(around)
    assert found.is_clean
    assert found.asked_again == 3


def test_an_answer_stored_twice_is_named() -> None:
    again = row(4) | {"time": row(4)["time"] + 1}
    assert verdict([*rows_but()[:4], again, *rows_but()[4:]]).doubled


@pytest.mark.parametrize(
    "change",
    [
        {"pulses_3": 1.0},
        {"pulses_7": None},
        {"pulses_0": None},
        {"mode": "live"},
        {f"pulses_{k}": float(value) for k, value in enumerate(counters_of(11))},
        {f"pulses_{k}": None for k in range(8)},
    ],
    ids=["another value", "one value lacks", "the first value lacks", "live", "never answered", "nothing, but good"],
)
def test_a_row_that_is_not_of_one_answer_is_wrong(change: dict[str, Any]) -> None:
    rows = rows_but()
    rows[-1] |= change
    assert len(verdict(rows).wrong) == 1


def test_answers_out_of_order_are_wrong() -> None:
    rows = rows_but()
    rows[4]["time"], rows[5]["time"] = rows[5]["time"], rows[4]["time"]
    assert verdict(sorted(rows, key=lambda one: int(one["time"]))).wrong
