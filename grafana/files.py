"""Everything as files that Grafana provisions itself from: data sources, dashboards, alerting. Pure: names and JSON.

Grafana fills `$NAME` in some texts of such files from its environment. Queries are safe (they are read raw), and
texts of ours have no `$`; secrets stay out of the files: they are `$__file{...}`, which Grafana reads when it starts.

Source: https://grafana.com/docs/grafana/latest/administration/provisioning/ and
https://grafana.com/docs/grafana/latest/alerting/set-up/provision-alerting-resources/file-provisioning/
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Final

from grafana.alerting import FOLDER_UID
from grafana.render import Json

FOLDER: Final = "Sen"
_DASHBOARDS_FOLDER: Final = "/etc/grafana/sen-dashboards"


def files(
    *,
    sources: Sequence[Json],
    dashboards: Sequence[Json],
    rules: Sequence[Json],
    contacts: Sequence[Json],
    policy: Json | None,
    dashboards_folder: str = _DASHBOARDS_FOLDER,
) -> dict[str, str]:
    """The files by their paths below a provisioning folder; JSON is YAML, so one writer serves all."""
    provider = {
        "name": "sen",
        "orgId": 1,
        "folder": FOLDER,
        "folderUid": FOLDER_UID,
        "type": "file",
        "disableDeletion": False,
        "allowUiUpdates": False,
        "options": {"path": dashboards_folder, "foldersFromFilesStructure": False},
    }
    found = {
        "datasources/sen.yaml": {"apiVersion": 1, "datasources": list(sources)},
        "dashboards/sen.yaml": {"apiVersion": 1, "providers": [provider]},
        "alerting/sen-rules.yaml": {"apiVersion": 1, "groups": _groups(rules)},
    }
    if contacts:
        found["alerting/sen-contacts.yaml"] = {"apiVersion": 1, "contactPoints": _receivers(contacts)}
    if policy is not None:
        root = {"orgId": 1, "receiver": policy["receiver"], "group_by": policy["group_by"], "routes": [policy]}
        found["alerting/sen-policies.yaml"] = {"apiVersion": 1, "policies": [root]}
    texts = {path: _text(body) for path, body in found.items()}
    return texts | {f"sen-dashboards/{board['uid']}.json": _text(board) for board in dashboards}


def _groups(rules: Iterable[Json]) -> list[Json]:
    grouped = groupby(rules, key=lambda rule: str(rule["ruleGroup"]))
    return [
        {"orgId": 1, "name": name, "folder": FOLDER, "interval": "1m", "rules": [_as_file(rule) for rule in some]}
        for name, some in grouped
    ]


def _as_file(rule: Json) -> Json:
    kept = {key: value for key, value in rule.items() if key not in {"orgID", "folderUID", "ruleGroup"}}
    annotations: Mapping[str, str] = rule["annotations"]
    shown = {"dashboardUid": annotations["__dashboardUid__"], "panelId": int(annotations["__panelId__"])}
    return kept | shown


def _receivers(contacts: Sequence[Json]) -> list[Json]:
    return [
        {
            "orgId": 1,
            "name": contact["name"],
            "receivers": [{key: contact[key] for key in ("uid", "type", "settings", "disableResolveMessage")}],
        }
        for contact in contacts
    ]


def _text(body: Json) -> str:
    return json.dumps(body, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
