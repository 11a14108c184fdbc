"""Writing a control of a Modbus device, or giving it a command: at most once, and what the device shows afterwards.

I1. An order is sent once or not at all; one whose turn comes too late is not sent.
I2. That a device obeyed is said only where its own register shows it.
"""

from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from device_profiles.controls import check_said, is_obeyed, read_back_request, shown_number, write_request
from device_profiles.modbus import Order, ReadRequest
from device_profiles.modbus_model import Command, Control, ModbusDevice
from edge.bus_worker import BusWorker
from edge.clock import Clock
from edge.drivers.base import DriverError, DriverFault, RegisterBus
from edge.schedule import Lane

_EXPIRES_S: Final = 5.0
_LOOKS: Final = 4
_BETWEEN_LOOKS_S: Final = 0.3
_TOO_LATE: Final = f"its turn did not come within {_EXPIRES_S:.0f} s; try again"


class Outcome(StrEnum):
    """What became of an order, for a person."""

    OBEYED = "obeyed"
    NOT_OBEYED = "not obeyed"
    REFUSED = "refused"
    NOT_SENT = "not sent"
    UNKNOWN = "unknown"
    ANSWERED = "answered"  # as documented; the device shows nothing by which more could be said


# Faults after which it is known what became of an order.
_SURE: Final = {DriverFault.EXCEPTION: Outcome.REFUSED, DriverFault.REFUSED: Outcome.NOT_SENT}


@dataclass(frozen=True, slots=True)
class Written:
    """What became of an order: what was ordered, and what the device showed after it (None where it showed nothing)."""

    control: str
    ordered: float
    outcome: Outcome
    shown: float | None
    text: str


class Writer:
    """Writes to the devices of one bus.

    Args:
        bus: the driver.
        worker: who gives the turns on it.
        clock: the agent's clock.
    """

    def __init__(self, bus: RegisterBus, worker: BusWorker, *, clock: Clock) -> None:
        self._bus = bus
        self._worker = worker
        self._clock = clock

    async def write(self, unit: int, device: ModbusDevice, control: Control, number: float) -> Written:
        """Set a control.

        Raises:
            device_profiles.controls.ControlError: the profile does not allow the number; nothing was sent.
        """
        order = write_request(control, number)
        timing = _Timing(timeout_s=device.timeout_ms / 1000, turnaround_s=device.turnaround_ms / 1000)
        try:
            is_sent, doubt = await self._sent(unit, order, timing), None
        except DriverError as error:
            if error.kind in _SURE:
                return Written(control.key, number, _SURE[error.kind], None, str(error))
            is_sent, doubt = True, str(error)
        if not is_sent:
            return Written(control.key, number, Outcome.NOT_SENT, None, _TOO_LATE)
        words, trouble = await self._looked(unit, control, number, timing)
        return verdict(control, number, words, doubt=doubt or trouble)

    async def command(self, unit: int, device: ModbusDevice, command: Command, said: str) -> Written:
        """Give a command; `said` is the word for it.

        Raises:
            device_profiles.controls.ControlError: something was to be set; nothing was sent.
        """
        check_said(command, said)
        timing = _Timing(timeout_s=device.timeout_ms / 1000, turnaround_s=device.turnaround_ms / 1000)
        before: tuple[int, ...] | None = None
        if command.shown_by is not None:
            try:
                before = await self._look(unit, command.shown_by, timing)
            except DriverError as error:
                text = f"nothing was sent: what it is before cannot be read ({error})"
                return Written(command.key, 1, Outcome.NOT_SENT, None, text)
        try:
            is_sent, doubt = await self._sent(unit, command.order, timing), None
        except DriverError as error:
            if error.kind in _SURE:
                return Written(command.key, 1, _SURE[error.kind], None, str(error))
            is_sent, doubt = True, str(error)
        if not is_sent:
            return Written(command.key, 1, Outcome.NOT_SENT, None, _TOO_LATE)
        if command.shown_by is None or before is None:
            return answered(command, doubt=doubt)
        return toggled(command, before, await self._changed(unit, command.shown_by, before, timing), doubt=doubt)

    async def _changed(
        self, unit: int, request: ReadRequest, before: tuple[int, ...], timing: "_Timing"
    ) -> tuple[int, ...] | None:
        """The coils after a toggle, looked at a few times; None where they could not be read."""
        found: tuple[int, ...] | None = None
        for _ in range(_LOOKS):
            with suppress(DriverError):
                found = await self._look(unit, request, timing)
            if found is not None and _are_all_changed(before, found):
                break
            await self._clock.sleep(_BETWEEN_LOOKS_S)
        return found

    async def _look(self, unit: int, request: ReadRequest, timing: "_Timing") -> tuple[int, ...]:
        async def look() -> tuple[int, ...]:
            answer = await self._bus.read(unit, request, timeout_s=timing.timeout_s, turnaround_s=timing.turnaround_s)
            return answer.values

        return await self._worker.in_turn(Lane.OPERATOR, look)

    async def _sent(self, unit: int, order: Order, timing: "_Timing") -> bool:
        """Whether the order was sent; not where its turn came too late for who gave it."""
        expires_s = self._clock.monotonic_s() + _EXPIRES_S

        async def send() -> bool:
            if self._clock.monotonic_s() > expires_s:
                return False
            await self._bus.write(unit, order, timeout_s=timing.timeout_s, turnaround_s=timing.turnaround_s)
            return True

        quiet_s = self._bus.quiet_until_s(unit, order)
        return await self._worker.in_turn(Lane.OPERATOR, send, not_before_s=quiet_s)

    async def _looked(
        self, unit: int, control: Control, number: float, timing: "_Timing"
    ) -> tuple[tuple[int, ...] | None, str | None]:
        """What the device shows, looked at a few times because some take a moment; and what went wrong with it."""
        request = read_back_request(control)
        found: tuple[int, ...] | None = None
        trouble: str | None = None
        for _ in range(_LOOKS):
            try:
                found = await self._look(unit, request, timing)
            except DriverError as error:
                trouble = str(error)
            if found is not None and is_obeyed(control, number, found):
                break
            await self._clock.sleep(_BETWEEN_LOOKS_S)
        return found, trouble


@dataclass(frozen=True, slots=True, kw_only=True)
class _Timing:
    """What one exchange with the device may take, and the pause after it."""

    timeout_s: float
    turnaround_s: float


def verdict(control: Control, number: float, words: tuple[int, ...] | None, *, doubt: str | None) -> Written:
    """What became of an order that was sent. Pure.

    Args:
        control: what was set.
        number: what was ordered.
        words: what its register showed afterwards; None where it could not be read.
        doubt: what went wrong with the order or with the look, if anything.
    """
    shown = None if words is None else shown_number(control, words)
    if words is None or shown is None:
        text = f"nobody knows whether it obeyed ({doubt or 'it shows no value'}); read the device"
        return Written(control.key, number, Outcome.UNKNOWN, None, text)
    if is_obeyed(control, number, words):
        return Written(control.key, number, Outcome.OBEYED, shown, f"the device shows {shown:g}")
    also = f" ({doubt})" if doubt else ""
    return Written(control.key, number, Outcome.NOT_OBEYED, shown, f"the device shows {shown:g}{also}")


def toggled(command: Command, before: tuple[int, ...], after: tuple[int, ...] | None, *, doubt: str | None) -> Written:
    """What became of a toggle that was sent: its coils before and after it tell. Pure."""
    if after is None:
        text = f"nobody knows whether it obeyed ({doubt or 'it cannot be read'}); read the device"
        return Written(command.key, 1, Outcome.UNKNOWN, None, text)
    also = f" ({doubt})" if doubt else ""
    told = f"{_bits(before)} before, {_bits(after)} after{also}"
    outcome = Outcome.OBEYED if _are_all_changed(before, after) else Outcome.NOT_OBEYED
    return Written(command.key, 1, outcome, float(after[0]), told)


def answered(command: Command, *, doubt: str | None) -> Written:
    """What became of a command of which the device shows nothing. Pure."""
    if doubt is not None:
        text = f"nobody knows whether it obeyed ({doubt}); it shows nothing of it, so do not just send it again"
        return Written(command.key, 1, Outcome.UNKNOWN, None, text)
    text = "the device answered as documented; it shows no state by which more could be said"
    return Written(command.key, 1, Outcome.ANSWERED, None, text)


def _are_all_changed(before: tuple[int, ...], after: tuple[int, ...]) -> bool:
    return all(one != other for one, other in zip(before, after, strict=True))


def _bits(values: tuple[int, ...]) -> str:
    return "".join(map(str, values))
