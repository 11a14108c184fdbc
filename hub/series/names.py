"""Which points may be stored at all: the same rule for every store, so that none is forged and none is ambiguous. Pure.

The names of a point become tags, tables and fields; only what the patterns of `wire.identifiers` allow gets through,
and none of it needs escaping in line protocol, in InfluxQL or in SQL.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from hub.series.base import Selection
from hub.series.sheet import Sheet, Source
from wire.errors import WireError
from wire.identifiers import QUALITY_SUFFIX, check_identifier, check_key, check_point_key
from wire.records import Quality

# What the hub alone writes, about gateways and about itself: no gateway's record may go there.
HUB_MEASUREMENTS = frozenset({"freshness", "gateway", "hub", "indicator"})
# Stored times are signed 64 bit; InfluxDB keeps the two highest for itself.
MAX_TIME_NS = 2**63 - 3
_SOURCES_REMEMBERED = 50_000


def faults_of(sheet: Sheet) -> dict[int, str]:
    """Why no store may ever take some of these points, by row; empty where all may be written."""
    if (reason := _fault_of_keys(sheet.keys)) is not None:
        return dict.fromkeys(range(len(sheet)), reason)
    faults: dict[int, str] = {}
    forged = {at: reason for at, source in enumerate(sheet.sources) if (reason := _fault_of(source)) is not None}
    if forged:
        faults |= {row: forged[at] for row, at in enumerate(sheet.source_of.tolist()) if at in forged}
    outside = (sheet.times_ns < 0) | (sheet.times_ns > MAX_TIME_NS)
    for row in np.flatnonzero(outside).tolist():
        faults[row] = f"time {sheet.times_ns[row]} ns: expected 0 to {MAX_TIME_NS} (1970 to 2262)"
    return faults | _faults_of_values(sheet)


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


@lru_cache(maxsize=_SOURCES_REMEMBERED)
def _fault_of(source: Source) -> str | None:
    try:
        check_key(source.measurement, what="measurement")
        check_key(source.group, what="group")
        check_identifier(source.site, what="site")
        check_identifier(source.gateway, what="gateway")
        check_identifier(source.device, what="device")
    except WireError as error:
        return str(error)
    return None


def _fault_of_keys(keys: Sequence[str]) -> str | None:
    if not keys:
        return "the point has no values: expected at least one, known or not"
    for key in keys:
        try:
            check_point_key(key)
        except WireError as error:
            return str(error)
        if key + QUALITY_SUFFIX in keys:
            return f"point {key + QUALITY_SUFFIX!r}: this is where the quality of point {key!r} is stored"
    return None


def _faults_of_values(sheet: Sheet) -> dict[int, str]:
    faults: dict[int, str] = {}
    no_numbers = ~np.isfinite(sheet.numbers)
    if sheet.missing is not None:
        no_numbers &= ~sheet.missing
        good = sheet.missing if sheet.qualities is None else sheet.missing & (sheet.qualities == Quality.GOOD.value)
        for at, row in np.argwhere(good).tolist():
            faults[row] = f"point {sheet.keys[at]!r}: good, but without a number"
    for at, row in np.argwhere(no_numbers).tolist():
        faults[row] = f"point {sheet.keys[at]!r}: {sheet.numbers[at, row]} is not a number that can be stored"
    return faults
