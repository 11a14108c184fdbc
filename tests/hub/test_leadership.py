"""Of several hubs one leads: never two at once by their own clocks, and a silent one is replaced within its lease."""

import asyncio

from hub.operations.leadership import Leadership
from hub.registry.lease_store import Lease, LeaseStore
from hub.registry.model import RegistryError
from hub.registry.store import Registry
from tests.support.manual_clock import ManualClock

LEASE_S = 8.0


class MemoryLease:
    """A lease that can be out of reach."""

    def __init__(self) -> None:
        self.lease: Lease | None = None
        self.is_away = False

    async def look(self) -> Lease | None:
        self._reach()
        return self.lease

    async def take(self, holder: str, *, seen: Lease | None) -> bool:
        self._reach()
        if self.lease != seen:
            return False
        self.lease = Lease(holder, 1 if seen is None else seen.beat + 1)
        return True

    async def beat(self, holder: str) -> bool:
        self._reach()
        if self.lease is None or self.lease.holder != holder:
            return False
        self.lease = Lease(holder, self.lease.beat + 1)
        return True

    async def give_back(self, holder: str) -> None:
        self._reach()
        if self.lease is not None and self.lease.holder == holder:
            self.lease = None

    def _reach(self) -> None:
        if self.is_away:
            raise RegistryError("away")


class Line:
    """One hub's own way to the lease."""

    def __init__(self, lease: MemoryLease) -> None:
        self._lease = lease
        self.is_cut = False

    def __getattr__(self, name: str) -> object:
        if self.is_cut:
            raise RegistryError("cut")
        return getattr(self._lease, name)


class Hub:
    """One that does nothing while it leads, and counts."""

    def __init__(self, name: str, lease: MemoryLease, clock: ManualClock) -> None:
        self.line = Line(lease)
        self.part = Leadership(self.line, holder=name, lease_s=LEASE_S, clock=clock)  # type: ignore[arg-type]
        self.works = 0
        self.task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self.task = asyncio.get_running_loop().create_task(self.part.run(self._work))

    async def end(self) -> None:
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)

    async def _work(self) -> None:
        self.works += 1
        try:
            await asyncio.Event().wait()
        finally:
            self.works -= 1


class World:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.lease = MemoryLease()
        self.hubs = [Hub(name, self.lease, self.clock) for name in ("a", "b", "c")]

    async def pass_s(self, seconds: float) -> None:
        """Let time pass; never do two work at once."""
        for _ in range(round(seconds / 0.5)):
            await self.clock.advance(0.5)
            assert sum(hub.works for hub in self.hubs) <= 1

    def leaders(self) -> list[str]:
        return [name for hub, name in zip(self.hubs, "abc", strict=True) if hub.works and hub.part.leads]

    async def end(self) -> None:
        for hub in self.hubs:
            await hub.end()


async def led_by_the_first() -> World:
    world = World()
    world.hubs[0].start()
    await world.pass_s(1)
    for hub in world.hubs[1:]:
        hub.start()
    await world.pass_s(3 * LEASE_S)
    assert world.leaders() == ["a"]
    return world


async def test_one_leads_as_long_as_it_lives() -> None:
    world = await led_by_the_first()
    await world.pass_s(10 * LEASE_S)
    assert world.leaders() == ["a"]
    await world.end()


async def test_a_leader_that_ends_is_followed_at_once() -> None:
    world = await led_by_the_first()
    await world.hubs[0].end()
    await world.pass_s(LEASE_S / 4)
    assert len(world.leaders()) == 1
    await world.end()


async def test_a_leader_without_its_registry_stops_before_another_takes_over_within_the_lease() -> None:
    world = await led_by_the_first()
    world.hubs[0].line.is_cut = True
    await world.pass_s(LEASE_S / 2 + 1)
    assert world.leaders() == []
    await world.pass_s(LEASE_S)
    assert len(world.leaders()) == 1
    assert world.leaders() != ["a"]
    world.hubs[0].line.is_cut = False
    after = world.leaders()
    await world.pass_s(5 * LEASE_S)
    assert world.leaders() == after
    await world.end()


async def test_while_nobody_reaches_the_registry_nobody_leads_and_then_one_does() -> None:
    world = await led_by_the_first()
    world.lease.is_away = True
    await world.pass_s(3 * LEASE_S)
    assert world.leaders() == []
    world.lease.is_away = False
    await world.pass_s(2 * LEASE_S)
    assert len(world.leaders()) == 1
    await world.end()


async def test_the_registry_gives_the_lease_to_one_of_those_who_ask_together(registry_url: str) -> None:
    registries = [await Registry.open(registry_url) for _ in range(2)]
    leases: list[LeaseStore] = [registry.lease for registry in registries]
    taken = await asyncio.gather(*(lease.take(name, seen=None) for lease, name in zip(leases, "ab", strict=True)))
    assert sorted(taken) == [False, True]
    seen = await leases[0].look()
    assert seen is not None
    winner = leases[taken.index(True)]
    assert await winner.beat(seen.holder)
    assert not await leases[0].take("c", seen=seen), "it has beaten since it was seen"
    now = await leases[1].look()
    assert await leases[0].take("c", seen=now)
    assert not await winner.beat(seen.holder)
    await winner.give_back(seen.holder)
    assert await leases[0].look() is not None, "only its holder gives it back"
    await leases[0].give_back("c")
    assert await leases[1].look() is None
    for registry in registries:
        await registry.close()
