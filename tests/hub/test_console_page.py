"""What the page says, rendered over real stores and opened in a real browser."""

import asyncio
import re
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import uvicorn
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from hub.app import web_app
from hub.clock import SystemClock
from hub.console.formats import age_text, name_text, number_text, unit_text
from hub.console.texts import _TEXTS, Language, preferred_language
from hub.registry.model import Site
from tests.support.shown_hub import SetClock, ShownHub, shown_hub
from wire.identifiers import SiteId
from wire.records import Mode, Quality

NOW_MS = 1_795_000_000_000


@pytest.fixture
def clock() -> SetClock:
    return SetClock(NOW_MS)


@pytest.fixture
async def hub(tmp_path: Path, clock: SetClock) -> AsyncIterator[ShownHub]:
    async with shown_hub(tmp_path, clock) as made:
        await made.add_gateway()
        yield made


async def page(hub: ShownHub, *, lang: str = "en") -> str:
    async with hub.client() as client:
        return (await client.get("/", params={"lang": lang})).text


async def test_the_page_shows_value_unit_age_mode_and_quality(hub: ShownHub) -> None:
    await hub.store(age_ms=3000, fields={"voltage_l1": 230.2, "power": 1234.5})
    text = await page(hub)
    for said in (
        "<b>230.2</b>",
        ">V<",
        "<b>1,234.5</b>",
        "3 s ago",
        "mode-live",
        "good",
        "Voltage · l1",
        "Trạm bơm Bắc",
    ):
        assert said in text


async def test_the_page_speaks_vietnamese(hub: ShownHub) -> None:
    await hub.store(age_ms=3000, fields={"power": 1234.5})
    async with hub.client() as client:
        text = (await client.get("/", headers={"accept-language": "vi-VN,vi;q=0.9,en;q=0.8"})).text
    assert '<html lang="vi">' in text
    for said in ("<b>1.234,5</b>", "3 giây trước", "Công suất tác dụng", "Trực tiếp", "tốt"):
        assert said in text


async def test_a_simulated_value_cannot_be_missed(hub: ShownHub) -> None:
    await hub.store(mode=Mode.SIMULATED)
    text = await page(hub)
    assert "1 of 1 values shown here are not real" in text
    assert re.search(r'<tr class="[^"]*\bfake\b', text)
    assert re.search(r"badge mode-simulated.*?#i-simulated.*?SIMULATED", text, re.DOTALL)


async def test_a_live_page_says_nothing_of_simulation(hub: ShownHub) -> None:
    await hub.store()
    text = await page(hub)
    assert "not real" not in text
    assert "SIMULATED" not in text


async def test_a_stale_value_is_greyed_and_says_its_age(hub: ShownHub, clock: SetClock) -> None:
    await hub.store()
    clock.ms += 600_000
    text = await page(hub)
    assert re.search(r'<tr class="[^"]*\bstale\b', text)
    assert "10 min ago" in text
    assert "0 of 1 fresh" in text
    assert "silent" in text


async def test_a_missing_value_is_said_to_be_missing(hub: ShownHub) -> None:
    await hub.store(fields={"power": 1.0}, qualities={"temperature": Quality.SENSOR_FAULT})
    text = await page(hub)
    assert "no value" in text
    assert "sensor fault" in text


async def test_nothing_a_gateway_says_becomes_markup(hub: ShownHub) -> None:
    await hub.registry.fleet.save_site(Site(site=SiteId("north"), name="<script>alert(1)</script>"))
    await hub.store()
    text = await page(hub)
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert" in text


async def test_the_page_may_load_only_its_own_files(hub: ShownHub) -> None:
    async with hub.client() as client:
        answer = await client.get("/")
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy
        for address in re.findall(r'(?:src|href)="([^"#?]+)"', answer.text):
            assert address.startswith("/"), f"{address} is not ours"
            assert (await client.get(address)).status_code == 200
        assert " style=" not in answer.text
        assert not re.search(r"\son\w+=", answer.text)


async def test_an_empty_hub_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    async with shown_hub(tmp_path / "empty", SystemClock()) as empty:
        text = await page(empty)
    assert "sen-hub gateway add" in text


def test_every_text_is_in_both_languages() -> None:
    for key, texts in _TEXTS.items():
        assert len(texts) == len(Language), key
        assert all(texts), key
        placeholders = [sorted(re.findall(r"{(\w+)}", text)) for text in texts]
        assert placeholders[0] == placeholders[1], key


def test_every_mode_and_quality_has_its_word() -> None:
    assert {f"mode_{mode.value}" for mode in Mode} <= set(_TEXTS)
    assert {f"quality_{quality.name.lower()}" for quality in Quality} <= set(_TEXTS)
    symbols = (Path(__file__).parents[2] / "hub" / "console" / "templates" / "symbols.html").read_text()
    assert [mode for mode in Mode if f'id="i-{mode.value}"' not in symbols] == []


def test_the_language_is_what_was_asked_for_or_what_the_reader_prefers() -> None:
    assert preferred_language("vi", "en") is Language.VI
    assert preferred_language(None, "fr, en;q=0.1, vi;q=0.5") is Language.VI
    assert preferred_language("xx", "q=;;,") is Language.EN


def test_numbers_units_and_ages_read_as_people_write_them() -> None:
    assert number_text(1234567.5, Language.VI) == "1.234.568"
    assert number_text(20.5, Language.VI) == "20,5"
    assert number_text(12_345_678_901.0, Language.EN) == "12,345,678,901"
    assert unit_text("ug/m3") == "µg/m³"
    assert unit_text("1") == ""
    assert unit_text("W/m2") == "W/m²"
    assert age_text(119, Language.EN) == "119 s"
    assert age_text(7200, Language.VI) == "2 giờ"
    assert name_text("voltage", "voltage_l1", Language.VI) == "Điện áp · l1"


class Deaf:
    """The page's server, but refreshes go unanswered, as when the hub dies after the page was loaded."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("path") == "/live":
            await PlainTextResponse("gone", status_code=503)(scope, receive, send)
        else:
            await self._app(scope, receive, send)


@asynccontextmanager
async def served(app: ASGIApp, port: int) -> AsyncIterator[str]:
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning", lifespan="off"))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(server.serve())
        async with asyncio.timeout(10):
            while not server.started:
                await SystemClock().sleep(0.02)
        yield f"http://127.0.0.1:{port}"
        server.should_exit = True


async def opened(chromium: str, address: str, profile: Path, *, budget_ms: int) -> str:
    """The page's DOM after it has run for a while in a real browser."""
    command = [
        chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run",
        "--disable-dev-shm-usage", f"--user-data-dir={profile}", f"--virtual-time-budget={budget_ms}",
        "--window-size=1280,1000", "--dump-dom", address,
    ]  # fmt: skip
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
async def real_hub(tmp_path: Path) -> AsyncIterator[ShownHub]:
    (tmp_path / "hub").mkdir()
    async with shown_hub(tmp_path / "hub", SystemClock()) as made:
        await made.add_gateway()
        for age_s in range(0, 600, 10):
            await made.store(age_ms=age_s * 1000, mode=Mode.SIMULATED, fields={"voltage_l1": 20175.25 + age_s / 1000})
        yield made


@pytest.mark.real
async def test_a_browser_shows_live_values_the_badge_and_the_chart(
    real_hub: ShownHub, real_program: Callable[[str], str], free_port: Callable[[], int], tmp_path: Path
) -> None:
    chromium = real_program("chromium")
    async with served(web_app(real_hub.shown, token=None), free_port()) as address:
        dom = await opened(chromium, f"{address}/?lang=en", tmp_path / "profile", budget_ms=5000)
    assert re.search(r'<body[^>]*data-refreshes="[1-9]', dom), "the page's script did not refresh it"
    assert re.search(r'<body[^>]*class="[^"]*lost', dom) is None
    assert "<b>20,175.25</b>" in dom
    assert re.search(r'badge mode-simulated">.*?SIMULATED', dom, re.DOTALL)
    assert ">Connected<" in dom
    chart = dom[dom.index('id="chart"') :]
    assert re.search(r'<path class="line" d="M[\d. ]+L', chart), "the chart has no line"
    assert ">SIMULATED</text>" in chart
    labels = re.findall(r'<text x="([\d.-]+)"[^>]*text-anchor="end">([^<]+)<', chart)
    assert len(labels) >= 3
    assert all(float(x) - 7.5 * len(words) >= 0 for x, words in labels), f"labels are clipped: {labels}"
    assert re.search(r"<text[^>]*>\d\d:\d\d</text>", chart), "no times on the axis"


@pytest.mark.real
async def test_a_browser_says_clearly_that_the_hub_is_gone(
    real_hub: ShownHub, real_program: Callable[[str], str], free_port: Callable[[], int], tmp_path: Path
) -> None:
    chromium = real_program("chromium")
    async with served(Deaf(web_app(real_hub.shown, token=None)), free_port()) as address:
        dom = await opened(chromium, f"{address}/?lang=vi", tmp_path / "profile", budget_ms=12_000)
    assert re.search(r'<body[^>]*class="[^"]*lost', dom)
    strip = dom[dom.index('id="lost"') :][:400]
    assert "hidden" not in strip[: strip.index(">")]
    assert "Mất kết nối với trung tâm" in strip
    assert re.search(r"ghi nhận lúc \d\d:\d\d:\d\d", dom)
    assert "Đã kết nối" not in re.sub(r"data-texts=\"[^\"]*\"", "", dom)
