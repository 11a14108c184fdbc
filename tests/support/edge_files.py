"""Gateway files, a device that counts, and the commands of `sen-edge` run on them."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from edge.commands import app
from tests.support.counting_field import COUNTERS, FIRST_REGISTER
from tests.support.processes import Program, wait_until

ROOT = Path(__file__).resolve().parents[2]
STARTED_WITHIN_S = 30.0
COUNTER = "test/counter"
_COUNTER_HEAD = """\
profile: test/counter
revision: 1
device: {vendor: Test, model: Counter, kind: pulse counter}
source: {document: "tests/support/counting_field.py", section: "module"}
line: {baud: 115200}
defaults: {table: input, type: u32, measurement: io, every_s: 0.2}
modbus:
  timeout_ms: 300
  turnaround_ms: 0
  groups:
    - name: counters
      points:
"""


def write_counter(folder: Path) -> None:
    """The profile of a unit of a `CountingField`, beside a gateway file."""
    points = "".join(
        f"        - {{key: pulses_{k}, quantity: pulse_count, address: 0x{FIRST_REGISTER + 2 * k:04X}}}\n"
        for k in range(COUNTERS)
    )
    profile = folder / "profiles" / "test" / "counter.yaml"
    profile.parent.mkdir(parents=True, exist_ok=True)
    profile.write_text(_COUNTER_HEAD + points)


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayFile:
    """A gateway file in a folder of its own; `broker` is a port on loopback where perhaps nobody listens."""

    folder: Path
    buses: Sequence[str]
    devices: Sequence[str]
    broker: int = 1
    spool: str = "commit_records: 60, commit_s: 0.1"
    more: str = ""

    def write(self) -> Path:
        """Write it, with the counter's profile beside it."""
        write_counter(self.folder)
        lines = [
            "gateway: gw-1",
            "site: hall",
            "mode: simulated",
            f'hub: {{broker: "mqtt://127.0.0.1:{self.broker}"}}',
            f"spool: {{{self.spool}}}",
            "send_s: 0.1",
            *([self.more] if self.more else []),
            "buses:",
            *(f"  - {{{bus}}}" for bus in self.buses),
            "devices:",
            *(f"  - {{{device}}}" for device in self.devices),
        ]
        path = self.folder / "gateway.yaml"
        path.write_text("\n".join(lines) + "\n")
        return path


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def told(self) -> Any:  # noqa: ANN401 - the JSON of the command, whose shape the test states
        """What it printed as JSON."""
        return json.loads(self.out)


def sen_edge(*arguments: str, cwd: Path = ROOT, within_s: float = 60) -> Said:
    """Run one command to its end. None may ever show a traceback."""
    done = subprocess.run(
        [sys.executable, "-m", "edge", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=within_s,
        check=False,
    )
    assert "Traceback" not in done.stdout + done.stderr
    return Said(code=done.returncode, out=done.stdout, err=done.stderr)


def typed(*arguments: str) -> Said:
    """The same without a process of its own: quicker, for what does not depend on being one."""
    done = CliRunner().invoke(app, arguments, prog_name="sen-edge")
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return Said(code=done.exit_code, out=done.stdout, err=done.stderr)


def agent_of(config: Path) -> Program:
    """The agent of a gateway file, not yet started."""
    return Program([sys.executable, "-m", "edge", "run", str(config)], config.parent / "agent.log", ROOT)


def start_agent(config: Path) -> Program:
    """The agent of a gateway file, running and answering at its door."""
    agent = agent_of(config)
    agent.start()
    door = config.parent / "state" / "control.sock"
    wait_until("the agent opens its door or ends", lambda: door.exists() or not agent.runs, within_s=STARTED_WITHIN_S)
    assert agent.runs, agent.tail()
    return agent
