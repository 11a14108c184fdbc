"""What happens to readings between the bus and the spool (`edge/appraisal.py`), by itself and in a running agent."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from edge.appraisal import Appraisal
from edge.config import CheckConfig, DeviceConfig, ReportConfig
from edge.health import Health
from edge.spool.base import Reading
from edge.time_kept import KeptClock
from edge.time_trust import TimeTrust
from tests.support.edge_files import GatewayFile, sen_edge, start_agent
from tests.support.fake_clock import FakeClock
from tests.support.processes import wait_until
from tests.support.rs485 import Rs485, station
from wire.identifiers import DeviceId, SiteId
from wire.records import Mode, PointLayout, Quality, Stream, TimeQuality, Value

DEVICE = DeviceId("d1")
POINTS = (
    PointLayout(key="t", quantity="temperature", unit="degC"),
    PointLayout(key="n", quantity="pulse_count", unit="1"),
)
STREAM = Stream(
    site=SiteId("hall"), device=DEVICE, group="climate", measurement="weather", mode=Mode.LIVE, points=POINTS
)


REPORT = "report: {deadband: {temperature: 0.5}, max_silence_s: 600}"


class Bench:
    """One device whose readings come each second."""

    def __init__(
        self, *, checks: dict[str, CheckConfig] | None = None, report: ReportConfig | None = None, is_known: bool = True
    ) -> None:
        machine, self.trust = FakeClock(), TimeTrust()
        self.trust.kernel_says(is_disciplined=is_known, now_ms=machine.now_ms(), at_s=machine.monotonic_s())
        self.clock, self.machine = KeptClock(machine, self.trust), machine
        health = Health()
        self.health = health.device(DEVICE, profile="test/any", bus="line")
        self.kept = list[Reading]()
        device = DeviceConfig(device=DEVICE, bus="line", profile="test/any", checks=checks or {}, report=report)
        self.appraisal = Appraisal([device], health=health, trust=self.trust, clock=self.clock, keep=self.kept.append)

    def read(self, temperature: float, count: int = 0, *, after_s: float = 1.0) -> None:
        self.machine.advance(after_s)
        values = (Value(temperature), Value(float(count)))
        self.appraisal.take(Reading(stream=STREAM, time_ms=self.clock.now_ms(), values=values))


@given(st.lists(st.tuples(st.floats(-20, 40), st.integers(0, 2)), max_size=40))
def test_i1_every_reading_is_kept_or_counted_as_held_back(found: list[tuple[float, int]]) -> None:
    bench, total = Bench(report=ReportConfig(deadband={"t": 5.0})), 0
    for temperature, step in found:
        total += step
        bench.read(temperature, total)
    assert len(bench.kept) + bench.health.held_back == len(found) == sum(bench.health.appraised.values())


def test_without_a_rule_every_reading_is_kept() -> None:
    bench = Bench()
    for _ in range(5):
        bench.read(20.0)
    assert len(bench.kept) == 5


def test_what_is_usual_is_judged_and_the_gateway_file_can_change_it() -> None:
    usual, told, off = Bench(), Bench(checks={"t": CheckConfig(stuck_h=1)}), Bench(checks={"t": CheckConfig(stuck_h=0)})
    for bench in (usual, told, off):
        for _ in range(4 * 24):
            bench.read(20.0, after_s=120)
    assert [bench.kept[-1].values[0].quality for bench in (usual, told, off)] == [
        Quality.STUCK,
        Quality.STUCK,
        Quality.GOOD,
    ]
    assert usual.health.appraised[Quality.STUCK] < told.health.appraised[Quality.STUCK]
    assert usual.health.last["climate", "t"].value.quality is Quality.STUCK


def test_a_reading_made_before_the_time_is_known_waits_for_it_and_keeps_its_place() -> None:
    bench = Bench(is_known=False)
    bench.read(20.0)
    assert (bench.kept[0].time_quality, bench.kept[0].time_ms) == (TimeQuality.UNANCHORED, bench.clock.now_ms())


def test_a_reading_that_was_made_just_before_the_time_became_known_gets_it() -> None:
    bench = Bench(is_known=False)
    early = Reading(stream=STREAM, time_ms=bench.clock.now_ms(), values=(Value(1.0), Value(1.0)))
    bench.machine.advance(0.2)
    true_ms = bench.machine.now_ms() + 86_400_000
    bench.trust.kernel_says(is_disciplined=True, now_ms=true_ms, at_s=bench.machine.monotonic_s())
    bench.appraisal.take(early)
    assert (bench.kept[0].time_quality, bench.kept[0].time_ms) == (TimeQuality.SYNCED, true_ms - 200)


def test_a_running_agent_holds_back_what_is_no_news_and_says_so(tmp_path: Path) -> None:
    with Rs485([station("generic/xy-md02", 1, temperature=21.5, humidity=60.0)]) as line:
        config = GatewayFile(
            folder=tmp_path,
            buses=[f"bus: line, kind: modbus-rtu, port: {line.path}"],
            devices=[
                f"device: air-1, bus: line, profile: generic/xy-md02, unit: 1, every_s: {{climate: 0.2}}, {REPORT}"
            ],
        ).write()
        agent = start_agent(config)
        try:
            wait_until(
                "it has read several times",
                lambda: sen_edge("status", str(config), "--json").told["devices"][0]["reads"] >= 10,
                within_s=20,
            )
            status = sen_edge("status", str(config), "--json").told
            text = sen_edge("status", str(config)).out
        finally:
            agent.stop()
    (device,) = status["devices"]
    read = sum(device["readings"].values())
    assert status["spool"]["accepted_total"] + status["spool"]["held"] == read - device["held_back"]
    assert device["held_back"] >= 7  # but the first, and one when the clock is vouched for
    assert "readings held back as no news" in text
