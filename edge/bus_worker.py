"""The one master of a bus: takes the turns that the schedule gives, and lets others have theirs between them.

I1. Whoever wants the bus, a poller, a person or a scan, has a turn of the one schedule; nobody speaks in between.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar

from device_profiles.modbus import Order, Question, Request
from edge.clock import Clock, Nap
from edge.drivers.base import Answer, DriverError, RegisterBus
from edge.schedule import BusSchedule, Lane, Outcome, Task

_T = TypeVar("_T")
_TURN_S: Final = 0.05  # what an exchange of somebody without a plan takes, more or less


@dataclass(slots=True)
class _Load:
    """What the bus was used for, since the worker started."""

    since_s: float = 0.0
    busy_s: dict[Lane, float] = field(default_factory=lambda: dict.fromkeys(Lane, 0.0))
    lost_s: float = 0.0
    turns: int = 0
    told_busy_s: float = 0.0
    told_at_s: float | None = None


class BusWorker:
    """Those who wait for one bus, which nobody may use but in the turns they are given here.

    Args:
        clock: the agent's clock.
        in_flight: how many exchanges there may be at a time (Modbus TCP only).
    """

    def __init__(self, *, clock: Clock, in_flight: int = 1) -> None:
        self._clock = clock
        self._in_flight = in_flight
        self._schedule = BusSchedule()
        # Changed by run, add and the turns, all on the event loop.
        self._naps: list[Nap] = []
        self._load = _Load()

    def add(self, task: Task) -> None:
        """Let a task wait for its turn."""
        self._schedule.add(task)
        for nap in self._naps:
            nap.end()

    async def run(self) -> None:
        """Take turns until cancelled."""
        self._load.since_s = self._clock.monotonic_s()
        self._naps = [Nap(self._clock) for _ in range(self._in_flight)]
        try:
            async with asyncio.TaskGroup() as tasks:
                for nap in self._naps:
                    tasks.create_task(self._take_turns(nap), name="bus turns")
        finally:
            self._naps = []

    async def in_turn(
        self,
        lane: Lane,
        exchange: Callable[[], Awaitable[_T]],
        *,
        not_before_s: float = 0.0,
        deadline_s: float = 0.0,
        work_s: float = _TURN_S,
    ) -> _T:
        """Do one exchange when its turn comes; at once where this does not run, because then nobody else is there.

        Args:
            lane: whose turn it is.
            exchange: uses the bus once.
            not_before_s: when it may happen.
            deadline_s: when it should have happened, for the lane of those who have deadlines.
            work_s: how long it takes, more or less.

        Raises:
            DriverError: what the exchange raised; the time it took counts as lost.
        """
        if not self._naps:
            return await exchange()
        done: asyncio.Future[_T] = asyncio.get_running_loop().create_future()

        async def take() -> Outcome:
            started_s = self._clock.monotonic_s()
            is_lost = not done.cancelled() and not await _into(done, exchange)
            return Outcome(is_over=True, lost_s=self._clock.monotonic_s() - started_s if is_lost else 0.0)

        release_s = max(not_before_s, self._clock.monotonic_s())
        self.add(Task(lane=lane, release_s=release_s, deadline_s=deadline_s, work_s=work_s, take=take))
        return await done

    def load(self) -> dict[str, float]:
        """How the bus's time was used: percent by lane, and what was lost by sickness. For status."""
        passed_s = max(self._clock.monotonic_s() - self._load.since_s, 1e-9)
        used_s = {lane.name.lower(): busy_s for lane, busy_s in self._load.busy_s.items()} | {"lost": self._load.lost_s}
        return {name: round(100 * seconds / passed_s, 2) for name, seconds in used_s.items()}

    def numbers(self) -> dict[str, float]:
        """For the gateway's status: the bus's load since the call before, and the turns since the start."""
        now_s, busy_s = self._clock.monotonic_s(), sum(self._load.busy_s.values())
        since_s = self._load.since_s if self._load.told_at_s is None else self._load.told_at_s
        share = (busy_s - self._load.told_busy_s) / max(now_s - since_s, 1e-9) / self._in_flight
        self._load.told_at_s, self._load.told_busy_s = now_s, busy_s
        return {"bus_load_percent": round(min(100.0, 100 * share), 2), "requests": float(self._load.turns)}

    async def _take_turns(self, nap: Nap) -> None:
        while True:
            now_s = self._clock.monotonic_s()
            task = self._schedule.next(now_s)
            if task is None:
                await nap.sleep(self._schedule.wake_s(now_s) - now_s)
                continue
            lane = task.lane
            outcome = await task.take()
            ended_s = self._clock.monotonic_s()
            self._load.busy_s[lane] += ended_s - now_s
            self._load.lost_s += outcome.lost_s
            self._load.turns += 1
            self._schedule.lost(outcome.lost_s, now_s=ended_s)
            if not outcome.is_over:
                self._schedule.add(task)


class LaneBus:
    """A bus of which each request waits for its turn; see `RegisterBus`.

    Args:
        bus: the driver.
        worker: who gives the turns on it.
        lane: whose turns they are.
    """

    def __init__(self, bus: RegisterBus, worker: BusWorker, lane: Lane) -> None:
        self._bus = bus
        self._worker = worker
        self._lane = lane

    async def read(
        self, unit: int, request: Question, *, timeout_s: float, turnaround_s: float, late_s: float | None = None
    ) -> Answer:
        """One request and its answer; see `RegisterBus.read`."""
        return await self._worker.in_turn(
            self._lane,
            lambda: self._bus.read(unit, request, timeout_s=timeout_s, turnaround_s=turnaround_s, late_s=late_s),
            not_before_s=self._bus.quiet_until_s(unit, request),
            work_s=_TURN_S + timeout_s + turnaround_s,  # perhaps nobody answers
        )

    async def write(self, unit: int, request: Order, *, timeout_s: float, turnaround_s: float) -> Answer:
        """One order and its answer; see `RegisterBus.write`."""
        return await self._worker.in_turn(
            self._lane,
            lambda: self._bus.write(unit, request, timeout_s=timeout_s, turnaround_s=turnaround_s),
            not_before_s=self._bus.quiet_until_s(unit, request),
            work_s=_TURN_S + timeout_s + turnaround_s,
        )

    def quiet_until_s(self, unit: int, request: Request) -> float:
        """See `RegisterBus.quiet_until_s`."""
        return self._bus.quiet_until_s(unit, request)

    async def close(self) -> None:
        """Nothing: the bus is its worker's."""


async def _into(done: "asyncio.Future[_T]", exchange: Callable[[], Awaitable[_T]]) -> bool:
    """Do it and tell who waits how it went; who no longer waits is told nothing. Whether it went well."""
    try:
        result = await exchange()
    except DriverError as error:
        if not done.done():
            done.set_exception(error)
        return False
    if not done.done():
        done.set_result(result)
    return True
