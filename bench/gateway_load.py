"""What a gateway costs, and how punctual it is, with 50 Modbus TCP devices of 20 registers read every second.

The real agent, the real hub with its broker and series store, and a field that counts (`modbus_field.py`); beside it,
in the same load, the floor (`gateway_floor.py`). Prints a table with targets; exit code 1 where one is missed.

Read-to-committed is from the device's answer to the hub's commit as the gateway hears it. On the way a reading waits
for the spool's group commit (60 records or 1 s) and for the next batch (1 s).
"""

import argparse
import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiomqtt

from wire.codec import decode_batch, decode_commit
from wire.topics import Down, Up

BENCH = Path(__file__).resolve().parent
ROOT = BENCH.parent
GATEWAY = "gw-load"
DEVICES = 50
REGISTERS = 20
PERIOD_S = 1.0
WITHIN_S = 30.0
SHARES = (50, 95, 99)  # percent
PAGE_KB = os.sysconf("SC_PAGE_SIZE") // 1024
TICKS_PER_S = os.sysconf("SC_CLK_TCK")

HUB = "http: {{host: 127.0.0.1, port: {http}}}\nmqtt: {{host: 127.0.0.1, port: {mqtt}}}\n"
GATEWAY_FILE = """\
gateway: {gateway}
site: bench
mode: simulated
hub: {{broker: "mqtt://127.0.0.1:{mqtt}", username: {gateway}, password_file: mqtt.password}}
spool: {{commit_records: 60, commit_s: 1.0}}
send_s: 1.0
buses:
  - {{bus: lan, kind: modbus-tcp, host: 127.0.0.1, tcp_port: {field}}}
devices:
"""
DEVICE = "  - {{device: d{unit}, bus: lan, profile: bench/registers, unit: {unit}}}\n"

# JSON of the programs that are measured here: its shape is known where it is used.
Facts = dict[str, Any]


class LoadError(Exception):
    """Nothing can be measured; the text says why."""


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What a process took between two moments."""

    cpu_percent: float
    rss_mb: float


@dataclass
class Spy:
    """Listens to what gateway and hub say: which reading was committed when."""

    read_counts: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)  # (epoch, seq): unit, count
    heard_s: dict[tuple[int, int], float] = field(default_factory=dict)
    committed_s: dict[tuple[int, int], float] = field(default_factory=dict)

    async def listen(self, port: int, password: str) -> None:
        """Listen until cancelled."""
        topics = [(f"sen/1/up/{GATEWAY}/{Up.BATCH}", 1), (f"sen/1/dn/{GATEWAY}/{Down.COMMIT}", 1)]
        async with aiomqtt.Client("127.0.0.1", port, username="sen.hub", password=password) as client:
            await client.subscribe(topics)
            async for message in client.messages:
                assert isinstance(message.payload, bytes)
                if str(message.topic).endswith(Up.BATCH):
                    self._batch(message.payload, time.monotonic())
                else:
                    self._commit(message.payload, time.monotonic())

    def _batch(self, payload: bytes, now_s: float) -> None:
        batch = decode_batch(payload)
        for record in batch.records:
            number = record.values[0].number
            if number is not None:
                self.read_counts[batch.epoch, record.seq] = (int(record.stream.device[1:]), int(number))
                self.heard_s.setdefault((batch.epoch, record.seq), now_s)

    def _commit(self, payload: bytes, now_s: float) -> None:
        commit = decode_commit(payload)
        for first, last in commit.final:
            for seq in range(first, last + 1):
                self.committed_s.setdefault((commit.epoch, seq), now_s)


def free_port() -> int:
    """A TCP port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(command: Sequence[str], log: Path | None = None) -> Iterator[subprocess.Popen[str]]:
    """A program for as long as the block lasts; without a log its output can be read."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with (log or Path(os.devnull)).open("ab") as output:
        process = subprocess.Popen(
            command, stdout=output if log else subprocess.PIPE, stderr=output, text=True, env=environment
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def cpu_s(pid: int) -> float:
    """Processor seconds that a process has taken, in user and system mode."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def rss_mb(pid: int) -> float:
    """Resident memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_KB / 1024


def usage(pid: int, seconds: float) -> Usage:
    """What a process takes in the coming seconds."""
    before_s, begun = cpu_s(pid), time.monotonic()
    time.sleep(seconds)
    return Usage(cpu_percent=100 * (cpu_s(pid) - before_s) / (time.monotonic() - begun), rss_mb=rss_mb(pid))


def field_port(process: subprocess.Popen[str]) -> int:
    """The port that the field says it has."""
    assert process.stdout is not None
    return int(json.loads(process.stdout.readline())["port"])


def field_facts(process: subprocess.Popen[str]) -> Facts:
    """End the field and return what it measured."""
    assert process.stdout is not None
    process.send_signal(signal.SIGTERM)
    facts: Facts = json.loads(process.stdout.readline())
    return facts


def sen(part: str, *arguments: str) -> None:
    """Run a command that must succeed."""
    command = [sys.executable, "-m", part, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LoadError(f"{' '.join(command)}: {done.stdout}{done.stderr}")


def make_hub(folder: Path, *, http: int, mqtt: int, series: str) -> None:
    """A hub's folder with the gateway registered; `series` is a line of hub.yaml, or nothing."""
    sen("hub", "init", str(folder))
    (folder / "hub.yaml").write_text(HUB.format(http=http, mqtt=mqtt) + series)
    password = folder.parent / "gateway" / "mqtt.password"
    sen("hub", "gateway", "add", str(folder), GATEWAY, "--site", "bench", "--password-file", str(password))


def make_gateway(folder: Path, *, mqtt: int, field: int) -> Path:
    """A gateway's folder; returns its file."""
    profiles = folder / "profiles" / "bench"
    profiles.mkdir(parents=True)
    shutil.copy(BENCH / "registers.yaml", profiles / "registers.yaml")
    devices = "".join(DEVICE.format(unit=unit) for unit in range(1, DEVICES + 1))
    path = folder / "gateway.yaml"
    path.write_text(GATEWAY_FILE.format(gateway=GATEWAY, mqtt=mqtt, field=field) + devices)
    return path


def wait_for_hub(http: int, hub: subprocess.Popen[str], log: Path) -> None:
    """Return when all parts of the hub work."""
    deadline = time.monotonic() + WITHIN_S
    while time.monotonic() < deadline and hub.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{http}/api/v1/health", timeout=2) as answer:
                if json.load(answer)["ok"]:
                    return
        except (urllib.error.URLError, OSError):
            pass
        time.sleep(0.1)
    raise LoadError(f"the hub did not come up:\n{log.read_text()[-2000:]}")


def latencies_s(
    spy: Spy, when_s: Mapping[tuple[int, int], float], times: dict[str, list[float]], since_s: float
) -> list[float]:
    """From a device's answer to what happened to the reading, of the readings since a moment."""
    found = []
    for key, (unit, count) in spy.read_counts.items():
        answers = times[str(unit)]
        read_s = answers[count - 1] if count <= len(answers) else None
        if read_s is not None and read_s >= since_s and key in when_s:
            found.append(when_s[key] - read_s)
    return sorted(found)


async def measured_agent(folder: Path, seconds: float, warm_s: float, *, series: str = "") -> Facts:
    """The agent in its load; the hub stores series as hub.yaml's line `series` says."""
    http, mqtt = free_port(), free_port()
    hub_folder, gateway_folder, times_file = folder / "hub", folder / "gateway", folder / "times.json"
    gateway_folder.mkdir()
    make_hub(hub_folder, http=http, mqtt=mqtt, series=series)
    password = (hub_folder / "secrets" / "hub-mqtt.password").read_text().strip()
    spy = Spy()
    generator = [sys.executable, str(BENCH / "modbus_field.py"), "--period", str(PERIOD_S), "--times", str(times_file)]
    serve = [sys.executable, "-m", "hub", "serve", str(hub_folder)]
    with running(generator) as field_process, running(serve, folder / "hub.log") as hub:
        port = await asyncio.to_thread(field_port, field_process)
        file = make_gateway(gateway_folder, mqtt=mqtt, field=port)
        await asyncio.to_thread(wait_for_hub, http, hub, folder / "hub.log")
        async with asyncio.timeout(WITHIN_S + warm_s + seconds), asyncio.TaskGroup() as tasks:
            listening = tasks.create_task(spy.listen(mqtt, password))
            with running([sys.executable, "-m", "edge", "run", str(file)], folder / "agent.log") as agent:
                await asyncio.sleep(warm_s)
                if agent.poll() is not None or not spy.committed_s:
                    said = (folder / "agent.log").read_text()[-3000:]
                    raise LoadError(f"the agent delivered nothing in {warm_s} s:\n{said}")
                field_process.send_signal(signal.SIGUSR1)
                begun_s = time.monotonic()
                took, hub_took = await asyncio.gather(
                    asyncio.to_thread(usage, agent.pid, seconds), asyncio.to_thread(usage, hub.pid, seconds)
                )
                await asyncio.sleep(2 * PERIOD_S)  # what was read last is committed
                facts = field_facts(field_process)
            listening.cancel()
    times = json.loads(times_file.read_text())
    latency: dict[str, float] = {}
    for what, when_s in (("committed", spy.committed_s), ("heard", spy.heard_s)):
        found = latencies_s(spy, when_s, times, begun_s)
        latency |= {f"{what}_p{share}_s": round(found[int(len(found) * share / 100)], 3) for share in SHARES if found}
    return {**facts, **latency, **vars(took), "hub_cpu_percent": hub_took.cpu_percent}


def measured_floor(seconds: float, warm_s: float) -> Facts:
    """The floor in the same load."""
    generator = [sys.executable, str(BENCH / "modbus_field.py"), "--period", str(PERIOD_S)]
    with running(generator) as field_process:
        port = field_port(field_process)
        command = [sys.executable, str(BENCH / "gateway_floor.py"), str(port)]
        shape = ["--devices", str(DEVICES), "--registers", str(REGISTERS), "--period", str(PERIOD_S)]
        with running([*command, *shape]) as floor:
            time.sleep(warm_s)
            field_process.send_signal(signal.SIGUSR1)
            took = usage(floor.pid, seconds)
            return {**field_facts(field_process), **vars(took)}


# What is printed: name, key, and the target that the agent must not exceed.
ROWS: tuple[tuple[str, str, float | None], ...] = (
    ("requests a device and cycle", "requests_per_cycle", 1.0),
    ("CPU, % of a core", "cpu_percent", 3.0),
    ("resident memory, MB", "rss_mb", 40.0),
    ("interval p50, s", "interval_p50_s", None),
    ("jitter p95, ms", "jitter_p95_ms", 5.0),
    ("jitter max, ms", "jitter_max_ms", None),
    ("drift, ppm", "drift_ppm", 200.0),
    ("read to committed p50, s", "committed_p50_s", None),
    ("read to committed p95, s", "committed_p95_s", 1.2),
    ("hub CPU, % of a core", "hub_cpu_percent", None),
)


def printed(agent: Facts, floor: Facts) -> bool:
    """Print the table; whether all targets are met."""
    met = True
    print(f"{DEVICES} devices x {REGISTERS} registers every {PERIOD_S:g} s over Modbus TCP, one connection")
    print(f"{'':30}{'agent':>10}{'floor':>10}{'ratio':>8}{'target':>9}")
    for name, key, target in ROWS:
        ours, least = agent.get(key), floor.get(key)
        ratio = f"{ours / least:.1f}" if ours and least else ""
        is_met = target is None or (ours is not None and abs(ours) <= target)
        met = met and is_met
        goal = "" if target is None else f"<= {target:g}{'' if is_met else '  MISSED'}"
        print(f"{name:30}{_shown(ours):>10}{_shown(least):>10}{ratio:>8}{goal:>9}")
    return met


def _shown(number: float | None) -> str:
    return "-" if number is None else f"{number:.4g}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=40.0, help="the measured time, of each of both")
    parser.add_argument("--warm", type=float, default=8.0, help="seconds before it, for starting and settling")
    parser.add_argument("--json", action="store_true", help="print one JSON line instead of the table")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sen-load-") as folder:
        try:
            agent = asyncio.run(measured_agent(Path(folder), given.seconds, given.warm))
        except* LoadError as errors:
            sys.exit("\n".join(str(error) for error in errors.exceptions))
    floor = measured_floor(given.seconds, min(given.warm, 3.0))
    if given.json:
        print(json.dumps({"agent": agent, "floor": floor}))
    elif not printed(agent, floor):
        sys.exit(1)


if __name__ == "__main__":
    main()
