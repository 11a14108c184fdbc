"""Gateways: silence, spool, delay, records unexplained, bus, clock and card."""

from typing import Final

from grafana.influxql import RAW, Query
from grafana.parts import GATEWAY_UID
from grafana.rule import Rule, Severity, Shown, Subject
from grafana.texts import Text

_LEDGER_UID: Final = "sen-ledger"


def asked(
    field: str, group: str, *, by: tuple[str, ...] = ("site", "gateway"), how: str = "last", ref: str = "A"
) -> Query:
    """The newest value of a field that the hub writes about gateways, one series each."""
    tags = "".join(f', "{tag}"' for tag in by)
    text = (
        f'SELECT {how}("{field}") AS "value" FROM "gateway" WHERE $timeFilter AND "group" = \'{group}\' '
        f"GROUP BY time(1m){tags} fill(none)"
    )
    return Query(text=text, source=RAW, ref=ref)


def subject() -> Subject:
    """The rules."""
    rules = (_hub_silent, _hub_holds, _silent, _spool, _delay, _unexplained, _lost, _bus, _clock, _card)
    return Subject(name="gateways", rules=[rule() for rule in rules])


def _of_the_hub(field: str, ref: str) -> Query:
    text = (
        f'SELECT last("{field}") AS "value" FROM "hub" WHERE $timeFilter AND "group" = \'ingest\' '
        "GROUP BY time(1m) fill(none)"
    )
    return Query(text=text, source=RAW, ref=ref)


def _hub_silent() -> Rule:
    return Rule(
        uid="sen-hub-silent",
        title=Text("Hub silent", "Hub mất tín hiệu"),
        severity=Severity.CRITICAL,
        queries=[_of_the_hub("queue_messages", "A")],
        when="$A < 0",
        alarms_without_data=True,
        lasting="3m",
        span_s=300,
        summary=Text("The hub writes nothing.", "Hub không ghi gì."),
        cause=Text(
            "The hub or its database does not run, or the disk is full. No other alarm can come meanwhile.",
            "Hub hoặc cơ sở dữ liệu không chạy, hoặc đầy đĩa. Trong lúc này không cảnh báo nào khác đến được.",
        ),
        action=Text(
            "`systemctl status influxdb sen-hub`, then `sen-hub status`. Gateways keep everything meanwhile.",
            "`systemctl status influxdb sen-hub`, rồi `sen-hub status`. Gateway vẫn giữ mọi số đo.",
        ),
        shown=Shown(uid=_LEDGER_UID, panel="Stored by the hub a second"),
    )


def _hub_holds() -> Rule:
    return Rule(
        uid="sen-hub-holds",
        title=Text("Hub holds or refuses", "Hub đang giữ lại hoặc từ chối"),
        severity=Severity.WARNING,
        queries=[_of_the_hub("breaker_open", "A"), _of_the_hub("dead_letters_open", "B")],
        when="$A > 0 || $B > 0",
        lasting="5m",
        summary=Text(
            "The hub's breaker is open, or dead letters wait for a person.",
            "Cầu dao của hub đang mở, hoặc có bản tin gác lại chờ người xem.",
        ),
        cause=Text(
            "A database that refuses much at once, or a gateway that sends what cannot be stored.",
            "Cơ sở dữ liệu từ chối nhiều cùng lúc, hoặc gateway gửi thứ không lưu được.",
        ),
        action=Text(
            "`sen-hub dead-letters list` says why of each, and what can be tried again; then `sen-hub breaker`.",
            "`sen-hub dead-letters list` cho biết lý do và cái nào thử lại được; rồi `sen-hub breaker`.",
        ),
        shown=Shown(uid=_LEDGER_UID, panel="Waiting at the hub"),
    )


def _silent() -> Rule:
    return Rule(
        uid="sen-gateway-silent",
        title=Text("Gateway silent", "Gateway mất kết nối"),
        severity=Severity.CRITICAL,
        queries=[asked("online", "delivery"), asked("status_age_s", "delivery", ref="B")],
        when="$A < 1 || $B > 180",
        lasting="2m",
        summary=Text(
            "{{ .Labels.gateway }} at {{ .Labels.site }} says nothing.",
            "{{ .Labels.gateway }} tại {{ .Labels.site }} không gửi tin.",
        ),
        cause=Text(
            "Power, the mobile link, or the gateway itself. Its devices are not judged while it is silent.",
            "Nguồn điện, mạng di động, hoặc chính gateway. Thiết bị của nó không bị xét khi nó im lặng.",
        ),
        action=Text(
            "See when it last spoke and whether neighbours are silent too. Then: power, SIM and antenna, "
            "`sen-edge doctor` at "
            "the cabinet. Readings are kept there; nothing is lost while the spool has room.",
            "Xem tin cuối lúc nào và các gateway gần đó có im không. Sau đó: nguồn, SIM và anten, `sen-edge "
            "doctor` tại tủ. Số "
            "đo được giữ tại chỗ; chưa mất gì khi bộ đệm còn chỗ.",
        ),
        shown=Shown(uid=GATEWAY_UID, panel="Now"),
    )


def _spool() -> Rule:
    return Rule(
        uid="sen-spool-growing",
        title=Text("Spool filling", "Bộ đệm đang đầy"),
        severity=Severity.WARNING,
        queries=[asked("spool_used_bytes", "machine"), asked("spool_limit_bytes", "machine", ref="B")],
        when="$A > 0.7 * $B",
        lasting="5m",
        summary=Text(
            "The spool of {{ .Labels.gateway }} is over 70 % full.", "Bộ đệm của {{ .Labels.gateway }} đã quá 70 %."
        ),
        cause=Text(
            "It reads faster than it delivers: the link is slow, or the hub commits nothing.",
            "Đọc nhanh hơn gửi: mạng chậm, hoặc hub không xác nhận.",
        ),
        action=Text(
            "Look at the delay: of one gateway, mend its link; of all, look at the hub and its database. At the "
            "limit the oldest "
            "detail is given up and counted.",
            "Xem độ trễ: chỉ một gateway thì sửa đường truyền; tất cả thì xem hub và cơ sở dữ liệu. Chạm giới "
            "hạn thì chi tiết "
            "cũ nhất bị bỏ và được đếm.",
        ),
        shown=Shown(uid=GATEWAY_UID, panel="Spool used"),
    )


def _delay() -> Rule:
    return Rule(
        uid="sen-commit-delay",
        title=Text("Delivery late", "Giao nhận chậm"),
        severity=Severity.WARNING,
        queries=[asked("oldest_uncommitted_s", "delivery"), asked("online", "delivery", ref="B")],
        when="$A > 900 && $B == 1",
        lasting="5m",
        summary=Text(
            "{{ .Labels.gateway }} is online, and its oldest record waits for more than 15 minutes.",
            "{{ .Labels.gateway }} đang nối nhưng bản ghi cũ nhất chờ hơn 15 phút.",
        ),
        cause=Text(
            "A backlog after an outage, a narrow link, or a hub that does not commit.",
            "Dồn lại sau khi mất mạng, đường truyền hẹp, hoặc hub không xác nhận.",
        ),
        action=Text(
            "Falling: wait. Standing on one gateway: its link. Standing on all: `sen-hub status` names the part "
            "in trouble.",
            "Đang giảm: chờ. Đứng ở một gateway: đường truyền của nó. Đứng ở tất cả: `sen-hub status` cho biết "
            "phần bị lỗi.",
        ),
        shown=Shown(uid=GATEWAY_UID, panel="From reading to commit"),
    )


def _unexplained() -> Rule:
    return Rule(
        uid="sen-unexplained",
        title=Text("Records unexplained", "Bản ghi không giải thích được"),
        severity=Severity.CRITICAL,
        queries=[asked("unexplained", "delivery")],
        when="$A > 0",
        lasting="5m",
        summary=Text(
            "{{ .Labels.gateway }} accepted records that are neither stored, refused, lost nor on the way.",
            "{{ .Labels.gateway }} có bản ghi không được lưu, không bị từ chối, không mất, không đang gửi.",
        ),
        cause=Text("A fault of Sen, or a card that was exchanged.", "Lỗi của hệ thống, hoặc thẻ nhớ đã bị thay."),
        action=Text(
            "Keep the gateway's card as it is, note the time, call the maintainer: `sen-edge support-bundle`.",
            "Giữ nguyên thẻ nhớ, ghi lại thời điểm, gọi người bảo trì: `sen-edge support-bundle`.",
        ),
        shown=Shown(uid=_LEDGER_UID, panel="Accounts"),
    )


def _grown(field: str, ref: str) -> Query:
    """By how much a total grew over the whole span: in windows, growth from one to the next would be in neither."""
    text = (
        f'SELECT spread("{field}") AS "value" FROM "gateway" WHERE $timeFilter AND "group" = \'delivery\' '
        'GROUP BY "site", "gateway"'
    )
    return Query(text=text, source=RAW, ref=ref)


def _lost() -> Rule:
    fields = ("lost_full", "lost_corrupt", "lost_tail", "lost_expired")
    queries = [_grown(name, ref) for name, ref in zip(fields, "ABCD", strict=True)]
    return Rule(
        uid="sen-records-lost",
        title=Text("Records lost", "Mất bản ghi"),
        severity=Severity.WARNING,
        queries=queries,
        when="$A + $B + $C + $D > 0",
        lasting="0s",
        span_s=3600,
        summary=Text(
            "{{ .Labels.gateway }} gave records up within the last hour, and says so.",
            "{{ .Labels.gateway }} đã bỏ một số bản ghi trong giờ qua, và đã báo.",
        ),
        cause=Text(
            "Spool full after a long outage, or a damaged card.",
            "Đầy bộ đệm sau khi mất mạng lâu, hoặc thẻ nhớ hỏng.",
        ),
        action=Text(
            "The ledger names the reason. Full: a larger spool or a better link. Damaged: exchange the card.",
            "Sổ cái cho biết lý do. Đầy: tăng bộ đệm hoặc cải thiện mạng. Hỏng: thay thẻ.",
        ),
        shown=Shown(uid=GATEWAY_UID, panel="Refused, lost and unexplained"),
    )


def _bus() -> Rule:
    by = ("site", "gateway", "device")
    return Rule(
        uid="sen-bus-overload",
        title=Text("Bus overloaded", "Đường bus quá tải"),
        severity=Severity.NOTICE,
        queries=[asked("bus_load_percent", "bus", by=by, how="mean")],
        when="$A > 80",
        lasting="10m",
        summary=Text(
            "Bus {{ .Labels.device }} of {{ .Labels.gateway }} is busy over 80 % of the time.",
            "Đường bus {{ .Labels.device }} của {{ .Labels.gateway }} bận quá 80 % thời gian.",
        ),
        cause=Text(
            "Too many devices, periods that are too short, or time-outs of sick devices.",
            "Quá nhiều thiết bị, chu kỳ quá ngắn, hoặc thiết bị hỏng gây chờ.",
        ),
        action=Text(
            "Mend silent devices first; then longer periods, a higher baud rate, or a second line. `sen-edge "
            "plan` shows the "
            "arithmetic.",
            "Sửa thiết bị im lặng trước; sau đó tăng chu kỳ, tăng baud hoặc thêm đường. `sen-edge plan` cho biết "
            "phép tính.",
        ),
        shown=Shown(uid=GATEWAY_UID, panel="Bus load"),
    )


def _clock() -> Rule:
    return Rule(
        uid="sen-clock-off",
        title=Text("Clock off", "Đồng hồ sai"),
        severity=Severity.WARNING,
        queries=[asked("clock_offset_ms", "machine"), asked("time_quality", "machine", ref="B")],
        when="abs($A) > 2000 || $B >= 2",
        lasting="10m",
        summary=Text(
            "The clock of {{ .Labels.gateway }} is more than 2 s off, or nobody vouches for it.",
            "Đồng hồ của {{ .Labels.gateway }} lệch quá 2 giây, hoặc không có nguồn xác nhận.",
        ),
        cause=Text(
            "No time service, or an empty clock battery after a power cut.",
            "Không có dịch vụ giờ, hoặc hết pin đồng hồ sau khi mất điện.",
        ),
        action=Text(
            "`timedatectl` and `sen-edge doctor` on the gateway. Readings taken meanwhile are marked, never "
            "re-stamped.",
            "Chạy `timedatectl` và `sen-edge doctor` trên gateway. Số đo trong lúc đó được đánh dấu, không bị sửa giờ.",
        ),
        shown=Shown(uid=GATEWAY_UID, panel="Clock against the hub"),
    )


def _card() -> Rule:
    return Rule(
        uid="sen-card-worn",
        title=Text("Card nearly worn", "Thẻ nhớ sắp mòn"),
        severity=Severity.NOTICE,
        queries=[asked("disk_worn_percent", "machine")],
        when="$A > 80",
        lasting="30m",
        span_s=3600,
        summary=Text(
            "The card of {{ .Labels.gateway }} has used over 80 % of its life.",
            "Thẻ của {{ .Labels.gateway }} đã dùng quá 80 % tuổi thọ.",
        ),
        cause=Text("Writing wears it; that is normal.", "Ghi nhiều thì mòn; đó là bình thường."),
        action=Text(
            "Plan an exchange at the next visit; the spool moves to the new card with `sen-edge`.",
            "Lên lịch thay vào lần đến tiếp theo.",
        ),
        shown=Shown(uid=GATEWAY_UID, panel="Written to the card"),
    )
