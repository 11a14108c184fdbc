"""What all commands share: their arguments, the hub they ask, and how they fail."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer

if TYPE_CHECKING:
    from hub.config import HubFolder
    from hub.registry.store import Registry

_Result = TypeVar("_Result")

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The hub's folder.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


def ask(folder: Path, path: str, **asked: str | int | None) -> Any:  # noqa: ANN401 - the API's JSON
    """What the running hub answers to a question to its API."""
    from hub.api.client import ask_hub

    address, token = _door(folder)
    return ask_hub(address, token, path, **asked)


def tell(folder: Path, path: str, **given: str | int) -> Any:  # noqa: ANN401 - the API's JSON
    """What the running hub answers to a change that is asked of it."""
    from hub.api.client import tell_hub

    address, token = _door(folder)
    return tell_hub(address, token, path, **given)


def stream(folder: Path, path: str, **asked: str) -> Iterator[str]:
    """The lines that the running hub answers with, as they come."""
    from hub.api.client import stream_hub

    address, token = _door(folder)
    return stream_hub(address, token, path, **asked)


def _door(folder: Path) -> tuple[str, str]:
    """Where the running hub is, and the token."""
    from hub.config import open_folder

    opened = open_folder(folder)
    http = opened.config.http
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(http.host, http.host)  # noqa: S104 - asked, not bound
    address = f"http://[{host}]:{http.port}" if ":" in host else f"http://{host}:{http.port}"
    return address, opened.http_token


def with_registry(folder: "HubFolder", act: Callable[["Registry"], Awaitable[_Result]]) -> _Result:
    """Do something with the registry of a hub that may or may not be running."""
    from hub.registry.store import Registry

    async def run() -> _Result:
        registry = await Registry.open(folder.registry_url)
        try:
            return await act(registry)
        finally:
            await registry.close()

    return asyncio.run(run())


def plain(view: Any) -> Any:  # noqa: ANN401 - any view to JSON
    """A view as what JSON can hold."""
    from pydantic import TypeAdapter

    return TypeAdapter(type(view)).dump_python(view, mode="json")


def print_fleet(fleet: dict[str, Any]) -> None:  # Any: the API's JSON
    """The fleet as a table."""
    counts = ("accepted", "stored", "refused", "lost", "in_flight", "unexplained")
    print(
        f"{'gateway':20} {'site':16} {'state':8} {'presence':10} {'spoke':>9} " + " ".join(f"{c:>11}" for c in counts)
    )
    for item in fleet["gateways"]:
        age = "-" if item["status_age_s"] is None else f"{item['status_age_s']:.0f} s ago"
        numbers = " ".join(f"{item['accounts'][count]:>11}" for count in counts)
        site = item["site"] or "-"
        print(f"{item['gateway']:20} {site:16} {item['state']:8} {item['presence']:10} {age:>9} {numbers}{_lost(item)}")
    for item in fleet["unknown"]:
        print(f"{item['gateway']:20} not registered: {item['messages']} messages, the last {item['age_s']:.0f} s ago")


def _lost(item: dict[str, Any]) -> str:  # Any: the API's JSON
    reasons = item["accounts"]["lost_by_reason"]
    told = ", ".join(f"{reason} {count}" for reason, count in reasons.items() if count)
    return f"  lost: {told}" if told else ""


def fail(message: str) -> NoReturn:
    """End with one sentence for a person and exit code 1."""
    print(message, file=sys.stderr)
    sys.exit(1)
