"""The page's requests: the page, the part of it that changes, the files it needs, and signing in."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import parse_qs

from fastapi import APIRouter, FastAPI, Header, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.staticfiles import StaticFiles

from hub.api.access import COOKIE, SIGN_IN, cookie_of, is_token
from hub.api.shown import Shown
from hub.console.page import Page, page_in_trouble, page_of
from hub.console.texts import Language, Texts, preferred_language
from hub.registry.model import RegistryError
from hub.series.base import Selection, SeriesError
from wire.records import Quality

_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_SCRIPT_TEXTS: Final = ("link_ok", "link_lost", "chart_empty", "chart_failed")
_QUALITIES: Final = tuple(f"quality_{quality.name.lower()}" for quality in Quality)
_MAX_FORM_BYTES: Final = 4096
_UNAUTHORISED: Final = 401
_MONTH_S: Final = 30 * 86400
_HERE: Final = Path(__file__).parent
LanguageQuery = Annotated[str | None, Query(alias="lang", max_length=8)]
AcceptLanguage = Annotated[str, Header(max_length=400)]


class Console:
    """Renders the page from what `shown` answers."""

    def __init__(self, shown: Shown) -> None:
        self._shown = shown
        self._templates = Environment(
            loader=PackageLoader("hub.console"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
        )
        self._templates.filters["iso"] = _iso

    async def page(self, language: Language) -> str:
        """The whole page."""
        texts = Texts(language)
        return self._templates.get_template("page.html").render(
            t=texts,
            other=next(item for item in Language if item is not language),
            script_texts=_script_texts(texts),
            page=await self._page(texts),
        )

    async def live(self, language: Language) -> str:
        """The part of the page that changes."""
        texts = Texts(language)
        return self._templates.get_template("live.html").render(t=texts, page=await self._page(texts))

    def sign_in(self, language: Language, *, wrong: bool) -> str:
        """The page that asks for the token."""
        return self._templates.get_template("sign_in.html").render(t=Texts(language), wrong=wrong)

    async def _page(self, texts: Texts) -> Page:
        health = await self._shown.health()
        try:
            fleet, sites = await self._shown.fleet(), await self._shown.sites()
            latest = await self._shown.latest(Selection())
        except (SeriesError, RegistryError) as error:
            return page_in_trouble(health, str(error), texts)
        return page_of(health, fleet, sites, latest, texts)


def add_console(app: FastAPI, shown: Shown, *, token: str | None) -> None:
    """Add the page to an application; `token` where the hub asks for one."""
    console = Console(shown)
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    async def page(lang: LanguageQuery = None, accept_language: AcceptLanguage = "") -> HTMLResponse:
        return _html(await console.page(preferred_language(lang, accept_language)))

    @router.get("/live")
    async def live(lang: LanguageQuery = None, accept_language: AcceptLanguage = "") -> HTMLResponse:
        return _html(await console.live(preferred_language(lang, accept_language)))

    @router.get(SIGN_IN)
    async def ask_token(lang: LanguageQuery = None, accept_language: AcceptLanguage = "") -> HTMLResponse:
        return _html(console.sign_in(preferred_language(lang, accept_language), wrong=False))

    @router.post(SIGN_IN)
    async def take_token(request: Request, accept_language: AcceptLanguage = "") -> Response:
        given = await _form_value(request, "token")
        if token is not None and not is_token(given, token):
            page = console.sign_in(preferred_language(None, accept_language), wrong=True)
            return _html(page, status_code=_UNAUTHORISED)
        entered = RedirectResponse("/", status_code=303)
        if token is not None:
            entered.set_cookie(COOKIE, cookie_of(token), httponly=True, samesite="strict", max_age=_MONTH_S)
        return entered

    app.include_router(router)
    app.mount("/static", StaticFiles(directory=_HERE / "static"), name="static")


async def _form_value(request: Request, name: str) -> str:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _MAX_FORM_BYTES:
            return ""
    try:
        return parse_qs(body.decode("ascii")).get(name, [""])[0]
    except UnicodeDecodeError:
        return ""


def _html(text: str, *, status_code: int = 200) -> HTMLResponse:
    return HTMLResponse(text, status_code=status_code, headers=_HEADERS)


def _script_texts(texts: Texts) -> str:
    told = {key: texts(key) for key in (*_SCRIPT_TEXTS, *_QUALITIES)}
    return json.dumps(told | {"link_lost_since": texts("link_lost_since", time="{time}")}, ensure_ascii=False)


def _iso(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, tz=UTC).isoformat(timespec="seconds")
