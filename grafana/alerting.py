"""Alert rules, contact points and policies as Grafana takes them. Pure.

Rules are as the provisioning API reads them (`/api/v1/provisioning/alert-rules`); `grafana.files` makes files of
them.

What keeps one dead gateway one alert: rules about what hangs on a gateway are joined with that gateway's own state, and
everything of one gateway is one notification, because the policy groups by `site` and `gateway`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from grafana.alerts import devices, environment, gateways
from grafana.board import Board
from grafana.centre import Centre
from grafana.render import Json
from grafana.rule import ORIGIN, OURS, Rule, Severity, Subject

FOLDER_UID: Final = "sen"
GROUP_BY: Final = ("site", "gateway")
_FIRES: Final = "FIRES"
_EXPRESSIONS: Final = {"type": "__expr__", "uid": "__expr__"}
_EVERY_MS: Final = 60_000
_MOST_POINTS: Final = 43_200
_REPEATS: Final = {Severity.CRITICAL: "1h", Severity.WARNING: "4h", Severity.NOTICE: "24h"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """Somebody who is told. `settings` and `secrets` are those of Grafana's integration `type` (email, webhook ...)."""

    name: str
    type: str
    settings: Mapping[str, str]
    secrets: Mapping[str, str]
    severities: Sequence[Severity]


def subjects(centre: Centre) -> list[Subject]:
    """All rules before they are JSON."""
    return [gateways.subject(), devices.subject(), environment.subject(centre)]


def rules(centre: Centre, boards: Sequence[Board]) -> list[Json]:
    """All rules.

    Raises:
        KeyError: a rule names a panel that is not there.
    """
    panels = {(board.uid, panel.title.en): number for board in boards for number, panel in enumerate(board.panels, 1)}
    return [_rule(rule, subject.name, centre, panels) for subject in subjects(centre) for rule in subject.rules]


def contact_points(contacts: Sequence[Contact]) -> list[Json]:
    """The contact points, each with its own uid."""
    return [
        {
            "uid": f"sen-{contact.name}",
            "name": f"Sen {contact.name}",
            "type": contact.type,
            "settings": {**contact.settings, **contact.secrets},
            "disableResolveMessage": False,
        }
        for contact in contacts
    ]


def policy(contacts: Sequence[Contact]) -> Json | None:
    """Our branch of the policy tree; None where nobody is to be told. The rest of the tree is not ours."""
    if not contacts:
        return None
    return {
        "receiver": f"Sen {contacts[0].name}",
        "object_matchers": [[ORIGIN, "=", OURS]],
        "group_by": list(GROUP_BY),
        "group_wait": "30s",
        "group_interval": "5m",
        "repeat_interval": "4h",
        "routes": list(_branches(contacts)),
    }


def _branches(contacts: Sequence[Contact]) -> Iterator[Json]:
    for severity in Severity:
        told = [contact for contact in contacts if severity in contact.severities]
        for number, contact in enumerate(told, start=1):
            yield {
                "receiver": f"Sen {contact.name}",
                "object_matchers": [["severity", "=", severity.value]],
                "group_by": list(GROUP_BY),
                "repeat_interval": _REPEATS[severity],
                "continue": number < len(told),
            }


def _rule(rule: Rule, group: str, centre: Centre, panels: Mapping[tuple[str, str], int]) -> Json:
    said = centre.language
    panel_id = panels[rule.shown.uid, rule.shown.panel]
    description = f"{rule.cause.said(said)} {rule.action.said(said)}"
    return {
        "uid": rule.uid,
        "orgID": 1,
        "folderUID": FOLDER_UID,
        "ruleGroup": group,
        "title": rule.title.said(said),
        "condition": _FIRES,
        "data": _data(rule),
        "noDataState": "Alerting" if rule.alarms_without_data else "OK",
        "execErrState": "Error",
        "for": rule.lasting,
        "annotations": {
            "summary": rule.summary.said(said),
            "description": description,
            "panel": f"{centre.grafana_url}/d/{rule.shown.uid}?viewPanel={panel_id}",
            "__dashboardUid__": rule.shown.uid,
            "__panelId__": str(panel_id),
        },
        "labels": {ORIGIN: OURS, "severity": rule.severity.value, "subject": group},
        "isPaused": False,
    }


def _data(rule: Rule) -> list[Json]:
    found = [_asked(rule, number) for number in range(len(rule.queries))]
    found += [_newest(query.ref) for query in rule.queries]
    expression = re.sub(r"\$([A-D])\b", r"$R\1", rule.when)
    return [*found, _expression(_FIRES, {"type": "math", "expression": expression})]


def _asked(rule: Rule, number: int) -> Json:
    query = rule.queries[number]
    model: dict[str, Any] = {  # Any: a model is as its data source has it
        "refId": query.ref,
        "datasource": {"type": "influxdb", "uid": query.source},
        "query": query.text,
        "rawQuery": True,
        "resultFormat": "time_series",
        "intervalMs": _EVERY_MS,
        "maxDataPoints": _MOST_POINTS,
    }
    return {
        "refId": query.ref,
        "queryType": "",
        "relativeTimeRange": {"from": rule.span_s, "to": 0},
        "datasourceUid": query.source,
        "model": model,
    }


def _newest(ref: str) -> Json:
    return _expression(
        f"R{ref}",
        {"type": "reduce", "expression": ref, "reducer": "last", "settings": {"mode": "dropNN"}},
    )


def _expression(ref: str, parts: Json) -> Json:
    return {
        "refId": ref,
        "queryType": "",
        "relativeTimeRange": {"from": 0, "to": 0},
        "datasourceUid": "__expr__",
        "model": {"refId": ref, "datasource": _EXPRESSIONS, **parts},
    }
