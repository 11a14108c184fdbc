"""A gateway file and its profiles, checked: everything wrong with them at once, or what the agent needs as JSON.

A process of its own (`python -m edge.configure FILE`), because checking needs libraries that the resident agent
must not carry. Exit code 0 with JSON on standard output, or 1 with the faults on standard error.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from device_profiles.compiled import plain_of
from device_profiles.fault_words import Broken, shown
from device_profiles.faults import FileFaults, read_document
from device_profiles.yaml_tree import Path as KeyPath
from device_profiles.yaml_tree import Tree, YamlTree
from edge.config import BusKind, CheckedGateway, GatewayConfig
from edge.control import ControlError, socket_path
from edge.device_rules import device_rules, kind_of, line_rules
from edge.load_rules import load_rules
from edge.named_profiles import NamedProfiles
from wire.errors import WireError
from wire.identifiers import check_identifier
from wire.records import Mode

_MODES: Final = (Mode.LIVE, Mode.SIMULATED, Mode.EXERCISE)
_LINE_KEYS: Final = ("port", "baud", "parity", "stop_bits")
_LINK_KEYS: Final = ("host", "tcp_port")
_SERVED: Final = (BusKind.MODBUS_RTU_OVER_TCP, BusKind.SERIAL_OVER_TCP)  # a line behind a serial device server
_DEFAULT_TCP_PORT: Final = 502


def checked_gateway(path: Path) -> CheckedGateway:
    """The gateway that a file describes.

    Raises:
        FileFaults: every fault of the file and of the profiles it names, each with its line.
        OSError: the file cannot be read.
        UnicodeDecodeError: the file is no text.
    """
    text = path.read_text(encoding="utf-8")
    folder = path.resolve().parent
    profiles = NamedProfiles(folder / "profiles")

    def rules(tree: YamlTree) -> Iterator[Broken]:
        yield from _text_rules((), tree.value)
        yield from _name_rules(tree)
        yield from _mode_rules(tree)
        yield from _state_rules(tree, folder)
        yield from _hub_rules(tree, folder)
        yield from _bus_rules(tree)
        yield from device_rules(tree, profiles)
        yield from line_rules(tree, profiles)
        yield from load_rules(tree, profiles)

    try:
        config = read_document(text, str(path), GatewayConfig, rules=rules)
    except FileFaults as faults:
        raise FileFaults((*faults.faults, *profiles.faults)) from None
    if profiles.faults:
        raise FileFaults(profiles.faults)
    return CheckedGateway(folder=str(folder), config=config, profiles=profiles.good)


def main(arguments: list[str]) -> int:
    """Check one file; see the module."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m edge.configure FILE\n")
        return 2
    (file,) = arguments
    try:
        checked = checked_gateway(Path(file))
    except FileFaults as faults:
        sys.stderr.write(f"{faults}\n{len(faults.faults)} fault(s)\n")
        return 1
    except UnicodeDecodeError as error:
        sys.stderr.write(f"{file}: not UTF-8 text (at byte {error.start}); `docs/gateway.md` shows a gateway file\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"{file}: {error.strerror or error}; `docs/gateway.md` shows a gateway file\n")
        return 1
    sys.stdout.write(json.dumps(plain_of(checked)))
    return 0


def _text_rules(path: KeyPath, value: Tree) -> Iterator[Broken]:
    """Names of files, hosts and users can be written down: no control characters, no halves of characters."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _text_rules((*path, key), item)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _text_rules((*path, index), item)
    elif isinstance(value, str) and value and not value.isprintable():
        yield Broken(path=path, found=shown(value), expected="text that can be printed")


def _name_rules(tree: YamlTree) -> Iterator[Broken]:
    for path, name in _names(tree):
        if isinstance(name, str) and name:
            try:
                check_identifier(name, what=str(path[-1]))
            except WireError:
                yield Broken(
                    path=path, found=repr(name), expected="1 to 63 of a-z 0-9 _ - with a letter or digit at both ends"
                )
    for kind, key in (("buses", "bus"), ("devices", "device")):
        seen: set[Tree] = set()
        for path, item in tree.mappings(kind):
            name = item.get(key)
            if isinstance(name, str) and name in seen:
                yield Broken(path=(*path, key), found=f"{name!r} a second time", expected="a name of its own")
            if isinstance(name, str):
                seen.add(name)


def _mode_rules(tree: YamlTree) -> Iterator[Broken]:
    mode = tree.at(("mode",))
    if isinstance(mode, str) and mode in set(Mode) and mode not in _MODES:
        yield Broken(path=("mode",), found=str(mode), expected=f"{', '.join(_MODES)}: a gateway makes no other data")


def _state_rules(tree: YamlTree, folder: Path) -> Iterator[Broken]:
    name = tree.at(("state_dir",))
    try:
        socket_path(folder / (name if isinstance(name, str) else "state"))
    except ControlError as error:
        yield Broken(path=("state_dir",), found=str(error), expected="a shorter path")
    except UnicodeEncodeError:
        return  # no text that can be printed, and told as such


def _names(tree: YamlTree) -> Iterator[tuple[KeyPath, Tree]]:
    for key in ("gateway", "site"):
        yield (key,), tree.at((key,))
    for path, bus in tree.mappings("buses"):
        yield (*path, "bus"), bus.get("bus")
    for path, device in tree.mappings("devices"):
        yield (*path, "device"), device.get("device")
        yield (*path, "site"), device.get("site")


def _hub_rules(tree: YamlTree, folder: Path) -> Iterator[Broken]:
    broker = tree.at(("hub", "broker"))
    if isinstance(broker, str) and not _is_broker(broker):
        yield Broken(path=("hub", "broker"), found=shown(broker), expected="mqtt://host[:port] or mqtts://host[:port]")
    for key in ("password_file", "ca_file"):
        name = tree.at(("hub", key))
        if isinstance(name, str) and name and not (folder / name).is_file():
            yield Broken(
                path=("hub", key), found=f"{name!r}, which is not there", expected="a file, relative to this one"
            )
    username, password = tree.at(("hub", "username")), tree.at(("hub", "password_file"))
    if (username is None) != (password is None):
        yield Broken(path=("hub",), found="one of username and password_file", expected="both, or neither")


def _is_broker(url: str) -> bool:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    is_bare = not (parts.username or parts.path.strip("/") or parts.query or parts.fragment)
    return parts.scheme in {"mqtt", "mqtts"} and _is_host(parts.hostname or "") and port != 0 and is_bare


def _is_host(name: str) -> bool:
    """Whether it can be looked up at all; the resolver is not asked."""
    try:
        name.encode("idna")
    except UnicodeError:
        return False
    return bool(name) and not any(letter.isspace() or letter in "/@" for letter in name)


def _bus_rules(tree: YamlTree) -> Iterator[Broken]:
    for path, bus in tree.mappings("buses"):
        host = bus.get("host")
        if isinstance(host, str) and host and not _is_host(host):
            yield Broken(path=(*path, "host"), found=shown(host), expected="an address, or a name the network knows")
        kind = kind_of(bus)
        if kind is None:
            continue
        needed, foreign = _keys_of(kind)
        for key in needed:
            if bus.get(key) is None:
                yield Broken(path=path, found=f"kind {kind} without {key}", expected=f"{key} beside it")
        for key in foreign:
            if bus.get(key) is not None:
                yield Broken(path=(*path, key), found=f"{key} with kind {kind}", expected=f"no {key} for this kind")
    yield from _shared_ports(tree)


def _keys_of(kind: BusKind) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The keys that a bus of this kind must have, and those that it may not."""
    match kind:
        case BusKind.MODBUS_RTU | BusKind.SERIAL:
            return _LINE_KEYS[:1], (*_LINK_KEYS, "in_flight")
        case BusKind.SERIAL_OVER_TCP:  # of which no TCP port is the usual one
            return _LINK_KEYS, (*_LINE_KEYS[:1], "in_flight")
        case BusKind.MODBUS_RTU_OVER_TCP:
            return _LINK_KEYS[:1], (*_LINE_KEYS[:1], "in_flight")
        case BusKind.MODBUS_TCP:
            return _LINK_KEYS[:1], _LINE_KEYS[:1]


def _shared_ports(tree: YamlTree) -> Iterator[Broken]:
    """A line has one master: a serial port, and what a serial device server serves, belong to one bus."""
    seen: dict[str, Tree] = {}
    for path, bus in tree.mappings("buses"):
        is_server = kind_of(bus) in _SERVED
        key = "host" if is_server else "port"
        if not isinstance(bus.get(key), str):
            continue
        place = f"{bus['host']}:{bus.get('tcp_port', _DEFAULT_TCP_PORT)}" if is_server else str(bus["port"])
        if place in seen:
            found = f"{place!r}, which is bus {seen[place]}"
            yield Broken(path=(*path, key), found=found, expected="one bus a port")
        seen.setdefault(place, bus.get("bus"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
