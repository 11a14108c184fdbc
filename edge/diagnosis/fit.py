"""Which profile an unknown Modbus device fits: how much its answers speak for each. Pure.

Each value is evidence: that a random register reads as a plausible one is likely where any number will do, and very
unlikely where the range is narrow. The weight of a good value is how many bits of chance it would have taken.

I1. A register that holds 0, as unused ones do, speaks for no profile, however well 0 fits. That a device has contacts
    where a profile says so speaks for it a little.
I2. What is refused, silent or out of range speaks against a profile.
"""

import math
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from device_profiles.decode import Answer, decode_registers, raw_number
from device_profiles.identity import identity_request, identity_text, object_request, objects_told
from device_profiles.modbus import Question, ReadRequest
from device_profiles.modbus_model import ModbusDevice, ModbusPoint
from device_profiles.model import DeviceProfile
from device_profiles.numbers import NumberType, size_bytes
from device_profiles.plan import PlanError, covers, plan_points
from device_profiles.point_model import unscaled
from wire.quantities import quantity
from wire.records import Quality, Value

_MAX_PROBES: Final = 3
_PROBE_REGISTERS: Final = 30  # what 9600 baud carries in less than a tenth of a second
_MOST_BITS: Final = 8.0  # one value alone proves nothing, however narrow its range
_LEAST_GOOD_BITS: Final = 0.5  # that there is something at the address at all
_ZERO_BITS: Final = -0.05  # of two profiles that fit, the one that leaves less unexplained
_LEAST_BITS: Final = 1.0
_ANSWERED_BITS: Final = 1.0  # most devices refuse what they do not have
_CONTACTS_BITS: Final = 7.0  # and few have coils or discrete inputs at all
_LEAST_FLOAT: Final = 1e-6  # two whole numbers read as one float are mostly far smaller than anything that is measured
_OUT_OF_RANGE_BITS: Final = -8.0
_NO_VALUE_BITS: Final = -1.0
_TINY_BITS: Final = -3.0
_REFUSED_BITS: Final = -10.0
_SAMPLES: Final = 3
_MODEL: Final = "model"  # the identity whose text names the device
_LEAST_NAME: Final = 3
_NAMED_BITS: Final = 24.0
_OTHER_NAME_BITS: Final = -4.0
_SIGNED: Final = {NumberType.I8, NumberType.I16, NumberType.I24, NumberType.I32, NumberType.I64}
_FLOATS: Final = {NumberType.F32: (">f", ">I", 32), NumberType.F64: (">d", ">Q", 64)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A value that the device gave, read as the profile says."""

    key: str
    number: float
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """How well a profile fits: bits of evidence, of how many values how many are good, and some of them."""

    profile: str
    bits: float
    good: int
    values: int
    refused: int
    samples: tuple[Sample, ...]

    @property
    def reason(self) -> str:
        """Why it may be this one, for a person."""
        shown = ", ".join(
            f"{one.key} {one.number:.6g}{'' if one.unit == '1' else ' ' + one.unit}" for one in self.samples
        )
        refused = f", {self.refused} requests refused" if self.refused else ""
        return f"{self.good} of {self.values} values plausible{refused}" + (f": {shown}" if shown else "")


def probe_requests(device: ModbusDevice) -> tuple[Question, ...]:
    """A few short requests for points of as many groups as possible."""
    limits = replace(device.limits, max_registers=min(_PROBE_REGISTERS, device.limits.max_registers))
    short = replace(device, limits=limits)
    try:
        by_group = [plan_points(group.points, short) for group in device.groups]
    except PlanError:
        return ()
    named: list[Question] = [identity_request(fact) for fact in device.identity if fact.key == _MODEL]
    named += [object_request(fact) for fact in device.identity_objects if fact.key == _MODEL]
    firsts = [requests[0] for requests in by_group if requests]
    others = [request for requests in by_group for request in requests[1:]]
    return tuple(dict.fromkeys((*named, *firsts, *others)))[: _MAX_PROBES + len(named)]


def fit(profile: DeviceProfile, told: Mapping[Question, Answer]) -> Fit:
    """How well the answers fit a Modbus profile.

    Args:
        profile: of a Modbus device.
        told: to requests of `probe_requests`: what was read, or why nothing was. That a device does not identify itself
            speaks neither for a profile nor against it.
    """
    answers = {request: answer for request, answer in told.items() if isinstance(request, ReadRequest)}
    refused = sum(isinstance(answer, Quality) for answer in answers.values())
    bits = sum(_answer_bits(request, answer) for request, answer in answers.items())
    bits += sum(_name_bits(model, text) for model, text in _names_told(profile, told))
    found: list[tuple[float, ModbusPoint, Value]] = []
    for point, value, words in _decoded(profile, answers):
        weight = _weight(point, value, words)
        bits += weight
        found.append((weight, point, value))
    found.sort(key=lambda one: -one[0])
    samples = tuple(
        Sample(key=point.key, number=value.number, unit=quantity(point.quantity).unit)
        for weight, point, value in found[:_SAMPLES]
        if value.number is not None and (weight > 0 or point.type is None)
    )
    return Fit(
        profile=profile.profile,
        bits=round(bits, 1),
        good=sum(value.quality is Quality.GOOD for _, _, value in found),
        values=len(found),
        refused=refused,
        samples=samples,
    )


def ranked(fits: Iterable[Fit], *, at_most: int = 3) -> list[Fit]:
    """The best first; those for which too little speaks are left out."""
    return sorted(
        (one for one in fits if one.bits >= _LEAST_BITS and one.samples), key=lambda one: (-one.bits, one.profile)
    )[:at_most]


def _decoded(
    profile: DeviceProfile, answers: Mapping[ReadRequest, Answer]
) -> Iterable[tuple[ModbusPoint, Value, tuple[int, ...]]]:
    for group in profile.modbus.groups if profile.modbus is not None else ():
        values = decode_registers(group, answers)
        for point, value in zip(group.points, values, strict=False):
            words = _words(point, answers)
            if words is not None:
                yield point, value, words


def _names_told(profile: DeviceProfile, answers: Mapping[Question, Answer]) -> list[tuple[str, str]]:
    """What the device should call itself and what it does, where the profile knows how it tells that."""
    if profile.modbus is None:
        return []
    ours, names = profile.device.model, []
    for fact in profile.modbus.identity:
        answer = answers.get(identity_request(fact))
        if fact.key == _MODEL and isinstance(answer, tuple):
            names.append((ours, identity_text(fact, answer)))
    for one in profile.modbus.identity_objects:
        answer = answers.get(object_request(one))
        if one.key == _MODEL and isinstance(answer, tuple):
            text = objects_told(answer).get(one.number, "")
            names.append((ours, text) if not one.begins else (one.begins, text[: len(one.begins)]))
    return names


def _name_bits(model: str, told: str) -> float:
    ours, theirs = ("".join(letter for letter in name.lower() if letter.isalnum()) for name in (model, told))
    if len(theirs) >= _LEAST_NAME and (ours.startswith(theirs) or theirs.startswith(ours)):
        return _NAMED_BITS
    return _OTHER_NAME_BITS


def _words(point: ModbusPoint, answers: Mapping[ReadRequest, Answer]) -> tuple[int, ...] | None:
    for request, answer in answers.items():
        if not isinstance(answer, Quality) and covers(request, point):
            start = point.address - request.address
            return answer[start : start + point.span]
    return None


def _answer_bits(request: ReadRequest, answer: Answer) -> float:
    if isinstance(answer, Quality):
        return _REFUSED_BITS
    return _CONTACTS_BITS if request.table.is_bits else _ANSWERED_BITS


def _weight(point: ModbusPoint, value: Value, words: tuple[int, ...]) -> float:
    if value.quality is Quality.OUT_OF_RANGE:
        return _OUT_OF_RANGE_BITS
    if value.number is None:
        return _NO_VALUE_BITS
    raw = raw_number(point, words)
    if not raw and point.type is None:
        return 0.0  # a contact that is open is as usual as one that is closed
    if not raw or (point.type in _FLOATS and abs(raw) < _LEAST_FLOAT):
        return _ZERO_BITS if not raw else _TINY_BITS
    return max(_LEAST_GOOD_BITS, min(_MOST_BITS, chance_bits(point)))


def chance_bits(point: ModbusPoint) -> float:
    """How many bits of chance it takes for a random register to read as a good value: 0 where any number will do."""
    if point.type is None:
        return 0.0
    known = quantity(point.quantity)
    minimum = known.minimum if point.minimum is None else point.minimum
    maximum = known.maximum if point.maximum is None else point.maximum
    low, high = sorted((unscaled(minimum, point), unscaled(maximum, point)))
    if point.type in _FLOATS:
        codes = _float_codes(low, high, point.type)
    elif point.states:
        codes = len(point.states)
    else:
        codes = _whole_codes(low, high, point.type)
    return 8.0 * size_bytes(point.type) - math.log2(max(1, codes))


def _whole_codes(low: float, high: float, number_type: NumberType) -> int:
    size = 8 * size_bytes(number_type)
    lowest = -(1 << size - 1) if number_type in _SIGNED else 0
    highest = lowest + (1 << size) - 1
    return max(0, math.floor(min(high, highest)) - math.ceil(max(low, lowest)) + 1)


def _float_codes(low: float, high: float, number_type: NumberType) -> int:
    """How many floats of a size that is measured lie between two numbers: as many as their bit patterns are apart."""
    above = _rank(high, number_type) - _rank(max(low, _LEAST_FLOAT), number_type) + 1 if high > _LEAST_FLOAT else 0
    below = _rank(min(high, -_LEAST_FLOAT), number_type) - _rank(low, number_type) + 1 if low < -_LEAST_FLOAT else 0
    return max(0, above) + max(0, below)


def _rank(number: float, number_type: NumberType) -> int:
    number_form, bits_form, size = _FLOATS[number_type]
    limit = 3.4e38 if size == 32 else number  # noqa: PLR2004 - the largest float of four bytes
    packed = struct.pack(number_form, max(-limit, min(limit, number)) if size == 32 else number)  # noqa: PLR2004
    (pattern,) = struct.unpack(bits_form, packed)
    sign = 1 << size - 1
    return -(pattern - sign) if pattern & sign else int(pattern)
