"""A gateway file and its profiles, checked: everything wrong with them at once, or what the agent needs as JSON.

A process of its own (`python -m edge.configure FILE`), because checking needs libraries that the resident agent
must not carry. Exit code 0 with JSON on standard output, or 1 with the faults on standard error.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from device_profiles.compiled import plain_of
from device_profiles.fault_words import Broken, closest, shown
from device_profiles.faults import Fault, FileFaults, read_document
from device_profiles.library import LibraryError, load_profile, profile_paths, read_text
from device_profiles.model import DeviceProfile
from device_profiles.serial_model import SerialDevice, SerialMode
from device_profiles.yaml_tree import Path as KeyPath
from device_profiles.yaml_tree import Tree, YamlTree, read_tree
from edge.config import BusKind, CheckedGateway, GatewayConfig
from edge.control import ControlError, socket_path
from wire.errors import WireError
from wire.identifiers import check_identifier
from wire.records import Mode

_MODES: Final = (Mode.LIVE, Mode.SIMULATED, Mode.EXERCISE)
_LINE_KEYS: Final = ("port", "baud", "parity", "stop_bits")
_LINK_KEYS: Final = ("host", "tcp_port")
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
    profiles = _Profiles(folder / "profiles")

    def rules(tree: YamlTree) -> Iterator[Broken]:
        yield from _text_rules((), tree.value)
        yield from _name_rules(tree)
        yield from _mode_rules(tree)
        yield from _state_rules(tree, folder)
        yield from _hub_rules(tree, folder)
        yield from _bus_rules(tree)
        yield from _device_rules(tree, profiles)
        yield from _line_rules(tree, profiles)

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


class _Profiles:
    """The profiles a gateway file names, each read once."""

    def __init__(self, beside: Path) -> None:
        self._folders = [beside] if beside.is_dir() else []
        self.names = profile_paths(self._folders)
        self.good: dict[str, DeviceProfile] = {}
        self.faults: list[Fault] = []
        self._bad: set[str] = set()

    def get(self, name: str) -> DeviceProfile | None:
        """The profile, or None where it is bad; its faults are kept."""
        if name not in self.good and name not in self._bad:
            faults = self._read(name)
            if faults:
                self._bad.add(name)
                self.faults.extend(faults)
        return self.good.get(name)

    def _read(self, name: str) -> tuple[Fault, ...]:
        """Keep the profile; its faults where it has any."""
        file = self.names[name]
        try:
            profile = load_profile(name, self._folders)
        except FileFaults as faults:
            return faults.faults
        except LibraryError as error:
            found = f"what cannot be read ({error.__cause__})"
            return (Fault(file=str(file), line=1, where="", found=found, expected="a profile"),)
        if profile.profile != name:
            line = read_tree(read_text(file)).line_of(("profile",))
            expected = f"{name!r}, as the file's path says"
            return (Fault(file=str(file), line=line, where="profile", found=repr(profile.profile), expected=expected),)
        self.good[name] = profile
        return ()


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
        kind = _kind_of(bus)
        if kind is None:
            continue
        needed, foreign = ("port", _LINK_KEYS) if kind.is_port else ("host", _LINE_KEYS[:1])
        if kind != BusKind.MODBUS_TCP:
            foreign = (*foreign, "in_flight")
        if bus.get(needed) is None:
            yield Broken(path=path, found=f"kind {kind} without {needed}", expected=f"{needed} beside it")
        for key in foreign:
            if bus.get(key) is not None:
                yield Broken(path=(*path, key), found=f"{key} with kind {kind}", expected=f"no {key} for this kind")
    yield from _shared_ports(tree)


def _kind_of(bus: Mapping[str, Tree]) -> BusKind | None:
    """The kind of a bus; None where it is none, which the types tell."""
    kind = bus.get("kind")
    return BusKind(kind) if isinstance(kind, str) and kind in set(BusKind) else None


def _shared_ports(tree: YamlTree) -> Iterator[Broken]:
    """A line has one master: a serial port, and what a serial device server serves, belong to one bus."""
    seen: dict[str, Tree] = {}
    for path, bus in tree.mappings("buses"):
        is_server = bus.get("kind") == BusKind.MODBUS_RTU_OVER_TCP
        key = "host" if is_server else "port"
        if not isinstance(bus.get(key), str):
            continue
        place = f"{bus['host']}:{bus.get('tcp_port', _DEFAULT_TCP_PORT)}" if is_server else str(bus["port"])
        if place in seen:
            found = f"{place!r}, which is bus {seen[place]}"
            yield Broken(path=(*path, key), found=found, expected="one bus a port")
        seen.setdefault(place, bus.get("bus"))


def _device_rules(tree: YamlTree, profiles: _Profiles) -> Iterator[Broken]:
    buses = {bus["bus"]: bus for _, bus in tree.mappings("buses") if isinstance(bus.get("bus"), str)}
    taken: dict[tuple[Tree, Tree], Tree] = {}
    occupied: dict[Tree, tuple[Tree, bool]] = {}
    for path, device in tree.mappings("devices"):
        at = device.get("bus")
        bus = buses.get(at) if isinstance(at, str) else None
        if isinstance(at, str) and bus is None:
            names = [str(name) for name in buses]
            expected = f"one of {', '.join(names)}" + closest(at, names)
            yield Broken(path=(*path, "bus"), found=shown(at), expected=expected)
        name = device.get("profile")
        if not isinstance(name, str):
            continue
        if name not in profiles.names:
            expected = "a profile of the library or of profiles/ beside this file" + closest(name, profiles.names)
            yield Broken(path=(*path, "profile"), found=shown(name), expected=expected)
            continue
        profile = profiles.get(name)
        if profile is not None:
            yield from _period_rules(path, device, profile)
            if bus is not None and (kind := _kind_of(bus)) is not None:
                yield from _fit_rules(path, device, kind, profile)
                yield from _address_rules(path, device, profile, taken, occupied)


def _line_rules(tree: YamlTree, profiles: _Profiles) -> Iterator[Broken]:
    """Devices that leave the factory with different line settings need those of the bus to be said."""
    for path, bus in tree.mappings("buses"):
        names = [
            str(device.get("profile")) for _, device in tree.mappings("devices") if device.get("bus") == bus.get("bus")
        ]
        lines = {name: profile.line for name in names if name in profiles.names and (profile := profiles.get(name))}
        for key in ("baud", "parity", "stop_bits"):
            settings = {name: getattr(line, key) for name, line in lines.items()}
            if (
                _kind_of(bus) in {BusKind.MODBUS_RTU, BusKind.SERIAL}
                and bus.get(key) is None
                and len(set(settings.values())) > 1
            ):
                said = ", ".join(f"{name} {setting}" for name, setting in settings.items())
                yield Broken(
                    path=path, found=f"no {key} for devices that differ: {said}", expected=f"{key}, and all set to it"
                )


def _period_rules(path: KeyPath, device: Mapping[str, Tree], profile: DeviceProfile) -> Iterator[Broken]:
    groups = [group.name for group in profile.groups]
    every_s = device.get("every_s")
    for name in every_s if isinstance(every_s, dict) else ():
        if name not in groups:
            expected = f"a group of {profile.profile}: {', '.join(groups)}"
            yield Broken(path=(*path, "every_s", name), found=shown(name), expected=expected)


def _fit_rules(path: KeyPath, device: Mapping[str, Tree], kind: BusKind, profile: DeviceProfile) -> Iterator[Broken]:
    if kind.is_modbus != (profile.modbus is not None):
        speaks = "Modbus" if profile.modbus is not None else "a serial protocol of its own"
        yield Broken(
            path=(*path, "bus"),
            found=f"bus {device['bus']} of kind {kind} for {profile.profile}, which speaks {speaks}",
            expected="a Modbus bus" if profile.modbus is not None else "a bus of kind serial",
        )


def _address_rules(
    path: KeyPath,
    device: Mapping[str, Tree],
    profile: DeviceProfile,
    taken: dict[tuple[Tree, Tree], Tree],
    occupied: dict[Tree, tuple[Tree, bool]],
) -> Iterator[Broken]:
    name = device.get("device")
    unit = device.get("unit")
    if profile.serial is not None:
        yield from _serial_unit_rules(path, device, profile.serial)
        other = occupied.get(device["bus"])
        if other is not None and not (other[1] and _is_asked_by_address(profile.serial)):
            found = f"bus {device['bus']}, which {other[0]} is on"
            expected = "one device on a serial line, or only such as are asked by their addresses"
            yield Broken(path=(*path, "bus"), found=found, expected=expected)
        occupied[device["bus"]] = name, _is_asked_by_address(profile.serial)
    elif profile.modbus is not None and unit is None:
        unit = profile.modbus.unit
    if unit is not None and not isinstance(unit, int):
        return
    if unit is None and profile.serial is not None:
        return
    if unit is None:
        yield Broken(path=path, found="no unit", expected=f"unit: the address set on the device ({profile.profile})")
    elif (device["bus"], unit) in taken:
        found = f"unit {unit}, which is {taken[device['bus'], unit]} on bus {device['bus']}"
        yield Broken(path=(*path, "unit"), found=found, expected="an address of its own")
    taken[device["bus"], unit] = name


def _is_asked_by_address(serial: SerialDevice) -> bool:
    return any(group.request is not None and group.request.address is not None for group in serial.groups)


def _serial_unit_rules(path: KeyPath, device: Mapping[str, Tree], serial: SerialDevice) -> Iterator[Broken]:
    """A unit address stands where the device is asked by one, and nowhere else."""
    is_asked_by_it = _is_asked_by_address(serial)
    if device.get("unit") is None and is_asked_by_it:
        yield Broken(path=path, found="no unit", expected="unit: the address set on the device, it is asked by it")
    elif device.get("unit") is not None and not is_asked_by_it:
        sends = serial.mode is SerialMode.STREAM
        why = "this device sends by itself" if sends else "this device is asked without an address"
        yield Broken(path=(*path, "unit"), found="a unit address", expected=f"none: {why}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
