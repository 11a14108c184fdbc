"""Values to the bytes a serial device would send, and the requests it is asked with. Pure; the inverse of decoding."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, assert_never

from device_profiles.checks import check_bytes, check_size_bytes, xor_of
from device_profiles.framing.base import Frame
from device_profiles.numbers import decode_number, encode_number, size_bytes
from device_profiles.point_model import unscaled
from device_profiles.serial_framings import BinaryFraming, BlockFraming, Check, hex_bytes
from device_profiles.serial_model import (
    Condition,
    DeviceTime,
    Request,
    SerialDevice,
    SerialGroup,
    SerialPoint,
    TextForm,
    TimeForm,
)
from device_profiles.text_readings import number_text

_TALKER: Final = "GP"
_ADDRESS_LENGTH: Final = 5


class EncodeError(ValueError):
    """A frame that cannot be made; the text says which group and why."""


def request_bytes(request: Request, *, address: int | None = None, sequence: int = 0) -> bytes:
    """The bytes to send: the template with the device's address, the sequence number (mod 256) and the checks.

    Raises:
        EncodeError: the request needs an address and there is none.
        NumberError: the address does not fit its field.
    """
    out = bytearray(hex_bytes(request.send))
    if request.address is not None:
        if address is None:
            raise EncodeError("the device is asked by its address: expected an address, found none")
        _put(out, request.address.at, encode_number(address, request.address.type, request.address.order))
    if request.sequence is not None:
        out[request.sequence.at] = sequence & 0xFF
    fill_checks(out, request.checks)
    return bytes(out)


def is_reply(request: Request, frame: Frame, *, address: int | None = None, sequence: int = 0) -> bool:
    """Whether a frame answers the request that was sent with this address and sequence number."""
    if request.sequence is not None:
        expected = (sequence + request.sequence.reply_adds) & 0xFF
        if frame.raw[request.sequence.at : request.sequence.at + 1] != bytes((expected,)):
            return False
    field = request.address
    if field is None:
        return True
    raw = frame.raw[field.reply_at : field.reply_at + size_bytes(field.type)]
    return len(raw) == size_bytes(field.type) and decode_number(raw, field.type, field.order) == address


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
    if device.binary is not None:
        return _binary(device.binary, chosen, values, time_ms)
    if device.blocks is not None:
        return _block(device.blocks, chosen, values)
    return _sentence(chosen, values, time_ms)


def _binary(framing: BinaryFraming, group: SerialGroup, values: Sequence[float | None], time_ms: int | None) -> bytes:
    length = framing.length or group.frame_length
    if length is None:
        raise EncodeError(f"group {group.name}: a frame with a length field needs the group's frame_length")
    out = bytearray(length)
    _put(out, 0, hex_bytes(framing.header))
    tail = hex_bytes(framing.tail)
    _put(out, length - len(tail), tail)
    if framing.length_field is not None:
        field = framing.length_field
        _put(out, field.at, encode_number(length - field.add, field.type, field.order))
    for condition in group.when:
        if condition.at is not None:
            _put(out, condition.at, encode_number(_meeting(condition), condition.type, condition.order))
    if group.time is not None and time_ms is not None:
        _put(out, group.time.at, _packed_time(time_ms))
    for point, value in zip(group.points, values, strict=True):
        if point.at is not None and point.type is not None:
            raw = _raw(point, value)
            _put(out, point.at, encode_number(raw, point.type, point.order))
    fill_checks(out, framing.checks)
    return bytes(out)


def _block(framing: BlockFraming, group: SerialGroup, values: Sequence[float | None]) -> bytes:
    lines: dict[str, str] = {}
    for condition in group.when:
        if condition.label is not None:
            lines[condition.label] = _meeting_text(condition)
    for point, value in zip(group.points, values, strict=True):
        if point.label is not None and not (value is None and point.optional):
            lines[point.label] = _point_text(point, value)[0]
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
    fields.update({each.at: _meeting_text(each) for each in conditions if each.at is not None})
    for point, value in zip(group.points, values, strict=True):
        if point.at is not None:
            text, hemisphere = _point_text(point, value)
            fields[point.at] = text
            if point.form in {TextForm.LATITUDE, TextForm.LONGITUDE}:
                fields[point.at + 1] = hemisphere
    name = group.sentence or ""
    address = name if len(name) >= _ADDRESS_LENGTH else _TALKER + name
    body = ",".join([address, *(fields.get(at, "") for at in range(1, max(fields) + 1))])
    return f"${body}*{xor_of(body.encode()):02X}\r\n".encode("ascii")


def _raw(point: SerialPoint, value: float | None) -> float | None:
    """The raw number of a value; a missing one is the point's sentinel, or None where the type may say so itself."""
    if value is not None:
        return unscaled(value, point)
    if point.unavailable:
        return point.unavailable[0]
    return point.unavailable_from


def _point_text(point: SerialPoint, value: float | None) -> tuple[str, str]:
    raw = _raw(point, value)
    if raw is None:
        return "", ""
    words: Mapping[float, str] = {number: word for word, number in point.texts.items()}
    if words:
        return words.get(raw, ""), ""
    return number_text(raw, point.form)


def _meeting(condition: Condition) -> float:
    """A number that meets a condition."""
    return condition.one_of[0] if condition.one_of else condition.at_least or 0


def _meeting_text(condition: Condition) -> str:
    return condition.text[0] if condition.text else number_text(_meeting(condition), TextForm.DECIMAL)[0]


def _put(out: bytearray, at: int, raw: bytes) -> None:
    if at + len(raw) > len(out):
        raise EncodeError(f"{len(raw)} bytes at {at} do not fit a frame of {len(out)}")
    out[at : at + len(raw)] = raw


def fill_checks(out: bytearray, checks: Sequence[Check]) -> None:
    """Write the check values of a frame into it, in the order of the checks."""
    for check in checks:
        at = check.at if check.at >= 0 else len(out) + check.at
        end = at if check.end is None else check.end
        out[at : at + check_size_bytes(check.kind)] = check_bytes(check.kind, bytes(out[check.start : end]))


def _packed_time(time_ms: int) -> bytes:
    at = datetime.fromtimestamp(time_ms / 1000, UTC)
    date = at.year << 9 | at.month << 5 | at.day
    clock = at.hour << 22 | at.minute << 16 | at.second << 10 | time_ms % 1000
    return date.to_bytes(4, "big") + clock.to_bytes(4, "big")


def _time_fields(time: DeviceTime, time_ms: int) -> dict[int, str]:
    at = datetime.fromtimestamp(time_ms // 1000, UTC)
    fields = {time.at: f"{at:%H%M%S}.{time_ms % 1000:03d}"}
    match time.form:
        case TimeForm.CLOCK_DATE:
            fields[time.date_at or 0] = f"{at:%d%m%y}"
        case TimeForm.CLOCK_DAY_MONTH_YEAR:
            first = time.date_at or 0
            fields |= {first: f"{at:%d}", first + 1: f"{at:%m}", first + 2: f"{at:%Y}"}
        case TimeForm.CLOCK | TimeForm.PACKED_DATE_TIME:
            pass
        case _:
            assert_never(time.form)
    return fields
