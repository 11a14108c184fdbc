"""All dashboards of a centre, in the order of the menu. Pure."""

from collections.abc import Callable
from typing import Final

from grafana.board import Board
from grafana.centre import Centre
from grafana.dashboards import air, cameras, freshness, gateway, ledger, power, site, traffic, wall, weather_water
from grafana.render import Json, rendered

_BOARDS: Final[tuple[Callable[[Centre], Board], ...]] = (
    wall.board,
    site.board,
    air.board,
    weather_water.board,
    traffic.board,
    power.board,
    cameras.board,
    gateway.board,
    ledger.board,
    freshness.board,
)


def boards(centre: Centre) -> list[Board]:
    """The dashboards before they are JSON."""
    return [board(centre) for board in _BOARDS]


def dashboards(centre: Centre) -> list[Json]:
    """The dashboards as Grafana takes them."""
    return [rendered(board, centre) for board in boards(centre)]
