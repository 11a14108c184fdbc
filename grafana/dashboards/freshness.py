"""Data freshness: who keeps the promise now, and who did not."""

from typing import Final

from grafana.board import Board, Column, Counted, Lines, Row, Rows, States, Tiles
from grafana.centre import Centre
from grafana.influxql import RAW, Query, over_time
from grafana.limits import FRESHNESS, GREY, ROW_BY_FRESHNESS, Step, rising
from grafana.parts import HERE, TO_DEVICE, count_tile, device_choice, site_choice, site_states
from grafana.texts import Text

UID: Final = "sen-freshness"
_RECENT: Final = f"time > now() - 3m AND {HERE}"
_EACH: Final = 'GROUP BY "site", "gateway", "device", "group"'
_SILENCE: Final = (Step(None, "green"), Step(1, GREY))


def board(_: Centre) -> Board:
    """Freshness is a number of its own: computed, never claimed."""
    return Board(
        uid=UID,
        title=Text("Data freshness", "Độ mới của số liệu"),
        about=Text(
            "Every point group against its promise, the worst first.",
            "Từng nhóm điểm đo so với cam kết, kém nhất đứng đầu.",
        ),
        choices=[site_choice("freshness"), device_choice("freshness")],
        span="24h",
        rows=[
            Row(height=4, panels=[_tile(code) for code in FRESHNESS]),
            Row(height=10, panels=[_groups(), site_states(width=9)]),
            Row(height=9, panels=[_history()]),
            Row(height=8, panels=[_age()]),
        ],
    )


def _tile(code: str) -> Tiles:
    return count_tile(
        FRESHNESS[code].text,
        Text(
            "How many point groups are in this state now.",
            "Bao nhiêu nhóm điểm đo đang ở trạng thái này.",
        ),
        Query(
            text=f'SELECT last("state") AS "state" FROM "freshness" WHERE {_RECENT} {_EACH}', as_table=True, source=RAW
        ),
        Counted(column="state", at_least=int(code), at_most=int(code)),
        limits=(Step(None, "green"),) if code == "0" else rising(warn=1, bad=1000) if code == "1" else _SILENCE,
    )


def _groups() -> Rows:
    return Rows(
        title=Text("Point groups, the oldest first", "Nhóm điểm đo, cũ nhất trước"),
        about=Text(
            "Age against promise. Grey is not usable now. One device: cable, address, power. A whole gateway: "
            "its link. Ask "
            "whoever answers for the site.",
            "Tuổi so với cam kết. Xám là không dùng được. Một thiết bị: cáp, địa chỉ, nguồn. Cả gateway: đường "
            "truyền. Hỏi "
            "người chịu trách nhiệm địa điểm.",
        ),
        queries=[
            Query(
                text='SELECT last("age_s") AS "age_s", last("promised_s") AS "promised_s", last("state") AS "state" '
                f'FROM "freshness" WHERE {_RECENT} {_EACH}',
                as_table=True,
                source=RAW,
            )
        ],
        columns=[
            Column(name="site", title=Text("Site", "Địa điểm")),
            Column(name="gateway", title=Text("Gateway", "Gateway")),
            Column(name="device", title=Text("Device", "Thiết bị")),
            Column(name="group", title=Text("Point group", "Nhóm điểm đo")),
            Column(name="age_s", title=Text("Age", "Tuổi"), unit="dtdurations"),
            Column(name="promised_s", title=Text("Promised every", "Cam kết mỗi"), unit="dtdurations"),
            Column(name="state", title=Text("State", "Trạng thái"), words=ROW_BY_FRESHNESS, colors_row=True),
        ],
        sorted_by="age_s",
        link=TO_DEVICE,
    )


def _history() -> States:
    return States(
        title=Text("Since when", "Từ khi nào"),
        about=Text(
            "When each device fell behind its promise. Many at once: look for what they share (gateway, line, power).",
            "Mỗi thiết bị bắt đầu trễ từ khi nào. Nhiều thiết bị cùng lúc: tìm cái chúng dùng chung.",
        ),
        queries=[over_time("freshness", "state", how="max", where=HERE, by=("site", "device", "group"))],
        words=FRESHNESS,
    )


def _age() -> Lines:
    return Lines(
        title=Text("Age of the newest value", "Tuổi của giá trị mới nhất"),
        about=Text(
            "A saw with small teeth is a healthy stream; a rising line is a silent one.",
            "Răng cưa nhỏ là luồng khỏe; đường đi lên là luồng đã im.",
        ),
        queries=[over_time("freshness", "age_s", how="max", where=HERE, by=("site", "device", "group"))],
        unit="s",
        minimum=0,
        link=TO_DEVICE,
    )
