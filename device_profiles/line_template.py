"""Templates of lines: they read a line, and write one. Pure.

`Acc {acc} {unit}, EventAcc {event} {event_unit}{*}` reads `Acc  0.01 mm, EventAcc  2.07 mm, LensBad`.

- `{name}`: one or more characters, none of them a blank, a comma, a semicolon, or what stands next in the template.
- `{name:#}`: one or more of the characters of a decimal number: + - . and digits. Another field may follow at once.
- `{name:4}`: exactly four characters, whatever they are. `{:4}`: the same, read by nobody.
- `{*}`, only at the end: whatever follows, or nothing.
- A blank: one or more blanks. Any other character: itself.

I1. Reading takes time in proportion to the line: no part is ever read twice, so no line can make it slow.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Final

_PIECE: Final = re.compile(r"\{(?P<field>[^{}]*)\}|(?P<blanks> +)|(?P<literal>[^{} ]+)")
_FIELD: Final = re.compile(r"(?P<name>[A-Za-z][A-Za-z0-9_]*)?(?::(?P<width>#|[1-9][0-9]{0,2}))?\Z")
_REST: Final = "*"
_NUMBER: Final = "#"
_OF_NUMBERS: Final = "+-.0123456789"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Piece:
    """A piece of a template: literal text, blanks (" "), or a field; an open field has no width."""

    literal: str = ""
    name: str = ""
    width: int | None = None
    is_number: bool = False
    is_field: bool = False
    is_rest: bool = False

    @property
    def is_open(self) -> bool:
        """Whether what stands next ends it."""
        return self.is_field and self.width is None


class LineTemplate:
    """A template, ready to read and write."""

    def __init__(self, text: str) -> None:
        """Read the template.

        Raises:
            ValueError: the text is none; it says what is wrong.
        """
        self._pieces = _pieces(text)
        _refuse_unclear(text, self._pieces)
        self._widths = {piece.name: piece.width for piece in self._pieces if piece.name}
        follows = (*self._pieces[1:], _Piece())
        expressions = (_expression(piece, after) for piece, after in zip(self._pieces, follows, strict=True))
        self._expression = re.compile("".join(expressions), re.DOTALL)

    @property
    def names(self) -> frozenset[str]:
        """The names of its fields."""
        return frozenset(self._widths)

    def width(self, name: str) -> int | None:
        """How many characters the field takes; None where that is open."""
        return self._widths.get(name)

    def read(self, text: str) -> dict[str, str] | None:
        """The fields of a line; None for a line that is not of this template."""
        found = self._expression.fullmatch(text)
        return found.groupdict() if found else None

    def write(self, fields: Mapping[str, str]) -> str:
        """The line with these fields; those not named are zeros, and what nobody reads is blank."""
        return "".join(self._written(piece, fields) for piece in self._pieces)

    @staticmethod
    def _written(piece: _Piece, fields: Mapping[str, str]) -> str:
        if not piece.is_field:
            return piece.literal
        if piece.name:
            return fields.get(piece.name, "0" * (piece.width or 1))
        return " " * (piece.width or 0)


@lru_cache(maxsize=1024)
def line_template(text: str) -> LineTemplate:
    """The template that a text describes.

    Raises:
        ValueError: the text is none.
    """
    return LineTemplate(text)


def _pieces(text: str) -> tuple[_Piece, ...]:
    pieces: list[_Piece] = []
    at = 0
    while at < len(text):
        found = _PIECE.match(text, at)
        if found is None:
            raise ValueError(
                f"template {text!r}: found {text[at]!r} alone, expected fields like {{name}} or {{name:4}}"
            )
        at = found.end()
        if found["field"] is not None:
            pieces.append(_field(text, found["field"]))
        else:
            pieces.append(_Piece(literal=found["literal"] or " "))
    return tuple(pieces)


def _field(text: str, inside: str) -> _Piece:
    if inside == _REST:
        return _Piece(is_field=True, is_rest=True)
    found = _FIELD.match(inside)
    if found is None or not inside:
        raise ValueError(
            f"template {text!r}: found {{{inside}}}, expected {{name}}, {{name:#}}, {{name:4}}, {{:4}} or {{*}}"
        )
    size = found["width"]
    width = int(size) if size and size != _NUMBER else None
    return _Piece(name=found["name"] or "", width=width, is_number=size == _NUMBER, is_field=True)


def _refuse_unclear(text: str, pieces: tuple[_Piece, ...]) -> None:
    names = [piece.name for piece in pieces if piece.name]
    if not names:
        raise ValueError(f"template {text!r}: it has no field")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"template {text!r}: {', '.join(twice)} stands in it twice")
    for piece, after in pairwise(pieces):
        if piece.is_rest:
            raise ValueError(f"template {text!r}: {{*}} may stand only at its end")
        if piece.is_open and after.is_field and not after.is_rest and (after.is_number or not piece.is_number):
            raise ValueError(f"template {text!r}: {piece.name} needs a width, or something behind it")
        if piece.is_number and after.literal[:1] and after.literal[0] in _OF_NUMBERS:
            raise ValueError(f"template {text!r}: {after.literal[0]!r} behind {piece.name} may belong to the number")


def _expression(piece: _Piece, after: _Piece) -> str:
    """The piece as a regular expression that never gives back what it took."""
    if piece.is_rest:
        return ".*+"
    if not piece.is_field:
        return " ++" if piece.literal == " " else re.escape(piece.literal)
    open_body = "[-+.0-9]++" if piece.is_number else rf"[^\s,;{re.escape(after.literal[:1])}]++"
    body = open_body if piece.width is None else f".{{{piece.width}}}"
    return f"(?P<{piece.name}>{body})" if piece.name else body
