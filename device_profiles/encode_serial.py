"""Values to the bytes a serial device would send. Pure; the inverse of decoding."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, assert_never

from device_profiles.checks import xor_of
from device_profiles.encode_binary import finished_frame, plain_frame
from device_profiles.encode_error import EncodeError
from device_profiles.encode_lines import line_bytes, meeting_text
from device_profiles.serial_framings import BlockFraming
from device_profiles.serial_model import (
    DeviceTime,
    SerialDevice,
    SerialGroup,
    TextForm,
    TimeForm,
)
from device_profiles.text_values import value_text

_TALKER: Final = "GP"
_ADDRESS_LENGTH: Final = 5


def encode_frame(
    device: SerialDevice, group: str, values: Sequence[float | None], *, time_ms: int | None = None
) -> bytes:
    """The frame in which the device would tell these values, all checks right.

    Args:
        device: the serial part of a profile.
        group: the name of one of its groups.
        values: in the group's order, in the quantities' units; None where the device has no value.
        time_ms: the device's UTC time, for groups that carry one.

    Raises:
        EncodeError: no such group, another count of values, or a value that this frame cannot say is missing.
        NumberError: a value that its field cannot hold.
    """
    chosen = next((each for each in device.groups if each.name == group), None)
    if chosen is None:
        raise EncodeError(f"group {group!r}: expected one of {', '.join(each.name for each in device.groups)}")
    if len(values) != len(chosen.points):
        raise EncodeError(f"group {group}: expected {len(chosen.points)} values, found {len(values)}")
    if (form := device.form(chosen)) is not None:
        return finished_frame(form, plain_frame(form, chosen, values, time_ms))
    if device.blocks is not None:
        return _block(device.blocks, chosen, values)
    if device.lines is not None:
        return line_bytes(device.lines, chosen, values)
    return _sentence(chosen, values, time_ms)


def _block(framing: BlockFraming, group: SerialGroup, values: Sequence[float | None]) -> bytes:
    lines: dict[str, str] = {}
    for condition in group.when:
        if condition.label is not None:
            lines[condition.label] = meeting_text(condition)
    for point, value in zip(group.points, values, strict=True):
        if point.label is not None and not (value is None and point.optional):
            lines[point.label] = value_text(point, value)[0]
    text = "".join(f"\r\n{label}\t{value}" for label, value in lines.items()) + f"\r\n{framing.end_label}\t"
    raw = text.encode("latin-1")
    return raw + bytes((-sum(raw) & 0xFF,))


def _sentence(group: SerialGroup, values: Sequence[float | None], time_ms: int | None) -> bytes:
    fields: dict[int, str] = {}
    conditions = [*group.when]
    if group.time is not None and time_ms is not None:
        conditions += group.time.when
        fields.update(_time_fields(group.time, time_ms))
    for point, value in zip(group.points, values, strict=True):
        if value is not None:
            conditions += point.when
    fields.update({each.at: meeting_text(each) for each in conditions if each.at is not None})
    for point, value in zip(group.points, values, strict=True):
        if point.at is not None:
            text, hemisphere = value_text(point, value)
            fields[point.at] = text
            if point.form in {TextForm.LATITUDE, TextForm.LONGITUDE}:
                fields[point.at + 1] = hemisphere
            if point.unit_at is not None:
                fields[point.unit_at] = point.units[0].text
    name = group.sentence or ""
    address = name if len(name) >= _ADDRESS_LENGTH else _TALKER + name
    body = ",".join([address, *(fields.get(at, "") for at in range(1, max(fields) + 1))])
    return f"${body}*{xor_of(body.encode()):02X}\r\n".encode("ascii")


def _time_fields(time: DeviceTime, time_ms: int) -> dict[int, str]:
    at = datetime.fromtimestamp(time_ms // 1000, UTC)
    fields = {time.at: f"{at:%H%M%S}.{time_ms % 1000:03d}"}
    match time.form:
        case TimeForm.CLOCK_DATE:
            fields[time.date_at or 0] = f"{at:%d%m%y}"
        case TimeForm.CLOCK_DAY_MONTH_YEAR:
            first = time.date_at or 0
            fields |= {first: f"{at:%d}", first + 1: f"{at:%m}", first + 2: f"{at:%Y}"}
        case TimeForm.CLOCK | TimeForm.PACKED_DATE_TIME | TimeForm.UBX_UTC:
            pass
        case _:
            assert_never(time.form)
    return fields
