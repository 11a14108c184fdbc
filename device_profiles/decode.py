"""Registers to values. Pure: no clock, no log, no I/O.

I1. A register that was not read never becomes a value.
"""

import struct
from collections.abc import Mapping

from device_profiles.modbus import ReadRequest
from device_profiles.modbus_model import ModbusGroup, ModbusPoint
from device_profiles.numbers import decode_number
from device_profiles.plan import covers
from device_profiles.point_model import value_of
from wire.records import Quality, Value

Answer = tuple[int, ...] | Quality


def decode_registers(group: ModbusGroup, answers: Mapping[ReadRequest, Answer]) -> tuple[Value, ...]:
    """The values of a group's points, in their order.

    Args:
        group: of the profile.
        answers: what each request gave: registers 0..65535 or bits 0 and 1, as `parse_reply_pdu` returns them; or the
            quality that says why there are none. Of several requests with one point, a good one counts.

    Returns:
        A value each; None with the failed request's quality, or with `timeout` where no request asked for it.
    """
    return tuple(_value(point, answers) for point in group.points)


def raw_number(point: ModbusPoint, words: tuple[int, ...]) -> int | float | None:
    """The raw number in the registers, or bits, of one point; None where they say that there is none."""
    if point.bit is not None:
        return words[0] >> point.bit & (1 << point.bit_width) - 1
    if point.type is None:
        return words[0]
    return decode_number(struct.pack(f">{len(words)}H", *words), point.type, point.order)


def _value(point: ModbusPoint, answers: Mapping[ReadRequest, Answer]) -> Value:
    failed: list[Quality] = []
    for request, answer in answers.items():
        if not covers(request, point):
            continue
        if isinstance(answer, Quality):
            failed.append(answer)
            continue
        start = point.address - request.address
        return value_of(raw_number(point, answer[start : start + point.span]), point)
    return Value(None, min(failed, default=Quality.TIMEOUT))
