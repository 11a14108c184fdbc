"""A real hub in a process of its own, on free ports, and what fills it as gateways would."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.support.processes import Program, wait_until

ROOT = Path(__file__).resolve().parent.parent.parent


def sen_hub(*arguments: str, expect: int = 0) -> subprocess.CompletedProcess[str]:
    """Run a command and check its exit code; no command may ever print a traceback."""
    done = subprocess.run(
        [sys.executable, "-m", "hub", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert "Traceback" not in done.stdout + done.stderr, done.stderr
    assert done.returncode == expect, f"{arguments}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


@dataclass
class HubProcess:
    """A hub that runs on a folder."""

    folder: Path
    http_port: int
    mqtt_port: int
    program: Program

    @property
    def url(self) -> str:
        """Where its page and API are."""
        return f"http://127.0.0.1:{self.http_port}"

    def start(self, *, within_s: float = 20) -> None:
        """Start it and wait until all its parts work."""
        self.program.start()
        wait_until(f"the hub works: {self.program.log}", self._works, within_s=within_s)

    def get(self, path: str, **asked: str) -> httpx.Response:
        """Ask its API."""
        return httpx.get(f"{self.url}/api/v1{path}", params=asked, timeout=10)

    def _works(self) -> bool:
        assert self.program.runs, self.program.tail()
        try:
            return bool(self.get("/health").json()["ok"])
        except httpx.HTTPError:
            return False


def make_hub(
    folder: Path, *, http_port: int, mqtt_port: int, broker: str, more: Mapping[str, str] | None = None
) -> HubProcess:
    """A hub's folder on these ports; `more` are further lines of hub.yaml by key."""
    sen_hub("init", str(folder))
    lines = {
        "http": f"{{host: 127.0.0.1, port: {http_port}}}",
        "mqtt": f"{{host: 127.0.0.1, port: {mqtt_port}}}",
        "broker": f"{{kind: {broker}}}",
        **(more or {}),
    }
    (folder / "hub.yaml").write_text("".join(f"{key}: {value}\n" for key, value in lines.items()))
    command: Sequence[str] = [sys.executable, "-m", "hub", "serve", str(folder)]
    program = Program(command, folder / "serve.log", ROOT)
    return HubProcess(folder=folder, http_port=http_port, mqtt_port=mqtt_port, program=program)
