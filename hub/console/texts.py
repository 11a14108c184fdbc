"""Every word the page says, in English and Vietnamese."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Language(StrEnum):
    """What the page can be read in."""

    EN = "en"
    VI = "vi"


_TEXTS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "title": ("Sen operations centre", "Trung tâm điều hành Sen"),
        "subtitle": ("Fleet and latest values", "Thiết bị và giá trị mới nhất"),
        "other_language": ("Tiếng Việt", "English"),
        # The link between this page and the hub
        "link_wait": ("Connecting", "Đang kết nối"),
        "link_ok": ("Connected", "Đã kết nối"),
        "link_lost": ("Connection to the hub lost", "Mất kết nối với trung tâm"),
        "link_lost_since": (
            "Nothing on this page is live. It shows what was known at {time}.",
            "Trang này không còn cập nhật. Dữ liệu được ghi nhận lúc {time}.",
        ),
        "no_script": (
            "Without JavaScript this page reloads itself every 10 seconds and draws no chart.",
            "Không có JavaScript, trang tự tải lại mỗi 10 giây và không vẽ biểu đồ.",
        ),
        # Parts of the hub
        "broker": ("Broker", "Máy chủ MQTT"),
        "series": ("Series store", "Kho dữ liệu"),
        "registry": ("Registry", "Danh bạ"),
        "ingest": ("Ingest", "Tiếp nhận"),
        "works": ("works", "hoạt động"),
        "trouble": ("trouble", "sự cố"),
        # What a person has to look at
        "alarm_audit": ("Audit", "Kiểm toán"),
        "alarm_breaker": ("Breaker", "Cầu dao"),
        "alarm_dead_letters": ("Dead letters", "Thư chết"),
        "alarm_flood": ("Flood", "Gửi quá nhiều"),
        "alarm_store": ("Series store", "Kho dữ liệu"),
        "alarm_unexplained": ("Unexplained records", "Bản ghi chưa rõ"),
        # Summary
        "gateways": ("Gateways", "Cổng kết nối"),
        "online_of": ("{online} of {all} online", "{online}/{all} trực tuyến"),
        "values": ("Values", "Giá trị"),
        "fresh_of": ("{fresh} of {all} fresh", "{fresh}/{all} còn mới"),
        "waiting": ("Waiting for the database", "Đang chờ lưu"),
        "records": ("{count} records", "{count} bản ghi"),
        "unexplained": ("Unexplained", "Chưa rõ"),
        "unexplained_none": ("none missing", "không thiếu"),
        "unexplained_some": ("{count} records missing", "thiếu {count} bản ghi"),
        # Modes
        "mode_live": ("Live", "Trực tiếp"),
        "mode_backfilled": ("Backfilled", "Bổ sung"),
        "mode_periodic": ("Periodic", "Định kỳ"),
        "mode_manual": ("Manual", "Nhập tay"),
        "mode_estimated": ("Estimated", "Ước tính"),
        "mode_forecast": ("Forecast", "Dự báo"),
        "mode_simulated": ("SIMULATED", "MÔ PHỎNG"),
        "mode_exercise": ("EXERCISE", "DIỄN TẬP"),
        "not_real": (
            "{count} of {all} values shown here are not real: simulated or exercise.",
            "{count}/{all} giá trị ở đây không phải thật: mô phỏng hoặc diễn tập.",
        ),
        # Qualities
        "quality": ("Quality", "Chất lượng"),
        "quality_good": ("good", "tốt"),
        "quality_time_estimated": ("time estimated", "thời gian ước tính"),
        "quality_warming_up": ("warming up", "đang khởi động"),
        "quality_stale": ("stale", "cũ"),
        "quality_stuck": ("stuck", "bị kẹt"),
        "quality_out_of_range": ("out of range", "ngoài khoảng"),
        "quality_sensor_fault": ("sensor fault", "lỗi cảm biến"),
        "quality_exception": ("device refuses", "thiết bị từ chối"),
        "quality_timeout": ("no answer", "không trả lời"),
        # Presence
        "presence_online": ("online", "trực tuyến"),
        "presence_silent": ("silent", "im lặng"),
        "presence_offline": ("offline", "ngoại tuyến"),
        "presence_never": ("never seen", "chưa từng thấy"),
        "state_blocked": ("blocked", "đã khoá"),
        # Fleet
        "fleet": ("Fleet", "Hệ thống"),
        "no_site": ("No site yet", "Chưa có địa điểm"),
        "last_word": ("last word {age} ago", "tin cuối {age} trước"),
        "accepted": ("Accepted", "Đã nhận"),
        "stored": ("Stored", "Đã lưu"),
        "refused": ("Refused", "Từ chối"),
        "lost": ("Lost", "Mất"),
        "in_flight": ("In flight", "Đang gửi"),
        "spool": ("In its spool", "Trong bộ đệm"),
        "oldest": ("oldest {age}", "cũ nhất {age}"),
        "unknown_names": ("Unregistered gateways heard", "Cổng chưa đăng ký"),
        "unknown_hint": (
            "Nothing they send is kept. To let one in: sen-hub gateway add",
            "Dữ liệu của chúng không được lưu. Để đăng ký: sen-hub gateway add",
        ),
        "no_gateways": (
            "No gateway is registered yet: sen-hub gateway add FOLDER NAME --site SITE",
            "Chưa có cổng nào được đăng ký: sen-hub gateway add FOLDER NAME --site SITE",
        ),
        # Values
        "latest": ("Latest values", "Giá trị mới nhất"),
        "quantity": ("Quantity", "Đại lượng"),
        "value": ("Value", "Giá trị"),
        "age": ("Age", "Tuổi"),
        "mode": ("Mode", "Nguồn gốc"),
        "no_value": ("no value", "không có"),
        "stale_since": ("stale", "cũ"),
        "stores_trouble": ("The values cannot be read just now.", "Hiện không đọc được giá trị."),
        "no_values": ("No value has arrived yet.", "Chưa có giá trị nào."),
        "more_series": (
            "{count} more series are not shown here: choose a site.",
            "Còn {count} chuỗi không hiển thị: hãy chọn địa điểm.",
        ),
        "all_sites": ("All sites", "Mọi địa điểm"),
        "ago": ("{age} ago", "{age} trước"),
        "ahead": ("{age} ahead", "sớm {age}"),
        # Chart
        "chart": ("Chart", "Biểu đồ"),
        "chart_pick": ("Choose a quantity to see its course.", "Chọn một đại lượng để xem diễn biến."),
        "chart_empty": ("No values in this time.", "Không có giá trị trong thời gian này."),
        "chart_failed": ("The chart cannot be loaded just now.", "Hiện không tải được biểu đồ."),
        "show_chart": ("Show the course of {name}", "Xem diễn biến của {name}"),
        "span_15m": ("15 min", "15 phút"),
        "span_1h": ("1 h", "1 giờ"),
        "span_6h": ("6 h", "6 giờ"),
        "span_24h": ("24 h", "24 giờ"),
        # Signing in
        "sign_in": ("Access token", "Mã truy cập"),
        "sign_in_hint": (
            "This hub is reachable from other machines, so it asks for its token (secrets/http.token in its folder).",
            "Trung tâm này truy cập được từ máy khác nên yêu cầu mã (secrets/http.token trong thư mục của nó).",
        ),
        "sign_in_wrong": ("This is not the token.", "Mã không đúng."),
        "sign_in_go": ("Enter", "Vào"),
    }
)


class Texts:
    """The page's words in one language."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self._column = list(Language).index(language)

    def __call__(self, key: str, **parts: object) -> str:
        """The text under a key, with its parts filled in."""
        return _TEXTS[key][self._column].format(**parts)


def preferred_language(asked: str | None, accept_language: str) -> Language:
    """The language to use: what was asked for, or the first the reader accepts that the page can speak, or English."""
    if asked in set(Language):
        return Language(asked)
    ranked = sorted(map(_ranked, accept_language.split(",")), key=lambda item: -item[1])
    for tag, weight in ranked:
        primary = tag.split("-")[0]
        if weight > 0 and primary in set(Language):
            return Language(primary)
    return Language.EN


def _ranked(part: str) -> tuple[str, float]:
    tag, _, weight = part.strip().lower().partition(";q=")
    try:
        return tag.strip(), float(weight) if weight else 1.0
    except ValueError:
        return tag.strip(), 0.0
