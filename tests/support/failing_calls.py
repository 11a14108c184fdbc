"""A disk that fails, for one thread: the kernel answers chosen system calls with an error (seccomp filters)."""

import ctypes
import platform
import struct
import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

import pytest

_Result = TypeVar("_Result")

# asm/unistd.h
_NUMBERS = {
    "x86_64": {"pwrite64": 18, "fsync": 74, "fdatasync": 75},
    "aarch64": {"pwrite64": 68, "fsync": 82, "fdatasync": 83},
}
SYNC = ("fsync", "fdatasync")
WRITE = ("pwrite64",)

# linux/prctl.h, linux/seccomp.h, linux/bpf_common.h
_PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS, _SECCOMP_MODE_FILTER = 22, 38, 2
_RETURN_ERRNO, _RETURN_ALLOW = 0x0005_0000, 0x7FFF_0000
_LOAD_NUMBER, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06


class _Program(ctypes.Structure):
    _fields_ = (("count", ctypes.c_ushort), ("filters", ctypes.c_char_p))


def where_calls_fail(calls: Sequence[str], error: int, action: Callable[[], _Result]) -> _Result:
    """Run the action in a thread of its own where these calls give this errno; its result, or what it raised."""
    numbers = _NUMBERS.get(platform.machine())
    if platform.system() != "Linux" or numbers is None:
        pytest.skip(f"no system call numbers for {platform.system()} on {platform.machine()}")
    outcome: list[_Result] = []
    raised: list[BaseException] = []

    def run() -> None:
        try:
            _install([numbers[call] for call in calls], error)
            outcome.append(action())
        except BaseException as one:  # noqa: BLE001 - it is raised again by the caller's thread
            raised.append(one)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if raised and isinstance(raised[0], _NoFiltersError):
        pytest.skip(str(raised[0]))
    if raised:
        raise raised[0]
    return outcome[0]


class _NoFiltersError(Exception):
    """This kernel, or this container, lets nobody filter."""


def _install(numbers: Sequence[int], error: int) -> None:
    """Filter the calling thread's system calls; nothing takes the filter away again but the thread's end."""
    steps = [struct.pack("=HBBI", _LOAD_NUMBER, 0, 0, 0)]
    for left, number in enumerate(reversed(numbers)):
        steps.insert(1, struct.pack("=HBBI", _JUMP_IF_EQUAL, left + 1, 0, number))
    steps.append(struct.pack("=HBBI", _RETURN, 0, 0, _RETURN_ALLOW))
    steps.append(struct.pack("=HBBI", _RETURN, 0, 0, _RETURN_ERRNO | error))
    code = b"".join(steps)
    program = _Program(len(steps), code)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(
        _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0
    ):
        raise _NoFiltersError(f"seccomp filters are not allowed here (errno {ctypes.get_errno()})")
