"""Gateway and bus: rate, errors and duration of the flow; use, saturation and errors of the machine and its lines."""

from grafana.board import Board, Choice, Column, Lines, Row, Rows
from grafana.centre import Centre
from grafana.influxql import Query, chosen, growth, newest, over_time
from grafana.limits import ONLINE, TIME_QUALITY, rising
from grafana.parts import GATEWAY_UID, TO_GATEWAY, site_choice
from grafana.texts import Text

_HERE = chosen("site", "gateway")
_DELIVERY = f"\"group\" = 'delivery' AND {_HERE}"
_MACHINE = f"\"group\" = 'machine' AND {_HERE}"
_BUS = f"\"group\" = 'bus' AND {_HERE}"
_ERRORS = ("error_timeout", "error_check", "error_exception", "error_foreign")


def board(_: Centre) -> Board:
    """Why data are late, on one page."""
    return Board(
        uid=GATEWAY_UID,
        title=Text("Gateway and bus", "Gateway và đường bus"),
        about=Text(
            "Read from the top: does it deliver (rate, errors, delay), has the machine room (spool, disk, heat, "
            "clock), are "
            "its lines well (load, errors by kind).",
            "Đọc từ trên xuống: có giao được không (tốc độ, lỗi, độ trễ), máy còn chỗ không (bộ đệm, thẻ nhớ, "
            "nhiệt, đồng "
            "hồ), các đường bus có ổn không (tải, lỗi theo loại).",
        ),
        choices=[
            site_choice("gateway"),
            Choice(
                name="gateway",
                title=Text("Gateway", "Gateway"),
                measurement="gateway",
                where='"site" =~ /^$site$/',
            ),
        ],
        rows=[
            Row(height=7, panels=[_now()]),
            Row(height=7, panels=[_rate(), _losses(), _delay()]),
            Row(height=7, panels=[_spool(), _disk(), _heat(), _clock()]),
            Row(height=8, panels=[_load(), _bus_errors(), _silent_devices()]),
        ],
    )


def _now() -> Rows:
    delivery = ["online", "status_age_s", "in_flight", "oldest_uncommitted_s", "unexplained"]
    return Rows(
        title=Text("Now", "Hiện tại"),
        about=Text(
            "One row a gateway. OFFLINE: check power and the mobile link first; nothing is lost while its spool "
            "has room. "
            "A growing `oldest waiting`: the hub or the line is slow.",
            "Mỗi hàng một gateway. MẤT KẾT NỐI: kiểm tra nguồn và mạng di động trước; chưa mất gì khi bộ đệm còn "
            "chỗ. `Chờ lâu "
            "nhất` tăng: hub hoặc đường truyền chậm.",
        ),
        queries=[
            newest("gateway", delivery, where=_DELIVERY, by=("site", "gateway")),
            newest(
                "gateway", ["cpu_temperature", "disk_worn_percent", "time_quality"], where=_MACHINE, by=("gateway",)
            ),
        ],
        joined_by="gateway",
        columns=[
            Column(name="site", title=Text("Site", "Địa điểm")),
            Column(name="gateway", title=Text("Gateway", "Gateway")),
            Column(name="online", title=Text("Link", "Kết nối"), words=ONLINE),
            Column(
                name="status_age_s",
                title=Text("Last word", "Tin cuối"),
                unit="dtdurations",
                limits=rising(warn=60, bad=180),
            ),
            Column(name="in_flight", title=Text("Waiting", "Đang chờ"), decimals=0),
            Column(
                name="oldest_uncommitted_s",
                title=Text("Oldest waiting", "Chờ lâu nhất"),
                unit="dtdurations",
                limits=rising(warn=120, bad=900),
            ),
            Column(
                name="unexplained",
                title=Text("Unexplained", "Không giải thích được"),
                limits=rising(warn=1, bad=1),
                decimals=0,
            ),
            Column(
                name="cpu_temperature", title=Text("Heat", "Nhiệt độ"), unit="celsius", limits=rising(warn=70, bad=80)
            ),
            Column(
                name="disk_worn_percent",
                title=Text("Card worn", "Thẻ mòn"),
                unit="percent",
                limits=rising(warn=70, bad=90),
            ),
            Column(name="time_quality", title=Text("Clock", "Đồng hồ"), words=TIME_QUALITY),
        ],
        sorted_by="oldest_uncommitted_s",
        link=TO_GATEWAY,
    )


def _rate() -> Lines:
    return Lines(
        title=Text("Records stored a second", "Bản ghi được lưu mỗi giây"),
        about=Text(
            "The rate of the flow. It falls to zero when the link is down and rises above normal while the "
            "backlog is sent.",
            "Tốc độ luồng. Về 0 khi mất mạng và cao hơn bình thường khi gửi bù.",
        ),
        queries=[growth("gateway", "stored", where=_DELIVERY, by=("gateway",))],
        unit="suffix: 1/s",
        minimum=0,
    )


def _losses() -> Lines:
    fields = ("refused", "lost_full", "lost_corrupt", "lost_tail", "lost_expired", "unexplained")
    return Lines(
        title=Text("Refused, lost and unexplained", "Bị từ chối, mất và không giải thích được"),
        about=Text(
            "Totals by reason. `lost_full`: the spool was too small for the outage. `refused`: see the dead letters. "
            "`unexplained` must stay 0.",
            "Tổng theo lý do. `lost_full`: bộ đệm quá nhỏ so với thời gian mất mạng. `refused`: xem các bản tin "
            "gác lại. "
            "`unexplained` phải luôn bằng 0.",
        ),
        queries=[
            over_time("gateway", field, how="last", where=_DELIVERY, by=("gateway",), alias=f"$tag_gateway · {field}")
            for field in fields
        ],
        decimals=0,
        minimum=0,
    )


def _delay() -> Lines:
    return Lines(
        title=Text("From reading to commit", "Từ lúc đo đến lúc xác nhận lưu"),
        about=Text(
            "How long the oldest record waits for the hub's word. Seconds are normal; minutes mean a slow or "
            "broken link; "
            "the same on all gateways means the hub or its database.",
            "Bản ghi cũ nhất chờ xác nhận bao lâu. Vài giây là bình thường; hàng phút là mạng chậm hoặc đứt; mọi "
            "gateway cùng "
            "chậm là do hub hoặc cơ sở dữ liệu.",
        ),
        queries=[
            over_time("gateway", "commit_delay_s", how="max", where=_DELIVERY, by=("gateway",), alias="$tag_gateway"),
            over_time(
                "gateway",
                "oldest_uncommitted_s",
                how="max",
                where=_DELIVERY,
                by=("gateway",),
                alias="$tag_gateway · oldest",
            ),
        ],
        unit="s",
        limits=rising(warn=120, bad=900),
        shows_limits=True,
        minimum=0,
    )


def _spool() -> Lines:
    used = over_time("gateway", "spool_used_bytes", how="max", where=_MACHINE, by=("gateway",), alias="$tag_gateway")
    limit = over_time(
        "gateway", "spool_limit_bytes", how="last", where=_MACHINE, by=("gateway",), alias="$tag_gateway · limit"
    )
    return Lines(
        title=Text("Spool used", "Bộ đệm đã dùng"),
        about=Text(
            "What waits on the card, and its limit. At the limit the oldest detail is given up and counted as "
            "lost_full.",
            "Lượng đang chờ trên thẻ nhớ và giới hạn. Chạm giới hạn thì chi tiết cũ nhất bị bỏ và được đếm là "
            "lost_full.",
        ),
        queries=[used, limit],
        unit="bytes",
        minimum=0,
    )


def _disk() -> Lines:
    return Lines(
        title=Text("Written to the card", "Ghi vào thẻ nhớ"),
        about=Text(
            "Bytes a second: an SD card is worn by writing. A jump means a debug log or a period that is too short.",
            "Số byte mỗi giây: thẻ SD mòn vì ghi. Tăng vọt là do nhật ký gỡ lỗi hoặc chu kỳ đọc quá ngắn.",
        ),
        queries=[growth("gateway", "disk_written_bytes", where=_MACHINE, by=("gateway",))],
        unit="Bps",
        minimum=0,
    )


def _heat() -> Lines:
    return Lines(
        title=Text("Heat of the processor", "Nhiệt độ bộ xử lý"),
        about=Text(
            "From 80 °C on the processor slows down. Shade and air the cabinet.",
            "Từ 80 °C bộ xử lý tự giảm tốc. Che nắng và thông gió tủ.",
        ),
        queries=[over_time("gateway", "cpu_temperature", where=_MACHINE, by=("gateway",), alias="$tag_gateway")],
        unit="celsius",
        limits=rising(warn=70, bad=80),
        shows_limits=True,
    )


def _clock() -> Lines:
    return Lines(
        title=Text("Clock against the hub", "Lệch đồng hồ so với hub"),
        about=Text(
            "Readings keep the time they were given. Beyond a second, check the time service and the clock's battery.",
            "Số đo giữ nguyên thời gian lúc đo. Lệch quá một giây thì kiểm tra dịch vụ giờ và pin đồng hồ.",
        ),
        queries=[
            over_time("gateway", "clock_offset_ms", how="last", where=_MACHINE, by=("gateway",), alias="$tag_gateway")
        ],
        unit="ms",
    )


def _load() -> Lines:
    return Lines(
        title=Text("Bus load", "Tải đường bus"),
        about=Text(
            "Share of the time the line is busy. Above 80 % periods slip: read less often, raise the baud rate, "
            "or split "
            "the line.",
            "Tỷ lệ thời gian đường bus bận. Trên 80 % thì chu kỳ bị trễ: đọc thưa hơn, tăng tốc độ baud hoặc "
            "chia đường.",
        ),
        queries=[over_time("gateway", "bus_load_percent", where=_BUS, by=("gateway", "device"))],
        unit="percent",
        limits=rising(warn=60, bad=80),
        shows_limits=True,
        minimum=0,
        maximum=100,
    )


def _bus_errors() -> Lines:
    return Lines(
        title=Text("Bus errors a minute, by kind", "Lỗi bus mỗi phút, theo loại"),
        about=Text(
            "Timeout: no power, wrong address or a cut wire. Check: noise, missing termination or two masters. "
            "Exception: the "
            "profile asks for what the device has not. Foreign: somebody else answers.",
            "Timeout: mất nguồn, sai địa chỉ hoặc đứt dây. Check: nhiễu, thiếu điện trở cuối hoặc hai master. "
            "Exception: hồ "
            "sơ hỏi thứ thiết bị không có. Foreign: có thiết bị khác trả lời.",
        ),
        queries=[_kind_of_error(field) for field in _ERRORS],
        minimum=0,
        are_bars=True,
        is_stacked=True,
    )


def _kind_of_error(field: str) -> Query:
    found = growth("gateway", field, where=_BUS, by=("gateway", "device"), per="1m")
    return Query(text=found.text, alias=f"$tag_device · {field.removeprefix('error_')}", source=found.source)


def _silent_devices() -> Lines:
    return Lines(
        title=Text("Devices silent on a bus", "Thiết bị im lặng trên bus"),
        about=Text(
            "Devices that do not answer. One: look at it. All of a line: look at the line.",
            "Số thiết bị không trả lời. Một: xem thiết bị đó. Cả đường: xem đường bus.",
        ),
        queries=[over_time("gateway", "devices_silent", how="max", where=_BUS, by=("gateway", "device"))],
        limits=rising(warn=1, bad=2),
        decimals=0,
        minimum=0,
    )
