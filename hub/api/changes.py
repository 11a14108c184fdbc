"""The requests of /api/v1 that change something: each asks for the token, also on loopback.

A web page elsewhere can make a browser send a request here, but not with a header of its own.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Final, Protocol

from fastapi import APIRouter, Depends, Header
from starlette.exceptions import HTTPException

from hub.api.access import is_token
from hub.api.asked import NothingThere
from hub.api.routes import PREFIX, ErrorView
from hub.audit.auditor import Audit
from hub.ingest.second_try import TriedAgain
from hub.registry.model import DeadLetter, Outcome, RegistryError

_WAIT_S: Final = 20.0
_UNAUTHORIZED: Final = 401


class Letters(Protocol):
    """The dead letters."""

    async def letter(self, letter_id: int) -> DeadLetter | None:
        """One of them, or None."""
        ...

    async def close(self, letter: DeadLetter, outcome: Outcome, *, now_ms: int) -> bool:
        """Take one away that has not come again since it was read; returns whether it went."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What may be changed: dead letters tried again or dropped, and the breaker closed."""

    letters: Letters
    retry: Callable[[int], Awaitable[TriedAgain | None]]
    close_breaker: Callable[[], None]
    audit: Callable[[int, int, bool], Awaitable[Audit]]
    now_ms: Callable[[], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """It is done."""

    done: str


def changes_router(changes: Changes, *, token: str) -> APIRouter:
    """The requests, for who shows the token."""

    async def shows_token(authorization: Annotated[str, Header()] = "") -> None:
        scheme, _, given = authorization.partition(" ")
        if scheme.lower() != "bearer" or not is_token(given.strip(), token):
            raise HTTPException(
                _UNAUTHORIZED, "what changes something asks for 'Authorization: Bearer <token>' (see http.token_file)"
            )

    router = APIRouter(
        prefix=PREFIX,
        dependencies=[Depends(shows_token)],
        responses={code: {"model": ErrorView} for code in (401, 404, 503)},
    )
    _add_letters(router, changes)

    @router.post("/breaker/close", tags=["hub"])
    async def close_breaker() -> Done:
        """Put aside what is refused from now on, although it is much."""
        changes.close_breaker()
        return Done(done="the breaker is closed: what is refused goes to the dead letters")

    @router.post("/audit", tags=["hub"])
    async def audit(first_day: int, last_day: int, *, repair: bool = False) -> Audit:
        """Count the rows of these UTC days (since 1970-01-01) and hold them against the ledger; perhaps repair it."""
        return await changes.audit(first_day, last_day, repair)

    return router


def _add_letters(router: APIRouter, changes: Changes) -> None:
    @router.post("/dead-letters/{letter_id}/retry", tags=["hub"])
    async def retry(letter_id: int) -> TriedAgain:
        """Try a dead letter again: stored and gone, or why it stays."""
        try:
            async with asyncio.timeout(_WAIT_S):
                tried = await changes.retry(letter_id)
        except TimeoutError as error:
            raise RegistryError(f"not within {_WAIT_S:.0f} s: the store is in trouble, see /health") from error
        if tried is None:
            raise _not_there(letter_id)
        return tried

    @router.post("/dead-letters/{letter_id}/drop", tags=["hub"])
    async def drop(letter_id: int) -> Done:
        """Drop a dead letter for good; a trace of it stays."""
        letter = await changes.letters.letter(letter_id)
        if letter is None:
            raise _not_there(letter_id)
        if not await changes.letters.close(letter, Outcome.DROPPED, now_ms=changes.now_ms()):
            raise RegistryError(f"dead letter {letter_id} came again just now: look at it and try again")
        return Done(done=f"dead letter {letter_id} is dropped")


def _not_there(letter_id: int) -> NothingThere:
    return NothingThere(f"dead letter {letter_id} is not there: {PREFIX}/dead-letters lists those that are")
