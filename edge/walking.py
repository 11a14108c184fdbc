"""A Modbus device whose points must be found before they are read: the walk goes first, then its poller.

I1. Nothing is read at an address that was not walked to; until then each group is recorded as having no value.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Final

from device_profiles.modbus_model import ModbusDevice, Walk
from device_profiles.walk import ModelWalk, WalkError, located
from edge.clock import Clock
from edge.drivers.base import DriverError, DriverFault, RegisterBus
from edge.group_round import RawReading
from edge.health import DeviceHealth
from edge.poller import DevicePoller
from edge.schedule import Lane, Outcome, Task
from edge.spool.base import Reading
from wire.records import Quality, Stream, Value

_logger = logging.getLogger(__name__)
_PAUSE_S: Final = 30.0
_TURN_S: Final = 0.1


class WalkingPoller:
    """Walks once from the agent's start, and then reads as `DevicePoller` does.

    Args:
        device: how it is spoken to, with the addresses of the usual layout.
        walk: where it begins.
        unit: its address.
        streams: what its records have in common, by group.
        bus: the line it is on.
        clock: the agent's clock.
        health: where its state is kept.
        make: the poller of a device whose points have been found.
    """

    def __init__(
        self,
        *,
        device: ModbusDevice,
        walk: Walk,
        unit: int,
        streams: Mapping[str, Stream],
        bus: RegisterBus,
        clock: Clock,
        health: DeviceHealth,
        make: Callable[[ModbusDevice], DevicePoller],
    ) -> None:
        self._device = device
        self._walk = walk
        self._unit = unit
        self._streams = streams
        self._bus = bus
        self._clock = clock
        self._health = health
        self._make = make
        # Changed by the turns and by `read`.
        self._poller: DevicePoller | None = None

    def start(self, add: Callable[[Task], None], submit: Callable[[Reading], None], *, offset_s: float = 0.0) -> None:
        """Walk, and then be read; see `DevicePoller.start`."""
        steps = ModelWalk(self._walk)

        async def turn() -> Outcome:
            nonlocal steps
            if self._poller is None:
                trouble = await self._step(steps, self._bus)
                if trouble is not None:
                    steps = ModelWalk(self._walk)
                    for reading in self._nothing(trouble):
                        submit(Reading(stream=reading.stream, time_ms=reading.time_ms, values=reading.values))
                    task.lane, task.release_s = Lane.SICK, self._clock.monotonic_s() + _PAUSE_S
            if self._poller is None:
                return Outcome(is_over=False)
            self._poller.start(add, submit)
            return Outcome(is_over=True)

        from_s = self._clock.monotonic_s() + offset_s
        task = Task(lane=Lane.AGAIN, release_s=from_s, deadline_s=from_s + _PAUSE_S, work_s=_TURN_S, take=turn)
        add(task)

    async def read(self, bus: RegisterBus | None = None) -> list[RawReading]:
        """Every group once, for a person who asks; walks first where that has not been done."""
        steps = ModelWalk(self._walk)
        while self._poller is None:
            trouble = await self._step(steps, bus or self._bus)
            if trouble is not None:
                return self._nothing(trouble)
        return await self._poller.read(bus)

    async def _step(self, steps: ModelWalk, bus: RegisterBus) -> DriverError | None:
        """One request of a walk; what went wrong, if it leads nowhere."""
        device = self._device
        timeout_s, turnaround_s = device.timeout_ms / 1000, device.turnaround_ms / 1000
        try:
            answer = await bus.read(self._unit, steps.next, timeout_s=timeout_s, turnaround_s=turnaround_s)
            self._health.note_answer(time_ms=answer.time_ms)
            steps.answered(answer.values)
        except DriverError as error:
            if error.kind is not DriverFault.EXCEPTION:
                return self._noted(error, is_silent=True)
            steps.refused()
        if not steps.is_over:
            return None
        try:
            self._poller = self._make(located(device, steps.found))
        except WalkError as error:
            return self._noted(DriverError(DriverFault.EXCEPTION, str(error)), is_silent=False)
        models = ", ".join(f"{model} at {address}" for model, address in steps.found.items())
        _logger.info("%s has the models %s", self._health.device, models)
        return None

    def _noted(self, error: DriverError, *, is_silent: bool) -> DriverError:
        self._health.note_error(error.kind, str(error))
        if is_silent:
            self._health.note_silence()
        return error

    def _nothing(self, error: DriverError) -> list[RawReading]:
        """Each group, without values: why there are none is a fact, not a gap."""
        quality = Quality.EXCEPTION if error.kind is DriverFault.EXCEPTION else Quality.TIMEOUT
        now_ms = self._clock.now_ms()
        readings = []
        for stream in self._streams.values():
            values = tuple(Value(None, quality) for _ in stream.points)
            self._health.note_values(stream.group, stream.points, values, time_ms=now_ms)
            readings.append(
                RawReading(stream=stream, values=values, answers={}, raw=(), time_ms=now_ms, error=str(error))
            )
        return readings
