"""The operator's guide: every page, panel and alarm in words, made from what is on the screen. Pure."""

from collections.abc import Iterator
from typing import Final

from grafana.alerting import subjects
from grafana.board import Board
from grafana.build import boards
from grafana.centre import Centre
from grafana.rule import Rule
from grafana.texts import Language, Text

_HEAD: Final = Text(
    """# Panels and alarms

What each page of Grafana shows and what to do. Made by `sen-hub grafana guide` from the panels themselves.

Read every page from the strip on top: it says how the values came about. Anything with ⚠ is not measured
reality: simulated and exercise values are magenta, their lines dashed, and no alarm comes from them. A grey row
or site is past its promise: its number is shown with its age, and is not of now. `Level` chooses raw values,
five-minute or hourly means; for more than a week choose a coarser one. A click on a device, site or gateway
goes down to it and keeps the time and the choice. The positions on the map are read when the page is opened;
what their colours say is renewed like every panel.
""",
    """# Các trang và cảnh báo

Mỗi trang Grafana cho biết gì và phải làm gì. Tạo bằng `sen-hub grafana guide` từ chính các ô trên màn hình.

Đọc mỗi trang từ dải trên cùng: số liệu có nguồn gốc từ đâu. Ký hiệu ⚠ không phải số đo thực: mô phỏng và diễn
tập có màu hồng sẫm, nét đứt, và không gây cảnh báo. Hàng hoặc địa điểm màu xám là đã quá hạn: số hiển thị kèm
tuổi, không phải hiện tại. `Độ chi tiết` chọn số liệu gốc, trung bình năm phút hoặc giờ; xem quá một tuần thì
chọn mức thô hơn. Bấm vào thiết bị, địa điểm hoặc gateway để xem chi tiết mà giữ nguyên thời gian và lựa chọn.
""",
)
_ALARMS: Final = Text(
    """## Alarms

One notification holds everything of one gateway; while a gateway is silent, what hangs on it is not judged, so
one dead gateway is one alarm. `critical` is for now, at night too, and repeats every hour; `warning` is for
this shift; `notice` for this week. Water alarms are made from `grafana.alarm_levels` of hub.yaml, one for each
gauge and level.
""",
    """## Cảnh báo

Mỗi thông báo gồm mọi việc của một gateway; khi gateway mất kết nối thì thiết bị của nó không bị xét, nên một
gateway hỏng chỉ là một cảnh báo. `critical`: ngay lập tức, cả ban đêm, nhắc mỗi giờ; `warning`: trong ca;
`notice`: trong tuần. Báo động nước lấy từ `grafana.alarm_levels` trong hub.yaml, mỗi trạm và mỗi mức một cảnh
báo.
""",
)


def operator_guide(centre: Centre) -> str:
    """The guide in the centre's language, as Markdown."""
    said = centre.language
    parts = [_HEAD.said(said), *(_page(board, said) for board in boards(centre)), _ALARMS.said(said)]
    parts += [_alarm(rule, said) for subject in subjects(centre) for rule in subject.rules]
    return "\n".join(parts)


def _page(board: Board, said: Language) -> str:
    lines = [f"## {board.title.said(said)}", "", board.about.said(said), "", *_panels(board, said)]
    return "\n".join(lines) + "\n"


def _panels(board: Board, said: Language) -> Iterator[str]:
    for panel in board.panels:
        yield f"- **{panel.title.said(said)}**: {panel.about.said(said)}"


def _alarm(rule: Rule, said: Language) -> str:
    return f"- **{rule.title.said(said)}** (`{rule.severity}`): {rule.cause.said(said)} {rule.action.said(said)}"
