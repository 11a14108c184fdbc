"""An RS-485 pair on a pty: devices with real settings, latencies and faults, and a master whose settings are looked up.

The speed that the port's user sets with termios counts: where it is not what the devices have, both sides read what a
UART would. Served by a thread.
"""

import heapq
import itertools
import os
import select
import termios
import threading
import tty
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from device_profiles.library import load_profile
from device_profiles.modbus_frames import rtu_request_bytes
from device_profiles.point_model import Line, Parity
from device_profiles.simulate import ModbusResponder
from edge.clock import SystemClock
from tests.support.uart import inverted, overlaid, received, waveform

FRAME_GAP_S = 0.02
_CLOCK = SystemClock()
_FACTORY = Line(baud=9600)
_BAUDS = {getattr(termios, name): int(name[1:]) for name in dir(termios) if name.startswith("B") and name[1:].isdigit()}


@dataclass(frozen=True, kw_only=True)
class Station:
    """One device: what it answers to a request frame, and after how long."""

    answer: Callable[[bytes], bytes | None]
    latency_s: float = 0.005


def station(profile: str, unit: int, *, latency_s: float = 0.005, **values: float) -> Station:
    """A device of the library with some of its values."""
    responder = ModbusResponder(load_profile(profile), unit)
    responder.set_values(values)
    return Station(answer=responder.answer_rtu, latency_s=latency_s)


@dataclass
class Rs485:
    """The pair; `with` opens it. `requests` are whole frames as the devices heard them."""

    stations: Sequence[Station]
    line: Line = _FACTORY
    echoes: bool = False
    is_swapped: bool = False
    noise: bytes = b""
    spoken: bytes = b""  # what a device says unasked, again and again
    parity: Parity | None = None  # a pty knows no parity: who opens it says here which one he set
    path: Path = Path()
    requests: list[bytes] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.path = Path(os.ttyname(self._slave))
        self._end_read, self._end_write = os.pipe()
        self._due: list[tuple[float, int, bytes]] = []
        self._order = itertools.count()
        self._thread = threading.Thread(target=self._serve, name="rs485")
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.write(self._end_write, b"x")
        self._thread.join()
        for number in (self._master, self._slave, self._end_read, self._end_write):
            os.close(number)

    @property
    def _port_line(self) -> Line:
        _, _, flags, _, speed, _, _ = termios.tcgetattr(self._slave)
        stop_bits = 2 if flags & termios.CSTOPB else 1
        return Line(baud=_BAUDS[speed], parity=self.parity or Parity.NONE, stop_bits=stop_bits)

    def _serve(self) -> None:
        heard, heard_s = b"", 0.0
        while True:
            wait_s = max(0.0, self._due[0][0] - _CLOCK.monotonic_s()) if self._due else 0.15
            ready, _, _ = select.select([self._master, self._end_read], [], [], wait_s)
            if self._end_read in ready:
                return
            now_s = _CLOCK.monotonic_s()
            if self._master in ready:
                data = os.read(self._master, 4096)
                self._disturb(data)
                heard = (heard if now_s - heard_s < FRAME_GAP_S else b"") + data
                heard_s = now_s
                while (size := rtu_request_bytes(heard)) is not None and len(heard) >= size:
                    frame, heard = heard[:size], heard[size:]
                    self._ask(frame)
            elif self.spoken:
                os.write(self._master, received(waveform(self.spoken, self.line), self._port_line)[0])
            while self._due and self._due[0][0] <= now_s:
                os.write(self._master, heapq.heappop(self._due)[2])

    def _disturb(self, data: bytes) -> None:
        if self.echoes:
            os.write(self._master, data)
        if self.noise:
            os.write(self._master, self.noise)

    def _ask(self, frame: bytes) -> None:
        wave = waveform(frame, self._port_line)
        frame, bad = received(inverted(wave) if self.is_swapped else wave, self.line)
        self.requests.append(frame)
        if bad:
            return  # a device does not read on after a parity error
        answers = [(one.latency_s, reply) for one in self.stations if (reply := one.answer(frame)) is not None]
        if len(answers) == 2 and abs(answers[0][0] - answers[1][0]) < len(answers[0][1]) * 10 / self.line.baud:
            self._collide(sorted(answers))
            return
        for latency_s, reply in answers:
            self._send(latency_s, received(waveform(reply, self.line), self._port_line)[0])

    def _collide(self, answers: list[tuple[float, bytes]]) -> None:
        (first_s, first), (second_s, second) = answers
        wave = overlaid(waveform(first, self.line), waveform(second, self.line), after_s=second_s - first_s)
        self._send(first_s, received(wave, self._port_line)[0])

    def _send(self, latency_s: float, data: bytes) -> None:
        heapq.heappush(self._due, (_CLOCK.monotonic_s() + latency_s, next(self._order), data))
