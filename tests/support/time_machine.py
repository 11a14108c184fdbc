"""A gateway whose machine has a clock that can be as wrong as clocks are, through several boots, second by second."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from edge.spool.base import Reading
from edge.spool.segment_spool import SegmentSpool
from edge.time_spool import TimedSpool, book_in, trust_of
from tests.support.fake_disk import FakeDisk
from tests.support.readings import stream
from tests.support.spools import GATEWAY, seqs_of
from wire.ranges import RangeSet
from wire.records import Record, TimeQuality, Value

START_MS = 1_795_000_000_000
HOUR_MS = 3_600_000
YEAR_MS = 365 * 24 * HOUR_MS
HOLD_S = 30.0


@dataclass(frozen=True, kw_only=True)
class Life:
    """One life of the agent. Errors are against the true time; None: never.

    `clock_error_ms` is what the machine's clock is wrong by at the start; where it is None the clock starts at 1970.
    A time server sets it right (but for `ntp_error_ms`) after `ntp_after_s`. `steps` are moves of the clock by hand.
    """

    lasts_s: int = 75
    clock_error_ms: int | None = 0
    ntp_after_s: int | None = None
    ntp_error_ms: int = 0
    hub_after_s: int | None = 5
    hub_error_ms: int = 0
    steps: Mapping[int, int] = field(default_factory=dict)
    same_boot: bool = False
    off_s: int = 100
    is_cut: bool = True
    reads_s: int = 10_000


@dataclass
class MemoryFile:
    """A file that is always well."""

    data: bytes | None = None

    def read(self) -> bytes | None:
        return self.data

    def write(self, data: bytes) -> None:
        self.data = data


@dataclass
class Sent:
    """What arrived at the hub of one reading: each sending, and the point it makes."""

    times: list[tuple[int, TimeQuality]] = field(default_factory=list)
    points: set[int] = field(default_factory=set)


class TimeMachine:
    """The true time, the disk, and what was accepted and has arrived. `lived` gives each reading's true time."""

    def __init__(self, seed: int = 0) -> None:
        self.chance = random.Random(seed)
        self.now_ms = START_MS
        self.disk = FakeDisk()
        self.file = MemoryFile()
        self.accepted: dict[int, int] = {}
        self.sent: dict[int, Sent] = {}
        self._boots = 0
        self._booted_ms = 0

    def monotonic_s(self) -> float:
        return (self.now_ms - self._booted_ms) / 1000

    def live(self, life: Life) -> None:
        """One life, and the time without power after it."""
        if not life.same_boot:
            self._boots += 1
            self._booted_ms = self.now_ms - 7000
        agent = _Agent(self, life, f"boot-{self._boots}")
        for second in range(life.lasts_s):
            agent.second(second)
            self.now_ms += 1000
        if life.is_cut:
            self.disk = self.disk.after_power_cut(self.chance)
        else:
            agent.spool.close()
        self.now_ms += 0 if life.same_boot else 1000 * life.off_s

    def drain(self) -> None:
        """A last life with everything well."""
        self.live(Life(lasts_s=120, ntp_after_s=20, is_cut=False, reads_s=40))

    def arrived(self, record: Record, epoch: int) -> None:
        """At the hub."""
        number = int(record.values[0].number or 0)
        sent = self.sent.setdefault(number, Sent())
        sent.times.append((record.time_ms, record.time_quality))
        sent.points.add(record.time_ms * 1_000_000 + (record.seq + (epoch >> 20)) % 1_000_000)


class _Agent:
    """One life: the product's trust and spools; a reading each second, a sending now and then."""

    def __init__(self, world: TimeMachine, life: Life, boot_id: str) -> None:
        self._world, self._life = world, life
        book = book_in(world.file)
        self._trust = trust_of(book, boot_id)
        self._error_ms = -world.now_ms if life.clock_error_ms is None else life.clock_error_ms
        self._is_disciplined = False
        self._hear_machine()
        inner = SegmentSpool.on(
            world.disk, "disk", gateway=GATEWAY, max_bytes=10**6, random_u64=lambda: world.chance.getrandbits(64)
        )
        self.spool = TimedSpool(
            inner,
            book=book,
            file=world.file,
            boot_id=boot_id,
            trust=self._trust,
            clock=_Monotonic(world),
            hold_s=HOLD_S,
        )

    def second(self, second: int) -> None:
        """What happens in it."""
        life = self._life
        self._error_ms += life.steps.get(second, 0)
        if second == life.ntp_after_s:
            self._error_ms, self._is_disciplined = life.ntp_error_ms, True
        self._hear_machine()
        if second < life.reads_s:
            self._read()
        if life.hub_after_s is not None and second >= life.hub_after_s and second % 3 == 0:
            self._send(is_heard=self._world.chance.random() < 0.7)

    def _hear_machine(self) -> None:
        world = self._world
        self._trust.kernel_says(
            is_disciplined=self._is_disciplined, now_ms=world.now_ms + self._error_ms, at_s=world.monotonic_s()
        )

    def _read(self) -> None:
        world = self._world
        number = len(world.accepted) + 1
        moment = self._trust.moment(world.monotonic_s())
        reading = Reading(
            stream=stream(), time_ms=moment.time_ms, time_quality=moment.quality, values=(Value(float(number)),)
        )
        self.spool.accept([reading])
        world.accepted[number] = world.now_ms

    def _send(self, *, is_heard: bool) -> None:
        """Batches go out; where the hub's answer is not heard they will go out again."""
        skip: dict[int, RangeSet] = {}
        for _ in range(4):
            batch = self.spool.unsent(skip=skip, limit=60, newest_first=self._world.chance.random() < 0.7)
            if batch is None:
                break
            for record in batch.records:
                self._world.arrived(record, batch.epoch)
            if is_heard:
                self.spool.finish(batch.epoch, seqs_of(batch))
            else:
                skip[batch.epoch] = skip.get(batch.epoch, RangeSet()) | seqs_of(batch)
        if is_heard:
            late_ms = self._world.chance.choice((0, 0, 300, 20_000))
            self._trust.hub_says(self._world.now_ms + self._life.hub_error_ms - late_ms, at_s=self._world.monotonic_s())


class _Monotonic:
    """Only its monotonic seconds are asked for."""

    def __init__(self, world: TimeMachine) -> None:
        self._world = world

    def now_ms(self) -> int:
        raise AssertionError("a spool asks nobody's wall clock")

    def monotonic_s(self) -> float:
        return self._world.monotonic_s()

    async def sleep(self, seconds: float) -> None:
        raise AssertionError(f"a spool does not sleep {seconds} s")
