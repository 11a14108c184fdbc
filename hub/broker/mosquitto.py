"""Debian's Mosquitto as a child of the hub, with a configuration of ours."""

import shutil
from pathlib import Path
from typing import Final

from hub.broker.base import HUB_USERNAME, Listener
from hub.broker.child import USERS_FILE, Program

_SBIN: Final = "/usr/sbin:/usr/local/sbin"  # not in everybody's PATH
_CONFIGURATION: Final = "mosquitto.conf"
_ACL: Final = f"""\
pattern write sen/1/up/%u/#
pattern read sen/1/dn/%u/#
user {HUB_USERNAME}
topic readwrite #
"""


def find_mosquitto() -> str | None:
    """The program's path, None where it is not installed."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path=_SBIN)


def mosquitto_program(listener: Listener, folder: Path) -> Program:
    """Mosquitto in `folder`."""
    return Program(
        name="mosquitto",
        argv=(find_mosquitto() or "mosquitto", "-c", str(folder / _CONFIGURATION)),
        files={_CONFIGURATION: configuration(listener, folder), "acl": _ACL},
        marker=str(folder / _CONFIGURATION),
    )


def configuration(listener: Listener, folder: Path) -> str:
    """The configuration file, mosquitto.conf(5).

    Nothing is kept on disk: what a broker forgets, gateways send again, for only the hub's commit lets them forget.
    """
    lines = [
        "user root",  # only root heeds it: it would change to a user who cannot read our files
        "allow_anonymous false",
        f"password_file {folder / USERS_FILE}",
        f"acl_file {folder / 'acl'}",
        "persistence false",
        # Off by default, and worth a factor of six for small QoS 1 messages.
        "set_tcp_nodelay true",
        "max_inflight_messages 1000",
        "max_queued_messages 10000",
        "message_size_limit 262144",
        "connection_messages false",
        "log_dest stderr",
        "log_type error",
        "log_type warning",
        f"listener {listener.port} {listener.host}",
    ]
    if listener.tls:
        lines += [
            f"listener {listener.tls.port} {listener.host}",
            f"certfile {listener.tls.certificate_file}",
            f"keyfile {listener.tls.key_file}",
            "tls_version tlsv1.2",
        ]
    return "".join(f"{line}\n" for line in lines)
