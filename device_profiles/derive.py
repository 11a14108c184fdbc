"""Derived points: their values from those of other points. Pure; what is remembered is in the object.

I1. Of an input without a value comes no value: its quality is that of the worst input.
I2. The increases of a counter add up to how far it went, over roll-overs and over readings that failed. After a drop
    that is no roll-over the device has begun anew: its count since then is told, and marked, because what it counted
    before nobody knows.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from device_profiles.derived_model import DerivedForm, DerivedPoint
from device_profiles.model import DeviceProfile
from device_profiles.point_model import ValueReader
from wire.records import Quality, Value


@dataclass(frozen=True, slots=True)
class _Count:
    """A counter's number and when it was read, in monotonic seconds."""

    number: float
    at_s: float


class Deriver:
    """The derived points of one group of one device.

    Args:
        points: the derived points.
        keys: of the values that readings of the group have, in their order.
    """

    def __init__(self, points: Sequence[DerivedPoint], keys: Sequence[str]) -> None:
        self._points = points
        self._inputs = [tuple(keys.index(key) for key in point.of) for point in points]
        self._readers = [ValueReader(point) for point in points]
        # Changed by values only.
        self._counts: dict[str, _Count] = {}

    def values(self, values: Sequence[Value], *, at_s: float) -> tuple[Value, ...]:
        """The values of the derived points.

        Args:
            values: of one reading, in the order of `keys`.
            at_s: when it was made, in monotonic seconds.
        """
        return tuple(
            self._value(point, reader, [values[index] for index in inputs], at_s)
            for point, reader, inputs in zip(self._points, self._readers, self._inputs, strict=True)
        )

    def _value(self, point: DerivedPoint, reader: ValueReader, inputs: list[Value], at_s: float) -> Value:
        numbers = [value.number for value in inputs if value.number is not None]
        worst = max(value.quality for value in inputs)
        if len(numbers) < len(inputs):
            return Value(None, worst)
        found = self._since(point, numbers[0], at_s) if point.is_of_readings_before else _calculated(point, numbers)
        if found.number is None:
            return found
        told = reader.value(found.number)
        return Value(told.number, max(told.quality, found.quality, worst))

    def _since(self, point: DerivedPoint, number: float, at_s: float) -> Value:
        before = self._counts.get(point.key)
        self._counts[point.key] = _Count(number, at_s)
        if before is None:
            return Value(None, Quality.WARMING_UP)
        increase, has_begun_anew = increase_of(before.number, number, rollover=point.rollover)
        quality = Quality.OUT_OF_RANGE if has_begun_anew else Quality.GOOD
        if point.form is DerivedForm.INCREASE:
            return Value(increase, quality)
        passed_s = at_s - before.at_s
        return Value(increase / passed_s, quality) if passed_s > 0 else Value(None, Quality.WARMING_UP)


def increase_of(before: float, now: float, *, rollover: float | None) -> tuple[float, bool]:
    """How far a counter went, and whether it has begun anew in between.

    A drop is a roll-over where the way over it is less than half of the counter's range: a counter that is read often
    enough never goes further, and a device that has begun anew is near 0 while it was anywhere before.
    """
    if now >= before:
        return now - before, False
    over = math.inf if rollover is None else now + rollover - before
    return (over, False) if 0 <= over < (rollover or 0) / 2 else (now, True)


def with_parameters(profile: DeviceProfile, parameters: Mapping[str, float]) -> DeviceProfile:
    """The profile of one device: where a derived point names a parameter, the device's number is its offset."""
    if not parameters_of(profile):
        return profile
    if profile.modbus is not None:
        registers = [replace(group, derived=_set(group.derived, parameters)) for group in profile.modbus.groups]
        return replace(profile, modbus=replace(profile.modbus, groups=tuple(registers)))
    if profile.serial is not None:
        frames = [replace(group, derived=_set(group.derived, parameters)) for group in profile.serial.groups]
        return replace(profile, serial=replace(profile.serial, groups=tuple(frames)))
    return profile


def parameters_of(profile: DeviceProfile) -> tuple[str, ...]:
    """The parameters that a gateway file must give for a device of this profile."""
    groups = profile.modbus.groups if profile.modbus is not None else profile.serial.groups if profile.serial else ()
    return tuple(dict.fromkeys(point.parameter for group in groups for point in group.derived if point.parameter))


def _set(points: Sequence[DerivedPoint], parameters: Mapping[str, float]) -> tuple[DerivedPoint, ...]:
    return tuple(
        replace(point, offset=parameters[point.parameter])
        if point.parameter is not None and point.parameter in parameters
        else point
        for point in points
    )


def _calculated(point: DerivedPoint, numbers: Sequence[float]) -> Value:
    if point.form is DerivedForm.RATIO:
        return Value(numbers[0] / numbers[1]) if numbers[1] else Value(None, Quality.SENSOR_FAULT)
    if point.form is DerivedForm.PRODUCT:
        return Value(math.prod(numbers))
    weights = point.weights or (1.0,) * len(numbers)
    return Value(math.fsum(number * weight for number, weight in zip(numbers, weights, strict=True)))
