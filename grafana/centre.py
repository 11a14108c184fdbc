"""What dashboards and alert rules depend on of one installation. Pure data."""

from collections.abc import Sequence
from dataclasses import dataclass

from grafana.texts import Language


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmLevels:
    """The water levels, in metres, at which alarm I, II and III begin at one gauge, and what says so.

    They are law that changes: they stand in the configuration, not in the code.
    """

    site: str
    device: str
    key: str
    levels_m: tuple[float, float, float]
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Centre:
    """One operations centre.

    `map_url` is the folder where the hub keeps its GeoJSON, as browsers reach it; `grafana_url` is Grafana as operators
    reach it, for links in notifications.
    """

    language: Language = Language.VI
    timezone: str = "browser"
    map_url: str = ""
    grafana_url: str = ""
    alarm_levels: Sequence[AlarmLevels] = ()
