"""Which points may be stored at all: the same rule for every store, so that none is forged and none is ambiguous. Pure.

The names of a point become tags, tables and fields; only what the patterns of `wire.identifiers` allow gets through,
and none of it needs escaping in line protocol, in InfluxQL or in SQL.
"""

import math

from hub.series.base import Point, Selection
from wire.errors import WireError
from wire.identifiers import QUALITY_SUFFIX, check_identifier, check_key, check_point_key
from wire.records import Quality

# What the hub alone writes, about gateways and about itself: no gateway's record may go there.
HUB_MEASUREMENTS = frozenset({"freshness", "gateway", "hub", "indicator"})
# Stored times are signed 64 bit; InfluxDB keeps the two highest for itself.
MAX_TIME_NS = 2**63 - 3


def worst_quality(point: Point) -> Quality:
    """The quality stored with the point as a whole: the worst of its values'."""
    return max(point.qualities.values())


def why_unwritable(point: Point) -> str | None:
    """Why no store may ever take this point; None where it may be written."""
    try:
        _check_names(point)
        _check_values(point)
    except WireError as error:
        return str(error)
    if not 0 <= point.time_ns <= MAX_TIME_NS:
        return f"time {point.time_ns} ns: expected 0 to {MAX_TIME_NS} (1970 to 2262)"
    return None


def names_a_series(selection: Selection) -> bool:
    """Whether any stored series could match: false where a given name breaks the rules for names."""
    try:
        for what in ("site", "gateway", "device"):
            if (name := getattr(selection, what)) is not None:
                check_identifier(name, what=what)
        for what in ("measurement", "group", "field"):
            if (name := getattr(selection, what)) is not None:
                check_key(name, what=what)
    except WireError:
        return False
    return True


def _check_names(point: Point) -> None:
    check_key(point.measurement, what="measurement")
    check_key(point.group, what="group")
    check_identifier(point.site, what="site")
    check_identifier(point.gateway, what="gateway")
    check_identifier(point.device, what="device")
    for key in point.qualities:
        check_point_key(key)
        if key + QUALITY_SUFFIX in point.qualities:
            raise WireError(f"point {key + QUALITY_SUFFIX!r}: this is where the quality of point {key!r} is stored")


def _check_values(point: Point) -> None:
    if not point.qualities:
        raise WireError("the point has no values: expected at least one, known or not")
    for key, number in point.fields.items():
        if key not in point.qualities:
            raise WireError(f"point {key!r}: a number without a quality")
        if not math.isfinite(number):
            raise WireError(f"point {key!r}: {number} is not a number that can be stored")
    for key, quality in point.qualities.items():
        if quality is Quality.GOOD and key not in point.fields:
            raise WireError(f"point {key!r}: good, but without a number")
