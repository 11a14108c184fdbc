"""Whatever part of what was not yet synced reaches the disk when the power goes: nothing accepted is lost (I1 to I4).

The real spool on a disk that loses power at any of its operations; of the writes since the last sync any sectors
survive.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache

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

SMALL_BYTES = 64 * 1024
CUTS_EACH = 4
STATES_EACH = 8
STATES = 3000
MANY_STATES = 100_000


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
    accepted: dict[tuple[int, int], Reading] = field(default_factory=dict)
    finished: set[tuple[int, int]] = field(default_factory=set)
    offered: list[Reading] = field(default_factory=list)
    torn: list[Reading] = field(default_factory=list)
    epochs: set[int] = field(default_factory=set)

    def opened(self, disk: FakeDisk) -> SegmentSpool:
        spool = SegmentSpool.on(
            disk, "test", gateway=GATEWAY, max_bytes=SMALL_BYTES, random_u64=lambda: self.chance.getrandbits(64)
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
                spool.finish(of, final)
                self.finished |= known

    def _some(self) -> list[Reading]:
        if self.chance.random() < 0.1:
            return wide_readings(self.chance.randint(1, 3), seed=self.chance.getrandbits(30))
        count, at_ms = self.chance.randint(1, 9), START_MS + self.chance.randint(0, 10**7)
        return [reading(device=f"d{n % 3}", value=self.chance.random(), time_ms=at_ms + n) for n in range(count)]

    def check(self, disk: FakeDisk) -> None:
        """Everything accepted is there with its content, was finished, or is declared lost: the spool is full."""
        spool = self.opened(disk)
        found = held(spool)
        state = spool.state()
        for key, given in self.accepted.items():
            if key in found.readings:
                assert found.readings[key] == given, f"{key} was altered"
            elif key in found.lost:
                assert found.lost[key] is LossReason.FULL or key in self.finished, f"{key}: {found.lost[key]}"
            else:
                assert key in self.finished, f"{key} vanished"
        for key in found.readings.keys() - self.accepted.keys():
            assert found.readings[key] in [*self.torn, *self.offered], f"{key} was never offered"
        assert state.in_flight == len(found.readings) + len(found.lost)
        assert state.accepted_total == state.final_total + state.in_flight


def states(seed: int, count: int) -> Iterator[tuple[Life, FakeDisk]]:
    """Spools as they are found after a power cut, several cuts in a row on each."""
    made = 0
    for run in range(count):
        chance = random.Random(f"{seed}-{run}")
        life, disk = Life(chance=chance), FakeDisk()
        for _ in range(CUTS_EACH):
            left = chance.randint(3, 60) if chance.random() < 0.8 else chance.randint(60, 400)

            def before(operation: str) -> None:
                nonlocal left
                left -= operation != "read"
                if left < 0:
                    raise PowerCutError

            disk.before = before
            with suppress(PowerCutError):
                life.run(disk)
            for _ in range(STATES_EACH):
                yield life, disk.after_power_cut(chance)
                made += 1
                if made >= count:
                    return
            disk = disk.after_power_cut(chance)


def check_states(seed: int, count: int) -> None:
    for life, disk in states(seed, count):
        life.check(disk.copy())


def test_i1_no_power_cut_loses_what_was_accepted() -> None:
    check_states(20261123, STATES)


@pytest.mark.soak
def test_i1_none_of_many_power_cuts_loses_what_was_accepted(say: Callable[[str], None]) -> None:
    check_states(7, MANY_STATES)
    say(f"{MANY_STATES} states after power cuts: nothing accepted is lost")
