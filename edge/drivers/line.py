"""A line that carries bytes and comes back after it was lost: a serial port, or a TCP connection.

I1. Between two attempts to open there is a pause that grows from 0.2 s to 5 s, and begins anew after bytes came.
I2. Bytes wait here until they are taken, within a bound; bytes of a connection that was lost are gone with it.
"""

import asyncio
import errno
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

import serialx

from device_profiles.point_model import Line as LineSettings
from edge.clock import Clock
from edge.drivers.base import DriverError, DriverFault, Tap

_FIRST_PAUSE_S: Final = 0.2
_LONGEST_PAUSE_S: Final = 5.0
_OPEN_S: Final = 5.0
_MAX_BUFFER: Final = 64 * 1024
_AWAY: Final = {errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.EIO}


class Endpoint(Protocol):
    """Where a line goes."""

    @property
    def name(self) -> str:
        """For messages."""
        ...

    async def connect(self, protocol: asyncio.Protocol) -> asyncio.WriteTransport:
        """Open it once.

        Raises:
            DriverError: it cannot be opened.
        """
        ...


@dataclass(frozen=True, slots=True)
class SerialPort:
    """A serial port of this machine. One below /dev/serial/by-id keeps its name when adapters change places."""

    port: str
    settings: LineSettings

    @property
    def name(self) -> str:
        """For messages."""
        return self.port

    async def connect(self, protocol: asyncio.Protocol) -> asyncio.WriteTransport:
        """Open it, for this process alone; see `Endpoint.connect`."""
        try:
            async with asyncio.timeout(_OPEN_S):
                transport, _ = await serialx.create_serial_connection(
                    asyncio.get_running_loop(),
                    lambda: protocol,
                    self.port,
                    self.settings.baud,
                    parity=serialx.Parity(self.settings.parity.value),
                    stopbits=serialx.StopBits(self.settings.stop_bits),
                    byte_size=self.settings.data_bits,
                )
        except (OSError, serialx.SerialException, ValueError) as error:
            raise _refused(self.port, error) from error
        return transport


@dataclass(frozen=True, slots=True)
class TcpEndpoint:
    """A TCP endpoint: a Modbus TCP device, or a serial device server."""

    host: str
    port: int

    @property
    def name(self) -> str:
        """For messages."""
        return f"{self.host}:{self.port}"

    async def connect(self, protocol: asyncio.Protocol) -> asyncio.WriteTransport:
        """Open it; see `Endpoint.connect`."""
        try:
            async with asyncio.timeout(_OPEN_S):
                transport, _ = await asyncio.get_running_loop().create_connection(
                    lambda: protocol, self.host, self.port
                )
        except TimeoutError as error:
            raise DriverError(
                DriverFault.GONE, f"{self.name}: no connection within {_OPEN_S:g} s; is it on?"
            ) from error
        except ConnectionRefusedError as error:
            text = f"{self.name}: nothing listens there; check the address and that the device serves this port"
            raise DriverError(DriverFault.GONE, text) from error
        except socket.gaierror as error:
            text = f"{self.name}: unknown host; check the name or give an address"
            raise DriverError(DriverFault.GONE, text) from error
        except OSError as error:
            text = f"{self.name}: {error.strerror or error}; check the address and the network"
            raise DriverError(DriverFault.GONE, text) from error
        return transport


class ByteLine:
    """One line to an endpoint. For one user at a time.

    Args:
        endpoint: where it goes.
        clock: the agent's clock.
        tap: sees all that comes and goes, where somebody wants to know.
    """

    def __init__(self, endpoint: Endpoint, clock: Clock, *, tap: Tap | None = None) -> None:
        self._endpoint = endpoint
        self._clock = clock
        self._tap = tap
        # Changed by the user's calls and the transport's callbacks, all on the event loop.
        self._transport: asyncio.WriteTransport | None = None
        self._connection: _Connection | None = None
        self._buffer = bytearray()
        self._arrived: asyncio.Future[None] | None = None
        self._trouble: DriverError | None = None
        self._on_change: Callable[[], None] | None = None
        self._pause_s = _FIRST_PAUSE_S
        self._try_at_s = 0.0

    @property
    def name(self) -> str:
        """The port or the endpoint, for messages."""
        return self._endpoint.name

    @property
    def is_open(self) -> bool:
        """Whether bytes may come and go."""
        return self._transport is not None

    @property
    def trouble(self) -> DriverError:
        """Why it is not open."""
        if self._trouble is not None:
            return DriverError(self._trouble.kind, str(self._trouble))
        return DriverError(DriverFault.GONE, f"{self.name}: not open")

    def watch(self, on_change: Callable[[], None]) -> None:
        """Have it told whenever bytes have come or the line has gone: for a user who waits for several things."""
        self._on_change = on_change

    async def open(self) -> None:
        """Be open: at once if it is; else try, unless the pause after the last attempt is still running.

        Raises:
            DriverError: it is not open.
        """
        if self._transport is not None:
            return
        if self._trouble is not None and self._clock.monotonic_s() < self._try_at_s:
            raise self.trouble
        self._buffer.clear()
        connection = self._connection = _Connection(self)
        try:
            transport = await self._endpoint.connect(connection)
        except DriverError as error:
            self._note_trouble(error)
            raise
        if connection.is_lost:
            transport.abort()
            raise DriverError(DriverFault.GONE, f"{self.name}: lost while it was opened; check the cable")
        self._transport = transport
        self._trouble = None

    def write(self, data: bytes) -> None:
        """Send without waiting.

        Raises:
            DriverError: it is not open.
        """
        if self._transport is None:
            raise self.trouble
        if self._tap is not None:
            self._tap.sent(data)
        try:
            self._transport.write(data)
        except OSError as error:
            self.close()
            self._note_trouble(DriverError(DriverFault.GONE, f"{self.name}: lost ({error}); check the cable"))
            raise self.trouble from error

    async def receive(self, length: Callable[[bytes], int | None], *, timeout_s: float) -> bytes:
        """The next frame, or on a timeout what there is of it: perhaps nothing.

        Args:
            length: how long the frame is that begins with these bytes; None while they are too few to tell.
            timeout_s: how long to wait for all of it.

        Raises:
            DriverError: it was lost.
        """
        deadline_s = self._clock.monotonic_s() + timeout_s
        while True:
            expected = length(bytes(self._buffer))
            if expected is not None and len(self._buffer) >= expected:
                frame = bytes(self._buffer[:expected])
                del self._buffer[:expected]
                return frame
            if not await self._more(deadline_s - self._clock.monotonic_s()):
                return self.take()

    async def silence(self, seconds: float, *, at_most_s: float) -> int:
        """Throw away what comes until nothing comes for so long; how many bytes that was.

        Raises:
            DriverError: it was lost.
        """
        deadline_s = self._clock.monotonic_s() + at_most_s
        thrown = self.discard()
        while self._clock.monotonic_s() < deadline_s and await self._more(seconds):
            thrown += self.discard()
        return thrown

    async def wait(self, seconds: float) -> bool:
        """Wait for bytes, at most so long; whether there are any.

        Raises:
            DriverError: it was lost.
        """
        return bool(self._buffer) or await self._more(seconds)

    def take(self) -> bytes:
        """All bytes that are here; they are here no more."""
        data = bytes(self._buffer)
        self._buffer.clear()
        return data

    def discard(self) -> int:
        """Throw away what is here; how many bytes that was."""
        count = len(self._buffer)
        self._buffer.clear()
        return count

    def close(self) -> None:
        """Let it go; `open` opens it again."""
        transport, self._transport = self._transport, None
        self._connection = None
        if transport is not None:
            transport.abort()
        self._buffer.clear()
        self._notify()

    def received(self, connection: asyncio.Protocol, data: bytes) -> None:
        """Take bytes from a connection; those of an earlier one are nobody's."""
        if connection is not self._connection:
            return
        self._pause_s = _FIRST_PAUSE_S
        if self._tap is not None:
            self._tap.heard(data)
        self._buffer += data
        if len(self._buffer) > _MAX_BUFFER:
            del self._buffer[:-_MAX_BUFFER]
        self._notify()

    def lost(self, connection: asyncio.Protocol, error: Exception | None) -> None:
        """Take the end of a connection; that of an earlier one says nothing of the present one."""
        if connection is not self._connection:
            return
        self._transport = None
        self._connection = None
        self._buffer.clear()
        why = str(error) if error else "closed by the other side"
        text = f"{self.name}: lost ({why}); it is opened again when it is back"
        self._note_trouble(DriverError(DriverFault.GONE, text))
        self._notify()

    async def _more(self, seconds: float) -> bool:
        """Wait for further bytes; False where none came in time. The timer costs less than `asyncio.wait_for`."""
        if self._transport is None:
            raise self.trouble
        if seconds <= 0:
            return False
        before = len(self._buffer)
        loop = asyncio.get_running_loop()
        self._arrived = loop.create_future()
        timer = loop.call_later(seconds, _end, self._arrived)
        try:
            await self._arrived
        finally:
            timer.cancel()
            self._arrived = None
        if self._transport is None:
            raise self.trouble
        return len(self._buffer) > before

    def _notify(self) -> None:
        if self._arrived is not None:
            _end(self._arrived)
        if self._on_change is not None:
            self._on_change()

    def _note_trouble(self, error: DriverError) -> None:
        self._trouble = error
        self._try_at_s = self._clock.monotonic_s() + self._pause_s
        self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)


class _Connection(asyncio.Protocol):
    """One opening of a line: its end may be told long after the line was opened anew."""

    def __init__(self, line: ByteLine) -> None:
        self._line = line
        self.is_lost = False

    def data_received(self, data: bytes) -> None:
        self._line.received(self, data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost = True
        self._line.lost(self, exc)


def _end(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _refused(port: str, error: Exception) -> DriverError:
    number = error.errno if isinstance(error, OSError) else None
    if isinstance(error, PermissionError):
        text = "permission denied; add the user to the group that owns it, usually `sudo adduser $USER dialout`"
        return DriverError(DriverFault.REFUSED, f"{port}: {text}, and log in again")
    if isinstance(error, TimeoutError):
        return DriverError(DriverFault.GONE, f"{port}: did not open within {_OPEN_S:g} s; unplug the adapter")
    if number in _AWAY:
        text = f"{port}: no such port; is the adapter plugged in? see ls /dev/serial/by-id"
        return DriverError(DriverFault.GONE, text)
    if number == errno.EBUSY:
        return DriverError(DriverFault.REFUSED, f"{port}: another program uses it; end that program")
    if number == errno.ENOTTY:
        return DriverError(DriverFault.REFUSED, f"{port}: no serial port; check the bus's port in the gateway file")
    return DriverError(DriverFault.REFUSED, f"{port}: cannot be opened ({error}); check the line settings")
