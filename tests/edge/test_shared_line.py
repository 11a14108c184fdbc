"""Several devices with a protocol of their own on one line, each asked by its address: nobody speaks out of turn."""

import asyncio
from contextlib import suppress

from device_profiles.library import load_profile
from device_profiles.simulate_serial import SerialResponder
from edge.bus_worker import BusWorker
from edge.drivers.base import DriverError
from edge.health import DeviceHealth
from edge.schedule import Lane
from edge.streamer import DeviceStreamer
from tests.support.manual_clock import ManualClock
from wire.identifiers import DeviceId, SiteId
from wire.records import Mode, Stream

PROFILE = load_profile("wavetronix/ss125")
PERIOD_S = 2.0
ANSWER_S = 0.05
TIMEOUT_S = 1.0


class AddressedLine:
    """A line in virtual time; those of its devices that live answer after a while."""

    name = "shared"

    def __init__(self, clock: ManualClock, living: list[int]) -> None:
        self._clock = clock
        self._devices = {address: SerialResponder(PROFILE, address) for address in living}
        self._coming: list[tuple[float, bytes]] = []
        self._here = b""
        self.writes: list[float] = []
        self.collisions = 0

    async def open(self) -> None:
        pass

    def write(self, data: bytes) -> None:
        now_s = self._clock.monotonic_s()
        self.writes.append(now_s)
        self.collisions += any(at_s > now_s for at_s, _ in self._coming)
        for device in self._devices.values():
            for asked in device.feed(data):
                self._coming.append((now_s + ANSWER_S, device.reply(asked, None)))

    async def wait(self, seconds: float) -> bool:
        if self._here:
            return True
        now_s = self._clock.monotonic_s()
        due_s = min((at_s for at_s, _ in self._coming), default=now_s + seconds)
        await self._clock.sleep(min(due_s - now_s, seconds))
        now_s = self._clock.monotonic_s()
        self._here += b"".join(data for at_s, data in self._coming if at_s <= now_s)
        self._coming = [(at_s, data) for at_s, data in self._coming if at_s > now_s]
        return bool(self._here)

    def take(self) -> bytes:
        data, self._here = self._here, b""
        return data

    def discard(self) -> int:
        return len(self.take())

    def close(self) -> None:
        pass


class Bench:
    """Devices at some addresses, of which some live, on one line."""

    def __init__(self, addresses: list[int], living: list[int]) -> None:
        self.clock = ManualClock()
        self.line = AddressedLine(self.clock, living)
        self.worker = BusWorker(clock=self.clock)
        self.readings: list[object] = []
        self.health = {n: DeviceHealth(DeviceId(f"radar-{n}"), PROFILE.profile, "bus") for n in addresses}
        self.streamers = [self._streamer(address) for address in addresses]

    def _streamer(self, address: int) -> DeviceStreamer:
        assert PROFILE.serial is not None
        streams = {
            group.name: Stream(
                site=SiteId("road"),
                device=self.health[address].device,
                group=group.name,
                measurement=group.measurement,
                mode=Mode.LIVE,
                kind=group.kind,
                points=group.layout,
            )
            for group in PROFILE.groups
        }
        return DeviceStreamer(
            device=PROFILE.serial,
            address=address,
            streams=streams,
            periods_s={group.name: PERIOD_S for group in PROFILE.groups},
            line=self.line,
            clock=self.clock,
            health=self.health[address],
            worker=self.worker,
        )

    async def run(self, seconds: float) -> None:
        async with asyncio.TaskGroup() as tasks:
            working = [tasks.create_task(self.worker.run())]
            working += [tasks.create_task(streamer.run(self.readings.append)) for streamer in self.streamers]
            await self.clock.advance(seconds)
            for task in working:
                task.cancel()


async def test_no_device_is_asked_while_another_is_answering() -> None:
    bench = Bench([1, 2, 3], [1, 2, 3])
    await bench.run(60)
    assert bench.line.collisions == 0
    assert len(bench.line.writes) >= 3 * 28
    assert all(health.last_good_ms is not None and not health.errors for health in bench.health.values())


async def test_a_silent_device_costs_its_neighbours_little() -> None:
    bench = Bench([1, 2, 3], [1, 2])
    await bench.run(600)
    assert bench.health[3].is_silent
    groups = len(PROFILE.groups)
    for address in (1, 2):
        assert bench.health[address].reads >= 0.95 * 600 / PERIOD_S * groups
    assert bench.health[3].errors["timeout"] * TIMEOUT_S <= 0.05 * 600 + 10


async def test_a_person_has_a_turn_on_such_a_line_too() -> None:
    bench = Bench([1, 2], [1, 2])
    asked: list[float] = []

    async def exchange() -> None:
        asked.append(bench.clock.monotonic_s())
        await bench.clock.sleep(0.1)

    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(bench.run(10))
        for _ in range(3):
            with suppress(DriverError):
                tasks.create_task(bench.worker.in_turn(Lane.OPERATOR, exchange))
        await running
    assert len(asked) == 3
    assert bench.line.collisions == 0
