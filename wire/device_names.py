"""The devices of a table: as a list of names, or, where they are one prefix with numbers, as the numbers.

    devices  [name, ...] | [prefix, digits, count, track of numbers]

`digits` is the width the numbers are filled to with zeros, 1 where they are not filled.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

from wire import columns, items
from wire.cbor import Item
from wire.errors import WireError
from wire.identifiers import DeviceId, check_identifier

MAX_DIGITS = 15
MAX_NAME_CHARACTERS = 63

_NUMBERED = re.compile(rf"(.*?)([0-9]{{1,{MAX_DIGITS}}})\Z")
_NUMBERED_FIELDS = 4
# The devices of a gateway are the same with each batch; the bound is for a sender that makes new ones up.
_REMEMBERED = 256


def devices_item(names: Sequence[DeviceId]) -> Item:
    """The names, in this order."""
    numbered = _numbered(names) if len(names) > 1 else None
    return numbered or list(names)


def devices(item: Item, *, maximum: int) -> tuple[DeviceId, ...]:
    """The names again, at most `maximum` of them.

    Raises:
        WireError: more, a name that may not be one, or a name twice.
    """
    listed = items.array(item, what="devices", maximum=max(maximum, _NUMBERED_FIELDS))
    if len(listed) == _NUMBERED_FIELDS and not isinstance(listed[1], str):
        prefix, digits, numbers = _numbers(listed, maximum)
        return _known_names(prefix, digits, tuple(numbers))
    names = [items.text(one, what="device", maximum=MAX_NAME_CHARACTERS) for one in listed]
    if len(names) > maximum:
        raise WireError(f"devices: expected at most {maximum} names, found {len(names)}")
    return _checked(names)


@lru_cache(maxsize=_REMEMBERED)
def _known_names(prefix: str, digits: int, numbers: tuple[int, ...]) -> tuple[DeviceId, ...]:
    return _checked([_name(prefix, digits, number) for number in numbers])


def _checked(names: Sequence[str]) -> tuple[DeviceId, ...]:
    if len(set(names)) != len(names):
        raise WireError("devices: a name twice")
    return tuple(DeviceId(check_identifier(name, what="device")) for name in names)


def _numbered(names: Sequence[DeviceId]) -> Item:
    matches = [match for match in map(_NUMBERED.match, names) if match]
    prefixes = {match[1] for match in matches}
    if len(matches) != len(names) or len(prefixes) != 1:
        return None
    digits = min(len(match[2]) for match in matches)
    numbers = [int(match[2]) for match in matches]
    prefix = prefixes.pop()
    if [_name(prefix, digits, number) for number in numbers] != list(names):
        return None
    return [prefix, digits, len(names), columns.track_item(numbers)]


def _numbers(numbered: list[Item], maximum: int) -> tuple[str, int, list[int]]:
    """Prefix, digits and numbers of the names."""
    prefix_item, digits_item, count_item, numbers = numbered
    prefix = items.text(prefix_item, what="prefix of devices", maximum=MAX_NAME_CHARACTERS)
    digits = items.integer(digits_item, what="digits of devices", minimum=1, maximum=MAX_DIGITS)
    count = items.integer(count_item, what="count of devices", maximum=maximum)
    return prefix, digits, columns.track(numbers, count=count)


def _name(prefix: str, digits: int, number: int) -> str:
    return f"{prefix}{number:0{digits}}"
