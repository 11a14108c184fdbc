"""What readers may expect of a bus or a line, and the one kind of error it raises."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from device_profiles.modbus import Order, Question, Request


class DriverFault(StrEnum):
    """Why there is no answer, as it is counted."""

    TIMEOUT = "timeout"
    EXCEPTION = "exception"
    GARBLED = "garbled"
    FOREIGN = "foreign"
    GONE = "gone"
    REFUSED = "refused"


class DriverError(Exception):
    """No answer: what, where, and what to do.

    `code` is the device's exception code where it refused; `raw` is what came instead of a good answer.
    """

    def __init__(self, kind: DriverFault, text: str, *, code: int | None = None, raw: bytes = b"") -> None:
        super().__init__(text)
        self.kind = kind
        self.code = code
        self.raw = raw


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A good answer: registers 0..65535 or bits 0 and 1, the UTC time of its last byte, and its whole frame.

    `latency_s` is how long the device took before it began, as far as the line's speed tells.
    """

    values: tuple[int, ...]
    time_ms: int
    raw: bytes
    latency_s: float = 0.0


class RegisterBus(Protocol):
    """A bus with Modbus devices. Requests wait for each other, in the order they came."""

    async def read(
        self, unit: int, request: Question, *, timeout_s: float, turnaround_s: float, late_s: float | None = None
    ) -> Answer:
        """Ask one device once.

        Args:
            unit: the device's address.
            request: what to read.
            timeout_s: how long the answer may take to begin, beyond the time that the bytes take on the line.
            turnaround_s: the pause the device needs between its answer and the next request on the bus.
            late_s: how long after the timeout the answer may still come; as long again as the timeout without it.

        Raises:
            DriverError: no good answer.
        """
        ...

    async def write(self, unit: int, request: Order, *, timeout_s: float, turnaround_s: float) -> Answer:
        """Tell one device once; see `read`. Without a good answer nobody knows whether the device obeyed.

        Raises:
            DriverError: no good answer.
        """
        ...

    def quiet_until_s(self, unit: int, request: Request) -> float:
        """Until when an earlier answer of this unit may still come that would be taken for the one to this request."""
        ...

    async def close(self) -> None:
        """Let the port or the connection go."""
        ...


class ByteStream(Protocol):
    """A line on which one device speaks its own protocol. For one reader."""

    @property
    def name(self) -> str:
        """The port or the endpoint, for messages."""
        ...

    async def open(self) -> None:
        """Be open: at once if it is; else try, unless the pause after the last attempt is still running.

        Raises:
            DriverError: it is not open.
        """
        ...

    def write(self, data: bytes) -> None:
        """Send without waiting.

        Raises:
            DriverError: it is not open.
        """
        ...

    async def wait(self, seconds: float) -> bool:
        """Wait for bytes, at most so long; whether there are any.

        Raises:
            DriverError: it was lost.
        """
        ...

    def take(self) -> bytes:
        """All bytes that are here; they are here no more."""
        ...

    def discard(self) -> int:
        """Throw away what is here; how many bytes that was."""
        ...

    def close(self) -> None:
        """Let it go; `open` opens it again."""
        ...


class Tap(Protocol):
    """Sees what comes and goes on a line; must not wait."""

    def sent(self, data: bytes) -> None:
        """These bytes were given to the line."""
        ...

    def heard(self, data: bytes) -> None:
        """These bytes came, in one piece as the system gave them."""
        ...
