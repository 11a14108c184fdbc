"""Records as the series store's points. Pure.

I1. The same record always gives the same point: everything in it comes from the record.
"""

import numpy as np

from hub.ingest.columns import RecordColumns
from hub.series.sheet import Codes, Integers, Sheet, Source
from wire.identifiers import GatewayId
from wire.records import Quality


def sheet_of(gateway: GatewayId, epoch: int, columns: RecordColumns) -> Sheet:
    """The points that stand for these records for ever.

    A value that is good by itself is marked where the record's time is not known for certain.
    """
    layout = columns.layout
    return Sheet(
        sources=[
            Source(layout.measurement, layout.site, gateway, device, layout.group, layout.mode)
            for device in columns.devices
        ],
        source_of=columns.device_of,
        times_ns=point_times_ns(epoch=epoch, seqs=columns.seqs, times_ms=columns.times_ms),
        keys=tuple(point.key for point in layout.points),
        numbers=columns.numbers,
        missing=columns.missing,
        qualities=_qualities(columns),
    )


def point_times_ns(*, epoch: int, seqs: Integers, times_ms: Integers) -> Integers:
    """The stored times of records of one epoch: the millisecond, and below it digits that keep two records apart.

    A retry gives the same time; two records of one device in one millisecond stay two points.
    """
    times_ns: Integers = times_ms * 1_000_000 + (seqs + (epoch >> 20)) % 1_000_000
    return times_ns


def _qualities(columns: RecordColumns) -> Codes | None:
    if columns.time_qualities is None:
        return columns.qualities
    of_time = np.where(columns.time_qualities > 0, Quality.TIME_ESTIMATED, Quality.GOOD).astype(np.uint8)
    if columns.qualities is None:
        return np.tile(of_time, (len(columns.numbers), 1))
    return np.maximum(columns.qualities, of_time)
