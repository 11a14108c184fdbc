"""What befalls a delivery chain, and in which order: drawn from a seed. Pure.

A deck holds every mishap once or several times, so that each happens to each part; it is shuffled, and shuffled again
when it is used up.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tests.support.faulty_line import Fault, breaking_after, delayed, sliced, swallowed, throttled

KILLS_A_DECK: Final = 4
_AWAITED: Final = 0.75


class Deed(StrEnum):
    """What is done to a process."""

    KILL = "kill"
    FORGET = "kill and wipe"
    FREEZE = "freeze"


CUT: Final = "cut"
FAULTS: Final[Mapping[str, Fault]] = {
    "delay": delayed(0.3),
    "half-open": swallowed,
    "throttle": throttled(8000),
    "slicer": sliced(3),
    "reset": breaking_after(3000),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mishap:
    """A deed to one process, which is away for a while; meanwhile perhaps a fault of one line. Times in seconds.

    `is_awaited`: it hits the process at work, not while it starts.
    """

    deed: Deed
    victim: str
    is_awaited: bool
    line: str | None
    fault: str | None
    away_s: float
    after_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Paces:
    """The longest that a process is away, and the shortest and longest time until the next mishap, in seconds."""

    away_s: float
    after_s: tuple[float, float]


def mishaps(
    chance: random.Random, *, processes: Sequence[str], forgetful: str | None, lines: Sequence[str], paces: Paces
) -> Iterator[Mishap]:
    """Mishaps without end; `forgetful` is the process that may lose what it keeps, if one may."""
    while True:
        deeds = [(Deed.KILL, victim) for victim in processes for _ in range(KILLS_A_DECK)]
        if forgetful is not None:
            deeds += [(Deed.FORGET, forgetful)] * (KILLS_A_DECK // 2)
        deeds += [(Deed.FREEZE, victim) for victim in processes]
        troubles: list[tuple[str | None, str | None]] = [(line, fault) for line in lines for fault in (CUT, *FAULTS)]
        troubles += [(None, None)] * (len(deeds) - len(troubles))
        chance.shuffle(deeds)
        chance.shuffle(troubles)
        for (deed, victim), (line, fault) in zip(deeds, troubles, strict=False):
            yield Mishap(
                deed=deed,
                victim=victim,
                is_awaited=chance.random() < _AWAITED,
                line=line,
                fault=fault,
                away_s=chance.uniform(0.0, paces.away_s),
                after_s=chance.uniform(*paces.after_s),
            )
