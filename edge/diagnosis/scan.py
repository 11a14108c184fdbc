"""Who is on a Modbus bus: every address asked briefly, and those that may be slow asked again with patience.

I1. A unit is found only where a whole frame with its own address and a good check came; a late answer of another unit
    is never taken for it, but tells that somebody answers late.
I2. A silent address costs the time of its bytes and the window, twice; nothing is ever written.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, assert_never

from device_profiles.modbus import ExceptionCode, ReadRequest, Table
from device_profiles.modbus_frames import rtu_good_reply_bytes, rtu_request
from edge.diagnosis.heard import whole_frames
from edge.drivers.base import DriverError, DriverFault, RegisterBus

WINDOW_S: Final = 0.04  # most devices begin to answer within 5 to 30 ms
PATIENCE_S: Final = 0.5
FIRST_UNIT: Final = 1
LAST_UNIT: Final = 247  # Modbus over Serial Line V1.02, 2.2

_TABLES: Final = (Table.HOLDING, Table.INPUT)  # a device without holding registers may keep silent when asked for one
_BITS_PER_CHARACTER: Final = 11
_SILENCE_CHARACTERS: Final = 7  # before and after
_ADAPTER_S: Final = 0.002
_NOBODY: Final = 250  # Modbus over Serial Line V1.02, 2.2: 248 to 255 are reserved
_LATE_UNITS: Final = 8  # as many addresses are asked while an answer is half a second late
_NOBODY_BEHIND: Final = {ExceptionCode.GATEWAY_PATH, ExceptionCode.GATEWAY_TARGET}
_TRIES: Final = 3


class Presence(StrEnum):
    """How a unit showed itself."""

    ANSWERS = "answers"
    REFUSES = "refuses"
    GARBLED = "garbled"


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundUnit:
    """Somebody at an address. `is_late`: the brief window was too short for it. `note` is what it said."""

    unit: int
    presence: Presence
    latency_s: float
    is_late: bool
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """Where a scan is: the pass (of how many addresses), for a person who waits."""

    what: str
    done: int
    of: int
    found: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Heard:
    """What one question gave: somebody, or bytes that are no answer to it."""

    found: FoundUnit | None = None
    stray: bytes = b""


Progress = Callable[[Asking], None]


def silent_unit_s(baud: int, *, window_s: float = WINDOW_S) -> float:
    """How long one question to nobody takes."""
    request = ReadRequest(table=Table.HOLDING, address=0, count=1)
    characters = len(rtu_request(1, request)) + rtu_good_reply_bytes(request) + _SILENCE_CHARACTERS
    return window_s + characters * _BITS_PER_CHARACTER / baud + _ADAPTER_S


def longest_s(units: int, baud: int, *, patient: int = 0, window_s: float = WINDOW_S) -> float:
    """How long a scan of so many addresses takes where nobody answers; `patient` ones are asked with patience too."""
    brief_s = units * silent_unit_s(baud, window_s=window_s)
    return len(_TABLES) * (brief_s + (patient + 1) * silent_unit_s(baud, window_s=PATIENCE_S))


async def scan_units(
    bus: RegisterBus,
    units: Sequence[int],
    *,
    patient: Iterable[int] = (),
    window_s: float = WINDOW_S,
    progress: Progress | None = None,
) -> list[FoundUnit]:
    """Who answers, in the order of their addresses.

    Args:
        bus: the bus; nobody else's traffic should be on it.
        units: the addresses to ask.
        patient: addresses where a slow device is likely; asked again with patience where they were silent.
        window_s: how long a device may take to begin its answer in the brief passes.
        progress: is told after every question.

    Raises:
        DriverError: the line is gone or cannot be had.
    """
    scan = _Scan(bus, window_s, progress)
    for table in _TABLES:
        await scan.ask(f"function {_request(table).function:d}", table, scan.silent(units), window_s)
        await scan.listen()
    late = [unit for unit in scan.silent(units) if unit in scan.suspects or unit in set(patient)]
    late = sorted(late, key=lambda unit: (unit not in scan.suspects, unit))
    for table in _TABLES:
        await scan.ask("slow devices", table, scan.silent(late), PATIENCE_S)
    return [scan.found[unit] for unit in sorted(scan.found)]


async def scan_unit(bus: RegisterBus, unit: int, *, timeout_s: float) -> FoundUnit | None:
    """Whether somebody answers at one address."""
    for table in _TABLES:
        heard = await _ask(bus, unit, table, timeout_s, is_late=False)
        if heard.found is not None:
            return heard.found
    return None


class _Scan:
    """One scan: who was found, and where somebody may be that answers late."""

    def __init__(self, bus: RegisterBus, window_s: float, progress: Progress | None) -> None:
        self._bus = bus
        self._window_s = window_s
        self._progress = progress
        # Changed by ask only.
        self.found: dict[int, FoundUnit] = {}
        self.suspects: set[int] = set()

    def silent(self, units: Iterable[int]) -> list[int]:
        """Those of these who have not been found."""
        return [unit for unit in units if unit not in self.found]

    async def ask(self, what: str, table: Table, units: Sequence[int], timeout_s: float) -> None:
        """Ask each of these once; where what came is damaged, again before it is believed."""
        for index, unit in enumerate(units):
            heard = await self._ask_again(unit, table, timeout_s)
            if heard.found is not None:
                self.found[unit] = heard.found
            if heard.stray:
                self.suspects |= set(_owners(heard.stray) or units[max(0, index - _LATE_UNITS) : index + 1])
            if self._progress is not None:
                self._progress(Asking(what=what, done=index + 1, of=len(units), found=len(self.found)))

    async def listen(self) -> None:
        """Let late answers come: ask nobody, and see who answers."""
        heard = await _ask(self._bus, _NOBODY, Table.HOLDING, PATIENCE_S, is_late=False)
        self.suspects |= set(_owners(heard.stray))

    async def _ask_again(self, unit: int, table: Table, timeout_s: float) -> _Heard:
        is_late = timeout_s > self._window_s
        heard, stray = _Heard(), b""
        for _ in range(_TRIES):
            heard = await _ask(self._bus, unit, table, timeout_s, is_late=is_late)
            stray = stray or heard.stray
            if heard.found is None or heard.found.presence is not Presence.GARBLED:
                break
        return _Heard(found=heard.found, stray=stray)


async def _ask(bus: RegisterBus, unit: int, table: Table, timeout_s: float, *, is_late: bool) -> _Heard:
    request = _request(table)
    try:
        answer = await bus.read(unit, request, timeout_s=timeout_s, turnaround_s=0.0)
    except DriverError as error:
        return _from_error(unit, request, error, is_late=is_late)
    note = f"answers function {request.function:d}"
    return _Heard(found=_found(unit, Presence.ANSWERS, note, is_late=is_late, latency_s=answer.latency_s))


def _from_error(unit: int, request: ReadRequest, error: DriverError, *, is_late: bool) -> _Heard:
    """What a failed question tells of a unit.

    Raises:
        DriverError: the line itself is away.
    """
    match error.kind:
        case DriverFault.EXCEPTION:
            if error.code in _NOBODY_BEHIND:
                return _Heard()
            note = f"refuses function {request.function:d} with code {error.code}"
            return _Heard(found=_found(unit, Presence.REFUSES, note, is_late=is_late))
        case DriverFault.GARBLED if _is_head(unit, request, error.raw):
            note = f"damaged answer {error.raw.hex(' ')}"
            return _Heard(found=_found(unit, Presence.GARBLED, note, is_late=is_late), stray=error.raw)
        case DriverFault.GARBLED | DriverFault.FOREIGN | DriverFault.TIMEOUT:
            return _Heard(stray=error.raw)
        case DriverFault.GONE | DriverFault.REFUSED:
            raise error
        case _:
            assert_never(error.kind)


def _found(unit: int, presence: Presence, note: str, *, is_late: bool, latency_s: float = 0.0) -> FoundUnit:
    return FoundUnit(unit=unit, presence=presence, latency_s=latency_s, is_late=is_late, note=note)


def _request(table: Table) -> ReadRequest:
    return ReadRequest(table=table, address=0, count=1)


def _is_head(unit: int, request: ReadRequest, raw: bytes) -> bool:
    """Whether the bytes begin as an answer of this unit to this request would."""
    return raw[:3] == bytes((unit, request.function, request.data_bytes))


def _owners(stray: bytes) -> list[int]:
    """Whose whole answers are among stray bytes."""
    return [frame[0] for frame in whole_frames(stray)]
