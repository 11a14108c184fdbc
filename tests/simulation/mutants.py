"""Ways to get delivery wrong, each a small change of the product's code. The simulation must see every one of them."""

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from edge import time_trust
from edge.spool import recovery, segment_spool
from edge.spool.contents import Contents
from edge.spool.disk import Disk
from edge.spool.frames import Piece
from edge.spool.keeper import SpoolKeeper
from edge.spool.reading import name_of
from edge.spool.segment_spool import SegmentSpool
from edge.spool.segments import Laid, Pending, Segments, pending_of
from edge.time_anchors import Anchor, AnchorBook, Boot
from edge.time_spool import TimedSpool
from edge.uplink.lanes import Lane, Lanes
from hub.ingest import dead_letters, points, worker
from hub.ingest.columns import BatchColumns
from hub.ingest.decide import EpochKey, Part, RefusedItem, Workload, commits_of, settlements_of, workload_of
from hub.ingest.worker import IngestWorker
from hub.registry import ledger
from hub.registry.ledger import EpochLedger, EpochView, Settlement
from hub.registry.model import DeadLetter, DeadReason
from hub.series import influx, line_protocol
from hub.series.influx import InfluxSeriesStore
from hub.series.line_protocol import Lines, text_of
from hub.series.sheet import Sheet
from wire.codec import encode_commit
from wire.messages import Commit
from wire.ranges import RangeSet
from wire.records import Batch, Record, TimeQuality
from wire.topics import Down, down_topic

Patch = pytest.MonkeyPatch
_chance = random.Random(1)


def _seqs(batch: Batch) -> RangeSet:
    ranges = [(record.seq, record.seq) for record in batch.records]
    return RangeSet.of([*ranges, *((loss.first, loss.last) for loss in batch.losses)])


def forgets_what_the_broker_acknowledged(patch: Patch) -> None:
    right = SpoolKeeper.unsent

    async def unsent(self: SpoolKeeper, **how: Any) -> Batch | None:
        batch = await right(self, **how)
        if batch is not None:
            await self.finish(batch.epoch, _seqs(batch))
        return batch

    patch.setattr(SpoolKeeper, "unsent", unsent)


def commits_before_it_stores(patch: Patch) -> None:
    right = IngestWorker._finish

    async def finish(self: IngestWorker, work: Workload, letters: list[DeadLetter]) -> None:
        settlements = settlements_of(work, work.refused)
        for commit in commits_of(work, settlements, credit=4, hub_time_ms=0):
            await self._publish(down_topic(commit.gateway, Down.COMMIT), encode_commit(commit))
        await right(self, work, letters)

    patch.setattr(IngestWorker, "_finish", finish)


def commits_before_its_ledger(patch: Patch) -> None:
    right = IngestWorker._store

    async def store(self: IngestWorker, parts: Sequence[Part]) -> list[RefusedItem]:
        refused = await right(self, parts)
        for part in parts:
            final = RangeSet.of_numbers(part.columns.seqs.tolist()).ranges
            commit = Commit(gateway=part.gateway, epoch=part.epoch, final=final, credit=4, hub_time_ms=0)
            await self._publish(down_topic(part.gateway, Down.COMMIT), encode_commit(commit))
        return refused

    patch.setattr(IngestWorker, "_store", store)


def takes_the_same_epoch_again(patch: Patch) -> None:
    def fresh(contents: Contents, random_u64: Callable[[], int], where: str) -> int:
        del contents, random_u64, where
        return 7

    patch.setattr(segment_spool, "_fresh_epoch", fresh)


def gives_up_without_a_tombstone(patch: Patch) -> None:
    def given_up(self: SegmentSpool, slot: int, contents: Contents, most_bytes: int) -> tuple[Contents, list[Piece]]:
        del most_bytes
        for place in self._segments.live(slot, pending_of(contents)):
            contents = contents.with_ledger(contents.ledgers[place.epoch_id].finished(place.seqs))
        return contents, []

    patch.setattr(SegmentSpool, "_given_up", given_up)


def knows_batches_by_their_first_record(patch: Patch) -> None:
    right = workload_of
    seen: set[tuple[str, int, int]] = set()

    def wrong_workload_of(batches: Iterable[BatchColumns], views: Mapping[EpochKey, EpochView]) -> Workload:
        fresh = []
        for batch in batches:
            name = (batch.gateway, batch.epoch, next(iter(batch.seqs), 0))
            known = name in seen and batch.tables
            fresh.append(replace(batch, tables=(), seqs=RangeSet()) if known else batch)
            seen.add(name)
        work = right(fresh, views)
        asked = right(batches, views)
        return replace(work, questions=asked.questions)

    patch.setattr(worker, "workload_of", wrong_workload_of)


def adds_a_tag_of_the_hubs_own(patch: Patch) -> None:
    right = text_of

    def wrong_text_of(sheet: Sheet) -> bytes:
        return right(sheet).replace(b",site=hall", b",site=hall,zone=z%d" % _chance.randrange(3))

    patch.setattr(line_protocol, "text_of", wrong_text_of)


def believes_the_databases_count(patch: Patch) -> None:
    right = InfluxSeriesStore._post

    async def post(self: InfluxSeriesStore, text: bytes) -> Any:
        outcome = await right(self, text)
        says_none = isinstance(outcome, influx._Rejected) and "dropped=0" in outcome.reason
        return influx._Stored() if says_none else outcome

    patch.setattr(InfluxSeriesStore, "_post", post)


def takes_an_unknown_outcome_for_stored(patch: Patch) -> None:
    right = InfluxSeriesStore._post

    async def post(self: InfluxSeriesStore, text: bytes) -> Any:
        outcome = await right(self, text)
        return influx._Stored() if isinstance(outcome, influx._Unknown) else outcome

    patch.setattr(InfluxSeriesStore, "_post", post)


def refuses_a_whole_request_for_one_line(patch: Patch) -> None:
    right = InfluxSeriesStore._write_lines

    async def write_lines(self: InfluxSeriesStore, lines: Lines, refused: dict[int, str]) -> str | None:
        some: dict[int, str] = {}
        unknown = await right(self, lines, some)
        refused.update(dict.fromkeys(lines.rows.tolist(), "refused") if some else {})
        return unknown

    patch.setattr(InfluxSeriesStore, "_write_lines", write_lines)


def has_one_point_a_millisecond(patch: Patch) -> None:
    patch.setattr(points, "point_times_ns", lambda *, epoch, seqs, times_ms: times_ms * 1_000_000)


def names_points_at_random(patch: Patch) -> None:
    patch.setattr(
        points, "point_times_ns", lambda *, epoch, seqs, times_ms: times_ms * 1_000_000 + _chance.randrange(1_000_000)
    )


def commits_everything_up_to_the_last(patch: Patch) -> None:
    right = commits_of

    def wrong_commits_of(
        work: Workload, settlements: Iterable[Settlement], *, credit: int, hub_time_ms: int, gateways: int
    ) -> list[Commit]:
        commits = right(work, settlements, credit=credit, hub_time_ms=hub_time_ms, gateways=gateways)
        return [replace(one, final=((1, one.final[-1][1]),)) if one.final else one for one in commits]

    patch.setattr(worker, "commits_of", wrong_commits_of)


def does_not_sync(patch: Patch) -> None:
    def append(self: Segments, laid: Laid) -> None:
        assert self._present is not None
        self._disk.write(name_of(self._present), self._end, laid.data)
        self._remember(self._present, self._end, laid)

    patch.setattr(Segments, "append", append)


def writes_over_what_is_pending(patch: Patch) -> None:
    def target(self: Segments, durable: Pending, after: Pending) -> tuple[int | None, bool]:
        del durable, after
        while len(self._numbers) < 2 and self._grow(must=True):
            pass
        others = [slot for slot in self._numbers if slot != self._present]
        return min(others, key=lambda slot: self._numbers[slot]), True

    patch.setattr(Segments, "target", target)


def reads_only_the_newest_segment(patch: Patch) -> None:
    def looked_at(disk: Disk, sizes: Mapping[int, int]) -> recovery._Found:
        found = right(disk, sizes)
        newest = found.read[-1:]
        found.sealed.clear()
        found.indexes = {segment.slot: segment.index() for segment in newest}
        return found

    right = recovery._looked_at
    patch.setattr(recovery, "_looked_at", looked_at)


def loses_tombstones_at_the_hub(patch: Patch) -> None:
    right = settlements_of

    def wrong_settlements_of(work: Workload, refused: Sequence[RefusedItem]) -> list[Settlement]:
        return [replace(one, losses=()) for one in right(work, refused)]

    patch.setattr(worker, "settlements_of", wrong_settlements_of)


def keeps_no_letter_of_what_it_refuses(patch: Patch) -> None:
    right = dead_letters.refused

    def refused(one: RefusedItem, *, now_ms: int) -> DeadLetter:
        return replace(right(one, now_ms=now_ms), reason=DeadReason.CONFLICT)

    patch.setattr(dead_letters, "refused", refused)


def stamps_anew_at_each_sending(patch: Patch) -> None:
    right = SpoolKeeper.unsent

    async def unsent(self: SpoolKeeper, **how: Any) -> Batch | None:
        batch = await right(self, **how)
        if batch is None:
            return None
        later = tuple(replace(one, time_ms=one.time_ms + _chance.randrange(3)) for one in batch.records)
        return replace(batch, records=later)

    patch.setattr(SpoolKeeper, "unsent", unsent)


def never_sends_again(patch: Patch) -> None:
    patch.setattr(Lanes, "restart", lambda self: 0)
    patch.setattr(Lanes, "expire", lambda self, *, now_s: 0)


def sends_only_the_present(patch: Patch) -> None:
    async def nothing(self: SpoolKeeper, *, skip: Any, limit: int, newest_first: bool) -> Batch | None:
        return await right(self, skip=skip, limit=limit, newest_first=True) if newest_first else None

    right = SpoolKeeper.unsent
    patch.setattr(Lanes, "lane", lambda self: Lane.LIVE)
    patch.setattr(SpoolKeeper, "unsent", nothing)


def forgets_what_the_ledger_held(patch: Patch) -> None:
    right = Settlement.applied_to

    def applied_to(self: Settlement, before: EpochLedger) -> EpochLedger:
        return replace(right(self, before), done=self.stored | RangeSet.of_numbers(one.seq for one in self.refused))

    patch.setattr(Settlement, "applied_to", applied_to)


def takes_a_commit_for_any_epoch(patch: Patch) -> None:
    right = SegmentSpool.finish

    def finish(self: SegmentSpool, epoch: int, final: RangeSet) -> int:
        return right(self, epoch, final) + right(self, self._ledger.epoch, final)

    patch.setattr(SegmentSpool, "finish", finish)


def does_not_ask_what_a_gateway_has_no_more(patch: Patch) -> None:
    right = ledger.told_by_gateway
    patch.setattr(ledger, "told_by_gateway", lambda before, said, *, is_all: right(before, said, is_all=False))


def restamps_when_it_knows_better(patch: Patch) -> None:
    right = TimedSpool._best

    def settled(self: TimedSpool, epoch: int) -> tuple[Boot, Anchor] | None:
        boot = self._book.boot_of(epoch)
        anchor = None if boot is None else right(self, boot)
        return None if boot is None or anchor is None else (boot, anchor)

    patch.setattr(TimedSpool, "_settled", settled)


def sends_before_its_anchor_is_durable(patch: Patch) -> None:
    right = TimedSpool._save

    def save(self: TimedSpool, book: AnchorBook) -> None:
        if any(boot.settled is not None and boot not in self._book.boots for boot in book.boots):
            self._book = book
        else:
            right(self, book)

    patch.setattr(TimedSpool, "_save", save)


def believes_whatever_the_machine_says(patch: Patch) -> None:
    patch.setattr(time_trust, "_believed", time_trust._certain)


def takes_every_epoch_for_one_of_this_boot(patch: Patch) -> None:
    patch.setattr(AnchorBook, "boot_of", lambda self, epoch: self.boots[-1])


def calls_every_time_certain(patch: Patch) -> None:
    right = Boot.anchored

    def anchored(self: Boot, record: Record, anchor: Anchor) -> Record:
        return replace(right(self, record, anchor), time_quality=TimeQuality.SYNCED)

    patch.setattr(Boot, "anchored", anchored)


def waits_for_a_time_for_ever(patch: Patch) -> None:
    patch.setattr(TimedSpool, "_best", lambda self, boot: None)


MUTANTS: dict[str, Callable[[Patch], None]] = {
    one.__name__: one
    for one in (
        forgets_what_the_broker_acknowledged,
        commits_before_it_stores,
        commits_before_its_ledger,
        takes_the_same_epoch_again,
        gives_up_without_a_tombstone,
        knows_batches_by_their_first_record,
        adds_a_tag_of_the_hubs_own,
        believes_the_databases_count,
        takes_an_unknown_outcome_for_stored,
        refuses_a_whole_request_for_one_line,
        has_one_point_a_millisecond,
        names_points_at_random,
        commits_everything_up_to_the_last,
        does_not_sync,
        writes_over_what_is_pending,
        reads_only_the_newest_segment,
        loses_tombstones_at_the_hub,
        keeps_no_letter_of_what_it_refuses,
        stamps_anew_at_each_sending,
        never_sends_again,
        sends_only_the_present,
        forgets_what_the_ledger_held,
        takes_a_commit_for_any_epoch,
        does_not_ask_what_a_gateway_has_no_more,
        restamps_when_it_knows_better,
        sends_before_its_anchor_is_durable,
        believes_whatever_the_machine_says,
        takes_every_epoch_for_one_of_this_boot,
        calls_every_time_certain,
        waits_for_a_time_for_ever,
    )
}
