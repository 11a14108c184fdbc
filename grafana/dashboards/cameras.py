"""Cameras: can each of them see, and what it counts."""

from typing import Final

from grafana.board import Board, Column, Counted, Lines, Row, Rows, States, Tiles
from grafana.centre import Centre
from grafana.influxql import RAW, Query, ages, newest, over_time
from grafana.limits import YES_IS_BAD
from grafana.parts import (
    AGE_COLUMNS,
    HERE,
    PLACE_COLUMNS,
    TO_DEVICE,
    count_tile,
    device_choice,
    mode_badge,
    site_choice,
)
from grafana.texts import Text

UID: Final = "sen-cameras"
FAULTS: Final = {
    "dark": Text("dark", "tối"),
    "frozen": Text("frozen", "đứng hình"),
    "covered": Text("covered", "bị che"),
    "moved": Text("moved", "bị xoay"),
    "blurred": Text("blurred", "mờ"),
}


def board(_: Centre) -> Board:
    """Health before counts: a camera that does not see counts nothing."""
    return Board(
        uid=UID,
        title=Text("Cameras", "Camera"),
        about=Text(
            "Health first: the counts of a camera that does not see mean nothing. No pictures are kept here.",
            "Tình trạng trước: số đếm của camera không nhìn thấy là vô nghĩa. Ở đây không lưu hình.",
        ),
        choices=[site_choice("camera"), device_choice("camera")],
        rows=[
            Row(height=3, panels=[mode_badge("camera")]),
            Row(height=4, panels=[_sick(name) for name in FAULTS]),
            Row(height=9, panels=[_now(), _health()]),
            Row(height=8, panels=[_counts(), _motion(), _frames()]),
        ],
    )


def _sick(fault: str) -> Tiles:
    text = (
        f'SELECT last("{fault}") AS "{fault}" FROM "camera" WHERE time > now() - 10m AND {HERE} '
        'GROUP BY "site", "device", "mode"'
    )
    said = FAULTS[fault]
    return count_tile(
        Text(f"Cameras {said.en}", f"Camera {said.vi}"),
        Text(
            "How many cameras have this fault now. The table below says which, and what to do.",
            "Bao nhiêu camera đang bị lỗi này. Bảng dưới cho biết camera nào và phải làm gì.",
        ),
        Query(text=text, as_table=True, source=RAW),
        Counted(column=fault, at_least=1),
    )


def _now() -> Rows:
    fields = [*FAULTS, "motion_percent"]
    return Rows(
        title=Text("Cameras now", "Camera hiện tại"),
        about=Text(
            "YES needs somebody there: dark (no light, no power of the lamp), frozen (restart), covered (clean, "
            "cut the branch), "
            "moved (turn back, then confirm the new view), blurred (clean or focus).",
            "CÓ thì cần người đến: tối (mất đèn), đứng hình (khởi động lại), bị che (lau, chặt cành), bị xoay "
            "(xoay lại rồi xác "
            "nhận góc nhìn), mờ (lau hoặc chỉnh nét).",
        ),
        queries=[newest("camera", fields, where=HERE), ages(HERE)],
        columns=[
            *PLACE_COLUMNS,
            *(Column(name=name, title=title, words=YES_IS_BAD) for name, title in FAULTS.items()),
            Column(name="motion_percent", title=Text("Motion", "Chuyển động"), unit="percent", decimals=1),
            *AGE_COLUMNS,
        ],
        joined_by="device",
        link=TO_DEVICE,
    )


def _health() -> States:
    return States(
        title=Text("Faults over time", "Lỗi theo thời gian"),
        about=Text(
            "When each fault began and ended. The same hour each day: the sun, a lamp's timer, or somebody.",
            "Lỗi bắt đầu và kết thúc khi nào. Cùng giờ mỗi ngày: mặt trời, hẹn giờ đèn, hoặc con người.",
        ),
        queries=[
            over_time("camera", name, how="max", where=HERE, alias=f"$tag_device · {name} · $tag_mode")
            for name in FAULTS
        ],
        words=YES_IS_BAD,
    )


def _counts() -> Lines:
    return Lines(
        title=Text("Counted across the line", "Đếm qua vạch"),
        about=Text(
            "In and out in each interval. Compare with a traffic counter beside it: a lasting difference means "
            "the mask or the "
            "view has changed.",
            "Vào và ra trong mỗi khoảng. So với máy đếm bên cạnh: lệch lâu dài nghĩa là vùng che hoặc góc nhìn đã đổi.",
        ),
        queries=[
            over_time("camera", name, how="sum", where=HERE, alias=f"$tag_device · {name} · $tag_mode")
            for name in ("count_in", "count_out")
        ],
        are_bars=True,
        minimum=0,
        link=TO_DEVICE,
    )


def _motion() -> Lines:
    return Lines(
        title=Text("Motion in the picture", "Chuyển động trong hình"),
        about=Text(
            "Share of the picture that changes. Zero for an hour on a busy road: frozen or covered.",
            "Tỷ lệ hình thay đổi. Bằng 0 cả giờ trên đường đông: đứng hình hoặc bị che.",
        ),
        queries=[over_time("camera", "motion_percent", where=HERE)],
        unit="percent",
        minimum=0,
        link=TO_DEVICE,
    )


def _frames() -> Lines:
    return Lines(
        title=Text("Pictures looked at", "Số khung hình đã xem"),
        about=Text(
            "Pictures in each interval. Fewer than usual: the link to the camera is weak or the gateway is busy.",
            "Số khung hình mỗi khoảng. Ít hơn thường lệ: đường đến camera yếu hoặc gateway bận.",
        ),
        queries=[over_time("camera", "frames", how="sum", where=HERE)],
        minimum=0,
        link=TO_DEVICE,
    )
