"""The ledger in the registry's database: one row an epoch, one row a refused record."""

import json
from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.registry.database import Database
from hub.registry.dead_letter_store import DeadLetterLimits, add_dead_letters
from hub.registry.ledger import Accounts, EpochLedger, EpochView, SelfReport, Settlement, accounts_of
from hub.registry.model import DeadLetter
from hub.registry.tables import GATEWAY, LEDGER, REFUSED
from wire.identifiers import GatewayId
from wire.messages import EpochStatus, Refusal, Refused
from wire.ranges import RangeSet
from wire.records import LossReason

EpochKey = tuple[GatewayId, int]

_NO_TEXT = "{}"


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
        async with self._database.read() as connection:
            return {key: await _view(connection, key, seqs) for key, seqs in asked.items()}

    async def settle(
        self, settlements: Sequence[Settlement], *, dead_letters: Sequence[DeadLetter] = (), now_ms: int
    ) -> None:
        """Record what became of records, with the dead letters of the refused ones: all of it, durably, or nothing.

        Doing it again changes nothing.

        Raises:
            RegistryError: nothing was recorded.
        """
        async with self._database.write() as connection:
            for settlement in settlements:
                await _settle(connection, settlement)
            for gateway in {settlement.gateway for settlement in settlements}:
                seen = {"last_seen_ms": now_ms, "first_seen_ms": func.coalesce(GATEWAY.c.first_seen_ms, now_ms)}
                await connection.execute(update(GATEWAY).where(GATEWAY.c.gateway == gateway).values(seen))
            await add_dead_letters(connection, dead_letters, self._limits)

    async def accounts(self, gateway: GatewayId) -> Accounts:
        """Where the records of one gateway are; all zero for one that is not known."""
        return (await self._accounts([gateway]))[0]

    async def all_accounts(self) -> list[Accounts]:
        """Where the records of each registered gateway are, by gateway."""
        async with self._database.read() as connection:
            gateways = (await connection.scalars(select(GATEWAY.c.gateway).order_by(GATEWAY.c.gateway))).all()
        return await self._accounts([GatewayId(gateway) for gateway in gateways])

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


async def record_accepted(connection: AsyncConnection, gateway: GatewayId, epoch: EpochStatus) -> None:
    """Keep a gateway's word that seqs 1..accepted_hi of an epoch were accepted; it never goes back."""
    key = (gateway, epoch.epoch)
    before = await _load_locked(connection, key)
    if before is None or before.accepted_hi < epoch.accepted_hi:
        ledger = before or EpochLedger()
        after = EpochLedger(
            accepted_hi=epoch.accepted_hi,
            done=ledger.done,
            refused_count=ledger.refused_count,
            declared=ledger.declared,
        )
        await _save(connection, key, after, is_new=before is None)


async def _settle(connection: AsyncConnection, settlement: Settlement) -> None:
    key = (settlement.gateway, settlement.epoch)
    found = await _load_locked(connection, key)
    before = found or EpochLedger()
    if rows := [
        {"gateway": key[0], "epoch": _epoch_text(key[1]), "seq": refused.seq, "reason": refused.reason.value}
        for refused in settlement.newly_refused(before)
    ]:
        await connection.execute(insert(REFUSED), rows)
    await _save(connection, key, settlement.applied_to(before), is_new=found is None)


async def _view(connection: AsyncConnection, key: EpochKey, asked: RangeSet) -> EpochView:
    at = (LEDGER.c.gateway == key[0]) & (LEDGER.c.epoch == _epoch_text(key[1]))
    columns = select(LEDGER.c.accepted_hi, LEDGER.c.done, LEDGER.c.refused_count, LEDGER.c.declared)
    row = (await connection.execute(columns.where(at))).one_or_none()
    if row is None:
        return EpochView()
    ledger = _ledger(*row)
    return EpochView(ledger=ledger, refused=await _refused(connection, key, asked) if ledger.refused_count else ())


async def _refused(connection: AsyncConnection, key: EpochKey, asked: RangeSet) -> tuple[Refused, ...]:
    spans = or_(*(REFUSED.c.seq.between(first, last) for first, last in _few_spans(asked)))
    at = (REFUSED.c.gateway == key[0]) & (REFUSED.c.epoch == _epoch_text(key[1])) & spans
    rows = await connection.execute(select(REFUSED.c.seq, REFUSED.c.reason).where(at).order_by(REFUSED.c.seq))
    return tuple(Refused(seq=seq, reason=Refusal(reason)) for seq, reason in rows if seq in asked)


def _few_spans(asked: RangeSet) -> Iterable[tuple[int, int]]:
    """The ranges, or one that covers them where there are too many for one query."""
    few = 100
    return asked.ranges if len(asked.ranges) <= few else [(asked.ranges[0][0], asked.ranges[-1][1])]


async def _load_locked(connection: AsyncConnection, key: EpochKey) -> EpochLedger | None:
    at = (LEDGER.c.gateway == key[0]) & (LEDGER.c.epoch == _epoch_text(key[1]))
    columns = select(LEDGER.c.accepted_hi, LEDGER.c.done, LEDGER.c.refused_count, LEDGER.c.declared)
    row = (await connection.execute(columns.where(at).with_for_update())).one_or_none()
    return None if row is None else _ledger(*row)


async def _save(connection: AsyncConnection, key: EpochKey, ledger: EpochLedger, *, is_new: bool) -> None:
    at = {"gateway": key[0], "epoch": _epoch_text(key[1])}
    values = {
        "accepted_hi": ledger.accepted_hi,
        "done": _ranges_text(ledger.done),
        "refused_count": ledger.refused_count,
        "declared": json.dumps({reason.value: ranges.ranges for reason, ranges in ledger.declared.items()}),
    }
    if is_new:
        await connection.execute(insert(LEDGER).values(at | values))
    else:
        row = (LEDGER.c.gateway == at["gateway"]) & (LEDGER.c.epoch == at["epoch"])
        await connection.execute(update(LEDGER).where(row).values(values))


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
