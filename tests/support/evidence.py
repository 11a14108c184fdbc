"""What the database holds of a counting device, judged against what the device answered. Pure.

Counter `k` of the `n`-th answer is `n * 8 + k`, so each stored row says which answer it is. Of what is missing, each
answer has a reason, or is a silent loss:

- its gateway was killed or told to end before it could accept it;
- it came too late, and the device was asked again: one answer, or a few around a stored "no answer".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from tests.support.counting_field import COUNTERS, counters_of

# One row as the database gives it.
Row = Mapping[str, Any]

_NS_PER_MS = 1_000_000
_CLOCKS_DIFFER_MS = 20
_ASKED_AGAIN = 1  # a reading has two tries
_ASKED_AROUND_A_FAILURE = 2  # two tries, or a probe and the reading that follows


@dataclass
class Verdict:
    """What became of the answers of one device, or of several together; `lacking` ones have no other reason."""

    rows: int = 0
    good: int = 0
    never_accepted: int = 0
    asked_again: int = 0
    lacking: int = 0
    silently_lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def __add__(self, other: Self) -> "Verdict":
        return Verdict(
            rows=self.rows + other.rows,
            good=self.good + other.good,
            never_accepted=self.never_accepted + other.never_accepted,
            asked_again=self.asked_again + other.asked_again,
            lacking=self.lacking + other.lacking,
            silently_lost=self.silently_lost + other.silently_lost,
            doubled=self.doubled + other.doubled,
            wrong=self.wrong + other.wrong,
        )

    @property
    def is_clean(self) -> bool:
        """Whether nothing is lost in silence, doubled or wrong."""
        return not (self.silently_lost or self.doubled or self.wrong)


def judged(device: str, rows: Sequence[Row], *, answers: int, mode: str, ends_ms: Sequence[float]) -> Verdict:
    """The verdict on one device.

    Args:
        device: its name, for what is found.
        rows: what is stored of it, in the order of time.
        answers: how often it has answered.
        mode: what each row must be marked with.
        ends_ms: when its gateway was killed or told to end, in ms since 1970.
    """
    verdict = Verdict(rows=len(rows))
    seen: set[int] = set()
    before, before_ms, failures = 0, 0.0, 0
    for row in rows:
        at_ms = row["time"] / _NS_PER_MS
        answer = answer_of(row)
        if answer is None or row["mode"] != mode:
            verdict.wrong.append(f"{device}: {dict(row)}")
        elif answer == 0:
            failures += 1
        elif answer in seen:
            verdict.doubled.append(f"{device}: answer {answer} is stored twice, again at {at_ms:.0f} ms")
        elif not before < answer <= answers:
            verdict.wrong.append(f"{device}: answer {answer} after {before}, of {answers}")
        else:
            seen.add(answer)
            _explain(verdict, device, before, answer, failures=failures, ended=_any_within(ends_ms, before_ms, at_ms))
            before, before_ms, failures = answer, at_ms, 0
    ended = _any_within(ends_ms, before_ms, float("inf"))
    _explain(verdict, device, before, answers + 1, failures=failures, ended=ended)
    verdict.good = len(seen)
    return verdict


def answer_of(row: Row) -> int | None:
    """Which answer a row holds; 0 where it says that there was none, None where it is not of one answer."""
    found = [row.get(f"pulses_{k}") for k in range(COUNTERS)]
    if found == [None] * COUNTERS:
        return 0 if row["quality"] > 0 else None
    if found[0] is None:
        return None
    answer = int(found[0]) // COUNTERS
    return answer if answer and tuple(found) == counters_of(answer) else None


def _explain(verdict: Verdict, device: str, before: int, answer: int, *, failures: int, ended: bool) -> None:
    missing = answer - before - 1
    if ended:
        verdict.never_accepted += missing
    elif missing <= _ASKED_AGAIN + _ASKED_AROUND_A_FAILURE * failures:
        verdict.asked_again += missing
    else:
        verdict.lacking += missing
        verdict.silently_lost.append(f"{device}: answers {before + 1} to {answer - 1}")


def _any_within(moments_ms: Sequence[float], first_ms: float, last_ms: float) -> bool:
    return any(first_ms - _CLOCKS_DIFFER_MS <= moment <= last_ms + _CLOCKS_DIFFER_MS for moment in moments_ms)
