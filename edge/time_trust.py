"""What time it is, on a machine whose clock may never have been set, or may jump. Pure.

Time is an anchor plus the monotonic clock, which never steps: the machine's own clock is a witness like the hub's,
heard when somebody vouches for it.

I1. Nobody's word is taken without evidence: the kernel's that it follows a time server, or the hub's clock beside ours.
    Where two witnesses are further apart than a late message explains, what continues is believed, else the earlier,
    and the time is flagged.
I2. A time that is given out as certain is never more than a second before one that was given out before.
"""

from collections import deque
from dataclasses import dataclass, replace
from typing import Final

from edge.time_anchors import EARLIEST_MS, NEVER_BACK_MS, Anchor
from wire.records import TimeQuality

_AGREES_MS: Final = 2000
_FAR_MS: Final = 300_000
_JITTER_MS: Final = 5  # of reading two clocks one after the other
_REMEMBERED_MS: Final = 3_600_000
_FRESH_MS: Final = 60_000
_PLAUSIBLE_MS: Final = 4 * 366 * 86_400_000  # ahead of all that is known, with one witness alone
_HUB_WORDS: Final = 16


@dataclass(frozen=True, slots=True)
class Moment:
    """UTC in milliseconds, and how it is known."""

    time_ms: int
    quality: TimeQuality


@dataclass(frozen=True, slots=True, kw_only=True)
class _Witnesses:
    """Offsets of UTC to the monotonic clock, by each who has one, and that of the time that was past at the start."""

    wall: int
    is_disciplined: bool
    was_set: bool
    hub: int | None
    floor: int
    at_ms: int


class TimeTrust:
    """What is known of the time.

    Args:
        floor_ms: the latest time that is known to be past.
        known: the anchor that an earlier life of the agent had in this boot of the machine.
        provisional_ms: the offset of this boot's provisional times, where an earlier life chose it.
    """

    def __init__(
        self, *, floor_ms: int = EARLIEST_MS, known: Anchor | None = None, provisional_ms: int | None = None
    ) -> None:
        # Changed by kernel_says, hub_says and moment only.
        self._anchor = known
        self._provisional_ms = provisional_ms
        self._floor_ms = floor_ms
        self._high_ms = floor_ms  # the latest time given out as certain, and that when the time last went back
        self._back_until_ms = floor_ms
        self._wall: int | None = None
        self._is_disciplined = False
        self._was_set = False
        self._hub: deque[tuple[int, int]] = deque(maxlen=_HUB_WORDS)
        self._before: tuple[int, int] | None = None  # the offset before the last change, and when that was

    @property
    def anchor(self) -> Anchor | None:
        """What monotonic time is turned into UTC by; None while nobody knows the time."""
        return self._anchor

    @property
    def provisional_ms(self) -> int:
        """The offset of times that are given out until somebody knows better."""
        return self._high_ms if self._provisional_ms is None else self._provisional_ms

    @property
    def floor_ms(self) -> int:
        """The latest certain time."""
        return self._high_ms

    @property
    def hub_ahead_ms(self) -> int | None:
        """How far the hub's clock is ahead of the machine's own, by its last word; None where one of them is silent."""
        return None if self._wall is None or not self._hub else self._hub[-1][1] - self._wall

    @property
    def machine_behind_s(self) -> float | None:
        """How far the machine's own clock is behind the time that is believed; None where nothing is."""
        if self._wall is None or self._anchor is None:
            return None
        return (self._anchor.offset_ms - self._wall) / 1000

    def kernel_says(self, *, is_disciplined: bool, now_ms: int, at_s: float) -> None:
        """The machine's own clock, and whether the kernel follows a time server.

        Args:
            is_disciplined: whether it does.
            now_ms: the machine's UTC clock.
            at_s: the same moment in monotonic seconds.
        """
        wall, at_ms = now_ms - round(1000 * at_s), round(1000 * at_s)
        if self._provisional_ms is None:
            self._provisional_ms = max(now_ms, self._high_ms) - at_ms
        if self._wall is not None and abs(wall - self._wall) > _AGREES_MS:
            self._was_set = True
        self._wall, self._is_disciplined = wall, is_disciplined
        self._reconsider(at_ms)

    def hub_says(self, hub_ms: int, *, at_s: float) -> None:
        """The hub has told its time. A message may be on its way for long: the most advanced of its last words counts.

        Args:
            hub_ms: the hub's UTC clock when it sent.
            at_s: when it came, in monotonic seconds.
        """
        at_ms = round(1000 * at_s)
        self._hub.append((at_ms, hub_ms - at_ms))
        self._reconsider(at_ms)

    def moment(self, at_s: float) -> Moment:
        """The time at a moment that is not long past, in monotonic seconds."""
        at_ms = round(1000 * at_s)
        if self._anchor is None:
            return Moment(at_ms + self.provisional_ms, TimeQuality.UNANCHORED)
        moment = self._flagged(at_ms + self._anchor.offset_ms, self._anchor, at_ms)
        if moment.quality is TimeQuality.SYNCED:
            self._high_ms = max(self._high_ms, moment.time_ms)
        return moment

    def stamped(self, time_ms: int, *, at_s: float) -> Moment:
        """The time of a reading that was made a moment ago, by `moment` as it was then.

        Where the anchor has changed since, the reading belongs to the new one: it was not accepted yet.

        Args:
            time_ms: the reading's time.
            at_s: now, in monotonic seconds.
        """
        now, at_ms = self.moment(at_s), round(1000 * at_s)
        age_ms = now.time_ms - time_ms
        if self._before is not None:
            offset, changed_at_ms = self._before
            age_before_ms = at_ms + offset - time_ms
            if at_ms - age_before_ms < changed_at_ms and not 0 <= age_ms < age_before_ms:
                age_ms = age_before_ms
        if not 0 <= age_ms <= _FRESH_MS:
            age_ms = 0  # no time that was given out here
        if self._anchor is None:
            return Moment(now.time_ms - age_ms, now.quality)
        return self._flagged(now.time_ms - age_ms, self._anchor, at_ms)

    def _flagged(self, time_ms: int, anchor: Anchor, at_ms: int) -> Moment:
        """With the anchor's quality, or less: what was confirmed long ago, or lies before what was certain already."""
        is_sure = at_ms - anchor.at_ms <= _REMEMBERED_MS and time_ms >= self._back_until_ms - NEVER_BACK_MS
        return Moment(time_ms, anchor.quality if is_sure else max(anchor.quality, TimeQuality.ESTIMATED))

    def _reconsider(self, at_ms: int) -> None:
        if self._wall is None:
            return
        floor = self._floor_ms - at_ms
        heard = [offset for said_ms, offset in self._hub if at_ms - said_ms <= _REMEMBERED_MS]
        witnesses = _Witnesses(
            wall=self._wall,
            is_disciplined=self._is_disciplined and self._wall + at_ms >= EARLIEST_MS,
            was_set=self._was_set,
            hub=max((offset for offset in heard if offset >= floor - _FAR_MS), default=None),
            floor=floor,
            at_ms=at_ms,
        )
        before, self._anchor = self._anchor, _believed(self._anchor, witnesses)
        old = self.provisional_ms if before is None else before.offset_ms
        if self._anchor is not None and self._anchor.offset_ms != old:
            self._before = (old, at_ms)
            if self._anchor.offset_ms < old:
                self._back_until_ms = self._high_ms


def _believed(before: Anchor | None, said: _Witnesses) -> Anchor | None:
    """The anchor by all that is known. A hub that tells a time long past is no witness, and has been left out."""
    if said.is_disciplined:
        return _by_time_server(before, said)
    if said.hub is not None:
        return _by_hub(before, said, said.hub)
    if before is None and said.was_set and said.floor <= said.wall <= said.floor + _PLAUSIBLE_MS:
        return _anchor(said.wall, TimeQuality.ESTIMATED, said)
    return before


def _by_time_server(before: Anchor | None, said: _Witnesses) -> Anchor:
    is_vouched = before is not None and before.is_vouched
    if said.hub is not None and abs(said.wall - said.hub) <= _FAR_MS:
        return _certain(before, said)
    if before is not None and is_vouched:
        if said.hub is None and abs(said.wall - before.offset_ms) <= _FAR_MS:
            return _certain(before, said)
        return replace(before, quality=TimeQuality.ESTIMATED)  # a jump, or a contradiction, that nobody else decides
    if said.hub is None and said.wall <= said.floor + _PLAUSIBLE_MS:
        return _certain(before, said)
    possible = [one for one in (said.wall, said.hub) if one is not None and one >= said.floor]
    return _anchor(min(possible, default=said.wall), TimeQuality.ESTIMATED, said)


def _by_hub(before: Anchor | None, said: _Witnesses, hub: int) -> Anchor:
    """No time server vouches for our clock: the hub's word."""
    if abs(said.wall - hub) <= _AGREES_MS:
        return _certain(before, said)
    if before is not None and abs(hub - before.offset_ms) <= _AGREES_MS:
        quality = TimeQuality.SYNCED if before.is_vouched else TimeQuality.ESTIMATED
        return replace(before, quality=quality, at_ms=said.at_ms)
    if before is not None and before.is_vouched:
        return replace(before, quality=TimeQuality.ESTIMATED)
    return _anchor(hub, TimeQuality.ESTIMATED, said)


def _certain(before: Anchor | None, said: _Witnesses) -> Anchor:
    """Our own clock, vouched for. What is only jitter moves nothing."""
    is_same = before is not None and abs(said.wall - before.offset_ms) <= _JITTER_MS
    offset = before.offset_ms if before is not None and is_same else said.wall
    return Anchor(offset_ms=offset, quality=TimeQuality.SYNCED, at_ms=said.at_ms, is_vouched=True)


def _anchor(offset: int, quality: TimeQuality, said: _Witnesses) -> Anchor:
    return Anchor(offset_ms=offset, quality=quality, at_ms=said.at_ms)
