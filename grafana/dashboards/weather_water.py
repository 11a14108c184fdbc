"""Weather and water: what falls, what rises, and how far it is to the alarm levels."""

from collections.abc import Sequence
from typing import Final

from grafana.board import Board, Column, Lines, Row, Rows
from grafana.centre import AlarmLevels, Centre
from grafana.influxql import DEVICE, RAW, Query, added, over_time, selected
from grafana.limits import Step
from grafana.parts import (
    HERE,
    PLACE_COLUMNS,
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
from grafana.units import unit_of

UID: Final = "sen-weather-water"
ALARMS: Final = ("I", "II", "III")
# Distance to an alarm level, in metres: below it negative.
_DISTANCE: Final = (Step(None, "green"), Step(-0.5, "yellow"), Step(0, "red"))
# Metres an hour.
_RISE: Final = (Step(None, "green"), Step(0.3, "yellow"), Step(1, "red"))


def board(centre: Centre) -> Board:
    """Water first: it is what kills."""
    return Board(
        uid=UID,
        title=Text("Weather and water", "Thời tiết và nước"),
        about=Text(
            "Levels against alarm I, II and III, how fast they rise, and the weather that drives them.",
            "Mực nước so với báo động I, II, III, tốc độ lên, và thời tiết gây ra.",
        ),
        choices=[site_choice("freshness"), device_choice("freshness")],
        span="24h",
        rows=[
            Row(height=3, panels=[mode_badge("weather", "water")]),
            Row(height=9, panels=[_level(centre.alarm_levels), _rise(), *_distances(centre.alarm_levels)]),
            Row(
                height=8,
                panels=[
                    now_table("water", [value_column("water_level")]),
                    now_table(
                        "weather",
                        [value_column("temperature"), value_column("humidity"), value_column("rain_total")],
                    ),
                ],
            ),
            Row(
                height=8,
                panels=[
                    _rain(),
                    lines_of("wind_speed", "weather", about=_WIND),
                    lines_of("temperature", "weather", about=_HEAT),
                    lines_of("pressure", "weather", about=_PRESSURE),
                ],
            ),
        ],
    )


_WIND = Text(
    "Mean wind. From 10.8 m/s (Beaufort 6) secure cranes and boats; from 17.2 m/s (8) close open-air works.",
    "Gió trung bình. Từ 10,8 m/s (cấp 6) neo cẩu và tàu thuyền; từ 17,2 m/s (cấp 8) dừng việc ngoài trời.",
)
_HEAT = Text(
    "Air temperature at the stations. One station far from its neighbours is more often in the sun or broken "
    "than right.",
    "Nhiệt độ không khí tại các trạm. Một trạm lệch xa các trạm lân cận thường do bị nắng hoặc hỏng.",
)
_PRESSURE = Text(
    "A fall of more than 3 hPa in three hours announces strong wind.",
    "Giảm quá 3 hPa trong ba giờ báo hiệu gió mạnh.",
)


def _level(gauges: Sequence[AlarmLevels]) -> Lines:
    alarms = [_alarm_line(gauge, number) for gauge in gauges for number in range(len(ALARMS))]
    return Lines(
        title=titled("water_level"),
        about=Text(
            "Each gauge with its alarm levels, as far as the hub was told them (`grafana.alarm_levels` in "
            "hub.yaml). Between I "
            "and II warn the communes; at III follow the flood plan.",
            "Từng trạm với các mức báo động đã khai trong hub.yaml (`grafana.alarm_levels`). Giữa I và II: báo "
            "các xã; đến "
            "III: theo phương án phòng lũ.",
        ),
        queries=[over_time("water", "water_level", where=HERE), *alarms],
        unit=unit_of("water_level"),
        link=TO_DEVICE,
    )


def _alarm_line(gauge: AlarmLevels, number: int) -> Query:
    """A level as a line that is there while its gauge is: InfluxQL has no constants, so it is made of the values."""
    return over_time(
        "water",
        gauge.key,
        where=f"{_at(gauge)} AND {HERE}",
        by=DEVICE,
        scale=f" * 0 + {gauge.levels_m[number]:g}",
        alias=f"{gauge.device} · {ALARMS[number]}",
    )


def _rise() -> Lines:
    tail = 'GROUP BY time($__interval), "site", "device", "mode" fill(none)'
    text = selected({"value": 'derivative(mean("water_level"), 1h)'}, "water", where=HERE, tail=tail)
    return Lines(
        title=Text("How fast it rises", "Tốc độ nước lên"),
        about=Text(
            "Metres an hour. The time left is the distance to the next level divided by this.",
            "Mét mỗi giờ. Thời gian còn lại bằng khoảng cách đến mức kế tiếp chia cho số này.",
        ),
        queries=[Query(text=text, alias="$tag_device · $tag_mode")],
        unit="suffix: m/h",
        limits=_RISE,
        shows_limits=True,
        link=TO_DEVICE,
    )


def _distances(gauges: Sequence[AlarmLevels]) -> list[Rows]:
    if not gauges:
        return []
    columns = [
        Column(
            name=alarm, title=Text(f"to alarm {alarm}", f"đến BĐ {alarm}"), unit="lengthm", limits=_DISTANCE, decimals=2
        )
        for alarm in ALARMS
    ]
    return [
        Rows(
            title=Text("Above (+) or below (-) the alarm levels", "Trên (+) hoặc dưới (-) mức báo động"),
            about=Text(
                "As bulletins say it: 0.15 m below III is -0.15. Red: the level is reached.",
                "Nói như bản tin: dưới báo động III 0,15 m là -0,15. Đỏ: đã chạm mức.",
            ),
            queries=[_distance(gauge) for gauge in gauges],
            columns=[*PLACE_COLUMNS, *columns],
            sorted_by="III",
            link=TO_DEVICE,
        )
    ]


def _distance(gauge: AlarmLevels) -> Query:
    last = f'last("{gauge.key}")'
    columns = {alarm: f"{last} - {level:g}" for alarm, level in zip(ALARMS, gauge.levels_m, strict=True)}
    tags = 'GROUP BY "site", "gateway", "device", "mode"'
    text = selected(columns, "water", where=f"{_at(gauge)} AND {HERE}", tail=tags)
    return Query(text=text, as_table=True, source=RAW)


def _at(gauge: AlarmLevels) -> str:
    return f"\"site\" = '{gauge.site}' AND \"device\" = '{gauge.device}'"


def _rain() -> Lines:
    return Lines(
        title=Text("Rain", "Lượng mưa"),
        about=Text(
            "What each gauge counted in the interval. 100 to 200 mm in 24 h after wet days: watch slopes and "
            "small streams.",
            "Lượng mưa mỗi trạm đếm được trong khoảng. 100 đến 200 mm/24 giờ sau nhiều ngày mưa: canh sạt lở, "
            "suối nhỏ.",
        ),
        queries=[added("weather", "rain_total", where=HERE)],
        unit="lengthmm",
        are_bars=True,
        minimum=0,
        link=TO_DEVICE,
    )
