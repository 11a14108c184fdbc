"""Air quality: the index, its pollutants and their limits."""

from typing import Final

from grafana.board import Board, Column, Lines, Row, Rows
from grafana.centre import Centre
from grafana.influxql import ages, newest, over_time
from grafana.limits import AQI, STATIONS, Step
from grafana.parts import (
    AGE_COLUMNS,
    HERE,
    PLACE_COLUMNS,
    TO_DEVICE,
    device_choice,
    lines_of,
    mode_badge,
    now_table,
    site_choice,
    value_column,
)
from grafana.texts import Text

UID: Final = "sen-air"
_INDEX = f"\"group\" = 'vn_aqi' AND {HERE}"
# QCVN 05:2023/BTNMT, table 1, 24-hour means in ug/m3. PM2.5: 45 from 2026-01-01.
_PM2_5: Final = (Step(None, "green"), Step(45, "red"))
_PM10: Final = (Step(None, "green"), Step(100, "red"))
_POLLUTANTS: Final = ("pm25", "pm10", "o3", "no2", "so2", "co")
_ABOUT_INDEX = Text(
    "VN_AQI (Decision 1459/QD-TCMT): the worst of the pollutants; PM by Nowcast over 12 hours. Of a low-cost "
    "sensor it is "
    "indicative: do not publish it as VN_AQI. Above 150 advise the sensitive to stay in, above 200 everybody.",
    "VN_AQI (Quyết định 1459/QĐ-TCMT): lấy chất xấu nhất; bụi tính Nowcast 12 giờ. Với cảm biến giá rẻ chỉ là "
    "tham khảo: "
    "không công bố như VN_AQI. Trên 150 khuyên nhóm nhạy cảm ở trong nhà, trên 200 khuyên mọi người.",
)


def board(_: Centre) -> Board:
    """Air, its index first."""
    return Board(
        uid=UID,
        title=Text("Air quality", "Chất lượng không khí"),
        about=Text(
            "The index and what it is made of. Low-cost sensors are indicative.",
            "Chỉ số và các chất tạo nên nó. Cảm biến giá rẻ chỉ mang tính tham khảo.",
        ),
        choices=[site_choice("air_quality"), device_choice("air_quality")],
        span="24h",
        rows=[
            Row(height=3, panels=[mode_badge("air_quality", "indicator")]),
            Row(height=9, panels=[_index_now(), _index_over_time()]),
            Row(
                height=8,
                panels=[
                    lines_of("pm2_5", "air_quality", about=_ABOUT_DUST, limits=_PM2_5, shows_limits=True),
                    lines_of("pm10", "air_quality", about=_ABOUT_DUST, limits=_PM10, shows_limits=True),
                    _nowcast(),
                ],
            ),
            Row(
                height=8,
                panels=[
                    now_table("air_quality", [value_column("pm2_5"), value_column("pm10"), value_column("co2")]),
                    lines_of("co2", "air_quality", about=_ABOUT_CO2),
                ],
            ),
        ],
    )


_ABOUT_DUST = Text(
    "The red line is the 24-hour limit of QCVN 05:2023: compare the day's mean with it, not a peak.",
    "Vạch đỏ là giới hạn trung bình 24 giờ của QCVN 05:2023: so với trung bình ngày, không so với đỉnh.",
)
_ABOUT_CO2 = Text(
    "Above 1000 ppm a room needs air. Outdoors about 420 ppm is normal: a station that says much less is out of order.",
    "Trên 1000 ppm thì phòng cần thông gió. Ngoài trời khoảng 420 ppm là bình thường: thấp hơn nhiều là máy hỏng.",
)


def _index_now() -> Rows:
    fields = ["indicative", "aqi", "aqi_daily", *(f"aqi_{name}" for name in _POLLUTANTS)]
    names = {"pm25": "PM2.5", "o3": "O3", "no2": "NO2", "so2": "SO2", "co": "CO", "pm10": "PM10"}
    return Rows(
        title=Text("VN_AQI now (indicative)", "VN_AQI hiện tại (tham khảo)"),
        about=_ABOUT_INDEX,
        queries=[newest("indicator", fields, where=_INDEX), ages(HERE)],
        columns=[
            *PLACE_COLUMNS,
            Column(name="indicative", title=Text("Station", "Loại trạm"), words=STATIONS),
            Column(name="aqi", title=Text("Hour", "Giờ"), limits=AQI, decimals=0),
            Column(name="aqi_daily", title=Text("Day", "Ngày"), limits=AQI, decimals=0),
            *(
                Column(name=f"aqi_{name}", title=Text(names[name], names[name]), limits=AQI, decimals=0)
                for name in _POLLUTANTS
            ),
            *AGE_COLUMNS,
        ],
        joined_by="device",
        sorted_by="aqi",
        link=TO_DEVICE,
    )


def _index_over_time() -> Lines:
    return Lines(
        title=Text("VN_AQI by the hour (indicative)", "VN_AQI theo giờ (tham khảo)"),
        about=_ABOUT_INDEX,
        queries=[over_time("indicator", "aqi", how="max", where=_INDEX)],
        limits=AQI,
        shows_limits=True,
        minimum=0,
        decimals=0,
        link=TO_DEVICE,
    )


def _nowcast() -> Lines:
    return Lines(
        title=Text("PM2.5 Nowcast", "PM2.5 Nowcast"),
        about=Text(
            "The weighted mean of up to 12 hours that the hourly index is computed from; missing where fewer "
            "than two of the "
            "last three hours are there.",
            "Trung bình có trọng số tối đa 12 giờ dùng tính chỉ số giờ; trống khi thiếu từ hai trong ba giờ gần nhất.",
        ),
        queries=[over_time("indicator", "pm25_nowcast", how="last", where=_INDEX)],
        unit="conμgm3",
        minimum=0,
        link=TO_DEVICE,
    )
