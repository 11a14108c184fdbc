"""Which levels there are, their windows, and which windows a point touches. Pure.

A window is a five-minute one or an hour, both beginning at multiples of their length since 1970 (UTC). What a gateway
touched in one hour is twelve bits for the five-minute windows and one for the hour: a week of backlog is 168 numbers.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from hub.series.base import TimeRange
from hub.series.sheet import Sheet

NS_PER_S: Final = 1_000_000_000
FIVE_MINUTES_NS: Final = 300 * NS_PER_S
HOUR_NS: Final = 3600 * NS_PER_S
WINDOWS_PER_HOUR: Final = HOUR_NS // FIVE_MINUTES_NS
HOUR_BIT: Final = 1 << WINDOWS_PER_HOUR


class Level(StrEnum):
    """How fine; the value is what commands and requests call it."""

    RAW = "raw"
    FIVE_MINUTES = "5m"
    HOURLY = "1h"


AGGREGATES: Final = (Level.FIVE_MINUTES, Level.HOURLY)


@dataclass(frozen=True, slots=True, order=True)
class GatewayHour:
    """One hour of one gateway; `hour` counts hours since 1970."""

    hour: int
    gateway: str

    @property
    def start_ns(self) -> int:
        """Where it begins."""
        return self.hour * HOUR_NS


Touched = Mapping[GatewayHour, int]


def bucket_of(bucket: str, level: Level) -> str:
    """The bucket or database of a level."""
    return bucket if level is Level.RAW else f"{bucket}_{level.value}"


def touched_by(sheets: Iterable[Sheet], *, start_ns: int, end_ns: int) -> dict[GatewayHour, int]:
    """The windows these points lie in, as bits; what lies outside the two times touches nothing."""
    touched: dict[GatewayHour, int] = {}
    for sheet in sheets:
        gateways = list(dict.fromkeys(source.gateway for source in sheet.sources))
        of_source = np.array([gateways.index(source.gateway) for source in sheet.sources])
        is_inside = (start_ns <= sheet.times_ns) & (sheet.times_ns < end_ns)
        windows = sheet.times_ns[is_inside] // FIVE_MINUTES_NS
        pairs = np.unique(windows * len(gateways) + of_source[sheet.source_of[is_inside]])
        for window, gateway in (divmod(pair, len(gateways)) for pair in pairs.tolist()):
            hour, place = divmod(window, WINDOWS_PER_HOUR)
            key = GatewayHour(hour, gateways[gateway])
            touched[key] = touched.get(key, 0) | 1 << place | HOUR_BIT
    return touched


def closed_bits(key: GatewayHour, bits: int, *, now_ns: int) -> int:
    """Those of the windows that ended before a time."""
    if key.start_ns + HOUR_NS <= now_ns:
        return bits
    ended = max(0, (now_ns - key.start_ns) // FIVE_MINUTES_NS)
    return bits & ((1 << ended) - 1)


def windows_of(key: GatewayHour, bits: int) -> list[TimeRange]:
    """The five-minute windows among the bits."""
    starts = [key.start_ns + place * FIVE_MINUTES_NS for place in range(WINDOWS_PER_HOUR) if bits & 1 << place]
    return [TimeRange(start_ns=start, end_ns=start + FIVE_MINUTES_NS) for start in starts]


def to_read(key: GatewayHour, bits: int) -> TimeRange:
    """What has to be read to put these windows together: all of the hour where the hour is among them."""
    if bits & HOUR_BIT:
        return TimeRange(start_ns=key.start_ns, end_ns=key.start_ns + HOUR_NS)
    windows = windows_of(key, bits)
    return TimeRange(start_ns=windows[0].start_ns, end_ns=windows[-1].end_ns)
