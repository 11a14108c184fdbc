"""Blocks of label TAB value lines, with frames of another protocol between them. Pure."""

from typing import Final

from device_profiles.framing.base import BadFrame, Frame, FrameFault
from device_profiles.serial_framings import BlockFraming, hex_bytes

_CR: Final = 0x0D
_LF: Final = 0x0A


class BlockCutter:
    """Cuts label TAB value blocks, whose bytes up to and with the check byte sum to 0."""

    def __init__(self, framing: BlockFraming) -> None:
        self._framing = framing
        self._end = b"\r\n" + framing.end_label.encode() + b"\t"
        self._interleaved = hex_bytes(framing.interleaved)[0] if framing.interleaved else None
        # Changed by feed and give_up only.
        self._block = bytearray()
        self._interleaving = False
        self.garbage_bytes = 0

    def feed(self, data: bytes) -> list[Frame | BadFrame]:
        """Take the next bytes; return what they completed, in order."""
        found: list[Frame | BadFrame] = []
        for byte in data:
            verdict = self._take(byte)
            if verdict is not None:
                found.append(verdict)
        return found

    def give_up(self) -> list[Frame | BadFrame]:
        """Cut the unfinished block; nothing can stand behind it."""
        cut: list[Frame | BadFrame] = [self._bad(FrameFault.CUT)] if self._block else []
        self._interleaving = False
        return cut

    def _take(self, byte: int) -> Frame | BadFrame | None:
        if self._interleaving:
            self._interleaving = byte != _LF
            return None
        block = self._block
        if block.endswith(self._end):
            block.append(byte)
            return self._verdict()
        if byte == self._interleaved:
            self._interleaving = True
        elif block or byte == _CR:
            block.append(byte)
            if len(block) > self._framing.max_length:
                return self._bad(FrameFault.LENGTH)
        else:
            self.garbage_bytes += 1
        return None

    def _verdict(self) -> Frame | BadFrame:
        raw = bytes(self._block)
        if sum(raw) & 0xFF:
            return self._bad(FrameFault.CHECK)
        labels = _labels(raw[: -len(self._end) - 1])
        if labels is None:
            return self._bad(FrameFault.FORM)
        self._block.clear()
        return Frame(raw=raw, labels=labels)

    def _bad(self, fault: FrameFault) -> BadFrame:
        self.garbage_bytes += len(self._block)
        self._block.clear()
        return BadFrame(fault)


def _labels(text: bytes) -> dict[str, str] | None:
    """The labels of a block's lines; None where a line is no label TAB value, or a label stands twice."""
    if not text:
        return {}
    lines = [line.split("\t") for line in text.decode("latin-1").removeprefix("\r\n").split("\r\n")]
    labels = {line[0]: line[1] for line in lines if len(line) == 2 and line[0]}  # noqa: PLR2004 - label and value
    return labels if len(labels) == len(lines) else None
