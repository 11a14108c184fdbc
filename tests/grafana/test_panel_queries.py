"""Every panel, choice and alert rule brings rows from a real InfluxDB that was filled through the hub's own path."""

import asyncio
import time
from collections.abc import Callable, Iterator

import pytest

from grafana.alerting import rules
from grafana.build import boards
from grafana.lint import query_complaints
from grafana.render import Json
from tests.grafana.check_panels import CENTRE, Answered, all_asked, answered
from tests.support import panel_data
from tests.support.influxd import InfluxServer

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def asked_and_answered(
    real_program: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Answered]]:
    folder = tmp_path_factory.mktemp("panels")
    server = InfluxServer(program=real_program("influxd"), folder=folder)

    async def fill_and_ask() -> list[Answered]:
        async with panel_data.filled(server, folder, now_ms=_now_ms()):
            return await asyncio.to_thread(answered, server, all_asked(_now_ms()))

    try:
        yield asyncio.run(fill_and_ask())
    finally:
        server.stop()


def test_every_statement_brings_rows(asked_and_answered: list[Answered]) -> None:
    assert [one.told() for one in asked_and_answered if one.error or not one.rows] == []
    places = {one.asked.where.partition("/")[0].partition(" ")[0] for one in asked_and_answered}
    assert len(places) == 11, "ten dashboards and the rules"


def test_every_rule_asks_in_the_shared_subset_and_of_real_modes_only() -> None:
    asked = [one for one in all_asked(_now_ms()) if one.where.startswith("rule ")]
    assert len(asked) > 30
    texts = [part["model"]["query"] for rule in rules(CENTRE, boards(CENTRE)) for part in _queries(rule)]
    assert [fault for text in texts for fault in query_complaints(text)] == []
    of_devices = [one for one in asked if not any(f'FROM "{name}"' in one.statement for name in ("gateway", "hub"))]
    assert of_devices
    assert all("/^(live|backfilled|periodic|manual)$/" in one.statement for one in of_devices)


def _queries(rule: Json) -> list[Json]:
    return [part for part in rule["data"] if "query" in part["model"]]


def _now_ms() -> int:
    return round(time.time() * 1000)  # noqa: TID251 - the database compares with its own clock
