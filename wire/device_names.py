"""The devices of a table: as a list of names, or, where they are one prefix with numbers, as the numbers.

    devices  [name, ...] | [prefix, digits, count, track of numbers]

`digits` is the width the numbers are filled to with zeros, 1 where they are not filled.
"""

import re
from collections.abc import Sequence

from wire import columns, items
from wire.cbor import Item
from wire.errors import WireError
from wire.identifiers import DeviceId, check_identifier

MAX_DIGITS = 15
MAX_NAME_CHARACTERS = 63

_NUMBERED = re.compile(rf"(.*?)([0-9]{{1,{MAX_DIGITS}}})\Z")
_NUMBERED_FIELDS = 4


def devices_item(names: Sequence[DeviceId]) -> Item:
    """The names, in this order."""
    numbered = _numbered(names) if len(names) > 1 else None
    return numbered or list(names)


def devices(item: Item, *, maximum: int) -> list[DeviceId]:
    """The names again, at most `maximum` of them.

    Raises:
        WireError: more, a name that may not be one, or a name twice.
    """
    listed = items.array(item, what="devices", maximum=max(maximum, _NUMBERED_FIELDS))
    if len(listed) == _NUMBERED_FIELDS and not isinstance(listed[1], str):
        names = _names(listed, maximum)
    else:
        names = [items.text(one, what="device", maximum=MAX_NAME_CHARACTERS) for one in listed]
    if len(names) > maximum or len(set(names)) != len(names):
        raise WireError(f"devices: expected at most {maximum} different names, found {len(names)}")
    return [DeviceId(check_identifier(name, what="device")) for name in names]


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


def _names(numbered: list[Item], maximum: int) -> list[str]:
    prefix_item, digits_item, count_item, numbers = numbered
    prefix = items.text(prefix_item, what="prefix of devices", maximum=MAX_NAME_CHARACTERS)
    digits = items.integer(digits_item, what="digits of devices", minimum=1, maximum=MAX_DIGITS)
    count = items.integer(count_item, what="count of devices", maximum=maximum)
    return [_name(prefix, digits, number) for number in columns.track(numbers, count=count)]


def _name(prefix: str, digits: int, number: int) -> str:
    return f"{prefix}{number:0{digits}}"
