"""A real InfluxDB 1.x of our own: loopback, free ports, its own folder."""

import socket
import subprocess
from contextlib import suppress
from pathlib import Path

import httpx

from tests.support.processes import Program, wait_until

_CONFIG = """
reporting-disabled = true
bind-address = "127.0.0.1:{rpc_port}"
[meta]
  dir = "{folder}/meta"
  logging-enabled = false
[data]
  dir = "{folder}/data"
  wal-dir = "{folder}/wal"
[monitor]
  store-enabled = false
[subscriber]
  enabled = false
[http]
  bind-address = "127.0.0.1:{http_port}"
  log-enabled = false
  auth-enabled = {auth}
[logging]
  level = "error"
"""
_START_S = 30.0


class InfluxServer:
    """An `influxd` that is started at once; `kill` ends it as a crash would, `start` starts it again.

    `launch` starts it and does not wait until it answers.
    """

    def __init__(self, *, program: str, folder: Path, asks_for_passwords: bool = False) -> None:
        self._http_port = _free_port()
        self.url = f"http://127.0.0.1:{self._http_port}"
        config = folder / "influxdb.conf"
        config.write_text(
            _CONFIG.format(
                folder=folder,
                http_port=self._http_port,
                rpc_port=_free_port(),
                auth=str(asks_for_passwords).lower(),
            )
        )
        self._program = Program([program, "-config", str(config)], folder / "log", folder)
        self.start()

    @property
    def http_port(self) -> int:
        """Where it listens."""
        return self._http_port

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._program.process is not None
        return self._program.process.pid

    def start(self) -> None:
        """Start it, again on the same files and ports, and wait until it answers."""
        self.launch()
        wait_until("influxd answers", self.answers, within_s=_START_S)

    def launch(self) -> None:
        """Start it."""
        self._program.start()

    def kill(self) -> None:
        """End it without warning (SIGKILL)."""
        self._program.kill()

    def freeze(self) -> None:
        """Let it do nothing (SIGSTOP)."""
        self._program.freeze()

    def thaw(self) -> None:
        """Let it go on (SIGCONT)."""
        self._program.thaw()

    def stop(self) -> None:
        """End it, by force where it does not follow."""
        with suppress(subprocess.TimeoutExpired):
            self._program.stop(within_s=5)

    def query(self, statement: str, *, database: str = "sen") -> dict[str, object]:
        """The answer to one InfluxQL statement."""
        answer = httpx.post(
            f"{self.url}/query", params={"db": database, "epoch": "ns"}, data={"q": statement}, timeout=60
        )
        body: dict[str, object] = answer.raise_for_status().json()
        return body

    def answers(self) -> bool:
        """Whether it does; fails where it has ended."""
        assert self._program.runs, f"influxd does not start: {self._program.tail()}"
        try:
            return httpx.get(f"{self.url}/ping", timeout=1.0).status_code == httpx.codes.NO_CONTENT
        except httpx.HTTPError:
            return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
