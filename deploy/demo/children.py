"""The programs of the demonstration: started, watched, and ended in order."""

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_ROOT: Final = Path(__file__).resolve().parents[2]
_SHOWN_LINES: Final = 25


class ChildError(Exception):
    """A program ended before its time, or did what nobody can use: which, and its last words."""


@dataclass(frozen=True, slots=True)
class Child:
    """A running program; what it says goes to `log`."""

    name: str
    process: asyncio.subprocess.Process
    log: Path

    @property
    def is_gone(self) -> bool:
        """Whether it has ended."""
        return self.process.returncode is not None

    def last_words(self) -> str:
        """The last lines it said."""
        return last_lines(self.log)


class Children:
    """The running programs. In a group of their own each, so that Ctrl-C reaches only who ends them in order."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # Changed by start and stop only.
        self._running: list[Child] = []

    async def start(self, name: str, *module: str) -> Child:
        """Start `python -m module`.

        Raises:
            ChildError: it cannot be started.
        """
        log = self._folder / f"{name}.log"
        command = [*_dies_with_us(), sys.executable, "-m", *module]
        with log.open("ab") as output:
            try:
                process = await asyncio.create_subprocess_exec(
                    *command,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    env=_environment(),
                    start_new_session=True,
                )
            except OSError as error:
                raise ChildError(f"{name} cannot be started: {error}") from error
        child = Child(name, process, log)
        self._running.append(child)
        return child

    async def run(self, name: str, *module: str) -> None:
        """Run `python -m module` to its end.

        Raises:
            ChildError: its exit code is not 0.
        """
        child = await self.start(name, *module)
        code = await child.process.wait()
        self._running.remove(child)
        if code:
            raise ChildError(f"{' '.join(module)} failed (exit code {code}):\n{child.last_words()}")

    def check(self) -> None:
        """Say so when a program has ended that should run.

        Raises:
            ChildError: one has.
        """
        for child in self._running:
            if child.is_gone:
                code = child.process.returncode
                raise ChildError(f"{child.name} ended (exit code {code}); its last lines:\n{child.last_words()}")

    async def stop(self, *children: Child, within_s: float) -> list[Child]:
        """End programs with SIGTERM; returns those that had to be killed because they took longer."""
        for child in children:
            if child in self._running:
                self._running.remove(child)
            if not child.is_gone:
                with suppress(ProcessLookupError):
                    child.process.send_signal(signal.SIGTERM)
        return [child for child in children if not await _ended(child, within_s)]

    async def stop_all(self, *, within_s: float) -> None:
        """End whatever still runs, the last started first."""
        for child in reversed(self._running.copy()):
            await self.stop(child, within_s=within_s)


def last_lines(log: Path) -> str:
    """The last lines of a log, indented."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    return "\n".join(f"    {line}" for line in lines[-_SHOWN_LINES:]) or "    (it said nothing)"


async def _ended(child: Child, within_s: float) -> bool:
    """Whether it ends by itself; it is killed if not."""
    try:
        async with asyncio.timeout(within_s):
            await child.process.wait()
    except TimeoutError:
        child.process.kill()
        await child.process.wait()
        return False
    return True


def _dies_with_us() -> Sequence[str]:
    """Where util-linux is there, let the system end a child whose parent was killed."""
    setpriv = shutil.which("setpriv")
    return (setpriv, "--pdeathsig", "TERM", "--") if setpriv else ()


def _environment() -> Mapping[str, str]:
    places = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(places), "PYTHONUNBUFFERED": "1"}
