"""Carries records from the spool to the hub, and the hub's commits back to the spool."""

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from edge.clock import Clock, set_within
from edge.machine import OwnNumbers
from edge.spool.base import SpoolBrokenError, SpoolError, SpoolState
from edge.spool.keeper import SpoolKeeper
from edge.time_trust import TimeTrust
from edge.uplink.base import Link
from edge.uplink.lanes import Lane, Lanes
from edge.uplink.traffic import PUBACK_BYTES, STATUS_EVERY_S, Line, publish_bytes
from wire.codec import MAX_RECORDS, decode_commit, encode_batch, encode_inventory, encode_status
from wire.errors import TooLargeError, WireError
from wire.identifiers import GatewayId, SiteId
from wire.messages import MAX_EPOCHS_TOLD, Commit, DeviceStatus, Inventory, Status
from wire.ranges import RangeSet
from wire.records import Batch
from wire.topics import Down, Up, parse_down, up_topic

_logger = logging.getLogger(__name__)
_ASK_TIME_EVERY_S: Final = 10.0
_WORTH_SENDING_EARLY: Final = 500
_HOUSEKEEPING_S: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who speaks."""

    gateway: GatewayId
    site: SiteId
    agent_version: str
    boot_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderCounts:
    """The sender in numbers, since the agent started.

    `batches_due_again` counts batches whose commit did not come in time, or whose connection went. `foreign` counts
    messages that were no commit for us. `bytes_sent` and `bytes_received` are of MQTT; what TCP, IP and TLS add, and
    the keepalive, is `overhead_bytes_estimated`. `trouble` is what the spool says; None while it is well.
    """

    batches_sent: int
    batches_due_again: int
    bytes_sent: int
    bytes_received: int
    overhead_bytes_estimated: int
    commits: int
    foreign: int
    refused_records: int
    batches_in_flight: int
    last_commit_delay_s: float | None
    trouble: str | None


class Sender:
    """Sends what the spool holds.

    Args:
        identity: who speaks.
        keeper: the spool.
        link: the connection.
        lanes: what is in flight.
        clock: the agent's clock.
        inventory: what this gateway reads.
        devices: how its devices are.
        trust: is told the hub's time, and knows how good ours is.
        numbers: how the computer and the buses are, told with each status.
        send_s: a batch leaves at least this often while there is something to send.
        line: what the connection is, to estimate what it adds to what is sent.
    """

    def __init__(  # noqa: PLR0913 - given all it needs by name
        self,
        *,
        identity: Identity,
        keeper: SpoolKeeper,
        link: Link,
        lanes: Lanes,
        clock: Clock,
        inventory: Inventory,
        devices: Callable[[], tuple[DeviceStatus, ...]],
        trust: TimeTrust,
        send_s: float,
        numbers: Callable[[SpoolState], OwnNumbers] = lambda _: OwnNumbers(),
        line: Line | None = None,
    ) -> None:
        self._identity = identity
        self._trust = trust
        self._keeper = keeper
        self._link = link
        self._lanes = lanes
        self._clock = clock
        self._inventory = inventory
        self._devices = devices
        self._numbers = numbers
        self._send_s = send_s
        self._line = line or Line()
        self._began_s = clock.monotonic_s()
        # Changed by this class only, on the event loop.
        self._counts: Counter[str] = Counter()
        self._commits: deque[Commit] = deque()
        self._wake = asyncio.Event()
        self._limit = MAX_RECORDS
        self._has_new = False
        self._sent_at_s = clock.monotonic_s() - send_s
        self._status_at_s = clock.monotonic_s() - STATUS_EVERY_S
        self._asked_time_s = clock.monotonic_s() - _ASK_TIME_EVERY_S
        self._commit_delay_s: float | None = None
        self._gateways = 0
        self._connection = 0
        self._announced_on = 0
        self._trouble: str | None = None

    def accepted(self) -> None:
        """Records have become durable."""
        self._has_new = self._may_be_much = True
        self._wake.set()

    def connected(self) -> None:
        """Say soon who we are and what we read, and send again whatever the old connection may have lost."""
        self._counts["batches_due_again"] += self._lanes.restart()
        self._connection += 1
        self._has_new = self._may_be_much = True
        self._wake.set()

    def received(self, topic: str, payload: bytes) -> None:
        """Take a commit; anything else is not for this version."""
        self._counts["exchanges"] += 1
        self._counts["bytes_received"] += publish_bytes(topic, len(payload))
        self._counts["bytes_sent"] += PUBACK_BYTES
        try:
            gateway, leaf = parse_down(topic)
            if leaf is not Down.COMMIT:
                return
            commit = decode_commit(payload)
        except WireError as error:  # whatever the broker let through
            self._counts["foreign"] += 1
            _logger.warning("from the hub: %s", error)
            return
        if not self._identity.gateway == gateway == commit.gateway:
            self._counts["foreign"] += 1
            return
        self._gateways = commit.gateways or self._gateways
        self._trust.hub_says(commit.hub_time_ms, at_s=self._clock.monotonic_s())
        self._commits.append(commit)
        self._wake.set()

    @property
    def gateways(self) -> int:
        """How many gateways the hub serves, as it said last."""
        return self._gateways

    def counts(self) -> SenderCounts:
        """The sender in numbers."""
        return SenderCounts(
            batches_sent=self._counts["batches_sent"],
            batches_due_again=self._counts["batches_due_again"],
            bytes_sent=self._counts["bytes_sent"],
            bytes_received=self._counts["bytes_received"],
            overhead_bytes_estimated=self._overhead_bytes(),
            commits=self._counts["commits"],
            foreign=self._counts["foreign"],
            refused_records=self._counts["refused_records"],
            batches_in_flight=self._lanes.in_flight,
            last_commit_delay_s=self._commit_delay_s,
            trouble=self._trouble,
        )

    def _overhead_bytes(self) -> int:
        running_s = self._clock.monotonic_s() - self._began_s
        pings = self._line.pings(running_s, longest_silence_s=STATUS_EVERY_S)
        carried = self._counts["bytes_sent"] + self._counts["bytes_received"]
        return round(self._line.overhead_bytes(carried=carried, exchanges=self._counts["exchanges"] + pings))

    async def _publish(self, leaf: Up, payload: bytes, *, retain: bool = False) -> bool:
        """Hand a message over, and count what it is on the line with the broker's answer."""
        topic = up_topic(self._identity.gateway, leaf)
        if not await self._link.publish(topic, payload, retain=retain):
            return False
        self._counts["exchanges"] += 1
        self._counts["bytes_sent"] += publish_bytes(topic, len(payload))
        self._counts["bytes_received"] += PUBACK_BYTES
        return True

    async def run(self) -> None:
        """Send until cancelled.

        Raises:
            SpoolBrokenError: the disk failed; the process must end.
        """
        while True:
            await set_within(self._wake, min(_HOUSEKEEPING_S, self._send_s), self._clock)
            try:
                await self._turn()
            except SpoolBrokenError:
                raise
            except SpoolError as error:
                self._note_trouble(str(error))
                await self._clock.sleep(_HOUSEKEEPING_S)
            else:
                self._note_trouble(None)

    async def drain(self, *, within_s: float) -> bool:
        """Send the rest and wait for its commits; whether nothing is left. Then say that we go. `run` must have ended.

        Raises:
            SpoolError: the spool cannot be read.
        """
        deadline_s = self._clock.monotonic_s() + within_s
        left = await self._keeper.state()
        while left.in_flight and self._link.is_connected and self._clock.monotonic_s() < deadline_s:
            await self._send(only_full=False)
            await set_within(self._wake, min(_HOUSEKEEPING_S, deadline_s - self._clock.monotonic_s()), self._clock)
            await self._take_commits()
            left = await self._keeper.state()
        await self._say_status(online=False)
        return left.in_flight == 0

    async def _turn(self) -> None:
        """Take what has come, send what is due."""
        await self._take_commits()
        if not self._link.is_connected:
            return
        connection = self._connection
        if self._announced_on != connection and await self._announce():
            self._announced_on = connection
        late = self._lanes.expire(now_s=self._clock.monotonic_s())
        self._counts["batches_due_again"] += late
        self._may_be_much = self._may_be_much or late > 0
        await self._send(only_full=not self._is_time())
        await self._ask_time()
        if self._clock.monotonic_s() - self._status_at_s >= STATUS_EVERY_S:
            await self._say_status(online=True)

    async def _ask_time(self) -> None:
        """Where nobody else tells the time, the hub does: it answers a batch of nothing."""
        now_s = self._clock.monotonic_s()
        if self._trust.anchor is not None or now_s - self._asked_time_s < _ASK_TIME_EVERY_S:
            return
        self._asked_time_s = now_s
        epoch = (await self._keeper.state()).epoch
        await self._publish(Up.BATCH, encode_batch(Batch(gateway=self._identity.gateway, epoch=epoch, records=())))

    async def _announce(self) -> bool:
        inventory = encode_inventory(self._inventory)
        return await self._publish(Up.INVENTORY, inventory, retain=True) and await self._say_status(online=True)

    def _note_trouble(self, trouble: str | None) -> None:
        """Remember what the spool says, and log it when it changes."""
        if trouble is not None and self._trouble is None:
            _logger.error("%s; nothing can be sent", trouble)
        elif trouble is None and self._trouble is not None:
            _logger.warning("the spool can be read again")
        self._trouble = trouble

    def _is_time(self) -> bool:
        """Whether a batch may leave that is not full: something is new, and the last one left long enough ago."""
        since_s = self._clock.monotonic_s() - self._sent_at_s
        return (self._has_new and since_s >= 0.9 * self._send_s) or since_s >= 2 * self._send_s

    async def _take_commits(self) -> None:
        self._wake.clear()
        while self._commits:
            commit = self._commits.popleft()
            final = RangeSet.of(commit.final)
            await self._keeper.finish(commit.epoch, final)
            now_s = self._clock.monotonic_s()
            landed = self._lanes.committed(commit.epoch, final, credit=commit.credit, now_s=now_s)
            self._counts["commits"] += 1
            self._commit_delay_s = self._commit_delay_s if landed.delay_s is None else landed.delay_s
            if commit.refused:
                self._counts["refused_records"] += len(commit.refused)
                first = commit.refused[0]
                _logger.warning(
                    "the hub refused %d records, the first: seq %d, %s",
                    len(commit.refused),
                    first.seq,
                    first.reason.name,
                )

    async def _send(self, *, only_full: bool) -> None:
        """Send batches until no more may leave or nothing is left that is worth sending now."""
        has_sent = False
        while self._lanes.may_send and self._link.is_connected:
            if only_full and not await self._is_much_waiting():
                return
            batch = await self._next_batch(least=_WORTH_SENDING_EARLY if only_full else 1)
            if batch is None:
                has_sent = True  # all there is
                break
            payload = self._encoded(batch)
            if payload is None:
                continue
            if not await self._publish(Up.BATCH, payload):
                return
            self._lanes.sent(batch, now_s=self._clock.monotonic_s())
            self._counts["batches_sent"] += 1
            has_sent = True
        if has_sent and not only_full:  # else it is still time as soon as one may leave
            self._has_new = False
            self._sent_at_s = self._clock.monotonic_s()

    async def _is_much_waiting(self) -> bool:
        """Whether a batch is worth sending early: counting costs less than reading what will not be sent."""
        if not self._may_be_much:
            return False
        waiting = (await self._keeper.state()).in_flight - self._lanes.records_in_flight
        self._may_be_much = waiting >= _WORTH_SENDING_EARLY
        return self._may_be_much

    async def _next_batch(self, *, least: int) -> Batch | None:
        """Of the lane whose turn it is; of the backlog, too, where the present has no `least` records."""
        skip = self._lanes.skip()
        if self._lanes.lane() is Lane.LIVE:
            batch = await self._keeper.unsent(skip=skip, limit=self._limit, newest_first=True)
            if batch is not None and len(batch.records) >= least:
                return batch
        batch = await self._keeper.unsent(skip=skip, limit=self._limit, newest_first=False)
        return batch if batch is not None and (least == 1 or len(batch.records) >= least) else None

    def _encoded(self, batch: Batch) -> bytes | None:
        """The batch's bytes; None where it has to be cut smaller, which the next try does."""
        try:
            payload = encode_batch(batch)
        except TooLargeError:
            if self._limit == 1:
                raise
            self._limit = max(1, len(batch.records) // 2)
            return None
        self._limit = min(MAX_RECORDS, self._limit * 2)
        return payload

    async def _say_status(self, *, online: bool) -> bool:
        self._status_at_s = self._clock.monotonic_s()
        quality = self._trust.moment(self._clock.monotonic_s()).quality
        spool = await self._keeper.state()
        told, numbers = status_of(self._identity, spool, online=online, devices=self._devices()), self._numbers(spool)
        status = replace(told, time_quality=quality, machine=numbers.machine, buses=numbers.buses)
        return await self._publish(Up.STATUS, encode_status(status), retain=True)


def status_of(identity: Identity, spool: SpoolState, *, online: bool, devices: tuple[DeviceStatus, ...]) -> Status:
    """The gateway's word about itself."""
    return Status(
        gateway=identity.gateway,
        online=online,
        site=identity.site,
        agent_version=identity.agent_version,
        boot_ms=identity.boot_ms,
        accepted_total=spool.accepted_total,
        final_total=spool.final_total,
        in_flight=spool.in_flight,
        oldest_uncommitted_ms=spool.oldest_uncommitted_ms,
        lost_total=dict(spool.lost_total),
        epochs=spool.epochs[-MAX_EPOCHS_TOLD:],
        devices=devices,
    )


def last_will_of(identity: Identity) -> Status:
    """What the broker says for us when we vanish: no numbers, they would be old."""
    return Status(
        gateway=identity.gateway,
        online=False,
        site=identity.site,
        agent_version=identity.agent_version,
        boot_ms=identity.boot_ms,
    )
