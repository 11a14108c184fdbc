"""What a dashboard is before it is Grafana's JSON: rows of panels, in both languages. Pure data.

I1. Places on the page are computed (`rows`), so panels neither overlap nor overflow.
I2. Every panel says what it shows and what to do about it (`about`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from grafana.influxql import Query
from grafana.limits import NEUTRAL, Step, Words
from grafana.texts import Text

COLUMNS: Final = 24
MAX_PANELS: Final = 12
NOTHING: Final = Text("no value", "không có số liệu")


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A way down: to the dashboard `uid`, with the values of these fields of the clicked row or series as variables."""

    title: Text
    uid: str
    fields: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """What all panels have. `width` None shares what the row leaves."""

    title: Text
    about: Text
    queries: Sequence[Query]
    unit: str = "none"
    limits: Sequence[Step] = NEUTRAL
    words: Words | None = None
    link: Link | None = None
    width: int | None = None
    decimals: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines(Panel):
    """Values over time. Series whose mode is not real are dashed. `shifted` shows the time so much earlier (`1d`)."""

    minimum: float | None = None
    maximum: float | None = None
    is_stacked: bool = False
    are_bars: bool = False
    shows_limits: bool = False
    shifted: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """How many rows of a table have a value of this column of at least `at_least`, and at most `at_most`."""

    column: str
    at_least: float | None = None
    at_most: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiles(Panel):
    """Numbers large enough for a wall. `nothing` is said where there is no value in the time asked for."""

    counted: Counted | None = None
    nothing: Text = NOTHING
    shows_name: bool = True
    reduces: str = "lastNotNull"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeBadge(Panel):
    """In which modes the values of this page came about: what is not real cannot be missed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a table."""

    name: str
    title: Text
    unit: str = "none"
    limits: Sequence[Step] = ()
    words: Words | None = None
    colors_row: bool = False
    decimals: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows(Panel):
    """A table. Answers of several queries are joined by the column `joined_by`."""

    columns: Sequence[Column]
    joined_by: str | None = None
    sorted_by: str | None = None
    is_descending: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class States(Panel):
    """Codes over time, with their words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Map(Panel):
    """Sites where they stand, without the internet: outline, positions and look-up come from the hub."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Panels side by side, all as high."""

    height: int
    panels: Sequence[Panel]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A variable: what a person may choose, looked up in one measurement."""

    name: str
    title: Text
    measurement: str
    where: str = ""
    is_many: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """One dashboard."""

    uid: str
    title: Text
    about: Text
    choices: Sequence[Choice]
    rows: Sequence[Row]
    span: str = "6h"
    refresh: str = "30s"
    tags: Sequence[str] = field(default=())

    @property
    def panels(self) -> list[Panel]:
        """All panels, as they are read."""
        return [panel for row in self.rows for panel in row.panels]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a panel stands on the page."""

    x: int
    y: int
    w: int
    h: int


def places(board: Board) -> list[Place]:
    """The place of each panel, in the order of `board.panels`.

    Raises:
        ValueError: a row's panels are wider than the page.
    """
    found: list[Place] = []
    y = 0
    for row in board.rows:
        x = 0
        for width in _widths(board, row):
            found.append(Place(x=x, y=y, w=width, h=row.height))
            x += width
        y += row.height
    return found


def _widths(board: Board, row: Row) -> list[int]:
    given = sum(panel.width or 0 for panel in row.panels)
    open_panels = sum(panel.width is None for panel in row.panels)
    left = COLUMNS - given
    if left < open_panels:
        raise ValueError(f"dashboard {board.uid}: a row of {given} columns and {open_panels} more panels is too wide")
    shares = [left // open_panels + (number < left % open_panels) for number in range(open_panels)]
    remaining = iter(shares)
    return [panel.width if panel.width is not None else next(remaining) for panel in row.panels]
