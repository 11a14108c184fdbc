"""Values to the binary frame in which a device would tell them. Pure; the inverse of decoding.

I1. What is written for one field leaves the other bits of its bytes as they are.
"""

from collections.abc import Iterable, Sequence

from device_profiles.binary_times import packed_time, ubx_utc
from device_profiles.checks import check_bytes, check_size_bytes
from device_profiles.encode_error import EncodeError
from device_profiles.framing.stuffing import stuffed
from device_profiles.numbers import ByteOrder, NumberType, encode_number, size_bytes
from device_profiles.point_model import is_unavailable, unscaled
from device_profiles.serial_framings import BinaryFraming, Check, hex_bytes
from device_profiles.serial_model import SerialGroup, SerialPoint, TimeForm
from device_profiles.serial_parts import Condition, Items, Repeat


def plain_frame(
    form: BinaryFraming, group: SerialGroup, values: Sequence[float | None], time_ms: int | None
) -> bytearray:
    """The frame that tells these values, without checks and stuffing; of repeated blocks it has one with values.

    Raises:
        EncodeError: it does not say how long it is, or a field does not fit.
        NumberError: a value that its field cannot hold.
    """
    if group.items is not None:
        return _frame_of_items(form, group, group.items, values)
    block = _block_number(group, values)
    out = bare_frame(form, _length(form, group, block))
    put_conditions(out, group.when)
    if group.time is not None and time_ms is not None:
        _put(out, group.time.at, _time_bytes(group.time.form, time_ms))
    start = _open_block(out, group.repeat, block) if group.repeat is not None else 0
    _put_points(out, list(zip(group.points, values, strict=True)), start)
    return out


def bare_frame(form: BinaryFraming, length: int) -> bytearray:
    """A frame of a form with nothing in it but what each frame has."""
    out = bytearray(length)
    _put(out, 0, hex_bytes(form.header))
    tail = hex_bytes(form.tail)
    _put(out, length - len(tail), tail)
    for item in form.fixed:
        _put(out, item.at if item.at >= 0 else length + item.at, hex_bytes(item.value))
    if form.length_field is not None:
        field = form.length_field
        _put(out, field.at, encode_number(length - field.add, field.type, field.order))
    return out


def bare_length(form: BinaryFraming, content: int) -> int:
    """How long a frame is whose content, with its header, has so many bytes."""
    ends = [len(hex_bytes(form.tail)), *(-check.at for check in form.checks), *(-item.at for item in form.fixed)]
    return form.length or content + max(ends)


def finished_frame(form: BinaryFraming, out: bytearray) -> bytes:
    """The frame as it is sent: with its checks, and stuffed."""
    fill_checks(out, form.checks)
    if form.stuffing is None:
        return bytes(out)
    return bytes(out[:1]) + stuffed(bytes(out[1:-1]), form.stuffing) + bytes(out[-1:])


def fill_checks(out: bytearray, checks: Sequence[Check]) -> None:
    """Write the check values of a frame into it, in the order of the checks."""
    for check in checks:
        at = check.at if check.at >= 0 else len(out) + check.at
        end = at if check.end is None else check.end
        out[at : at + check_size_bytes(check.kind)] = check_bytes(check.kind, bytes(out[check.start : end]))


def put_conditions(out: bytearray, conditions: Iterable[Condition], start: int = 0, *, met: bool = True) -> None:
    """Write numbers with which the conditions hold, or do not, into a frame whose places count from `start`."""
    for condition in conditions:
        if condition.at is not None:
            number = meeting(condition) if met else _missing(condition)
            _put_number(out, start + condition.at, number, condition)


def meeting(condition: Condition) -> float:
    """A number that meets a condition."""
    if condition.one_of:
        return condition.one_of[0]
    return condition.at_least if condition.at_least is not None else min(condition.at_most or 0, 0)


def raw_number(point: SerialPoint, value: float | None) -> float | None:
    """The raw number of a value; a missing one is the point's sentinel, or None where the type may say so itself."""
    if value is not None:
        return unscaled(value, point)
    if point.unavailable:
        return point.unavailable[0]
    return point.unavailable_from


def _open_block(out: bytearray, repeat: Repeat, number: int) -> int:
    """Write what says that a block is there; return where it begins."""
    start = repeat.first + (number - 1) * repeat.every
    if repeat.count_at is not None:
        out[repeat.count_at] = number
    put_conditions(out, repeat.when, start)
    return start


def _frame_of_items(form: BinaryFraming, group: SerialGroup, items: Items, values: Sequence[float | None]) -> bytearray:
    told: dict[int, list[tuple[SerialPoint, float | None]]] = {}
    for point, value in zip(group.points, values, strict=True):
        told.setdefault(point.tag or 0, []).append((point, value))
    content = bytearray()
    for tag, points in told.items():
        ends = [point.at + size_bytes(point.type) for point, _ in points if point.at is not None and point.type]
        item = bytearray(max(ends))
        item[0] = len(item) - items.length_adds
        _put(item, items.tag_at, encode_number(tag, items.tag_type, items.tag_order))
        _put_points(item, points, 0)
        content += item
    out = bare_frame(form, items.first + len(content) + items.after)
    put_conditions(out, group.when)
    if items.count_at is not None:
        out[items.count_at] = len(told)
    _put(out, items.first, bytes(content))
    return out


def _put_points(out: bytearray, told: Iterable[tuple[SerialPoint, float | None]], start: int) -> None:
    """Write values where their places count from `start`; conditions first, for a value may stand in one's place."""
    pairs = list(told)
    for point, value in pairs:
        is_said = value is not None or _has_sentinel(point)
        put_conditions(out, point.when if is_said else point.when[:1], start, met=is_said)
    for point, value in pairs:
        if point.at is not None and (value is not None or _has_sentinel(point) or not point.when):
            _put_number(out, start + point.at, _said(point, value), point)


def _has_sentinel(point: SerialPoint) -> bool:
    return bool(point.unavailable) or point.unavailable_from is not None


def _said(point: SerialPoint, value: float | None) -> float | None:
    """The raw number that says a value, or that there is none.

    Raises:
        EncodeError: the value would be understood as none.
    """
    raw = raw_number(point, value)
    if value is not None and raw is not None and is_unavailable(round(raw), point):
        raise EncodeError(f"point {point.key}: {value} would be sent as {raw}, which says that there is no value")
    return raw


def _missing(condition: Condition) -> float:
    """A number that does not meet a condition."""
    if condition.at_least is not None:
        return condition.at_least - 1
    if condition.at_most is not None:
        return condition.at_most + 1
    return next(number for number in range(len(condition.one_of) + 1) if number not in condition.one_of)


def _block_number(group: SerialGroup, values: Sequence[float | None]) -> int:
    """Which of a frame's blocks has the values; the first where no point says its number."""
    told = (value for point, value in zip(group.points, values, strict=True) if point.block_number)
    number = int(next(told, None) or 1)
    if group.repeat is not None and not 1 <= number <= group.repeat.at_most:
        raise EncodeError(f"group {group.name}: found block {number}, expected 1..{group.repeat.at_most}")
    return number


def _length(form: BinaryFraming, group: SerialGroup, blocks: int) -> int:
    length = form.length or group.frame_length
    if length is not None:
        return length
    if group.repeat is None:
        points = [(point.at, point.type) for point in group.points]
        places = [*points, *((condition.at, condition.type) for condition in group.when)]
        ends = [at + size_bytes(kind) for at, kind in places if at is not None and kind is not None]
        return bare_length(form, max(ends))
    if group.repeat.count_at is None and group.repeat.after is None:
        blocks = group.repeat.at_most
    content = group.repeat.first + blocks * group.repeat.every
    return content + group.repeat.after if group.repeat.after is not None else bare_length(form, content)


def _put_number(out: bytearray, at: int, number: float | None, field: SerialPoint | Condition) -> None:
    number_type, order = field.type or NumberType.U8, field.order
    if field.bit is None:
        _put(out, at, encode_number(number, number_type, order))
        return
    mask = (1 << field.bit_width) - 1
    if number is None or round(number) not in range(mask + 1):
        raise EncodeError(f"{field.bit_width} bits at {at} cannot hold {number}")
    raw = _turned(bytes(out[at : at + size_bytes(number_type)]), order)
    kept = int.from_bytes(raw, "big") & ~(mask << field.bit)
    merged = (kept | round(number) << field.bit).to_bytes(size_bytes(number_type), "big")
    _put(out, at, _turned(merged, order))


def _turned(raw: bytes, order: ByteOrder) -> bytes:
    """Bytes in an order as big-endian ones, or back."""
    number_type = {1: NumberType.U8, 2: NumberType.U16, 3: NumberType.U24, 4: NumberType.U32, 8: NumberType.U64}[
        len(raw)
    ]
    return encode_number(int.from_bytes(raw, "big"), number_type, order)


def _time_bytes(form: TimeForm, time_ms: int) -> bytes:
    return ubx_utc(time_ms) if form is TimeForm.UBX_UTC else packed_time(time_ms)


def _put(out: bytearray, at: int, raw: bytes) -> None:
    if at + len(raw) > len(out):
        raise EncodeError(f"{len(raw)} bytes at {at} do not fit a frame of {len(out)}")
    out[at : at + len(raw)] = raw
