"""A disk that fails, for one thread: the kernel answers chosen system calls with an error (seccomp filters)."""

import ctypes
import platform
import struct
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
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
_LOAD_WORD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_NUMBER_AT, _FIRST_ARGUMENT_AT = 0, 16  # in struct seccomp_data, little endian


class _Program(ctypes.Structure):
    _fields_ = (("count", ctypes.c_ushort), ("filters", ctypes.c_char_p))


def where_calls_fail(
    calls: Sequence[str], error: int, action: Callable[[], _Result], *, on: Path | None = None
) -> _Result:
    """Run the action in a thread of its own where these calls give this errno; its result, or what it raised.

    With `on` they fail only for that file, which must be open already.
    """
    numbers = _NUMBERS.get(platform.machine())
    if platform.system() != "Linux" or numbers is None:
        pytest.skip(f"no system call numbers for {platform.system()} on {platform.machine()}")
    outcome: list[_Result] = []
    raised: list[BaseException] = []

    def run() -> None:
        try:
            _install([numbers[call] for call in calls], error, _descriptors(on))
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


def _descriptors(path: Path | None) -> list[int]:
    """The descriptors by which this process has the file open."""
    if path is None:
        return []
    found = [int(link.name) for link in Path("/proc/self/fd").iterdir() if link.exists() and link.samefile(path)]
    assert found, f"{path} is not open"
    return found


def _install(numbers: Sequence[int], error: int, descriptors: Sequence[int]) -> None:
    """Filter the calling thread's system calls; nothing takes the filter away again but the thread's end."""
    allow = struct.pack("=HBBI", _RETURN, 0, 0, _RETURN_ALLOW)
    steps = [*_matches(_NUMBER_AT, numbers), allow]
    if descriptors:
        steps += [*_matches(_FIRST_ARGUMENT_AT, descriptors), allow]
    steps.append(struct.pack("=HBBI", _RETURN, 0, 0, _RETURN_ERRNO | error))
    program = _Program(len(steps), b"".join(steps))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(
        _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0
    ):
        raise _NoFiltersError(f"seccomp filters are not allowed here (errno {ctypes.get_errno()})")


def _matches(offset: int, values: Sequence[int]) -> list[bytes]:
    """Load a word of the call; where it is one of the values, jump over the step that follows these."""
    jumps = [struct.pack("=HBBI", _JUMP_IF_EQUAL, len(values) - place, 0, value) for place, value in enumerate(values)]
    return [struct.pack("=HBBI", _LOAD_WORD, 0, 0, offset), *jumps]
