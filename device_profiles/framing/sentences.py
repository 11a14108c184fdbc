"""NMEA 0183 sentences, on a line that may carry other things. Pure."""

from typing import Final

from device_profiles.checks import xor_of
from device_profiles.framing.base import BadFrame, Frame, FrameFault
from device_profiles.serial_framings import SentenceFraming

_CR: Final = 0x0D
_LF: Final = 0x0A
_ASCII_END: Final = 0x7F
# NMEA 0183 4.1, 5.3: talker two characters, formatter three; proprietary sentences begin with P.
_ADDRESS_LENGTH: Final = 5


class SentenceCutter:
    """Cuts NMEA 0183 sentences out of a line that may carry other things."""

    def __init__(self, framing: SentenceFraming) -> None:
        self._max_length = framing.max_length
        # Changed by feed and give_up only.
        self._pending = bytearray()
        self.garbage_bytes = 0

    def feed(self, data: bytes) -> list[Frame | BadFrame]:
        """Take the next bytes; return what they completed, in order."""
        self._pending += data
        found: list[Frame | BadFrame] = []
        at = 0
        while (start := self._pending.find(b"$", at)) >= 0:
            self._drop(at, start)
            at = start
            stop = self._stop(start)
            if stop is None:
                break
            found.append(self._sentence(start, stop))
            at = stop
            if isinstance(found[-1], BadFrame):
                self._drop(start, stop)
        else:
            self._drop(at, len(self._pending))
            at = len(self._pending)
        del self._pending[:at]
        return found

    def give_up(self) -> list[Frame | BadFrame]:
        """Cut the unfinished sentence; nothing can stand behind it."""
        cut: list[Frame | BadFrame] = [BadFrame(FrameFault.CUT)] if self._pending else []
        self._drop(0, len(self._pending))
        self._pending.clear()
        return cut

    def _stop(self, start: int) -> int | None:
        """Where a sentence that began at `start` ends: at its line end, the next $, or its greatest length."""
        limit = start + self._max_length
        stops = [at for mark in (b"\r", b"\n", b"$") if (at := self._pending.find(mark, start + 1, limit)) >= 0]
        if stops:
            return min(stops)
        return limit if len(self._pending) >= limit else None

    def _sentence(self, start: int, stop: int) -> Frame | BadFrame:
        raw = bytes(self._pending[start:stop])
        if stop == start + self._max_length:
            return BadFrame(FrameFault.LENGTH)
        if self._pending[stop] not in {_CR, _LF}:
            return BadFrame(FrameFault.CUT)
        body, star, digits = raw[1:].rpartition(b"*")
        digits = digits.rstrip()
        if not star:
            return BadFrame(FrameFault.FORM)
        if digits.upper() != b"%02X" % xor_of(body):
            return BadFrame(FrameFault.CHECK)
        if max(body, default=0) > _ASCII_END:
            return BadFrame(FrameFault.FORM)
        address, *fields = body.decode("ascii").split(",")
        return Frame(raw=raw, fields=(formatter(address), *fields))

    def _drop(self, start: int, stop: int) -> None:
        """Count garbage; line ends between sentences are none."""
        dropped = self._pending[start:stop]
        self.garbage_bytes += len(dropped) - dropped.count(b"\r") - dropped.count(b"\n")


def formatter(address: str) -> str:
    """The formatter of a sentence's address (RMC of GPRMC); a proprietary address stands for itself."""
    return address[2:] if len(address) == _ADDRESS_LENGTH and not address.startswith("P") else address
