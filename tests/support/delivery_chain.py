"""The whole way of a reading in real processes: counting field, agents, Mosquitto, hub and InfluxDB.

Between agents and broker, hub and broker, hub and database are lines that can be made bad.
"""

import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Protocol, Self

from edge.control import ControlError, ask
from tests.support.counting_field import CountingField, CountingUnit
from tests.support.edge_files import write_counter
from tests.support.evidence import Row, Verdict, judged
from tests.support.faulty_line import FaultyLine, LineLoop
from tests.support.hub_process import make_hub, sen_hub
from tests.support.influxd import InfluxServer
from tests.support.mishaps import CUT, FAULTS, Deed, Mishap
from tests.support.mosquitto import forget, mosquitto
from tests.support.processes import Program, pause, takes_connections, wait_until

ROOT: Final = Path(__file__).resolve().parents[2]
MODE: Final = "simulated"
GATEWAY_BROKER, HUB_BROKER, HUB_DATABASE = "gateways-broker", "hub-broker", "hub-database"
BROKER, DATABASE, HUB = "broker", "database", "hub"
_ROUNDS_TO_REST: Final = 6
_NEARLY_NOTHING: Final = 300
_WORKS_WITHIN_S: Final = 300.0

_GATEWAY = """\
gateway: {name}
site: hall
mode: {mode}
state_dir: state
hub: {{broker: "mqtt://127.0.0.1:{broker}"}}
spool: {{commit_records: 200, commit_s: 0.5}}
send_s: 0.5
buses:
"""
_RTU_BUS = "  - {{bus: line, kind: modbus-rtu, port: {port}, baud: 115200}}\n"
_TCP_BUS = "  - {{bus: lan, kind: modbus-tcp, host: 127.0.0.1, tcp_port: {port}}}\n"
_DEVICE = (
    "  - {{device: {name}, bus: {bus}, profile: test/counter, unit: {unit}, every_s: {{counters: {every_s:.3f}}}}}\n"
)


class Victim(Protocol):
    """What can befall a process."""

    def kill(self) -> None:
        """End it without warning."""

    def freeze(self) -> None:
        """Stop it, for it to go on later."""

    def thaw(self) -> None:
        """Let it go on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainPlan:
    """So many gateways with so many Modbus TCP devices each, read so often; the first has units on an RTU line, too."""

    gateways: int
    devices: int
    rtu_units: int = 3
    every_s: float = 0.2


@dataclass(frozen=True, slots=True)
class Programs:
    """Where the programs of others are."""

    mosquitto: str
    influxd: str


@dataclass
class ChainGateway:
    """One agent and the units that it reads, by device."""

    name: str
    program: Program
    door: Path
    units: dict[str, CountingUnit] = field(default_factory=dict)

    def spool(self) -> Mapping[str, Any]:
        """What its spool holds; empty while it does not answer."""
        with suppress(ControlError):
            told: Mapping[str, Any] = ask(self.door, {"ask": "status"})["spool"]
            return told
        return {}

    def works(self) -> bool:
        """Whether it answers."""
        return bool(self.spool())

    def is_light(self) -> bool:
        """Whether it holds little more than what is just on its way."""
        return bool(self.spool().get("in_flight", _NEARLY_NOTHING) < _NEARLY_NOTHING)


class DeliveryChain:
    """Started by `with`, which also ends it."""

    def __init__(self, plan: ChainPlan, folder: Path, programs: Programs, *, free_port: Callable[[], int]) -> None:
        self.plan = plan
        self.folder = folder
        self._programs = programs
        self._free_port = free_port
        self._stack = ExitStack()
        self.happened: Counter[str] = Counter()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._begin(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def processes(self) -> Mapping[str, Victim]:
        """All that can be killed, by name."""
        gateways: dict[str, Victim] = {gateway.name: gateway.program for gateway in self.gateways}
        return gateways | {HUB: self.centre, BROKER: self.broker, DATABASE: self.database}

    def delivers(self) -> bool:
        """Whether something of each gateway has come all the way."""
        return all(gateway.spool().get("final_total", 0) > 0 for gateway in self.gateways)

    def suffer(self, mishap: Mishap) -> None:
        """Let it happen, and return when its time is over and everything is started again."""
        if mishap.is_awaited:
            works = partial(self._works, mishap.victim)
            wait_until(f"{mishap.victim} works again", works, within_s=_WORKS_WITHIN_S)
        self._begin_fault(mishap)
        victim = self.processes[mishap.victim]
        if mishap.deed is Deed.FREEZE:
            victim.freeze()
            pause(mishap.away_s)
            victim.thaw()
        else:
            victim.kill()
            if mishap.deed is Deed.FORGET:
                forget(self.broker)
            pause(mishap.away_s)
            self._start(mishap.victim)
        self.happened[f"{mishap.deed.value} {_kind(mishap.victim)}"] += 1
        pause(mishap.after_s)
        if mishap.line is not None:
            self.mend(mishap.line)

    def cut(self, line: str) -> None:
        """End the connections of a line, and let none be made."""
        self._loop.do(self.lines[line].cut())

    def mend(self, line: str) -> None:
        """Let a line carry again as it should."""
        self._loop.do(self.lines[line].mend())

    def rest(self, *, within_s: float) -> None:
        """Let the gateways deliver what they hold, and stop them; until nothing is on its way any more."""
        for gateway in self.gateways:
            wait_until(f"{gateway.name} has delivered nearly all it holds", gateway.is_light, within_s=within_s)
        for _ in range(_ROUNDS_TO_REST):  # a stop drains within bounds; what it left is drained by the next
            for gateway in self.gateways:
                assert gateway.program.stop() == 0, gateway.program.tail()
            if all(self.accounts(gateway)["in_flight"] == 0 for gateway in self.gateways):
                return
            for gateway in self.gateways:
                gateway.program.start()
                wait_until(f"{gateway.name} is back", gateway.works, within_s=60)
        raise AssertionError(f"still on their way: {[self.accounts(gateway) for gateway in self.gateways]}")

    def accounts(self, gateway: ChainGateway) -> Mapping[str, Any]:
        """The hub's accounts of a gateway."""
        accounts: Mapping[str, Any] = self.hub.get(f"/gateways/{gateway.name}").json()["accounts"]
        return accounts

    def verdict(self) -> Verdict:
        """All that is stored against all that was answered."""
        return sum((self._verdict_on(gateway) for gateway in self.gateways), Verdict())

    def _verdict_on(self, gateway: ChainGateway) -> Verdict:
        found = Verdict()
        for device, unit in gateway.units.items():
            rows = self.rows(gateway.name, device)
            ends_ms = gateway.program.ends_ms
            found += judged(f"{gateway.name}/{device}", rows, answers=unit.answers, mode=MODE, ends_ms=ends_ms)
        return found

    def rows(self, gateway: str, device: str) -> Sequence[Row]:
        """What the database holds of a device, in the order of time."""
        selected = f"gateway = '{gateway}' AND device = '{device}'"
        answer: Any = self.database.query(f"SELECT * FROM io WHERE {selected}")  # noqa: S608 - our own names
        return [
            dict(zip(series["columns"], values, strict=True))
            for series in answer["results"][0].get("series", [])
            for values in series["values"]
        ]

    def units_of(self, number: int) -> dict[str, CountingUnit]:
        """The units that a gateway reads, by device."""
        first = number * self.plan.devices + 1
        units = {f"tcp-{unit}": self.field.tcp_units[unit] for unit in range(first, first + self.plan.devices)}
        return units | ({f"rtu-{unit}": one for unit, one in self.field.rtu_units.items()} if number == 0 else {})

    def _works(self, process: str) -> bool:
        if process == DATABASE:
            return self.database.answers()
        if process == BROKER:
            return takes_connections(self.broker_port)
        if process == HUB:
            return self._centre_works()
        return next(gateway for gateway in self.gateways if gateway.name == process).works()

    def _centre_works(self) -> bool:
        return takes_connections(self.hub.http_port)

    def _begin_fault(self, mishap: Mishap) -> None:
        if mishap.line is None or mishap.fault is None:
            return
        if mishap.fault == CUT:
            self.cut(mishap.line)
        else:
            self.lines[mishap.line].suffer(FAULTS[mishap.fault])
        self.happened[f"{mishap.fault} {mishap.line}"] += 1

    def _start(self, victim: str) -> None:
        if victim == DATABASE:
            self.database.launch()
            return
        program = self.processes[victim]
        assert isinstance(program, Program)
        program.start()

    def _begin(self, stack: ExitStack) -> None:
        plan = self.plan
        self.field = stack.enter_context(
            CountingField(
                rtu_units={unit: CountingUnit() for unit in range(1, plan.rtu_units + 1)},
                tcp_units={unit: CountingUnit() for unit in range(1, plan.gateways * plan.devices + 1)},
            )
        )
        database = self.folder / DATABASE
        database.mkdir(parents=True, exist_ok=True)
        self.database = InfluxServer(program=self._programs.influxd, folder=database)
        stack.callback(self.database.kill)
        self.broker_port = port = self._free_port()
        self.broker = mosquitto(self._programs.mosquitto, self.folder / BROKER, port, keeps=True)
        self._run(stack, self.broker)
        self._loop = stack.enter_context(LineLoop())
        targets = {GATEWAY_BROKER: port, HUB_BROKER: port, HUB_DATABASE: self.database.http_port}
        self.lines: dict[str, FaultyLine] = {
            name: self._loop.line(port=self._free_port(), target=target) for name, target in targets.items()
        }
        self.gateways = [self._made_gateway(number) for number in range(plan.gateways)]
        self.centre = self._made_centre()
        self._run(stack, self.centre)
        wait_until(
            "the centre works or ends", lambda: self._centre_works() or not self.centre.runs, within_s=_WORKS_WITHIN_S
        )
        assert self.centre.runs, self.centre.tail()
        for gateway in self.gateways:
            self._run(stack, gateway.program)

    def _run(self, stack: ExitStack, program: Program) -> None:
        program.start()
        stack.callback(self._end, program)

    @staticmethod
    def _end(program: Program) -> None:
        if program.runs:
            program.kill()

    def _made_centre(self) -> Program:
        """The hub, which knows the gateways."""
        more = {
            "series": f"{{kind: influxdb1, url: 'http://127.0.0.1:{self.lines[HUB_DATABASE].port}', bucket: sen}}",
            "broker": f"{{kind: url, url: 'mqtt://127.0.0.1:{self.lines[HUB_BROKER].port}'}}",
        }
        ports = {"http_port": self._free_port(), "mqtt_port": self._free_port()}
        self.hub = make_hub(self.folder / HUB, broker="url", more=more, **ports)
        for gateway in self.gateways:
            sen_hub("gateway", "add", str(self.hub.folder), gateway.name, "--site", "hall")
        return self.hub.program

    def _made_gateway(self, number: int) -> ChainGateway:
        name = f"gw-{number + 1}"
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        write_counter(folder)
        units = self.units_of(number)
        told = _GATEWAY.format(name=name, mode=MODE, broker=self.lines[GATEWAY_BROKER].port)
        told += _TCP_BUS.format(port=self.field.tcp_port)
        told += _RTU_BUS.format(port=self.field.port) if number == 0 and self.plan.rtu_units else ""
        told += "devices:\n"
        for device in units:
            kind, _, unit = device.partition("-")
            bus = "lan" if kind == "tcp" else "line"
            told += _DEVICE.format(name=device, bus=bus, unit=unit, every_s=self.plan.every_s)
        config = folder / "gateway.yaml"
        config.write_text(told)
        program = Program([sys.executable, "-m", "edge", "run", str(config)], folder / "run.log", ROOT)
        return ChainGateway(name=name, program=program, door=folder / "state" / "control.sock", units=units)


def _kind(process: str) -> str:
    return "gateway" if process.startswith("gw-") else process
