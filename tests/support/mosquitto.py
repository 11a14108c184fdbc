"""A real Mosquitto on loopback, open to everybody and keeping nothing unless it is said otherwise."""

from pathlib import Path

from tests.support.processes import Program, wait_until

_CONFIGURATION = """\
user root
listener {port} 127.0.0.1
allow_anonymous {anonymous}
persistence {keeps}
set_tcp_nodelay true
max_queued_messages 10000
log_dest stderr
{more}
"""


_KEEPING = """\
persistence_location {folder}/
autosave_interval 1
"""
_KEPT = "mosquitto.db"


def mosquitto(
    program: str, folder: Path, port: int, *, anonymous: bool = True, keeps: bool = False, more: str = ""
) -> Program:
    """The broker, not yet started; one that `keeps` saves sessions and messages every second."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "mosquitto.conf"
    more += _KEEPING.format(folder=folder) if keeps else ""
    file.write_text(
        _CONFIGURATION.format(port=port, anonymous=str(anonymous).lower(), keeps=str(keeps).lower(), more=more)
    )
    return Program([program, "-c", str(file)], log=folder / "mosquitto.log", cwd=folder)


def start(broker: Program) -> None:
    """Start it, and wait until it takes connections."""
    broker.log.unlink(missing_ok=True)
    broker.start()
    wait_until("mosquitto runs", lambda: broker.log.exists() and b" running" in broker.log.read_bytes(), within_s=10)


def forget(broker: Program) -> None:
    """Take from a broker that has ended all it has kept."""
    (broker.cwd / _KEPT).unlink(missing_ok=True)
