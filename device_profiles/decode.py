"""Registers to values. Pure: no clock, no log, no I/O.

I1. A register that was not read never becomes a value.
"""

import struct
from collections.abc import Mapping

from device_profiles.derive import Deriver
from device_profiles.modbus import ReadRequest
from device_profiles.modbus_model import ModbusGroup, ModbusPoint, ScaleFrom
from device_profiles.numbers import ByteOrder, NumberType, decode_number
from device_profiles.plan import covers
from device_profiles.point_model import ValueReader
from wire.records import Quality, Value

Answer = tuple[int, ...] | Quality
_MAX_POWER = 12


def decode_registers(group: ModbusGroup, answers: Mapping[ReadRequest, Answer]) -> tuple[Value, ...]:
    """The values of a group's points, in their order.

    Args:
        group: of the profile.
        answers: what each request gave: registers 0..65535 or bits 0 and 1, as `parse_reply_pdu` returns them; or the
            quality that says why there are none. Of several requests with one point, a good one counts.

    Returns:
        A value each; None with the failed request's quality, or with `timeout` where no request asked for it.
    """
    return RegisterDecoder(group).values(answers)


def raw_number(point: ModbusPoint, words: tuple[int, ...]) -> int | float | None:
    """The raw number in the registers, or bits, of one point; None where they say that there is none."""
    if point.bit is not None:
        return words[0] >> point.bit & (1 << point.bit_width) - 1
    if point.type is None:
        return words[0]
    if point.type is NumberType.U16 and point.order is ByteOrder.BIG:
        return words[0]  # most registers are just this
    return decode_number(struct.pack(f">{len(words)}H", *words), point.type, point.order)


def factor_told(told: Value, scale: ScaleFrom) -> float | None:
    """The factor that the device tells; None where it tells none that is known."""
    if told.number is None:
        return None
    if scale.factors:
        return scale.factors.get(int(told.number))
    return 10.0 ** int(told.number) if abs(told.number) <= _MAX_POWER else None


class RegisterDecoder:
    """The values of one group, read again and again: where each point lies in a request is worked out once."""

    def __init__(self, group: ModbusGroup) -> None:
        self._points = group.read
        self._published = len(group.points)
        keys = [point.key for point in group.read]
        self._readers = [ValueReader(point) for point in group.read]
        self._scales = [
            (index, keys.index(point.scale_from.key), point.scale_from)
            for index, point in enumerate(group.read)
            if point.scale_from is not None
        ]
        self._deriver = Deriver(group.derived, keys) if group.derived else None
        # Changed by `values` only: for each request seen, (index of the point, its first word, the one after its last).
        self._slots: dict[ReadRequest, tuple[tuple[int, int, int], ...]] = {}

    def values(self, answers: Mapping[ReadRequest, Answer], *, at_s: float = 0.0) -> tuple[Value, ...]:
        """See `decode_registers`; `at_s` is when they were read, in monotonic seconds, for points derived over time."""
        found: list[Value | None] = [None] * len(self._points)
        failed: list[Quality | None] = [None] * len(self._points)
        for request, answer in answers.items():
            for index, start, end in self._slots_of(request):
                if isinstance(answer, Quality):
                    known = failed[index]
                    failed[index] = answer if known is None else min(known, answer)
                elif found[index] is None:
                    point = self._points[index]
                    found[index] = self._readers[index].value(raw_number(point, answer[start:end]))
        read = [
            Value(None, Quality.TIMEOUT if why is None else why) if value is None else value
            for value, why in zip(found, failed, strict=True)
        ]
        for index, scale_index, scale in self._scales:
            read[index] = self._readers[index].rescaled(read[index], factor_told(read[scale_index], scale))
        derived = self._deriver.values(read, at_s=at_s) if self._deriver is not None else ()
        return (*read[: self._published], *derived)

    def _slots_of(self, request: ReadRequest) -> tuple[tuple[int, int, int], ...]:
        slots = self._slots.get(request)
        if slots is None:
            slots = tuple(
                (index, point.address - request.address, point.address - request.address + point.span)
                for index, point in enumerate(self._points)
                if covers(request, point)
            )
            self._slots[request] = slots
        return slots
