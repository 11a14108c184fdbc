"""A door that speaks the write request of InfluxDB 2.x and lets a real InfluxDB 1.x judge the bytes.

It checks path, token, org and bucket as 2.x does, and forwards the body as it came to `/write`; `/query` is forwarded
as the DBRP mapping of 2.x would. It is not InfluxDB 2.x: what 2.x itself says about a line is not tested here.
"""

import http.client
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit


class InfluxV2Door:
    """Listens on a free loopback port until `close`."""

    def __init__(self, *, database_url: str, org: str, bucket: str, token: str) -> None:
        parts = urlsplit(database_url)
        assert parts.hostname is not None
        assert parts.port is not None
        database = (parts.hostname, parts.port)

        class Handler(_Handler):
            behind = database
            wanted = (org, bucket, f"Token {token}")

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, name="influx-v2-door"
        )
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


class _Handler(BaseHTTPRequestHandler):
    behind: tuple[str, int]
    wanted: tuple[str, str, str]
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        org, bucket, authorization = self.wanted
        target = urlsplit(self.path)
        query = parse_qs(target.query)
        if self.headers.get("Authorization") != authorization:
            self._answer(401, b'{"code":"unauthorized","message":"unauthorized access"}')
        elif target.path != "/api/v2/write" or query.get("org") != [org] or query.get("bucket") != [bucket]:
            self._answer(404, b'{"code":"not found","message":"bucket not found"}')
        else:
            self._forward("POST", "/write?" + urlencode({"db": bucket, "precision": query["precision"][0]}), body)

    def do_GET(self) -> None:
        if self.headers.get("Authorization") != self.wanted[2]:
            self._answer(401, b'{"code":"unauthorized","message":"unauthorized access"}')
        else:
            self._forward("GET", self.path, b"")

    def _forward(self, method: str, path: str, body: bytes) -> None:
        connection = http.client.HTTPConnection(*self.behind, timeout=10)
        try:
            headers = {name: self.headers[name] for name in ("Content-Encoding",) if name in self.headers}
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            self._answer(response.status, response.read())
        except OSError:
            self._answer(503, b'{"code":"unavailable"}')
        finally:
            connection.close()

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 the name is the library's
        """Say nothing."""
