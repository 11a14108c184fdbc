"""What any test may ask for: the recorded device data, free ports, and real programs."""

import os
import random
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import settings

from tests.support.postgres import PostgresServer, find_postgres, postgres

ROOT = Path(__file__).resolve().parent.parent
_SAID = "said"
_PORTS = range(20_000, 32_000)

# A busy machine makes any example slow, and a slow example breaks no promise: time is measured in bench/. What fails is
# printed so that it can be repeated elsewhere.
settings.register_profile("sen", deadline=None, print_blob=True)
settings.load_profile("sen")


@pytest.fixture(scope="session")
def recorded_data() -> Path:
    """The folder with recorded device bytes and series, named by SEN_RECORDED_DATA or beside the checkout."""
    named = os.environ.get("SEN_RECORDED_DATA")
    folder = Path(named) if named else ROOT.parent / "shared" / "data"
    if not (folder / "device-bytes").is_dir():
        pytest.skip(f"recorded data not found at {folder}: set SEN_RECORDED_DATA to the folder holding device-bytes/")
    return folder


@pytest.fixture
def free_port() -> Callable[[], int]:
    """A free TCP port on loopback, below those that the system lends to outgoing connections: it stays free."""

    def take() -> int:
        for port in random.sample(_PORTS, 100):
            with socket.socket() as probe, suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return port
        raise AssertionError("no port is free")

    return take


@pytest.fixture(scope="session")
def real_program() -> Callable[[str], str]:
    """The path of an installed program; the test is skipped where it is absent, unless SEN_REQUIRE_REAL is set."""

    def find(name: str) -> str:
        path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
        if path is None:
            if os.environ.get("SEN_REQUIRE_REAL"):
                pytest.fail(f"{name} is not installed, and SEN_REQUIRE_REAL asks for it: run `make setup`")
            pytest.skip(f"{name} is not installed: run `make setup`")
        return path

    return find


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A real PostgreSQL, started when first asked for; skipped where absent, unless SEN_REQUIRE_REAL is set."""
    programs = find_postgres()
    if programs is None:
        if os.environ.get("SEN_REQUIRE_REAL"):
            pytest.fail("postgresql is not installed, and SEN_REQUIRE_REAL asks for it: run `make setup`")
        pytest.skip("postgresql is not installed: run `make setup`")
    with postgres(programs) as server:
        yield server


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.real)])
def registry_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty registry database, on every kind there is."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres_server").new_database())
    return f"sqlite+aiosqlite:///{tmp_path / 'registry.sqlite'}"


@pytest.fixture
def say(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Say a test's figures: they stand at the end of the run, whether it passed or not."""
    return lambda told: record_property(_SAID, told)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what the tests have said."""
    reports = [one for kind in ("passed", "failed") for one in terminalreporter.getreports(kind) if one.when == "call"]
    said = [(one.nodeid, told) for one in reports for key, told in one.user_properties if key == _SAID]
    if said:
        terminalreporter.section("figures")
    for test, told in said:
        terminalreporter.line(f"{test}\n  {told}")
