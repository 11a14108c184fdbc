"""A server that answers the set-up requests of InfluxDB 2.x as its public API documentation says, from memory.

It is not InfluxDB 2.x: what the real one does beside its documentation is not tested with it. `fail` makes the next
request to a path answer with an error of a real server, or not at all.
"""

import itertools
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

Json = dict[str, Any]


@dataclass
class State:
    """What the server holds. `tokens` maps a token to its permissions; None may do everything."""

    org_of: dict[str, str] = field(default_factory=dict)
    buckets: list[Json] = field(default_factory=list)
    dbrps: list[Json] = field(default_factory=list)
    tokens: dict[str, list[Json] | None] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    failures: dict[str, tuple[int, Json | str]] = field(default_factory=dict)
    is_owned: bool = False
    ids: Any = field(default_factory=lambda: (f"{number:016x}" for number in itertools.count(1)))


class InfluxV2Server:
    """Listens on a free loopback port until `close`."""

    def __init__(self) -> None:
        self.state = State()
        held = self.state

        class Handler(_Handler):
            state = held

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, name="influx-v2-server"
        )
        self._thread.start()

    def own(self, *, org: str = "sen") -> str:
        """As if somebody had set it up: an administrator's token."""
        self.state.is_owned = True
        self.state.org_of[org] = next(self.state.ids)
        self.state.tokens["admin-token"] = None
        return "admin-token"

    def fail(self, request: str, status: int, body: Json | str) -> None:
        """Answer this request (`POST /api/v2/orgs`) so until told otherwise."""
        self.state.failures[request] = (status, body)

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


class _Handler(BaseHTTPRequestHandler):
    state: State
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._handle("GET")

    def do_POST(self) -> None:
        self._handle("POST")

    def do_PATCH(self) -> None:
        self._handle("PATCH")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 the name is the library's
        """Say nothing."""

    def _handle(self, method: str) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length") or "0"))
        target = urlsplit(self.path)
        body = json.loads(content) if content else {}
        asked = dict(parse_qsl(target.query))
        self.state.requests.append(f"{method} {target.path}")
        failure = self.state.failures.get(f"{method} {target.path}")
        if failure is not None:
            self._answer(*failure)
        elif target.path == "/api/v2/setup":
            self._setup(method, body)
        elif (token := self.headers.get("Authorization", "").removeprefix("Token ")) not in self.state.tokens:
            self._error(401, "unauthorized", "unauthorized access")
        elif method != "GET" and self.state.tokens[token] is not None:
            self._error(403, "forbidden", "insufficient permissions for write")
        else:
            self._resource(method, target.path.removeprefix("/api/v2/"), asked, body, self.state.tokens[token])

    def _setup(self, method: str, body: Json) -> None:
        if method == "GET":
            self._answer(200, {"allowed": not self.state.is_owned})
        elif self.state.is_owned:
            self._error(422, "conflict", "onboarding has already been completed")
        else:
            self.state.is_owned = True
            org_id = self.state.org_of[body["org"]] = next(self.state.ids)
            self.state.tokens[body["token"]] = None
            bucket = self._new_bucket(org_id, body["bucket"], body["retentionPeriodSeconds"])
            self._answer(201, {"bucket": bucket, "org": {"id": org_id}, "auth": {"token": body["token"]}})

    def _resource(self, method: str, path: str, asked: Json, body: Json, rights: list[Json] | None) -> None:
        kind, _, one = path.partition("/")
        act = {
            ("GET", "orgs"): lambda: self._org(asked["org"]),
            ("POST", "orgs"): lambda: self._new_org(body["name"]),
            ("GET", "buckets"): lambda: self._buckets(asked["name"], rights),
            ("POST", "buckets"): lambda: self._answer(
                201, self._new_bucket(body["orgID"], body["name"], body["retentionRules"][0]["everySeconds"])
            ),
            ("PATCH", "buckets"): lambda: self._retain(one, body["retentionRules"]),
            ("GET", "dbrps"): lambda: self._answer(
                200, {"content": [held for held in self.state.dbrps if held["database"] == asked["db"]]}
            ),
            ("POST", "dbrps"): lambda: self._new_dbrp(body),
            ("POST", "authorizations"): lambda: self._new_token(body),
        }.get((method, kind))
        if act is None:
            self._error(404, "not found", "path not found")
        else:
            act()

    def _org(self, name: str) -> None:
        found = self.state.org_of.get(name)
        if found is None:
            self._error(404, "not found", f'organization name "{name}" not found')
        else:
            self._answer(200, {"orgs": [{"id": found, "name": name}]})

    def _new_org(self, name: str) -> None:
        self.state.org_of[name] = next(self.state.ids)
        self._answer(201, {"id": self.state.org_of[name], "name": name})

    def _buckets(self, name: str, rights: list[Json] | None) -> None:
        seen = None if rights is None else {right["resource"]["id"] for right in rights}
        found = [held for held in self.state.buckets if held["name"] == name and (seen is None or held["id"] in seen)]
        self._answer(200, {"buckets": found})

    def _retain(self, bucket_id: str, rules: list[Json]) -> None:
        (bucket,) = [held for held in self.state.buckets if held["id"] == bucket_id]
        bucket["retentionRules"] = rules
        self._answer(200, bucket)

    def _new_dbrp(self, body: Json) -> None:
        self.state.dbrps.append({"id": next(self.state.ids), **body})
        self._answer(201, self.state.dbrps[-1])

    def _new_token(self, body: Json) -> None:
        token = f"token-{next(self.state.ids)}"
        self.state.tokens[token] = body["permissions"]
        self._answer(201, {"id": next(self.state.ids), "token": token, **body})

    def _new_bucket(self, org_id: str, name: str, seconds: int) -> Json:
        rules = [{"type": "expire", "everySeconds": seconds}]
        bucket = {"id": next(self.state.ids), "orgID": org_id, "name": name, "retentionRules": rules}
        self.state.buckets.append(bucket)
        # A bucket is visible to InfluxQL by a virtual mapping of its own.
        self.state.dbrps.append({
            "id": next(self.state.ids), "orgID": org_id, "bucketID": bucket["id"], "database": name,
            "retention_policy": "autogen", "default": True, "virtual": True,
        })  # fmt: skip
        return bucket

    def _error(self, status: int, code: str, message: str) -> None:
        self._answer(status, {"code": code, "message": message})

    def _answer(self, status: int, body: Json | str) -> None:
        content = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
