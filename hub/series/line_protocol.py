"""Points as InfluxDB line protocol. Pure.

I1. A line says exactly what its point says: no name or value can begin another field, tag or line. Names outside the
    allow-list are refused rather than escaped.
I2. Every number is written as a float, every quality as an integer, so that a field never changes its type.
I3. A line is never without a field: `quality` is always there.

Source: https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/
"""

from hub.series.base import Point
from hub.series.names import why_unwritable, worst_quality
from wire.identifiers import QUALITY_KEY, QUALITY_SUFFIX
from wire.records import Quality


class UnwritableError(ValueError):
    """The point may never be written; the text says why."""


def line_of(point: Point) -> str:
    """The point as one line, without its line end; the time is in nanoseconds.

    Raises:
        UnwritableError: a name or a number that no store may take.
    """
    if (reason := why_unwritable(point)) is not None:
        raise UnwritableError(reason)
    tags = (
        f"device={point.device},gateway={point.gateway},group={point.group},mode={point.mode.value},site={point.site}"
    )
    fields = [f"{key}={float(number)!r}" for key, number in point.fields.items()]
    fields += [
        f"{key}{QUALITY_SUFFIX}={quality.value}i"
        for key, quality in point.qualities.items()
        if quality is not Quality.GOOD
    ]
    fields.append(f"{QUALITY_KEY}={worst_quality(point).value}i")
    return f"{point.measurement},{tags} {','.join(fields)} {point.time_ns}"
