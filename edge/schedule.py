"""Whose turn it is on a bus. Pure: it is told the time and never waits.

A turn is one exchange: a request and its answer, or its timeout. Turns cannot be interrupted.

I1. Among those with a deadline the earliest goes first. Nobody else's turn begins where by it a deadline would be
    missed, as far as the known costs tell, unless he has waited his patience out.
I2. While others are to be read, what sick devices lose is at most a twentieth of the bus's time.
I3. An operator waits for one turn at most, and of two turns in a row one is somebody else's who is due.
"""

import heapq
import itertools
import math
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

SICK_SHARE: Final = 0.05
_SAVED_S: Final = 1.0  # how much unused allowance is kept: enough for a long timeout, too little to starve others
_ROUNDING_S: Final = 1e-6


class Lane(IntEnum):
    """Who wants a turn: a person, a group with a period, one that just failed, a sick device, work that has time."""

    OPERATOR = 0
    PERIODIC = 1
    AGAIN = 2
    SICK = 3
    BACKGROUND = 4


_WITH_DEADLINES: Final = (Lane.PERIODIC, Lane.AGAIN)
# How long a turn is put off for the sake of deadlines, at least.
_PATIENCE_S: Final = {Lane.AGAIN: 1.0, Lane.SICK: 30.0, Lane.BACKGROUND: 1.0}
_LONGEST_PATIENCE_S: Final = 5.0  # a person waits for a scan of hundreds of turns


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a turn led to: whether its task wants more of them, and how much bus time was lost by sickness."""

    is_over: bool
    lost_s: float = 0.0


@dataclass(slots=True, kw_only=True, eq=False)
class Task:
    """Somebody who wants turns: none before `release_s`, all of them by `deadline_s`.

    `work_s` is the bus time that what is left of it takes. `take` uses the bus once; it may change the times and the
    lane, which count when the task is added again. `put_off_s` is the schedule's: since when it could have gone but for
    the deadlines of others.
    """

    lane: Lane
    release_s: float
    deadline_s: float
    work_s: float
    take: Callable[[], Awaitable[Outcome]]
    put_off_s: float = math.inf


class Allowance:
    """Bus time that sickness may cost: it grows with time, and a little of it can be saved."""

    def __init__(self, share: float = SICK_SHARE, saved_s: float = _SAVED_S) -> None:
        self._share = share
        self._saved_s = saved_s
        # Changed by spend only: what there was, and when.
        self._level_s = saved_s
        self._at_s = -math.inf

    def spend(self, seconds: float, *, now_s: float) -> None:
        """Take so much; more than there is makes a debt."""
        self._level_s = self._left_s(now_s) - seconds
        self._at_s = now_s

    def enough_from_s(self, seconds: float, *, now_s: float) -> float:
        """When there is as much (or all that can be saved): now, or later."""
        missing_s = min(seconds, self._saved_s) - self._left_s(now_s)
        return now_s if missing_s <= _ROUNDING_S else now_s + missing_s / self._share

    def _left_s(self, now_s: float) -> float:
        if self._at_s == -math.inf:
            return self._level_s
        return min(self._saved_s, self._level_s + (now_s - self._at_s) * self._share)


class BusSchedule:
    """The tasks of one bus that wait for a turn."""

    def __init__(self) -> None:
        self._order = itertools.count()
        self._allowance = Allowance()
        # Changed by add and next only. Sorted by release, and by what is most urgent in each lane.
        self._coming: list[tuple[float, int, Task]] = []
        self._ready: dict[Lane, list[tuple[float, int, Task]]] = {lane: [] for lane in Lane}
        self._operator_went = False

    def add(self, task: Task) -> None:
        """Let a task wait for its turn."""
        task.put_off_s = math.inf
        heapq.heappush(self._coming, (task.release_s, next(self._order), task))

    def next(self, now_s: float) -> Task | None:
        """The task whose turn it is, which waits no longer; None where nobody may go now."""
        self._release(now_s)
        lane = self._lane(now_s)
        if lane is None:
            return None
        self._operator_went = lane is Lane.OPERATOR
        return heapq.heappop(self._ready[lane])[2]

    def wake_s(self, now_s: float) -> float:
        """When to ask again although nothing has changed; infinity where nobody waits."""
        moments = [self._coming[0][0]] if self._coming else []
        for lane in _PATIENCE_S:
            for _, _, task in self._ready[lane][:1]:
                # Slack comes with the turns of others, after which the question is asked anyway.
                enough_s = self._enough_from_s(task, now_s)
                moments.append(enough_s if enough_s > now_s else task.put_off_s + _patience_s(task))
        return min(moments, default=math.inf)

    def lost(self, seconds: float, *, now_s: float) -> None:
        """A turn has lost so much bus time by sickness."""
        if seconds > 0:
            self._allowance.spend(seconds, now_s=now_s)

    def _release(self, now_s: float) -> None:
        while self._coming and self._coming[0][0] <= now_s:
            _, number, task = heapq.heappop(self._coming)
            urgency_s = task.deadline_s if task.lane in _WITH_DEADLINES else task.release_s
            heapq.heappush(self._ready[task.lane], (urgency_s, number, task))

    def _lane(self, now_s: float) -> Lane | None:
        """Whose first may go now."""
        ready = self._ready
        others = bool(ready[Lane.PERIODIC] or ready[Lane.SICK] or ready[Lane.BACKGROUND])
        if ready[Lane.OPERATOR] and not (self._operator_went and others):
            return Lane.OPERATOR
        impatient = self._first_of(lambda task: self._is_impatient(task, now_s))
        if impatient is not None:
            return impatient
        if ready[Lane.PERIODIC]:
            return Lane.PERIODIC
        idle = self._first_of(lambda task: self._fits(task, now_s))
        return Lane.OPERATOR if idle is None and ready[Lane.OPERATOR] else idle

    def _first_of(self, may_go: Callable[[Task], bool]) -> Lane | None:
        """The lane, of those without deadlines, whose first may go."""
        return next((lane for lane in _PATIENCE_S if self._ready[lane] and may_go(self._ready[lane][0][2])), None)

    def _is_impatient(self, task: Task, now_s: float) -> bool:
        if self._enough_from_s(task, now_s) > now_s:
            return False
        task.put_off_s = min(task.put_off_s, now_s)
        return task.put_off_s + _patience_s(task) <= now_s

    def _fits(self, task: Task, now_s: float) -> bool:
        """Whether its turn may begin: it is not too dear, and every deadline that is known can be kept after it."""
        if self._enough_from_s(task, now_s) > now_s:
            return False
        at_s = now_s + task.work_s
        if task.lane is Lane.SICK:  # while its turn lasts, the patience of work that has time may end
            at_s += max((one.work_s for _, _, one in self._ready[Lane.BACKGROUND][:1]), default=0.0)
        for deadline_s, work_s in sorted((one.deadline_s, one.work_s) for one in self._periodic()):
            at_s += work_s
            if at_s > deadline_s:
                return False
        return True

    def _enough_from_s(self, task: Task, now_s: float) -> float:
        """When a sick device's turn can be paid; at once where there is nobody to be protected from it."""
        if task.lane is not Lane.SICK or next(self._periodic(), None) is None:
            return now_s
        return self._allowance.enough_from_s(task.work_s, now_s=now_s)

    def _periodic(self) -> Iterator[Task]:
        for _, _, task in itertools.chain(self._ready[Lane.PERIODIC], self._coming):
            if task.lane is Lane.PERIODIC:
                yield task


def _patience_s(task: Task) -> float:
    """How long its turn is put off: the longer it lasts the longer, where it has time."""
    patience_s = _PATIENCE_S[task.lane]
    if task.lane is not Lane.BACKGROUND:
        return patience_s
    return max(patience_s, min(task.work_s / SICK_SHARE, _LONGEST_PATIENCE_S))
