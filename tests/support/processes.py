"""Real programs as children of a test: started, watched, killed, and waited for within bounds."""

import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

_POLL_S = 0.05


def wait_until(what: str, holds: Callable[[], object], *, within_s: float) -> None:
    """Return as soon as `holds()`; fail the test, naming `what`, where it does not within the time."""
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, f"within {within_s} s it did not come about that {what}"
        time.sleep(_POLL_S)


def pause(seconds: float) -> None:
    """Let real processes run for a while; for tests whose subject is what happens meanwhile."""
    time.sleep(seconds)


def takes_connections(port: int) -> bool:
    """Whether somebody listens on this port of loopback."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@dataclass
class Program:
    """A program that can be started, killed without warning, and started again; its output is appended to `log`.

    `ends_ms` are the times, in ms since 1970, at which it was killed or told to end.
    """

    command: Sequence[str]
    log: Path
    cwd: Path
    process: subprocess.Popen[bytes] | None = None
    ends_ms: list[float] = field(default_factory=list)

    def start(self) -> None:
        """Start it."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, cwd=self.cwd, stdout=log, stderr=log)

    @property
    def runs(self) -> bool:
        """Whether it is running."""
        return self.process is not None and self.process.poll() is None

    def kill(self) -> None:
        """SIGKILL, and wait for its end."""
        assert self.process is not None
        self.ends_ms.append(time.time() * 1000)
        self.process.kill()
        self.process.wait(10)

    def freeze(self) -> None:
        """SIGSTOP: it is there, and does nothing."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT: it goes on as if nothing had happened."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def stop(self, *, within_s: float = 20) -> int:
        """SIGTERM, and its exit code."""
        assert self.process is not None
        self.ends_ms.append(time.time() * 1000)
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(within_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
            raise

    def tail(self, lines: int = 30) -> str:
        """The last lines it printed."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
