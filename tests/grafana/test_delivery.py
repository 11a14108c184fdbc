"""`sen-hub grafana`: what it makes, what it leaves alone, what it finds, and what it says when Grafana says no."""

import copy
import io
import json
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import httpx
import pytest

from hub.__main__ import main
from hub.panels.client import GrafanaClient, GrafanaError
from hub.panels.wanted import FOLDER, Act, Kind, changes, differences, item, with_branch
from tests.support.grafana_server import TOKEN, Grafana, GrafanaServer, Json, slow

HUB_YAML = """
http: {port: 8080, token_file: secrets/http.token}
series: {kind: influxdb2, url: "http://127.0.0.1:8086", org: sen, bucket: sen, token_file: secrets/influx.token}
grafana:
  url: %s
  token_file: secrets/grafana.token
  language: en
  read_token_file: secrets/influx-read.token
  contacts:
    - {name: shift, type: email, settings: {addresses: "shift@ioc.example"}}
    - {name: duty, type: webhook, secret_files: {url: secrets/duty.url}, severities: [critical]}
  alarm_levels:
    - {site: bridge, device: level-1, levels_m: [5.4, 6.9, 7.9], source: "Decision 05/2020/QD-TTg"}
"""
SECRETS = {
    "http.token": "page-token",
    "influx.token": "writers-token",
    "influx-read.token": "readers-token",
    "grafana.token": TOKEN,
    "duty.url": "https://duty.example/hook",
}


@dataclass(frozen=True)
class Ran:
    """What a command said, and its exit code."""

    returncode: int
    stdout: str
    stderr: str


@dataclass
class Site:
    """A hub's folder and the Grafana it delivers to."""

    folder: Path
    server: GrafanaServer

    @property
    def holds(self) -> Grafana:
        return self.server.holds

    def run(self, *words: str) -> Ran:
        """Run the command as `sen-hub` does, in this process."""
        said, complained = io.StringIO(), io.StringIO()
        command = ["sen-hub", "grafana", words[0], str(self.folder), *words[1:]]
        with patch.object(sys, "argv", command), redirect_stdout(said), redirect_stderr(complained):
            try:
                main()
                code: object = 0
            except SystemExit as end:
                code = end.code
        if isinstance(code, str):
            complained.write(code)
        return Ran(int(bool(code)), said.getvalue(), complained.getvalue())


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    server = GrafanaServer()
    (tmp_path / "secrets").mkdir()
    for name, text in SECRETS.items():
        (tmp_path / "secrets" / name).write_text(f"{text}\n")
    (tmp_path / "hub.yaml").write_text(HUB_YAML % server.url)
    yield Site(tmp_path, server)
    server.close()


def test_what_is_delivered_is_there_and_a_second_time_changes_nothing(site: Site) -> None:
    seen = site.run("sync", "--dry-run")
    assert "+ dashboard sen-wall" in seen.stdout
    assert site.holds.writes() == []
    asked = site.run("sync")
    assert asked.returncode == 1
    assert "--yes" in asked.stderr
    first = site.run("sync", "--yes")
    assert first.returncode == 0, first.stderr
    assert len(site.holds.dashboards) == 10
    assert set(site.holds.sources) == {"sen-raw", "sen-5m", "sen-1h"}
    assert len(site.holds.rules) > 15
    assert site.holds.contacts["sen-duty"]["settings"] == {"url": "https://duty.example/hook"}
    site.holds.asked.clear()
    again = site.run("sync", "--yes")
    assert "nothing to do" in again.stdout
    assert site.holds.writes() == []
    checked = site.run("check")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_no_secret_is_shown_and_grafana_gets_the_readers_token_only(site: Site) -> None:
    done = site.run("sync", "--yes")
    for secret in SECRETS.values():
        assert secret not in done.stdout + done.stderr
    sent = json.dumps([site.holds.sources, site.holds.dashboards, site.holds.rules])
    assert "writers-token" not in sent
    assert site.holds.sources["sen-raw"]["secureJsonFields"] == {"httpHeaderValue1": True}


def test_alerting_stays_editable_for_those_who_share_this_grafana(site: Site) -> None:
    site.run("sync", "--yes")
    written = [
        headers
        for (method, path), headers in zip(site.holds.asked, site.holds.headers, strict=True)
        if method != "GET" and "/provisioning/" in path
    ]
    assert written
    assert all(headers.get("X-Disable-Provenance") == "true" for headers in written)


def test_hand_edits_missing_and_left_over_objects_are_named_and_put_right(site: Site) -> None:
    site.run("sync", "--yes")
    site.holds.dashboards["sen-air"]["dashboard"]["panels"][2]["title"] = "mine now"
    site.holds.rules["sen-clock-off"]["for"] = "3h"
    site.holds.tree["routes"][0]["group_by"] = ["alertname"]
    site.holds.dashboards.pop("sen-power")
    old = copy.deepcopy(site.holds.rules["sen-card-worn"])
    site.holds.rules["sen-gone"] = old | {"uid": "sen-gone", "title": "of an older version"}
    found = site.run("check")
    assert found.returncode == 1
    assert "edited by hand, or of another version: dashboard sen-air" in found.stdout
    assert "panels[2].title" in found.stdout
    assert "edited by hand, or of another version: alert rule sen-clock-off" in found.stdout
    assert "edited by hand, or of another version: notification policy sen" in found.stdout
    assert "missing: dashboard sen-power" in found.stdout
    assert "left over: alert rule sen-gone" in found.stdout
    assert "sen-hub grafana sync" in found.stderr
    assert site.run("sync", "--yes").returncode == 0
    assert "sen-gone" not in site.holds.rules
    assert site.run("check").returncode == 0


def test_what_is_not_ours_is_left_alone(site: Site) -> None:
    holds = site.holds
    holds.folders["police"] = {"uid": "police", "title": "Police", "version": 1}
    holds.dashboards["traffic"] = _dashboard("traffic", [])
    # Named like ours, without our tag: a person's copy.
    holds.dashboards["sen-copy"] = _dashboard("sen-copy", ["mine"])
    holds.sources["prometheus"] = {"uid": "prometheus", "name": "P", "type": "prometheus", "readOnly": False}
    holds.rules["theirs"] = {"uid": "theirs", "title": "T", "folderUID": "police", "labels": {}}
    holds.rules["sen-like"] = {"uid": "sen-like", "title": "T", "folderUID": "police", "labels": {"team": "police"}}
    theirs = {"receiver": "police", "object_matchers": [["team", "=", "police"]]}
    holds.tree["routes"] = [theirs]
    before = copy.deepcopy((holds.dashboards, holds.sources, holds.rules, holds.folders))
    assert site.run("sync", "--yes").returncode == 0
    for kept, now in zip(before, (holds.dashboards, holds.sources, holds.rules, holds.folders), strict=True):
        assert {key: now[key] for key in kept} == kept
    assert holds.tree["receiver"] == "grafana-default-email"
    assert holds.tree["routes"][1:] == [theirs]


def test_contacts_taken_out_of_the_configuration_are_removed_with_their_branch(site: Site) -> None:
    site.run("sync", "--yes")
    text = (site.folder / "hub.yaml").read_text()
    start, end = text.index("  contacts:"), text.index("  alarm_levels:")
    (site.folder / "hub.yaml").write_text(text[:start] + text[end:])
    done = site.run("sync", "--yes")
    assert done.returncode == 0, done.stderr
    assert site.holds.contacts == {}
    assert site.holds.tree["routes"] == []


def _dashboard(uid: str, tags: list[str]) -> Json:
    return {"dashboard": {"uid": uid, "title": uid, "tags": tags, "version": 3}, "meta": {}}


@pytest.mark.parametrize(
    ("answer", "advice"),
    [
        ((401, {"message": "Invalid API key"}), "service account token"),
        ((403, {"message": "Permission denied"}), "role Admin"),
        ((404, {"message": "Not found"}), "sub-path"),
        ((409, {"message": "already exists"}), "name is taken"),
        ((412, {"message": "changed by someone else"}), "run this again to see"),
        ((400, {"message": "Cannot save provisioned dashboard"}), "provisioning files"),
        ((500, {"message": "database is locked"}), "see its log"),
        ((503, None), "see its log"),
        ((200, "<html>sign in</html>"), "is no JSON"),
    ],
)
def test_each_refusal_says_what_was_asked_what_was_said_and_what_to_do(
    site: Site, answer: tuple[int, object], advice: str
) -> None:
    site.holds.fault = lambda _method, path: answer if path == "/api/datasources" else None
    failed = site.run("check")
    assert failed.returncode == 1
    assert "GET" in failed.stderr
    assert "/api/datasources" in failed.stderr
    assert advice in failed.stderr
    assert "Traceback" not in failed.stderr
    assert TOKEN not in failed.stderr


def test_a_wrong_token_is_said_to_be_wrong(site: Site) -> None:
    (site.folder / "secrets" / "grafana.token").write_text("glsa_old\n")
    failed = site.run("check")
    assert "401" in failed.stderr
    assert "glsa_old" not in failed.stderr


def test_after_a_refusal_in_the_middle_the_rest_is_done_by_running_again(site: Site) -> None:
    site.holds.fault = lambda method, path: (503, None) if method == "POST" and path == "/api/dashboards/db" else None
    failed = site.run("sync", "--yes")
    assert failed.returncode == 1
    assert set(site.holds.sources) == {"sen-raw", "sen-5m", "sen-1h"}
    site.holds.fault = lambda _method, _path: None
    assert site.run("sync", "--yes").returncode == 0
    assert site.run("check").returncode == 0


def test_objects_that_came_from_files_are_refused_with_what_to_do(site: Site) -> None:
    site.run("sync", "--yes")
    site.holds.dashboards["sen-air"]["dashboard"]["title"] = "from a file"
    site.holds.dashboards["sen-air"]["meta"]["provisioned"] = True
    failed = site.run("sync", "--yes")
    assert "Cannot save provisioned dashboard" in failed.stderr
    assert "remove those files" in failed.stderr


def test_a_grafana_that_is_slow_or_away_is_said_to_be(site: Site) -> None:
    site.holds.fault = slow(0.3)
    hasty = httpx.HTTPTransport()
    client = GrafanaClient(site.server.url, token=TOKEN, transport=_Hasty(hasty))
    with pytest.raises(GrafanaError, match="no answer within"):
        client.there()
    client.close()
    site.server.close()
    away = site.run("check")
    assert "is Grafana running" in away.stderr


class _Hasty(httpx.BaseTransport):
    """Has less patience than the client."""

    def __init__(self, inner: httpx.BaseTransport) -> None:
        self._inner = inner

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.extensions["timeout"] = {"connect": 1, "read": 0.05, "write": 1, "pool": 1}
        return self._inner.handle_request(request)

    def close(self) -> None:
        self._inner.close()


def test_a_hub_with_the_embedded_store_is_told_what_grafana_needs(site: Site) -> None:
    (site.folder / "hub.yaml").write_text("grafana: {url: 'http://127.0.0.1:1', token_file: secrets/grafana.token}\n")
    failed = site.run("sync", "--yes")
    assert "Grafana cannot read" in failed.stderr
    assert "influxdb2" in failed.stderr


def test_exported_files_hold_everything_and_no_secret(site: Site, tmp_path: Path) -> None:
    out = tmp_path / "out"
    copies = tmp_path / "copies"
    copies.mkdir()
    done = site.run("export", str(out), "--secrets-dir", "/run/secrets", "--copy-secrets", str(copies))
    assert done.returncode == 0, done.stderr
    written = {str(path.relative_to(out)): path.read_text() for path in out.rglob("*") if path.is_file()}
    assert len([name for name in written if name.startswith("sen-dashboards/")]) == 10
    for secret in SECRETS.values():
        assert all(secret not in text for text in written.values())
    assert {path.name: path.read_text().strip() for path in copies.iterdir()} == {
        name: SECRETS[name] for name in ("influx-read.token", "duty.url")
    }
    sources = json.loads(written["datasources/sen.yaml"])["datasources"]
    assert sources[0]["secureJsonData"] == {"httpHeaderValue1": "Token $__file{/run/secrets/influx-read.token}"}
    groups = json.loads(written["alerting/sen-rules.yaml"])["groups"]
    assert [group["name"] for group in groups] == ["gateways", "devices", "environment"]
    assert all(rule["dashboardUid"] and rule["panelId"] for group in groups for rule in group["rules"])
    (tree,) = json.loads(written["alerting/sen-policies.yaml"])["policies"]
    assert tree["routes"][0]["object_matchers"] == [["origin", "=", "sen"]]
    (provider,) = json.loads(written["dashboards/sen.yaml"])["providers"]
    assert provider["options"]["path"] == str(out / "sen-dashboards")


def test_what_grafana_adds_is_no_difference_and_what_it_loses_is_one() -> None:
    wanted = {"a": 1, "list": [{"b": 2}], "empty": [], "off": False}
    assert list(differences(wanted, {"a": 1.0, "list": [{"b": 2, "c": 3}], "id": 9})) == []
    assert list(differences(wanted, {"a": 2, "list": [{"b": 2}, {}]})) == ["a", "list"]


def test_what_is_made_first_is_removed_last() -> None:
    things = [
        item(kind, FOLDER if kind in {Kind.FOLDER, Kind.POLICY} else f"sen-{kind.name}", "t", {}) for kind in Kind
    ]
    made, removed = changes(things, []), changes([], things)
    assert [change.act for change in made] == [Act.MAKE] * len(Kind)
    assert [change.item.kind for change in made] == list(Kind)
    assert [change.item.kind for change in removed] == list(reversed(Kind))


def test_putting_our_branch_keeps_the_tree_and_is_idempotent() -> None:
    tree = {"receiver": "r", "routes": [{"receiver": "police"}], "group_wait": "1m"}
    branch = {"receiver": "Sen shift", "object_matchers": [["origin", "=", "sen"]]}
    once = with_branch(tree, branch)
    assert once == {"receiver": "r", "routes": [branch, {"receiver": "police"}], "group_wait": "1m"}
    assert with_branch(once, branch) == once
    assert with_branch(once, None) == tree
