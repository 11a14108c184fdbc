"""The spool against a dictionary, through restarts and power cuts between any two steps (I1 to I4)."""

import random
import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from edge.spool.base import Reading
from edge.spool.segment_spool import SegmentSpool
from tests.support.readings import START_MS, reading, wide_readings
from tests.support.spools import GATEWAY, held
from wire.ranges import RangeSet

SMALL_BYTES = 64 * 1024


class SpoolMachine(RuleBasedStateMachine):
    """`pending` is what must be there, or be declared lost. `undone` was finished, but not yet on disk."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="spool-"))
        self.lives = 0
        self.chance = random.Random(3)
        self.pending: dict[tuple[int, int], Reading] = {}
        self.undone: dict[tuple[int, int], Reading] = {}
        self.lost: set[tuple[int, int]] = set()
        self.accepted = 0
        self.epochs: set[int] = set()
        self.open()

    @property
    def path(self) -> Path:
        return self.folder / f"life-{self.lives}" / "spool"

    def open(self) -> None:
        self.spool = SegmentSpool.open(
            self.path, gateway=GATEWAY, max_bytes=SMALL_BYTES, random_u64=lambda: self.chance.getrandbits(64)
        )
        epoch = self.spool.state().epoch
        assert epoch not in self.epochs, "I2: an epoch was used twice"
        self.epochs.add(epoch)
        self.undone.clear()

    def take(self, given: list[Reading]) -> None:
        epoch, before = self.spool.state().epoch, self.accepted
        first, last = self.spool.accept(given)
        assert last - first + 1 == len(given)
        self.pending.update({(epoch, seq): one for seq, one in enumerate(given, first)})
        self.accepted = before + len(given)
        self.undone.clear()

    @rule(count=st.integers(1, 20), value=st.floats(-1e6, 1e6))
    def accept(self, count: int, value: float) -> None:
        self.take([reading(device=f"d{n % 3}", value=value, time_ms=START_MS + n) for n in range(count)])

    @rule(count=st.integers(5, 18), seed=st.integers(0, 1000))
    def accept_much(self, count: int, seed: int) -> None:
        self.take(wide_readings(count, seed=seed))

    @precondition(lambda self: self.pending)
    @rule(data=st.data(), before=st.integers(0, 15), after=st.integers(0, 15))
    def finish(self, data: st.DataObject, before: int, after: int) -> None:
        epoch, seq = data.draw(st.sampled_from(sorted(self.pending)))
        final = RangeSet(((max(1, seq - before), seq + after),))
        gone = [key for key in self.pending if key[0] == epoch and key[1] in final]
        assert self.spool.finish(epoch, final) == len(gone)
        for key in gone:
            self.undone[key] = self.pending.pop(key)

    @rule()
    def restart(self) -> None:
        self.spool.close()
        self.open()

    @rule()
    def power_cut(self) -> None:
        """What is on the disk at this moment is all that is left."""
        dead, old = self.spool, self.path.parent
        self.lives += 1
        shutil.copytree(old, self.path.parent)
        dead.close()
        back = dict(self.undone)
        self.open()
        found = held(self.spool)
        returned = {key: one for key, one in back.items() if key in found.readings or key in found.lost}
        self.pending.update(returned)  # a commit that was not yet on disk costs a retransmission

    @invariant()
    def every_record_is_there_or_declared_lost(self) -> None:
        found = held(self.spool)
        assert not found.readings.keys() & found.lost.keys()
        assert found.readings.keys() | found.lost.keys() == self.pending.keys()
        assert all(self.pending[key] == one for key, one in found.readings.items())
        assert self.lost & self.pending.keys() <= found.lost.keys(), "what was lost came back"
        self.lost |= found.lost.keys()

    @invariant()
    def i4_the_sums_are_right(self) -> None:
        state = self.spool.state()
        assert state.accepted_total == self.accepted
        assert state.in_flight == len(self.pending)
        assert state.final_total == self.accepted - len(self.pending)
        assert sum(state.lost_total.values()) >= len(self.lost & self.pending.keys())

    def teardown(self) -> None:
        self.spool.close()
        shutil.rmtree(self.folder)


TestSpoolMachine = SpoolMachine.TestCase
TestSpoolMachine.settings = settings(max_examples=25, stateful_step_count=25)
