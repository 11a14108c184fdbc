"""Names of places and things, as they stand in topics, tags and files."""

import re
from typing import NewType

from wire.errors import WireError

SiteId = NewType("SiteId", str)
GatewayId = NewType("GatewayId", str)
DeviceId = NewType("DeviceId", str)

# One pattern for all three: safe in an MQTT topic level, a file name, a URL, a tag value and a certificate's CN.
IDENTIFIER_PATTERN = r"^[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?$"
# A key names a group, a measurement or a point: it becomes a field or tag value in the series store.
KEY_PATTERN = r"^[a-z][a-z0-9_]{0,62}$"

# How a point is stored: these tags, the worst quality, and where a point is not good, its own.
TAG_KEYS = ("device", "gateway", "group", "mode", "site")
QUALITY_KEY = "quality"
QUALITY_SUFFIX = "_quality"
# `time` is every database's own column; a tag and a field may not share a name (InfluxDB 3).
RESERVED_POINT_KEYS = frozenset({"time", QUALITY_KEY, *TAG_KEYS})

_IDENTIFIER = re.compile(IDENTIFIER_PATTERN + r"\Z")
_KEY = re.compile(KEY_PATTERN + r"\Z")


def check_identifier(text: str, *, what: str) -> str:
    """Return `text` if it may name a site, gateway or device.

    Raises:
        WireError: it may not; the message names `what` and the rule.
    """
    if not _IDENTIFIER.match(text):
        msg = f"{what} {text!r}: expected 1 to 63 of a-z 0-9 _ - beginning and ending with a letter or digit"
        raise WireError(msg)
    return text


def check_key(text: str, *, what: str) -> str:
    """Return `text` if it may name a group, a measurement or a point.

    Raises:
        WireError: it may not; the message names `what` and the rule.
    """
    if not _KEY.match(text):
        msg = f"{what} {text!r}: expected a letter a-z, then up to 62 of a-z 0-9 _"
        raise WireError(msg)
    return text


def check_point_key(text: str) -> str:
    """Return `text` if it may name a point.

    Raises:
        WireError: it may not; the message says the rule.
    """
    if text in RESERVED_POINT_KEYS:
        raise WireError(f"point {text!r}: expected a key other than {', '.join(sorted(RESERVED_POINT_KEYS))}")
    return check_key(text, what="point")
