"""What goes wrong with the answers of a simulated device, on demand. Pure.

I1. Without a fault an answer is said as it is, at once; with one, each `every`-th is spoiled and the others are not.
"""

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

_NOISE_BYTES: Final = 12
_GARBAGE_BYTES: Final = 3
_MS: Final = 1000
_HIGHEST_CODE: Final = 127
_SPOKEN: Final = re.compile(
    r"(?P<kind>[a-z]+)(?:\s+(?P<number>\d+)\s*(?P<unit>ms|s)?)?(?:\s+every\s+(?P<every>[1-9]\d*))?", re.ASCII
)


class FaultError(ValueError):
    """A fault that cannot be: the text says what was found and what is expected."""


class FaultKind(StrEnum):
    """What goes wrong."""

    NONE = "none"
    SILENCE = "silence"  # no answer
    NOISE = "noise"  # random bytes instead of the answer
    CRC = "crc"  # one bit of the answer is wrong
    HALF = "half"  # the answer ends in the middle
    GARBAGE = "garbage"  # a few random bytes before a good answer
    LATE = "late"  # the answer comes after a while
    FOREIGN = "foreign"  # the answer of another unit (Modbus)
    EXCEPTION = "exception"  # the device refuses, with a code (Modbus)

    @property
    def is_modbus(self) -> bool:
        """Whether only Modbus devices have it."""
        return self in {FaultKind.FOREIGN, FaultKind.EXCEPTION}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A fault: `late_s` and `code` are for its kind, `every` says that only each so many-th answer has it."""

    kind: FaultKind = FaultKind.NONE
    late_s: float = 0.5
    code: int = 4
    every: int = 1


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes that a device says, and how long it waits before."""

    data: bytes
    after_s: float = 0.0


def parse_fault(text: str) -> Fault:
    """A fault as a person says it: `silence`, `late 500ms`, `exception 2`, `crc every 5`.

    Raises:
        FaultError: it is none.
    """
    said = _SPOKEN.fullmatch(text.strip().lower())
    if said is None or said["kind"] not in set(FaultKind):
        expected = ", ".join(FaultKind)
        raise FaultError(
            f"fault {text!r}: expected one of {expected}; as in `late 500ms`, `exception 2`, `crc every 5`"
        )
    kind, every = FaultKind(said["kind"]), int(said["every"] or 1)
    number = None if said["number"] is None else int(said["number"])
    if kind is FaultKind.LATE:
        scale = 1 if said["unit"] == "s" else _MS
        return Fault(kind=kind, every=every, late_s=0.5 if number is None else number / scale)
    if kind is FaultKind.EXCEPTION and said["unit"] is None:
        code = 4 if number is None else number
        if not 1 <= code <= _HIGHEST_CODE:
            raise FaultError(f"fault {text!r}: expected an exception code of 1 to 127")
        return Fault(kind=kind, every=every, code=code)
    if number is not None:
        raise FaultError(f"fault {text!r}: {kind} takes no number")
    return Fault(kind=kind, every=every)


class Spoiler:
    """Spoils answers.

    Args:
        chance: where noise and wrong bits come from.
    """

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self.fault = Fault()
        # Changed by said only.
        self._answers = 0

    def said(self, answer: bytes, *, other: Callable[[Fault], bytes] | None = None) -> tuple[Piece, ...]:
        """What the device says instead of an answer.

        Args:
            answer: as it should be.
            other: makes the answer of a Modbus device that refuses, or of another unit.
        """
        self._answers += 1
        fault = self.fault
        if self._answers % fault.every:
            return (Piece(answer),)
        if fault.kind is FaultKind.SILENCE:
            return ()
        if fault.kind is FaultKind.LATE:
            return (Piece(answer, fault.late_s),)
        if fault.kind.is_modbus and other is not None:
            return (Piece(other(fault)),)
        return (Piece(self._spoiled(answer, fault.kind)),)

    def _spoiled(self, answer: bytes, kind: FaultKind) -> bytes:
        if kind is FaultKind.NOISE:
            return self._chance.randbytes(_NOISE_BYTES)
        if kind is FaultKind.GARBAGE:
            return self._chance.randbytes(_GARBAGE_BYTES) + answer
        if kind is FaultKind.HALF:
            return answer[: max(1, len(answer) // 2)]
        return self._one_bit_wrong(answer) if kind is FaultKind.CRC else answer

    def _one_bit_wrong(self, answer: bytes) -> bytes:
        """A bit behind the first bytes, which say whose answer it is: the check must find it."""
        wrong = bytearray(answer)
        if wrong:
            wrong[self._chance.randrange(len(wrong) // 2, len(wrong))] ^= 1 << self._chance.randrange(8)
        return bytes(wrong)
