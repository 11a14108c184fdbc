"""Grafana's HTTP interface as far as it is needed: objects by uid, and errors that say what to do.

Alerting objects are written with `X-Disable-Provenance`: with it they, and the policy tree that is not ours alone, can
still be edited in Grafana; a hand edit is then found by `check`, instead of being impossible for everybody.

Source: https://grafana.com/docs/grafana/latest/developers/http_api/ (dashboard, folder, data_source,
alerting_provisioning), the same from Grafana 10 to 13.
"""

from typing import Any, Final
from urllib.parse import quote

import httpx

from hub.panels.wanted import FOLDER, PREFIX, TAG, Item, Json, Kind, is_ours, item, our_branch, with_branch

_TIMEOUT_S: Final = 30.0
_NOT_FOUND: Final = 404
_MOST: Final = 1000
_OPEN: Final = {"X-Disable-Provenance": "true"}
_RULES: Final = "/api/v1/provisioning/alert-rules"
_CONTACTS: Final = "/api/v1/provisioning/contact-points"
_POLICIES: Final = "/api/v1/provisioning/policies"
_ADVICE: Final = {
    400: "Grafana does not take it. What came from provisioning files can only be changed there: remove those files, "
    "or deliver with `sen-hub grafana export`",
    401: "the token is wrong or has expired: make a service account token in Grafana (Administration, Service "
    "accounts, role Admin) and put it into the token file",
    403: "the token may not do this (role Admin is needed), or the object is read-only because it came from "
    "provisioning files: remove those files, or deliver with `sen-hub grafana export`",
    404: "there is no such address: check that the URL is Grafana's own, with its sub-path, and that it is Grafana 10 "
    "or newer",
    409: "somebody else changed it at the same time, or its name is taken by an object that is not ours: look, rename "
    "it, and run this again",
    412: "it was changed meanwhile: run this again to see the new difference",
}


class GrafanaError(Exception):
    """Grafana did not do it: what was asked, what it said, and what to do."""


class GrafanaClient:
    """Reads what bears our mark, and makes, changes and removes it."""

    def __init__(self, url: str, *, token: str, transport: httpx.BaseTransport | None = None) -> None:
        self._url = url.rstrip("/")
        self._client = httpx.Client(
            base_url=self._url,
            headers={"Authorization": f"Bearer {token}", "Accept": "application/json"},
            timeout=_TIMEOUT_S,
            transport=transport,
        )

    def close(self) -> None:
        """Release the connections."""
        self._client.close()

    def there(self) -> list[Item]:
        """All objects of ours that are there.

        Raises:
            GrafanaError: Grafana does not answer, or not with that.
        """
        return [
            *self._folders(),
            *self._sources(),
            *self._dashboards(),
            *self._contacts(),
            *self._rules(),
            *self._branch(),
        ]

    def put(self, wanted: Item, *, is_new: bool) -> None:
        """Make the object, or make it as it is wanted.

        Raises:
            GrafanaError: Grafana did not do it.
        """
        body = wanted.body
        match wanted.kind:
            case Kind.FOLDER if is_new:
                self._ask("POST", "/api/folders", {"uid": wanted.uid, "title": wanted.title})
            case Kind.FOLDER:
                self._ask("PUT", f"/api/folders/{wanted.uid}", {"title": wanted.title, "overwrite": True})
            case Kind.SOURCE:
                self._put_by_uid("/api/datasources", f"/api/datasources/uid/{wanted.uid}", _sent(wanted), is_new=is_new)
            case Kind.DASHBOARD:
                # `overwrite`: the difference was shown, and is what was agreed to.
                whole = {"dashboard": body, "folderUid": FOLDER, "overwrite": True, "message": "sen-hub grafana sync"}
                self._ask("POST", "/api/dashboards/db", whole)
            case Kind.CONTACT:
                self._put_by_uid(_CONTACTS, f"{_CONTACTS}/{wanted.uid}", _with_settings(wanted), is_new=is_new)
            case Kind.RULE:
                self._put_by_uid(_RULES, f"{_RULES}/{wanted.uid}", body, is_new=is_new)
            case Kind.POLICY:
                self._put_branch(body)

    def remove(self, known: Item) -> None:
        """Remove an object of ours; one that is gone already is no fault.

        Raises:
            GrafanaError: Grafana did not do it.
        """
        if known.kind is Kind.POLICY:
            self._put_branch(None)
            return
        path = {
            Kind.FOLDER: f"/api/folders/{known.uid}",
            Kind.SOURCE: f"/api/datasources/uid/{known.uid}",
            Kind.DASHBOARD: f"/api/dashboards/uid/{known.uid}",
            Kind.CONTACT: f"{_CONTACTS}/{known.uid}",
            Kind.RULE: f"{_RULES}/{known.uid}",
        }[known.kind]
        self._ask("DELETE", path, missing_ok=True)

    def _put_by_uid(self, all_path: str, one_path: str, body: Json, *, is_new: bool) -> None:
        self._ask("POST" if is_new else "PUT", all_path if is_new else one_path, body)

    def _put_branch(self, branch: Json | None) -> None:
        self._ask("PUT", _POLICIES, with_branch(self._ask("GET", _POLICIES), branch))

    def _folders(self) -> list[Item]:
        found = self._ask("GET", f"/api/folders/{FOLDER}", missing_ok=True)
        return [] if found is None else [item(Kind.FOLDER, FOLDER, found["title"], {"title": found["title"]})]

    def _sources(self) -> list[Item]:
        return [
            item(Kind.SOURCE, found["uid"], found["name"], self._ask("GET", f"/api/datasources/uid/{found['uid']}"))
            for found in self._ask("GET", "/api/datasources")
            if is_ours(Kind.SOURCE, found["uid"], found)
        ]

    def _dashboards(self) -> list[Item]:
        query = f"/api/search?type=dash-db&tag={TAG}&limit={_MOST}"
        hits = [hit for hit in self._ask("GET", query) if str(hit["uid"]).startswith(PREFIX)]
        bodies = [self._ask("GET", f"/api/dashboards/uid/{quote(hit['uid'])}") for hit in hits]
        return [
            item(Kind.DASHBOARD, body["uid"], body["title"], body)
            for body in (found["dashboard"] for found in bodies)
            if is_ours(Kind.DASHBOARD, body["uid"], body)
        ]

    def _contacts(self) -> list[Item]:
        return [
            item(Kind.CONTACT, found["uid"], found["name"], found)
            for found in self._ask("GET", _CONTACTS)
            if is_ours(Kind.CONTACT, found["uid"], found)
        ]

    def _rules(self) -> list[Item]:
        return [
            item(Kind.RULE, found["uid"], found["title"], found)
            for found in self._ask("GET", _RULES)
            if is_ours(Kind.RULE, found["uid"], found)
        ]

    def _branch(self) -> list[Item]:
        branch = our_branch(self._ask("GET", _POLICIES))
        return [] if branch is None else [item(Kind.POLICY, FOLDER, "what bears our label", branch)]

    def _ask(self, method: str, path: str, body: Json | None = None, *, missing_ok: bool = False) -> Any:  # noqa: ANN401 - Grafana's JSON
        asked = f"{method} {self._url}{path}"
        headers = _OPEN if "/provisioning/" in path and method != "GET" else {}
        try:
            answer = self._client.request(method, path, json=body, headers=headers)
        except httpx.TimeoutException as error:
            raise GrafanaError(
                f"{asked}: no answer within {_TIMEOUT_S:.0f} s; run this again when Grafana rests"
            ) from error
        except httpx.HTTPError as error:
            raise GrafanaError(f"{asked}: {error}; is Grafana running, and is this its address?") from error
        if answer.status_code == _NOT_FOUND and missing_ok:
            return None
        if not answer.is_success:
            raise GrafanaError(f"{asked}: {answer.status_code} {_said(answer)}; {_advice(answer.status_code)}")
        return _json_of(answer, asked)


def _json_of(answer: httpx.Response, asked: str) -> Any:  # noqa: ANN401 - Grafana's JSON
    if not answer.content:
        return None
    try:
        return answer.json()
    except ValueError as error:
        raise GrafanaError(
            f"{asked}: the answer is no JSON; is something else at this address, a proxy or a portal?"
        ) from error


def _advice(status: int) -> str:
    if status >= 500:  # noqa: PLR2004 - all of HTTP's server errors
        return "Grafana itself is in trouble: see its log; nothing else was changed, run this again afterwards"
    return _ADVICE.get(status, "see Grafana's log")


def _said(answer: httpx.Response) -> str:
    try:
        body: Json = answer.json()
        return str(body.get("message") or body)[:300]
    except (ValueError, AttributeError):
        return answer.text.strip()[:300]


def _sent(wanted: Item) -> Json:
    return {**wanted.body, "secureJsonData": dict(wanted.secrets)} if wanted.secrets else wanted.body


def _with_settings(wanted: Item) -> Json:
    return {**wanted.body, "settings": {**wanted.body["settings"], **wanted.secrets}}
