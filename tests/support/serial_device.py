"""Serial devices on real pseudo-terminals: one that speaks by itself, and one that answers."""

import os
import select
import threading
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def speaking(data: bytes) -> Iterator[str]:
    """A serial port on which a device says the same again and again."""
    with _device(lambda _: b"", lambda: data) as port:
        yield port


@contextmanager
def answering(answer: Callable[[bytes], bytes]) -> Iterator[str]:
    """A serial port on which a device answers what it hears."""
    with _device(answer, lambda: b"") as port:
        yield port


@contextmanager
def _device(answer: Callable[[bytes], bytes], unasked: Callable[[], bytes]) -> Iterator[str]:
    master, slave = os.openpty()
    tty.setraw(slave)
    ended = threading.Event()

    def serve() -> None:
        while not ended.is_set():
            ready, _, _ = select.select([master], [], [], 0.1)
            said = answer(os.read(master, 4096)) if ready else unasked()
            if said:
                os.write(master, said)

    thread = threading.Thread(target=serve, name="serial device")
    thread.start()
    try:
        yield os.ttyname(slave)
    finally:
        ended.set()
        thread.join()
        os.close(master)
        os.close(slave)
