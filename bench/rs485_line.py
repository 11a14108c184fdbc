"""An RS-485 line with Modbus devices, to the character: who sends when, what the master hears, what collides. Pure.

I1. A character takes 11 bits (Modbus over Serial Line V1.02, 2.5.1), and reaches the master when its last bit is over.
I2. Where two devices send at a time the master hears one character for both, the XOR of theirs; while it sends itself
    it hears nothing, and what a device sends meanwhile damages the request.
I3. A device begins to answer after its latency, at the earliest after 3.5 characters of silence.

All times are seconds of one monotonic clock, which the caller reads.
"""

import heapq
import itertools
import math
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Final, assert_never

from device_profiles.modbus_frames import rtu_request_bytes
from device_profiles.model import DeviceProfile
from device_profiles.simulate import ModbusResponder

BITS_PER_CHARACTER: Final = 11
FAST_BAUD: Final = 19200
FAST_SILENCE_S: Final = 0.00175
_SILENCE_CHARACTERS: Final = 3.5
_JOINED_CHARACTERS: Final = 1.5  # a longer pause within a frame ends it
_MASTER: Final = 0
_LATE_S: Final = 0.4
_BABBLE_EVERY_S: Final = (0.8, 1.2)  # never in step with anybody's period
_BABBLE_BYTES: Final = 20


class FaultKind(StrEnum):
    """How a device is sick."""

    DEAD = "dead"  # silent
    BABBLING = "babbling"  # answers noise, and sends 20 bytes of it about each second by itself
    LATE = "late"  # answers after 0.4 s, when others may be speaking
    WRONG_CRC = "wrong_crc"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitFault:
    """A sickness that begins `from_s` after the first request on the line."""

    kind: FaultKind
    from_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One device with some values, else zero; of its faults the one that began last holds."""

    unit: int
    profile: DeviceProfile
    latency_s: float = 0.0
    faults: tuple[UnitFault, ...] = ()
    values: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class LineSpec:
    """A line and who is on it.

    The master's port gives him `chunk_characters` at a time, and the end of a frame at once. `is_speed_set`: his port's
    own speed counts, and at another one nobody understands him.
    """

    baud: int
    units: tuple[Unit, ...]
    chunk_characters: int = 16
    seed: int = 1
    is_speed_set: bool = False

    @property
    def character_s(self) -> float:
        """How long a character takes."""
        return BITS_PER_CHARACTER / self.baud

    @property
    def silence_s(self) -> float:
        """The silence that ends a frame: 3.5 characters, 1.75 ms above 19200 baud."""
        return FAST_SILENCE_S if self.baud > FAST_BAUD else _SILENCE_CHARACTERS * self.character_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A request and the answer it led to, if any. `gap_s` is the silence before it, None for the first."""

    unit: int
    request: str
    request_s: float
    request_end_s: float
    gap_s: float | None
    reply_s: float | None
    reply_end_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Babble:
    """Noise that a device sent by itself."""

    unit: int
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LineRecord:
    """What happened. `busy_s` is how long anybody sent; `late_ms` by how much it missed its own times."""

    baud: int
    exchanges: tuple[Exchange, ...]
    babbles: tuple[Babble, ...]
    busy_s: float
    late_ms: tuple[float, ...]


@dataclass(slots=True, kw_only=True, eq=False)
class _Sent:
    """Bytes on the line, one after the other."""

    source: int
    order: int
    start_s: float
    character_s: float
    data: bytes
    told: int = 0  # how many of them have reached the master's port

    @property
    def end_s(self) -> float:
        return self.start_s + len(self.data) * self.character_s

    def middle_s(self, index: int) -> float:
        return self.start_s + (index + 0.5) * self.character_s

    def at(self, moment_s: float) -> int | None:
        """The byte that is sent at a moment."""
        index = math.floor((moment_s - self.start_s) / self.character_s)
        return self.data[index] if 0 <= index < len(self.data) else None


@dataclass(slots=True, kw_only=True)
class _Asked:
    """An exchange as far as it has come."""

    sent: _Sent
    gap_s: float | None
    reply: _Sent | None = None


@dataclass(slots=True, kw_only=True)
class _Station:
    """A device and what it is about to send."""

    spec: Unit
    responder: ModbusResponder
    free_s: float = -math.inf
    babbles: list[_Sent] = field(default_factory=list)


class Rs485Line:
    """The line. Whoever owns the port says what the master writes, and asks for what is due to it."""

    def __init__(self, spec: LineSpec) -> None:
        self._spec = spec
        self._chance = random.Random(spec.seed)  # noqa: S311 - noise, the same in every run
        self._order = itertools.count()
        self._stations = {unit.unit: _Station(spec=unit, responder=_responder(unit)) for unit in spec.units}
        # Changed by hear and due only.
        self._events: list[tuple[float, int, Callable[[float], bytes]]] = []
        self._on_line: list[_Sent] = []
        self._all: list[tuple[float, float]] = []
        self._asked: list[_Asked] = []
        self._first_s: float | None = None
        self._quiet_s: float | None = None
        self._late_ms: list[float] = []

    @property
    def next_s(self) -> float:
        """When something is due next; infinity where nothing is."""
        return self._events[0][0] if self._events else math.inf

    def hear(self, data: bytes, *, now_s: float) -> None:
        """The master begins to send these bytes now, or goes on with them."""
        if self._first_s is None:
            self._first_s = now_s
            self._begin_babbling(now_s)
        last = self._asked[-1].sent if self._asked else None
        if last is not None and now_s <= last.end_s + _JOINED_CHARACTERS * self._spec.character_s:
            last.data += data
            return
        sent = self._send(_MASTER, data, now_s)
        gap_s = None if self._quiet_s is None else now_s - self._quiet_s
        asked = _Asked(sent=sent, gap_s=gap_s)
        self._asked.append(asked)
        self._at(sent.end_s, partial(self._request_over, asked))

    def due(self, *, now_s: float) -> bytes:
        """What the master's port has received since it was last asked."""
        heard = b""
        while self._events and self._events[0][0] <= now_s:
            at_s, _, happen = heapq.heappop(self._events)
            if arrived := happen(at_s):
                heard += arrived
                self._quiet_s = now_s
                self._late_ms.append(round(1000 * (now_s - at_s), 3))
        self._forget(now_s)
        return heard

    def record(self) -> LineRecord:
        """What has happened until now."""
        spontaneous = (sent for station in self._stations.values() for sent in station.babbles)
        return LineRecord(
            baud=self._spec.baud,
            exchanges=tuple(_exchange(asked) for asked in self._asked),
            babbles=tuple(Babble(unit=one.source, start_s=one.start_s, end_s=one.end_s) for one in spontaneous),
            busy_s=union_s(self._all + [(asked.sent.start_s, asked.sent.end_s) for asked in self._asked]),
            late_ms=tuple(self._late_ms),
        )

    def _request_over(self, asked: _Asked, at_s: float) -> bytes:
        sent = asked.sent
        if sent.end_s > at_s:  # more of it has come since
            self._at(sent.end_s, partial(self._request_over, asked))
        elif rtu_request_bytes(sent.data) == len(sent.data):
            frame = bytes(self._mixed(sent, index) for index in range(len(sent.data)))
            for station in self._stations.values():
                asked.reply = self._answer(station, frame, at_s) or asked.reply
        return b""

    def _answer(self, station: _Station, frame: bytes, at_s: float) -> _Sent | None:
        """What a device sends because of a request; None for silence."""
        reply = station.responder.answer_rtu(frame)
        if reply is None:
            return None
        latency_s = max(station.spec.latency_s, self._spec.silence_s)
        match self._fault(station, at_s):
            case FaultKind.DEAD:
                return None
            case FaultKind.BABBLING:
                reply = self._chance.randbytes(len(reply))
            case FaultKind.LATE:
                latency_s = _LATE_S
            case FaultKind.WRONG_CRC:
                reply = reply[:-1] + bytes((reply[-1] ^ 0xFF,))
            case None:
                pass
            case unknown:
                assert_never(unknown)
        return self._send(station.spec.unit, reply, max(at_s + latency_s, station.free_s))

    def _fault(self, station: _Station, at_s: float) -> FaultKind | None:
        since_s = at_s - (at_s if self._first_s is None else self._first_s)
        begun = [fault for fault in station.spec.faults if fault.from_s <= since_s]
        return max(begun, key=lambda fault: fault.from_s).kind if begun else None

    def _begin_babbling(self, first_s: float) -> None:
        for station in self._stations.values():
            for fault in station.spec.faults:
                if fault.kind is FaultKind.BABBLING:
                    self._at(first_s + fault.from_s, partial(self._babble, station))

    def _babble(self, station: _Station, at_s: float) -> bytes:
        if self._fault(station, at_s) is FaultKind.BABBLING:
            start_s = max(at_s, station.free_s)
            station.babbles.append(self._send(station.spec.unit, self._chance.randbytes(_BABBLE_BYTES), start_s))
            self._at(at_s + self._chance.uniform(*_BABBLE_EVERY_S), partial(self._babble, station))
        return b""

    def _send(self, source: int, data: bytes, start_s: float) -> _Sent:
        sent = _Sent(
            source=source, order=next(self._order), start_s=start_s, character_s=self._spec.character_s, data=data
        )
        self._on_line.append(sent)
        if source != _MASTER:
            self._all.append((sent.start_s, sent.end_s))
            self._stations[source].free_s = sent.end_s
            for count in _chunk_ends(len(data), self._spec.chunk_characters):
                self._at(start_s + count * sent.character_s, partial(self._arrived, sent, count))
        return sent

    def _arrived(self, sent: _Sent, count: int, _: float) -> bytes:
        indexes = range(sent.told, count)
        sent.told = count
        return bytes(self._mixed(sent, index) for index in indexes if self._is_heard(sent, index))

    def _is_heard(self, sent: _Sent, index: int) -> bool:
        """Whether the master's port makes a character of this one: nobody who began before speaks at that moment."""
        middle_s = sent.middle_s(index)
        return not any(
            other.source == _MASTER or (other.start_s, other.order) < (sent.start_s, sent.order)
            for other in self._on_line
            if other is not sent and other.at(middle_s) is not None
        )

    def _mixed(self, sent: _Sent, index: int) -> int:
        """A character as it is on the line."""
        middle_s, mixed = sent.middle_s(index), sent.data[index]
        for other in self._on_line:
            if other is not sent:
                mixed ^= other.at(middle_s) or 0
        return mixed

    def _at(self, moment_s: float, happen: Callable[[float], bytes]) -> None:
        heapq.heappush(self._events, (moment_s, next(self._order), happen))

    def _forget(self, now_s: float) -> None:
        """Keep only those that may still meet somebody's characters."""
        oldest_s = min((sent.start_s for sent in self._on_line if sent.end_s > now_s), default=now_s)
        self._on_line = [sent for sent in self._on_line if sent.end_s >= oldest_s]


def union_s(spans: Iterable[tuple[float, float]]) -> float:
    """How long at least one of these spans, start and end, was on."""
    total_s, until_s = 0.0, -math.inf
    for start_s, end_s in sorted(spans):
        total_s += max(0.0, end_s - max(start_s, until_s))
        until_s = max(until_s, end_s)
    return total_s


def _responder(unit: Unit) -> ModbusResponder:
    made = ModbusResponder(unit.profile, unit.unit)
    made.set_values(unit.values)
    return made


def _chunk_ends(count: int, chunk: int) -> Iterator[int]:
    yield from range(chunk, count, chunk)
    yield count


def _exchange(asked: _Asked) -> Exchange:
    sent, reply = asked.sent, asked.reply
    return Exchange(
        unit=sent.data[0],
        request=sent.data.hex(),
        request_s=sent.start_s,
        request_end_s=sent.end_s,
        gap_s=asked.gap_s,
        reply_s=None if reply is None else reply.start_s,
        reply_end_s=None if reply is None else reply.end_s,
    )
