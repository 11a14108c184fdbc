"""What the devices of a gateway file must be besides well typed: on a bus that fits, told apart, as profiles ask."""

from collections.abc import Iterator, Mapping

from device_profiles.derive import parameters_of
from device_profiles.fault_words import Broken, closest, shown
from device_profiles.model import DeviceProfile
from device_profiles.serial_model import SerialDevice, SerialMode
from device_profiles.wrapping import wrap_limits
from device_profiles.yaml_tree import Path as KeyPath
from device_profiles.yaml_tree import Tree, YamlTree
from edge.config import BusKind
from edge.named_profiles import NamedProfiles
from wire.quantities import QuantityKind, quantity


def kind_of(bus: Mapping[str, Tree]) -> BusKind | None:
    """The kind of a bus; None where it is none, which the types tell."""
    kind = bus.get("kind")
    return BusKind(kind) if isinstance(kind, str) and kind in set(BusKind) else None


def device_rules(tree: YamlTree, profiles: NamedProfiles) -> Iterator[Broken]:
    """Each device fits its bus and its profile, and has an address of its own."""
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
            yield from _parameter_rules(path, device, profile)
            yield from _control_rules(path, device, profile)
            yield from _point_rules(path, device, profile)
            if bus is not None and (kind := kind_of(bus)) is not None:
                yield from _fit_rules(path, device, kind, profile)
                yield from _address_rules(path, device, profile, taken, occupied)


def line_rules(tree: YamlTree, profiles: NamedProfiles) -> Iterator[Broken]:
    """Devices that leave the factory with different line settings need those of the bus to be said."""
    for path, bus in tree.mappings("buses"):
        names = [
            str(device.get("profile")) for _, device in tree.mappings("devices") if device.get("bus") == bus.get("bus")
        ]
        lines = {name: profile.line for name in names if name in profiles.names and (profile := profiles.get(name))}
        for key in ("baud", "parity", "stop_bits"):
            settings = {name: getattr(line, key) for name, line in lines.items()}
            if (
                kind_of(bus) in {BusKind.MODBUS_RTU, BusKind.SERIAL}
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
    limits = wrap_limits(profile)
    for name, said in every_s.items() if isinstance(every_s, dict) else ():
        limit = limits.get(name)
        if limit is not None and isinstance(said, int | float) and not limit.is_held_by(said):
            expected = f"less than {limit.fastest_wrap_s:g}, or counts are lost unseen"
            yield Broken(path=(*path, "every_s", name), found=limit.arithmetic(said), expected=expected)


def _parameter_rules(path: KeyPath, device: Mapping[str, Tree], profile: DeviceProfile) -> Iterator[Broken]:
    """Every number that the profile asks for, and no other."""
    said, asked = device.get("parameters"), parameters_of(profile)
    names = list(said) if isinstance(said, dict) else []
    for name in asked:
        if name not in names:
            yield Broken(path=path, found=f"no {name} in parameters", expected=f"its number, for {profile.profile}")
    for name in names:
        if name not in asked:
            expected = f"one of {', '.join(asked)}" if asked else f"none: {profile.profile} asks for no number"
            yield Broken(path=(*path, "parameters", name), found=shown(name), expected=expected)


def _control_rules(path: KeyPath, device: Mapping[str, Tree], profile: DeviceProfile) -> Iterator[Broken]:
    """Only what the profile knows how to write can be allowed."""
    said = device.get("controls")
    known = [one.key for one in profile.modbus.orders] if profile.modbus is not None else []
    for index, name in enumerate(said if isinstance(said, list) else []):
        if isinstance(name, str) and name not in known:
            expected = f"one of {', '.join(known)}" if known else f"none: {profile.profile} has no controls"
            yield Broken(path=(*path, "controls", index), found=shown(name), expected=expected + closest(name, known))


def _point_rules(path: KeyPath, device: Mapping[str, Tree], profile: DeviceProfile) -> Iterator[Broken]:
    """Only points of the profile can be checked or have a deadband; a deadband only where numbers have distances."""
    kinds = {point.key: quantity(point.quantity).kind for group in profile.groups for point in group.layout}
    report = device.get("report")
    bands = report if isinstance(report, dict) else {}
    said: dict[KeyPath, Tree] = {("checks",): device.get("checks")}
    said |= {("report", key): bands.get(key) for key in ("deadband", "deadband_percent")}
    for at, names in said.items():
        for name in names if isinstance(names, dict) else ():
            if name not in kinds:
                expected = f"a point of {profile.profile}: {', '.join(kinds)}" + closest(str(name), kinds)
                yield Broken(path=(*path, *at, name), found=shown(name), expected=expected)
            elif at[0] == "report" and kinds[name] not in {QuantityKind.GAUGE, QuantityKind.ANGLE}:
                expected = "none: every change of it is recorded"
                yield Broken(path=(*path, *at, name), found=f"a deadband for a {kinds[name]}", expected=expected)


def _fit_rules(path: KeyPath, device: Mapping[str, Tree], kind: BusKind, profile: DeviceProfile) -> Iterator[Broken]:
    if kind.is_modbus != (profile.modbus is not None):
        speaks = "Modbus" if profile.modbus is not None else "a serial protocol of its own"
        yield Broken(
            path=(*path, "bus"),
            found=f"bus {device['bus']} of kind {kind} for {profile.profile}, which speaks {speaks}",
            expected="a Modbus bus" if profile.modbus is not None else "a bus of kind serial or serial-over-tcp",
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
