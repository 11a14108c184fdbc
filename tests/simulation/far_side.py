"""What stands beyond the product's code in the simulation: a broker, a database and books, all of which fail."""

import asyncio
import gzip
import random
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

import httpx

from edge.uplink.base import LinkListener
from hub.registry import ledger as rules
from hub.registry.ledger import Accounts, EpochLedger, EpochView, SelfReport, Settlement, accounts_of
from hub.registry.model import DeadLetter, GatewayState
from wire.identifiers import GatewayId
from wire.messages import MAX_EPOCHS_TOLD, Inventory, Refused, Status
from wire.ranges import RangeSet
from wire.topics import parse_down

_STORED = httpx.Response(204)
_ANSWERED = httpx.Response(200, json={"results": [{}]})
_PARTIAL = httpx.Response(400, text='{"error":"partial write: field type conflict dropped=0"}')
_REFUSED = httpx.Response(422, json={"code": "unprocessable entity", "message": "field type conflict"})
_CLOSED = httpx.Response(503, text="engine is closed")

EpochKey = tuple[GatewayId, int]
Heard = Callable[[str, bytes], object]


@dataclass
class Weather:
    """How bad it is just now; all zero is fine weather."""

    loses: float = 0.0
    doubles: float = 0.0
    slowest_s: float = 0.5
    database_fails: float = 0.0
    database_slowest_s: float = 0.05
    hub_dies: float = 0.0


@dataclass
class Broker:
    """Carries messages between gateways and hub workers: late, twice, in another order, or not at all.

    It says it has a message and may then forget it (`wipe`): its word means nothing.
    """

    chance: random.Random
    weather: Weather
    retained: dict[str, bytes] = field(default_factory=dict)
    workers: list[Heard] = field(default_factory=list)
    links: "dict[GatewayId, Link]" = field(default_factory=dict)
    generation: int = 0

    def wipe(self) -> None:
        """The broker dies and comes back with nothing: no connections, no sessions, no retained or waiting messages."""
        self.generation += 1
        self.retained.clear()
        for link in list(self.links.values()):
            link.cut()

    async def up(self, topic: str, payload: bytes, *, retain: bool) -> None:
        """A gateway has published; who listens hears of it some time."""
        if retain:
            self.retained[topic] = payload
        self._carry(lambda: self._to_a_worker(topic, payload))

    async def down(self, topic: str, payload: bytes) -> None:
        """The hub has published."""
        gateway, _ = parse_down(topic)
        self._carry(lambda: self._to_link(gateway, topic, payload))

    def listen(self, worker: Heard) -> None:
        """A worker of the hub has connected: it is told what gateways left."""
        self.workers.append(worker)
        for topic, payload in self.retained.items():
            worker(topic, payload)

    def _carry(self, deliver: Callable[[], None]) -> None:
        generation = self.generation

        def arrive() -> None:
            if generation == self.generation:
                deliver()

        for _ in range(1 + (self.chance.random() < self.weather.doubles)):
            if self.chance.random() >= self.weather.loses:
                delay_s = self.chance.random() * self.weather.slowest_s
                asyncio.get_running_loop().call_later(delay_s, arrive)

    def _to_a_worker(self, topic: str, payload: bytes) -> None:
        if self.workers:
            self.chance.choice(self.workers)(topic, payload)

    def _to_link(self, gateway: GatewayId, topic: str, payload: bytes) -> None:
        if gateway in self.links:
            self.links[gateway].deliver(topic, payload)


class Link:
    """A gateway's connection."""

    def __init__(self, broker: Broker, gateway: GatewayId, chance: random.Random) -> None:
        self._broker = broker
        self._gateway = gateway
        self._chance = chance
        self._listener: LinkListener | None = None
        self._gone = asyncio.Event()
        self.down_until_s = 0.0
        self.is_dead = False

    @property
    def is_connected(self) -> bool:
        return self._listener is not None

    @property
    def trouble(self) -> str | None:
        return None if self.is_connected else "no connection"

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> bool:
        """True where the broker said that it has it; it may have it all the same."""
        if self._listener is None or self.is_dead:
            return False
        before = self._listener
        await self._broker.up(topic, payload, retain=retain)
        await asyncio.sleep(self._chance.random() * 0.2)
        return self._listener is before

    async def run(self, listener: LinkListener) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(max(0.1 + self._chance.random(), self.down_until_s - loop.time()))
            self._gone.clear()
            self._listener = listener
            self._broker.links[self._gateway] = self
            listener.connected()
            await self._gone.wait()

    def deliver(self, topic: str, payload: bytes) -> None:
        if self._listener is not None and not self.is_dead:
            self._listener.received(topic, payload)

    def cut(self) -> None:
        """The connection is gone."""
        self._listener = None
        self._gone.set()


@dataclass
class Influx(httpx.AsyncBaseTransport):
    """An InfluxDB 1.x as it was measured to behave: good points of a bad request are stored, its counts are wrong.

    With `refuses_whole` one of 2.x, which takes nothing of a request in which a line is at fault.

    `rows` holds what is stored, by measurement, tags and time. Requests fail in every way: before or after they were
    carried out, in part, with an error of the server. Lines that are `poisoned` are refused for ever.
    """

    chance: random.Random
    weather: Weather
    poisoned: Callable[[str], bool]
    rows: dict[str, str] = field(default_factory=dict)
    is_down: bool = False
    refuses_whole: bool = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self.answer(request.url.path, await request.aread())

    async def answer(self, path: str, content: bytes) -> httpx.Response:
        """What it answers to a write, or to anything else."""
        await asyncio.sleep(self.chance.random() * self.weather.database_slowest_s)
        if self.is_down:
            raise httpx.ConnectError("connection refused")
        if path == "/query":
            return _ANSWERED
        lines = gzip.decompress(content).decode().splitlines()
        if self.chance.random() < self.weather.database_fails:
            return self._failed(lines)
        return self._written(lines)

    def _failed(self, lines: list[str]) -> httpx.Response:
        match self.chance.randrange(4):
            case 0:
                return _CLOSED
            case 1:
                raise httpx.ReadTimeout("nothing came back")
            case 2:
                self._written(lines[: self.chance.randrange(len(lines) + 1)])
                raise httpx.ReadError("connection reset")
            case _:
                self._written(lines)
                raise httpx.ReadError("connection reset")

    def _written(self, lines: list[str]) -> httpx.Response:
        good = [line for line in lines if not self.poisoned(line)]
        is_bad = len(good) < len(lines)
        if is_bad and self.refuses_whole:
            return _REFUSED
        for line in good:
            name, fields, time_ns = line.split(" ")
            self.rows[f"{name} {time_ns}"] = fields
        if is_bad:
            return _PARTIAL
        return _STORED


@dataclass
class MemoryBooks:
    """The registry's books in memory, by its own rules. `step` is passed at every transaction, and may die."""

    step: Callable[[str], "asyncio.Future[None] | None"]
    ledgers: dict[EpochKey, EpochLedger] = field(default_factory=dict)
    refused: dict[tuple[EpochKey, int], Refused] = field(default_factory=dict)
    letters: list[DeadLetter] = field(default_factory=list)
    reports: dict[GatewayId, SelfReport] = field(default_factory=dict)

    @property
    def fleet(self) -> "MemoryBooks":
        return self

    @property
    def ledger(self) -> "MemoryBooks":
        return self

    @property
    def dead_letters(self) -> "MemoryBooks":
        return self

    async def states(self, gateways: Collection[GatewayId]) -> dict[GatewayId, GatewayState]:
        return dict.fromkeys(gateways, GatewayState.ACTIVE)

    async def note_unknown(self, messages: Mapping[GatewayId, int], *, now_ms: int) -> None:
        """All are known."""

    async def record_inventory(self, inventory: Inventory) -> None:
        """Nothing here asks for it."""

    async def record_status(self, status: Status, *, now_ms: int) -> None:
        del now_ms
        await self._pass("status")
        of_gateway = {epoch: ledger for (gateway, epoch), ledger in self.ledgers.items() if gateway == status.gateway}
        told_before = sum(one.epoch in of_gateway and of_gateway[one.epoch].accepted_hi > 0 for one in status.epochs)
        is_all = told_before < len(status.epochs) < MAX_EPOCHS_TOLD
        for epoch, ledger in rules.told_by_gateway(of_gateway, status.epochs, is_all=is_all).items():
            self.ledgers[status.gateway, epoch] = ledger
        if status.in_flight is not None:
            self.reports[status.gateway] = SelfReport(
                in_flight=status.in_flight, lost_total=sum(status.lost_total.values())
            )

    async def views(self, asked: Mapping[EpochKey, RangeSet]) -> dict[EpochKey, EpochView]:
        await self._pass("views")
        return {
            key: EpochView(
                ledger=self.ledgers.get(key, EpochLedger()),
                refused=tuple(one for (of, seq), one in sorted(self.refused.items()) if of == key and seq in seqs),
            )
            for key, seqs in asked.items()
        }

    async def settle(
        self, settlements: Sequence[Settlement], *, dead_letters: Sequence[DeadLetter] = (), now_ms: int
    ) -> None:
        del now_ms
        await self._pass("before the ledger")
        for settlement in settlements:
            key = (settlement.gateway, settlement.epoch)
            before = self.ledgers.get(key, EpochLedger())
            self.refused.update({(key, one.seq): one for one in settlement.newly_refused(before)})
            self.ledgers[key] = settlement.applied_to(before)
        self.letters += dead_letters
        await self._pass("after the ledger")

    async def add(self, letters: Sequence[DeadLetter]) -> None:
        self.letters += letters

    def accounts(self, gateway: GatewayId) -> Accounts:
        ledgers = [ledger for (of, _), ledger in self.ledgers.items() if of == gateway]
        return accounts_of(gateway, ledgers, self.reports.get(gateway, SelfReport()))

    async def _pass(self, where: str) -> None:
        death = self.step(where)
        if death is not None:
            await death
