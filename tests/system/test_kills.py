"""Nothing is lost, doubled or altered when gateway, hub, broker and database are killed without warning.

Real processes: `sen-edge`, `sen-hub`, Mosquitto and InfluxDB 1.x; Modbus RTU on a pty and Modbus TCP.
"""

import json
import random
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.support.counting_field import COUNTERS, CountingField, CountingUnit, counters_of
from tests.support.edge_files import write_counter
from tests.support.influxd import InfluxServer
from tests.support.processes import Program, pause, wait_until

pytestmark = pytest.mark.real

ROOT = Path(__file__).resolve().parent.parent.parent
KILLS_EACH = 4
SEED = 20261123

GATEWAY = """\
gateway: gw-kill
site: hall
mode: simulated
state_dir: state
hub: {{broker: "mqtt://127.0.0.1:{mqtt_port}"}}
spool: {{commit_records: 60, commit_s: 0.2}}
send_s: 0.2
buses:
  - {{bus: line, kind: modbus-rtu, port: {port}, baud: 115200}}
  - {{bus: lan, kind: modbus-tcp, host: 127.0.0.1, tcp_port: {tcp_port}}}
devices:
  - {{device: rtu-1, bus: line, profile: test/counter, unit: 1}}
  - {{device: rtu-2, bus: line, profile: test/counter, unit: 2}}
  - {{device: rtu-3, bus: line, profile: test/counter, unit: 3}}
  - {{device: tcp-1, bus: lan, profile: test/counter, unit: 1}}
  - {{device: tcp-2, bus: lan, profile: test/counter, unit: 2}}
"""

MOSQUITTO = """\
listener {port} 127.0.0.1
allow_anonymous true
set_tcp_nodelay true
persistence false
"""


class Killable(Protocol):
    """What the test needs of each of the four."""

    def kill(self) -> None:
        """End it without warning."""

    def start(self) -> None:
        """Start it again."""


@pytest.fixture
def field() -> Iterator[CountingField]:
    with CountingField(
        rtu_units={unit: CountingUnit() for unit in (1, 2, 3)}, tcp_units={unit: CountingUnit() for unit in (1, 2)}
    ) as running:
        yield running


@pytest.fixture
def database(real_program: Callable[[str], str], tmp_path: Path) -> Iterator[InfluxServer]:
    folder = tmp_path / "influx"
    folder.mkdir()
    server = InfluxServer(program=real_program("influxd"), folder=folder)
    yield server
    server.stop()


@pytest.fixture
def broker(real_program: Callable[[str], str], free_port: Callable[[], int], tmp_path: Path) -> Iterator[Program]:
    port = free_port()
    config = tmp_path / "mosquitto.conf"
    config.write_text(MOSQUITTO.format(port=port))
    program = Program([real_program("mosquitto"), "-c", str(config)], tmp_path / "broker.log", tmp_path)
    program.start()
    yield program
    program.kill()


def sen(part: str, *arguments: str) -> dict[str, Any]:
    """What a command prints as JSON; an empty object where it fails (its part may just have been killed)."""
    done = subprocess.run(
        [sys.executable, "-m", part, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
    )
    printed: dict[str, Any] = json.loads(done.stdout) if done.returncode == 0 and done.stdout else {}
    return printed


def make_hub(folder: Path, *, database: InfluxServer, broker_config: Path, http_port: int) -> Program:
    """A hub on the given database and broker, with the gateway registered."""
    mqtt_port = int(broker_config.read_text().split()[1])
    subprocess.run([sys.executable, "-m", "hub", "init", str(folder)], cwd=ROOT, check=True, capture_output=True)
    (folder / "hub.yaml").write_text(
        f"series: {{kind: influxdb1, url: '{database.url}', bucket: sen}}\n"
        f"broker: {{kind: url, url: 'mqtt://127.0.0.1:{mqtt_port}'}}\n"
        f"http: {{host: 127.0.0.1, port: {http_port}}}\n"
    )
    added = subprocess.run(
        [sys.executable, "-m", "hub", "gateway", "add", str(folder), "gw-kill", "--site", "hall"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert added.returncode == 0, added.stdout + added.stderr
    hub = Program([sys.executable, "-m", "hub", "serve", str(folder)], folder / "serve.log", ROOT)
    hub.start()
    return hub


def make_gateway(folder: Path, *, field: CountingField, mqtt_port: int) -> Program:
    """A gateway that reads the field."""
    write_counter(folder)
    config = folder / "gateway.yaml"
    config.write_text(GATEWAY.format(mqtt_port=mqtt_port, port=field.port, tcp_port=field.tcp_port))
    gateway = Program([sys.executable, "-m", "edge", "run", str(config)], folder / "run.log", ROOT)
    gateway.start()
    return gateway


def rows_of(database: InfluxServer) -> dict[str, list[dict[str, Any]]]:
    """Every stored row, by device, as the database itself gives it."""
    rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    answer: Any = database.query("SELECT * FROM io")
    for series in answer["results"][0].get("series", []):
        for values in series["values"]:
            row = dict(zip(series["columns"], values, strict=True))
            rows[row["device"]].append(row)
    return rows


def check_values(rows: list[dict[str, Any]], *, answers: int) -> int:
    """Every good row holds exactly one answer of the device, each at most once; returns how many are good."""
    seen: set[int] = set()
    for row in rows:
        found = [row.get(f"pulses_{k}") for k in range(COUNTERS)]
        if found == [None] * COUNTERS:
            assert row["quality"] > 0
            continue
        values = [number for number in found if number is not None]
        answer = int(values[0]) // COUNTERS
        assert tuple(int(value) for value in values) == counters_of(answer)
        assert row["mode"] == "simulated"
        assert 1 <= answer <= answers
        assert answer not in seen, f"answer {answer} is stored twice"
        seen.add(answer)
    return len(seen)


def spool_of(config: Path) -> dict[str, Any]:
    """The spool of the running gateway; empty while it does not answer."""
    found: dict[str, Any] = sen("edge", "status", str(config), "--json").get("spool", {})
    return found


def kill_at_random(victims: list[Killable]) -> None:
    """Kill and restart each, in random order, with random pauses."""
    chance = random.Random(SEED)
    chance.shuffle(victims)
    for victim in victims:
        victim.kill()
        pause(chance.uniform(0.0, 1.0))
        victim.start()
        pause(chance.uniform(0.5, 2.0))


def bring_to_rest(gateway: Program, hub_folder: Path, config: Path) -> dict[str, Any]:
    """Let it deliver what it holds, stop it, and return the hub's accounts of it."""
    before = spool_of(config).get("final_total", 0)
    wait_until("commits go on", lambda: spool_of(config).get("final_total", 0) > before + 50, within_s=90)
    for _ in range(2):  # a stop drains within bounds; what it left is drained by the next
        assert gateway.stop() == 0, gateway.tail()
        gateway.start()
        wait_until("the gateway is back", lambda: "in_flight" in spool_of(config), within_s=30)
    assert gateway.stop() == 0, gateway.tail()
    return settled_accounts(hub_folder)


def test_after_random_kills_all_that_was_accepted_is_stored_once_and_unaltered(
    field: CountingField, database: InfluxServer, broker: Program, free_port: Callable[[], int], tmp_path: Path
) -> None:
    hub_folder, gateway_folder = tmp_path / "hub", tmp_path / "gateway"
    gateway_folder.mkdir()
    broker_config, config = tmp_path / "mosquitto.conf", gateway_folder / "gateway.yaml"
    mqtt_port = int(broker_config.read_text().split()[1])
    hub = make_hub(hub_folder, database=database, broker_config=broker_config, http_port=free_port())
    gateway = make_gateway(gateway_folder, field=field, mqtt_port=mqtt_port)
    try:
        wait_until("records are committed", lambda: spool_of(config).get("final_total", 0) > 20, within_s=40)
        kill_at_random([gateway, hub, broker, database] * KILLS_EACH)
        accounts = bring_to_rest(gateway, hub_folder, config)
    finally:
        for program in (gateway, hub):
            if program.runs:
                program.kill()

    rows = rows_of(database)
    stored = sum(len(of_device) for of_device in rows.values())
    assert accounts["lost"] == accounts["refused"] == accounts["unexplained"] == accounts["in_flight"] == 0, accounts
    assert stored == accounts["accepted"] == accounts["stored"]
    good = {
        f"{kind}-{unit}": check_values(rows[f"{kind}-{unit}"], answers=counting.answers)
        for kind, units in (("rtu", field.rtu_units), ("tcp", field.tcp_units))
        for unit, counting in units.items()
    }
    assert all(count > 50 for count in good.values()), good
    print(f"{4 * KILLS_EACH} kills; {stored} records stored = accepted; good readings by device: {good}")


def settled_accounts(hub_folder: Path) -> dict[str, Any]:
    """The hub's accounts of the gateway once nothing is in flight."""

    def accounts() -> dict[str, Any]:
        gateways = sen("hub", "status", str(hub_folder), "--json").get("gateways", [])
        return gateways[0]["accounts"] if gateways else {}

    wait_until("nothing is in flight", lambda: accounts().get("in_flight") == 0, within_s=60)
    return accounts()
