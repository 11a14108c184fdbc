"""A broker that runs as a child process of the hub: started, watched, brought back, ended.

I1. `start` returns only when the child takes connections on its ports.
I2. A child that a killed hub left behind is ended before a new one starts: one folder, one broker.
"""

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import Final

from hub.broker.base import HUB_USERNAME, BrokerError, Door, Listener, reachable
from hub.broker.passwords import PasswordFile
from hub.clock import Clock

_log = logging.getLogger(__name__)
_READY_S: Final = 15.0
_STOP_S: Final = 5.0
_STEP_S: Final = 0.05
_LOOK_S: Final = 0.5
_RESTART_S: Final = (0.2, 1.0, 2.0, 5.0)
_MAX_LOG_BYTES: Final = 1_000_000
_SHOWN_LINES: Final = 5


USERS_FILE: Final = "users"


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What to run: its arguments, the files it reads, and an argument that no other process has.

    It takes connections where it was told, says what is wrong on standard error, and re-reads `USERS_FILE` at SIGHUP.
    """

    name: str
    argv: tuple[str, ...]
    files: Mapping[str, str]
    marker: str


class ChildBroker:
    """A program that is a broker, in a folder of its own."""

    def __init__(self, program: Program, *, listener: Listener, folder: Path, hub_password: str, clock: Clock) -> None:
        self.kind: Final = program.name
        self.door: Final = Door(
            host=reachable(listener.host), port=listener.port, username=HUB_USERNAME, password=hub_password
        )
        self._program = program
        self._host = listener.host
        self._ports = (listener.port, *((listener.tls.port,) if listener.tls else ()))
        self._folder = folder
        self._pid_file = folder / "broker.pid"
        self._log_file = folder / "broker.log"
        self._hub_password = hub_password
        self._users = PasswordFile(folder / USERS_FILE)
        self._clock = clock
        # Changed by start, keep and stop, which one task calls one after the other.
        self._process: asyncio.subprocess.Process | None = None
        self._taken_up = (0, 0)

    async def start(self) -> None:
        """Return when the child takes connections.

        Raises:
            BrokerError: a port is in use, the program cannot be run, or it ended; with its last words.
        """
        await self._end_leftover()
        self._refuse_used_ports()
        self._write_files()
        await self._spawn()
        try:
            await self._await_ports()
        except BaseException:
            await self.stop()
            raise

    async def keep(self) -> None:
        """Never return: restart the child when it dies, and make it re-read the password file when that changes."""
        failures = 0
        while True:
            if self._is_running():
                failures = 0
                self._take_up_passwords()
                self._bound_log()
                await self._clock.sleep(_LOOK_S)
            else:
                _log.error("%s broker ended; starting it again%s", self._program.name, self._last_words())
                await self._clock.sleep(_RESTART_S[min(failures, len(_RESTART_S) - 1)])
                failures += 1
                await self._try_start()

    async def stop(self) -> None:
        """End the child, by force after some seconds."""
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(_STOP_S):
                await process.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        self._pid_file.unlink(missing_ok=True)

    @property
    def pid(self) -> int | None:
        """The child's process id while it runs."""
        return self._process.pid if self._process and self._is_running() else None

    def _is_running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def _try_start(self) -> None:
        try:
            await self.start()
        except BrokerError as error:
            _log.warning("%s; trying again", error)

    def _take_up_passwords(self) -> None:
        stamp = self._users.stamp()
        if stamp != self._taken_up and self._process is not None:
            self._taken_up = stamp
            with suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGHUP)

    def _write_files(self) -> None:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for name, text in self._program.files.items():
                (self._folder / name).write_text(text, encoding="utf-8")
                (self._folder / name).chmod(0o600)
        except OSError as error:
            raise BrokerError(f"broker folder {self._folder}: {error}; the hub's user must own it") from error
        self._users.ensure(HUB_USERNAME, self._hub_password)
        self._taken_up = self._users.stamp()

    async def _spawn(self) -> None:
        program = self._program
        try:
            self._log_file.write_bytes(b"")
            with self._log_file.open("ab") as log:
                # A session of its own: Ctrl-C is for the hub, which ends the broker last.
                self._process = await asyncio.create_subprocess_exec(
                    *program.argv, stdin=PIPE, stdout=DEVNULL, stderr=log, start_new_session=True
                )
            self._pid_file.write_text(f"{self._process.pid}\n", encoding="ascii")
        except OSError as error:
            raise BrokerError(f"{program.name} broker: cannot run {program.argv[0]}: {error}") from error

    async def _await_ports(self) -> None:
        for _ in range(round(_READY_S / _STEP_S)):
            if not self._is_running():
                raise BrokerError(f"{self._program.name} broker ended while starting{self._last_words()}")
            if all([await _answers(self.door.host, port) for port in self._ports]):
                return
            await self._clock.sleep(_STEP_S)
        raise BrokerError(f"{self._program.name} broker does not listen after {_READY_S:.0f} s{self._last_words()}")

    def _refuse_used_ports(self) -> None:
        for port in self._ports:
            family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
            with socket.socket(family) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((self._host, port))
                except OSError as error:
                    raise BrokerError(
                        f"MQTT address {self._host}:{port}: {error.strerror}; "
                        "end the other program, or set another mqtt.host or mqtt.port in hub.yaml"
                    ) from error

    async def _end_leftover(self) -> None:
        pid = self._leftover()
        for number in (signal.SIGTERM, signal.SIGKILL):
            if pid is None:
                return
            _log.warning("ending process %d, which an earlier hub left behind", pid)
            with suppress(ProcessLookupError):
                os.kill(pid, number)
            for _ in range(round(_STOP_S / _STEP_S)):
                pid = self._leftover()
                if pid is None:
                    return
                await self._clock.sleep(_STEP_S)

    def _leftover(self) -> int | None:
        try:
            pid = int(self._pid_file.read_text(encoding="ascii"))
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            return None
        return pid if self._program.marker.encode() in arguments else None

    def _last_words(self) -> str:
        try:
            lines = self._log_file.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return ""
        return "".join(f"\n  {line}" for line in lines[-_SHOWN_LINES:])

    def _bound_log(self) -> None:
        with suppress(OSError):
            if self._log_file.stat().st_size > _MAX_LOG_BYTES:
                os.truncate(self._log_file, 0)


async def _answers(host: str, port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return True
