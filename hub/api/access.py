"""Who may read the API and the page.

I1. On loopback anybody on this machine may, by the machine's own names only: a web page elsewhere that makes its own
    name point here (DNS rebinding) is refused.
I2. On any other address everything needs the token: as a bearer token, or in the cookie the page sets after it asked.
"""

import hashlib
import hmac
from http.cookies import CookieError, SimpleCookie
from typing import Final

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

COOKIE: Final = "sen_access"
SIGN_IN: Final = "/sign-in"
# The map has a key of its own in its path: Grafana cannot send a token.
MAP: Final = "/map"
_OPEN_PATHS: Final = (SIGN_IN, "/static/", f"{MAP}/")
_OWN_NAMES: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})


def cookie_of(token: str) -> str:
    """What the page's cookie holds: proof of the token, and not the token."""
    return hmac.new(token.encode(), b"sen page", hashlib.sha256).hexdigest()


def map_key_of(token: str) -> str:
    """What stands in the address of the map: it opens the positions of sites, and nothing else."""
    return hmac.new(token.encode(), b"sen map", hashlib.sha256).hexdigest()[:32]


def is_token(given: str, token: str) -> bool:
    """Whether this is the token, in a time that does not tell how much of it is right."""
    return hmac.compare_digest(given.encode(), token.encode())


class Access:
    """Lets through who may read, and answers the others. `token` None: only this machine can reach us."""

    def __init__(self, app: ASGIApp, *, token: str | None) -> None:
        self._app = app
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and (refusal := self._refusal(scope["path"], Headers(scope=scope))):
            await refusal(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _refusal(self, path: str, headers: Headers) -> JSONResponse | RedirectResponse | None:
        if self._token is None:
            if _name_of(headers.get("host", "")) in _OWN_NAMES:
                return None
            error = f"host {headers.get('host', '')!r}: expected one of {', '.join(sorted(_OWN_NAMES))}"
            return JSONResponse({"error": error}, status_code=421)
        if path.startswith(_OPEN_PATHS) or _shows(headers, self._token):
            return None
        if "text/html" in headers.get("accept", ""):
            return RedirectResponse(SIGN_IN, status_code=303)
        error = "this hub is reachable from other machines: send 'Authorization: Bearer <token>' (see http.token_file)"
        return JSONResponse({"error": error}, status_code=401, headers={"WWW-Authenticate": "Bearer"})


def _shows(headers: Headers, token: str) -> bool:
    scheme, _, given = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and is_token(given.strip(), token):
        return True
    try:
        morsel = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return False
    return morsel is not None and is_token(morsel.value, cookie_of(token))


def _name_of(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() else host
