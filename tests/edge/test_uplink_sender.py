"""The sender between spool and hub: what it says, what it repeats, and what only a commit may end."""

import asyncio
import random
from collections.abc import Mapping
from dataclasses import replace

import pytest

from edge.spool.base import SpoolError
from edge.spool.memory import MemorySpool
from tests.support.readings import reading, readings
from tests.support.sending import INVENTORY, Sending, devices, sending
from tests.support.spools import GATEWAY
from wire.codec import MAX_RECORDS, encode_commit
from wire.identifiers import GatewayId
from wire.messages import Commit
from wire.ranges import RangeSet
from wire.records import Batch, LossReason, Value
from wire.topics import Down, down_topic


def spool(*, max_records: int = 100_000) -> MemorySpool:
    return MemorySpool(gateway=GATEWAY, random_u64=lambda: 7, max_records=max_records)


def seqs(batch: Batch) -> list[int]:
    return [record.seq for record in batch.records]


async def test_at_a_connection_it_says_what_it_reads_and_how_it_is() -> None:
    async with sending(spool()) as made:
        await made.until("a status is said", lambda: bool(made.hub.statuses))
        assert made.hub.inventories == [INVENTORY]
        status = made.hub.statuses[0]
        assert (status.online, status.gateway, status.accepted_total) == (True, GATEWAY, 0)
        assert status.devices == devices()
        assert len(made.broker.retained) == 2, "both are there for a hub that comes later"


async def test_it_says_every_ten_seconds_how_it_is() -> None:
    async with sending(spool()) as made:
        await made.until("a status is said", lambda: bool(made.hub.statuses))
        await made.accept(5)
        await made.pass_s(40)
        assert 4 <= len(made.hub.statuses) <= 6
        last = made.hub.statuses[-1]
        assert (last.accepted_total, last.final_total, last.in_flight) == (5, 5, 0)


async def test_what_is_accepted_reaches_the_hub_and_its_commit_the_spool() -> None:
    async with sending(spool()) as made:
        await made.accept(20)
        await made.until("all is final", lambda: made.state.in_flight == 0, within_s=3)
        assert [record.time_ms for record in made.hub.records.values()] == [one.time_ms for one in readings(20)]
        counts = made.sender.counts()
        assert (counts.batches_sent, counts.commits, counts.batches_in_flight) == (1, 1, 0)
        assert counts.bytes_sent > 0
        assert counts.last_commit_delay_s is not None


async def test_while_little_comes_a_batch_a_second_leaves() -> None:
    async with sending(spool()) as made:
        for _ in range(50):
            await made.accept(2)
            await made.pass_s(0.25)
        assert 8 <= len(made.hub.batches) <= 16


async def test_much_is_not_held_back_for_the_second_to_pass() -> None:
    async with sending(spool()) as made:
        await made.accept(1)
        await made.until("it was sent", lambda: len(made.hub.batches) == 1)
        await made.accept(800)
        await made.rest()
        assert len(made.hub.batches[-1].records) == 800


async def test_what_is_too_large_for_one_message_is_cut_and_all_of_it_comes() -> None:
    """A thousand records of sixty numbers that have nothing in common are more than a message may hold."""
    async with sending(spool()) as made:
        chance, one = random.Random(1), reading()
        points = tuple(replace(one.stream.points[0], key=f"point_{n}") for n in range(60))
        wide = [
            replace(
                one,
                stream=replace(one.stream, points=points),
                values=tuple(Value(chance.random()) for _ in points),
                time_ms=one.time_ms + n,
            )
            for n in range(1500)
        ]
        await made.keeper.accepting(wide)
        made.sender.accepted()
        await made.until("all is final", lambda: made.state.final_total == len(wide))
        assert sorted(seq for batch in made.hub.batches for seq in seqs(batch)) == list(range(1, len(wide) + 1))
        assert max(len(batch.records) for batch in made.hub.batches) < MAX_RECORDS


async def test_a_silent_hub_gets_no_more_than_its_credit() -> None:
    async with sending(spool()) as made:
        made.hub.speaks = lambda: False
        await made.accept(9000)
        await made.pass_s(10)
        assert len(made.hub.batches) == 4
        assert len(made.hub.records) == 4000, "and none of it twice"


async def test_puback_lets_nothing_be_forgotten() -> None:
    async with sending(spool()) as made:
        made.hub.speaks = lambda: False
        await made.accept(100)
        await made.pass_s(25)
        assert len(made.hub.records) == 100
        assert made.state.in_flight == 100


async def test_what_gets_no_commit_is_sent_again_after_thirty_seconds() -> None:
    async with sending(spool()) as made:
        answers = iter([False, True])
        made.hub.speaks = lambda: next(answers)
        await made.accept(10)
        await made.pass_s(29)
        assert len(made.hub.batches) == 1
        await made.until("all is final", lambda: made.state.in_flight == 0, within_s=5)
        assert [seqs(batch) for batch in made.hub.batches] == [list(range(1, 11))] * 2
        assert made.sender.counts().batches_due_again == 1


async def test_after_a_reconnect_everything_is_sent_again_at_once() -> None:
    async with sending(spool()) as made:
        made.hub.speaks = lambda: False
        await made.accept(10)
        await made.until("it was sent", lambda: len(made.hub.batches) == 1)
        made.link.cut()
        await made.pass_s(5)
        made.hub.speaks = lambda: True
        made.link.mend()
        await made.until("all is final", lambda: made.state.in_flight == 0, within_s=3)
        assert made.sender.counts().batches_due_again == 1
        assert len(made.hub.inventories) == 2, "a broker that was killed has forgotten what was retained"


async def test_while_the_line_is_cut_nothing_is_said_and_nothing_forgotten() -> None:
    async with sending(spool()) as made:
        await made.pass_s(1)
        made.link.cut()
        await made.accept(30)
        await made.pass_s(60)
        assert made.hub.batches == []
        assert made.state.in_flight == 30


async def test_the_newest_reach_the_hub_while_a_backlog_drains() -> None:
    held_back = spool()
    held_back.accept(readings(20_000))
    async with sending(held_back) as made:
        made.hub.credit = 1
        await made.until("it drains", lambda: len(made.hub.batches) >= 6)
        await made.accept(1)
        newest, before = made.state.accepted_total, len(made.hub.batches)
        await made.until("the newest is there", lambda: (7, newest) in made.hub.records)
        place = next(place for place, batch in enumerate(made.hub.batches) if newest in seqs(batch))
        assert place - before <= 3
        await made.until("all is final", lambda: made.state.in_flight == 0)
        firsts = [seqs(batch)[0] for batch in made.hub.batches]
        assert 1 in firsts[:4], "and the oldest are not forgotten for it"


async def test_one_record_the_hub_never_commits_blocks_no_other() -> None:
    async with sending(spool()) as made:
        made.hub.ignores = {13}
        for _ in range(20):
            await made.accept(10)
            await made.pass_s(1)
        await made.until("the others are final", lambda: made.state.in_flight == 1, within_s=3)
        await made.pass_s(100)
        assert sum(13 in seqs(batch) for batch in made.hub.batches) >= 3, "it is offered again and again"
        assert made.state.in_flight == 1


async def test_a_refused_record_is_final_and_counted() -> None:
    async with sending(spool()) as made:
        made.hub.refuses = {3, 5}
        await made.accept(10)
        await made.until("all is final", lambda: made.state.in_flight == 0)
        assert made.sender.counts().refused_records == 2


async def test_tombstones_travel_until_they_are_committed() -> None:
    full = spool(max_records=50)
    for _ in range(30):
        full.accept(readings(10))
    async with sending(full) as made:
        answers = iter([False, True, True, True])
        made.hub.speaks = lambda: next(answers)
        await made.until("all is final", lambda: made.state.in_flight == 0)
        assert len(made.hub.losses[7]) == 250
        assert len(made.hub.records) == 50
        assert made.state.lost_total == {LossReason.FULL: 250}


def commit(gateway: str, *, epoch: int = 7, first: int = 1, last: int = 10) -> bytes:
    return encode_commit(
        Commit(gateway=GatewayId(gateway), epoch=epoch, final=((first, last),), credit=4, hub_time_ms=0)
    )


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        (down_topic(GATEWAY, Down.COMMIT), b"garbled"),
        (down_topic(GATEWAY, Down.COMMIT), b""),
        (down_topic(GATEWAY, Down.COMMIT), commit("gw-1")[:-1]),
        (down_topic(GATEWAY, Down.COMMIT), commit("gw-2")),
        (down_topic(GatewayId("gw-2"), Down.COMMIT), commit("gw-2")),
        (down_topic(GatewayId("gw-2"), Down.COMMIT), commit("gw-1")),
        ("sen/1/dn/gw-1/unknown", commit("gw-1")),
        ("a/b", commit("gw-1")),
    ],
)
async def test_what_is_garbled_or_for_another_changes_nothing_and_is_counted(topic: str, payload: bytes) -> None:
    async with sending(spool()) as made:
        made.hub.speaks = lambda: False
        await made.accept(10)
        made.sender.received(topic, payload)
        await made.pass_s(1)
        assert made.sender.counts().foreign == 1
        assert made.state.in_flight == 10


async def test_commits_of_unknown_epochs_and_seqs_change_nothing() -> None:
    async with sending(spool()) as made:
        made.hub.speaks = lambda: False
        await made.accept(10)
        made.sender.received(down_topic(GATEWAY, Down.COMMIT), commit("gw-1", epoch=8))
        made.sender.received(down_topic(GATEWAY, Down.COMMIT), commit("gw-1", first=11, last=99))
        await made.pass_s(1)
        assert made.state.in_flight == 10
        await made.accept(10)
        await made.pass_s(2)
        assert made.state.in_flight == 20, "a commit ahead of its records would lose them"


async def test_words_meant_for_later_versions_are_not_foreign() -> None:
    async with sending(spool()) as made:
        made.sender.received(down_topic(GATEWAY, Down.DESIRED), b"anything")
        assert made.sender.counts().foreign == 0


class TroubledSpool(MemorySpool):
    """A spool whose disk cannot be read while `is_well` is false."""

    is_well = True

    def unsent(self, *, skip: Mapping[int, RangeSet], limit: int, newest_first: bool) -> Batch | None:
        if not self.is_well:
            raise SpoolError("spool: cannot be read; look at it")
        return super().unsent(skip=skip, limit=limit, newest_first=newest_first)


async def test_a_spool_in_trouble_is_said_and_outlived() -> None:
    troubled = TroubledSpool(gateway=GATEWAY, random_u64=lambda: 7)
    async with sending(troubled) as made:
        troubled.is_well = False
        await made.accept(5)
        await made.until("the trouble is said", lambda: made.sender.counts().trouble is not None)
        assert made.sender.counts().trouble == "spool: cannot be read; look at it"
        troubled.is_well = True
        await made.until("all is final", lambda: made.state.in_flight == 0)
        assert made.sender.counts().trouble is None


async def drained(made: Sending, *, within_s: float) -> bool:
    """Drain while time passes."""
    draining = asyncio.ensure_future(made.sender.drain(within_s=within_s))  # noqa: TID251 - a test may watch it
    await made.until("draining ends", draining.done)
    return draining.result()


async def test_draining_delivers_the_rest_and_says_goodbye() -> None:
    made = Sending(spool())
    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(made.link.run(made.sender))
        await made.rest()
        await made.accept(5000)
        assert await drained(made, within_s=5)
        running.cancel()
    assert len(made.hub.records) == 5000
    assert made.hub.statuses[-1].online is False
    assert made.hub.statuses[-1].in_flight == 0
    made.keeper.close()


async def test_draining_ends_in_time_where_the_hub_is_silent() -> None:
    made = Sending(spool())
    made.hub.speaks = lambda: False
    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(made.link.run(made.sender))
        await made.rest()
        await made.accept(5)
        began_s = made.clock.monotonic_s()
        assert not await drained(made, within_s=5)
        assert made.clock.monotonic_s() - began_s <= 7
        running.cancel()
    assert made.state.in_flight == 5
    assert made.hub.statuses[-1].online is False
    made.keeper.close()


@pytest.mark.parametrize("seed", range(12))
async def test_nothing_is_lost_however_messages_and_connections_fail(seed: int) -> None:
    chance = random.Random(seed)
    loss, silence = chance.choice([0.0, 0.2, 0.6]), chance.choice([0.0, 0.3, 0.7])
    async with sending(spool()) as made:
        made.broker.loses = lambda _topic, _payload: chance.random() < loss
        made.hub.speaks = lambda: chance.random() >= silence
        for _ in range(60):
            match chance.randrange(8):
                case 0:
                    made.link.cut()
                case 1 | 2:
                    made.link.mend()
                case 3:
                    made.hub.credit = chance.randint(1, 8)
                case _:
                    await made.accept(chance.choice([1, 10, 700]))
            await made.pass_s(chance.choice([0.25, 1, 8]))
            assert made.state.final_total <= len(made.hub.settled[7]), "only what the hub committed may be forgotten"
        made.broker.loses = lambda _topic, _payload: False
        made.hub.speaks = lambda: True
        made.link.mend()
        await made.until("all is final", lambda: made.state.in_flight == 0, within_s=2000)
        accepted = made.state.accepted_total
        assert {seq for _, seq in made.hub.records} == set(range(1, accepted + 1))
