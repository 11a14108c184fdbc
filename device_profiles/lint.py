"""What must hold of profiles beyond their form: names, captures, and that they fit each other. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from device_profiles.capture import check_capture, parse_capture
from device_profiles.fault_words import Broken
from device_profiles.faults import Fault, FileFaults, located
from device_profiles.modbus_model import ModbusDevice, ModbusPoint
from device_profiles.model import DeviceProfile
from device_profiles.parse import parse_profile
from device_profiles.plan import bus_time_us, read_plan
from device_profiles.point_model import Meaning
from device_profiles.wrapping import wrap_limits
from device_profiles.yaml_tree import Path, YamlTree, read_tree

# Kinds of things: the measurements of the series store, but for those that the hub alone writes.
MEASUREMENTS: Final = (
    "air_quality",
    "camera",
    "energy",
    "housekeeping",
    "inputs",
    "noise",
    "position",
    "power",
    "soil",
    "traffic",
    "water",
    "weather",
)
_US: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileFiles:
    """A profile and its capture as text. `name` is `vendor/model` as the path says; no capture is None."""

    name: str
    file: str
    text: str
    capture_file: str
    capture_text: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """A profile that has no faults of form, with its lines."""

    files: ProfileFiles
    profile: DeviceProfile
    tree: YamlTree

    def fault(self, path: Path, found: str, expected: str) -> Fault:
        return located(self.tree, self.files.file, Broken(path=path, found=found, expected=expected))


def lint(files: Iterable[ProfileFiles]) -> tuple[Fault, ...]:
    """Every fault of these profiles and of what they are together, by file and line."""
    faults: list[Fault] = []
    read: list[_Read] = []
    for item in files:
        try:
            profile = parse_profile(item.text, item.file)
        except FileFaults as error:
            faults.extend(error.faults)
            continue
        read.append(_Read(files=item, profile=profile, tree=read_tree(item.text)))
    for one in read:
        faults.extend(_of_one(one))
    faults.extend(_same_names(read))
    faults.extend(_same_fields(read))
    return tuple(sorted(dict.fromkeys(faults), key=lambda fault: (fault.file, fault.line)))


def check_files(files: ProfileFiles) -> tuple[Fault, ...]:
    """What the capture of a profile shows: everything that is not read as the capture says.

    Raises:
        FileFaults: the profile or the capture has faults of form.
    """
    profile = parse_profile(files.text, files.file)
    if files.capture_text is None:
        where = Fault(file=files.capture_file, line=1, where="", found="no such file", expected="a capture")
        return (where,)
    capture = parse_capture(files.capture_text, files.capture_file)
    tree = read_tree(files.capture_text)
    return tuple(located(tree, files.capture_file, item) for item in check_capture(profile, capture))


def _of_one(one: _Read) -> Iterator[Fault]:
    if one.profile.profile != one.files.name:
        yield one.fault(("profile",), repr(one.profile.profile), f"{one.files.name!r}, as the file's path says")
    if not (one.profile.source.section or one.profile.source.url):
        yield one.fault(("source",), "a document alone", "its section or url too")
    for index, group in enumerate(one.profile.groups):
        if group.measurement not in MEASUREMENTS:
            path = (_part(one.profile), "groups", index, "measurement")
            yield one.fault(path, repr(group.measurement), f"one of {', '.join(MEASUREMENTS)}")
    yield from _unseen_wraps(one)
    if one.profile.modbus is not None:
        yield from _overlaps(one, one.profile.modbus)
        yield from _bus_load(one, one.profile.modbus)
    try:
        yield from check_files(one.files)
    except FileFaults as error:
        yield from error.faults


def _unseen_wraps(one: _Read) -> Iterator[Fault]:
    """No counter goes round between two readings."""
    limits = wrap_limits(one.profile)
    for index, group in enumerate(one.profile.groups):
        limit = limits.get(group.name)
        if limit is not None and not limit.is_held_by(group.every_s):
            path = (_part(one.profile), "groups", index, "every_s")
            yield one.fault(path, limit.arithmetic(group.every_s), f"less than {limit.fastest_wrap_s:g}")


def _overlaps(one: _Read, device: ModbusDevice) -> Iterator[Fault]:
    """Two values lie in the same registers only where each is some bits of them."""
    points = [
        (("modbus", "groups", group_index, "points", index), point)
        for group_index, group in enumerate(device.groups)
        for index, point in enumerate(group.points)
    ]
    points.sort(key=lambda item: (item[1].table, item[1].address))
    for (_, before), (path, point) in pairwise(points):
        if _overlap(before, point):
            found = f"{point.key} in the registers of {before.key}"
            yield one.fault((*path, "address"), found, "registers of its own (or a bit of its own in them)")


def _overlap(before: ModbusPoint, point: ModbusPoint) -> bool:
    if before.table is not point.table or before.address + before.span <= point.address:
        return False
    if before.bit is None or point.bit is None:
        return True
    return before.bit < point.bit + point.bit_width and point.bit < before.bit + before.bit_width


def _bus_load(one: _Read, device: ModbusDevice) -> Iterator[Fault]:
    """A device alone on its line can be read as often as its profile promises."""
    baud = one.profile.line.baud
    load = 0.0
    for plan in read_plan(device, baud=baud):
        busy_us = sum(bus_time_us(item, turnaround_ms=device.turnaround_ms, baud=baud) for item in plan.requests)
        load += busy_us / _US / plan.group.every_s
    if load > 1:
        yield one.fault(("modbus",), f"{load:.0%} of a line at {baud} baud", "less than the whole line")


def _same_names(read: Sequence[_Read]) -> Iterator[Fault]:
    seen: dict[str, str] = {}
    for one in read:
        name = one.profile.profile
        if name in seen:
            yield one.fault(("profile",), repr(name), f"a name of its own ({seen[name]} has it)")
        seen.setdefault(name, one.files.file)


def _same_fields(read: Sequence[_Read]) -> Iterator[Fault]:
    """A field of a measurement means the same quantity in every profile: or else one panel would show two units."""
    seen: dict[tuple[str, str], tuple[str, str]] = {}
    for one in read:
        for path, measurement, point in _points(one.profile):
            field = (measurement, point.key)
            quantity, file = seen.setdefault(field, (point.quantity, one.files.file))
            if quantity != point.quantity:
                expected = f"{quantity!r}, as {measurement}.{point.key} is in {file}"
                yield one.fault((*path, "quantity"), repr(point.quantity), expected)


def _points(profile: DeviceProfile) -> Iterator[tuple[Path, str, Meaning]]:
    groups: list[tuple[str, Sequence[Meaning]]] = []
    if profile.modbus is not None:
        groups += [(group.measurement, group.recorded) for group in profile.modbus.groups]
    if profile.serial is not None:
        groups += [(group.measurement, group.recorded) for group in profile.serial.groups]
    for group_index, (measurement, points) in enumerate(groups):
        for index, point in enumerate(points):
            yield (_part(profile), "groups", group_index, "points", index), measurement, point


def _part(profile: DeviceProfile) -> str:
    return "serial" if profile.modbus is None else "modbus"
