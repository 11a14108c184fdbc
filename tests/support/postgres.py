"""A real PostgreSQL of our own: no network, a socket in its own folder, a fresh database for each who asks."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.processes import Program, wait_until

_USER = "postgres"
_START_S = 30.0


def find_postgres() -> Path | None:
    """The folder of its newest installed programs, which Debian keeps out of PATH; None where there are none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return found[-1].parent if found else None


class PostgresServer:
    """A server that runs; `new_database` gives the address of an empty database."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs, self._folder = programs, folder
        # It refuses to run as root.
        self._as_user = ["runuser", "-u", _USER, "--"] if os.getuid() == 0 else []
        if self._as_user:
            shutil.chown(folder, _USER)
        data = folder / "data"
        self._run("initdb", "-D", str(data), "-U", _USER, "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C")
        options = ["-k", str(folder), "-c", "listen_addresses=", "-c", "fsync=off"]
        command = [*self._as_user, str(programs / "postgres"), "-D", str(data), *options]
        self._server = Program(command, folder / "log", folder)
        self._databases = 0
        self._server.start()
        wait_until("PostgreSQL answers", self._answers, within_s=_START_S)

    def new_database(self) -> str:
        """Make an empty database; returns its address as the registry takes it."""
        self._databases += 1
        name = f"registry{self._databases}"
        self._run("createdb", "-h", str(self._folder), "-U", _USER, name)
        return f"postgresql+psycopg://{_USER}@/{name}?host={self._folder}"

    def stop(self) -> None:
        """End it."""
        subprocess.run(
            [
                *self._as_user,
                str(self._programs / "pg_ctl"),
                "-D",
                str(self._folder / "data"),
                "-m",
                "immediate",
                "stop",
            ],
            check=False,
            capture_output=True,
            timeout=30,
            cwd=self._folder,
        )
        self._server.kill()

    def _answers(self) -> bool:
        command = [str(self._programs / "pg_isready"), "-h", str(self._folder), "-U", _USER]
        return subprocess.run(command, check=False, capture_output=True, timeout=10).returncode == 0

    def _run(self, program: str, *arguments: str) -> None:
        command = [*self._as_user, str(self._programs / program), *arguments]
        subprocess.run(command, check=True, capture_output=True, timeout=60, cwd=self._folder)


@contextmanager
def postgres(programs: Path) -> Iterator[PostgresServer]:
    """A server for a while, in a folder whose path is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="sen-pg-", dir="/tmp") as folder:
        server = PostgresServer(programs, Path(folder))
        try:
            yield server
        finally:
            server.stop()
