"""The serial ports of this machine: their lasting names, who may open them, and who has them open."""

import grp
import os
import pwd
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_BY_ID: Final = "serial/by-id"
_PATTERNS: Final = ("ttyUSB*", "ttyACM*", "ttyAMA*", "ttySC*", "ttyXR*", "ttyS*", "rfcomm*")
_UART_TYPE: Final = "sys/class/tty/{name}/type"  # the kernel makes ttyS0 to ttyS3 where there is no chip: type 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A program that has a port open."""

    pid: int
    program: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PortFacts:
    """One port: `name` is the lasting one where there is one, `device` where it leads now.

    `may_open` is about this user; `owners` is who may: user, group and their rights as `ls` shows them.
    """

    name: str
    device: str
    exists: bool
    may_open: bool
    owners: str
    holders: tuple[Holder, ...]


def serial_ports(root: Path = Path("/")) -> list[PortFacts]:
    """Every serial port, those with a lasting name by that name.

    Args:
        root: where /dev, /proc and /sys are; others than / are for tests.
    """
    dev = root / "dev"
    named = {link.resolve(): link for link in sorted((dev / _BY_ID).glob("*"))}
    others = [path for pattern in _PATTERNS for path in sorted(dev.glob(pattern)) if _is_there(path, root)]
    names = [*named.values(), *(path for path in others if path.resolve() not in named)]
    return [port_facts(str(name), root) for name in names]


def port_facts(name: str, root: Path = Path("/")) -> PortFacts:
    """What there is to know of one port without opening it."""
    path = Path(name)
    device = path.resolve()
    exists = path.exists()
    return PortFacts(
        name=name,
        device=str(device),
        exists=exists,
        may_open=exists and os.access(path, os.R_OK | os.W_OK),
        owners=_owners(path) if exists else "",
        holders=tuple(_holders(device, root)) if exists else (),
    )


def _is_there(path: Path, root: Path) -> bool:
    kind = root / _UART_TYPE.format(name=path.name)
    try:
        return kind.read_text().strip() != "0"
    except OSError:
        return True


def _owners(path: Path) -> str:
    found = path.stat()
    try:
        user = pwd.getpwuid(found.st_uid).pw_name
    except KeyError:
        user = str(found.st_uid)
    try:
        group = grp.getgrgid(found.st_gid).gr_name
    except KeyError:
        group = str(found.st_gid)
    return f"user {user}, group {group}, mode {found.st_mode & 0o777:03o}"


def _holders(device: Path, root: Path) -> Iterator[Holder]:
    """Who has it open, as far as this user may see."""
    for process in sorted((root / "proc").glob("[0-9]*")):
        try:
            links = [link.readlink() for link in (process / "fd").iterdir()]
            program = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:
            continue
        if device in links and int(process.name) != os.getpid():
            yield Holder(pid=int(process.name), program=program)
