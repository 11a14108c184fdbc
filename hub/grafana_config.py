"""The `grafana:` section of `hub.yaml`: where Grafana is, who is told what, and the alarm levels of the gauges."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, ClassVar, Final

from annotated_types import Len, MinLen

from device_profiles.yaml_tree import Path as KeyPath
from device_profiles.yaml_tree import YamlTree

_STRICT: Final = {"extra": "forbid"}

Text = Annotated[str, MinLen(1)]
ContactName = Annotated[str, MinLen(1)]


class PanelLanguage(StrEnum):
    """What the operators read."""

    VI = "vi"
    EN = "en"


class AlertSeverity(StrEnum):
    """How soon a person must act: now, this shift, this week."""

    CRITICAL = "critical"
    WARNING = "warning"
    NOTICE = "notice"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactConfig:
    """Somebody who is told: `type` and `settings` are those of Grafana's integrations (email, webhook, telegram ...).

    `secret_files` names, for each setting that is a secret, the file that holds it.
    """

    __pydantic_config__: ClassVar = _STRICT

    name: ContactName
    type: Text
    settings: dict[str, str] = field(default_factory=dict)
    secret_files: dict[str, str] = field(default_factory=dict)
    severities: tuple[AlertSeverity, ...] = tuple(AlertSeverity)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmLevelsConfig:
    """Where alarm I, II and III begin at one gauge, in metres, and the decision that says so."""

    __pydantic_config__: ClassVar = _STRICT

    site: Text
    device: Text
    key: Text = "water_level"
    levels_m: Annotated[tuple[float, ...], Len(3, 3)]
    source: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class GrafanaConfig:
    """Grafana, as this machine reaches it (`url`) and as operators do (`public_url`).

    `influx_url` is InfluxDB as Grafana reaches it, and `read_token_file` or `read_username` and `read_password_file`
    are what it shows there: a reader's, not the hub's own; `sen-hub storage setup` makes and names them. `hub_url` is
    the hub as operators' browsers reach it: the map comes from there. `outline_file` is a GeoJSON file with the outline
    of the province.
    """

    __pydantic_config__: ClassVar = _STRICT

    url: Text | None = None
    public_url: Text | None = None
    token_file: Text | None = None
    language: PanelLanguage = PanelLanguage.VI
    timezone: Text = "browser"
    hub_url: Text | None = None
    outline_file: Text | None = None
    influx_url: Text | None = None
    read_token_file: Text | None = None
    read_username: Text | None = None
    read_password_file: Text | None = None
    contacts: tuple[ContactConfig, ...] = ()
    alarm_levels: tuple[AlarmLevelsConfig, ...] = ()


URLS: Final[tuple[KeyPath, ...]] = tuple(
    ("grafana", key) for key in ("url", "public_url", "hub_url", "influx_url")
)  # each http or https
_FILES: Final = ("outline_file", "token_file", "read_token_file", "read_password_file")


def named_files(tree: YamlTree) -> Iterator[KeyPath]:
    """Where this section names files that must be there. Tokens are made when the others run: they may be missing."""
    yield from (("grafana", key) for key in _FILES if not key.endswith("token_file"))
    contacts = tree.at(("grafana", "contacts"))
    for number, contact in enumerate(contacts if isinstance(contacts, list) else []):
        secrets = contact.get("secret_files") if isinstance(contact, dict) else None
        for key in secrets if isinstance(secrets, dict) else ():
            yield "grafana", "contacts", number, "secret_files", key
