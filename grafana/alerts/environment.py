"""Air and water: bands of the index, and the alarm levels of the gauges in the configuration."""

from collections.abc import Sequence
from typing import Final

from grafana.centre import AlarmLevels, Centre
from grafana.influxql import RAW, REAL_MODES, Query
from grafana.rule import Rule, Severity, Shown, Subject
from grafana.texts import Text

_AIR: Final = "sen-air"
_WATER: Final = "sen-weather-water"
_ALARMS: Final = ("I", "II", "III")
_SEVERITIES: Final = (Severity.NOTICE, Severity.WARNING, Severity.CRITICAL)
# From the band on, by VN_AQI: who is to be told what.
_BANDS: Final = (
    (
        101,
        151,
        "poor",
        Severity.NOTICE,
        Text("Air poor", "Không khí kém"),
        Text("The sensitive should do less outdoors.", "Nhóm nhạy cảm nên giảm hoạt động ngoài trời."),
    ),
    (
        151,
        201,
        "bad",
        Severity.WARNING,
        Text("Air bad", "Không khí xấu"),
        Text(
            "Advise schools to stay in; the sensitive wear masks.",
            "Khuyên trường học ở trong nhà; nhóm nhạy cảm đeo khẩu trang.",
        ),
    ),
    (
        201,
        1001,
        "very-bad",
        Severity.CRITICAL,
        Text("Air very bad or hazardous", "Không khí rất xấu hoặc nguy hại"),
        Text(
            "Advise everybody to stay in; follow the province's plan.",
            "Khuyên mọi người ở trong nhà; theo kế hoạch của tỉnh.",
        ),
    ),
)


def subject(centre: Centre) -> Subject:
    """The rules; water has as many as there are gauges with levels."""
    return Subject(
        name="environment",
        rules=[*(_air(*band) for band in _BANDS), *_water(centre.alarm_levels)],
    )


def _air(lowest: int, above: int, name: str, severity: Severity, title: Text, action: Text) -> Rule:
    text = (
        f'SELECT last("aqi") AS "value" FROM "indicator" WHERE $timeFilter AND "group" = \'vn_aqi\' AND {REAL_MODES} '
        'GROUP BY time(1h), "site", "gateway", "device" fill(none)'
    )
    return Rule(
        uid=f"sen-air-{name}",
        title=title,
        severity=severity,
        queries=[Query(text=text, source=RAW, ref="A")],
        when=f"$A >= {lowest} && $A < {above}",
        lasting="0s",
        span_s=3 * 3600,
        summary=Text(
            "VN_AQI at {{ .Labels.site }} is {{ .Values.RA.Value | printf `%.0f` }} (indicative unless a "
            "reference station).",
            "VN_AQI tại {{ .Labels.site }} là {{ .Values.RA.Value | printf `%.0f` }} (tham khảo nếu không phải "
            "trạm chuẩn).",
        ),
        cause=Text(
            "Dust, smoke, traffic, or a sensor in fog: compare with neighbours and with humidity.",
            "Bụi, khói, giao thông, hoặc cảm biến trong sương: so với trạm gần và độ ẩm.",
        ),
        action=action,
        shown=Shown(uid=_AIR, panel="VN_AQI by the hour (indicative)"),
    )


def _water(gauges: Sequence[AlarmLevels]) -> list[Rule]:
    return [_level(gauge, number) for gauge in gauges for number in range(len(_ALARMS))]


def _level(gauge: AlarmLevels, number: int) -> Rule:
    alarm, level = _ALARMS[number], gauge.levels_m[number]
    above = gauge.levels_m[number + 1] if number + 1 < len(_ALARMS) else None
    text = (
        f'SELECT last("{gauge.key}") AS "value" FROM "water" WHERE $timeFilter AND "site" = \'{gauge.site}\' '
        f'AND "device" = \'{gauge.device}\' AND {REAL_MODES} GROUP BY time(1m), "site", "gateway", "device" fill(none)'
    )
    return Rule(
        uid=f"sen-water-{number + 1}-{gauge.site}-{gauge.device}"[:40],
        title=Text(
            f"Water alarm {alarm}: {gauge.site} {gauge.device}", f"Báo động {alarm}: {gauge.site} {gauge.device}"
        ),
        severity=_SEVERITIES[number],
        queries=[Query(text=text, source=RAW, ref="A")],
        when=f"$A >= {level:g}" + (f" && $A < {above:g}" if above is not None else ""),
        lasting="2m",
        span_s=1800,
        summary=Text(
            f"{{{{ .Labels.device }}}} stands at {{{{ .Values.RA.Value | printf `%.2f` }}}} m: alarm {alarm} is "
            f"{level:g} m ({gauge.source}).",
            f"{{{{ .Labels.device }}}} ở mức {{{{ .Values.RA.Value | printf `%.2f` }}}} m: báo động {alarm} là "
            f"{level:g} m ({gauge.source}).",
        ),
        cause=Text("Rain upstream, a release, the tide.", "Mưa thượng nguồn, xả lũ, triều."),
        action=Text(
            "See how fast it rises. I: tell the communes on the bank. II: ready pumps and people. III: the flood plan.",
            "Xem tốc độ lên. I: báo các xã ven sông. II: sẵn sàng bơm và người. III: theo phương án phòng lũ.",
        ),
        shown=Shown(uid=_WATER, panel="Water level"),
    )
