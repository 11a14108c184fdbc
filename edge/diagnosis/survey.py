"""A whole scan: line settings tried one after the other, units found, and the profiles that fit each of them."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final

from device_profiles.model import DeviceProfile
from device_profiles.point_model import Line, Parity
from edge.diagnosis.fit import Fit
from edge.diagnosis.identify import fitting_profiles
from edge.diagnosis.scan import FIRST_UNIT, LAST_UNIT, PATIENCE_S, FoundUnit, Presence, Progress, longest_s, scan_units
from edge.drivers.base import DriverError, DriverFault, RegisterBus

# What devices leave the factory with, the most usual first.
USUAL_LINES: Final = tuple(
    Line(baud=baud, parity=parity)
    for baud, parity in (
        (9600, Parity.NONE),
        (9600, Parity.EVEN),
        (19200, Parity.EVEN),
        (19200, Parity.NONE),
        (4800, Parity.NONE),
        (38400, Parity.NONE),
        (115200, Parity.NONE),
        (2400, Parity.NONE),
        (57600, Parity.NONE),
        (38400, Parity.EVEN),
        (4800, Parity.EVEN),
        (2400, Parity.EVEN),
        (9600, Parity.ODD),
    )
)
ALL_UNITS: Final = tuple(range(FIRST_UNIT, LAST_UNIT + 1))
_LEAST_TIMEOUT_S: Final = 0.15
_LATENCIES: Final = 4
_LOW_UNITS: Final = 10  # where devices are put by people who count from one
Opened = Callable[[Line], AbstractAsyncContextManager[RegisterBus]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Surveyed:
    """A unit and the profiles that fit it, the best first."""

    unit: FoundUnit
    fits: tuple[Fit, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """Who is on the line, at which settings. `trouble` says why a port could not be asked with them."""

    line: Line
    units: tuple[Surveyed, ...]
    trouble: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One setting that is tried, and how long that takes at most."""

    line: Line
    seconds: float


def line_text(line: Line) -> str:
    """Line settings as people write them: `9600 8N1`."""
    return f"{line.baud} {line.data_bits}{line.parity.value}{line.stop_bits}"


def patient_units(profiles: Mapping[str, DeviceProfile]) -> frozenset[int]:
    """The addresses with which devices of the library leave the factory: there a slow one is worth waiting for."""
    return frozenset(
        profile.modbus.unit
        for profile in profiles.values()
        if profile.modbus is not None and profile.modbus.unit is not None
    )


def likely_units(profiles: Mapping[str, DeviceProfile]) -> tuple[int, ...]:
    """The addresses worth asking while the line settings are a guess."""
    low = range(FIRST_UNIT, FIRST_UNIT + _LOW_UNITS)
    return tuple(sorted({*low, *(unit for unit in patient_units(profiles) if unit <= LAST_UNIT)}))


def attempts(lines: Sequence[Line], units: Sequence[int], *, window_s: float) -> list[Attempt]:
    """What a scan with these settings will try, and how long each takes where nobody answers."""
    return [Attempt(line=line, seconds=longest_s(len(units), line.baud, window_s=window_s)) for line in lines]


async def surveys(
    lines: Sequence[Line],
    opened: Opened,
    units: Sequence[int],
    *,
    profiles: Mapping[str, DeviceProfile],
    window_s: float,
    progress: Progress | None = None,
) -> AsyncIterator[Survey]:
    """Try one setting after the other, until one gives an answer; each with what it gave.

    Args:
        lines: the settings to try.
        opened: opens the bus with settings.
        units: the addresses to ask.
        profiles: the candidates for what is found; none where nobody wants to know.
        window_s: how long a device may take to begin its answer.
        progress: is told after every question.

    Raises:
        DriverError: the line cannot be had, or is gone.
    """
    patient = patient_units(profiles) & set(units) if len(lines) == 1 else frozenset[int]()
    for index, line in enumerate(lines):
        try:
            async with opened(line) as bus:
                found = await scan_units(bus, units, patient=patient, window_s=window_s, progress=progress)
                surveyed = [await _surveyed(bus, one, profiles) for one in found]
        except DriverError as error:
            if index == 0 or error.kind is not DriverFault.REFUSED:
                raise
            yield Survey(line=line, units=(), trouble=str(error))  # not every adapter can do every setting
            continue
        yield Survey(line=line, units=tuple(surveyed))
        if any(one.presence is not Presence.GARBLED for one in found):
            return


async def _surveyed(bus: RegisterBus, one: FoundUnit, profiles: Mapping[str, DeviceProfile]) -> Surveyed:
    if one.presence is Presence.GARBLED or not profiles:
        return Surveyed(unit=one, fits=())
    timeout_s = PATIENCE_S if one.is_late else max(_LEAST_TIMEOUT_S, _LATENCIES * one.latency_s)
    return Surveyed(unit=one, fits=tuple(await fitting_profiles(bus, one.unit, profiles, timeout_s=timeout_s)))
