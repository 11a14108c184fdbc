"""Values to the line in which a device would tell them. Pure; the inverse of `line_views` and `text_values`."""

import json
from collections.abc import Iterator, Sequence
from typing import Final

from device_profiles.encode_binary import meeting
from device_profiles.encode_error import EncodeError
from device_profiles.framing.lines import checked_line
from device_profiles.line_framings import LayoutKind, LineFraming, LineLayout
from device_profiles.line_template import line_template
from device_profiles.serial_model import SerialGroup, SerialPoint, TextForm
from device_profiles.serial_parts import Condition
from device_profiles.text_readings import number_text
from device_profiles.text_values import value_text

_FILLER: Final = "0"


def line_bytes(framing: LineFraming, group: SerialGroup, values: Sequence[float | None]) -> bytes:
    """The line of a group with these values, in its order.

    Raises:
        EncodeError: a value that the line cannot say.
    """
    layout = group.layout or framing.layout
    if layout is None:
        raise EncodeError(f"group {group.name}: its lines have no layout")
    texts: dict[str | int, str] = {}
    pairs = [*zip(group.points, values, strict=True)]
    conditions = [*group.when, *(condition for point, value in pairs if value is not None for condition in point.when)]
    for condition in conditions:
        place = condition.label if condition.at is None else condition.at
        if place is not None:
            texts[place] = meeting_text(condition)
    for point, value in pairs:
        texts.update(_point_texts(layout, point, value))
    prefix = group.prefixes[0] if group.prefixes else ""
    flags = "".join(f", {point.flag}" for point, value in pairs if point.flag is not None and value)
    return checked_line(framing, prefix + _text(layout, texts) + flags)


def meeting_text(condition: Condition) -> str:
    """A text that meets a condition."""
    return condition.text[0] if condition.text else number_text(meeting(condition), TextForm.DECIMAL)[0]


def _point_texts(layout: LineLayout, point: SerialPoint, value: float | None) -> Iterator[tuple[str | int, str]]:
    if value is None and point.optional and layout.kind in {LayoutKind.PAIRS, LayoutKind.JSON}:
        return
    text = value_text(point, value)[0]
    if point.at is not None:
        yield point.at, text
    elif point.label is not None:
        yield point.label, _fitted(layout, point, text) if layout.kind is LayoutKind.TEMPLATE else text
    unit_place = point.unit_label if point.unit_at is None else point.unit_at
    if unit_place is not None:
        yield unit_place, point.units[0].text


def _text(layout: LineLayout, texts: dict[str | int, str]) -> str:
    labels = {place: text for place, text in texts.items() if isinstance(place, str)}
    match layout.kind:
        case LayoutKind.FIELDS:
            count = layout.count or 1 + max((place for place in texts if isinstance(place, int)), default=0)
            return layout.separator.join(texts.get(at, _FILLER) for at in range(count))
        case LayoutKind.SIGNED:
            count = layout.count or 1 + max((place for place in texts if isinstance(place, int)), default=0)
            return "".join(_signed(texts.get(at, _FILLER)) for at in range(count))
        case LayoutKind.PAIRS:
            return layout.separator.join(f"{label}{layout.assign}{text}" for label, text in labels.items())
        case LayoutKind.TEMPLATE:
            return line_template(layout.template).write(labels)
        case LayoutKind.JSON:
            return json.dumps({label: _json_value(text) for label, text in labels.items()}, separators=(",", ":"))


def _signed(text: str) -> str:
    return text if text.startswith(("+", "-")) else "+" + text


def _json_value(text: str) -> float | str | None:
    try:
        return None if text == "" else json.loads(text, parse_constant=lambda _: text)
    except ValueError:
        return text


def _fitted(layout: LineLayout, point: SerialPoint, text: str) -> str:
    """The text in the width that the template has for it: with fewer decimals, or with zeros before it.

    Raises:
        EncodeError: it does not fit, or there is none and the line cannot say so.
    """
    width = line_template(layout.template).width(point.label or "")
    if width is None:
        if not text:
            raise EncodeError(f"point {point.key}: this line has no way to say that it has no value")
        return text
    if point.texts or not text:
        return text.rjust(width)
    shortened = _shortened(text.removeprefix("0x"), width)
    if len(shortened) > width:
        raise EncodeError(f"point {point.key}: {text} takes more than the {width} characters that the line has for it")
    return shortened.zfill(width)


def _shortened(text: str, width: int) -> str:
    """A decimal number in at most `width` characters, where fewer decimals bring it there."""
    whole, dot, decimals = text.partition(".")
    if not dot or len(text) <= width:
        return text
    kept = decimals[: max(0, width - len(whole) - 1)]
    return f"{whole}.{kept}" if kept else whole
