"""The ledger in the registry's database: one row an epoch, one row a refused record."""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from sqlalchemy import BindParameter, bindparam, delete, func, insert, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.registry.database import Database
from hub.registry.dead_letter_store import DeadLetterLimits, add_dead_letters, close_dead_letter
from hub.registry.ledger import (
    Accounts,
    EpochLedger,
    EpochView,
    LostRange,
    SelfReport,
    Settlement,
    accounts_of,
    lost_ranges,
    told_by_gateway,
)
from hub.registry.model import DeadLetter, Outcome
from hub.registry.tables import GATEWAY, LEDGER, REFUSED, STORED_DAY
from wire.identifiers import GatewayId
from wire.messages import MAX_EPOCHS_TOLD, EpochStatus, Refusal, Refused
from wire.ranges import RangeSet
from wire.records import LossReason

EpochKey = tuple[GatewayId, int]

_NO_TEXT = "{}"
# SQLite lets a statement have 32,766 parameters, older ones 999.
_KEYS_PER_QUERY = 400
_FIRST_STORED = insert(STORED_DAY).values(
    gateway=bindparam("at_gateway"), day=bindparam("at_day"), stored=bindparam("more")
)
_MORE_STORED = (
    update(STORED_DAY)
    .where((STORED_DAY.c.gateway == bindparam("at_gateway")) & (STORED_DAY.c.day == bindparam("at_day")))
    .values(stored=STORED_DAY.c.stored + bindparam("more"))
)


class LedgerStore:
    """What became of every record."""

    def __init__(self, database: Database, limits: DeadLetterLimits) -> None:
        self._database = database
        self._limits = limits

    async def views(self, asked: Mapping[EpochKey, RangeSet]) -> dict[EpochKey, EpochView]:
        """The ledger of each epoch, with the refusals among the seqs asked for.

        Raises:
            RegistryError: the database cannot answer.
        """
        if not asked:
            return {}
        async with self._database.read() as connection:
            ledgers = await _load(connection, asked)
            refused = {
                key: await _refused(connection, key, asked[key])
                for key, ledger in ledgers.items()
                if ledger.refused_count and asked[key]
            }
        return {key: EpochView(ledger=ledgers.get(key, EpochLedger()), refused=refused.get(key, ())) for key in asked}

    async def settle(
        self, settlements: Sequence[Settlement], *, dead_letters: Sequence[DeadLetter] = (), now_ms: int
    ) -> None:
        """Record what became of records, with the dead letters of the refused ones: all of it, durably, or nothing.

        Doing it again changes nothing.

        Raises:
            RegistryError: nothing was recorded.
        """
        async with self._database.write() as connection:
            if settlements:
                await _settle(connection, settlements)
                await _note_seen(connection, {settlement.gateway for settlement in settlements}, now_ms)
            await add_dead_letters(connection, dead_letters, self._limits)

    async def redeem(self, letter: DeadLetter, *, day: int, now_ms: int) -> bool:
        """A refused record has been stored after all: so says the ledger, and its dead letter goes. Both or nothing.

        Args:
            letter: as it was read; one that was put aside once more since then stays.
            day: the UTC day of the record's time.
            now_ms: when.

        Returns:
            Whether it went.

        Raises:
            RegistryError: nothing was changed.
        """
        async with self._database.write() as connection:
            if not await close_dead_letter(connection, letter, Outcome.STORED, now_ms=now_ms):
                return False
            if letter.epoch is not None and letter.seq is not None:
                await _redeem(connection, (letter.gateway, letter.epoch), letter.seq, day=day)
        return True

    async def accounts(self, gateway: GatewayId) -> Accounts:
        """Where the records of one gateway are; all zero for one that is not known."""
        return (await self._accounts([gateway]))[0]

    async def all_accounts(self) -> list[Accounts]:
        """Where the records of each registered gateway are, by gateway."""
        async with self._database.read() as connection:
            gateways = (await connection.scalars(select(GATEWAY.c.gateway).order_by(GATEWAY.c.gateway))).all()
        return await self._accounts([GatewayId(gateway) for gateway in gateways])

    async def epochs(self, gateway: GatewayId) -> dict[int, EpochLedger]:
        """The ledger of each epoch of one gateway."""
        async with self._database.read() as connection:
            rows = (await connection.execute(select(LEDGER).where(LEDGER.c.gateway == gateway))).all()
        return {int(row.epoch, 16): _ledger(row.accepted_hi, row.done, row.refused_count, row.declared) for row in rows}

    async def losses(self, gateway: GatewayId) -> list[LostRange]:
        """Every record of one gateway that is lost, by epoch and range, with the reason."""
        epochs = await self.epochs(gateway)
        return [one for epoch in sorted(epochs) for one in lost_ranges(epoch, epochs[epoch])]

    async def _accounts(self, gateways: Sequence[GatewayId]) -> list[Accounts]:
        reported = select(GATEWAY.c.gateway, GATEWAY.c.in_flight, GATEWAY.c.lost_total).where(
            GATEWAY.c.gateway.in_(gateways)
        )
        async with self._database.read() as connection:
            ledger_rows = (await connection.execute(select(LEDGER).where(LEDGER.c.gateway.in_(gateways)))).all()
            report_rows = (await connection.execute(reported)).all()
        ledgers: dict[str, list[EpochLedger]] = {gateway: [] for gateway in gateways}
        for gateway, _, accepted_hi, done, refused_count, declared in ledger_rows:
            ledgers[gateway].append(_ledger(accepted_hi, done, refused_count, declared))
        reports = {
            gateway: SelfReport(in_flight=in_flight or 0, lost_total=sum(json.loads(lost).values()))
            for gateway, in_flight, lost in report_rows
        }
        return [accounts_of(gateway, ledgers[gateway], reports.get(gateway, SelfReport())) for gateway in gateways]


async def record_accepted(connection: AsyncConnection, gateway: GatewayId, said: Sequence[EpochStatus]) -> None:
    """Keep a gateway's word about its epochs. Where one is new it has started again: then all of them are looked at."""
    before = await _load(connection, [(gateway, one.epoch) for one in said])
    told_before = sum(ledger.accepted_hi > 0 for ledger in before.values())
    is_all = told_before < len(said) < MAX_EPOCHS_TOLD
    if is_all:
        rows = await connection.execute(select(LEDGER.c.epoch).where(LEDGER.c.gateway == gateway))
        before = await _load(connection, [(gateway, int(epoch, 16)) for (epoch,) in rows])
    told = told_by_gateway({epoch: ledger for (_, epoch), ledger in before.items()}, said, is_all=is_all)
    await _save(connection, {(gateway, epoch): ledger for epoch, ledger in told.items()}, known=before.keys())


async def _settle(connection: AsyncConnection, settlements: Sequence[Settlement]) -> None:
    before = await _load(connection, [(settlement.gateway, settlement.epoch) for settlement in settlements])
    after: dict[EpochKey, EpochLedger] = {}
    refused: list[dict[str, str | int]] = []
    days: Counter[tuple[GatewayId, int]] = Counter()
    for settlement in settlements:
        key = (settlement.gateway, settlement.epoch)
        ledger = after.get(key) or before.get(key, EpochLedger())
        refused += [
            {"gateway": key[0], "epoch": _epoch_text(key[1]), "seq": one.seq, "reason": one.reason.value}
            for one in settlement.newly_refused(ledger)
        ]
        for day, count in settlement.newly_stored(ledger).items():
            days[settlement.gateway, day] += count
        after[key] = settlement.applied_to(ledger)
    if refused:
        await connection.execute(insert(REFUSED), refused)
    await count_stored(connection, days)
    await _save(connection, after, known=before.keys())


async def count_stored(connection: AsyncConnection, days: Mapping[tuple[GatewayId, int], int]) -> None:
    """Count records stored, by gateway and day, as part of the connection's transaction."""
    wanted = sorted(days)
    known: set[tuple[str, int]] = set()
    for start in range(0, len(wanted), _KEYS_PER_QUERY):
        at = tuple_(STORED_DAY.c.gateway, STORED_DAY.c.day).in_(wanted[start : start + _KEYS_PER_QUERY])
        rows = await connection.execute(select(STORED_DAY.c.gateway, STORED_DAY.c.day).where(at))
        known |= {(gateway, day) for gateway, day in rows}
    rows_of = {key: {"at_gateway": key[0], "at_day": key[1], "more": days[key]} for key in wanted}
    if fresh := [row for key, row in rows_of.items() if key not in known]:
        await connection.execute(_FIRST_STORED, fresh)
    if counted := [row for key, row in rows_of.items() if key in known]:
        await connection.execute(_MORE_STORED, counted)


async def _redeem(connection: AsyncConnection, key: EpochKey, seq: int, *, day: int) -> None:
    ledgers = await _load(connection, [key])
    at = (REFUSED.c.gateway == key[0]) & (REFUSED.c.epoch == _epoch_text(key[1])) & (REFUSED.c.seq == seq)
    if (await connection.execute(delete(REFUSED).where(at))).rowcount:
        after = replace(ledgers[key], refused_count=ledgers[key].refused_count - 1)
        await _save(connection, {key: after}, known=ledgers.keys())
        await count_stored(connection, {(key[0], day): 1})


async def _note_seen(connection: AsyncConnection, gateways: Collection[GatewayId], now_ms: int) -> None:
    seen = {"last_seen_ms": now_ms, "first_seen_ms": func.coalesce(GATEWAY.c.first_seen_ms, now_ms)}
    await connection.execute(update(GATEWAY).where(GATEWAY.c.gateway.in_(gateways)).values(seen))


async def _refused(connection: AsyncConnection, key: EpochKey, asked: RangeSet) -> tuple[Refused, ...]:
    spans = or_(*(REFUSED.c.seq.between(first, last) for first, last in _few_spans(asked)))
    at = (REFUSED.c.gateway == key[0]) & (REFUSED.c.epoch == _epoch_text(key[1])) & spans
    rows = await connection.execute(select(REFUSED.c.seq, REFUSED.c.reason).where(at).order_by(REFUSED.c.seq))
    return tuple(Refused(seq=seq, reason=Refusal(reason)) for seq, reason in rows if seq in asked)


def _few_spans(asked: RangeSet) -> Iterable[tuple[int, int]]:
    """The ranges, or one that covers them where there are too many for one query."""
    few = 100
    return asked.ranges if len(asked.ranges) <= few else [(asked.ranges[0][0], asked.ranges[-1][1])]


async def _load(connection: AsyncConnection, keys: Iterable[EpochKey]) -> dict[EpochKey, EpochLedger]:
    """The ledgers that are there, locked until the transaction ends (SQLite's transaction holds the lock already)."""
    wanted = [(gateway, _epoch_text(epoch)) for gateway, epoch in keys]
    found: dict[EpochKey, EpochLedger] = {}
    for start in range(0, len(wanted), _KEYS_PER_QUERY):
        at = tuple_(LEDGER.c.gateway, LEDGER.c.epoch).in_(wanted[start : start + _KEYS_PER_QUERY])
        for row in await connection.execute(select(LEDGER).where(at).with_for_update()):
            found[GatewayId(row.gateway), int(row.epoch, 16)] = _ledger(
                row.accepted_hi, row.done, row.refused_count, row.declared
            )
    return found


async def _save(
    connection: AsyncConnection, ledgers: Mapping[EpochKey, EpochLedger], *, known: Collection[EpochKey]
) -> None:
    rows = {
        key: {
            "at_gateway": key[0],
            "at_epoch": _epoch_text(key[1]),
            "accepted_hi": ledger.accepted_hi,
            "done": _ranges_text(ledger.done),
            "refused_count": ledger.refused_count,
            "declared": json.dumps({reason.value: ranges.ranges for reason, ranges in ledger.declared.items()}),
        }
        for key, ledger in ledgers.items()
    }
    here = (LEDGER.c.gateway == bindparam("at_gateway")) & (LEDGER.c.epoch == bindparam("at_epoch"))
    new = insert(LEDGER).values(gateway=bindparam("at_gateway"), epoch=bindparam("at_epoch"))
    columns: dict[str, BindParameter[object]] = {
        name: bindparam(name) for name in ("accepted_hi", "done", "refused_count", "declared")
    }
    if fresh := [row for key, row in rows.items() if key not in known]:
        await connection.execute(new.values(columns), fresh)
    if changed := [row for key, row in rows.items() if key in known]:
        await connection.execute(update(LEDGER).where(here).values(columns), changed)


def _ledger(accepted_hi: int, done: str, refused_count: int, declared: str) -> EpochLedger:
    given_up = {} if declared == _NO_TEXT else json.loads(declared)
    return EpochLedger(
        accepted_hi=accepted_hi,
        done=RangeSet(tuple((first, last) for first, last in json.loads(done))),
        refused_count=refused_count,
        declared={
            LossReason(reason): RangeSet(tuple((first, last) for first, last in ranges))
            for reason, ranges in given_up.items()
        },
    )


def _ranges_text(ranges: RangeSet) -> str:
    return json.dumps(ranges.ranges, separators=(",", ":"))


def _epoch_text(epoch: int) -> str:
    return f"{epoch:016x}"
