"""Values that live: a simulated device measures something near what its capture says, and counters count. Pure.

I1. The same device at the same time measures the same.
I2. What was set stays as it was set.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Final

from device_profiles.capture import Capture
from device_profiles.point_model import Meaning
from wire.quantities import QuantityKind, quantity

_SWAY: Final = 0.02
_SWAY_S: Final = 60.0
_STEP: Final = 100  # raw numbers from 0: what nothing is known of measures as much
_COUNTS_PER_S: Final = 0.5


class LivingValues:
    """The values of one device's points.

    Args:
        points: whose keys tell them apart.
        capture: what a real one has said.
    """

    def __init__(self, points: Iterable[Meaning], capture: Capture | None) -> None:
        self._points = {point.key: point for point in points}
        told = {} if capture is None else _told(capture)
        self._base = {key: told.get(key, _somewhere(point)) for key, point in self._points.items()}
        # Changed by put only.
        self._put: dict[str, float | None] = {}

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of the points."""
        return tuple(self._points)

    def put(self, key: str, number: float | None) -> None:
        """Measure this from now on; None is no value."""
        self._put[key] = number

    def base(self, key: str) -> float | None:
        """What a point measures at rest."""
        return self._put[key] if key in self._put else self._base[key]

    def at(self, key: str, seconds: float) -> float | None:
        """What a point measures so many seconds after the beginning."""
        if key in self._put:
            return self._put[key]
        base, point = self._base[key], self._points[key]
        known = quantity(point.quantity)
        if point.states or known.kind in {QuantityKind.STATE, QuantityKind.TALLY}:
            return base
        step = abs(point.scale) or 1.0
        if known.kind is QuantityKind.COUNTER:
            return base + math.floor(seconds * _COUNTS_PER_S) * step
        phase = sum(key.encode()) % 7
        swayed = base * (1 + _SWAY * math.sin(2 * math.pi * seconds / _SWAY_S + phase))
        return _within(round(swayed / step) * step, point)


def _told(capture: Capture) -> dict[str, float]:
    """The good numbers of a capture, by key."""
    found: dict[str, float] = {}
    for exchange in capture.exchanges:
        pairs: list[tuple[Mapping[str, float | None], Mapping[str, str]]] = [(exchange.expect, exchange.quality)]
        pairs += [(reading.values, reading.quality) for reading in exchange.readings]
        for values, quality in pairs:
            for key, number in values.items():
                if number is not None and quality.get(key, "good") == "good":
                    found.setdefault(key, number)
    return found


def _somewhere(point: Meaning) -> float:
    """A number that the point can mean."""
    if point.states:
        return float(min(point.states))
    kind = quantity(point.quantity).kind
    raw = 0 if kind in {QuantityKind.STATE, QuantityKind.TALLY} else _STEP
    return _within(raw * point.scale + point.offset, point)


def _within(number: float, point: Meaning) -> float:
    known = quantity(point.quantity)
    low = known.minimum if point.minimum is None else point.minimum
    high = known.maximum if point.maximum is None else point.maximum
    return round(min(max(number, low), high), 9)
