"""Traffic: how much, how fast, what kind, how full, and compared with yesterday."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from grafana.board import Board, Lines, Row
from grafana.centre import Centre
from grafana.influxql import RAW, Query, over_time, selected
from grafana.limits import rising
from grafana.parts import (
    HERE,
    TO_DEVICE,
    device_choice,
    lines_of,
    mode_badge,
    now_table,
    site_choice,
    titled,
    value_column,
)
from grafana.texts import Text

UID: Final = "sen-traffic"
# FHWA 13 classes, put together as operators speak of them.
_CLASSES: Final[Mapping[Text, str]] = {
    Text("motorcycles", "xe máy"): '"vehicle_class" = 1',
    Text("cars and vans", "ô tô con"): '("vehicle_class" = 2 OR "vehicle_class" = 3)',
    Text("buses", "xe khách"): '"vehicle_class" = 4',
    Text("lorries", "xe tải"): '"vehicle_class" >= 5',
}


def board(centre: Centre) -> Board:
    """The road, and whether the counters agree."""
    return Board(
        uid=UID,
        title=Text("Traffic", "Giao thông"),
        about=Text(
            "Flow, speed, class and occupancy of the counted roads, against the day before.",
            "Lưu lượng, tốc độ, loại xe và độ chiếm dụng của các tuyến được đếm, so với hôm trước.",
        ),
        choices=[site_choice("traffic"), device_choice("traffic")],
        rows=[
            Row(height=3, panels=[mode_badge("traffic")]),
            Row(height=9, panels=[_flow(), _yesterday()]),
            Row(
                height=9,
                panels=[
                    lines_of("vehicle_speed", "traffic", key="speed", about=_SPEED),
                    _classes(centre),
                    lines_of(
                        "occupancy", "traffic", about=_OCCUPANCY, limits=rising(warn=25, bad=40), shows_limits=True
                    ),
                ],
            ),
            Row(
                height=8,
                panels=[
                    now_table("traffic", [value_column("vehicle_speed", key="speed"), value_column("occupancy")]),
                    lines_of("traffic_flow", "traffic", about=_HOURLY),
                    lines_of("mean_speed", "traffic", about=_SPEED),
                ],
            ),
        ],
    )


_SPEED = Text(
    "Mean speed of the vehicles seen. A fall with rising occupancy is a jam; a fall with falling flow is rain or "
    "a sensor.",
    "Tốc độ trung bình. Giảm cùng lúc độ chiếm dụng tăng là ùn tắc; giảm cùng lúc lưu lượng giảm là mưa hoặc cảm biến.",
)
_HOURLY = Text(
    "Vehicles an hour, as interval counters report them: compare with the vehicles counted singly above.",
    "Số xe mỗi giờ theo máy đếm theo kỳ: so với số xe đếm từng chiếc ở trên.",
)
_OCCUPANCY = Text(
    "Share of the time a vehicle stands over the detector. From 25 % flow becomes unstable, from 40 % it is a jam.",
    "Tỷ lệ thời gian có xe trên đầu dò. Từ 25 % dòng xe mất ổn định, từ 40 % là ùn tắc.",
)


def _flow() -> Lines:
    return Lines(
        title=Text("Vehicles passing", "Số xe qua"),
        about=Text(
            "Vehicles in each interval, counted one by one by devices that see them singly.",
            "Số xe trong mỗi khoảng, đếm từng chiếc bởi thiết bị nhìn thấy từng xe.",
        ),
        queries=[over_time("traffic", "speed", how="count", where=HERE, source=RAW)],
        are_bars=True,
        is_stacked=True,
        minimum=0,
        link=TO_DEVICE,
    )


def _yesterday() -> Lines:
    return replace(
        _flow(),
        title=Text("The day before, same hours", "Hôm trước, cùng giờ"),
        about=Text(
            "The panel beside it, one day earlier. A difference without an event or a holiday is worth a look.",
            "Như ô bên cạnh, sớm hơn một ngày. Khác biệt mà không có sự kiện hay ngày lễ thì nên xem.",
        ),
        shifted="1d",
    )


def _classes(centre: Centre) -> Lines:
    return Lines(
        title=titled("vehicle_class"),
        about=Text(
            "Vehicles of each class in each interval. Lorries where they are forbidden are a matter for the police.",
            "Số xe mỗi loại trong mỗi khoảng. Xe tải ở nơi cấm là việc của cảnh sát giao thông.",
        ),
        queries=[_class(words.said(centre.language), test) for words, test in _CLASSES.items()],
        are_bars=True,
        is_stacked=True,
        minimum=0,
    )


def _class(name: str, test: str) -> Query:
    tail = 'GROUP BY time($__interval), "mode" fill(none)'
    text = selected({"value": 'count("vehicle_class")'}, "traffic", where=f"{HERE} AND {test}", tail=tail)
    # In a five-minute or hourly aggregate there are no single vehicles to count.
    return Query(text=text, alias=f"{name} · $tag_mode", source=RAW)
