"""Ingest with its guards: a fault of ours fills no dead letters, a flood harms nobody else, a killer stays unopened."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hub.ingest.breaker import Breaker, BreakerLimits
from hub.ingest.crash_journal import CrashJournal
from hub.ingest.flood import FloodGuard, FloodLimits
from hub.ingest.guards import Guards
from hub.ingest.second_try import SecondTry
from hub.ingest.worker import IngestWorker
from hub.registry.store import Registry
from tests.support.fake_clock import FakeClock
from tests.support.fake_series import FakeSeriesStore
from wire.codec import decode_commit, encode_batch
from wire.identifiers import DeviceId, GatewayId, SiteId
from wire.records import Batch, Mode, PointLayout, Record, Stream, Value
from wire.topics import Up, up_topic

if TYPE_CHECKING:
    from wire.messages import Commit

EPOCH = 9
FLEET = [GatewayId(f"gw-{number}") for number in range(8)]


def batch_of(gateway: GatewayId, seqs: Sequence[int], *, unit: str = "V") -> Batch:
    """Readings, in a unit that this hub takes for wrong where it is not V."""
    points = (PointLayout(key="voltage", quantity="voltage", unit=unit),)
    stream = Stream(
        site=SiteId("hall"), device=DeviceId("m1"), group="main", measurement="power", mode=Mode.LIVE, points=points
    )
    records = [Record(seq=seq, stream=stream, time_ms=1_790_000_000_000 + seq, values=(Value(230.0),)) for seq in seqs]
    return Batch(gateway=gateway, epoch=EPOCH, records=tuple(records))


class Hub:
    """A worker over a real registry with a fleet of eight."""

    def __init__(self, registry: Registry, guards: Guards) -> None:
        self.registry, self.guards = registry, guards
        self.clock = FakeClock()
        self.commits: list[Commit] = []
        self.series = FakeSeriesStore()
        self.worker = IngestWorker(
            registry=registry, series=self.series, publish=self._publish, clock=self.clock, guards=guards
        )

    async def _publish(self, _topic: str, payload: bytes) -> None:
        self.commits.append(decode_commit(payload))

    async def receive(self, *batches: Batch) -> list[bool]:
        taken = [self.worker.offer(up_topic(one.gateway, Up.BATCH), encode_batch(one)) for one in batches]
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(self.worker.run())
            await self.worker.drain()
            task.cancel()
        return taken

    async def totals(self) -> tuple[int, int]:
        accounts = await self.registry.ledger.all_accounts()
        return sum(one.stored for one in accounts), sum(one.refused for one in accounts)


@pytest.fixture
async def hub_with(tmp_path: Path) -> AsyncIterator[Callable[[Guards], Hub]]:
    registry = await Registry.open(f"sqlite+aiosqlite:///{tmp_path / 'registry.sqlite'}")
    for gateway in FLEET:
        await registry.fleet.register(gateway, site=None, now_ms=1)
    yield lambda guards: Hub(registry, guards)
    await registry.close()


async def test_when_the_fleet_is_refused_nothing_more_is_put_aside_and_all_of_it_is_stored_once_the_fault_is_gone(
    hub_with: Callable[[Guards], Hub],
) -> None:
    hub = hub_with(Guards(breaker=Breaker(BreakerLimits(least=3))))
    for gateway in FLEET:
        await hub.receive(batch_of(gateway, [1], unit="volt"), batch_of(gateway, [2]))
    stored, refused = await hub.totals()
    assert stored == 8, "what passes is stored as ever"
    assert refused == 2, "the third gateway opened the breaker"
    assert await hub.registry.dead_letters.open_count() == 2
    counters = hub.worker.counters()
    assert counters.breaker.is_open
    assert counters.breaker.reason is not None
    assert "'volt'" in counters.breaker.reason
    assert counters.held_back == 6
    held = {(commit.gateway, first) for commit in hub.commits for first, _ in commit.final if first == 1}
    assert len(held) == 2, "what is held back is not committed"
    for gateway in FLEET[2:]:
        await hub.receive(batch_of(gateway, [1]))
    await hub.receive(*(batch_of(gateway, [3]) for gateway in FLEET[:2]))
    assert await hub.totals() == (16, 2)
    assert not hub.worker.counters().breaker.is_open


async def test_closed_by_a_person_it_lets_the_refused_go_to_the_dead_letters(
    hub_with: Callable[[Guards], Hub],
) -> None:
    hub = hub_with(Guards(breaker=Breaker(BreakerLimits(least=3))))
    bad = [batch_of(gateway, [1], unit="volt") for gateway in FLEET]
    await hub.receive(*bad)
    hub.worker.close_breaker()
    await hub.receive(*bad)
    assert await hub.totals() == (0, 8)
    assert await hub.registry.dead_letters.open_count() == 8


async def test_what_one_gateway_floods_is_dropped_uncommitted_and_the_others_are_served(
    hub_with: Callable[[Guards], Hub],
) -> None:
    limits = FloodLimits(messages_per_s=1, burst_messages=5, bytes_per_s=1e6, burst_bytes=1e6)
    hub = hub_with(Guards(flood=FloodGuard(limits)))
    loud = [batch_of(FLEET[0], [seq]) for seq in range(1, 101)]
    taken = await hub.receive(*loud, *(batch_of(gateway, [1]) for gateway in FLEET[1:]))
    assert taken == [True] * 5 + [False] * 95 + [True] * 7
    assert hub.worker.counters().dropped_flood == {FLEET[0]: 95}
    assert await hub.totals() == (12, 0)
    committed = sum(last - first + 1 for one in hub.commits if one.gateway == FLEET[0] for first, last in one.final)
    assert committed == 5


async def test_a_message_that_ended_three_workers_is_put_aside_unopened_and_its_neighbours_are_stored(
    hub_with: Callable[[Guards], Hub], tmp_path: Path
) -> None:
    poison, good = batch_of(FLEET[0], [1]), batch_of(FLEET[1], [1])
    for _ in range(3):
        CrashJournal(tmp_path / "journal").begin([encode_batch(poison), encode_batch(good)])
    CrashJournal(tmp_path / "journal").end([encode_batch(good)])
    hub = hub_with(Guards(journal=CrashJournal(tmp_path / "journal")))
    await hub.receive(poison, good, replace(good, epoch=EPOCH + 1))
    assert await hub.totals() == (2, 0)
    (letter,) = await hub.registry.dead_letters.letters()
    assert letter.gateway == FLEET[0]
    assert "3 workers ended" in letter.detail
    assert {commit.gateway for commit in hub.commits} == {FLEET[1]}


async def test_a_record_the_database_refused_is_stored_by_a_second_try_once_it_takes_it(
    hub_with: Callable[[Guards], Hub],
) -> None:
    hub = hub_with(Guards())
    hub.series.poison = lambda _point: "field type conflict"
    await hub.receive(batch_of(FLEET[0], [1, 2]))
    assert await hub.totals() == (0, 2)
    second_try = SecondTry(
        letters=hub.registry.dead_letters,
        ledger=hub.registry.ledger,
        write=hub.worker.write_again,
        handle=hub.worker.handle,
        clock=hub.clock,
    )
    numbers = [letter.letter_id or 0 for letter in await hub.registry.dead_letters.letters()]
    for number in numbers:
        tried = await second_try.retry(number)
        assert tried is not None
        assert (tried.stored, tried.detail) == (False, "field type conflict")
    hub.series.poison = lambda _point: None
    for number in numbers:
        tried = await second_try.retry(number)
        assert tried is not None
        assert tried.stored
        assert await second_try.retry(number) is None
    assert await hub.totals() == (2, 0)
    accounts = await hub.registry.ledger.accounts(FLEET[0])
    assert (accounts.accepted, accounts.unexplained, accounts.in_flight) == (2, 0, 0)
    assert await hub.series.count_points(FLEET[0]) == 2
    assert sum((await hub.registry.audits.stored(first_day=0, last_day=99_999)).values()) == 2
    assert await hub.registry.dead_letters.open_count() == 0
