"""The raw bytes around each fault: a short memory of every line, frozen when something goes wrong.

I1. What is kept is bounded: so many pieces a line, so many incidents, so many pieces an incident.
I2. The same fault of the same device is kept again after a pause that doubles; what came between is counted.
I3. The bytes on a line cost one append each; all thinking is done where something has gone wrong.
"""

import math
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from edge.clock import Clock

AROUND_S: Final = 2.0
_RING_PIECES: Final = 128  # 64 exchanges
_KEPT_PIECES: Final = 32  # of an incident, before and after it each
_KEPT_BYTES: Final = 512  # of one piece
_INCIDENTS: Final = 32
_FIRST_PAUSE_S: Final = 60.0
_LONGEST_PAUSE_S: Final = 3600.0
_MAX_KINDS: Final = 512

# JSON of this module's making, as it stands in the fault file and crosses the control socket.
Told = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Bytes that were sent, or that came, in one piece; `at_s` is monotonic."""

    at_s: float
    is_sent: bool
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """One fault and the pieces around it. `repeats` is how often it has happened since it was last kept."""

    bus: str
    device: str
    kind: str
    text: str
    time_ms: int
    at_s: float
    repeats: int
    pieces: tuple[Piece, ...]


class Ring:
    """The newest pieces of one line. Pure."""

    def __init__(self) -> None:
        # Changed by add only.
        self._pieces: deque[Piece] = deque(maxlen=_RING_PIECES)

    def add(self, piece: Piece) -> None:
        """Remember a piece; the oldest is forgotten."""
        self._pieces.append(piece)

    def told(self) -> Told:
        """All that is remembered, in order, as plain values."""
        return {"pieces": [{"is_sent": one.is_sent, "bytes": one.data.hex()} for one in self._pieces]}

    def between(self, after_s: float, until_s: float) -> list[Piece]:
        """What came and went after one moment and until another, in order."""
        return [piece for piece in self._pieces if after_s < piece.at_s <= until_s]


class LineTap:
    """What a line tells of its bytes, with the time; see `edge.drivers.line.Tap`."""

    def __init__(self, ring: Ring, clock: Clock) -> None:
        self._ring = ring
        self._clock = clock

    def sent(self, data: bytes) -> None:
        """Remember what was sent."""
        self._ring.add(Piece(at_s=self._clock.monotonic_s(), is_sent=True, data=bytes(data[:_KEPT_BYTES])))

    def heard(self, data: bytes) -> None:
        """Remember what came."""
        self._ring.add(Piece(at_s=self._clock.monotonic_s(), is_sent=False, data=bytes(data[:_KEPT_BYTES])))


@dataclass(slots=True)
class _Pace:
    """How often one fault of one device is kept."""

    next_s: float
    pause_s: float = _FIRST_PAUSE_S
    repeats: int = 0


class FlightRecorder:
    """All lines of a gateway.

    Args:
        clock: whose time pieces and incidents carry.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        # Changed by tap, note and settle, all on the event loop.
        self._rings: dict[str, Ring] = {}
        self._paces: dict[tuple[str, str], _Pace] = {}
        self._open: list[Incident] = []
        self._closed: deque[Incident] = deque(maxlen=_INCIDENTS)

    def tap(self, bus: str) -> LineTap:
        """What the line of a bus is given."""
        return LineTap(self._rings.setdefault(bus, Ring()), self._clock)

    def line(self, bus: str) -> Told:
        """What was said on the line of a bus lately, as plain values.

        Raises:
            KeyError: there is no such line.
        """
        return self._rings[bus].told()

    def note(self, bus: str, device: str, kind: str, text: str) -> None:
        """Something went wrong on a bus: keep what is around it, unless the same was kept a moment ago."""
        now_s = self._clock.monotonic_s()
        repeats = self._repeats(device, kind, now_s)
        if repeats is None:
            return
        before = self._rings.setdefault(bus, Ring()).between(now_s - AROUND_S, now_s)
        self._open.append(
            Incident(
                bus=bus,
                device=device,
                kind=kind,
                text=text,
                time_ms=self._clock.now_ms(),
                at_s=now_s,
                repeats=repeats,
                pieces=tuple(before[-_KEPT_PIECES:]),
            )
        )

    def settle(self, *, within_s: float = AROUND_S) -> list[Incident]:
        """Those whose aftermath is over since the last call, with all that was seen of it."""
        now_s = self._clock.monotonic_s()
        over = [one for one in self._open if now_s - one.at_s >= within_s]
        self._open = [one for one in self._open if now_s - one.at_s < within_s]
        settled = [self._with_aftermath(one) for one in over]
        self._closed.extend(settled)
        return settled

    def incidents(self) -> list[Incident]:
        """The newest, the oldest of them first; those that have just begun with what is known by now."""
        return [*self._closed, *(self._with_aftermath(one) for one in self._open)][-_INCIDENTS:]

    def _repeats(self, device: str, kind: str, now_s: float) -> int | None:
        """How often this fault has come since it was last kept; None where it is not to be kept now."""
        pace = self._paces.get((device, kind))
        if pace is None:
            if len(self._paces) < _MAX_KINDS:
                self._paces[device, kind] = _Pace(next_s=now_s + _FIRST_PAUSE_S)
            return 0
        if now_s < pace.next_s:
            pace.repeats += 1
            return None
        is_calm = now_s >= pace.next_s + pace.pause_s and pace.repeats == 0
        pace.pause_s = _FIRST_PAUSE_S if is_calm else min(2 * pace.pause_s, _LONGEST_PAUSE_S)
        pace.next_s = now_s + pace.pause_s
        repeats, pace.repeats = pace.repeats, 0
        return repeats

    def _with_aftermath(self, one: Incident) -> Incident:
        after = self._rings[one.bus].between(one.at_s, one.at_s + AROUND_S)
        return replace(one, pieces=(*one.pieces, *after[:_KEPT_PIECES]))


def incident_told(incident: Incident) -> Told:
    """An incident as plain values: each piece with its milliseconds from the fault, and its bytes as hex."""
    return {
        "time_ms": incident.time_ms,
        "monotonic_s": round(incident.at_s, 3),
        "bus": incident.bus,
        "device": incident.device,
        "kind": incident.kind,
        "text": incident.text,
        "repeats": incident.repeats,
        "frames": [
            {
                "at_ms": round((piece.at_s - incident.at_s) * 1000, 1),
                "dir": "sent" if piece.is_sent else "heard",
                "bytes": piece.data.hex(" "),
            }
            for piece in incident.pieces
        ],
    }


def fault_line(incident: Incident) -> Told:
    """An incident without its bytes, for status."""
    told = incident_told(incident)
    return {key: told[key] for key in ("time_ms", "bus", "device", "kind", "text", "repeats")}


def newest_of(told: Iterable[Mapping[str, Any]], *, device: str | None = None, at_most: int) -> list[Mapping[str, Any]]:
    """The newest incidents, of one device where it is named, the oldest of them first."""
    wanted = [one for one in told if device is None or one.get("device") == device]
    wanted.sort(key=lambda one: one.get("time_ms", -math.inf))
    return wanted[-at_most:]
