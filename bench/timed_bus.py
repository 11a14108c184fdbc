"""An RS-485 line behind a pseudo-terminal: a program that sends each byte when it would come from a real line.

    python -m bench.timed_bus LINE.json RECORD.json

The first file is a `LineSpec` as JSON. The program prints the path of the master's port, and on SIGTERM writes what
happened, a `LineRecord`, to the second. From Python: `with TimedBus(spec) as bus: ...; bus.finish()`.

I1. Times are absolute: being late once delays nothing that follows. The last part of each wait is spun away, because
    the operating system wakes a process up to a millisecond late.
"""

import gc
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import termios
import time
import tty
from collections.abc import Callable
from pathlib import Path
from types import FrameType, TracebackType
from typing import Final, Self

from bench.rs485_line import LineRecord, LineSpec, Rs485Line
from device_profiles.compiled import plain_of, plain_to

ROOT: Final = Path(__file__).resolve().parent.parent
_SPEEDS: Final = {
    getattr(termios, name): int(name[1:]) for name in dir(termios) if name.startswith("B") and name[1:].isdigit()
}
_SPIN_S: Final = 0.0002
_LOOK_S: Final = 0.2
_READ_BYTES: Final = 4096
_END_S: Final = 10.0


class TimedBus:
    """The program, running for as long as the block lasts. `port` is the master's."""

    def __init__(self, spec: LineSpec) -> None:
        self._spec = spec
        self._record: LineRecord | None = None
        self.port = Path()

    def __enter__(self) -> Self:
        """Start it; its port is there."""
        self._folder = tempfile.TemporaryDirectory(prefix="sen-bus-")
        line, self._told = (Path(self._folder.name) / name for name in ("line.json", "record.json"))
        line.write_text(json.dumps(plain_of(self._spec)))
        command = [sys.executable, "-m", "bench.timed_bus", str(line), str(self._told)]
        self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.port = Path(self._process.stdout.readline().strip())
        if not self.port.name:
            self._process.wait(_END_S)
            raise RuntimeError(f"the simulated line ended with code {self._process.returncode}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it."""
        try:
            if self._process.poll() is None:
                self._process.kill()
            self._process.wait(_END_S)
            if self._process.stdout is not None:
                self._process.stdout.close()
        finally:
            self._folder.cleanup()

    def finish(self) -> LineRecord:
        """End it, and return what happened."""
        if self._record is None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(_END_S)
            self._record = plain_to(LineRecord, json.loads(self._told.read_text()))
        return self._record


class _Stop:
    """Whether the program was told to end."""

    def __init__(self) -> None:
        self.is_set = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._set)

    def _set(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.is_set = True


def serve(line: Rs485Line, far_end: int, stop: _Stop, *, understood: Callable[[], bool]) -> None:
    """Move the line's bytes until told to stop; what the master sends while he is not understood is lost."""
    while not stop.is_set:
        heard = line.due(now_s=time.monotonic())
        if heard:
            _give(far_end, heard)
        wait_s = line.next_s - time.monotonic() - _SPIN_S
        if wait_s > 0:
            readable, _, _ = select.select([far_end], [], [], min(wait_s, _LOOK_S))
            if readable:
                data = os.read(far_end, _READ_BYTES)
                if understood():
                    line.hear(data, now_s=time.monotonic())


def main() -> None:
    """Be the line."""
    line_file, record_file = (Path(argument) for argument in sys.argv[1:])
    spec = plain_to(LineSpec, json.loads(line_file.read_text()))
    stop = _Stop()
    far_end, port = os.openpty()
    tty.setraw(port)
    os.set_blocking(far_end, False)
    line = Rs485Line(spec)
    gc.disable()  # a collection takes as long as many characters
    print(os.ttyname(port), flush=True)
    serve(line, far_end, stop, understood=lambda: not spec.is_speed_set or _speed(port) == spec.baud)
    record_file.write_text(json.dumps(plain_of(line.record())))


def _speed(port: int) -> int | None:
    """The speed to which whoever opened the port has set it."""
    return _SPEEDS.get(termios.tcgetattr(port)[5])


def _give(far_end: int, data: bytes) -> None:
    try:
        os.write(far_end, data)
    except BlockingIOError:
        return  # nobody reads the port, and it is full: a real one forgets too


if __name__ == "__main__":
    main()
