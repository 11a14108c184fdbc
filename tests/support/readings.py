"""Readings for tests that care about how many there are rather than what they say."""

from edge.spool.base import Reading
from wire.identifiers import DeviceId, SiteId
from wire.records import Mode, PointLayout, Quality, Stream, Value

START_MS = 1_700_000_000_000


def reading(*, device: str = "d1", value: float | None = 20.5, time_ms: int = START_MS) -> Reading:
    """One reading of a device with one point."""
    stream = Stream(
        site=SiteId("hall"),
        device=DeviceId(device),
        group="climate",
        measurement="weather",
        mode=Mode.LIVE,
        points=(PointLayout(key="temperature", quantity="temperature", unit="degC"),),
    )
    values = (Value(value),) if value is not None else (Value(None, Quality.TIMEOUT),)
    return Reading(stream=stream, time_ms=time_ms, values=values)


def readings(count: int, *, start_ms: int = START_MS) -> list[Reading]:
    """`count` readings of one device, a second apart, each with a value of its own."""
    return [reading(value=n / 10, time_ms=start_ms + 1000 * n) for n in range(count)]
