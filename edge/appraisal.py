"""Between reading and keeping: what a reading's past says of it, how good its time is, whether it is news.

I1. Every reading is kept, or held back by the rule that the gateway file gives its device; both are counted.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from edge.clock import Clock
from edge.config import CheckConfig, DeviceConfig
from edge.health import Health
from edge.plausibility import Check, Judge, usual_check
from edge.reporting import Reporter, ReportRule
from edge.spool.base import Reading
from edge.time_trust import TimeTrust
from wire.records import Stream, TimeQuality

_HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class _Group:
    """What one group of a device is looked at with; nothing where nothing is expected of it."""

    judge: Judge | None
    reporter: Reporter | None


class Appraisal:
    """All readings of a gateway.

    Args:
        devices: what the gateway file says of them.
        health: is told what became of each reading.
        trust: what is known of the time.
        clock: the agent's clock, which gives the times of `trust`.
        keep: takes the readings that are recorded; must not wait.
    """

    def __init__(
        self,
        devices: Iterable[DeviceConfig],
        *,
        health: Health,
        trust: TimeTrust,
        clock: Clock,
        keep: Callable[[Reading], None],
    ) -> None:
        self._devices = {device.device: device for device in devices}
        self._health = health
        self._trust = trust
        self._clock = clock
        self._keep = keep
        # Changed by take only.
        self._groups: dict[tuple[str, str], _Group] = {}

    def take(self, reading: Reading) -> None:
        """Appraise a reading, and keep what is to be recorded."""
        stream, at_s = reading.stream, self._clock.monotonic_s()
        group = self._group(stream)
        if group.judge is not None:
            reading = self._judged(reading, group.judge, at_s)
        moment = self._trust.stamped(reading.time_ms, at_s=at_s)
        if (moment.time_ms, moment.quality) != (reading.time_ms, TimeQuality.SYNCED):
            reading = replace(reading, time_ms=moment.time_ms, time_quality=moment.quality)
        kept = (reading,) if group.reporter is None else group.reporter.passed(reading, at_s=at_s)
        self._health.of(stream.device).note_appraised(max(value.quality for value in reading.values), kept=len(kept))
        for one in kept:
            self._keep(one)

    def _judged(self, reading: Reading, judge: Judge, at_s: float) -> Reading:
        values = judge.judged(reading.values, at_s=at_s)
        if values == reading.values:
            return reading
        stream = reading.stream
        health = self._health.of(stream.device)
        health.note_values(stream.group, stream.points, values, time_ms=reading.time_ms)
        return replace(reading, values=values)

    def _group(self, stream: Stream) -> _Group:
        name = (stream.device, stream.group)
        if name not in self._groups:
            self._groups[name] = _group_of(stream, self._devices[stream.device])
        return self._groups[name]


def _group_of(stream: Stream, device: DeviceConfig) -> _Group:
    checks = {
        point.key: _check(usual_check(stream.measurement, point.quantity), device.checks.get(point.key))
        for point in stream.points
    }
    judge = Judge(stream.points, checks) if any(check != Check() for check in checks.values()) else None
    report = device.report
    if report is None:
        return _Group(judge, None)
    rule = ReportRule(
        max_silence_s=report.max_silence_s, deadband=report.deadband, deadband_percent=report.deadband_percent
    )
    return _Group(judge, Reporter(stream.points, rule))


def _check(usual: Check, said: CheckConfig | None) -> Check:
    """What is expected of a point: what the gateway file says, else what is usual; 0 is nothing."""
    if said is None:
        return usual
    stuck_after_s = usual.stuck_after_s if said.stuck_h is None else said.stuck_h * _HOUR_S
    change_per_min = usual.change_per_min if said.change_per_min is None else said.change_per_min
    return replace(usual, stuck_after_s=stuck_after_s or None, change_per_min=change_per_min or None)
