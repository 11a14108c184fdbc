"""Readings for tests that care about how many there are rather than what they say."""

import random

from edge.spool.base import Reading
from wire.identifiers import DeviceId, SiteId
from wire.records import Mode, PointLayout, Quality, Stream, Value

START_MS = 1_700_000_000_000


def stream(*, device: str = "d1", points: int = 1) -> Stream:
    """A stream of a device with some temperatures."""
    return Stream(
        site=SiteId("hall"),
        device=DeviceId(device),
        group="climate",
        measurement="weather",
        mode=Mode.LIVE,
        points=tuple(
            PointLayout(key=f"temperature_{n}" if n else "temperature", quantity="temperature", unit="degC")
            for n in range(points)
        ),
    )


def reading(*, device: str = "d1", value: float | None = 20.5, time_ms: int = START_MS) -> Reading:
    """One reading of a device with one point."""
    values = (Value(value),) if value is not None else (Value(None, Quality.TIMEOUT),)
    return Reading(stream=stream(device=device), time_ms=time_ms, values=values)


def readings(count: int, *, start_ms: int = START_MS) -> list[Reading]:
    """`count` readings of one device, a second apart, each with a value of its own."""
    return [reading(value=n / 10, time_ms=start_ms + 1000 * n) for n in range(count)]


def wide_readings(count: int, *, seed: int = 0) -> list[Reading]:
    """`count` readings that nothing can compress: about 800 bytes each."""
    chance = random.Random(seed)
    layout = stream(device="wide", points=100)
    return [
        Reading(
            stream=layout,
            time_ms=START_MS + n,
            values=tuple(Value(chance.uniform(-1e9, 1e9)) for _ in layout.points),
        )
        for n in range(count)
    ]
