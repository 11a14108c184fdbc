"""Colours, steps and codes that panels share: the same colour means the same thing everywhere. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from grafana.texts import Text

GOOD: Final = "green"
WARN: Final = "yellow"
BAD: Final = "orange"
WORST: Final = "red"
CALM: Final = "blue"
# Colourless: a value that is there but does not count now.
GREY: Final = "#6b7280"
PLAIN: Final = "text"


@dataclass(frozen=True, slots=True)
class Step:
    """From `value` on, this colour; None begins at minus infinity."""

    value: float | None
    color: str


@dataclass(frozen=True, slots=True)
class Word:
    """What a code is called, and its colour."""

    text: Text
    color: str


Words = Mapping[str, Word]


def rising(*, warn: float, bad: float) -> tuple[Step, ...]:
    """The more the worse."""
    return (Step(None, GOOD), Step(warn, WARN), Step(bad, WORST))


def falling(*, bad: float, warn: float) -> tuple[Step, ...]:
    """The less the worse."""
    return (Step(None, WORST), Step(bad, WARN), Step(warn, GOOD))


NEUTRAL: Final = (Step(None, CALM),)
NONE_ALLOWED: Final = (Step(None, GOOD), Step(1, WORST))

# Decision 1459/QD-TCMT (2019), table 1: the bands of VN_AQI and their colours.
AQI_BANDS: Final = (
    (0, "rgb(0, 228, 0)", Text("Good", "Tốt")),
    (51, "rgb(255, 255, 0)", Text("Moderate", "Trung bình")),
    (101, "rgb(255, 126, 0)", Text("Poor", "Kém")),
    (151, "rgb(255, 0, 0)", Text("Bad", "Xấu")),
    (201, "rgb(143, 63, 151)", Text("Very bad", "Rất xấu")),
    (301, "rgb(126, 0, 35)", Text("Hazardous", "Nguy hại")),
)
AQI: Final = (Step(None, AQI_BANDS[0][1]), *(Step(lowest, color) for lowest, color, _ in AQI_BANDS[1:]))

MODES: Final[Words] = {
    "live": Word(Text("live", "trực tiếp"), GOOD),
    "backfilled": Word(Text("delivered late", "gửi bù"), CALM),
    "periodic": Word(Text("periodic", "định kỳ"), CALM),
    "manual": Word(Text("⚠ TYPED IN BY HAND", "⚠ NHẬP TAY"), BAD),
    "estimated": Word(Text("⚠ ESTIMATED", "⚠ ƯỚC TÍNH"), BAD),
    "forecast": Word(Text("⚠ FORECAST", "⚠ DỰ BÁO"), "purple"),
    "simulated": Word(Text("⚠ SIMULATED", "⚠ MÔ PHỎNG"), "#d6249f"),
    "exercise": Word(Text("⚠ EXERCISE", "⚠ DIỄN TẬP"), "#d6249f"),
}
NOT_REAL: Final = ("manual", "estimated", "forecast", "simulated", "exercise")

FRESHNESS: Final[Words] = {
    "0": Word(Text("fresh", "mới"), GOOD),
    "1": Word(Text("late", "trễ"), WARN),
    "2": Word(Text("stale", "cũ"), GREY),
    "3": Word(Text("silent", "mất tín hiệu"), GREY),
}
FRESHNESS_STEPS: Final = (Step(None, GOOD), Step(1, WARN), Step(2, GREY))
# The row of a device whose values are past their promise is grey as a whole.
ROW_BY_FRESHNESS: Final[Words] = {
    "0": Word(FRESHNESS["0"].text, "transparent"),
    "1": Word(FRESHNESS["1"].text, "transparent"),
    "2": FRESHNESS["2"],
    "3": FRESHNESS["3"],
}
STATIONS: Final[Words] = {
    "0": Word(Text("reference", "trạm chuẩn"), GOOD),
    "1": Word(Text("⚠ indicative", "⚠ tham khảo"), WARN),
}
ONLINE: Final[Words] = {
    "0": Word(Text("OFFLINE", "MẤT KẾT NỐI"), WORST),
    "1": Word(Text("online", "đang nối"), GOOD),
}
YES_IS_BAD: Final[Words] = {"0": Word(Text("no", "không"), GOOD), "1": Word(Text("YES", "CÓ"), WORST)}
TIME_QUALITY: Final[Words] = {
    "0": Word(Text("synchronised", "đã đồng bộ"), GOOD),
    "1": Word(Text("estimated", "ước lượng"), WARN),
    "2": Word(Text("not synchronised", "chưa đồng bộ"), WORST),
}
DOOR: Final[Words] = {"0": Word(Text("closed", "đóng"), GOOD), "1": Word(Text("OPEN", "MỞ"), BAD)}
