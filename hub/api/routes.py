"""The requests of /api/v1. Answers are JSON; errors are ``{"error": "what, and what was expected"}``."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, ClassVar, Final

from fastapi import APIRouter, FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from hub.api.asked import MAX_SAMPLES, AskedError, NothingThere, time_range, windowing
from hub.api.letter_views import ClosedView, LetterContents, LetterView, LostView
from hub.api.shown import Health, Shown
from hub.api.views import DeviceView, FleetView, GatewayView, LatestView, SamplesView, SeriesView, SiteView
from hub.levels.level import Level
from hub.registry.model import RegistryError
from hub.series.base import Aggregate, Selection, SeriesError
from wire.errors import WireError
from wire.identifiers import IDENTIFIER_PATTERN, KEY_PATTERN
from wire.records import Mode

PREFIX: Final = "/api/v1"
_BAD_REQUEST: Final = 400
_NOT_FOUND: Final = 404
_UNAVAILABLE: Final = 503
Identifier = Annotated[str, Field(pattern=IDENTIFIER_PATTERN)]
Key = Annotated[str, Field(pattern=KEY_PATTERN)]


class ErrorView(BaseModel):
    """Why there is no answer, and what was expected."""

    error: str


class _Strict(BaseModel):
    model_config: ClassVar = ConfigDict(extra="forbid")


class GatewayQuery(_Strict):
    """Whose devices."""

    gateway: Identifier | None = None


class LettersQuery(_Strict):
    """Whose dead letters, and at most how many."""

    gateway: Identifier | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 100


class SeriesQuery(_Strict):
    """Which series: every given part must match."""

    measurement: Key | None = None
    site: Identifier | None = None
    gateway: Identifier | None = None
    device: Identifier | None = None
    group: Key | None = None
    mode: Mode | None = None
    field: Key | None = None

    def selection(self) -> Selection:
        """The same as the stores know it."""
        return Selection(
            measurement=self.measurement,
            site=self.site,
            gateway=self.gateway,
            device=self.device,
            group=self.group,
            mode=self.mode,
            field=self.field,
        )


class SamplesQuery(SeriesQuery):
    """Which one series, from when to when, and how put together."""

    start: Annotated[str, Field(alias="from", description="2026-11-23T10:00:00Z, Unix ms, -6h, or now")] = "-1h"
    end: Annotated[str, Field(alias="to", description="as `from`; not included")] = "now"
    aggregate: Annotated[Aggregate | None, Field(description="one value for each window")] = None
    window: Annotated[str | None, Field(description="30s, 15m, 6h, 7d")] = None
    limit: Annotated[int, Field(ge=1, le=MAX_SAMPLES, description="the newest, where there are more")] = 10_000


class ExportQuery(SeriesQuery):
    """Which series, from when to when, and how fine."""

    start: Annotated[str, Field(alias="from", description="2026-11-23T10:00:00Z, Unix ms, -6h, or now")] = "-1d"
    end: Annotated[str, Field(alias="to", description="as `from`; not included")] = "now"
    level: Annotated[Level, Field(description="raw, or put together by 5m or 1h")] = Level.RAW


def api_router(shown: Shown) -> APIRouter:
    """The requests, answered by `shown`."""
    router = APIRouter(prefix=PREFIX, responses={code: {"model": ErrorView} for code in (400, 404, 503)})
    _add_fleet(router, shown)
    _add_values(router, shown)
    _add_letters(router, shown)
    return router


def add_errors(app: FastAPI) -> None:
    """Make every error an answer that says what and what was expected; none shows a traceback."""
    for kind, code in (
        (AskedError, _BAD_REQUEST),
        (WireError, _BAD_REQUEST),
        (NothingThere, _NOT_FOUND),
        (SeriesError, _UNAVAILABLE),
        (RegistryError, _UNAVAILABLE),
    ):
        app.add_exception_handler(kind, _answer_with(code))
    app.add_exception_handler(RequestValidationError, _not_valid)
    app.add_exception_handler(HTTPException, _http_error)


def _add_fleet(router: APIRouter, shown: Shown) -> None:
    @router.get("/health", tags=["hub"])
    async def health() -> Health:
        """The hub and its parts: broker, series store, registry, ingest. `ok` says whether all of them work."""
        return await shown.health()

    @router.get("/sites", tags=["fleet"])
    async def sites() -> list[SiteView]:
        """Places, and how many of their gateways are online."""
        return await shown.sites()

    @router.get("/gateways", tags=["fleet"])
    async def gateways() -> FleetView:
        """Gateways with their accounts (accepted = stored + refused + lost + in_flight + unexplained); unknown ones."""
        return await shown.fleet()

    @router.get("/gateways/{gateway}", tags=["fleet"])
    async def gateway(gateway: str) -> GatewayView:
        """One gateway."""
        found = [item for item in (await shown.fleet()).gateways if item.gateway == gateway]
        if not found:
            raise NothingThere(f"gateway {gateway!r} is not registered: {PREFIX}/gateways lists those that are")
        return found[0]

    @router.get("/devices", tags=["fleet"])
    async def devices(asked: Annotated[GatewayQuery, Query()]) -> list[DeviceView]:
        """Devices with their health and what they measure."""
        return await shown.devices(asked.gateway)


def _add_letters(router: APIRouter, shown: Shown) -> None:
    @router.get("/dead-letters", tags=["hub"])
    async def dead_letters(asked: Annotated[LettersQuery, Query()]) -> list[LetterView]:
        """What was put aside, the newest first."""
        return await shown.letters(asked.gateway, limit=asked.limit)

    @router.get("/dead-letters/closed", tags=["hub"])
    async def closed(asked: Annotated[LettersQuery, Query()]) -> list[ClosedView]:
        """What people did with dead letters, the newest first."""
        return await shown.closed_letters(asked.gateway, limit=asked.limit)

    @router.get("/dead-letters/{letter_id}", tags=["hub"])
    async def dead_letter(letter_id: int) -> LetterContents:
        """One dead letter: its bytes as they came, and what they say."""
        return await shown.letter(letter_id)

    @router.get("/gateways/{gateway}/losses", tags=["fleet"])
    async def losses(gateway: str) -> list[LostView]:
        """What is lost of a gateway's records: epoch, range and reason."""
        return await shown.losses(gateway)


def _add_values(router: APIRouter, shown: Shown) -> None:
    @router.get("/latest", tags=["values"])
    async def latest(asked: Annotated[SeriesQuery, Query()]) -> list[LatestView]:
        """The newest value of each series, with unit, age, mode and quality; `stale` when it is past its promise."""
        return await shown.latest(asked.selection())

    @router.get("/series", tags=["values"])
    async def series(asked: Annotated[SeriesQuery, Query()]) -> list[SeriesView]:
        """The series there are."""
        return await shown.series(asked.selection())

    @router.get("/series/export", tags=["values"], response_class=StreamingResponse)
    async def export(asked: Annotated[ExportQuery, Query()]) -> StreamingResponse:
        """Every value of every series that matches, as CSV. An answer that breaks off is not whole."""
        meant = time_range(asked.start, asked.end, now_ms=shown.now_ms())
        pieces = await shown.export(asked.selection(), meant, level=asked.level)
        return StreamingResponse(pieces, media_type="text/csv; charset=utf-8")

    @router.get("/series/values", tags=["values"])
    async def samples(asked: Annotated[SamplesQuery, Query()]) -> SamplesView:
        """Values of one series over time; with `aggregate` and `window`, one for each window that has numbers."""
        meant = time_range(asked.start, asked.end, now_ms=shown.now_ms())
        return await shown.samples(
            asked.selection(),
            meant,
            windowing=windowing(asked.aggregate, asked.window, meant),
            limit=asked.limit,
        )


def _answer_with(code: int) -> Callable[[Request, Exception], Awaitable[JSONResponse]]:
    async def answer(_request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"error": str(error)}, status_code=code)

    return answer


async def _not_valid(_request: Request, error: Exception) -> JSONResponse:
    details = error.errors() if isinstance(error, RequestValidationError) else []
    told = [f"{'.'.join(str(part) for part in item['loc'][1:])}: {_told(item)}" for item in details]
    return JSONResponse({"error": "; ".join(told)}, status_code=_BAD_REQUEST)


async def _http_error(_request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise error
    return JSONResponse({"error": str(error.detail)}, status_code=error.status_code, headers=error.headers)


def _told(detail: Mapping[str, object]) -> str:
    return f"found {detail.get('input')!r}: {detail['msg']}"
