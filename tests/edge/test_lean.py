"""What stays resident on a small computer carries nothing that only checking files or typing commands needs."""

import json
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from device_profiles.compiled import plain_of
from edge.configure import checked_gateway
from tests.support.counting_field import CountingField, CountingUnit
from tests.support.edge_files import COUNTER, ROOT, GatewayFile, sen_edge, start_agent
from tests.support.processes import wait_until

HEAVY = (
    "pydantic",
    "pydantic_core",
    "ruamel",
    "typer",
    "click",
    "rich",
    "fastapi",
    "numpy",
    "pymodbus",
    "httpx",
    "sqlalchemy",
)
# A process that has imported the agent takes 34 MB on 64-bit Linux with Python 3.11; a running one is to keep below 40.
MAX_IMPORTED_MB = 38.0
MAX_RUNNING_MB = 40.0


def printed_after_import(module: str, expression: str) -> str:
    program = f"import sys\nimport {module}\nprint({expression})"
    return subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()


@pytest.mark.parametrize("module", ["edge.app", "edge.__main__"])
def test_the_agent_loads_no_authoring_hub_or_command_line_library(module: str) -> None:
    loaded = printed_after_import(module, "' '.join(sys.modules)").split()
    assert sorted({name.split(".")[0] for name in loaded} & set(HEAVY)) == []


def test_the_agent_s_imports_leave_room_below_40_mb() -> None:
    pages = "int(open('/proc/self/statm').read().split()[1])"
    memory_mb = printed_after_import("edge.app", f"{pages} * __import__('os').sysconf('SC_PAGE_SIZE') / 1e6")
    assert float(memory_mb) < MAX_IMPORTED_MB


def field_file(folder: Path, field: CountingField) -> Path:
    """A gateway with a Modbus device on a serial line, one on a network, and a receiver that is not plugged in."""
    return GatewayFile(
        folder=folder,
        buses=[
            f"bus: line, kind: modbus-rtu, port: {field.port}",
            f"bus: lan, kind: modbus-tcp, host: 127.0.0.1, tcp_port: {field.tcp_port}",
            f"bus: gps, kind: serial, port: {folder}/none",
        ],
        devices=[
            f"device: rtu-1, bus: line, profile: {COUNTER}, unit: 1",
            f"device: tcp-1, bus: lan, profile: {COUNTER}, unit: 1",
            "device: gps-1, bus: gps, profile: nmea/gnss",
        ],
    ).write()


def test_what_was_checked_is_loaded_without_what_checked_it(tmp_path: Path) -> None:
    compiled = tmp_path / "compiled.json"
    with CountingField(rtu_units={}, tcp_units={}) as field:
        compiled.write_text(json.dumps(plain_of(checked_gateway(field_file(tmp_path, field)))))
    load = f"edge.app.plain_to(edge.app.CheckedGateway, edge.app.json.loads(open({str(compiled)!r}).read()))"
    loaded = printed_after_import("edge.app", f"({load}, ' '.join(sys.modules))[1]").split()
    assert sorted({name.split(".")[0] for name in loaded} & set(HEAVY)) == []


@pytest.mark.skipif(
    (platform.system(), platform.machine()) != ("Linux", "x86_64"), reason="the bound is of 64-bit Linux on Intel"
)
def test_a_running_agent_keeps_below_40_mb(tmp_path: Path) -> None:
    with CountingField(rtu_units={1: CountingUnit()}, tcp_units={1: CountingUnit()}) as field:
        config = field_file(tmp_path, field)
        agent = start_agent(config)
        try:
            wait_until("it has read for a while", lambda: field.rtu_units[1].answers >= 15, within_s=30)
            assert sen_edge("status", str(config)).code == 0
            assert agent.process is not None
            status = Path(f"/proc/{agent.process.pid}/status").read_text()
        finally:
            assert agent.stop(within_s=10) == 0
    (resident,) = (line for line in status.splitlines() if line.startswith("VmRSS:"))
    memory_mb = int(resident.split()[1]) * 1024 / 1e6
    print(f"a running agent with three devices takes {memory_mb:.1f} MB")
    assert memory_mb < MAX_RUNNING_MB
