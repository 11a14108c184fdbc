"""The demonstration's field as a process of its own: devices on pty pairs and TCP endpoints of this machine.

`python -m deploy.demo.field --folder DIR [--seed N] [--replay DATA --speed X]`, from the folder of the checkout. It
writes DIR/field.json (`layout.field_document` says what is in it) when everything answers, says so in one line, and
ends on SIGTERM.
"""

import argparse
import asyncio
import json
import signal
import sys
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from deploy.demo import layout
from deploy.demo.devices import (
    COUNTER_PROFILE,
    TURBINE_PULSES_PER_S,
    FieldState,
    modbus_values,
    stream_bytes,
    vehicle_values,
)
from deploy.demo.layout import DemoBus, DemoDevice
from deploy.demo.recordings import Bytes, RecordingError, endless
from deploy.demo.replay import AIR_SPEED, Replay, load_replay
from deploy.demo.scene import Moment, Scene, Vehicle, vehicles
from device_profiles.library import load_profile
from device_profiles.model import DeviceProfile
from device_profiles.simulate import ModbusResponder
from device_profiles.simulate_serial import Asked, SerialResponder
from device_profiles.simulator.clock import Clock, SystemClock
from device_profiles.simulator.faults import Piece
from device_profiles.simulator.lines import PtyLine, RtuAnswers, TcpAnswers, port_of, tcp_endpoint

READY_NAME: Final = "field.json"
PORTS_NAME: Final = "ports"
_TICK_S: Final = 1.0
# So many vehicles the radar remembers; of those not fetched in time it forgets the oldest, as the real one does.
_RADAR_QUEUE: Final = 200
_SIMULATED: Final = "simulated"


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldOptions:
    """How the field is started. Without a replay everything is drawn by the scene of the seed."""

    folder: Path
    seed: int
    replay: Replay | None
    speed: float

    @property
    def fed_by(self) -> Mapping[str, str]:
        """The devices of this field, with what feeds each, in words."""
        if self.replay is not None:
            return self.replay.fed_by
        return {device.device: _SIMULATED for device in layout.DEVICES}


class Radar:
    """The traffic radar: vehicles wait in a queue until they are asked for."""

    def __init__(self, profile: DeviceProfile, address: int) -> None:
        self._responder = SerialResponder(profile, address)
        self._queue: deque[Vehicle] = deque(maxlen=_RADAR_QUEUE)

    def see(self, vehicle: Vehicle) -> None:
        """Take a vehicle into the queue; its `at_s` is in seconds since 1970."""
        self._queue.append(vehicle)

    def feed(self, data: bytes) -> list[Piece]:
        """Answer requests with one vehicle each, or with none."""
        return [Piece(self._reply(asked)) for asked in self._responder.feed(data)]

    def _reply(self, asked: Asked) -> bytes:
        if not self._queue:
            return self._responder.reply(asked, None)
        vehicle = self._queue.popleft()
        return self._responder.reply(asked, vehicle_values(vehicle), time_ms=int(vehicle.at_s * 1000))


class Field:
    """All devices and the lines they are on."""

    def __init__(self, options: FieldOptions, clock: Clock) -> None:
        self._options = options
        self._clock = clock
        self._scene = Scene(options.seed)
        self._start_s = clock.now_ms() / 1000
        self._devices = [device for device in layout.DEVICES if device.device in options.fed_by]
        self._profiles = {device.device: load_profile(device.profile) for device in self._devices}
        turbine = 0.0 if options.replay else TURBINE_PULSES_PER_S
        self._state = FieldState(seed=options.seed, unix_s=self._start_s, turbine_pulses_per_s=turbine)
        # Filled while the lines are opened, then left alone.
        self._responders: dict[str, ModbusResponder] = {}
        self._streams: dict[str, PtyLine] = {}
        self._radar: Radar | None = None
        self._lines: list[PtyLine] = []
        self._servers: list[asyncio.Server] = []
        self._places: dict[str, str | int] = {}

    async def open(self) -> dict[str, str | int]:
        """Open all lines and endpoints, with devices that already measure.

        Returns:
            Where each bus is: the path of its port, or the TCP port.

        Raises:
            OSError: a port or its name cannot be had.
        """
        for bus in layout.BUSES:
            devices = [device for device in self._devices if device.bus == bus.bus]
            if not devices:
                continue
            if bus.kind == layout.SERIAL:
                self._open_serial(bus, devices[0])
            else:
                await self._open_modbus(bus, devices)
        self._measure()
        return self._places

    async def run(self) -> None:
        """Measure, send and let vehicles pass until cancelled."""
        replay = self._options.replay
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._tick(), name="tick")
            if replay is None or replay.vehicles:
                tasks.create_task(self._traffic(), name="traffic")
            for device, recorded in (replay.streams if replay else {}).items():
                tasks.create_task(self._play(self._streams[device], recorded), name=device)

    def close(self) -> None:
        """End all lines."""
        for line in self._lines:
            line.close()
        for server in self._servers:
            server.close()

    async def _open_modbus(self, bus: DemoBus, devices: Sequence[DemoDevice]) -> None:
        responders = [ModbusResponder(self._profiles[item.device], item.unit or 1) for item in devices]
        self._responders |= {item.device: made for item, made in zip(devices, responders, strict=True)}
        if bus.kind == layout.RTU:
            self._line(bus, RtuAnswers(responders))
            return
        if bus.kind == layout.TCP:
            server = await tcp_endpoint(lambda: TcpAnswers(responders), host=layout.HOST)
        else:
            server = await tcp_endpoint(lambda: RtuAnswers(responders), host=layout.HOST, baud=bus.baud)
        self._servers.append(server)
        self._places[bus.bus] = port_of(server)

    def _open_serial(self, bus: DemoBus, device: DemoDevice) -> None:
        if device.unit is not None:
            self._radar = Radar(self._profiles[device.device], device.unit)
            self._line(bus, self._radar)
        else:
            self._streams[device.device] = self._line(bus, None)

    def _line(self, bus: DemoBus, answers: RtuAnswers | Radar | None) -> PtyLine:
        path = self._options.folder / PORTS_NAME / bus.bus
        line = PtyLine(path, baud=bus.baud, answers=answers)
        self._lines.append(line)
        self._places[bus.bus] = str(path)
        return line

    def _now_s(self) -> float:
        return self._clock.now_ms() / 1000

    def _measure(self) -> Moment:
        """Let all Modbus devices measure the present moment, and return it."""
        now_s = self._now_s()
        moment = self._scene.at(now_s)
        replay = self._options.replay
        if replay and replay.air:
            moment = replay.air.over(moment, (now_s - self._start_s) * self._options.speed * AIR_SPEED)
        self._state.advance(moment, now_s)
        for device in self._devices:
            if device.device in self._responders:
                values = modbus_values(device.profile, moment, self._state)
                self._responders[device.device].set_values(values)
        return moment

    async def _tick(self) -> None:
        replayed = set(self._options.replay.streams) if self._options.replay else set()
        due_s = self._clock.monotonic_s()
        while True:
            moment = self._measure()
            for device, line in self._streams.items():
                if device not in replayed:
                    line.send(stream_bytes(self._profiles[device], moment, self._state))
            due_s += _TICK_S
            await self._clock.sleep(due_s - self._clock.monotonic_s())

    async def _traffic(self) -> None:
        for vehicle in self._vehicles():
            await self._clock.sleep(vehicle.at_s - self._now_s())
            self._pass(vehicle)

    def _pass(self, vehicle: Vehicle) -> None:
        """Let a vehicle pass the contact of its lane, which counts at once, and the radar."""
        index = self._state.count(vehicle)
        for device in self._devices:
            if device.profile == COUNTER_PROFILE and device.device in self._responders:
                self._responders[device.device].set_value(f"pulses_{index + 1}", self._state.pulses[index])
        if self._radar is not None:
            self._radar.see(vehicle)

    def _vehicles(self) -> Iterator[Vehicle]:
        """Vehicles to come, with the present's times."""
        replay, speed = self._options.replay, self._options.speed
        if replay is None:
            yield from vehicles(self._scene, self._options.seed, self._start_s)
            return
        for vehicle in endless(replay.vehicles):
            yield replace(vehicle, at_s=self._start_s + vehicle.at_s / speed)

    async def _play(self, line: PtyLine, recorded: Bytes) -> None:
        start_s = self._clock.monotonic_s()
        while True:
            for chunk in recorded.chunks:
                await self._clock.sleep(start_s + chunk.at_s / self._options.speed - self._clock.monotonic_s())
                line.send(chunk.data)
            start_s += recorded.seconds / self._options.speed


async def serve(options: FieldOptions) -> None:
    """Be the field until told to end.

    Raises:
        OSError: a port or a file cannot be made.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    ready = options.folder / READY_NAME
    ready.unlink(missing_ok=True)
    (options.folder / PORTS_NAME).mkdir(parents=True, exist_ok=True)
    field = Field(options, SystemClock())
    places = await field.open()
    document = layout.field_document(options.fed_by, places) | _settings(options)
    unfinished = options.folder / f".{READY_NAME}"
    unfinished.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    unfinished.rename(ready)
    print(f"field ready: {len(options.fed_by)} devices on {len(places)} buses, {ready}", flush=True)
    try:
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(field.run(), name="field")
            await stop.wait()
            running.cancel()
    finally:
        ready.unlink(missing_ok=True)
        field.close()


def _settings(options: FieldOptions) -> dict[str, object]:
    if options.replay is None:
        return {"source": _SIMULATED, "seed": options.seed}
    return {"source": "recorded", "speed": options.speed, "air_speed": options.speed * AIR_SPEED}


def main() -> None:
    """Read the arguments and be the field."""
    parser = argparse.ArgumentParser(description="Simulated field devices on pty pairs and TCP endpoints.")
    parser.add_argument("--folder", type=Path, required=True, help="gets field.json and the ports")
    parser.add_argument("--seed", type=int, default=1, help="of the drawn weather, loads and traffic")
    parser.add_argument("--replay", type=Path, help="a folder of recordings to feed the devices with instead")
    parser.add_argument("--speed", type=_positive, default=1.0, help="how much faster a recording runs")
    given = parser.parse_args()
    try:
        replay = load_replay(given.replay) if given.replay else None
        options = FieldOptions(folder=given.folder.resolve(), seed=given.seed, replay=replay, speed=given.speed)
        for device, what in options.fed_by.items() if replay else ():
            print(f"{device} is fed by {what}")
        with suppress(KeyboardInterrupt):
            asyncio.run(serve(options))
    except (RecordingError, OSError) as error:
        sys.exit(f"field: {error}")


def _positive(text: str) -> float:
    number = float(text)
    if not number > 0:
        raise argparse.ArgumentTypeError(f"found {text}, expected a number above 0")
    return number


if __name__ == "__main__":
    main()
