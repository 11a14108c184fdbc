"""The broker that needs nothing installed: amqtt in a process of its own, for trying Sen out and for small sites.

A process of its own because then it dies, restarts and is measured alone, and its words stay out of the hub's log.
It speaks MQTT 3.1.1 and keeps nothing on disk; Mosquitto takes about ten times its load.
"""

import json
import sys
from pathlib import Path
from typing import Final

from hub.broker.base import Listener
from hub.broker.child import USERS_FILE, Program

_CONFIGURATION: Final = "embedded.json"


def embedded_program(listener: Listener, folder: Path) -> Program:
    """The embedded broker in `folder`."""
    return Program(
        name="embedded",
        argv=(sys.executable, "-m", "hub.broker.embedded_process", str(folder / _CONFIGURATION)),
        files={_CONFIGURATION: json.dumps(_configuration(listener, folder), indent=1)},
        marker=str(folder / _CONFIGURATION),
    )


def _configuration(listener: Listener, folder: Path) -> dict[str, object]:
    """What amqtt reads; its one plug-in of ours says who may connect and what they may do."""
    listeners: dict[str, dict[str, object]] = {"default": {"type": "tcp", "bind": _bind(listener.host, listener.port)}}
    if listener.tls:
        listeners["tls"] = {
            "type": "tcp",
            "bind": _bind(listener.host, listener.tls.port),
            "ssl": True,
            "certfile": str(listener.tls.certificate_file),
            "keyfile": str(listener.tls.key_file),
        }
    gatekeeper = {"users_file": str(folder / USERS_FILE)}
    return {"listeners": listeners, "plugins": {"hub.broker.embedded_process.Gatekeeper": gatekeeper}}


def _bind(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
