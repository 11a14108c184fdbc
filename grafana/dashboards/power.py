"""Power and cabinets: is there energy, for how long, and is the cabinet dry, cool and closed."""

from typing import Final

from grafana.board import Board, Lines, Row, States
from grafana.centre import Centre
from grafana.influxql import over_time
from grafana.limits import DOOR, falling, rising
from grafana.parts import HERE, TO_DEVICE, device_choice, lines_of, mode_badge, now_table, site_choice, value_column
from grafana.texts import Text

UID: Final = "sen-power"
_INPUTS: Final = ("input_1", "input_2", "input_3", "input_4")


def board(_: Centre) -> Board:
    """What keeps a site alive."""
    return Board(
        uid=UID,
        title=Text("Power and cabinets", "Nguồn điện và tủ"),
        about=Text(
            "Mains, sun and batteries, and the air and doors of the cabinets.",
            "Điện lưới, mặt trời, ắc quy; không khí và cửa tủ.",
        ),
        choices=[site_choice("freshness"), device_choice("freshness")],
        rows=[
            Row(height=3, panels=[mode_badge("power", "inputs", "weather")]),
            Row(
                height=8,
                panels=[
                    now_table(
                        "power", [value_column("battery_voltage"), value_column("state_of_charge", limits=_CHARGE)]
                    ),
                    _voltage(),
                ],
            ),
            Row(
                height=8,
                panels=[
                    lines_of("power", "power", about=_LOAD),
                    lines_of("pv_power", "power", about=_SUN),
                    lines_of("battery_voltage", "power", about=_BATTERY, limits=_VOLTS, shows_limits=True),
                    lines_of("state_of_charge", "power", about=_BATTERY, limits=_CHARGE, shows_limits=True),
                ],
            ),
            Row(
                height=8,
                panels=[
                    lines_of("temperature", "weather", about=_AIR, limits=rising(warn=45, bad=60)),
                    lines_of("humidity", "weather", about=_AIR, limits=rising(warn=85, bad=95)),
                    _doors(),
                ],
            ),
        ],
    )


_CHARGE: Final = falling(bad=30, warn=50)
_VOLTS: Final = falling(bad=11.5, warn=12.0)
_LOAD = Text(
    "What the site takes. A load that grows at night may be a heater, a fan, or somebody's cable.",
    "Công suất tiêu thụ. Tải tăng về đêm có thể do sưởi, quạt, hoặc ai đó câu điện.",
)
_SUN = Text(
    "What the panels give. Little in full sun: dirt, shade or a cable.",
    "Công suất tấm pin. Ít khi nắng to: bụi, bóng râm hoặc dây dẫn.",
)
_BATTERY = Text(
    "A 12 V battery: below 12.0 V it is half empty, below 11.5 V it suffers and the site will soon be dark.",
    "Ắc quy 12 V: dưới 12,0 V là còn nửa, dưới 11,5 V thì hại ắc quy và địa điểm sắp mất điện.",
)
_AIR = Text(
    "Of all climate sensors of the chosen devices: choose the one in the cabinet. Above 45 °C air it; above 85 % "
    "seal it.",
    "Mọi cảm biến khí hậu đã chọn: chọn cái trong tủ. Trên 45 °C thì thông gió; trên 85 % thì bịt kín.",
)


def _voltage() -> Lines:
    return Lines(
        title=Text("Mains voltage", "Điện áp lưới"),
        about=Text(
            "Between 207 and 253 V the grid keeps its promise. Zero: the site runs on its battery.",
            "Từ 207 đến 253 V là đạt. Bằng 0: địa điểm đang chạy ắc quy.",
        ),
        queries=[
            over_time("power", key, where=HERE, alias=f"$tag_device · {key} · $tag_mode")
            for key in ("voltage", "voltage_l1", "voltage_l2", "voltage_l3")
        ],
        unit="volt",
        limits=falling(bad=207, warn=210),
        shows_limits=True,
        link=TO_DEVICE,
    )


def _doors() -> States:
    return States(
        title=Text("Contacts: doors, water, alarms", "Tiếp điểm: cửa, nước, báo động"),
        about=Text(
            "Digital inputs of input modules, as they are wired at the site: the site's sheet says which is the door.",
            "Ngõ vào số của các mô-đun, theo cách đấu tại chỗ: phiếu địa điểm ghi ngõ nào là cửa.",
        ),
        queries=[
            over_time("inputs", key, how="last", where=HERE, alias=f"$tag_device · {key} · $tag_mode")
            for key in _INPUTS
        ],
        words=DOOR,
    )
