"""A bus in memory with devices of profiles on it, in the time of a clock that tests move: silence costs its timeout."""

from collections.abc import Mapping

from device_profiles.modbus import Order, Question, ReplyError, Request
from device_profiles.modbus_frames import parse_rtu_reply, rtu_good_reply_bytes, rtu_request
from device_profiles.simulate import ModbusResponder
from edge.drivers.base import Answer, DriverError, DriverFault
from tests.support.fake_clock import FakeClock


class RespondingBus:
    """`latencies_s` by unit; one of an absent unit, or above the timeout, is silence."""

    def __init__(
        self, responders: Mapping[int, ModbusResponder], clock: FakeClock, *, baud: int = 9600, latency_s: float = 0.01
    ) -> None:
        self._responders = responders
        self._clock = clock
        self._character_s = 11 / baud
        self._latency_s = latency_s
        self.asked: list[tuple[int, Request]] = []

    async def read(
        self, unit: int, request: Question, *, timeout_s: float, turnaround_s: float, late_s: float | None = None
    ) -> Answer:
        del late_s
        self.asked.append((unit, request))
        frame = rtu_request(unit, request)
        responder = self._responders.get(unit)
        reply = None if responder is None else responder.answer_rtu(frame)
        if reply is None:
            whole = len(frame) + rtu_good_reply_bytes(request) + 7
            self._clock.advance(timeout_s + whole * self._character_s)
            raise DriverError(DriverFault.TIMEOUT, "no answer")
        self._clock.advance(self._latency_s + (len(frame) + len(reply) + 7) * self._character_s + turnaround_s)
        try:
            values = parse_rtu_reply(unit, request, reply)
        except ReplyError as error:
            raise DriverError(DriverFault(error.kind), str(error), code=error.code, raw=reply) from error
        return Answer(values=values, time_ms=self._clock.now_ms(), raw=reply, latency_s=self._latency_s)

    async def write(self, unit: int, request: Order, *, timeout_s: float, turnaround_s: float) -> Answer:
        raise AssertionError(f"nothing may be written, but unit {unit} was to be: {request} {timeout_s} {turnaround_s}")

    def quiet_until_s(self, unit: int, request: Request) -> float:
        del unit, request
        return 0.0

    async def close(self) -> None:
        return
