"""Modbus devices whose every answer says which one it is, so that a lost, doubled or mixed-up reading has a name.

Counter `k` (0 to 7) of the `n`-th answer of a unit is `n * 8 + k`, as unsigned 32-bit values in input registers
0x003C to 0x004B, high word first.
"""

import os
import selectors
import socket
import threading
import tty
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from device_profiles.modbus import ExceptionCode, ReadRequest, Table
from device_profiles.modbus_frames import (
    parse_rtu_request,
    parse_tcp_request,
    rtu_frame,
    rtu_request_bytes,
    tcp_frame,
    tcp_frame_bytes,
)
from device_profiles.modbus_server import exception_pdu, parse_request_pdu, reply_pdu

FIRST_REGISTER = 0x003C
COUNTERS = 8
_WAIT_S = 0.1


def counters_of(answer: int) -> tuple[int, ...]:
    """What the counters hold in the `answer`-th answer of a unit."""
    return tuple(answer * COUNTERS + k for k in range(COUNTERS))


@dataclass
class CountingUnit:
    """One device; `answers` is how often it has answered a read of its counters."""

    answers: int = 0

    def reply(self, pdu: bytes) -> bytes:
        """The reply to one request."""
        request = parse_request_pdu(pdu)
        if not isinstance(request, ReadRequest):
            return exception_pdu(pdu[0], ExceptionCode.ILLEGAL_FUNCTION)
        end = request.address + request.count
        if request.table is not Table.INPUT or request.address < FIRST_REGISTER or end > FIRST_REGISTER + 2 * COUNTERS:
            return exception_pdu(pdu[0], ExceptionCode.ILLEGAL_ADDRESS)
        self.answers += 1
        words = [word for value in counters_of(self.answers) for word in divmod(value, 0x10000)]
        start = request.address - FIRST_REGISTER
        return reply_pdu(request, tuple(words[start : start + request.count]))


@dataclass
class CountingField:
    """A serial line (a pty) with some units and a Modbus TCP endpoint with others, served by a thread."""

    rtu_units: dict[int, CountingUnit]
    tcp_units: dict[int, CountingUnit]
    port: Path = Path()
    tcp_port: int = 0
    _buffers: dict[int, bytes] = field(default_factory=dict)
    _connections: dict[int, socket.socket] = field(default_factory=dict)
    _ends: bool = False

    @property
    def answers(self) -> int:
        """How many answers all of them have given."""
        return sum(unit.answers for units in (self.rtu_units, self.tcp_units) for unit in units.values())

    def __enter__(self) -> Self:
        """Open the line and the endpoint and begin to answer."""
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.port = Path(os.ttyname(self._slave))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.tcp_port = int(self._listener.getsockname()[1])
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._master, selectors.EVENT_READ, self._serve_line)
        self._selector.register(self._listener, selectors.EVENT_READ, self._serve_listener)
        self._thread = threading.Thread(target=self._serve, name="counting-field")
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop answering and close everything."""
        self._ends = True
        self._thread.join()
        self._selector.close()
        for connection in self._connections.values():
            connection.close()
        self._listener.close()
        os.close(self._master)
        os.close(self._slave)

    def _serve(self) -> None:
        while not self._ends:
            for key, _ in self._selector.select(_WAIT_S):
                key.data(key.fd)

    def _serve_listener(self, _: int) -> None:
        connection, _address = self._listener.accept()
        self._connections[connection.fileno()] = connection
        self._selector.register(connection, selectors.EVENT_READ, self._serve_connection)

    def _serve_connection(self, fd: int) -> None:
        connection = self._connections[fd]
        try:
            data = connection.recv(4096)
        except ConnectionError:
            data = b""
        if not data:
            self._selector.unregister(connection)
            del self._connections[fd]
            self._buffers.pop(fd, None)
            connection.close()
            return
        buffer = self._buffers.get(fd, b"") + data
        replies = b""
        while (need := tcp_frame_bytes(buffer)) is not None and len(buffer) >= need:
            transaction, unit, pdu = parse_tcp_request(buffer[:need])
            buffer = buffer[need:]
            if unit in self.tcp_units:
                replies += tcp_frame(transaction, unit, self.tcp_units[unit].reply(pdu))
        self._buffers[fd] = buffer
        with suppress(ConnectionError):  # who asked may have been killed: then the next read says so
            connection.sendall(replies)

    def _serve_line(self, fd: int) -> None:
        buffer = self._buffers.get(fd, b"") + os.read(fd, 4096)
        while (need := rtu_request_bytes(buffer)) is not None and len(buffer) >= need:
            frame, buffer = buffer[:need], buffer[need:]
            unit, pdu = parse_rtu_request(frame)
            if unit in self.rtu_units:
                os.write(fd, rtu_frame(unit, self.rtu_units[unit].reply(pdu)))
        self._buffers[fd] = buffer
