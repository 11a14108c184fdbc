"""The devices of a gateway file at work: buses, and a poller or streamer for each device, put together."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from device_profiles.controls import ControlError, number_said, order_named, states_of
from device_profiles.derive import with_parameters
from device_profiles.modbus_model import Command, ModbusDevice
from device_profiles.model import DeviceProfile
from device_profiles.point_model import Line
from device_profiles.serial_model import SerialDevice
from edge.bus_worker import BusWorker, LaneBus
from edge.clock import Clock
from edge.config import BusConfig, BusKind, CheckedGateway, DeviceConfig
from edge.diagnosis.flight_recorder import FlightRecorder
from edge.drivers.base import RegisterBus
from edge.drivers.line import ByteLine
from edge.drivers.opened import opened_bus, opened_line
from edge.health import DeviceHealth, Health, LastValue, plain_values
from edge.poller import DevicePoller
from edge.refusals import Refusals
from edge.schedule import Lane
from edge.spool.base import Reading
from edge.streamer import DeviceStreamer
from edge.walking import WalkingPoller
from edge.writing import Writer
from wire.identifiers import DeviceId, GatewayId, SiteId
from wire.messages import DeviceInventory, GroupInventory, Inventory
from wire.records import Quality, Stream


class UnknownError(Exception):
    """There is no such device or control; the text says which there are."""


class NotAllowedError(Exception):
    """The gateway file or the profile does not allow this order; the text says what it allows."""


# What a read tells: JSON of this module's making.
Told = dict[str, Any]

_logger = logging.getLogger(__name__)
_NETWORK_BAUD: Final = 1_000_000  # for planning on TCP, where a byte costs next to nothing and a request does not
_LISTEN_ONCE_S: Final = 12.0
_LAST_ROUND_S: Final = 3.0
_LOOK_S: Final = 0.1
_HANDFULS: Final = 10
_KEEP_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class _Polled:
    """A Modbus device."""

    health: DeviceHealth
    poller: DevicePoller | WalkingPoller
    bus: str
    unit: int
    modbus: ModbusDevice


@dataclass(frozen=True, slots=True)
class _Streamed:
    """A device with a protocol of its own."""

    health: DeviceHealth
    streamer: DeviceStreamer


class Acquisition:
    """All buses and devices of a gateway.

    Args:
        checked: the gateway file and its profiles.
        clock: the agent's clock.
    """

    def __init__(self, checked: CheckedGateway, *, clock: Clock) -> None:
        self._checked = checked
        self._clock = clock
        self.faults = FlightRecorder(clock)
        self.health = Health(self.faults.note)
        self._lines: dict[str, ByteLine] = {}
        buses = {bus.bus: bus for bus in checked.config.buses}
        self._drivers: dict[str, RegisterBus] = {}
        self.workers: dict[str, BusWorker] = {}
        self._refusals = Refusals(Path(checked.folder) / checked.config.state_dir, _kinds(checked))
        self.devices: dict[str, _Polled | _Streamed] = {}
        for device in checked.config.devices:
            bus, profile = buses[device.bus], with_parameters(checked.profiles[device.profile], device.parameters)
            if profile.modbus is not None:
                if bus.bus not in self._drivers:
                    self._drivers[bus.bus] = self._driver(bus, profile.line)
                    in_flight = bus.in_flight if bus.kind is BusKind.MODBUS_TCP else 1
                    self.workers[bus.bus] = BusWorker(clock=clock, in_flight=in_flight)
                self.devices[device.device] = self._polled(device, profile, profile.modbus, bus)
            elif profile.serial is not None:
                self.devices[device.device] = self._streamed(device, profile, profile.serial, bus)

    def inventory(self) -> Inventory:
        """What this gateway reads."""
        config = self._checked.config
        return Inventory(
            gateway=GatewayId(config.gateway),
            site=SiteId(config.site),
            devices=tuple(self._inventory_of(device) for device in config.devices),
        )

    async def run(self, submit: Callable[[Reading], None]) -> None:
        """Read every device until cancelled; the polled ones start spread over their period, in a few handfuls.

        Handfuls, because waking up costs a small computer more than a request does.
        """
        polled = [one for one in self.devices.values() if isinstance(one, _Polled)]
        shortest_s = min(
            (period_s for device in self._checked.config.devices for period_s in self._periods_s(device).values()),
            default=1.0,
        )
        async with asyncio.TaskGroup() as tasks:
            for index, one in enumerate(polled):
                offset_s = shortest_s * (index * _HANDFULS // len(polled)) / _HANDFULS
                one.poller.start(self.workers[one.bus].add, submit, offset_s=offset_s)
            for bus, worker in self.workers.items():
                tasks.create_task(worker.run(), name=f"bus {bus}")
            tasks.create_task(self._keep_refusals(), name="refusals")
            for two in self.devices.values():
                if isinstance(two, _Streamed):
                    tasks.create_task(two.streamer.run(submit), name=f"streamer {two.health.device}")

    def lane_bus(self, bus: str, lane: Lane) -> LaneBus:
        """A Modbus bus for somebody who is no poller; his requests wait for their turns.

        Raises:
            KeyError: there is no such Modbus bus, or nobody is on it.
        """
        return LaneBus(self._drivers[bus], self.workers[bus], lane)

    async def read(self, device: str) -> Told:
        """One device now: a Modbus device is asked; of one that speaks by itself the newest it has said.

        Raises:
            UnknownError: there is no such device.
        """
        one = self._device(device)
        if isinstance(one, _Polled):
            return await self._read_polled(one)
        return self._told_streamed(one)

    async def read_alone(self, device: str) -> Told:
        """One device now, for a gateway whose agent does not run: a stream is listened to for a while.

        Raises:
            UnknownError: there is no such device.
        """
        one = self._device(device)
        if isinstance(one, _Streamed):
            await self._listen(one)
        return await self.read(device)

    async def write(self, device: str, control: str, value: str) -> Told:
        """Set a control of a device, at most once, and see whether it obeyed.

        Args:
            device: of the gateway file.
            control: of its profile, allowed by the gateway file.
            value: a number in the control's unit, or the name of one of its states.

        Raises:
            UnknownError: there is no such device.
            NotAllowedError: the gateway file does not allow this control, or the profile not this value.
        """
        one = self._device(device)
        allowed = next(each for each in self._checked.config.devices if each.device == device)
        if not isinstance(one, _Polled) or control not in allowed.controls:
            may = f"it allows {', '.join(allowed.controls)}" if allowed.controls else "it allows none"
            raise NotAllowedError(f"{device}: the gateway file does not allow to write {control!r}; {may} (controls:)")
        modbus = one.modbus
        chosen = order_named(modbus, control)
        writer = Writer(self._drivers[one.bus], self.workers[one.bus], clock=self._clock)
        try:
            if isinstance(chosen, Command):
                written = await writer.command(one.unit, modbus, chosen, value)
            elif chosen is not None:
                written = await writer.write(one.unit, modbus, chosen, number_said(chosen, value))
            else:
                raise NotAllowedError(f"{device}: its profile has no {control!r}")
        except ControlError as error:
            raise NotAllowedError(f"{device}: {error}") from error
        _logger.warning("%s: a person set %s to %g: %s", device, control, written.ordered, written.outcome)
        return {
            "device": device,
            "states": states_of(chosen),
            **asdict(written),
        }

    async def read_all(self) -> list[Told]:
        """Every device once, for a gateway whose agent does not run."""
        async with asyncio.TaskGroup() as tasks:
            reading = [tasks.create_task(self.read_alone(device), name=f"read {device}") for device in self.devices]
        return [task.result() for task in reading]

    async def close(self) -> None:
        """Let all ports go, and write down what was learnt."""
        self._refusals.save()
        for line in self._lines.values():
            line.close()

    def _device(self, device: str) -> _Polled | _Streamed:
        if device not in self.devices:
            raise UnknownError(f"device {device!r}: not in the gateway file; it has {', '.join(self.devices)}")
        return self.devices[device]

    async def _keep_refusals(self) -> None:
        """Write down what devices have refused; seldom, because each writing wears the card."""
        while True:
            await self._clock.sleep(_KEEP_S)
            await asyncio.to_thread(self._refusals.save)

    async def _listen(self, one: _Streamed) -> None:
        """Until each group has told something, or what there is has come; many devices never tell all groups."""
        end_s = until_s = self._clock.monotonic_s() + _LISTEN_ONCE_S
        told = 0
        async with asyncio.TaskGroup() as tasks:
            listening = tasks.create_task(one.streamer.run(_forget), name=f"listen {one.health.device}")
            while self._clock.monotonic_s() < until_s and not one.streamer.has_told_all:
                await self._clock.sleep(_LOOK_S)
                if one.streamer.groups_told > told:
                    told = one.streamer.groups_told
                    until_s = min(end_s, self._clock.monotonic_s() + _LAST_ROUND_S)
            listening.cancel()

    def _driver(self, bus: BusConfig, line: Line) -> RegisterBus:
        return opened_bus(bus, self._line(bus, line), baud=bus.baud or line.baud, clock=self._clock)

    def _line(self, bus: BusConfig, line: Line) -> ByteLine:
        """The one line of a bus."""
        if bus.bus not in self._lines:
            self._lines[bus.bus] = opened_line(bus, line, clock=self._clock, tap=self.faults.tap(bus.bus))
        return self._lines[bus.bus]

    def _polled(
        self,
        device: DeviceConfig,
        profile: DeviceProfile,
        modbus: ModbusDevice,
        bus: BusConfig,
    ) -> _Polled:
        health = self._health_of(device)
        unit = device.unit or modbus.unit or 1
        make = partial(
            DevicePoller,
            unit=unit,
            streams=self._streams(device, profile),
            periods_s=self._periods_s(device),
            bus=self._drivers[bus.bus],
            baud=_NETWORK_BAUD if bus.kind is BusKind.MODBUS_TCP else bus.baud or profile.line.baud,
            clock=self._clock,
            health=health,
            refusals=self._refusals,
        )
        if modbus.walk is None:
            return _Polled(health, make(device=modbus), bus.bus, unit, modbus)
        walking = WalkingPoller(
            device=modbus,
            walk=modbus.walk,
            unit=unit,
            streams=self._streams(device, profile),
            bus=self._drivers[bus.bus],
            clock=self._clock,
            health=health,
            make=lambda found: make(device=found),
        )
        return _Polled(health, walking, bus.bus, unit, modbus)

    def _streamed(
        self, device: DeviceConfig, profile: DeviceProfile, serial: SerialDevice, bus: BusConfig
    ) -> _Streamed:
        health = self._health_of(device)
        is_shared = sum(one.bus == bus.bus for one in self._checked.config.devices) > 1
        if is_shared and bus.bus not in self.workers:
            self.workers[bus.bus] = BusWorker(clock=self._clock)
        streamer = DeviceStreamer(
            device=serial,
            address=device.unit,
            streams=self._streams(device, profile),
            periods_s=self._periods_s(device),
            line=self._line(bus, profile.line),
            clock=self._clock,
            health=health,
            worker=self.workers.get(bus.bus),
        )
        return _Streamed(health, streamer)

    def _health_of(self, device: DeviceConfig) -> DeviceHealth:
        return self.health.device(DeviceId(device.device), profile=device.profile, bus=device.bus)

    def _streams(self, device: DeviceConfig, profile: DeviceProfile) -> dict[str, Stream]:
        config = self._checked.config
        return {
            group.name: Stream(
                site=SiteId(device.site or config.site),
                device=DeviceId(device.device),
                group=group.name,
                measurement=group.measurement,
                mode=config.mode,
                kind=group.kind,
                points=group.layout,
            )
            for group in profile.groups
        }

    def _periods_s(self, device: DeviceConfig) -> Mapping[str, float]:
        profile = self._checked.profiles[device.profile]
        return {group.name: device.every_s.get(group.name, group.every_s) for group in profile.groups}

    def _inventory_of(self, device: DeviceConfig) -> DeviceInventory:
        profile = self._checked.profiles[device.profile]
        periods_s = self._periods_s(device)
        return DeviceInventory(
            device=DeviceId(device.device),
            profile=profile.profile,
            revision=profile.revision,
            bus=device.bus,
            groups=tuple(
                GroupInventory(
                    group=group.name,
                    measurement=group.measurement,
                    every_s=_promised_s(device, periods_s[group.name]),
                    points=group.layout,
                )
                for group in profile.groups
            ),
        )

    async def _read_polled(self, one: _Polled) -> Told:
        readings = await one.poller.read(self.lane_bus(one.bus, Lane.OPERATOR))
        last = {
            (reading.stream.group, point.key): LastValue(point, value, reading.time_ms)
            for reading in readings
            for point, value in zip(reading.stream.points, reading.values, strict=True)
        }
        values = plain_values(last, now_ms=max(reading.time_ms for reading in readings))
        errors = dict.fromkeys(reading.error for reading in readings if reading.error)
        raw = [frame.hex(" ") for reading in readings for frame in reading.raw]
        return _told(one.health, values, raw=raw, error="; ".join(errors) or None, good=bool(raw))

    def _told_streamed(self, one: _Streamed) -> Told:
        values = plain_values(one.health.last, now_ms=self._clock.now_ms())
        good = any(value["quality"] == Quality.GOOD.name.lower() for value in values)
        raw = [_wire_text(frame) for frame in one.streamer.newest_frames()]
        error = one.health.trouble or (None if values else "nothing has come from it yet")
        return _told(one.health, values, raw=raw, error=error, good=good)


def _promised_s(device: DeviceConfig, period_s: float) -> float:
    """How often the hub hears of a group at least: what is no news may be held back for a while."""
    return period_s if device.report is None or period_s == 0 else max(period_s, device.report.max_silence_s)


def _kinds(checked: CheckedGateway) -> dict[str, str]:
    """What each device must still be for its refusals to hold."""
    return {
        device.device: f"{device.profile} {checked.profiles[device.profile].revision}"
        for device in checked.config.devices
    }


def _told(health: DeviceHealth, values: list[Told], *, raw: list[str], error: str | None, good: bool) -> Told:
    return {
        "device": health.device,
        "profile": health.profile,
        "bus": health.bus,
        "good": good,
        "values": values,
        "raw": raw,
        "error": error,
    }


def _wire_text(frame: bytes) -> str:
    """A frame for a person: text where the device speaks text, else hex."""
    text = frame.decode("latin-1")
    is_text = all(letter.isprintable() or letter in "\r\n\t" for letter in text) and frame.isascii()
    return repr(text)[1:-1] if is_text else frame.hex(" ")


def _forget(reading: Reading) -> None:
    """What is read for a person is neither kept nor sent."""
