"""Devices and channels that fell silent, and cameras that do not see."""

from typing import Final

from grafana.alerts.gateways import asked
from grafana.influxql import RAW, REAL_MODES, Query
from grafana.rule import Rule, Severity, Shown, Subject
from grafana.texts import Text

_FRESHNESS: Final = "sen-freshness"
_CAMERAS: Final = "sen-cameras"
_SILENT: Final = 3
_CAMERA_FAULTS: Final = {
    "dark": (
        Text("Camera dark", "Camera tối"),
        Text("Night without a lamp, a lens cap, or a dead sensor.", "Đêm không đèn, nắp ống kính, hoặc cảm biến hỏng."),
        Text("Look at the lamp and its timer; then the power of the camera.", "Xem đèn và hẹn giờ; rồi nguồn camera."),
    ),
    "frozen": (
        Text("Camera frozen", "Camera đứng hình"),
        Text("The stream stands still: encoder or link.", "Luồng hình đứng yên: bộ mã hóa hoặc đường truyền."),
        Text("Restart the camera; where it returns, renew its firmware.", "Khởi động lại; nếu lặp lại, cập nhật."),
    ),
    "covered": (
        Text("Camera covered", "Camera bị che"),
        Text("Dirt, a branch, a bag, paint.", "Bụi, cành cây, túi, sơn."),
        Text(
            "Send somebody with a cloth and a saw. Paint or a bag: tell the police.",
            "Cử người lau và chặt cành. Sơn hoặc túi: báo công an.",
        ),
    ),
    "moved": (
        Text("Camera moved", "Camera bị xoay"),
        Text("Wind, a collision, or a hand.", "Gió, va chạm, hoặc bị tác động."),
        Text(
            "Turn it back, then confirm the view. Until then its counts are wrong, and so are the masks that "
            "protect people.",
            "Xoay lại rồi xác nhận góc nhìn. Đến lúc đó số đếm sai, và vùng che bảo vệ con người cũng sai.",
        ),
    ),
}


def subject() -> Subject:
    """The rules."""
    return Subject(name="devices", rules=[_device(), _channel(), *(_camera(fault) for fault in _CAMERA_FAULTS)])


def _state(how: str, by: tuple[str, ...], ref: str) -> Query:
    tags = "".join(f', "{tag}"' for tag in by)
    text = (
        f'SELECT {how}("state") AS "value" FROM "freshness" WHERE $timeFilter AND {REAL_MODES} '
        f"GROUP BY time(1m){tags} fill(none)"
    )
    return Query(text=text, source=RAW, ref=ref)


def _device() -> Rule:
    return Rule(
        uid="sen-device-silent",
        title=Text("Device silent", "Thiết bị mất tín hiệu"),
        severity=Severity.WARNING,
        queries=[_state("min", ("site", "gateway", "device"), "A"), asked("online", "delivery", ref="B")],
        when=f"$A >= {_SILENT} && $B == 1",
        lasting="5m",
        summary=Text(
            "{{ .Labels.device }} at {{ .Labels.site }} is silent; its gateway is there.",
            "{{ .Labels.device }} tại {{ .Labels.site }} mất tín hiệu; gateway vẫn nối.",
        ),
        cause=Text("Power, cable, address, or the device.", "Nguồn, cáp, địa chỉ, hoặc thiết bị."),
        action=Text(
            "Others on its line silent too: the line. Alone: `sen-edge test` and `sen-edge scan` at the cabinet.",
            "Thiết bị cùng đường cũng im: đường bus. Một mình: `sen-edge test` và `sen-edge scan` tại tủ.",
        ),
        shown=Shown(uid=_FRESHNESS, panel="Since when"),
    )


def _channel() -> Rule:
    return Rule(
        uid="sen-channel-silent",
        title=Text("Channel silent", "Kênh đo mất tín hiệu"),
        severity=Severity.NOTICE,
        queries=[
            _state("max", ("site", "gateway", "device", "group"), "A"),
            _state("min", ("site", "gateway", "device"), "B"),
            asked("online", "delivery", ref="C"),
        ],
        when=f"$A >= {_SILENT} && $B < {_SILENT} && $C == 1",
        lasting="10m",
        summary=Text(
            "{{ .Labels.device }} still speaks, but nothing comes of {{ .Labels.group }}.",
            "{{ .Labels.device }} vẫn gửi, nhưng không có {{ .Labels.group }}.",
        ),
        cause=Text("A part of the device failed, or its profile asks in vain.", "Một phần hỏng, hoặc hồ sơ hỏi sai."),
        action=Text(
            "`sen-edge read` names the error. Refused registers: the profile. No answer: the probe or its cable.",
            "`sen-edge read` cho biết lỗi. Thanh ghi bị từ chối: hồ sơ. Không trả lời: đầu đo hoặc cáp.",
        ),
        shown=Shown(uid=_FRESHNESS, panel="Point groups, the oldest first"),
    )


def _camera(fault: str) -> Rule:
    title, cause, action = _CAMERA_FAULTS[fault]
    text = (
        f'SELECT min("{fault}") AS "value" FROM "camera" WHERE $timeFilter AND {REAL_MODES} '
        'GROUP BY time(1m), "site", "gateway", "device" fill(none)'
    )
    return Rule(
        uid=f"sen-camera-{fault}",
        title=title,
        severity=Severity.WARNING,
        queries=[Query(text=text, source=RAW, ref="A"), asked("online", "delivery", ref="B")],
        when="$A > 0 && $B == 1",
        lasting="5m",
        summary=Text(f"{title.en}: {{{{ .Labels.device }}}} at {{{{ .Labels.site }}}}.",
                     f"{title.vi}: {{{{ .Labels.device }}}} tại {{{{ .Labels.site }}}}."),
        cause=cause,
        action=action,
        shown=Shown(uid=_CAMERAS, panel="Faults over time"),
    )  # fmt: skip
