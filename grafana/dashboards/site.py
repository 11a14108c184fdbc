"""One site: what it measures now, how fresh that is, and what is wrong with it."""

from grafana.board import Board, Row, States
from grafana.centre import Centre
from grafana.influxql import over_time
from grafana.limits import FRESHNESS
from grafana.parts import (
    HERE,
    SITE_UID,
    device_choice,
    lines_of,
    mode_badge,
    now_table,
    site_choice,
    value_column,
)
from grafana.texts import Text

_SAYS = Text(
    "Every device of the site that measures this. Dashed lines are not measured reality.",
    "Mọi thiết bị của địa điểm có đo đại lượng này. Nét đứt không phải số đo thực.",
)


def board(_: Centre) -> Board:
    """Where the drill-down from every other page arrives."""
    return Board(
        uid=SITE_UID,
        title=Text("Site and device", "Địa điểm và thiết bị"),
        about=Text(
            "What is measured here now, how fresh it is, and what the line was like.",
            "Ở đây đang đo gì, số liệu mới đến đâu, và đường truyền ra sao.",
        ),
        choices=[site_choice("freshness"), device_choice("freshness")],
        rows=[
            Row(height=3, panels=[mode_badge("air_quality", "weather", "water", "traffic", "power", "inputs")]),
            Row(height=7, panels=[_freshness()]),
            Row(
                height=8,
                panels=[
                    now_table("weather", [value_column("temperature"), value_column("humidity")]),
                    now_table("power", [value_column("voltage"), value_column("power")]),
                ],
            ),
            Row(
                height=8,
                panels=[
                    lines_of("temperature", "weather", about=_SAYS),
                    lines_of("pm2_5", "air_quality", about=_SAYS),
                    lines_of("vehicle_speed", "traffic", key="speed", about=_SAYS),
                ],
            ),
            Row(
                height=8,
                panels=[
                    lines_of("power", "power", about=_SAYS),
                    lines_of("battery_voltage", "power", about=_SAYS),
                    lines_of("water_level", "water", about=_SAYS),
                ],
            ),
        ],
    )


def _freshness() -> States:
    return States(
        title=Text("Freshness of each point group", "Độ mới của từng nhóm điểm đo"),
        about=Text(
            "Fresh: within its promise. Late: once over. Stale or silent: do not use. One device grey: its "
            "cable, address or "
            "power. All grey: the gateway or its link; open the gateway page.",
            "Mới: đúng cam kết. Trễ: quá một kỳ. Cũ hoặc mất tín hiệu: không dùng. Một thiết bị xám: cáp, địa "
            "chỉ hoặc nguồn "
            "của nó. Tất cả xám: gateway hoặc đường truyền; mở trang gateway.",
        ),
        queries=[over_time("freshness", "state", how="max", where=HERE, by=("site", "device", "group"))],
        words=FRESHNESS,
    )
