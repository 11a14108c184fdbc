"""Whatever part of what was not yet synced reaches the disk when the power goes: nothing accepted is lost (I1 to I4).

The real spool on a disk that loses power at any of its operations, while it appends, begins a segment, cleans one,
gives one up, or writes what is final; of the writes since the last sync any sectors survive, in any order, whole or
torn. Each state is opened and all it holds is taken out of it.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import count

import pytest

from edge.spool import chunks
from edge.spool.base import Reading
from edge.spool.segment_spool import SegmentSpool
from tests.support.fake_disk import FakeDisk
from tests.support.readings import START_MS, reading, wide_readings
from tests.support.spools import GATEWAY, held
from wire.codec import decode_batch
from wire.ranges import RangeSet
from wire.records import LossReason

# Segments of one page or of four: in the smaller ones most of what is written begins a segment.
LAYOUTS = ((5, 4096), (4, 4096), (4, 16 * 1024))
CUTS_EACH = 6
STATES_EACH = 48
STATES = 4000
MANY_STATES = 120_000


@pytest.fixture(autouse=True)
def _decoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same bytes are the same records: most of a disk is as it was in the state before."""
    monkeypatch.setattr(chunks, "decode_batch", lru_cache(maxsize=4096)(decode_batch))


class PowerCutError(Exception):
    """The machine is off."""


@dataclass
class Life:
    """What a spool has promised: what it accepted, what it was allowed to forget, and what is under way."""

    chance: random.Random
    max_bytes: int
    widest: int
    accepted: dict[tuple[int, int], Reading] = field(default_factory=dict)
    finished: set[tuple[int, int]] = field(default_factory=set)
    offered: list[Reading] = field(default_factory=list)
    torn: list[Reading] = field(default_factory=list)
    epochs: set[int] = field(default_factory=set)

    def opened(self, disk: FakeDisk) -> SegmentSpool:
        spool = SegmentSpool.on(
            disk, "test", gateway=GATEWAY, max_bytes=self.max_bytes, random_u64=lambda: self.chance.getrandbits(64)
        )
        epoch = spool.state().epoch
        assert epoch not in self.epochs, "I2: an epoch was used twice"
        return spool

    def run(self, disk: FakeDisk) -> None:
        """Accept and forget until the power goes."""
        spool = self.opened(disk)
        epoch = spool.state().epoch
        self.epochs.add(epoch)
        self.torn += self.offered
        self.offered = []
        while True:
            if self.chance.random() < 0.7:
                self.offered = self._some()
                first, _ = spool.accept(self.offered)
                self.accepted.update({(epoch, seq): one for seq, one in enumerate(self.offered, first)})
                self.offered = []
            elif self.accepted:
                of, seq = self.chance.choice(list(self.accepted)[-200:])
                final = RangeSet(((max(1, seq - self.chance.randint(0, 60)), seq + self.chance.randint(0, 9)),))
                known = {key for key in self.accepted if key[0] == of and key[1] in final}
                self.finished |= known
                spool.finish(of, final)

    def _some(self) -> list[Reading]:
        if self.chance.random() < 0.1:
            return wide_readings(self.chance.randint(1, self.widest), seed=self.chance.getrandbits(30))
        several, at_ms = self.chance.randint(1, 9), START_MS + self.chance.randint(0, 10**7)
        return [reading(device=f"d{n % 3}", value=self.chance.random(), time_ms=at_ms + n) for n in range(several)]

    def check(self, disk: FakeDisk) -> None:
        """Everything accepted is there with its content, was finished, or is declared lost: the spool is full."""
        spool = self.opened(disk)
        found = held(spool)
        state = spool.state()
        there, lost = found.readings.keys(), found.lost.keys()
        vanished = self.accepted.keys() - self.finished - there - lost
        assert not vanished, f"{vanished} vanished"
        given_up = {found.lost[key] for key in lost & (self.accepted.keys() - self.finished)}
        assert given_up <= {LossReason.FULL}
        altered = [key for key in there & self.accepted.keys() if found.readings[key] != self.accepted[key]]
        assert not altered, f"{altered} were altered"
        for key in there - self.accepted.keys():
            assert found.readings[key] in [*self.torn, *self.offered], f"{key} was never offered"
        assert state.in_flight == len(found.readings) + len(found.lost)
        assert state.accepted_total == state.final_total + state.in_flight


@dataclass
class Examined:
    """What was looked at: the different states, and in how many of them a segment had been begun and not synced."""

    states: int = 0
    begun: int = 0


def is_beginning(disk: FakeDisk) -> bool:
    return any(offset == 0 for writes in disk.unsynced.values() for offset, _ in writes)


def lives(seed: int) -> Iterator[tuple[Life, FakeDisk]]:
    """Spools at the moment of a power cut, several cuts in a row on each."""
    for run in count():
        chance = random.Random(f"{seed}-{run}")
        segments, segment_bytes = chance.choice(LAYOUTS)
        life, disk = Life(chance=chance, max_bytes=segments * segment_bytes, widest=segment_bytes // 4096), FakeDisk()
        for slot in range(1, 1 + chance.randint(3, segments)):
            disk.create(f"segment-{slot:05d}", segment_bytes)
        for _ in range(CUTS_EACH):
            left = chance.randint(2, 50) if chance.random() < 0.8 else chance.randint(50, 300)

            def before(operation: str) -> None:
                nonlocal left
                left -= operation in {"sync", "create"}
                if left < 0:
                    raise PowerCutError

            disk.before = before
            with suppress(PowerCutError):
                life.run(disk)
            yield life, disk
            disk = disk.after_power_cut(chance)


def check_states(seed: int, most: int) -> Examined:
    examined = Examined()
    for life, disk in lives(seed):
        begins = is_beginning(disk)
        for state in disk.states_after_power_cut(life.chance, STATES_EACH):
            life.check(state)
            examined.states += 1
            examined.begun += begins
        if examined.states >= most:
            print(f"\n{examined.states} power-cut states, {examined.begun} of them with a segment half begun")
            return examined
    return examined


def test_i1_no_power_cut_loses_what_was_accepted() -> None:
    examined = check_states(20261123, STATES)
    assert examined.begun > STATES / 10


@pytest.mark.soak
def test_i1_none_of_many_power_cuts_loses_what_was_accepted(say: Callable[[str], None]) -> None:
    examined = check_states(7, MANY_STATES)
    assert examined.begun > MANY_STATES / 10
    say(f"{MANY_STATES} states after power cuts: nothing accepted is lost")
