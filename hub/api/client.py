"""Asks a running hub over its API, for the command line."""

from collections.abc import Iterator
from typing import Any, Final

import httpx

_TIMEOUT_S: Final = 30.0
_CHANGE_TIMEOUT_S: Final = 600.0  # an audit of a large fleet
_PREFIX: Final = "/api/v1"


class HubSilent(Exception):  # noqa: N818 - it names a state of the hub
    """The hub did not answer, or said no: what, and what to do."""


def ask_hub(address: str, token: str, path: str, **asked: str | int | None) -> Any:  # noqa: ANN401 - JSON
    """What the hub at ``http://host:port`` answers to a request below /api/v1.

    Raises:
        HubSilent: nobody answers there, or the hub cannot or will not.
    """
    given = {key: value for key, value in asked.items() if value is not None}
    return _answer("GET", address, token, path, given)


def tell_hub(address: str, token: str, path: str, **given: str | int) -> Any:  # noqa: ANN401 - JSON
    """What the hub answers to a request that changes something.

    Raises:
        HubSilent: nobody answers there, or the hub cannot or will not.
    """
    return _answer("POST", address, token, path, given)


def _answer(method: str, address: str, token: str, path: str, given: dict[str, str | int]) -> Any:  # noqa: ANN401 - JSON
    headers = {"Authorization": f"Bearer {token}"}
    timeout_s = _TIMEOUT_S if method == "GET" else _CHANGE_TIMEOUT_S
    try:
        answer = httpx.request(method, f"{address}{_PREFIX}{path}", params=given, headers=headers, timeout=timeout_s)
        body = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        raise HubSilent(f"no hub answers at {address} ({error}); start it with `sen-hub serve`") from error
    if answer.is_success:
        return body
    raise HubSilent(f"the hub at {address} answers: {body.get('error', body)}")


def stream_hub(address: str, token: str, path: str, **asked: str) -> Iterator[str]:
    """The lines that the hub answers with, as they come, each with its end.

    Raises:
        HubSilent: nobody answers there, the hub cannot or will not, or its answer breaks off.
    """
    headers = {"Authorization": f"Bearer {token}"}
    url = f"{address}{_PREFIX}{path}"
    try:
        with httpx.stream("GET", url, params=asked, headers=headers, timeout=_TIMEOUT_S) as answer:
            if not answer.is_success:
                answer.read()
                raise HubSilent(f"the hub at {address} answers: {answer.json().get('error', answer.text)}")
            yield from (f"{line}\n" for line in answer.iter_lines())
    except httpx.RemoteProtocolError as error:
        raise HubSilent(f"the hub's answer broke off ({error}): what was written is not whole; see its log") from error
    except (httpx.HTTPError, ValueError) as error:
        raise HubSilent(f"no hub answers at {address} ({error}); start it with `sen-hub serve`") from error
