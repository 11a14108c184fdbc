"""The delivery ledger: accepted = stored + refused + lost + on the way, or it says so."""

from typing import Final

from grafana.board import Board, Choice, Column, Lines, Row, Rows, Tiles
from grafana.centre import Centre
from grafana.influxql import RAW, Query, chosen, newest, over_time
from grafana.limits import NEUTRAL, NONE_ALLOWED, Step
from grafana.parts import TO_GATEWAY, site_choice
from grafana.texts import Text

UID: Final = "sen-ledger"
_HERE = chosen("site", "gateway")
_DELIVERY = f"\"group\" = 'delivery' AND {_HERE}"
_TITLES: Final = {
    "accepted": Text("Accepted", "Đã nhận"),
    "stored": Text("Stored", "Đã lưu"),
    "refused": Text("Refused", "Bị từ chối"),
    "lost_full": Text("Lost: spool full", "Mất: đầy bộ đệm"),
    "lost_corrupt": Text("Lost: damaged", "Mất: hỏng dữ liệu"),
    "lost_tail": Text("Lost: torn end", "Mất: đứt đuôi"),
    "lost_expired": Text("Lost: expired", "Mất: quá hạn"),
    "in_flight": Text("On the way", "Đang gửi"),
    "unexplained": Text("Unexplained", "Không giải thích được"),
}
_BAD: Final = ("refused", "lost_full", "lost_corrupt", "lost_tail", "lost_expired", "unexplained")


def board(_: Centre) -> Board:
    """Nothing is lost silently: here it is said."""
    return Board(
        uid=UID,
        title=Text("Delivery ledger", "Sổ cái giao nhận"),
        about=Text(
            "What gateways accepted, and what became of every record of it.",
            "Gateway đã nhận những gì, và từng bản ghi đã đi đâu.",
        ),
        choices=[
            site_choice("gateway"),
            Choice(
                name="gateway", title=Text("Gateway", "Gateway"), measurement="gateway", where='"site" =~ /^$site$/'
            ),
        ],
        rows=[
            Row(height=4, panels=[_sum(name) for name in ("unexplained", "refused", "lost_full", "in_flight")]),
            Row(height=9, panels=[_accounts()]),
            Row(height=8, panels=[_hub_rate(), _hub_queue(), _hub_delay(), _audit()]),
        ],
    )


def _sum(field: str) -> Tiles:
    return Tiles(
        title=_TITLES[field],
        about=Text(
            "The newest figure of each gateway. What must be zero is red when it is not.",
            "Số mới nhất của từng gateway. Số phải bằng 0 thì đỏ khi khác 0.",
        ),
        queries=[
            Query(
                text=f'SELECT last("{field}") AS "{field}" FROM "gateway" WHERE $timeFilter AND {_DELIVERY} '
                'GROUP BY "site", "gateway"',
                alias="$tag_gateway",
                source=RAW,
            )
        ],
        limits=NEUTRAL if field == "in_flight" else NONE_ALLOWED,
        decimals=0,
        link=TO_GATEWAY,
    )


def _accounts() -> Rows:
    return Rows(
        title=Text("Accounts", "Tài khoản"),
        about=Text(
            "Accepted is the sum of the others. A loss names its reason; `sen-hub gateway list` names the "
            "ranges. Unexplained "
            "above 0: keep the gateway's card and call the maintainer.",
            "Đã nhận bằng tổng các cột còn lại. Mỗi mất mát có lý do; `sen-hub gateway list` cho biết dải nào. "
            "Không giải thích "
            "được lớn hơn 0: giữ thẻ nhớ của gateway và gọi người bảo trì.",
        ),
        queries=[newest("gateway", list(_TITLES), where=_DELIVERY, by=("site", "gateway"))],
        columns=[
            Column(name="site", title=Text("Site", "Địa điểm")),
            Column(name="gateway", title=Text("Gateway", "Gateway")),
            *(
                Column(name=name, title=title, decimals=0, limits=_limits(name), unit="none")
                for name, title in _TITLES.items()
            ),
        ],
        sorted_by="unexplained",
        link=TO_GATEWAY,
    )


def _limits(name: str) -> tuple[Step, ...]:
    return (Step(None, "transparent"), Step(1, "red")) if name in _BAD else ()


def _hub_line(title: Text, about: Text, fields: tuple[str, ...], *, group: str = "ingest", unit: str = "none") -> Lines:
    where = f"\"group\" = '{group}'"
    return Lines(
        title=title,
        about=about,
        queries=[over_time("hub", field, how="max", where=where, by=(), alias=field) for field in fields],
        unit=unit,
        minimum=0,
    )


def _hub_rate() -> Lines:
    text = (
        'SELECT non_negative_derivative(last("stored"), 1s) AS "value" FROM "hub" WHERE $timeFilter AND '
        "\"group\" = 'ingest' GROUP BY time($__interval) fill(none)"
    )
    return Lines(
        title=Text("Stored by the hub a second", "Hub lưu mỗi giây"),
        about=Text(
            "All gateways together. A comb of zeros: the database stands still now and then.",
            "Tất cả gateway cộng lại. Răng lược về 0: cơ sở dữ liệu thỉnh thoảng đứng.",
        ),
        queries=[Query(text=text, alias="stored")],
        unit="suffix: 1/s",
        minimum=0,
    )


def _hub_queue() -> Lines:
    return _hub_line(
        Text("Waiting at the hub", "Đang chờ tại hub"),
        Text(
            "Messages not yet written. A queue that only grows: the database is too slow or its breaker is open.",
            "Bản tin chưa ghi. Hàng đợi chỉ tăng: cơ sở dữ liệu quá chậm hoặc đã ngắt.",
        ),
        ("queue_messages", "breaker_open"),
    )


def _hub_delay() -> Lines:
    return _hub_line(
        Text("Time to write", "Thời gian ghi"),
        Text(
            "How long the database takes for a batch. Above a second: look at its disk and memory.",
            "Cơ sở dữ liệu mất bao lâu cho một lô. Trên một giây: xem đĩa và bộ nhớ của nó.",
        ),
        ("write_delay_s",),
        unit="s",
    )


def _audit() -> Lines:
    return _hub_line(
        Text("Audit of the store", "Kiểm tra kho dữ liệu"),
        Text(
            "Records the ledger calls stored and the database has not. Must be 0: otherwise restore from backup and "
            "call the maintainer.",
            "Bản ghi sổ cái nói đã lưu mà cơ sở dữ liệu không có. Phải bằng 0: nếu không, khôi phục bản sao và gọi "
            "người bảo trì.",
        ),
        ("missing",),
        group="audit",
    )
