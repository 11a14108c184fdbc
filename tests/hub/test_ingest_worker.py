"""The worker with a real registry (SQLite) and the fake series store, which passes the stores' contract."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hub.ingest.worker import IngestLimits, IngestWorker
from hub.registry.dead_letter_store import DeadLetterLimits
from hub.registry.model import DeadReason, GatewayState
from hub.registry.store import Registry
from hub.series.base import WriteResult
from hub.series.sheet import Sheet
from tests.support.fake_clock import FakeClock
from tests.support.fake_series import FakeSeriesStore, Fault
from wire import cbor
from wire.batch_items import batch_items
from wire.codec import decode_batch, decode_commit, encode_batch, encode_inventory, encode_status
from wire.envelope import MessageKind, wrap
from wire.identifiers import DeviceId, GatewayId, SiteId
from wire.messages import Commit, EpochStatus, Inventory, Refusal, Refused, Status
from wire.records import (
    Batch,
    Loss,
    LossReason,
    Mode,
    PointLayout,
    Quality,
    Record,
    Stream,
    TimeQuality,
    Value,
)
from wire.topics import Up, parse_down, up_topic

GATEWAY = GatewayId("gw-1")
EPOCH = 2**63 + 7
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


class Outbox:
    """Keeps what is published; `crashes` makes the next publishing the hub's end."""

    def __init__(self) -> None:
        self.commits: list[Commit] = []
        self.crashes = False

    async def publish(self, topic: str, payload: bytes) -> None:
        if self.crashes:
            self.crashes = False
            raise CrashError
        commit = decode_commit(payload)
        assert parse_down(topic)[0] == commit.gateway
        self.commits.append(commit)

    def final(self) -> set[int]:
        return {seq for commit in self.commits for first, last in commit.final for seq in range(first, last + 1)}


class CrashingSeries(FakeSeriesStore):
    """Stores, and then the hub dies before it hears the answer, once."""

    crashes = False

    async def write(self, sheets: Sequence[Sheet]) -> WriteResult:
        result = await super().write(sheets)
        if self.crashes:
            self.crashes = False
            raise CrashError
        return result


class Hub:
    """A worker and all it needs; `restart` is what follows a crash."""

    def __init__(self, registry: Registry, limits: IngestLimits | None = None) -> None:
        self.registry = registry
        self.series = CrashingSeries()
        self.outbox = Outbox()
        self.clock = FakeClock()
        self.limits = limits
        self.worker = self.restart()

    def restart(self) -> IngestWorker:
        self.worker = IngestWorker(
            registry=self.registry,
            series=self.series,
            publish=self.outbox.publish,
            clock=self.clock,
            limits=self.limits,
        )
        return self.worker

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(self.worker.run())
            yield
            task.cancel()

    async def receive(self, *batches: Batch, as_gateway: GatewayId = GATEWAY) -> None:
        for batch in batches:
            assert self.worker.offer(up_topic(as_gateway, Up.BATCH), encode_batch(batch))
        async with self.running():
            await self.worker.drain()

    async def crash_on(self, *batches: Batch) -> None:
        for batch in batches:
            assert self.worker.offer(up_topic(GATEWAY, Up.BATCH), encode_batch(batch))
        with pytest.raises(BaseExceptionGroup) as died:
            async with self.running():
                await self.worker.drain()
        assert died.group_contains(CrashError)
        self.restart()


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[Registry]:
    opened = await Registry.open(
        f"sqlite+aiosqlite:///{tmp_path / 'registry.sqlite'}", limits=DeadLetterLimits(letters=50)
    )
    await opened.fleet.register(GATEWAY, site=None, now_ms=1)
    yield opened
    await opened.close()


@pytest.fixture
def hub(registry: Registry) -> Hub:
    return Hub(registry)


def record(seq: int, number: float | None = None, *, stream: Stream = STREAM) -> Record:
    return Record(seq=seq, stream=stream, time_ms=1_795_000_000_000 + seq, values=(Value(number or float(seq)),))


def batch(*seqs: int, losses: tuple[Loss, ...] = (), gateway: GatewayId = GATEWAY, epoch: int = EPOCH) -> Batch:
    return Batch(gateway=gateway, epoch=epoch, records=tuple(record(seq) for seq in seqs), losses=losses)


async def test_what_is_received_is_stored_and_committed(hub: Hub) -> None:
    await hub.receive(batch(1, 2, 3))
    (commit,) = hub.outbox.commits
    assert (commit.gateway, commit.epoch, commit.final, commit.refused) == (GATEWAY, EPOCH, ((1, 3),), ())
    assert commit.credit >= 1
    assert commit.hub_time_ms == hub.clock.now_ms()
    assert len(hub.series.points) == 3
    accounts = await hub.registry.ledger.accounts(GATEWAY)
    assert (accounts.accepted, accounts.stored, accounts.unexplained) == (3, 3, 0)


async def test_a_crash_after_the_store_costs_a_retransmission_only(hub: Hub) -> None:
    hub.series.crashes = True
    await hub.crash_on(batch(1, 2))
    assert hub.outbox.commits == []
    assert (await hub.registry.ledger.accounts(GATEWAY)).stored == 0
    await hub.receive(batch(1, 2))
    assert hub.outbox.final() == {1, 2}
    assert len(hub.series.points) == 2


async def test_a_crash_after_the_ledger_costs_a_retransmission_only(hub: Hub) -> None:
    hub.outbox.crashes = True
    await hub.crash_on(batch(1, 2))
    assert hub.outbox.commits == []
    await hub.receive(batch(1, 2))
    assert hub.outbox.final() == {1, 2}
    assert hub.series.writes == 1
    assert (await hub.registry.ledger.accounts(GATEWAY)).stored == 2


async def test_duplicates_reorderings_and_other_cuts_neither_double_nor_lose(hub: Hub) -> None:
    await hub.receive(batch(4, 5, 6), batch(1, 2, 3), batch(4, 5, 6))
    await hub.receive(batch(3, 4, 7), batch(6, 7), batch(2, 8))
    assert hub.outbox.final() == set(range(1, 9))
    assert len(hub.series.points) == 8
    assert (await hub.registry.ledger.accounts(GATEWAY)).stored == 8
    assert hub.worker.counters().records_stored == 8


async def test_a_poisoned_record_is_refused_and_the_rest_committed(hub: Hub) -> None:
    hub.series.poison = lambda point: "field type conflict" if point.fields["voltage"] == 2.0 else None
    await hub.receive(batch(1, 2, 3))
    await hub.receive(batch(2))
    for commit in hub.outbox.commits:
        assert commit.refused == (Refused(seq=2, reason=Refusal.DATABASE),)
    assert hub.outbox.final() == {1, 2, 3}
    (letter,) = await hub.registry.dead_letters.letters(GATEWAY)
    assert (letter.reason, letter.epoch, letter.seq) == (DeadReason.REFUSED, EPOCH, 2)
    assert "field type conflict" in letter.detail
    assert decode_batch(letter.payload) == batch(2)
    accounts = await hub.registry.ledger.accounts(GATEWAY)
    assert (accounts.stored, accounts.refused) == (2, 1)


async def test_a_quantity_in_another_unit_is_refused(hub: Hub) -> None:
    strange = replace(STREAM, points=(PointLayout(key="voltage", quantity="voltage", unit="mV"),))
    await hub.receive(Batch(gateway=GATEWAY, epoch=EPOCH, records=(record(1, stream=strange), record(2))))
    assert hub.outbox.commits[0].refused == (Refused(seq=1, reason=Refusal.UNKNOWN_UNIT),)
    assert len(hub.series.points) == 1


@pytest.mark.parametrize("measurement", ["gateway", "hub", "freshness", "indicator"])
async def test_a_gateway_cannot_write_where_only_the_hub_writes(hub: Hub, measurement: str) -> None:
    forged = replace(STREAM, measurement=measurement)
    await hub.receive(Batch(gateway=GATEWAY, epoch=EPOCH, records=(record(1, stream=forged), record(2))))
    assert [refused.seq for refused in hub.outbox.commits[0].refused] == [1]
    assert await hub.series.count_points(GATEWAY) == 1


async def test_another_content_under_a_seq_is_put_aside(hub: Hub) -> None:
    other = Batch(gateway=GATEWAY, epoch=EPOCH, records=(record(1, 99.0),))
    await hub.receive(batch(1), other)
    assert [point.fields["voltage"] for point in hub.series.points.values()] == [1.0]
    (letter,) = await hub.registry.dead_letters.letters()
    assert letter.reason is DeadReason.CONFLICT


async def test_a_gateway_that_speaks_for_another_is_refused_and_seen(hub: Hub) -> None:
    await hub.registry.fleet.register(GatewayId("gw-2"), site=None, now_ms=1)
    await hub.receive(batch(1), as_gateway=GatewayId("gw-2"))
    assert hub.outbox.commits == []
    assert hub.series.points == {}
    (letter,) = await hub.registry.dead_letters.letters(GatewayId("gw-2"))
    assert letter.reason is DeadReason.FORGED
    assert "gw-1" in letter.detail
    assert hub.worker.counters().forged == 1


async def test_an_unknown_gateway_hears_nothing_and_is_seen(hub: Hub) -> None:
    stranger = GatewayId("stranger")
    await hub.receive(batch(1, gateway=stranger), batch(2, gateway=stranger), as_gateway=stranger)
    assert hub.outbox.commits == []
    assert hub.series.points == {}
    assert [(seen.gateway, seen.messages) for seen in await hub.registry.fleet.unknown_gateways()] == [(stranger, 2)]
    assert await hub.registry.dead_letters.letters() == []


async def test_a_blocked_gateway_hears_nothing_until_it_is_let_in_again(hub: Hub) -> None:
    await hub.registry.fleet.set_state(GATEWAY, GatewayState.BLOCKED)
    await hub.receive(batch(1))
    assert (hub.outbox.commits, hub.series.points) == ([], {})
    assert hub.worker.counters().ignored_blocked == 1
    await hub.registry.fleet.set_state(GATEWAY, GatewayState.ACTIVE)
    await hub.receive(batch(1))
    assert hub.outbox.final() == {1}


async def test_what_cannot_be_read_is_put_aside_in_bounds_and_stops_nobody(hub: Hub) -> None:
    async with hub.running():
        for i in range(200):
            hub.worker.offer(up_topic(GATEWAY, Up.BATCH), b"\xff" + i.to_bytes(2))
        hub.worker.offer(up_topic(GATEWAY, Up.BATCH), encode_batch(batch(1)))
        await hub.worker.drain()
    assert hub.outbox.final() == {1}
    (count,) = await hub.registry.dead_letters.counts()
    assert (count.kept, count.dropped) == (50, 150)
    assert hub.worker.counters().unreadable == 200


async def test_a_batch_at_fault_is_put_aside_and_those_that_came_with_it_are_stored(hub: Hub) -> None:
    item: Any = batch_items(batch(5, 6))
    seqs = 8
    assert item[2][0][seqs] == [5, 1]
    item[2][0][seqs] = [5, 0]  # one seq for two records: seen only where the column is spread out
    payloads = [encode_batch(batch(1)), wrap(MessageKind.BATCH, cbor.dump(item)), encode_batch(batch(2))]
    for payload in payloads:
        hub.worker.offer(up_topic(GATEWAY, Up.BATCH), payload)
    async with hub.running():
        await hub.worker.drain()
    assert hub.outbox.final() == {1, 2}
    (letter,) = await hub.registry.dead_letters.letters()
    assert (letter.payload, letter.reason) == (payloads[1], DeadReason.UNREADABLE)
    assert "seq 5" in letter.detail


async def test_declared_losses_are_final_and_a_lost_record_that_arrives_is_stored(hub: Hub) -> None:
    await hub.receive(batch(1, losses=(Loss(first=2, last=5, reason=LossReason.FULL),)))
    assert hub.outbox.final() == {1, 2, 3, 4, 5}
    await hub.receive(batch(3))
    accounts = await hub.registry.ledger.accounts(GATEWAY)
    assert (accounts.stored, accounts.lost) == (2, {LossReason.FULL: 3})
    assert len(hub.series.points) == 2


async def test_while_the_store_is_down_nothing_is_committed_and_then_everything(registry: Registry) -> None:
    hub = Hub(registry, IngestLimits(queue_messages=10, merge_messages=4))
    hub.series.is_down = True
    async with hub.running():
        taken = [hub.worker.offer(up_topic(GATEWAY, Up.BATCH), encode_batch(batch(seq))) for seq in range(1, 31)]
        await hub.clock.until_slept(5)
        assert hub.outbox.commits == []
        assert "connection refused" in (hub.worker.counters().trouble or "")
        assert hub.worker.counters().queue_messages == 10
        hub.series.is_down = False
        await hub.worker.drain()
    assert taken == [True] * 10 + [False] * 20
    assert hub.outbox.final() == set(range(1, 11))
    assert hub.clock.slept[:4] == [0.5, 1.0, 2.0, 4.0]
    assert hub.worker.counters().trouble is None
    await hub.receive(*(batch(*range(start, start + 5)) for start in range(1, 31, 5)))
    assert hub.outbox.final() == set(range(1, 31))
    assert len(hub.series.points) == 30


async def test_an_unknown_outcome_is_written_again_not_guessed(hub: Hub) -> None:
    hub.series.faults = [Fault(stored=2), Fault(stored=0)]
    await hub.receive(batch(1, 2, 3))
    assert hub.series.writes == 3
    assert len(hub.series.points) == 3
    assert len(hub.outbox.commits) == 1


async def test_credit_falls_as_the_queue_fills(registry: Registry) -> None:
    hub = Hub(registry, IngestLimits(queue_messages=10, merge_messages=1))
    await hub.receive(*(batch(seq) for seq in range(1, 11)))
    credit = [commit.credit for commit in hub.outbox.commits]
    assert credit == sorted(credit)
    assert credit[0] == 1
    assert credit[-1] > 20


async def test_a_commit_tells_how_many_gateways_there_are(hub: Hub) -> None:
    await hub.receive(batch(1))
    hub.worker.serves(2000)
    await hub.receive(batch(2))
    assert [commit.gateways for commit in hub.outbox.commits] == [0, 2000]


async def test_status_and_inventory_reach_the_registry(hub: Hub) -> None:
    status = Status(
        gateway=GATEWAY,
        online=True,
        site=SiteId("hall"),
        agent_version="1",
        boot_ms=1,
        accepted_total=5,
        final_total=0,
        in_flight=5,
        epochs=(EpochStatus(epoch=EPOCH, accepted_hi=5),),
    )
    async with hub.running():
        hub.worker.offer(up_topic(GATEWAY, Up.STATUS), encode_status(replace(status, online=False)))
        hub.worker.offer(up_topic(GATEWAY, Up.STATUS), encode_status(status))
        inventory = Inventory(gateway=GATEWAY, site=SiteId("hall"), devices=())
        hub.worker.offer(up_topic(GATEWAY, Up.INVENTORY), encode_inventory(inventory))
        hub.worker.offer(up_topic(GatewayId("stranger"), Up.STATUS), b"?")
        hub.worker.offer("some/other/topic", b"")
        await hub.worker.drain()
    found = await hub.registry.fleet.gateway(GATEWAY)
    assert found is not None
    assert (found.online, found.in_flight) == (True, 5)
    accounts = await hub.registry.ledger.accounts(GATEWAY)
    assert (accounts.accepted, accounts.in_flight, accounts.unexplained) == (5, 5, 0)
    assert len(await hub.registry.fleet.unknown_gateways()) == 1
    assert hub.worker.counters().foreign == 1


async def test_a_status_in_anothers_name_changes_nothing(hub: Hub) -> None:
    other = Status(gateway=GatewayId("gw-2"), online=True, site=SiteId("hall"), agent_version="1", boot_ms=1)
    async with hub.running():
        hub.worker.offer(up_topic(GATEWAY, Up.STATUS), encode_status(other))
        await hub.worker.drain()
    found = await hub.registry.fleet.gateway(GATEWAY)
    assert found is not None
    assert not found.online
    (letter,) = await hub.registry.dead_letters.letters(GATEWAY)
    assert letter.reason is DeadReason.FORGED


async def test_a_value_whose_time_is_uncertain_never_looks_good(hub: Hub) -> None:
    unsure = replace(record(1), time_quality=TimeQuality.ESTIMATED)
    await hub.receive(Batch(gateway=GATEWAY, epoch=EPOCH, records=(unsure, record(2))))
    qualities = [point.qualities["voltage"] for point in hub.series.points.values()]
    assert qualities == [Quality.TIME_ESTIMATED, Quality.GOOD]


async def test_a_torn_question_is_answered_in_commits_that_fit_a_message(hub: Hub) -> None:
    halves = [batch(*range(start, start + 2000, 2)) for start in (1, 2001, 4001)]
    await hub.receive(*halves)
    assert hub.outbox.final() == set(range(1, 6001, 2))
    assert all(len(commit.final) <= 1000 for commit in hub.outbox.commits)
