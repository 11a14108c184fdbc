"""What a text in a frame means as a point's value, and the text that says a value. Pure."""

from dataclasses import replace
from functools import lru_cache
from typing import Final

from device_profiles.framing.base import Frame
from device_profiles.line_framings import UnitScale
from device_profiles.point_model import unscaled, value_of
from device_profiles.serial_model import SerialPoint, TextForm
from device_profiles.text_readings import number_text, text_number
from wire.records import Quality, Value

_NO_VALUE: Final = Value(None, Quality.SENSOR_FAULT)
_ANGLES: Final = frozenset({TextForm.LATITUDE, TextForm.LONGITUDE})


def text_at(frame: Frame, at: int | None, label: str | None) -> str | None:
    """The text of a field or under a label; None where the frame has none."""
    if label is not None:
        return None if frame.labels is None else frame.labels.get(label)
    if at is None or at >= len(frame.fields):
        return None
    return frame.fields[at]


def text_value(point: SerialPoint, frame: Frame) -> Value:
    """The value that the text at a point's place means; a text that says none is a sensor fault."""
    if point.flag is not None:
        return value_of(int(point.flag in (frame.text or "")), point)
    text = text_at(frame, point.at, point.label)
    if text is None or text in point.unavailable_text:
        return _NO_VALUE
    if point.texts:
        return value_of(point.texts.get(text), point)
    if point.units:
        return _measured(point, text, text_at(frame, point.unit_at, point.unit_label))
    hemisphere = ""
    if point.at is not None and point.form in _ANGLES:
        hemisphere = text_at(frame, point.at + 1, None) or ""
    return value_of(text_number(text.strip(), point.form, hemisphere), point)


def has_unit_place(point: SerialPoint) -> bool:
    """Whether the unit stands apart from the number."""
    return point.unit_at is not None or point.unit_label is not None


def value_text(point: SerialPoint, value: float | None) -> tuple[str, str]:
    """The text that says a value, and its hemisphere letter (empty for other forms); the inverse of `text_value`.

    A missing value is the point's way to say so, or the empty text. Of several units it is said in the first.
    """
    if value is None:
        return _missing_text(point)
    if point.texts:
        raw = unscaled(value, point)
        return next((word for word, number in point.texts.items() if number == raw), ""), ""
    if not point.units:
        return number_text(unscaled(value, point), point.form)
    unit = point.units[0]
    number = number_text(unscaled(value, _in_unit(point, unit)), point.form)[0]
    return number + ("" if has_unit_place(point) else unit.text), ""


def _missing_text(point: SerialPoint) -> tuple[str, str]:
    if point.unavailable_text:
        return point.unavailable_text[0], ""
    raw = point.unavailable[0] if point.unavailable else point.unavailable_from
    if raw is None:
        return "", ""
    words = (word for word, number in point.texts.items() if number == raw)
    return (next(words, ""), "") if point.texts else number_text(raw, point.form)


def _measured(point: SerialPoint, text: str, unit_text: str | None) -> Value:
    apart = has_unit_place(point)
    for unit in point.units:
        if unit_text == unit.text if apart else text.endswith(unit.text):
            raw = text_number((text if apart else text.removesuffix(unit.text)).strip(), point.form)
            if raw is not None:
                return value_of(raw, _in_unit(point, unit))
    return _NO_VALUE


@lru_cache(maxsize=1024)
def _in_unit(point: SerialPoint, unit: UnitScale) -> SerialPoint:
    return replace(point, scale=unit.scale, offset=unit.offset, units=(), unit_at=None, unit_label=None)
