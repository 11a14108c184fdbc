"""Asking a database server over HTTP, with every way it can fail said in words: what, where, and what to do."""

from collections.abc import Mapping
from typing import Any, Final

import httpx

from hub.series.base import SeriesError

# What an administrator can do about it, by the status a real server answers with.
_ADVICE: Final[Mapping[int, str]] = {
    400: "the server does not take this request; is it the version that --kind says?",
    401: "the token or password is not accepted; check the file that holds it",
    403: "its owner may not do this; use an administrator's (in InfluxDB 2.x an operator or all-access token)",
    404: "there is no such thing at this address; check --url, --kind and --org",
    405: "there is another program at this address; check --url",
    409: "somebody else changes the same at the same time; run it again",
    413: "a proxy in between refuses the request; give the server's own address",
    422: "the server refuses what is asked; its own words are above",
    429: "the server has too much to do; run it again later",
}
_TROUBLE: Final = "the server is in trouble; see its log, then run it again: what was made stays"
_SERVER_ERROR: Final = 500
_REDIRECT: Final = 300
_SHOWN: Final = 300


class RefusedError(SeriesError):
    """The server answered, and not with success."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status


class Server:
    """One server. Nothing is asked of it before the first request; secrets travel in headers, never in an error."""

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float,
        token: str | None = None,
        user: tuple[str, str] | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.url = url
        self._timeout_s = timeout_s
        self._client = httpx.Client(
            base_url=url,
            timeout=timeout_s,
            headers={"Authorization": f"Token {token}"} if token else {},
            auth=user,
            transport=transport,
        )

    def ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: object = None,
        form: Mapping[str, str] | None = None,
    ) -> Any:  # noqa: ANN401 - the server's JSON, taken apart where it is known
        """The JSON that the server answers with; None where it answers with nothing.

        Raises:
            RefusedError: it answered with an error.
            SeriesError: it did not answer, or not in JSON.
        """
        what = f"{method} {self.url}{path}"
        try:
            response = self._client.request(method, path, params=params, json=body, data=form)
        except httpx.TimeoutException as error:
            raise SeriesError(
                f"{what}: no answer within {self._timeout_s:g} s; see whether the server is well, then run it again"
            ) from error
        except httpx.HTTPError as error:
            raise SeriesError(f"{what}: {error or type(error).__name__}; is the server running at --url?") from error
        if response.status_code >= _REDIRECT:
            raise RefusedError(f"{what}: {_told(response)}; {_advice(response.status_code)}", response.status_code)
        if not response.content:
            return None
        try:
            return response.json()
        except ValueError as error:
            raise SeriesError(
                f"{what}: found {response.text[:60]!r}, expected JSON; is there another program at this address?"
            ) from error

    def close(self) -> None:
        """Release the connection."""
        self._client.close()


def _told(response: httpx.Response) -> str:
    try:
        body = response.json()
        words = body.get("message") or body.get("error") or ""
    except (ValueError, AttributeError):
        words = response.text
    return f"{response.status_code} {str(words).strip()[:_SHOWN]}".strip()


def _advice(status: int) -> str:
    if status < min(_ADVICE):
        return "it points elsewhere; give the server's own address"
    if status >= _SERVER_ERROR:
        return _TROUBLE
    return _ADVICE.get(status, "see the server's log")
