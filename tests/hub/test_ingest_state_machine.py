"""Any interleaving of sending, losing, doubling, crashing and failing: nothing is lost or doubled, and all is told.

A model gateway talks to the real worker, registry and ledger (SQLite on disk) over a network that loses, doubles and
reorders, with the fake series store, which passes the stores' contract, failing in part and without saying so.
"""

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from hub.ingest.inbox import Message
from hub.ingest.worker import IngestWorker
from hub.registry.ledger import Accounts
from hub.registry.store import Registry
from hub.series.base import WriteResult
from hub.series.sheet import Point, Sheet
from tests.support.fake_clock import FakeClock
from tests.support.fake_series import FakeSeriesStore, Fault
from wire.codec import decode_commit, encode_batch
from wire.identifiers import DeviceId, GatewayId, SiteId
from wire.messages import EpochStatus, Status
from wire.ranges import RangeSet
from wire.records import Batch, Loss, LossReason, Mode, PointLayout, Record, Stream, Value
from wire.topics import Up, up_topic

GATEWAY = GatewayId("gw-1")
EPOCH = 2**63 + 12345
TOPIC = up_topic(GATEWAY, Up.BATCH)
POISONED_EVERY = 7
STREAM = Stream(
    site=SiteId("hall"),
    device=DeviceId("meter-1"),
    group="main",
    measurement="electricity",
    mode=Mode.LIVE,
    points=(PointLayout(key="voltage", quantity="voltage", unit="V"),),
)


class CrashError(Exception):
    """The hub dies here."""


class DyingSeries(FakeSeriesStore):
    """The hub may die after the store took the points."""

    dies = False

    async def write(self, sheets: Sequence[Sheet]) -> WriteResult:
        result = await super().write(sheets)
        if self.dies:
            raise CrashError
        return result


class ModelGateway:
    """What a gateway knows: what it accepted, what it still holds, and what it gave up."""

    def __init__(self) -> None:
        self.accepted = 0
        self.held: set[int] = set()
        self.tombstones: set[int] = set()
        self.lost_total = 0

    def hear(self, final: RangeSet) -> None:
        self.held -= set(final)
        self.tombstones -= set(final)

    def batch(self, seqs: set[int], *, with_tombstones: bool) -> bytes:
        records = tuple(
            Record(seq=seq, stream=STREAM, time_ms=1_795_000_000_000 + seq // 3, values=(Value(float(seq)),))
            for seq in sorted(seqs)
        )
        given_up = RangeSet.of_numbers(self.tombstones).ranges if with_tombstones else ()
        losses = tuple(Loss(first=first, last=last, reason=LossReason.FULL) for first, last in given_up)
        return encode_batch(Batch(gateway=GATEWAY, epoch=EPOCH, records=records, losses=losses))


class Delivery(RuleBasedStateMachine):
    """One gateway, one hub."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.gateway = ModelGateway()
        self.network: list[bytes] = []
        self.series = DyingSeries()
        self.series.poison = _poison
        self.publish_dies = False

    @initialize()
    def open(self) -> None:
        self.runner.run(self._open())

    def teardown(self) -> None:
        try:
            self._heal_and_check()
        finally:
            self.runner.run(self.registry.close())
            self.runner.close()
            self.folder.cleanup()

    @rule(count=st.integers(1, 5))
    def accept(self, count: int) -> None:
        self.gateway.held |= set(range(self.gateway.accepted + 1, self.gateway.accepted + count + 1))
        self.gateway.accepted += count

    @precondition(lambda self: self.gateway.held)
    @rule(data=st.data(), with_tombstones=st.booleans())
    def send(self, data: st.DataObject, with_tombstones: bool) -> None:  # noqa: FBT001 - hypothesis gives it by name
        seqs = data.draw(st.sets(st.sampled_from(sorted(self.gateway.held)), min_size=1, max_size=6))
        self.network.append(self.gateway.batch(seqs, with_tombstones=with_tombstones))

    @precondition(lambda self: self.gateway.held)
    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        given_up = data.draw(st.sets(st.sampled_from(sorted(self.gateway.held)), min_size=1, max_size=3))
        self.gateway.held -= given_up
        self.gateway.tombstones |= given_up
        self.gateway.lost_total += len(given_up)

    @precondition(lambda self: self.network)
    @rule(data=st.data(), times=st.integers(0, 2))
    def lose_or_double(self, data: st.DataObject, times: int) -> None:
        payload = self.network.pop(data.draw(st.integers(0, len(self.network) - 1)))
        self.network += [payload] * times

    @rule(stored=st.integers(0, 4))
    def store_will_answer_nothing(self, stored: int) -> None:
        self.series.faults.append(Fault(stored=stored))

    @precondition(lambda self: self.network)
    @rule(data=st.data(), count=st.integers(1, 3))
    def deliver(self, data: st.DataObject, count: int) -> None:
        order = data.draw(st.permutations(range(len(self.network))))[:count]
        self.runner.run(self._deliver([self.network[i] for i in order]))
        self.network = [payload for i, payload in enumerate(self.network) if i not in order]

    @precondition(lambda self: self.network)
    @rule(where=st.sampled_from(["before the ledger", "before the commit"]))
    def hub_dies(self, where: str) -> None:
        self.series.dies = where == "before the ledger"
        self.publish_dies = where == "before the commit"
        try:
            self.runner.run(self._deliver([self.network.pop(0)]))
        except CrashError:
            pass
        finally:
            self.series.dies = self.publish_dies = False
            self.worker = self._new_worker()

    @rule()
    def report(self) -> None:
        accounts = self.runner.run(self._report())
        assert accounts.unexplained == 0

    @invariant()
    def what_the_gateway_forgot_is_stored_refused_or_counted_lost(self) -> None:
        forgotten = set(range(1, self.gateway.accepted + 1)) - self.gateway.held - self.gateway.tombstones
        stored = self._stored()
        lost = {seq for seq in forgotten if seq not in stored and seq % POISONED_EVERY}
        assert len(lost) <= self.gateway.lost_total

    @invariant()
    def no_record_is_stored_twice(self) -> None:
        assert len(self._stored()) == len(self.series.points)

    def _heal_and_check(self) -> None:
        self.series.faults.clear()
        self.network.clear()
        everything = self.gateway.batch(self.gateway.held, with_tombstones=True)
        self.runner.run(self._deliver([everything]))
        assert self.gateway.held | self.gateway.tombstones == set()
        accounts = self.runner.run(self._report())
        assert accounts.accepted == self.gateway.accepted
        assert (accounts.in_flight, accounts.unexplained) == (0, 0)
        # A record that was stored by a hub that died before its ledger, and was then given up, counts as lost.
        assert 0 <= len(self.series.points) - accounts.stored <= accounts.lost_total
        poisoned = {seq for seq in range(1, self.gateway.accepted + 1) if seq % POISONED_EVERY == 0}
        assert accounts.refused <= len(poisoned)
        assert accounts.lost_total <= self.gateway.lost_total

    async def _open(self) -> None:
        self.registry = await Registry.open(f"sqlite+aiosqlite:///{Path(self.folder.name) / 'registry.sqlite'}")
        await self.registry.fleet.register(GATEWAY, site=None, now_ms=1)
        self.clock = FakeClock()
        self.worker = self._new_worker()

    def _new_worker(self) -> IngestWorker:
        return IngestWorker(registry=self.registry, series=self.series, publish=self._publish, clock=self.clock)

    async def _publish(self, _topic: str, payload: bytes) -> None:
        if self.publish_dies:
            raise CrashError
        commit = decode_commit(payload)
        self.gateway.hear(RangeSet.of(commit.final))

    async def _deliver(self, payloads: Sequence[bytes]) -> None:
        await self.worker.handle([Message(GATEWAY, TOPIC, payload) for payload in payloads])

    async def _report(self) -> Accounts:
        status = Status(
            gateway=GATEWAY,
            online=True,
            site=SiteId("hall"),
            agent_version="1",
            boot_ms=1,
            accepted_total=self.gateway.accepted,
            final_total=self.gateway.accepted - len(self.gateway.held),
            in_flight=len(self.gateway.held),
            lost_total={LossReason.FULL: self.gateway.lost_total},
            epochs=(EpochStatus(epoch=EPOCH, accepted_hi=self.gateway.accepted),),
        )
        await self.registry.fleet.record_status(status, now_ms=self.clock.now_ms())
        return await self.registry.ledger.accounts(GATEWAY)

    def _stored(self) -> set[int]:
        return {int(point.fields["voltage"]) for point in self.series.points.values()}


def _poison(point: Point) -> str | None:
    return "field type conflict" if point.fields["voltage"] % POISONED_EVERY == 0 else None


TestDelivery = Delivery.TestCase
TestDelivery.settings = settings(max_examples=40, stateful_step_count=25, suppress_health_check=[HealthCheck.too_slow])
