"""A real Mosquitto that keeps nothing, open to everybody on loopback."""

from pathlib import Path

from tests.support.processes import Program, wait_until

_CONFIGURATION = """\
user root
listener {port} 127.0.0.1
allow_anonymous {anonymous}
persistence false
set_tcp_nodelay true
max_queued_messages 10000
log_dest stderr
{more}
"""


def mosquitto(program: str, folder: Path, port: int, *, anonymous: bool = True, more: str = "") -> Program:
    """The broker, not yet started."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "mosquitto.conf"
    file.write_text(_CONFIGURATION.format(port=port, anonymous=str(anonymous).lower(), more=more))
    return Program([program, "-c", str(file)], log=folder / "mosquitto.log", cwd=folder)


def start(broker: Program) -> None:
    """Start it, and wait until it takes connections."""
    broker.log.unlink(missing_ok=True)
    broker.start()
    wait_until("mosquitto runs", lambda: broker.log.exists() and b" running" in broker.log.read_bytes(), within_s=10)
