"""The product's own code in the simulation: gateways with their spools and senders, a hub with its workers."""

import asyncio
import logging
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from edge.spool.base import Reading, Spool, SpoolError, SpoolState
from edge.spool.group_commit import GroupCommit
from edge.spool.keeper import SpoolKeeper
from edge.spool.segment_spool import SegmentSpool
from edge.time_kept import KeptClock
from edge.time_spool import TimedSpool, book_in, trust_of
from edge.time_trust import TimeTrust
from edge.uplink.lanes import Lanes
from edge.uplink.sender import Identity, Sender
from hub.ingest.worker import IngestLimits, IngestWorker
from hub.series.influx import InfluxApi, InfluxSeriesStore, InfluxSettings
from tests.simulation.far_side import Broker, Influx, Link, MemoryBooks, Weather
from tests.simulation.machine import SECOND_MS, START_MS, Clock, DiedError, TimesFile, gone
from tests.simulation.virtual_loop import VirtualLoop, VirtualThread
from tests.support.fake_disk import FakeDisk
from wire.identifiers import DeviceId, GatewayId, SiteId
from wire.messages import DeviceInventory, Inventory
from wire.ranges import RangeSet
from wire.records import Batch, Mode, PointLayout, RecordKind, Stream, Value

SMALL_SEGMENTS = {"segment-00001": 4096, "segment-00002": 4096, "segment-00003": 4096}
_SYNCED_AT_BOOT = 0.3
_SYNCED_WITHIN_S = 30.0
_WRONG_AT_BOOT_MS = (0, -START_MS, -10_800_000, -3000, 3_600_000, 315_360_000_000)  # 1970, stale, ten years ahead

Key = tuple[GatewayId, int, int]


@dataclass
class Promises:
    """What gateways have accepted, each record with its reading; and of which the disk later lied."""

    accepted: dict[Key, Reading] = field(default_factory=dict)
    lied: set[Key] = field(default_factory=set)
    damaged: set[GatewayId] = field(default_factory=set)
    read_at_ms: dict[int, int] = field(default_factory=dict)
    numbers: int = 0

    def next_number(self) -> float:
        """A value that no other reading has."""
        self.numbers += 1
        return float(self.numbers)


class WatchedSpool:
    """The spool, and a note of what it promised."""

    def __init__(self, spool: Spool, disk: FakeDisk, gateway: GatewayId, promises: Promises) -> None:
        self._spool = spool
        self._disk = disk
        self._gateway = gateway
        self._promises = promises

    def accept(self, readings: Sequence[Reading]) -> tuple[int, int]:
        epoch = self._spool.state().epoch
        first, last = self._spool.accept(readings)
        accepted = {(self._gateway, epoch, first + n): one for n, one in enumerate(readings)}
        self._promises.accepted.update(accepted)
        if self._disk.lies:
            self._promises.lied.update(accepted)
        return first, last

    def unsent(self, *, skip: Mapping[int, RangeSet], limit: int, newest_first: bool) -> Batch | None:
        return self._spool.unsent(skip=skip, limit=limit, newest_first=newest_first)

    def finish(self, epoch: int, final: RangeSet) -> int:
        return self._spool.finish(epoch, final)

    def state(self) -> SpoolState:
        return self._spool.state()

    def close(self) -> None:
        self._spool.close()


class Gateway:
    """A gateway through its lives: what stays is its disk."""

    def __init__(
        self, name: str, loop: VirtualLoop, broker: Broker, chance: random.Random, promises: Promises, *, is_small: bool
    ) -> None:
        self.name = GatewayId(name)
        self.disk = FakeDisk()
        for segment, size in SMALL_SEGMENTS.items() if is_small else ():
            self.disk.create(segment, size)
        self._spool_bytes = 4 * 4096 if is_small else 48 * 1024
        self.clock = Clock(loop)
        self.trust = TimeTrust()
        self._times = TimesFile(self.disk, chance)
        self._boots = 0
        self.link = Link(broker, self.name, chance)
        self.spool: SegmentSpool | None = None
        self.reads = True
        self.has_lied = False
        self._loop = loop
        self._broker = broker
        self._chance = chance
        self._promises = promises
        self._tasks: list[asyncio.Task[None]] = []
        self._operations_left = 10**9

    @property
    def runs(self) -> bool:
        return bool(self._tasks)

    def start(self) -> None:
        """The process starts; damage and full disks end it at once, as they end the real one."""
        if self._boots == 0:
            self._boot()
        self.disk.before = self._before
        try:
            spool = self._opened()
        except (SpoolError, DiedError):
            self._loop.call_later(1.0, self.start)
            self._after_death(is_power_cut=True)
            return
        thread = VirtualThread(self._loop, lambda: self._chance.random() * 0.02, DiedError)
        keeper = SpoolKeeper(WatchedSpool(spool, self.disk, self.name, self._promises), thread)
        self.link = Link(self._broker, self.name, self._chance)
        sender = self._sender(keeper)
        clock = KeptClock(self.clock, self.trust)
        group = GroupCommit(keeper, clock, records=8, seconds=1.0, on_accepted=sender.accepted)
        work = (group.run(), sender.run(), self.link.run(sender), self._read(group, clock), self._watch_clock())
        self._tasks = [asyncio.ensure_future(one) for one in work]
        for task in self._tasks:
            task.add_done_callback(self._ended)

    def _boot(self) -> None:
        """The machine starts, its clock as wrong as clocks are that nothing has set yet."""
        self._boots += 1
        self.clock.booted_s = self._loop.now_s - 5
        self.clock.follows_a_server = self._chance.random() < _SYNCED_AT_BOOT
        wrong_ms = 0 if self.clock.follows_a_server else self._chance.choice(_WRONG_AT_BOOT_MS)
        self.clock.ahead_ms = wrong_ms

    def _opened(self) -> TimedSpool:
        book, boot_id = book_in(self._times), f"{self.name} {self._boots}"
        self.trust = trust_of(book, boot_id)
        KeptClock(self.clock, self.trust).hear()
        self.spool = SegmentSpool.on(
            self.disk,
            self.name,
            gateway=self.name,
            max_bytes=self._spool_bytes,
            random_u64=lambda: self._chance.getrandbits(64),
        )
        return TimedSpool(
            self.spool, book=book, file=self._times, boot_id=boot_id, trust=self.trust, clock=self.clock, hold_s=20.0
        )

    async def _watch_clock(self) -> None:
        """The machine's clock is looked at, and some time a time server sets it."""
        synced_s = self._loop.now_s + self._chance.random() * _SYNCED_WITHIN_S
        while True:
            await asyncio.sleep(1.0)
            if self._loop.now_s >= synced_s and self._chance.random() < _SYNCED_AT_BOOT:
                self.clock.ahead_ms, self.clock.follows_a_server = 0, True
                synced_s = self._loop.now_s + 2 * _SYNCED_WITHIN_S
            KeptClock(self.clock, self.trust).hear()

    def _after_death(self, *, is_power_cut: bool) -> None:
        """What the next life finds."""
        dead, self.disk = self.disk, self.disk.after_power_cut(self._chance) if is_power_cut else self.disk.copy()
        dead.before = gone
        self._times = self._times.after(self.disk, is_power_cut=is_power_cut)
        self._operations_left = 10**9
        if is_power_cut:
            self._boot()

    def is_damaged(self, *, is_destroyed: bool) -> None:
        """While it is off some bytes of its spool turn, or a whole segment is gone."""
        self.kill(is_power_cut=True)
        self._promises.damaged.add(self.name)
        data = self.disk.files[self._chance.choice(sorted(self.disk.files))]
        if is_destroyed:
            data[:] = bytes(len(data))
        for _ in range(self._chance.randint(1, 4)):
            data[self._chance.randrange(len(data))] ^= 1 << self._chance.randrange(8)

    def kill(self, *, is_power_cut: bool) -> None:
        """The process, or the whole machine, is gone; it starts again by itself."""
        if not self._tasks:
            return
        self.link.is_dead = True
        self.link.cut()
        self._after_death(is_power_cut=is_power_cut)
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        self.spool = None
        self._loop.call_later(1 + self._chance.random() * 10, self.start)

    def dies_in_operation(self, number: int) -> None:
        """The power goes in the middle of the disk's so many-eth operation from now."""
        self._operations_left = number

    def _before(self, operation: str) -> None:
        if operation == "read":
            return
        self._operations_left -= 1
        if self._operations_left < 0:
            self._loop.call_soon(lambda: self.kill(is_power_cut=True))
            self._operations_left = 10**9
            raise DiedError

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A part that ends by itself ends the process."""
        if not task.cancelled() and task in self._tasks:
            error = task.exception()
            if not isinstance(error, SpoolError):
                raise AssertionError("the agent ended") from error
            self.kill(is_power_cut=False)

    def _sender(self, keeper: SpoolKeeper) -> Sender:
        identity = Identity(gateway=self.name, site=SiteId("hall"), agent_version="0", boot_ms=self.clock.now_ms())
        device = DeviceInventory(device=DeviceId("d1"), profile="test/any", revision=1, bus="lan", groups=())
        return Sender(
            identity=identity,
            keeper=keeper,
            link=self.link,
            lanes=Lanes(random_unit=self._chance.random, first_wait_s=3.0, longest_wait_s=20.0),
            clock=KeptClock(self.clock, self.trust),
            inventory=Inventory(gateway=self.name, site=SiteId("hall"), devices=(device,)),
            devices=tuple,
            trust=self.trust,
            send_s=1.0,
        )

    async def _read(self, group: GroupCommit, clock: KeptClock) -> None:
        """A device is read every now and then, at whole seconds, so that many records share their time."""
        while True:
            await asyncio.sleep(self._chance.random() * 1.5)
            if self.reads:
                for _ in range(self._chance.randint(1, 4)):
                    group.add(self._reading(clock), urgent=self._chance.random() < 0.05)

    def _reading(self, clock: KeptClock) -> Reading:
        is_event = self._chance.random() < 0.03
        stream = _EVENTS if is_event else _SAMPLES[self._chance.randrange(len(_SAMPLES))]
        number = self._promises.next_number()
        self._promises.read_at_ms[int(number)] = START_MS + round(self._loop.now_s * 1000)
        moment = self.trust.stamped(clock.now_ms(), at_s=clock.monotonic_s())
        time_ms = moment.time_ms // SECOND_MS * SECOND_MS
        ballast = tuple(Value(self._chance.uniform(-1e9, 1e9)) for _ in stream.points[1:])
        return Reading(stream=stream, time_ms=time_ms, time_quality=moment.quality, values=(Value(number), *ballast))


def _stream(device: str, kind: RecordKind, points: int) -> Stream:
    return Stream(
        site=SiteId("hall"),
        device=DeviceId(device),
        group="main",
        measurement="electricity",
        mode=Mode.SIMULATED,
        kind=kind,
        points=tuple(PointLayout(key=f"v{n}", quantity="voltage", unit="V") for n in range(points)),
    )


_SAMPLES = (_stream("d1", RecordKind.SAMPLE, 3), _stream("d2", RecordKind.SAMPLE, 2))
_EVENTS = _stream("d3", RecordKind.EVENT, 2)


class Hub:
    """The hub through its lives: what stays are its books and the database."""

    def __init__(
        self,
        loop: VirtualLoop,
        broker: Broker,
        influx: Influx,
        weather: Weather,
        chance: random.Random,
        *,
        workers: int,
        store: Callable[[InfluxSettings, Influx], InfluxSeriesStore],
    ) -> None:
        self.books = MemoryBooks(self._step)
        self._loop = loop
        self._broker = broker
        self._influx = influx
        self._weather = weather
        self._chance = chance
        self._number_of_workers = workers
        self._store = store
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Its workers start."""
        settings = InfluxSettings(url="http://database", api=InfluxApi.V1)
        for _ in range(self._number_of_workers):
            worker = IngestWorker(
                registry=self.books,
                series=self._store(settings, self._influx),
                publish=self._publish,
                clock=Clock(self._loop),
                limits=IngestLimits(queue_messages=20, merge_messages=4, credit=6, retry_most_s=5.0),
            )
            self._tasks.append(asyncio.ensure_future(worker.run()))
            self._broker.listen(worker.offer)

    def kill(self) -> None:
        """It is gone in the middle of whatever it does; it starts again by itself."""
        if not self._tasks:
            return
        tasks, self._tasks = self._tasks, []
        self._broker.workers.clear()
        for task in tasks:
            task.cancel()
        self._loop.call_later(1 + self._chance.random() * 8, self.start)

    async def _publish(self, topic: str, payload: bytes) -> None:
        death = self._step("before the commit")
        if death is not None:
            await death
        await self._broker.down(topic, payload)

    def _step(self, where: str) -> "asyncio.Future[None] | None":
        """Between any two steps it may die."""
        del where
        if self._chance.random() >= self._weather.hub_dies:
            return None
        self._loop.call_soon(self.kill)
        return self._loop.create_future()


def quiet() -> None:
    """The product says what goes wrong; here everything does."""
    for name in ("edge", "hub", "httpx"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
