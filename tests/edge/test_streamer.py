"""Serial devices that speak by themselves or are asked, on real pseudo-terminals; silence in virtual time."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from device_profiles.encode_serial import encode_frame
from device_profiles.library import load_profile
from device_profiles.model import DeviceProfile
from device_profiles.simulate_serial import SerialResponder
from edge.clock import Clock, SystemClock
from edge.drivers.base import ByteStream, DriverError, DriverFault
from edge.drivers.line import ByteLine, SerialPort
from edge.health import DeviceHealth
from edge.spool.base import Reading
from edge.streamer import DeviceStreamer
from tests.support.manual_clock import ManualClock
from tests.support.pty_line import PtyLine
from wire.identifiers import DeviceId, SiteId
from wire.records import Mode, Quality, Stream


def streamer_of(
    profile: DeviceProfile, line: ByteStream, clock: Clock, *, period_s: float, address: int | None = None
) -> tuple[DeviceStreamer, DeviceHealth]:
    assert profile.serial is not None
    health = DeviceHealth(DeviceId("d1"), profile.profile, "bus")
    streams = {
        group.name: Stream(
            site=SiteId("hall"),
            device=DeviceId("d1"),
            group=group.name,
            measurement=group.measurement,
            mode=Mode.LIVE,
            kind=group.kind,
            points=group.layout,
        )
        for group in profile.groups
    }
    periods = {group.name: period_s for group in profile.groups}
    return DeviceStreamer(
        device=profile.serial,
        address=address,
        streams=streams,
        periods_s=periods,
        line=line,
        clock=clock,
        health=health,
    ), health


# The manufacturer's own example (protocol V1.3), and a frame recorded from a sensor.
PRINTED = bytes.fromhex("AA C0 D4 04 3A 0A A1 60 1D AB")
RECORDED = bytes.fromhex("AA C0 06 00 06 00 58 D9 3D AB")


def particles(pm2_5: float, pm10: float) -> bytes:
    profile = load_profile("nova/sds011")
    assert profile.serial is not None
    group = profile.groups[0]
    return encode_frame(profile.serial, group.name, [{"pm2_5": pm2_5, "pm10": pm10}[p.key] for p in group.layout])


class QuietLine:
    """A line in virtual time: what is `given` comes at once, else nothing does."""

    name = "quiet"

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self.given = b""
        self.fault: DriverError | None = None

    async def open(self) -> None:
        if self.fault is not None:
            raise self.fault

    def write(self, data: bytes) -> None:
        pass

    async def wait(self, seconds: float) -> bool:
        if not self.given:
            await self._clock.sleep(seconds)
        return bool(self.given)

    def take(self) -> bytes:
        data, self.given = self.given, b""
        return data

    def discard(self) -> int:
        return len(self.take())

    def close(self) -> None:
        pass


@asynccontextmanager
async def running(streamer: DeviceStreamer, submit: Callable[[Reading], None]) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(streamer.run(submit))
        yield
        task.cancel()


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(400):
        if condition():
            return
        await SystemClock().sleep(0.01)
    pytest.fail("did not come within 4 s")


async def test_frames_on_a_real_line_become_records_whatever_noise_is_between(tmp_path: Path) -> None:
    device = PtyLine(tmp_path / "port", lambda _: [])
    profile = load_profile("nova/sds011")
    line = ByteLine(SerialPort(str(device.path), profile.line), SystemClock())
    streamer, health = streamer_of(profile, line, SystemClock(), period_s=0)
    readings: list[Reading] = []
    first, second = PRINTED, RECORDED
    async with running(streamer, readings.append):
        await SystemClock().sleep(0.2)
        device.send(b"\x00\x11" + first[:4])
        await SystemClock().sleep(0.02)
        device.send(first[4:] + second[:-2] + b"\x00\xab" + second)
        await until(lambda: len(readings) == 2)
    line.close()
    device.unplug()
    assert [[value.number for value in reading.values] for reading in readings] == [[123.6, 261.8], [0.6, 0.6]]
    assert sum(count for kind, count in health.errors.items() if kind.startswith("bad frame")) == 1


async def test_a_stream_goes_on_after_its_port_was_unplugged(tmp_path: Path) -> None:
    device = PtyLine(tmp_path / "port", lambda _: [])
    profile = load_profile("nova/sds011")
    line = ByteLine(SerialPort(str(device.path), profile.line), SystemClock())
    streamer, health = streamer_of(profile, line, SystemClock(), period_s=0)
    readings: list[Reading] = []
    async with running(streamer, readings.append):
        await SystemClock().sleep(0.2)
        device.send(particles(1.0, 2.0))
        await until(lambda: len(readings) == 1)
        device.unplug()
        await until(lambda: health.errors[DriverFault.GONE] > 0)
        device.plug()
        for _ in range(60):
            device.send(particles(3.0, 4.0))
            await SystemClock().sleep(0.05)
            if len(readings) > 1:
                break
    line.close()
    device.unplug()
    assert [value.number for value in readings[-1].values] == [3.0, 4.0]


async def test_a_queue_of_events_is_emptied_by_asking_again(tmp_path: Path) -> None:
    profile = load_profile("wavetronix/ss125")
    assert profile.serial is not None
    responder = SerialResponder(profile, 2)
    lanes = [1.0, 2.0, 3.0]

    def answer(request: bytes) -> list[tuple[float, bytes]]:
        values = {point.key: 1.0 for point in profile.groups[0].layout}
        return [
            (0.0, responder.reply(asked, values | {"lane": lanes.pop(0)} if lanes else None))
            for asked in responder.feed(request)
        ]

    device = PtyLine(tmp_path / "port", answer, request_bytes=15)
    line = ByteLine(SerialPort(str(device.path), profile.line), SystemClock())
    streamer, health = streamer_of(profile, line, SystemClock(), period_s=0.2, address=2)
    readings: list[Reading] = []
    async with running(streamer, readings.append):
        await until(lambda: len(device.requests) >= 5)
    line.close()
    device.unplug()
    assert [reading.values[0].number for reading in readings] == [1.0, 2.0, 3.0]
    assert not health.errors


async def test_a_question_sent_back_is_no_answer_and_the_line_behind_it_is(tmp_path: Path) -> None:
    def answer(request: bytes) -> list[tuple[float, bytes]]:
        return [(0.0, request[:5]), (0.02, request[5:] + b"\n771"), (0.02, b"2,22.30,36.15,19.81,4.98\r\n")]

    device = PtyLine(tmp_path / "port", answer, request_bytes=len("GetAllMeasurements!\r"))
    profile = load_profile("truebner/smt100")
    line = ByteLine(SerialPort(str(device.path), profile.line), SystemClock())
    streamer, health = streamer_of(profile, line, SystemClock(), period_s=1)
    readings: list[Reading] = []
    async with running(streamer, readings.append):
        await until(lambda: bool(readings))
    line.close()
    device.unplug()
    assert [value.number for value in readings[0].values] == [7712, 22.3, 36.15, 19.81, 4.98]
    assert health.errors == {}


async def test_half_a_line_at_the_beginning_of_a_stream_is_no_reading() -> None:
    """What is left of 32750000,8492000,... may look like a line of its own."""
    clock = ManualClock()
    line = QuietLine(clock)
    streamer, health = streamer_of(load_profile("piera/ips-7100"), line, clock, period_s=0)
    readings: list[Reading] = []
    masses = b",8492000,4520500,428500,11500,780,268,0.27,0.21,0.69,0.90,0.95,0.98,1.86\r\n"
    async with running(streamer, readings.append):
        line.given = b"0" + masses + b"32750000" + masses
        await clock.advance(1.0)
    assert [reading.values[0].number for reading in readings] == [32750000]
    assert health.errors == {}


async def test_of_a_fast_stream_one_sample_a_period_is_kept_the_newest() -> None:
    clock = ManualClock()
    line = QuietLine(clock)
    streamer, _ = streamer_of(load_profile("nova/sds011"), line, clock, period_s=10)
    readings: list[Reading] = []
    async with running(streamer, readings.append):
        for second in range(60):
            line.given += particles(second / 10, 1.0)
            await clock.advance(1.0)
    assert 6 <= len(readings) <= 7
    times = [reading.time_ms for reading in readings]
    assert all(later - earlier == 10_000 for earlier, later in pairwise(times[1:]))


async def test_silence_is_recorded_at_growing_intervals_up_to_a_minute() -> None:
    clock = ManualClock()
    line = QuietLine(clock)
    streamer, health = streamer_of(load_profile("nova/sds011"), line, clock, period_s=1)
    readings: list[Reading] = []
    async with running(streamer, readings.append):
        line.given = particles(1.0, 2.0)
        await clock.advance(400)
    silent = [reading for reading in readings if reading.values[0].number is None]
    gaps = [(later.time_ms - one.time_ms) / 1000 for one, later in pairwise(silent)]
    assert health.is_silent
    assert {value.quality for reading in silent for value in reading.values} == {Quality.TIMEOUT}
    assert gaps == sorted(gaps)
    assert 60 <= gaps[-1] <= 61
    assert 5 <= (silent[0].time_ms - readings[0].time_ms) / 1000 <= 7


async def test_a_line_that_is_away_is_silence_too_and_says_why() -> None:
    clock = ManualClock()
    line = QuietLine(clock)
    line.fault = DriverError(DriverFault.GONE, "quiet: no such port")
    streamer, health = streamer_of(load_profile("nova/sds011"), line, clock, period_s=1)
    readings: list[Reading] = []
    async with running(streamer, readings.append):
        await clock.advance(10)
    assert readings
    assert health.is_silent
    assert health.errors[DriverFault.GONE] >= 5
