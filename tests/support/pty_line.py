"""A serial line made of a pseudo-terminal, with a scripted device at its far end."""

import asyncio
import os
import tty
from collections.abc import Callable, Sequence
from pathlib import Path

# What to send after a request: seconds to wait, then bytes; several in a row.
Script = Callable[[bytes], Sequence[tuple[float, bytes]]]


class PtyLine:
    """The device's end. `path` is the port, a link that outlives being unplugged."""

    def __init__(self, path: Path, script: Script, *, request_bytes: int = 8) -> None:
        self.path = path
        self.requests: list[bytes] = []
        self._script = script
        self.request_bytes = request_bytes
        self._heard = b""
        self._master = -1
        self._slave = -1
        self.plug()

    def plug(self) -> None:
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.path.unlink(missing_ok=True)
        self.path.symlink_to(os.ttyname(self._slave))
        asyncio.get_running_loop().add_reader(self._master, self._readable)

    def unplug(self) -> None:
        if self._master < 0:
            return
        asyncio.get_running_loop().remove_reader(self._master)
        os.close(self._slave)
        os.close(self._master)
        self._master = self._slave = -1
        self.path.unlink(missing_ok=True)

    def send(self, data: bytes) -> None:
        if self._master >= 0:
            os.write(self._master, data)

    def _readable(self) -> None:
        self._heard += os.read(self._master, 4096)
        while len(self._heard) >= self.request_bytes:
            request, self._heard = self._heard[: self.request_bytes], self._heard[self.request_bytes :]
            self.requests.append(request)
            delay_s = 0.0
            for wait_s, data in self._script(request):
                delay_s += wait_s
                asyncio.get_running_loop().call_later(delay_s, self.send, data)
