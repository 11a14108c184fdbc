"""The wires of simulated devices: pty pairs as serial lines, and TCP endpoints, with devices answering on them."""

import asyncio
import fcntl
import os
import struct
import termios
import tty
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

from device_profiles.modbus import ReplyError
from device_profiles.modbus_frames import rtu_request_bytes, tcp_frame_bytes
from device_profiles.simulate import ModbusResponder
from device_profiles.simulator.faults import Piece

_READ_BYTES: Final = 4096
# What a gateway that listens never leaves unread; beyond it the line is one that nobody listens to.
_UNHEARD_BYTES: Final = 2048
_BITS_PER_BYTE: Final = 11


class Answers(Protocol):
    """Devices behind one line or connection: bytes in, replies out."""

    def feed(self, data: bytes) -> list[Piece]:
        """Take the next bytes; return the replies to the requests that they completed."""


class RtuAnswers:
    """Modbus devices on one serial line."""

    def __init__(self, devices: Sequence[ModbusResponder]) -> None:
        self._devices = devices
        self._pending = b""

    def feed(self, data: bytes) -> list[Piece]:
        """Take the next bytes. After damage the rest is thrown away: the next request comes after a silence."""
        self._pending += data
        replies: list[Piece] = []
        while (need := rtu_request_bytes(self._pending)) is not None and len(self._pending) >= need:
            frame, self._pending = self._pending[:need], self._pending[need:]
            found = [Piece(reply) for device in self._devices if (reply := device.answer_rtu(frame)) is not None]
            if not found:
                self._pending = b""
            replies += found
        return replies


class TcpAnswers:
    """Modbus devices behind one TCP connection."""

    def __init__(self, devices: Sequence[ModbusResponder]) -> None:
        self._devices = devices
        self._pending = b""

    def feed(self, data: bytes) -> list[Piece]:
        """Take the next bytes.

        Raises:
            ReplyError: this is no Modbus TCP; the connection is of no more use.
        """
        self._pending += data
        replies: list[Piece] = []
        while (need := tcp_frame_bytes(self._pending)) is not None and len(self._pending) >= need:
            frame, self._pending = self._pending[:need], self._pending[need:]
            replies += [Piece(reply) for device in self._devices if (reply := device.answer_tcp(frame)) is not None]
        return replies


class PtyLine:
    """One serial line: devices at this end, and at the other a port with a stable name."""

    def __init__(self, name: Path, *, baud: int, answers: Answers | None = None) -> None:
        """Make the pair and its name, and begin to answer.

        Raises:
            OSError: there are no more ptys, or the name cannot be made.
        """
        self._name = name
        self._byte_s = _BITS_PER_BYTE / baud
        self._answers = answers
        self._ours, self._theirs = os.openpty()  # theirs stays open: a line has two ends also when nobody listens
        tty.setraw(self._theirs)
        os.set_blocking(self._ours, False)
        name.unlink(missing_ok=True)
        name.symlink_to(os.ttyname(self._theirs))
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._ours, self._heard)

    def send(self, data: bytes) -> None:
        """Put bytes on the line. Where nobody has listened for long, they and what was there are gone, as on a wire."""
        (unread,) = struct.unpack("i", fcntl.ioctl(self._theirs, termios.FIONREAD, b"\0\0\0\0"))
        if unread > _UNHEARD_BYTES:
            termios.tcflush(self._theirs, termios.TCIFLUSH)
        with suppress(BlockingIOError):
            os.write(self._ours, data)

    def close(self) -> None:
        """End the line: a gateway sees its port go."""
        self._name.unlink(missing_ok=True)
        self._loop.remove_reader(self._ours)
        os.close(self._ours)
        os.close(self._theirs)

    def _heard(self) -> None:
        try:
            data = os.read(self._ours, _READ_BYTES)
        except BlockingIOError:
            return
        on_the_wire_s = len(data) * self._byte_s
        for reply in self._answers.feed(data) if self._answers else ():
            on_the_wire_s += len(reply.data) * self._byte_s
            self._loop.call_later(on_the_wire_s + reply.after_s, self._reply, reply.data)

    def _reply(self, reply: bytes) -> None:
        with suppress(OSError):  # closed meanwhile
            self.send(reply)


class _Connection(asyncio.Protocol):
    """One gateway at a TCP endpoint. `byte_s` is how long a byte takes on the serial line behind it."""

    def __init__(self, answers: Answers, byte_s: float, gone: "Callable[[_Connection], None]") -> None:
        self._answers = answers
        self._byte_s = byte_s
        self._gone = gone
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        if isinstance(transport, asyncio.Transport):
            self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer; close on what is no Modbus."""
        if self._transport is None:
            return
        try:
            replies = self._answers.feed(data)
        except ReplyError:
            self._transport.close()
            return
        on_the_wire_s = len(data) * self._byte_s
        for reply in replies:
            on_the_wire_s += len(reply.data) * self._byte_s
            if on_the_wire_s + reply.after_s:
                asyncio.get_running_loop().call_later(on_the_wire_s + reply.after_s, self.send, reply.data)
            else:
                self._transport.write(reply.data)

    def connection_lost(self, _: Exception | None) -> None:
        """Nobody is there any more."""
        self._transport = None
        self._gone(self)

    def send(self, data: bytes) -> None:
        """Say something; to nobody where the connection is lost."""
        if self._transport is not None:
            self._transport.write(data)


class TcpEndpoint:
    """Devices at a TCP port; what they say by themselves everybody hears who is connected.

    Args:
        answers: makes the reader of one connection.
        baud: of the serial line behind the endpoint; None where there is none.
    """

    def __init__(self, answers: Callable[[], Answers], *, baud: int | None = None) -> None:
        self._answers = answers
        self._byte_s = _BITS_PER_BYTE / baud if baud else 0.0
        self._connections: set[_Connection] = set()
        self._server: asyncio.Server | None = None

    async def open(self, host: str, port: int) -> int:
        """Listen; the port it is, which is a free one for 0.

        Raises:
            OSError: it cannot be had.
        """
        self._server = await asyncio.get_running_loop().create_server(self._connection, host, port)
        return port_of(self._server)

    def send(self, data: bytes) -> None:
        """Say something to everybody."""
        for connection in self._connections:
            connection.send(data)

    def close(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()

    def _connection(self) -> _Connection:
        connection = _Connection(self._answers(), self._byte_s, self._connections.discard)
        self._connections.add(connection)
        return connection


async def tcp_endpoint(answers: Callable[[], Answers], *, host: str, baud: int | None = None) -> asyncio.Server:
    """Serve devices on a free port.

    Args:
        answers: makes the reader of one connection.
        host: an address of this machine.
        baud: of the serial line behind the endpoint; None where there is none.

    Raises:
        OSError: no port can be had.
    """
    loop = asyncio.get_running_loop()
    byte_s = _BITS_PER_BYTE / baud if baud else 0.0
    return await loop.create_server(lambda: _Connection(answers(), byte_s, lambda _: None), host, 0)


def port_of(server: asyncio.Server) -> int:
    """The port it listens on."""
    return int(server.sockets[0].getsockname()[1])
