"""Devices asked, or listened to, so that a doctor sees every byte: what came is kept, whatever it is."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from device_profiles.modbus import ReadRequest
from device_profiles.modbus_frames import rtu_good_reply_bytes, rtu_request
from device_profiles.modbus_model import ModbusDevice
from device_profiles.model import DeviceProfile
from device_profiles.plan import read_plan
from edge.clock import Clock
from edge.diagnosis.facts import ExchangeFacts, StreamFacts
from edge.diagnosis.heard import Heard, has_echo, heard
from edge.drivers.base import ByteStream, DriverError, DriverFault, RegisterBus
from edge.health import DeviceHealth
from edge.spool.base import Reading
from edge.streamer import DeviceStreamer
from wire.identifiers import DeviceId, SiteId
from wire.records import Mode, RecordKind, Stream

_BITS_PER_CHARACTER: Final = 11
_QUIET_S: Final = 0.06  # a second answer to one question comes within so long
_QUIET_CHARACTERS: Final = 20
_PATIENCE: Final = 2.5  # a device may take so many times as long as its profile says, and is told to be slow
_LONGEST_S: Final = 4.0
_LATE_S: Final = 1.0  # beyond that patience an answer is looked for, so that it is called late and not another's
_QUESTIONS: Final = 3
_BITS_PER_BYTE: Final = 8
_LOOK_S: Final = 0.05
_ENOUGH_READINGS: Final = 3
_KEPT_OF_A_LINE_BYTES: Final = 1024 * 1024
_KEPT_BYTES: Final = 4096
_LINE_AWAY: Final = (DriverFault.GONE, DriverFault.REFUSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """The first thing that a profile asks its device."""

    unit: int
    request: ReadRequest
    timeout_s: float


def question(modbus: ModbusDevice, unit: int, *, baud: int) -> Question:
    """What to ask a Modbus device."""
    request = read_plan(modbus, baud=baud)[0].requests[0]
    return Question(unit=unit, request=request, timeout_s=modbus.timeout_ms / 1000)


async def asked_raw(line: ByteStream, asked: Question, *, baud: int, clock: Clock) -> tuple[ExchangeFacts, ...]:
    """A few questions on a serial line, and every byte that came after each.

    Raises:
        DriverError: the line was lost.
    """
    patient_s = min(_PATIENCE * asked.timeout_s, _LONGEST_S)
    start_s = clock.monotonic_s()
    first = await exchanged_raw(line, asked, timeout_s=patient_s, baud=baud, clock=clock)
    if first.heard in {Heard.SILENT, Heard.ECHO, Heard.IDLE_NOISE}:
        waited_s = clock.monotonic_s() - start_s
        return await _asked_otherwise(line, asked, first, waited_s=waited_s, baud=baud, clock=clock)
    more = [
        await exchanged_raw(line, asked, timeout_s=patient_s, baud=baud, clock=clock) for _ in range(_QUESTIONS - 1)
    ]
    return first, *more


async def _asked_otherwise(
    line: ByteStream, asked: Question, first: ExchangeFacts, *, waited_s: float, baud: int, clock: Clock
) -> tuple[ExchangeFacts, ...]:
    """After a silence, a question of another form: what answers the first one now is late, and is not this one's."""
    other = replace(asked, request=_of_another_form(asked.request))
    again = await exchanged_raw(line, other, timeout_s=max(asked.timeout_s, _LATE_S), baud=baud, clock=clock)
    late = heard(asked.unit, asked.request, again.raw)
    if not late.is_answer or again.latency_s is None:
        return first, again
    latency_s = waited_s + again.latency_s
    await _outwaited(line, latency_s, clock)
    return (replace(again, heard=late, latency_s=latency_s),)


def _of_another_form(request: ReadRequest) -> ReadRequest:
    """A request whose answer has another length."""
    step = _BITS_PER_BYTE if request.table.is_bits else 1
    count = request.count - step if request.count > step else request.count + step
    return replace(request, count=count)


async def _outwaited(line: ByteStream, seconds: float, clock: Clock) -> None:
    """Let what is still to come for an earlier question come, so that it is nobody else's answer."""
    until_s = clock.monotonic_s() + seconds
    while (left_s := until_s - clock.monotonic_s()) > 0 and await line.wait(left_s):
        line.discard()


async def exchanged_raw(
    line: ByteStream, asked: Question, *, timeout_s: float, baud: int, clock: Clock
) -> ExchangeFacts:
    """One question on a serial line, and every byte that came after it.

    Raises:
        DriverError: the line was lost.
    """
    character_s = _BITS_PER_CHARACTER / baud
    sent = rtu_request(asked.unit, asked.request)
    answer_s = rtu_good_reply_bytes(asked.request) * character_s
    line.discard()
    line.write(sent)
    sent_s = clock.monotonic_s() + len(sent) * character_s
    until_s = sent_s + timeout_s + answer_s
    raw, first_s = b"", None
    while (left_s := until_s - clock.monotonic_s()) > 0 and await line.wait(left_s):
        raw += line.take()
        now_s = clock.monotonic_s()
        if heard(asked.unit, asked.request, raw) not in {Heard.SILENT, Heard.ECHO, Heard.IDLE_NOISE}:
            first_s = now_s if first_s is None else first_s
            until_s = min(until_s, now_s + _QUIET_S + _QUIET_CHARACTERS * character_s)
    return ExchangeFacts(
        heard=heard(asked.unit, asked.request, raw),
        raw=raw,
        latency_s=None if first_s is None else max(0.0, first_s - sent_s),
        has_echo=has_echo(asked.unit, asked.request, raw),
    )


async def asked_on_bus(bus: RegisterBus, asked: Question, *, is_rtu: bool) -> tuple[ExchangeFacts, ...]:
    """A few questions on a bus that does not show every byte: Modbus TCP, or the bus of a running agent.

    Raises:
        DriverError: the line is away.
    """
    found: list[ExchangeFacts] = []
    while len(found) < _QUESTIONS and not (len(found) > 1 and found[-1].heard is Heard.SILENT):
        found.append(await _exchanged(bus, asked, is_rtu=is_rtu))
    return tuple(found)


async def _exchanged(bus: RegisterBus, asked: Question, *, is_rtu: bool) -> ExchangeFacts:
    timeout_s = min(_PATIENCE * asked.timeout_s, _LONGEST_S)
    try:
        answer = await bus.read(asked.unit, asked.request, timeout_s=timeout_s, turnaround_s=0.0)
    except DriverError as error:
        if error.kind in _LINE_AWAY:
            raise
        if error.kind is DriverFault.EXCEPTION:
            return ExchangeFacts(heard=Heard.REFUSED, raw=error.raw)
        if is_rtu:
            return ExchangeFacts(heard=heard(asked.unit, asked.request, error.raw), raw=error.raw)
        kind = Heard.SILENT if error.kind is DriverFault.TIMEOUT else Heard.GARBAGE
        return ExchangeFacts(heard=kind, raw=error.raw)
    return ExchangeFacts(heard=Heard.GOOD, raw=answer.raw, latency_s=answer.latency_s)


async def listened(
    line: ByteStream, profile: DeviceProfile, *, unit: int | None, seconds: float, clock: Clock, seen: "SeenBytes"
) -> StreamFacts:
    """What a device with a protocol of its own says, or answers, until it has said enough or the time is over.

    Args:
        line: its line, open, tapped by `seen`.
        profile: how it speaks.
        unit: its address, where it is asked by one.
        seconds: how long to listen at most.
        clock: whose seconds they are.
        seen: what comes on the line.
    """
    start_s = clock.monotonic_s()
    health = await listened_for(line, profile, unit=unit, seconds=seconds, clock=clock, readings=_ENOUGH_READINGS)
    bad = sum(count for kind, count in health.errors.items() if kind.startswith("bad frame"))
    return StreamFacts(seconds=clock.monotonic_s() - start_s, good=health.reads, bad=bad, raw=bytes(seen.heard_bytes))


async def listened_for(
    line: ByteStream,
    profile: DeviceProfile,
    *,
    unit: int | None,
    seconds: float,
    clock: Clock,
    readings: int | None = None,
) -> DeviceHealth:
    """Speak with a device as the agent does, for so long or until there were so many readings; how it went."""
    if profile.serial is None:
        raise RuntimeError(f"{profile.profile} has no protocol of its own")
    health = DeviceHealth(DeviceId("listened"), profile=profile.profile, bus="line")
    streamer = DeviceStreamer(
        device=profile.serial,
        address=unit,
        streams={group.name: _stream(group.name, profile) for group in profile.groups},
        periods_s={group.name: 1.0 for group in profile.groups},
        line=line,
        clock=clock,
        health=health,
    )
    start_s = clock.monotonic_s()
    async with asyncio.TaskGroup() as tasks:
        listening = tasks.create_task(streamer.run(_forget), name="listening")
        while clock.monotonic_s() - start_s < seconds and (readings is None or health.reads < readings):
            await clock.sleep(_LOOK_S)
        listening.cancel()
        with suppress(asyncio.CancelledError):
            await listening
    return health


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Bytes that were sent, or that came, in one piece."""

    is_sent: bool
    data: bytes


class SeenPieces:
    """Keeps what is said on a line, in order and whole; see `edge.drivers.base.Tap`."""

    def __init__(self) -> None:
        # Changed by sent and heard only.
        self.pieces: list[Piece] = []
        self._bytes = 0

    def sent(self, data: bytes) -> None:
        """Keep what we say, within a bound."""
        self._keep(Piece(is_sent=True, data=bytes(data)))

    def heard(self, data: bytes) -> None:
        """Keep what comes, within a bound."""
        self._keep(Piece(is_sent=False, data=bytes(data)))

    def _keep(self, piece: Piece) -> None:
        if self._bytes < _KEPT_OF_A_LINE_BYTES:
            self._bytes += len(piece.data)
            self.pieces.append(piece)


class SeenBytes:
    """Keeps what comes on a line; see `edge.drivers.base.Tap`."""

    def __init__(self) -> None:
        # Changed by heard only.
        self.heard_bytes = bytearray()

    def sent(self, data: bytes) -> None:
        """What we say ourselves is of no interest."""

    def heard(self, data: bytes) -> None:
        """Keep it, within a bound."""
        if len(self.heard_bytes) < _KEPT_BYTES:
            self.heard_bytes += data


def _stream(group: str, profile: DeviceProfile) -> Stream:
    facts = next(one for one in profile.groups if one.name == group)
    return Stream(
        site=SiteId("here"),
        device=DeviceId("listened"),
        group=group,
        measurement=facts.measurement,
        mode=Mode.LIVE,
        kind=RecordKind(facts.kind),
        points=facts.layout,
    )


def _forget(reading: Reading) -> None:
    """What is read for a doctor is neither kept nor sent."""
