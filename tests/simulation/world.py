"""A province in one process: gateways, broker, hub and database, everything that can happen to them, and the judgement.

The product's real spool, group commit, sender, lanes, worker, store client and ledger run on one loop of virtual time.
A seed says all that happens; the same seed gives the same run.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from hub.registry.ledger import Accounts
from hub.registry.model import DeadReason
from hub.series.influx import InfluxSeriesStore
from tests.simulation.far_side import Broker, Influx, Weather
from tests.simulation.near_side import Gateway, Hub, Promises, quiet
from tests.simulation.short_cuts import CODED_EVERY, DirectStore, handed_on
from tests.simulation.virtual_loop import StuckError, VirtualLoop
from wire import codec
from wire.ranges import RangeSet
from wire.records import Batch, LossReason, TimeQuality

HEALS_WITHIN_S = 3600.0
POISONED_EVERY = 23
LYING_SHARE = 0.4
DAMAGED_SHARE = 0.1
STEPS_MS = (-7_200_000, -200_000, -1000, 1000, 200_000, 3_600_000, 315_360_000_000, -315_360_000_000)
CERTAIN_WITHIN_MS = 312_000  # witnesses agree within five minutes; and messages are late
FAULTS = (
    "power cut",
    "cut in operation",
    "kill",
    "line",
    "long line",
    "broker",
    "hub",
    "database",
    "clock",
    "lie",
    "flipped bytes",
    "lost segment",
)


class ViolationError(AssertionError):
    """A promise was broken; the text names the seed that shows it."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a run saw."""

    readings: int
    lost: int
    refused: int
    faults: Counter[str] = field(default_factory=Counter)


def is_poisoned(line: str) -> bool:
    """Whether the database refuses this line for ever: by the number of its reading."""
    return _number_of(line.split(" ")[1]) % POISONED_EVERY == 0


def _number_of(fields: str) -> int:
    return int(float(next(one[3:] for one in fields.split(",") if one.startswith("v0="))))


def run(seed: int) -> Outcome:
    """One run.

    Raises:
        ViolationError: a promise was broken.
    """
    quiet()
    if seed % CODED_EVERY == 0:
        return _run(seed, codec.decode_batch, InfluxSeriesStore)
    with handed_on() as read_batch:
        return _run(seed, read_batch, DirectStore)


def _run(seed: int, read_batch: Callable[[bytes], Batch], store: Callable[..., InfluxSeriesStore]) -> Outcome:
    loop = VirtualLoop()
    asyncio.set_event_loop(loop)
    loop.set_exception_handler(lambda _loop, context: _failures.append(context))
    _failures: list[dict[str, object]] = []
    world = World(seed, loop, read_batch, store)
    try:
        loop.run_until_complete(world.live())
        if _failures:
            raise ViolationError(f"seed {seed}: {_failures[0].get('message')}: {_failures[0].get('exception')!r}")
        return world.judge()
    except StuckError as error:
        raise ViolationError(f"seed {seed}: {error}") from error
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.wait(left, timeout=60))
        asyncio.set_event_loop(None)
        loop.close()


class World:
    """Everything, and what happens to it."""

    def __init__(
        self,
        seed: int,
        loop: VirtualLoop,
        read_batch: Callable[[bytes], Batch],
        store: Callable[..., InfluxSeriesStore],
    ) -> None:
        self._read_batch = read_batch
        self._seed = seed
        self._loop = loop
        self._chance = chance = random.Random(seed)
        self._weather = Weather()
        self._promises = Promises()
        self._faults: Counter[str] = Counter()
        broker = Broker(chance, self._weather)
        self._broker = broker
        self._influx = Influx(chance, self._weather, is_poisoned, refuses_whole=chance.random() < 0.5)
        self._hub = Hub(
            loop,
            broker,
            self._influx,
            self._weather,
            chance,
            workers=chance.choice((1, 1, 2)),
            store=store,
        )
        names = ("gw-a", "gw-b", "gw-c")[: chance.choice((1, 1, 1, 2, 3))]
        self._disks_lie = chance.random() < LYING_SHARE
        is_small = chance.random() < 0.5
        self._gateways = [Gateway(name, loop, broker, chance, self._promises, is_small=is_small) for name in names]

    async def live(self) -> None:
        """Bad times, then good ones until nothing is under way any more."""
        self._hub.start()
        for gateway in self._gateways:
            gateway.start()
        self._weather.__dict__.update(self._bad_weather())
        end_s = self._loop.now_s + self._chance.choice((5, 10, 15, 20, 60))
        while self._loop.now_s < end_s:
            await asyncio.sleep(self._chance.expovariate(0.6))
            self._something_happens()
        await self._heal()

    def _bad_weather(self) -> dict[str, float]:
        chance = self._chance
        return {
            "loses": chance.choice((0.0, 0.05, 0.3)),
            "doubles": chance.choice((0.0, 0.1, 0.4)),
            "slowest_s": chance.choice((0.1, 2.0, 8.0)),
            "database_slowest_s": chance.choice((0.05, 0.05, 3.0, 20.0)),
            "database_fails": chance.choice((0.0, 0.2, 0.6)),
            "hub_dies": chance.choice((0.0, 0.02, 0.1)),
        }

    def _something_happens(self) -> None:
        gateway = self._chance.choice(self._gateways)
        what = self._chance.choice(FAULTS)
        self._faults[what] += 1
        match what:
            case "power cut" | "kill":
                gateway.kill(is_power_cut=what == "power cut")
            case "cut in operation":
                gateway.dies_in_operation(self._chance.randint(0, 12))
            case "lie":
                gateway.disk.lies = self._disks_lie
                gateway.has_lied = gateway.has_lied or self._disks_lie
            case "clock":
                gateway.clock.step(self._chance.choice(STEPS_MS))
            case "flipped bytes" | "lost segment":
                if self._chance.random() < DAMAGED_SHARE:
                    gateway.is_damaged(is_destroyed=what == "lost segment")
            case _:
                self._something_happens_between(gateway, what)

    def _something_happens_between(self, gateway: Gateway, what: str) -> None:
        match what:
            case "line" | "long line":
                lasts_s = self._chance.random() * (5 if what == "line" else 60)
                gateway.link.down_until_s = self._loop.now_s + lasts_s
                gateway.link.cut()
            case "broker":
                self._broker.wipe()
            case "hub":
                self._hub.kill()
            case _:
                self._influx.is_down = not self._influx.is_down

    async def _heal(self) -> None:
        self._weather.__dict__.update(Weather().__dict__)
        self._influx.is_down = False
        for gateway in self._gateways:
            gateway.reads = False
        end_s = self._loop.now_s + HEALS_WITHIN_S
        quiet_for = 0
        while quiet_for < 3:
            await asyncio.sleep(5)
            quiet_for = quiet_for + 1 if self._is_drained() else 0
            if self._loop.now_s > end_s:
                waits = {one.name: one.spool.state().in_flight if one.spool else None for one in self._gateways}
                raise ViolationError(f"seed {self._seed}: an hour of good weather, and still in flight: {waits}")

    def _is_drained(self) -> bool:
        return all(one.runs and one.spool is not None and one.spool.state().in_flight == 0 for one in self._gateways)

    def judge(self) -> Outcome:
        """Every accepted reading is stored once with its value, or refused, or declared lost; and the accounts say so.

        Raises:
            ViolationError: not so.
        """
        stored = Counter(_number_of(fields) for fields in self._influx.rows.values())
        may_double = self._may_double()
        doubled = [number for number, times in stored.items() if times > 1 and number not in may_double]
        self._demand(not doubled, f"stored more than once: {doubled[:5]}")
        self._judge_times()
        refused, lost = self._refused(), 0
        wrongly = [number for number in refused if number % POISONED_EVERY]
        self._demand(not wrongly, f"refused without a reason: {wrongly[:5]}")
        damaged = self._promises.damaged
        excused = {name for name, _, _ in self._promises.lied} | damaged
        for (name, epoch, seq), reading in self._promises.accepted.items():
            number = int(reading.values[0].number or 0)
            ledger = self._hub.books.ledgers.get((name, epoch))
            if number in stored or number in refused:
                continue
            is_declared = ledger is not None and seq in ledger.all_declared
            is_unsafe = name in damaged or (name, epoch, seq) in self._promises.lied
            if is_unsafe and (ledger is None or seq not in ledger.accepted):
                continue  # a disk that lies, or is damaged, took it before anybody heard of it
            what = f"{name} {epoch:016x} {seq} (number {number})"
            self._demand(is_declared, f"{what} was lost in silence")
            is_full = ledger is not None and seq in ledger.declared.get(LossReason.FULL, RangeSet())
            self._demand(is_full or name in excused, f"{what} was lost although there was room: {ledger}")
            lost += 1
        self._judge_ledger(stored, refused)
        for gateway in self._gateways:
            self._judge_accounts(self._hub.books.accounts(gateway.name))
        return Outcome(readings=len(self._promises.accepted), lost=lost, refused=len(refused), faults=self._faults)

    def _may_double(self) -> set[int]:
        """Readings without a time, on a disk that lied: it may have taken the anchor with which they had been sent."""
        liars = {name for name, _, _ in self._promises.lied} | {one.name for one in self._gateways if one.has_lied}
        return {
            int(reading.values[0].number or 0)
            for (name, _, _), reading in self._promises.accepted.items()
            if name in liars and reading.time_quality is TimeQuality.UNANCHORED
        }

    def _judge_times(self) -> None:
        """A time that was certain is kept, and right; what is not flagged is in order."""
        told = {int(one.values[0].number or 0): one for one in self._promises.accepted.values()}
        certain: dict[str, list[tuple[int, int, int]]] = {}
        for name, fields in self._influx.rows.items():
            number, time_ms = _number_of(fields), int(name.rsplit(" ", 1)[1]) // 1_000_000
            reading = told.get(number)
            if reading is not None and reading.time_quality is not TimeQuality.UNANCHORED:
                self._demand(time_ms == reading.time_ms, f"number {number} was stamped anew")
            if fields.endswith(",quality=0i"):
                read_ms = self._promises.read_at_ms[number]
                certain.setdefault(name.split("gateway=")[1].split(",")[0], []).append((read_ms, time_ms, number))
        for rows in certain.values():
            highest_ms = 0
            for read_ms, time_ms, number in sorted(rows):
                off_ms = time_ms - read_ms
                self._demand(abs(off_ms) <= CERTAIN_WITHIN_MS, f"number {number} is {off_ms} ms off, without a flag")
                self._demand(time_ms >= highest_ms - 2000, f"number {number} lies back, without a flag")
                highest_ms = max(highest_ms, time_ms)

    def _judge_ledger(self, stored: Counter[int], refused: set[int]) -> None:
        """What the ledger calls done is in the database, or among the dead letters."""
        for (name, epoch, seq), reading in self._promises.accepted.items():
            ledger = self._hub.books.ledgers.get((name, epoch))
            if ledger is not None and seq in ledger.done:
                number = int(reading.values[0].number or 0)
                self._demand(number in stored or number in refused, f"{name} {seq} is done, and nowhere")

    def _judge_accounts(self, accounts: Accounts) -> None:
        total = accounts.stored + accounts.refused + accounts.lost_total + accounts.in_flight + accounts.unexplained
        self._demand(accounts.accepted == total, f"the sums of {accounts.gateway} are wrong: {accounts}")
        self._demand(accounts.unexplained == 0, f"unexplained: {accounts}")
        self._demand(accounts.in_flight == 0, f"everything is drained, and yet: {accounts}")
        if accounts.gateway in self._promises.damaged:
            return
        promised = sum(key[0] == accounts.gateway for key in self._promises.accepted.keys() - self._promises.lied)
        self._demand(accounts.accepted >= promised, f"{promised} were accepted: {accounts}")

    def _refused(self) -> set[int]:
        return {
            int(record.values[0].number or 0)
            for letter in self._hub.books.letters
            if letter.reason is DeadReason.REFUSED
            for record in self._read_batch(letter.payload).records
        }

    def _demand(self, holds: bool, text: str) -> None:  # noqa: FBT001 - reads as a sentence
        if not holds:
            raise ViolationError(f"seed {self._seed}: {text}")
