"""The situation wall: is all well, where not, and can the numbers be trusted."""

from grafana.board import Board, Counted, Map, Row, Tiles
from grafana.centre import Centre
from grafana.influxql import RAW, Query, chosen, newest, over_time
from grafana.limits import AQI, FRESHNESS_STEPS, NONE_ALLOWED
from grafana.parts import (
    TO_AIR,
    TO_CAMERAS,
    TO_FRESHNESS,
    TO_GATEWAYS,
    TO_LEDGER,
    TO_SITE,
    count_tile,
    lines_of,
    mode_badge,
    site_choice,
    site_states,
)
from grafana.texts import Text
from grafana.units import unit_of

UID = "sen-wall"
_HERE = chosen("site")


def board(_: Centre) -> Board:
    """One page for the wall: no scrolling, every tile leads down."""
    return Board(
        uid=UID,
        title=Text("Situation wall", "Màn hình tổng quan"),
        about=Text(
            "Is all well, where not, and can the numbers be trusted? Every tile leads to the page that answers.",
            "Mọi thứ có ổn không, chỗ nào không, và số liệu có tin được không? Mỗi ô dẫn tới trang trả lời.",
        ),
        choices=[site_choice("freshness")],
        rows=[
            Row(height=3, panels=[mode_badge("air_quality", "weather", "water", "traffic", "power", where=_HERE)]),
            Row(height=4, panels=[_offline(), _silent(), _unexplained(), _dead_letters(), _aqi(), _cameras()]),
            Row(height=12, panels=[_map(), site_states(width=10)]),
            Row(
                height=8,
                panels=[
                    lines_of("water_level", "water", where=_HERE, about=_WATER),
                    lines_of("pm2_5", "air_quality", where=_HERE, about=_DUST),
                    lines_of(
                        "vehicle_count",
                        "traffic",
                        where=_HERE,
                        about=_TRAFFIC,
                        more=[over_time("traffic", "speed", how="count", where=_HERE, source=RAW)],
                    ),
                ],
            ),
        ],
    )


_WATER = Text(
    "Level at each gauge. Open `Weather and water` for the alarm levels I to III.",
    "Mực nước tại từng trạm. Xem trang `Thời tiết và nước` để biết báo động I đến III.",
)
_DUST = Text(
    "Fine dust now. Low-cost sensors are indicative: for a public statement use a reference station.",
    "Bụi mịn hiện tại. Cảm biến giá rẻ chỉ mang tính tham khảo: khi công bố hãy dùng trạm chuẩn.",
)
_TRAFFIC = Text(
    "Vehicles counted in each interval. A sudden zero is more often a dead sensor than an empty road: look at "
    "freshness.",
    "Số xe đếm được trong mỗi khoảng. Đột ngột về 0 thường là cảm biến hỏng hơn là đường vắng: xem độ mới của số liệu.",
)


def _offline() -> Tiles:
    return count_tile(
        Text("Gateways offline", "Gateway mất kết nối"),
        Text(
            "Gateways whose last word is `offline`. Their readings are kept there and come later. Open the "
            "gateway page.",
            "Số gateway đang mất kết nối. Số đo vẫn được lưu tại chỗ và sẽ gửi bù. Mở trang gateway.",
        ),
        newest("gateway", ["online"], where=f"\"group\" = 'delivery' AND {_HERE}", by=("site", "gateway")),
        Counted(column="online", at_most=0),
        link=TO_GATEWAYS,
    )


def _silent() -> Tiles:
    return count_tile(
        Text("Data streams past their promise", "Luồng số liệu quá hạn"),
        Text(
            "Point groups that are stale or silent now. Nothing on these pages shows them as current. Open `Data "
            "freshness`.",
            "Số nhóm điểm đo đang cũ hoặc mất tín hiệu. Không trang nào hiển thị chúng như hiện tại. Mở `Độ mới "
            "của số liệu`.",
        ),
        Query(
            text=f'SELECT last("state") AS "state" FROM "freshness" WHERE time > now() - 3m AND {_HERE} '
            'GROUP BY "site", "gateway", "device", "group"',
            as_table=True,
            source=RAW,
        ),
        Counted(column="state", at_least=2),
        link=TO_FRESHNESS,
    )


def _unexplained() -> Tiles:
    return Tiles(
        title=Text("Records unexplained", "Bản ghi không giải thích được"),
        about=Text(
            "Accepted, and neither stored, refused, lost nor on the way. Anything above 0 is a fault of Sen: "
            "open `Delivery "
            "ledger` and call the maintainer.",
            "Đã nhận nhưng không được lưu, không bị từ chối, không mất, không đang gửi. Lớn hơn 0 là lỗi của hệ "
            "thống: mở `Sổ "
            "cái giao nhận` và gọi người bảo trì.",
        ),
        queries=[_worst_gateway("unexplained")],
        limits=NONE_ALLOWED,
        reduces="max",
        shows_name=False,
        decimals=0,
        link=TO_LEDGER,
    )


def _worst_gateway(field: str) -> Query:
    text = (
        f'SELECT max("{field}") AS "{field}" FROM "gateway" '
        f"WHERE time > now() - 10m AND \"group\" = 'delivery' AND {_HERE}"
    )
    return Query(text=text, source=RAW)


def _dead_letters() -> Tiles:
    text = 'SELECT last("dead_letters_open") AS "dead_letters_open" FROM "hub" WHERE time > now() - 10m'
    return Tiles(
        title=Text("Dead letters", "Bản tin bị gác lại"),
        about=Text(
            "What the database refused for ever, waiting for a person: `sen-hub dead-letters` shows each with "
            "its reason.",
            "Những gì cơ sở dữ liệu từ chối vĩnh viễn, chờ người xem: `sen-hub dead-letters` cho biết lý do từng cái.",
        ),
        queries=[Query(text=text, source=RAW)],
        limits=NONE_ALLOWED,
        shows_name=False,
        decimals=0,
        link=TO_LEDGER,
    )


def _aqi() -> Tiles:
    where = f"\"group\" = 'vn_aqi' AND {_HERE}"
    return Tiles(
        title=Text("Worst air (indicative VN_AQI)", "Không khí xấu nhất (VN_AQI tham khảo)"),
        about=Text(
            "The highest hourly index of all stations. Indicative where the station is a low-cost sensor. Open "
            "`Air quality`.",
            "Chỉ số giờ cao nhất trong các trạm. Chỉ mang tính tham khảo với cảm biến giá rẻ. Mở `Chất lượng "
            "không khí`.",
        ),
        queries=[
            Query(
                text=f'SELECT max("aqi") AS "aqi" FROM "indicator" WHERE time > now() - 3h AND {where} GROUP BY "mode"',
                alias="$tag_mode",
                source=RAW,
            )
        ],
        unit=unit_of("aqi"),
        limits=AQI,
        decimals=0,
        link=TO_AIR,
    )


def _cameras() -> Tiles:
    return count_tile(
        Text("Cameras that do not see", "Camera không quan sát được"),
        Text(
            "Dark, frozen, covered or moved. Counts of such a camera mean nothing. Open `Cameras`.",
            "Tối, đứng hình, bị che hoặc bị xoay. Số đếm của camera đó vô nghĩa. Mở `Camera`.",
        ),
        Query(
            text='SELECT max("dark") + max("frozen") + max("covered") + max("moved") AS "faults" FROM "camera" '
            f'WHERE time > now() - 10m AND {_HERE} GROUP BY "site", "device", "mode"',
            as_table=True,
            source=RAW,
        ),
        Counted(column="faults", at_least=1),
        link=TO_CAMERAS,
    )


def _map() -> Map:
    return Map(
        title=Text("Sites", "Các địa điểm"),
        about=Text(
            "Each site by the worst freshness of its data: green is current, grey says nothing about now. "
            "Positions come from "
            "the hub's registry (`sen-hub site`), the map from the hub: the internet is not needed.",
            "Mỗi địa điểm theo độ mới kém nhất của số liệu: xanh là hiện tại, xám không nói gì về hiện tại. Vị "
            "trí lấy từ sổ "
            "đăng ký của hub (`sen-hub site`); không cần internet.",
        ),
        queries=[
            Query(
                text='SELECT max("state") AS "state", max("age_s") AS "age_s" FROM "freshness" '
                f'WHERE time > now() - 3m AND {_HERE} GROUP BY "site"',
                as_table=True,
                source=RAW,
            )
        ],
        limits=FRESHNESS_STEPS,
        link=TO_SITE,
        width=14,
    )
