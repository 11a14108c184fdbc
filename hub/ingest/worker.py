"""The hub's worker: from messages to stored points, ledger and commits.

The order is fixed: store, ledger, commit. A crash between any two of them costs a retransmission and nothing else.

I1. A commit is published only after the ledger holds it, and the ledger only after the store said *stored*.
I2. Memory is bounded: a message that finds the queue full is dropped, and its gateway sends again.
I3. Nothing that a message holds can end the worker.
"""

import asyncio
import logging
from bisect import bisect_right
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import TypeVar, assert_never

from hub.clock import Clock
from hub.ingest import dead_letters
from hub.ingest.announcements import Announcements
from hub.ingest.books import Books
from hub.ingest.columns import BatchColumns, batch_columns, columns_together
from hub.ingest.counters import COUNTED, IngestCounters
from hub.ingest.decide import (
    Accept,
    EpochKey,
    Ignore,
    Part,
    Quarantine,
    RefusedItem,
    Workload,
    admit,
    commits_of,
    credit_of,
    settlements_of,
    workload_of,
)
from hub.ingest.guards import UNOPENED, Guards, without
from hub.ingest.inbox import Inbox, Message
from hub.ingest.points import sheet_of
from hub.ingest.turns import Turns
from hub.registry.ledger import EpochView
from hub.registry.model import DeadLetter, DeadReason, GatewayState, RegistryError
from hub.series.base import SeriesStore
from wire.batch_items import PackedBatch
from wire.codec import decode_packed_batch, encode_commit
from wire.errors import WireError
from wire.identifiers import GatewayId
from wire.messages import Refusal
from wire.ranges import RangeSet
from wire.topics import Down, Up, down_topic, parse_up

_logger = logging.getLogger(__name__)
_Result = TypeVar("_Result")

# Sends one message. A message that cannot be sent is dropped, not raised: the gateway asks again.
Publish = Callable[[str, bytes], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestLimits:
    """How much the worker holds, how much it brings together into one write, and how it waits.

    `merge_bytes` are of payload and read at once: how long the event loop is kept at a time, and little enough that a
    backlog is shared by all hands. What is more than
    `merge_values` when it is read is written in parts. `hands` work side by side: while the database works for one,
    another reads.
    """

    queue_messages: int = 10_000
    queue_bytes: int = 32 * 1024 * 1024
    merge_messages: int = 256
    merge_bytes: int = 64 * 1024
    merge_values: int = 200_000
    hands: int = 3
    credit: int = 32
    retry_first_s: float = 0.5
    retry_most_s: float = 30.0


@dataclass(frozen=True, slots=True)
class _Opened:
    """A batch that was taken out of its payload."""

    message: Message
    packed: PackedBatch


@dataclass(frozen=True, slots=True)
class _Read:
    """A batch that could be read."""

    message: Message
    batch: BatchColumns

    @property
    def key(self) -> EpochKey:
        """The epoch it speaks of."""
        return self.batch.key


class IngestWorker:
    """Takes batches in.

    Args:
        registry: the fleet, the ledger and the dead letters.
        series: where points go.
        publish: sends a commit; it must not raise for a broker that is away.
        clock: the hub's clock.
        limits: how much is held.
        guards: what protects it; the defaults where none are given.
    """

    def __init__(
        self,
        *,
        registry: Books,
        series: SeriesStore,
        publish: Publish,
        clock: Clock,
        limits: IngestLimits | None = None,
        guards: Guards | None = None,
    ) -> None:
        self._registry = registry
        self._series = series
        self._publish = publish
        self._clock = clock
        self._limits = limits or IngestLimits()
        self._guards = guards or Guards()
        # Changed by `offer` and `run`, both on the event loop.
        self._inbox = Inbox(messages=self._limits.queue_messages, payload_bytes=self._limits.queue_bytes)
        self._counts: Counter[str] = Counter()
        self._turns = Turns()
        # What holds ingest at the moment: the series store, the registry, or both.
        self._troubles: dict[str, str] = {}
        self._write_delay_s: float | None = None
        self._gateways = 0
        self._announcements = Announcements(registry=registry, clock=clock, counts=self._counts)

    def offer(self, topic: str, payload: bytes) -> bool:
        """Take a batch, a status or an inventory from the broker if there is room; never waits.

        Returns:
            False where a batch found the queue full: it was dropped, and its gateway will send it again.
        """
        try:
            gateway, leaf = parse_up(topic)
        except WireError:
            self._counts["foreign"] += 1
            return True
        message = Message(gateway, topic, payload)
        if not self._guards.flood.lets_through(gateway, len(payload), now_s=self._clock.monotonic_s()):
            return False
        match leaf:
            case Up.BATCH:
                return self._offer_batch(message)
            case Up.STATUS | Up.INVENTORY:
                self._announcements.offer(leaf, message)
            case Up.REPLY:
                pass  # answers are for whoever asked
            case _:
                assert_never(leaf)
        return True

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for hand in range(self._limits.hands):
                tasks.create_task(self._run_batches(), name=f"ingest-batches-{hand}")
            tasks.create_task(self._announcements.run(), name="ingest-announcements")

    async def drain(self) -> None:
        """Wait until everything that was offered has been handled."""
        await self._inbox.drain()
        await self._announcements.drain()

    def counters(self) -> IngestCounters:
        """The worker in numbers, since it started."""
        return IngestCounters(
            **{name: self._counts[name] for name in COUNTED},
            dropped_flood=self._guards.flood.dropped(),
            queue_messages=self._inbox.messages,
            queue_bytes=self._inbox.payload_bytes,
            trouble=next(iter(self._troubles.values()), None),
            breaker=self._guards.state(now_s=self._clock.monotonic_s()),
            write_delay_s=self._write_delay_s,
        )

    def serves(self, gateways: int) -> None:
        """So many gateways are registered: each is told with its commits, to come back in its turn."""
        self._gateways = gateways

    def close_breaker(self) -> None:
        """Put aside what is refused from now on for a while, although it is much."""
        self._guards.breaker.close(now_s=self._clock.monotonic_s())

    async def handle(self, messages: Sequence[Message]) -> None:
        """Bring these batches all the way: stored, in the ledger, committed."""
        gateways = {message.gateway for message in messages}
        states = await self._persistently(lambda: self._registry.fleet.states(gateways))
        await self._note_ignored([message for message in messages if message.gateway not in states])
        active = [message for message in messages if states.get(message.gateway) is GatewayState.ACTIVE]
        self._counts["ignored_blocked"] += sum(
            states.get(message.gateway) is GatewayState.BLOCKED for message in messages
        )
        letters: list[DeadLetter] = []
        for read in self._read_in_parts(active, letters):
            asked: dict[EpochKey, RangeSet] = {}
            for one in read:
                asked[one.key] = asked.get(one.key, RangeSet()) | one.batch.asked
            views = await self._persistently(partial(self._registry.ledger.views, asked))
            accepted = [one.batch for one in read if self._is_admitted(one, states, views, letters)]
            await self._finish(workload_of(accepted, views), letters)
            letters.clear()

    def _read_in_parts(self, messages: Iterable[Message], letters: list[DeadLetter]) -> Iterator[list[_Read]]:
        """What can be read, so much at a time as is written at once; the last part may be empty."""
        part: list[_Opened] = []
        values = 0
        for message in messages:
            if (packed := self._opened(message, letters)) is not None:
                part.append(_Opened(message, packed))
                values += packed.values
            if values > self._limits.merge_values:
                yield self._read(part, letters)
                part, values = [], 0
        yield self._read(part, letters)

    async def write_again(self, payload: bytes) -> str | None:
        """Write the records of a batch that was put aside; the ledger is the caller's. Waits while the store is away.

        Returns:
            Why one of them may still not be stored; None where all are.

        Raises:
            WireError: it is no batch.
        """
        work = workload_of([batch_columns(decode_packed_batch(payload))], {})
        refused = [*work.refused, *await self._store(work.write)]
        return refused[0].detail if refused else None

    async def _run_batches(self) -> None:
        while True:
            messages = await self._inbox.take(most=self._limits.merge_messages, most_bytes=self._limits.merge_bytes)
            for some in self._guards.alone(messages):
                async with self._turns.alone() if self._guards.suspects(some) else self._turns.together():
                    payloads = [message.payload for message in some]
                    self._guards.journal.begin(payloads)
                    await self.handle(some)
                    self._guards.journal.end(payloads)
            self._inbox.done(messages)

    def _offer_batch(self, message: Message) -> bool:
        self._counts["received"] += 1
        if self._inbox.put(message):
            return True
        self._counts["dropped_full"] += 1
        return False

    def _opened(self, message: Message, letters: list[DeadLetter]) -> PackedBatch | None:
        if self._guards.kills(message):
            self._put_aside(message, DeadReason.UNREADABLE, UNOPENED, letters)
            return None
        return self._or_aside(message, lambda: decode_packed_batch(message.payload), letters)

    def _read(self, opened: Sequence[_Opened], letters: list[DeadLetter]) -> list[_Read]:
        """All together, or one by one where one of them is at fault."""
        try:
            found = columns_together([one.packed for one in opened])
            return [_Read(one.message, batch) for one, batch in zip(opened, found, strict=True)]
        except WireError:
            pass
        except Exception:
            _logger.exception("one of %d batches broke its reader: each is read by itself", len(opened))
        singly = (
            (one.message, self._or_aside(one.message, partial(batch_columns, one.packed), letters)) for one in opened
        )
        return [_Read(message, batch) for message, batch in singly if batch is not None]

    def _or_aside(self, message: Message, read: Callable[[], _Result], letters: list[DeadLetter]) -> _Result | None:
        """What is read of a message; where it cannot be read it is put aside."""
        try:
            return read()
        except WireError as error:
            self._put_aside(message, DeadReason.UNREADABLE, str(error), letters)
        except Exception as error:
            _logger.exception("a batch of gateway %s broke its reader", message.gateway)
            self._put_aside(message, DeadReason.UNREADABLE, f"{type(error).__name__}: {error}", letters)
        return None

    def _is_admitted(
        self,
        one: _Read,
        states: Mapping[GatewayId, GatewayState],
        views: Mapping[EpochKey, EpochView],
        letters: list[DeadLetter],
    ) -> bool:
        match admit(one.message.gateway, states.get(one.message.gateway), one.batch, views[one.key]):
            case Accept():
                done = views[one.key].ledger.done
                self._counts["records_again"] += len(one.batch.seqs & done)
                return True
            case Quarantine(detail):
                self._put_aside(one.message, DeadReason.FORGED, detail, letters)
            case Ignore():
                pass
        return False

    def _put_aside(self, message: Message, reason: DeadReason, detail: str, letters: list[DeadLetter]) -> None:
        self._counts[reason.value] += 1
        if self._guards.holds_message(message.gateway, detail, now_s=self._clock.monotonic_s()):
            self._counts["held_back"] += 1
            return
        letters.append(dead_letters.of_message(message, reason, detail=detail, now_ms=self._clock.now_ms()))

    async def _note_ignored(self, messages: Sequence[Message]) -> None:
        if messages:
            counts = Counter(message.gateway for message in messages)
            self._counts["ignored_unknown"] += len(messages)
            now_ms = self._clock.now_ms()
            await self._persistently(lambda: self._registry.fleet.note_unknown(counts, now_ms=now_ms))

    async def _finish(self, work: Workload, letters: list[DeadLetter]) -> None:
        """Store, then ledger, then commit."""
        refused = [*work.refused, *await self._store(work.write)]
        if refused and (held := self._guards.held_back(refused, now_s=self._clock.monotonic_s())):
            self._counts["held_back"] += len(held)
            work = without(work, held)
            refused = [one for one in refused if one not in held]
        settlements = settlements_of(work, refused)
        now_ms = self._clock.now_ms()
        letters += [dead_letters.refused(one, now_ms=now_ms) for one in refused]
        letters += [dead_letters.conflict(item, now_ms=now_ms) for item in work.conflicts]
        if settlements or letters:
            await self._persistently(
                lambda: self._registry.ledger.settle(settlements, dead_letters=letters, now_ms=now_ms)
            )
        self._guards.note_passed(settlements, work, now_s=self._clock.monotonic_s())
        self._counts["records_stored"] += sum(len(settlement.stored) for settlement in settlements)
        self._counts["records_refused"] += len(refused)
        self._counts["conflicts"] += len(work.conflicts)
        credit = credit_of(fill=self._inbox.fill, most=self._limits.credit)
        now_ms, gateways = self._clock.now_ms(), self._gateways
        commits = commits_of(work, settlements, credit=credit, hub_time_ms=now_ms, gateways=gateways)
        await asyncio.gather(
            *(self._publish(down_topic(commit.gateway, Down.COMMIT), encode_commit(commit)) for commit in commits)
        )
        self._counts["commits"] += len(commits)

    async def _store(self, parts: Sequence[Part]) -> list[RefusedItem]:
        """Write until the outcome is known; returns what the store refuses for ever."""
        if not parts:
            return []
        sheets = [sheet_of(part.gateway, part.epoch, part.columns) for part in parts]
        delay_s = self._limits.retry_first_s
        began_s = self._clock.monotonic_s()
        while (result := await self._series.write(sheets)).unknown is not None:
            delay_s = await self._wait("series", result.unknown, delay_s)
        self._write_delay_s = self._clock.monotonic_s() - began_s
        self._well_again("series")
        ends = list(accumulate(len(part.columns) for part in parts))
        refused: list[RefusedItem] = []
        for place, reason in result.refused.items():
            at = bisect_right(ends, place)
            item = parts[at].item(place - (ends[at] - len(parts[at].columns)))
            refused.append(RefusedItem(item, Refusal.DATABASE, reason))
        return refused

    async def _persistently(self, act: Callable[[], Awaitable[_Result]]) -> _Result:
        """Do it until the registry's database takes it."""
        delay_s = self._limits.retry_first_s
        while True:
            try:
                result = await act()
            except RegistryError as error:
                delay_s = await self._wait("registry", str(error), delay_s)
            else:
                self._well_again("registry")
                return result

    async def _wait(self, where: str, trouble: str, delay_s: float) -> float:
        """Hold this work for a while; returns how long to wait the next time."""
        if where not in self._troubles:
            _logger.error("ingest holds: %s", trouble)
        self._troubles[where] = trouble
        self._counts["retries"] += 1
        await self._clock.sleep(delay_s)
        return min(delay_s * 2, self._limits.retry_most_s)

    def _well_again(self, where: str) -> None:
        if self._troubles.pop(where, None) is not None:
            _logger.warning("ingest goes on")
