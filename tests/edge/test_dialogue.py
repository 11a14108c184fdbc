"""Devices that must be woken, started and acknowledged before they answer, in virtual time."""

from collections.abc import Callable, Mapping

from device_profiles.asking import request_bytes
from device_profiles.library import load_profile
from device_profiles.simulate_serial import SerialResponder
from edge.drivers.base import DriverFault
from edge.spool.base import Reading
from tests.edge.test_streamer import running, streamer_of
from tests.support.manual_clock import ManualClock
from wire.records import Quality

Answers = Callable[[bytes], bytes]
ADDRESS = 1


class AnsweringLine:
    """A line in virtual time, whose far end answers what is written at once."""

    name = "far"

    def __init__(self, clock: ManualClock, answers: Answers) -> None:
        self._clock = clock
        self.answers = answers
        self.written: list[bytes] = []
        self.given = b""

    async def open(self) -> None:
        pass

    def write(self, data: bytes) -> None:
        self.written.append(data)
        self.given += self.answers(data)

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


def simulated(name: str, values: Mapping[str, float | None]) -> Answers:
    responder = SerialResponder(load_profile(name), ADDRESS)
    return lambda data: b"".join(responder.reply(asked, values) for asked in responder.feed(data))


class Talk:
    """One device of a profile, the line it is on, and what was recorded of it."""

    def __init__(self, name: str, answers: Answers, *, period_s: float = 5.0) -> None:
        self.clock = ManualClock()
        self.line = AnsweringLine(self.clock, answers)
        self.profile = load_profile(name)
        self.streamer, self.health = streamer_of(
            self.profile, self.line, self.clock, period_s=period_s, address=ADDRESS
        )
        self.readings: list[Reading] = []

    async def advance(self, seconds: float) -> None:
        async with running(self.streamer, self.keep):
            await self.clock.advance(seconds)

    def keep(self, reading: Reading) -> None:
        self.readings.append(reading)

    def numbers(self, group: str) -> list[list[float | None]]:
        return [[one.number for one in each.values] for each in self.readings if each.stream.group == group]


WEATHER = {"temperature": 25.0, "pressure_trend": 20.0, "wind_direction": 90.0, "inside_temperature": 20.0}


def console(woken_by: int) -> Answers:
    """A weather console that sleeps until it has heard so many line feeds."""
    profile = load_profile("davis/vantage-pro2")
    assert profile.serial is not None
    values = dict.fromkeys((point.key for group in profile.serial.groups for point in group.points), 1.0)
    answers = simulated("davis/vantage-pro2", values | WEATHER)
    heard: list[bytes] = []

    def answer(data: bytes) -> bytes:
        heard.append(data)
        return answers(data) if len(heard) >= woken_by else b""

    return answer


async def test_a_device_that_sleeps_is_woken_before_it_is_asked() -> None:
    talk = Talk("davis/vantage-pro2", console(woken_by=3), period_s=30)
    await talk.advance(10)
    assert talk.line.written == [b"\n", b"\n", b"\n", b"LOOP 1\n"]
    assert [numbers[4] for numbers in talk.numbers("weather")] == [25.0]
    assert not talk.health.errors


async def test_a_device_that_does_not_wake_is_not_asked() -> None:
    talk = Talk("davis/vantage-pro2", console(woken_by=1000), period_s=30)
    await talk.advance(25)
    assert set(talk.line.written) == {b"\n"}
    assert talk.health.errors[DriverFault.TIMEOUT] >= 1


async def test_an_answer_without_its_acknowledgement_is_none() -> None:
    answers = console(woken_by=1)
    talk = Talk("davis/vantage-pro2", lambda data: answers(data).removeprefix(b"\x06"), period_s=30)
    talk.line.answers = lambda data: answers(data).replace(b"\x06L", b"\x15L")
    await talk.advance(20)
    assert talk.numbers("weather") == []
    assert talk.health.errors[DriverFault.TIMEOUT] >= 1


PARTICLES = dict.fromkeys(
    ("pm1", "pm2_5", "pm4", "pm10", "n_up_to_0_5", "n_up_to_1", "n_up_to_2_5", "n_up_to_4", "n_up_to_10"), 2.0
) | {"particle_size": 0.5}
START = bytes.fromhex("7E 00 00 02 01 03 F9 7E")
STOP = bytes.fromhex("7E 00 01 00 FE 7E")


async def test_a_device_is_started_and_its_values_count_when_it_is_warm() -> None:
    talk = Talk("sensirion/sps30", simulated("sensirion/sps30", PARTICLES), period_s=10)
    await talk.advance(65)
    assert (talk.line.written[0], talk.line.written.count(START)) == (START, 1)
    qualities = [reading.values[0].quality for reading in talk.readings]
    assert qualities == [Quality.WARMING_UP] * 4 + [Quality.GOOD] * 3
    assert talk.numbers("particles")[:4] == [[None] * 10] * 4
    assert talk.line.written[-1] == STOP


async def test_a_device_that_lost_its_power_is_started_again() -> None:
    answers = simulated("sensirion/sps30", PARTICLES)
    is_measuring = False

    def answer(data: bytes) -> bytes:
        nonlocal is_measuring
        is_measuring = is_measuring or data == START
        return answers(data) if is_measuring else bytes.fromhex("7E 00 03 43 00 B9 7E")

    talk = Talk("sensirion/sps30", answer, period_s=10)
    async with running(talk.streamer, talk.keep):
        await talk.clock.advance(45)
        is_measuring = False
        await talk.clock.advance(90)
    assert talk.line.written.count(START) == 2
    assert talk.readings[-1].values[0].number == 2.0
    assert Quality.TIMEOUT in {reading.values[0].quality for reading in talk.readings}


async def test_an_answer_of_several_frames_is_read_whole_and_ends_with_a_silence() -> None:
    keys = [point.key for group in load_profile("daly/bms").groups for point in group.layout]
    values: dict[str, float | None] = {key: None if key.startswith("cell_") else 1.0 for key in keys}
    answers = simulated("daly/bms", values | {"cell_1": 3.01, "cell_2": 3.02, "cell_3": 3.03, "cell_4": 3.04})
    talk = Talk("daly/bms", lambda data: answers(data) if data[2] != 0x95 else answers(data)[:26], period_s=10)
    await talk.advance(8)
    assert talk.numbers("cells_1") == [[3.01, 3.02, 3.03]]
    assert talk.numbers("cells_2") == [[3.04, None, None]]
    assert talk.numbers("cells_3") == []
    assert not talk.health.errors


async def test_a_battery_without_more_cells_does_not_count_as_silent() -> None:
    values = {point.key: 1.0 for group in load_profile("daly/bms").groups for point in group.layout}
    answers = simulated("daly/bms", values)
    talk = Talk("daly/bms", lambda data: answers(data)[:13], period_s=5)
    await talk.advance(100)
    assert len(talk.numbers("cells_1")) >= 18
    assert talk.numbers("cells_2") == []
    assert not talk.health.is_silent


async def test_an_answer_that_names_its_last_frame_is_not_waited_for_longer() -> None:
    profile = load_profile("rtms/g4")
    values = {point.key: 1.0 for group in profile.groups for point in group.layout} | {"period": 60.0}
    talk = Talk("rtms/g4", simulated("rtms/g4", values), period_s=2)
    await talk.advance(7)
    assert talk.numbers("station") == [[1.0, 60.0, 1.0, 1.0]] * 4
    assert talk.numbers("volume") == [[1.0, 1.0]] * 4
    assert not talk.health.errors


VEHICLE = {"speed": 54.0, "class_and_lane": 1.0, "duration": 0.31, "gap": 1.2}


async def test_a_toggle_bit_changes_only_when_an_answer_has_come() -> None:
    responder = SerialResponder(load_profile("adec/tdc3"), ADDRESS)
    sequences: list[int] = []
    losses = [1]

    def answer(data: bytes) -> bytes:
        (asked,) = responder.feed(data)
        sequences.append(asked.sequence)
        if losses and len(sequences) == losses[0]:
            return b""
        return responder.reply(asked, VEHICLE if len(sequences) in {2, 3} else None)

    talk = Talk("adec/tdc3", answer, period_s=1)
    await talk.advance(5)
    assert sequences[:4] == [1, 1, 0, 1]
    assert talk.numbers("vehicle") == [[54.0, 1.0, 0.31, 1.2]] * 2
    assert talk.health.errors[DriverFault.TIMEOUT] == 1


async def test_a_late_answer_to_another_question_is_foreign() -> None:
    profile = load_profile("daly/bms")
    assert profile.serial is not None
    values = {point.key: 1.0 for group in profile.groups for point in group.layout}
    responder = SerialResponder(profile)
    late = next(each.request for each in profile.serial.groups if each.name == "temperatures")
    assert late is not None
    (asked,) = responder.feed(request_bytes(late))
    stale = responder.reply(asked, values)
    answers = simulated("daly/bms", values)
    talk = Talk("daly/bms", lambda data: stale + answers(data) if data[2] == 0x90 else b"", period_s=20)
    await talk.advance(1)
    assert talk.numbers("battery") == [[1.0, 1.0, 1.0]]
    assert talk.numbers("temperatures") == []
    assert talk.health.errors[DriverFault.FOREIGN] == 1


async def test_a_silence_in_a_stream_ends_what_was_begun() -> None:
    """A byte that looks like a header would otherwise swallow the frame behind it."""
    talk = Talk("panasonic/sn-gcja5", lambda _: b"", period_s=0)
    frame = bytes.fromhex("02 07 00 00 00 0C 00 00 00 2C 01 00 00 00 05 02 01 4D 00 00 00 09 00 05 00 01 00 00 00 42")
    check = 0
    for byte in frame[1:]:
        check ^= byte
    async with running(talk.streamer, talk.keep):
        talk.line.given = b"\x02\x07\x00\x00"
        await talk.clock.advance(1)
        talk.line.given = frame + bytes((check, 3))
        await talk.clock.advance(1)
    assert [numbers[:3] for numbers in talk.numbers("particles")] == [[7.0, 12.0, 300.0]]
