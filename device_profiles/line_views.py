"""A line of text as a group sees it: its fields or labels, or that it is none of the group's. Pure."""

import json
import re
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from device_profiles.framing.base import BadFrame, Frame, FrameFault
from device_profiles.line_framings import LayoutKind, LineFraming, LineLayout
from device_profiles.line_template import line_template
from device_profiles.serial_model import SerialGroup

_BLANK: Final = " "
_SIGNED: Final = re.compile(r"[+-][0-9.]+")
_ALL_SIGNED: Final = re.compile(r"(?:[+-][0-9.]++)+\Z")
_JSON_WORDS: Final = MappingProxyType({None: "", True: "true", False: "false"})


def line_view(framing: LineFraming, group: SerialGroup, frame: Frame) -> Frame | None:
    """The line laid out as the group says; None where it begins otherwise, or is not of that layout."""
    text, layout = frame.text, group.layout or framing.layout
    if text is None or layout is None:
        return None
    beginnings = [each for each in group.prefixes or ("",) if text.startswith(each)]
    return _laid_out(layout, group, frame, text.removeprefix(max(beginnings, key=len))) if beginnings else None


def unread(framing: LineFraming, frame: Frame) -> Frame | BadFrame | None:
    """What a line is that no group reads: a bad frame, nothing (it is ignored), or a frame whose check holds."""
    if frame.text is None or frame.text.startswith(framing.ignored):
        return None
    return frame if frame.is_checked else BadFrame(FrameFault.FORM)


def _laid_out(layout: LineLayout, group: SerialGroup, frame: Frame, text: str) -> Frame | None:
    if layout.is_counted:
        fields = _fields(layout, text)
        needed = max((point.at for point in group.points if point.at is not None and not point.optional), default=0)
        has_all = len(fields) > needed if layout.count is None else len(fields) == layout.count
        return replace(frame, fields=fields) if has_all else None
    labels = _labels(layout, text)
    return None if labels is None else replace(frame, labels=labels)


def _fields(layout: LineLayout, text: str) -> tuple[str, ...]:
    if layout.kind is LayoutKind.SIGNED:
        return tuple(_SIGNED.findall(text)) if _ALL_SIGNED.match(text) else ()
    if layout.separator == _BLANK:
        return tuple(text.split())
    return tuple(field.strip() for field in text.split(layout.separator))


def _labels(layout: LineLayout, text: str) -> dict[str, str] | None:
    if layout.kind is LayoutKind.TEMPLATE:
        read = (line_template(template).read(text) for template in layout.templates)
        return next((labels for labels in read if labels is not None), None)
    if layout.kind is LayoutKind.JSON:
        return _json_labels(text)
    items = text.split() if layout.separator == _BLANK else text.split(layout.separator)
    pairs = [item.strip().split(layout.assign) for item in items]
    labels = {pair[0]: pair[1] for pair in pairs if len(pair) == 2 and pair[0]}  # noqa: PLR2004 - name and value
    return labels if len(labels) == len(pairs) else None


class _NoFlatObjectError(ValueError):
    """JSON that is no flat object, or has a name twice."""


def _json_labels(text: str) -> dict[str, str] | None:
    # Nesting is refused before it is read: a line of brackets would make the reader go as deep as it is long.
    if text.count("{") != 1 or "[" in text:
        return None
    try:
        found = json.loads(text, object_pairs_hook=_flat, parse_int=str, parse_float=str, parse_constant=str)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _flat(pairs: list[tuple[str, str | bool | None]]) -> dict[str, str]:
    labels = {name: value if isinstance(value, str) else _JSON_WORDS[value] for name, value in pairs}
    if len(labels) != len(pairs):
        raise _NoFlatObjectError
    return labels
