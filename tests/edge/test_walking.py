"""A device whose models must be found is walked first, read where they are, and recorded as empty until then."""

from device_profiles.model import DeviceProfile
from device_profiles.simulate import ModbusResponder
from edge.health import DeviceHealth
from edge.poller import DevicePoller
from edge.refusals import Refusals
from edge.schedule import Task
from edge.spool.base import Reading
from edge.walking import WalkingPoller
from tests.device_profiles.test_walk import INVERTER, VALUES, device_of, elsewhere
from tests.support.fake_clock import FakeClock
from tests.support.responding_bus import RespondingBus
from wire.identifiers import DeviceId, SiteId
from wire.records import Mode, Quality, Stream


class Bench:
    """One inverter on a bus, and what its poller asked for and gave."""

    def __init__(self, profile: DeviceProfile | None) -> None:
        self.clock = FakeClock()
        self.responders = dict[int, ModbusResponder]()
        if profile is not None:
            self.add(profile)
        self.bus = RespondingBus(self.responders, self.clock)
        self.health = DeviceHealth(DeviceId("pv-1"), INVERTER.profile, "bus")
        self.tasks, self.readings = list[Task](), list[Reading]()
        device = device_of(INVERTER)
        assert device.walk is not None
        streams = {
            group.name: Stream(
                site=SiteId("roof"),
                device=DeviceId("pv-1"),
                group=group.name,
                measurement=group.measurement,
                mode=Mode.LIVE,
                points=group.layout,
            )
            for group in INVERTER.groups
        }
        self.poller = WalkingPoller(
            device=device,
            walk=device.walk,
            unit=1,
            streams=streams,
            bus=self.bus,
            clock=self.clock,
            health=self.health,
            make=lambda found: DevicePoller(
                device=found,
                unit=1,
                streams=streams,
                periods_s={group.name: group.every_s for group in found.groups},
                bus=self.bus,
                baud=9600,
                clock=self.clock,
                health=self.health,
                refusals=Refusals(None, {}),
            ),
        )

    def add(self, profile: DeviceProfile) -> None:
        responder = self.responders[1] = ModbusResponder(profile, 1)
        for scale in ("current_scale", "voltage_scale", "power_scale", "frequency_scale", "energy_scale"):
            responder.set_value(scale, -1)
        responder.set_values(VALUES)

    async def turns(self, at_most: int) -> None:
        """The first task's turns until it wants no more."""
        for _ in range(at_most):
            if (await self.tasks[0].take()).is_over:
                return

    def values(self) -> dict[str, float | None]:
        return {key: last.value.number for (_, key), last in self.health.last.items()}


async def test_who_asks_gets_the_values_of_a_device_whose_models_are_in_another_order() -> None:
    bench = Bench(elsewhere({103: 50002, 1: 50090}))
    (reading, *_) = await bench.poller.read()
    told = dict(zip((one.key for one in reading.stream.points), reading.values, strict=True))
    assert {key: told[key].number for key in VALUES} == VALUES
    asked = len(bench.bus.asked)
    await bench.poller.read()
    assert len(bench.bus.asked) - asked < asked  # it is walked once


async def test_until_it_is_found_each_group_is_recorded_as_silent_and_then_it_is_read() -> None:
    bench = Bench(None)
    bench.poller.start(bench.tasks.append, bench.readings.append)
    await bench.turns(1)
    assert [one.stream.group for one in bench.readings] == [group.name for group in INVERTER.groups]
    assert {value.quality for one in bench.readings for value in one.values} == {Quality.TIMEOUT}
    assert bench.health.is_silent
    assert bench.tasks[0].release_s > bench.clock.monotonic_s()
    bench.add(elsewhere({1: 2, 103: 300}))
    await bench.turns(9)
    assert bench.health.trouble is None
    assert len(bench.tasks) > len(INVERTER.groups)  # its groups, and who it is


async def test_a_device_that_is_no_inverter_is_said_to_be_none_and_never_read() -> None:
    other = elsewhere({1: 40002, 103: 40070})
    bench = Bench(other)
    bench.responders[1].set_value("second_model", 126)
    (reading, *_) = await bench.poller.read()
    assert {value.quality for value in reading.values} == {Quality.EXCEPTION}
    assert "none is 101 or 102 or 103" in (reading.error or "")
