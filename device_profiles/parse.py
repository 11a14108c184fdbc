"""A profile's text to a profile, with everything that is wrong in it told at once. Pure."""

import copy
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from device_profiles.fault_words import Broken, closest, contradiction
from device_profiles.faults import typed, validated
from device_profiles.modbus import ADDRESSES, Table
from device_profiles.modbus_model import Limits, ModbusPoint
from device_profiles.model import DeviceProfile
from device_profiles.numbers import size_bytes
from device_profiles.serial_model import SerialDevice
from device_profiles.yaml_tree import Path, Tree, YamlTree, read_tree
from wire.errors import WireError
from wire.identifiers import check_key
from wire.quantities import QUANTITIES

PROFILE_ID: Final = re.compile(r"[a-z0-9][a-z0-9-]*/[a-z0-9][a-z0-9_-]*\Z")
# What `defaults:` may hold. A key, an address, a bit or a quantity is each point's own.
GROUP_DEFAULTS: Final = frozenset({"measurement", "every_s"})
POINT_DEFAULTS: Final = frozenset(
    {"table", "type", "order", "scale", "offset", "unavailable", "unavailable_from", "unavailable_below", "decimals"}
)
_REGISTER_ONLY: Final = frozenset({"type", "order"})
_REGISTER_BITS: Final = 16
_BIT_TABLES: Final = frozenset(table.value for table in Table if table.is_bits)
_MAX_SALVAGES: Final = 20
_POINT_LISTS: Final = ("points", "along", "derived")


def parse_profile(text: str, file: str) -> DeviceProfile:
    """The profile a text describes.

    Args:
        text: YAML, as `_blueprint.yaml` explains it.
        file: the name for messages.

    Raises:
        FileFaults: every fault of the text, each with its line.
    """
    tree = read_tree(text)
    broken = [*_merge_defaults(tree)]
    for rule in _RULES:
        broken.extend(rule(tree))
    return validated(tree, file, DeviceProfile, broken=broken)


def _merge_defaults(tree: YamlTree) -> Iterator[Broken]:
    """Write `defaults:` out into groups and points, so that nothing else needs to know of it."""
    if not isinstance(tree.value, dict) or "defaults" not in tree.value:
        return
    defaults = tree.value.pop("defaults")
    if not isinstance(defaults, dict):
        yield Broken(path=("defaults",), found="no keys", expected="keys and values")
        return
    allowed = sorted(GROUP_DEFAULTS | POINT_DEFAULTS)
    for key in defaults:
        if key not in allowed:
            expected = f"only {', '.join(allowed)} here" + closest(key, allowed)
            yield Broken(path=("defaults", key), found=f"the key {key!r}", expected=expected)
    for part in ("modbus", "serial"):
        for path, group in tree.mappings(part, "groups"):
            _fill(tree, path, group, {key: defaults[key] for key in defaults if key in GROUP_DEFAULTS})
        for path, point in _points(tree, part, ("points", "along")):
            _fill(tree, path, point, {key: defaults[key] for key in defaults if key in POINT_DEFAULTS})


def _points(tree: YamlTree, part: str, lists: tuple[str, ...]) -> Iterator[tuple[Path, dict[str, Tree]]]:
    """The items of these lists in every group of a part."""
    for name in lists:
        yield from tree.mappings(part, "groups", name)


def _fill(tree: YamlTree, path: Path, into: dict[str, Tree], defaults: dict[str, Tree]) -> None:
    is_bit = "bit" in into or into.get("table", defaults.get("table")) in _BIT_TABLES
    for key, value in defaults.items():
        if key not in into and not (is_bit and key in _REGISTER_ONLY):
            into[key] = value
            tree.lines[*path, key] = tree.lines["defaults", key]


def _identity(tree: YamlTree) -> Iterator[Broken]:
    """The profile's id is `vendor/model`, and it says how the device is read in one way."""
    name = tree.at(("profile",))
    if isinstance(name, str) and not PROFILE_ID.match(name):
        yield Broken(path=("profile",), found=repr(name), expected="vendor/model in a-z 0-9 - _")
    ways = [part for part in ("modbus", "serial") if tree.at((part,)) is not None]
    if isinstance(tree.value, dict) and len(ways) != 1:
        found = "both modbus and serial" if ways else "neither modbus nor serial"
        yield Broken(path=("serial",) if ways else (), found=found, expected="exactly one of them")


def _words(tree: YamlTree) -> Iterator[Broken]:
    """Quantities are of the vocabulary, and what becomes a field or a tag is named so that it can."""
    for part in ("modbus", "serial"):
        for path, group in tree.mappings(part, "groups"):
            yield from (item for key in ("name", "measurement") for item in _key_broken(path, group, key))
        for path, point in _points(tree, part, _POINT_LISTS):
            yield from _key_broken(path, point, "key")
            name = point.get("quantity")
            if isinstance(name, str) and name not in QUANTITIES:
                expected = "a quantity of the vocabulary" + closest(name, QUANTITIES)
                yield Broken(path=(*path, "quantity"), found=repr(name), expected=expected)


def _key_broken(path: Path, mapping: dict[str, Tree], key: str) -> Iterator[Broken]:
    value = mapping.get(key)
    if not isinstance(value, str):
        return
    try:
        check_key(value, what=key)
    except WireError:
        expected = "a letter a-z, then up to 62 of a-z 0-9 _"
        yield Broken(path=(*path, key), found=repr(value), expected=expected)


def _once(tree: YamlTree) -> Iterator[Broken]:
    """Group names are distinct in a profile, point keys in a group."""
    for part in ("modbus", "serial"):
        yield from _repeated(tree, tree.mappings(part, "groups"), "name")
        for path, _ in tree.mappings(part, "groups"):
            points = (item for item in _points(tree, part, _POINT_LISTS) if item[0][: len(path)] == path)
            yield from _repeated(tree, points, "key")


def _repeated(tree: YamlTree, items: Iterable[tuple[Path, dict[str, Tree]]], key: str) -> Iterator[Broken]:
    seen: dict[str, int] = {}
    for path, item in items:
        value = item.get(key)
        if not isinstance(value, str):
            continue
        if value in seen:
            expected = f"each {key} once (line {seen[value]} has it already)"
            yield Broken(path=(*path, key), found=repr(value), expected=expected)
        seen.setdefault(value, tree.line_of((*path, key)))


def _meanings(tree: YamlTree) -> Iterator[Broken]:
    """Ranges, states and roll-overs fit the quantity."""
    for part in ("modbus", "serial"):
        for path, point in _points(tree, part, _POINT_LISTS):
            low, high = point.get("minimum"), point.get("maximum")
            if isinstance(low, int | float) and isinstance(high, int | float) and low >= high:
                yield Broken(path=(*path, "minimum"), found=f"{low} above maximum {high}", expected="less than maximum")
            name = point.get("quantity")
            if isinstance(name, str) and name in QUANTITIES:
                yield from _kind_broken(path, point, str(QUANTITIES[name].kind))


def _kind_broken(path: Path, point: dict[str, Tree], kind: str) -> Iterator[Broken]:
    if point.get("states") and kind != "state":
        yield Broken(path=(*path, "states"), found=f"states of a {kind}", expected="states for a state quantity only")
    if point.get("rollover") is not None and kind != "counter":
        found = f"a rollover of a {kind}"
        yield Broken(path=(*path, "rollover"), found=found, expected="a rollover for a counter only")


def _modbus_points(tree: YamlTree) -> Iterator[Broken]:
    """A Modbus point lies where a request can read it, and its type fits its table."""
    limits = typed(tree.at(("modbus", "limits")) or {}, Limits)[0] or Limits()
    for path, plain in _points(tree, "modbus", ("points", "along")):
        point = typed(plain, ModbusPoint)[0]
        if point is not None:
            yield from _type_broken(path, point)
            yield from _place_broken(path, point, limits)


def _type_broken(path: Path, point: ModbusPoint) -> Iterator[Broken]:
    if point.table.is_bits:
        for key in ("type", "bit"):
            if getattr(point, key) is not None:
                expected = f"no {key}: each address is one bit"
                yield Broken(path=(*path, key), found=f"{key} in table {point.table}", expected=expected)
    elif point.bit is not None:
        yield from _bit_broken(path, point, point.bit)
    elif point.type is None:
        yield Broken(path=path, found="neither type nor bit", expected="one of them, for a register")
    elif size_bytes(point.type) % 2:
        expected = "a type of whole registers (for a part of one: bit and bit_width)"
        yield Broken(path=(*path, "type"), found=point.type, expected=expected)


def _bit_broken(path: Path, point: ModbusPoint, bit: int) -> Iterator[Broken]:
    if point.type is not None:
        yield Broken(path=(*path, "type"), found="type and bit", expected="one of them")
    if bit + point.bit_width > _REGISTER_BITS:
        found = f"bits {bit} to {bit + point.bit_width - 1}"
        yield Broken(path=(*path, "bit_width"), found=found, expected="bits 0 to 15 of one register")


def _place_broken(path: Path, point: ModbusPoint, limits: Limits) -> Iterator[Broken]:
    last = point.address + point.span - 1
    if last >= ADDRESSES:
        yield Broken(path=(*path, "address"), found=f"{point.address:#06x}", expected="its last register below 0x10000")
    if not point.table.is_bits and point.span > limits.max_registers:
        expected = f"at most {limits.max_registers}: limits.max_registers says so"
        yield Broken(path=(*path, "type"), found=f"{point.span} registers", expected=expected)
    for item in limits.forbidden:
        if item.table is point.table and item.first <= last and point.address <= item.last:
            expected = f"an address outside {item.first:#06x}..{item.last:#06x}: limits.forbidden says so"
            yield Broken(path=(*path, "address"), found=f"{point.address:#06x}", expected=expected)


def _serial_device(tree: YamlTree) -> Iterator[Broken]:
    """What a serial device's parts demand of each other, asked of what is left when faulty items are put aside."""
    original = tree.at(("serial",))
    value = copy.deepcopy(original)
    faults = typed(value, SerialDevice)[1]
    known = {item.expected for item in faults}
    for _ in range(_MAX_SALVAGES):
        if not faults or not _put_aside(value, faults):
            return
        faults = typed(value, SerialDevice)[1]
        hidden = [item.expected for item in faults if item.is_rule and item.expected not in known]
        known.update(hidden)
        yield from (contradiction(("serial",), original, message) for message in hidden)


def _put_aside(value: Tree, faults: Iterable[Broken]) -> bool:
    """Take the innermost list items with faults out of `value`; whether there were any."""
    places: set[Path] = set()
    for item in faults:
        indexes = [at for at, step in enumerate(item.path) if isinstance(step, int)]
        if indexes:
            places.add(item.path[: indexes[-1] + 1])
    for place in sorted(places, key=lambda path: [str(step).rjust(6) for step in path], reverse=True):
        inside = YamlTree(value=value).at(place[:-1])
        if isinstance(inside, list) and isinstance(place[-1], int):
            del inside[place[-1]]
    return bool(places)


_RULES: Final[tuple[Callable[[YamlTree], Iterator[Broken]], ...]] = (
    _identity,
    _words,
    _once,
    _meanings,
    _modbus_points,
    _serial_device,
)
