"""What a UART receives of what another sent: bit by bit, with other speeds, parities, or the wires swapped.

Source of the receiver's behaviour: a byte whose stop bit is missing is given as 0, as Linux does without PARMRK.
"""

from collections.abc import Sequence
from itertools import accumulate, pairwise

from device_profiles.point_model import Line, Parity

# A level and for how many seconds it stands.
Wave = list[tuple[int, float]]
_IDLE_S = 1.0


def waveform(data: bytes, line: Line) -> Wave:
    """The levels on the wire while these bytes are sent; 1 is idle."""
    bit_s = 1 / line.baud
    wave: Wave = []
    for byte in data:
        bits = [byte >> place & 1 for place in range(line.data_bits)]
        parity = [] if line.parity is Parity.NONE else [(sum(bits) + (line.parity is Parity.ODD)) % 2]
        wave += [(bit, bit_s) for bit in (0, *bits, *parity, *(1,) * line.stop_bits)]
    return wave


def inverted(wave: Wave) -> Wave:
    """The same with A and B swapped."""
    return [(1 - level, seconds) for level, seconds in wave]


def overlaid(first: Wave, second: Wave, *, after_s: float) -> Wave:
    """Two senders at once: who pulls the line low wins."""
    edges = sorted({*_edges(first, 0.0), *_edges(second, after_s)})
    one, other = _Level(first, 0.0), _Level(second, after_s)
    return [(one.at(start) & other.at(start), end - start) for start, end in pairwise(edges)]


def received(wave: Wave, line: Line) -> tuple[bytes, int]:
    """The bytes that a receiver with these settings reads, and how many of them had a bad parity or stop bit."""
    bit_s = 1 / line.baud
    level = _Level(wave, 0.0)
    end_s = sum(seconds for _, seconds in wave)
    found, bad, now_s = bytearray(), 0, 0.0
    while (start_s := level.next_low(now_s, end_s)) is not None:
        middles = [level.at(start_s + (place + 1.5) * bit_s) for place in range(line.data_bits + 2)]
        byte = sum(bit << place for place, bit in enumerate(middles[: line.data_bits]))
        has_parity = line.parity is not Parity.NONE
        stop = middles[line.data_bits + has_parity]
        parity_ok = (
            not has_parity or (byte.bit_count() + middles[line.data_bits] + (line.parity is Parity.ODD)) % 2 == 0
        )
        bad += not (stop and parity_ok)
        found.append(byte if stop else 0)
        now_s = start_s + (line.data_bits + has_parity + 1.5) * bit_s
        if not stop:
            now_s = level.next_high(now_s, end_s)
    return bytes(found), bad


class _Level:
    def __init__(self, wave: Wave, after_s: float) -> None:
        self._ends = [after_s + end_s for end_s in accumulate(seconds for _, seconds in wave)]
        self._wave = wave
        self._after_s = after_s

    def at(self, moment_s: float) -> int:
        if moment_s < self._after_s - 1e-9:
            return 1
        for (level, _), end_s in zip(self._wave, self._ends, strict=True):
            if moment_s < end_s - 1e-9:
                return level
        return 1

    def next_low(self, from_s: float, end_s: float) -> float | None:
        return self._next(0, from_s, end_s)

    def next_high(self, from_s: float, end_s: float) -> float:
        found = self._next(1, from_s, end_s)
        return end_s if found is None else found

    def _next(self, wanted: int, from_s: float, end_s: float) -> float | None:
        if from_s >= end_s:
            return None
        if self.at(from_s) == wanted:
            return from_s
        begin_s = self._after_s
        for (level, _), stop_s in zip(self._wave, self._ends, strict=True):
            if level == wanted and begin_s >= from_s - 1e-9:
                return begin_s
            begin_s = stop_s
        return None


def _edges(wave: Sequence[tuple[int, float]], after_s: float) -> list[float]:
    return [after_s, *(after_s + end_s for end_s in accumulate(seconds for _, seconds in wave))]
