"""One group of a Modbus device while it is read: what is still to be sent, and what has come.

I1. What an order before the reading should have prepared is not read where the order failed.
"""

from asyncio import Future
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from device_profiles.decode import RegisterDecoder
from device_profiles.modbus import ReadRequest, Request
from device_profiles.modbus_model import ModbusGroup, OrderBefore
from edge.asked import AskedRequests
from edge.drivers.base import Answer
from edge.schedule import Task
from wire.records import Quality, Stream, Value


@dataclass(frozen=True, slots=True, kw_only=True)
class RawReading:
    """One group as read: values in the stream's order beside what came over the wire."""

    stream: Stream
    values: tuple[Value, ...]
    answers: Mapping[ReadRequest, tuple[int, ...] | Quality]
    raw: tuple[bytes, ...]
    time_ms: int
    error: str | None


@dataclass(slots=True)
class Round:
    """A group being read. One order, or one request, is one turn on the bus."""

    orders: deque[OrderBefore]
    waiting: deque[ReadRequest]
    answers: dict[ReadRequest, tuple[int, ...] | Quality]
    raw: list[bytes] = field(default_factory=list)
    time_ms: int | None = None
    read_s: float = 0.0
    not_before_s: float = 0.0
    trouble: str | None = None
    tries: int = 0
    lost_s: float = 0.0

    @property
    def is_over(self) -> bool:
        """Whether there is nothing more to send."""
        return not (self.orders or self.waiting)

    @property
    def next(self) -> Request:
        """What is sent next."""
        return self.orders[0].request if self.orders else self.waiting[0]

    def lost_until_now(self) -> float:
        """The seconds that failed tries have cost and that were not told before."""
        lost_s, self.lost_s = self.lost_s, 0.0
        return lost_s

    def ordered(self, *, at_s: float) -> None:
        """The order was obeyed; what follows waits as long as the device needs."""
        self.tries, self.lost_s = 0, 0.0
        self.not_before_s = at_s + self.orders.popleft().wait_ms / 1000

    def answered(self, answer: Answer, *, at_s: float) -> None:
        """The request was answered."""
        self.tries, self.lost_s = 0, 0.0
        self.answers[self.waiting.popleft()] = answer.values
        self.raw.append(answer.raw)
        self.time_ms, self.read_s = answer.time_ms, at_s

    def answered_first(self, request: ReadRequest, answer: Answer, *, at_s: float) -> None:
        """A request was answered out of its turn."""
        if request in self.waiting:
            self.waiting.remove(request)
            self.waiting.appendleft(request)
            self.answered(answer, at_s=at_s)

    def failed(self, quality: Quality) -> None:
        """What is next has failed for good: one request, or with an order all that it should have prepared."""
        self.tries = 0
        if self.orders:
            self.abandon(quality)
        else:
            self.answers[self.waiting.popleft()] = quality

    def abandon(self, quality: Quality) -> None:
        """Send nothing more; what was not read has this quality."""
        self.answers.update(dict.fromkeys(self.waiting, quality))
        self.orders.clear()
        self.waiting.clear()


@dataclass(slots=True, kw_only=True)
class PolledGroup:
    """A group, how it is read, and when next. `waiters` want its next reading, whenever that ends."""

    of: ModbusGroup
    asked: AskedRequests
    decoder: RegisterDecoder
    stream: Stream
    period_s: float
    due_s: float = 0.0
    forget_s: float = 0.0
    round: Round | None = None
    task: Task | None = None
    waiters: list[Future[RawReading]] = field(default_factory=list)

    @property
    def has_one_reader(self) -> bool:
        """Whether a reading more would take something from the record: of the device, or of what is told over time."""
        over_time = any(point.is_of_readings_before for point in self.of.derived)
        return self.of.once or bool(self.of.before) or over_time

    def begun(self) -> Round:
        """A new round."""
        return Round(
            orders=deque(self.of.before),
            waiting=deque(self.asked.requests),
            answers=dict.fromkeys(self.asked.missing, Quality.EXCEPTION),
        )

    def tell(self, reading: RawReading) -> None:
        """Give the reading to those who wait for it."""
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_result(reading)
        self.waiters.clear()
