"""The facts of the gateway's machine: its clock, its disk, and whether the broker can be reached."""

import asyncio
import getpass
import os
import shutil
from pathlib import Path
from typing import Final

_REACH_S: Final = 3.0
_TIMESYNC: Final = Path("/run/systemd/timesync")


async def reached(host: str, port: int) -> str | None:
    """None where somebody listens there; else why not, for a person."""
    try:
        async with asyncio.timeout(_REACH_S):
            _, writer = await asyncio.open_connection(host, port)
    except TimeoutError:
        return f"no connection within {_REACH_S:g} s"
    except ConnectionRefusedError:
        return "the host is there, but no broker listens"
    except OSError as error:
        return f"{error.strerror or error}"
    writer.transport.abort()
    return None


def is_synchronised(folder: Path = _TIMESYNC) -> bool | None:
    """Whether a time server has set the clock; None where nothing here tells."""
    return (folder / "synchronized").exists() if folder.is_dir() else None


def free_bytes(folder: Path) -> int:
    """How much room there is where this folder is, or will be."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def user_name() -> str:
    """Who runs this program."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
