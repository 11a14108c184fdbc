"""What to send next, and what a commit changes. Pure: no clock, no waiting; times are given.

I1. No more batches are in flight than the hub's credit allows, nor than it commits in about a second: whatever is sent
    next waits behind them, and the present shall not wait long behind the past.
I2. A record is in flight at most once at a time; one whose commit does not come is due again.
I3. Of four sendings three are live as long as both lanes have something, so that the centre sees the present while a
    backlog drains.
I4. While the hub is silent the waits double; its first word ends that, for what waits already as well.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from wire.ranges import RangeSet
from wire.records import Batch

FIRST_CREDIT: Final = 4
_FIRST_WINDOW: Final = float(FIRST_CREDIT)
_SOON_S: Final = 0.75
FIRST_WAIT_S: Final = 30.0
LONGEST_WAIT_S: Final = 900.0
_TURNS: Final = 4
_MOST_SILENCES: Final = 64  # by then any wait has come to its longest


class Lane(StrEnum):
    """The newest records first, or the oldest."""

    LIVE = "live"
    BACKLOG = "backlog"


@dataclass(frozen=True, slots=True, kw_only=True)
class Flight:
    """A batch that was sent and is not wholly final yet. `silences` is how often the hub had been silent before."""

    epoch: int
    seqs: RangeSet
    sent_at_s: float
    due_at_s: float
    silences: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Landed:
    """What a commit changed: records that had been in flight, and how long the oldest of their batches took."""

    records: int
    delay_s: float | None


class Lanes:
    """Which batches are in flight.

    Args:
        random_unit: draws from 0 to 1, for jitter: a batch waits between half its time and all of it, so that
            gateways which heard nothing together do not send together.
        first_wait_s: how long to wait for the first commit, in seconds; doubles while none comes.
        longest_wait_s: where the doubling ends.
    """

    def __init__(
        self,
        *,
        random_unit: Callable[[], float],
        first_wait_s: float = FIRST_WAIT_S,
        longest_wait_s: float = LONGEST_WAIT_S,
    ) -> None:
        self._random_unit = random_unit
        self._first_wait_s = first_wait_s
        self._longest_wait_s = longest_wait_s
        # Changed by the methods below, one caller at a time.
        self._flights: list[Flight] = []
        self._credit = FIRST_CREDIT
        self._turn = 0
        self._silences = 0
        self._window = _FIRST_WINDOW
        self._quickest_s: float | None = None
        self._narrowed_at_s = -math.inf

    @property
    def in_flight(self) -> int:
        """How many batches wait for their commit."""
        return len(self._flights)

    @property
    def records_in_flight(self) -> int:
        """How many records they are."""
        return sum(len(flight.seqs) for flight in self._flights)

    @property
    def may_send(self) -> bool:
        """Whether another batch may leave (I1)."""
        return len(self._flights) < min(self._credit, int(self._window))

    def skip(self) -> Mapping[int, RangeSet]:
        """The records in flight, by epoch."""
        epochs = {flight.epoch for flight in self._flights}
        return {
            epoch: RangeSet.of(one for flight in self._flights if flight.epoch == epoch for one in flight.seqs.ranges)
            for epoch in epochs
        }

    def lane(self) -> Lane:
        """Whose turn it is."""
        return Lane.BACKLOG if self._turn % _TURNS == _TURNS - 1 else Lane.LIVE

    def sent(self, batch: Batch, *, now_s: float) -> None:
        """A batch is on its way."""
        ranges = [(record.seq, record.seq) for record in batch.records]
        ranges += [(loss.first, loss.last) for loss in batch.losses]
        wait_s = min(self._first_wait_s * 2.0**self._silences, self._longest_wait_s)
        self._flights.append(
            Flight(
                epoch=batch.epoch,
                seqs=RangeSet.of(ranges),
                sent_at_s=now_s,
                due_at_s=now_s + wait_s * (0.5 + 0.5 * self._random_unit()),
                silences=self._silences,
            )
        )
        self._turn += 1

    def committed(self, epoch: int, final: RangeSet, *, credit: int, now_s: float) -> Landed:
        """The hub has spoken."""
        self._credit = max(1, credit)
        if self._silences:
            self._flights = [self._due_soon(flight, now_s) for flight in self._flights]
        self._silences = 0
        left: list[Flight] = []
        records = 0
        oldest_s: float | None = None
        for flight in self._flights:
            open_seqs = flight.seqs - final if flight.epoch == epoch else flight.seqs
            if len(open_seqs) < len(flight.seqs):
                records += len(flight.seqs) - len(open_seqs)
                oldest_s = flight.sent_at_s if oldest_s is None else min(oldest_s, flight.sent_at_s)
            if open_seqs:
                left.append(replace(flight, seqs=open_seqs))
        self._flights = left
        if oldest_s is None:
            return Landed(records=records, delay_s=None)
        self._judge(sent_at_s=oldest_s, now_s=now_s)
        return Landed(records=records, delay_s=now_s - oldest_s)

    def _due_soon(self, flight: Flight, now_s: float) -> Flight:
        """It may have been sent while nobody listened; gateways that hear the hub together do not send together."""
        return replace(flight, due_at_s=min(flight.due_at_s, now_s + self._first_wait_s * self._random_unit()))

    def expire(self, *, now_s: float) -> int:
        """Make what waited too long due again; returns how many batches."""
        late = [flight for flight in self._flights if flight.due_at_s <= now_s]
        self._flights = [flight for flight in self._flights if flight.due_at_s > now_s]
        # Several batches of one silence are one silence.
        self._silences = min(max([self._silences, *(flight.silences + 1 for flight in late)]), _MOST_SILENCES)
        return len(late)

    def restart(self) -> int:
        """The connection is new: whatever was in flight may have gone with the old one. How many batches that was."""
        lost = len(self._flights)
        self._flights = []
        self._silences = 0
        self._credit = FIRST_CREDIT
        self._window, self._quickest_s = _FIRST_WINDOW, None
        return lost

    def _judge(self, *, sent_at_s: float, now_s: float) -> None:
        """A batch more for each round of commits that come soon, half as many where they do not.

        What a commit takes on this connection at the quickest is the line's time, not the queue's.
        """
        delay_s = now_s - sent_at_s
        self._quickest_s = delay_s if self._quickest_s is None else min(self._quickest_s, delay_s)
        if delay_s - self._quickest_s <= _SOON_S:
            self._window = min(self._window + 1 / self._window, self._credit)
        elif sent_at_s >= self._narrowed_at_s:  # those sent before say what is known already
            self._window = max(1.0, self._window / 2)
            self._narrowed_at_s = now_s
