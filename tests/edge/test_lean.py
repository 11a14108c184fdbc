"""What stays resident on a small computer carries nothing that only checking files or typing commands needs."""

import subprocess
import sys

import pytest

from tests.support.edge_files import ROOT

HEAVY = ("pydantic", "pydantic_core", "ruamel", "typer", "click", "rich", "fastapi", "numpy", "pymodbus", "httpx")
# A process that has imported the agent takes 34 MB on 64-bit Linux with Python 3.11; a running one is to keep below 40.
MAX_IMPORTED_MB = 38.0


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
