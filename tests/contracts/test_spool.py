"""What every spool promises (`edge/spool/base.py`, I1 to I4), run on each implementation."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from edge.spool.base import Reading, Spool
from edge.spool.memory import MemorySpool
from edge.spool.sqlite import SqliteSpool
from tests.support.readings import reading, readings
from wire.identifiers import GatewayId
from wire.ranges import RangeSet

GATEWAY = GatewayId("gw-1")
OpenSpool = Callable[[], Spool]


@pytest.fixture(params=["memory", "sqlite"])
def open_spool(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OpenSpool]:
    chance = random.Random(7)
    opened: list[Spool] = []

    def make() -> Spool:
        for spool in opened:
            spool.close()
        opened.clear()
        if request.param == "memory":
            spool: Spool = MemorySpool(gateway=GATEWAY, random_u64=lambda: chance.getrandbits(64))
        else:
            spool = SqliteSpool.open(
                tmp_path / "spool.sqlite", gateway=GATEWAY, max_bytes=10**8, random_u64=lambda: chance.getrandbits(64)
            )
        opened.append(spool)
        return spool

    yield make
    for spool in opened:
        spool.close()


def sent(spool: Spool, **options: object) -> list[int]:
    batch = spool.unsent(skip={}, limit=1000, newest_first=False) if not options else spool.unsent(**options)  # type: ignore[arg-type]  # the options are the method's own
    return [] if batch is None else [record.seq for record in batch.records]


def test_seqs_count_up_without_gaps(open_spool: OpenSpool) -> None:
    spool = open_spool()
    assert spool.accept(readings(3)) == (1, 3)
    assert spool.accept(readings(1)) == (4, 4)
    assert sent(spool) == [1, 2, 3, 4]


def test_what_is_sent_is_what_was_accepted(open_spool: OpenSpool) -> None:
    spool = open_spool()
    given = [reading(device="a", value=1.5), reading(device="b", value=None), reading(device="a", value=-7.25)]
    spool.accept(given)
    batch = spool.unsent(skip={}, limit=10, newest_first=False)
    assert batch is not None
    assert [Reading(stream=r.stream, time_ms=r.time_ms, values=r.values) for r in batch.records] == given


def test_the_live_lane_has_the_newest_and_the_backlog_the_oldest(open_spool: OpenSpool) -> None:
    spool = open_spool()
    for _ in range(5):
        spool.accept(readings(4))
    assert sent(spool, skip={}, limit=6, newest_first=True) == list(range(15, 21))
    assert sent(spool, skip={}, limit=6, newest_first=False) == list(range(1, 7))


def test_records_in_flight_are_skipped(open_spool: OpenSpool) -> None:
    spool = open_spool()
    spool.accept(readings(10))
    skip = {spool.state().epoch: RangeSet.of([(1, 3), (6, 7)])}
    assert sent(spool, skip=skip, limit=100, newest_first=False) == [4, 5, 8, 9, 10]


def test_only_what_is_final_is_forgotten(open_spool: OpenSpool) -> None:
    spool = open_spool()
    spool.accept(readings(5))
    spool.accept(readings(5))
    epoch = spool.state().epoch
    assert spool.finish(epoch, RangeSet.of([(2, 3), (6, 10)])) == 7
    assert sent(spool) == [1, 4, 5]
    assert spool.finish(epoch, RangeSet.of([(1, 10)])) == 3
    assert sent(spool) == []


def test_foreign_commits_change_nothing(open_spool: OpenSpool) -> None:
    spool = open_spool()
    spool.accept(readings(2))
    assert spool.finish(spool.state().epoch ^ 1, RangeSet.of([(1, 2)])) == 0
    assert spool.finish(spool.state().epoch, RangeSet.of([(50, 60)])) == 0
    assert sent(spool) == [1, 2]


def test_what_is_accepted_is_final_or_in_flight(open_spool: OpenSpool) -> None:
    spool = open_spool()
    spool.accept(readings(8))
    spool.finish(spool.state().epoch, RangeSet.of([(1, 5)]))
    state = spool.state()
    assert (state.accepted_total, state.final_total, state.in_flight) == (8, 5, 3)


class SpoolModel(RuleBasedStateMachine):
    """A SQLite spool against a dictionary, with restarts in between."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(self._temporary())
        self.chance = random.Random(3)
        self.pending: dict[tuple[int, int], Reading] = {}
        self.accepted = 0
        self.epochs: set[int] = set()
        self.open()

    @staticmethod
    def _temporary() -> str:
        import tempfile  # noqa: PLC0415 - hypothesis gives state machines no tmp_path

        return tempfile.mkdtemp(prefix="spool-")

    def open(self) -> None:
        self.spool = SqliteSpool.open(
            self.folder / "spool.sqlite",
            gateway=GATEWAY,
            max_bytes=10**8,
            random_u64=lambda: self.chance.getrandbits(64),
        )
        epoch = self.spool.state().epoch
        assert epoch not in self.epochs, "I2: an epoch was used twice"
        self.epochs.add(epoch)

    @rule(count=st.integers(1, 20), value=st.floats(-1e6, 1e6))
    def accept(self, count: int, value: float) -> None:
        given = [reading(device=f"d{n % 3}", value=value, time_ms=1_700_000_000_000 + n) for n in range(count)]
        first, last = self.spool.accept(given)
        assert last - first + 1 == count
        epoch = self.spool.state().epoch
        self.pending.update({(epoch, seq): one for seq, one in enumerate(given, first)})
        self.accepted += count

    @precondition(lambda self: self.pending)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        epoch, seq = data.draw(st.sampled_from(sorted(self.pending)))
        final = RangeSet(((max(1, seq - data.draw(st.integers(0, 5))), seq + data.draw(st.integers(0, 5))),))
        gone = [key for key in self.pending if key[0] == epoch and key[1] in final]
        assert self.spool.finish(epoch, final) == len(gone)
        for key in gone:
            del self.pending[key]

    @rule()
    def restart(self) -> None:
        self.spool.close()
        self.open()

    @invariant()
    def holds_exactly_what_is_pending(self) -> None:
        held: dict[tuple[int, int], Reading] = {}
        skip: dict[int, RangeSet] = {}
        while (batch := self.spool.unsent(skip=skip, limit=50, newest_first=False)) is not None:
            for record in batch.records:
                held[batch.epoch, record.seq] = Reading(
                    stream=record.stream, time_ms=record.time_ms, values=record.values
                )
            seqs = RangeSet.of_numbers(record.seq for record in batch.records)
            skip[batch.epoch] = skip.get(batch.epoch, RangeSet()) | seqs
        assert held == self.pending
        state = self.spool.state()
        assert state.accepted_total == self.accepted
        assert state.final_total + state.in_flight == self.accepted
        assert state.in_flight == len(self.pending)

    def teardown(self) -> None:
        self.spool.close()


TestSpoolModel = SpoolModel.TestCase
TestSpoolModel.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
