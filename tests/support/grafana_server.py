"""A small Grafana: as much of its HTTP interface as its public documentation says, over real HTTP on loopback.

It keeps folders, data sources, dashboards, contact points, rules and the policy tree, refuses what Grafana refuses,
adds what Grafana adds (ids, versions, defaults, redacted secrets), and can be told to fail. It draws nothing.

Source: Grafana's documentation of the dashboard, folder, data source and alerting provisioning HTTP APIs, 10 to 13.
"""

import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Json = dict[str, Any]
Answer = tuple[int, Any]
TOKEN = "glsa_of_this_test"  # noqa: S105 - of this test
_READS = "/api/v1/provisioning"
_SECRET_SETTINGS = {"webhook": ("url", "authorization_credentials"), "telegram": ("bottoken",), "email": ()}


@dataclass(slots=True)
class Grafana:
    """What it holds. `fault` may answer any request in its place."""

    folders: dict[str, Json] = field(default_factory=dict)
    sources: dict[str, Json] = field(default_factory=dict)
    dashboards: dict[str, Json] = field(default_factory=dict)
    contacts: dict[str, Json] = field(default_factory=dict)
    rules: dict[str, Json] = field(default_factory=dict)
    tree: Json = field(default_factory=lambda: {"receiver": "grafana-default-email", "routes": []})
    fault: Callable[[str, str], Answer | None] = lambda _method, _path: None
    asked: list[tuple[str, str]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    def writes(self) -> list[str]:
        """What was asked to change anything."""
        return [f"{method} {path}" for method, path in self.asked if method != "GET"]

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: Json | None) -> Answer:
        """One request."""
        for verb, pattern, act in _ROUTES:
            if verb == method and (match := re.fullmatch(pattern, path)):
                return act(self, match.group(1) if match.groups() else "", query, body or {})
        return 404, {"message": "Not found"}


def _get_folder(grafana: Grafana, uid: str, _query: object, _body: Json) -> Answer:
    found = grafana.folders.get(uid)
    return (200, found) if found else (404, {"message": "folder not found", "status": "not-found"})


def _post_folder(grafana: Grafana, _uid: str, _query: object, body: Json) -> Answer:
    if body["uid"] in grafana.folders:
        return 409, {"message": "a folder with the same UID already exists"}
    grafana.folders[body["uid"]] = body | {"id": 1, "version": 1, "canSave": True}
    return 200, grafana.folders[body["uid"]]


def _put_folder(grafana: Grafana, uid: str, _query: object, body: Json) -> Answer:
    folder = grafana.folders[uid]
    if not body.get("overwrite") and body.get("version") != folder["version"]:
        return 412, {"message": "the folder has been changed by someone else", "status": "version-mismatch"}
    folder |= {"title": body["title"], "version": folder["version"] + 1}
    return 200, folder


def _delete_folder(grafana: Grafana, uid: str, _query: object, _body: Json) -> Answer:
    return (200, {"message": "Folder deleted"}) if grafana.folders.pop(uid, None) else (404, {"message": "not found"})


def _get_sources(grafana: Grafana, _uid: str, _query: object, _body: Json) -> Answer:
    return 200, list(grafana.sources.values())


def _get_source(grafana: Grafana, uid: str, _query: object, _body: Json) -> Answer:
    return (200, grafana.sources[uid]) if uid in grafana.sources else (404, {"message": "Data source not found"})


def _keep_source(grafana: Grafana, uid: str, body: Json) -> Answer:
    if any(one["name"] == body["name"] and one["uid"] != uid for one in grafana.sources.values()):
        return 409, {"message": "data source with the same name already exists"}
    secrets = body.pop("secureJsonData", {})
    kept = {"id": 7, "orgId": 1, "readOnly": False, "basicAuth": False, "version": 1}
    grafana.sources[uid] = body | kept | {"secureJsonFields": dict.fromkeys(secrets, True)}
    return 200, {"datasource": grafana.sources[uid], "message": "ok"}


def _post_source(grafana: Grafana, _uid: str, _query: object, body: Json) -> Answer:
    return _keep_source(grafana, body["uid"], body)


def _put_source(grafana: Grafana, uid: str, _query: object, body: Json) -> Answer:
    if grafana.sources[uid]["readOnly"]:
        return 403, {"message": "Cannot update read-only data source"}
    return _keep_source(grafana, uid, body)


def _delete_source(grafana: Grafana, uid: str, _query: object, _body: Json) -> Answer:
    grafana.sources.pop(uid)
    return 200, {"message": "Data source deleted"}


def _search(grafana: Grafana, _uid: str, query: dict[str, list[str]], _body: Json) -> Answer:
    wanted = set(query.get("tag", []))
    found = [one for one in grafana.dashboards.values() if wanted <= set(one["dashboard"].get("tags", []))]
    return 200, [
        {"uid": one["dashboard"]["uid"], "title": one["dashboard"]["title"], "type": "dash-db"} for one in found
    ]


def _get_dashboard(grafana: Grafana, uid: str, _query: object, _body: Json) -> Answer:
    return (200, grafana.dashboards[uid]) if uid in grafana.dashboards else (404, {"message": "Dashboard not found"})


def _post_dashboard(grafana: Grafana, _uid: str, _query: object, body: Json) -> Answer:
    board = body["dashboard"]
    if body["folderUid"] not in grafana.folders:
        return 400, {"message": "folder not found"}
    known = grafana.dashboards.get(board["uid"])
    if known and known["meta"].get("provisioned"):
        return 400, {"message": "Cannot save provisioned dashboard"}
    if known and not body.get("overwrite"):
        return 412, {"message": "The dashboard has been changed by someone else", "status": "version-mismatch"}
    version = known["dashboard"]["version"] + 1 if known else 1
    kept = board | {"id": 40 + len(grafana.dashboards), "version": version}
    grafana.dashboards[board["uid"]] = {"dashboard": kept, "meta": {"folderUid": body["folderUid"], "version": version}}
    return 200, {"uid": board["uid"], "status": "success", "version": version}


def _delete_dashboard(grafana: Grafana, uid: str, _query: object, _body: Json) -> Answer:
    found = grafana.dashboards.pop(uid, None)
    return (200, {"message": "deleted"}) if found else (404, {"message": "Dashboard not found"})


def _get_contacts(grafana: Grafana, _uid: str, _query: object, _body: Json) -> Answer:
    return 200, [_redacted(contact) for contact in grafana.contacts.values()]


def _redacted(contact: Json) -> Json:
    secret = _SECRET_SETTINGS[contact["type"]]
    settings = {key: "[REDACTED]" if key in secret else value for key, value in contact["settings"].items()}
    return contact | {"settings": settings}


def _post_contact(grafana: Grafana, _uid: str, _query: object, body: Json) -> Answer:
    grafana.contacts[body["uid"]] = body
    return 202, body


def _put_contact(grafana: Grafana, uid: str, _query: object, body: Json) -> Answer:
    grafana.contacts[uid] = body | {"uid": uid}
    return 202, {"message": "contactpoint updated"}


def _delete_contact(grafana: Grafana, uid: str, _query: object, _body: Json) -> Answer:
    name = grafana.contacts[uid]["name"]
    if name in json.dumps(grafana.tree):
        return 409, {"message": "contact point is in use by notification policies"}
    grafana.contacts.pop(uid)
    return 202, {"message": "contactpoint deleted"}


def _get_rules(grafana: Grafana, _uid: str, _query: object, _body: Json) -> Answer:
    return 200, list(grafana.rules.values())


def _keep_rule(grafana: Grafana, uid: str, body: Json, code: int) -> Answer:
    if body["folderUID"] not in grafana.folders:
        return 400, {"message": "folder does not exist"}
    known = grafana.rules.get(uid)
    if known and known.get("provenance") == "file":
        return 500, {"message": "cannot change provenance from 'file' to ''"}
    # Grafana answers with what it read: empty maps and paused are left out or filled in.
    grafana.rules[uid] = json.loads(json.dumps(body)) | {"id": 9, "updated": "2026-11-28T00:00:00Z", "provenance": ""}
    return code, grafana.rules[uid]


def _post_rule(grafana: Grafana, _uid: str, _query: object, body: Json) -> Answer:
    return _keep_rule(grafana, body["uid"], body, 201)


def _put_rule(grafana: Grafana, uid: str, _query: object, body: Json) -> Answer:
    return _keep_rule(grafana, uid, body, 200) if uid in grafana.rules else (404, None)


def _delete_rule(grafana: Grafana, uid: str, _query: object, _body: Json) -> Answer:
    grafana.rules.pop(uid, None)
    return 204, None


def _get_tree(grafana: Grafana, _uid: str, _query: object, _body: Json) -> Answer:
    return 200, grafana.tree


def _put_tree(grafana: Grafana, _uid: str, _query: object, body: Json) -> Answer:
    known = {contact["name"] for contact in grafana.contacts.values()} | {"grafana-default-email", "police"}
    if missing := {route["receiver"] for route in body["routes"]} - known:
        return 400, {"message": f"receiver {min(missing)} does not exist"}
    grafana.tree = body
    return 202, {"message": "policies updated"}


_ROUTES: list[tuple[str, str, Callable[[Grafana, str, Any, Json], Answer]]] = [
    ("GET", r"/api/folders/([\w-]+)", _get_folder),
    ("POST", r"/api/folders", _post_folder),
    ("PUT", r"/api/folders/([\w-]+)", _put_folder),
    ("DELETE", r"/api/folders/([\w-]+)", _delete_folder),
    ("GET", r"/api/datasources", _get_sources),
    ("GET", r"/api/datasources/uid/([\w-]+)", _get_source),
    ("POST", r"/api/datasources", _post_source),
    ("PUT", r"/api/datasources/uid/([\w-]+)", _put_source),
    ("DELETE", r"/api/datasources/uid/([\w-]+)", _delete_source),
    ("GET", r"/api/search", _search),
    ("GET", r"/api/dashboards/uid/([\w-]+)", _get_dashboard),
    ("POST", r"/api/dashboards/db", _post_dashboard),
    ("DELETE", r"/api/dashboards/uid/([\w-]+)", _delete_dashboard),
    ("GET", rf"{_READS}/contact-points", _get_contacts),
    ("POST", rf"{_READS}/contact-points", _post_contact),
    ("PUT", rf"{_READS}/contact-points/([\w-]+)", _put_contact),
    ("DELETE", rf"{_READS}/contact-points/([\w-]+)", _delete_contact),
    ("GET", rf"{_READS}/alert-rules", _get_rules),
    ("POST", rf"{_READS}/alert-rules", _post_rule),
    ("PUT", rf"{_READS}/alert-rules/([\w-]+)", _put_rule),
    ("DELETE", rf"{_READS}/alert-rules/([\w-]+)", _delete_rule),
    ("GET", rf"{_READS}/policies", _get_tree),
    ("PUT", rf"{_READS}/policies", _put_tree),
]


class GrafanaServer:
    """Listens on a free loopback port until `close`."""

    def __init__(self) -> None:
        self.holds = Grafana()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self.holds))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def slow(seconds: float) -> Callable[[str, str], Answer | None]:
    """A fault: every answer comes late."""

    def wait(_method: str, _path: str) -> None:
        time.sleep(seconds)  # noqa: TID251 - a real server that is slow

    return wait


def _handler(grafana: Grafana) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            grafana.asked.append((self.command, parts.path))
            grafana.headers.append(dict(self.headers))
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                self._send(401, {"message": "Invalid API key"})
                return
            answer = grafana.fault(self.command, parts.path)
            query = parse_qs(parts.query)
            self._send(*(answer or grafana.answer(self.command, parts.path, query, json.loads(body) if body else None)))

        do_GET = do_POST = do_PUT = do_DELETE = handle_any  # noqa: N815 - the library's names

        def _send(self, code: int, body: object) -> None:
            text = b"" if body is None else body.encode() if isinstance(body, str) else json.dumps(body).encode()
            self.send_response(code)
            self.send_header("Content-Type", "text/html" if isinstance(body, str) else "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_args: object) -> None:
            """Say nothing."""

    return Handler
