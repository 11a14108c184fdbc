"""A real InfluxDB 1.x of our own: loopback, free ports, its own folder."""

import socket
import subprocess
import time
from pathlib import Path

import httpx

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
[logging]
  level = "error"
"""
_START_S = 30.0


class InfluxServer:
    """An `influxd` that is started at once; `kill` ends it as a crash would, `start` starts it again."""

    def __init__(self, *, program: str, folder: Path) -> None:
        self._program = program
        self._folder = folder
        self._http_port = _free_port()
        self.url = f"http://127.0.0.1:{self._http_port}"
        (folder / "influxdb.conf").write_text(
            _CONFIG.format(folder=folder, http_port=self._http_port, rpc_port=_free_port())
        )
        self._process = self._spawn()
        self._wait_until_it_answers()

    def start(self) -> None:
        """Start it again on the same files and ports."""
        self._process = self._spawn()
        self._wait_until_it_answers()

    def kill(self) -> None:
        """End it without warning (SIGKILL)."""
        self._process.kill()
        self._process.wait(10)

    def stop(self) -> None:
        """End it, by force where it does not follow."""
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self.kill()

    def query(self, statement: str, *, database: str = "sen") -> dict[str, object]:
        """The answer to one InfluxQL statement."""
        answer = httpx.post(f"{self.url}/query", params={"db": database, "epoch": "ns"}, data={"q": statement})
        body: dict[str, object] = answer.raise_for_status().json()
        return body

    def _spawn(self) -> subprocess.Popen[bytes]:
        log = (self._folder / "log").open("ab")
        with log:
            return subprocess.Popen(
                [self._program, "-config", str(self._folder / "influxdb.conf")], stdout=log, stderr=log
            )

    def _wait_until_it_answers(self) -> None:
        end = time.monotonic() + _START_S  # noqa: TID251 a real program starts in real time
        while time.monotonic() < end:  # noqa: TID251
            if self._process.poll() is not None:
                break
            try:
                if httpx.get(f"{self.url}/ping", timeout=1.0).status_code == httpx.codes.NO_CONTENT:
                    return
            except httpx.HTTPError:
                time.sleep(0.05)  # noqa: TID251
        raise RuntimeError(f"influxd does not answer at {self.url}: {(self._folder / 'log').read_text()[-2000:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
