"""A record as the series store's point. Pure.

I1. The same record always gives the same point: everything in it comes from the record.
"""

from hub.series.base import Point
from wire.identifiers import GatewayId
from wire.records import Quality, Record, TimeQuality, Value, point_time_ns, values_by_key


def point_of(gateway: GatewayId, epoch: int, record: Record) -> Point:
    """The point that stands for this record for ever.

    A value that is good by itself is marked where the record's time is not known for certain.
    """
    values = values_by_key(record)
    return Point(
        measurement=record.stream.measurement,
        site=record.stream.site,
        gateway=gateway,
        device=record.stream.device,
        group=record.stream.group,
        mode=record.stream.mode,
        time_ns=point_time_ns(epoch=epoch, seq=record.seq, time_ms=record.time_ms),
        fields={key: value.number for key, value in values.items() if value.number is not None},
        qualities={key: _quality(value, record.time_quality) for key, value in values.items()},
    )


def _quality(value: Value, time_quality: TimeQuality) -> Quality:
    if time_quality is TimeQuality.SYNCED:
        return value.quality
    return max(value.quality, Quality.TIME_ESTIMATED)
