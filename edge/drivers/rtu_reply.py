"""Where the answer is among the bytes that a serial line gave after a request. Pure.

Before it there may be the request itself (adapters that hear themselves), noise, or the late answer of another device.

I1. What is found passed every check of a reply to this request; nothing else is ever taken for it.
"""

from device_profiles.modbus import ReplyError, ReplyFault, Request
from device_profiles.modbus_frames import parse_rtu_reply, rtu_reply_bytes, rtu_request

_ERROR_BIT = 0x80
_HEAD_BYTES = 2


def reply_at(unit: int, request: Request, heard: bytes) -> tuple[int, int] | None:
    """Start and end of the first answer, good or an exception; None while there is none."""
    for start in range(len(heard) - _HEAD_BYTES):
        if not _is_head(unit, request, heard[start:]):
            continue
        end = start + (rtu_reply_bytes(request, heard[start:]) or 0)
        if end <= len(heard) and _is_reply(unit, request, heard[start:end]):
            return start, end
    return None


def enough_bytes(unit: int, request: Request, heard: bytes) -> int | None:
    """How many bytes settle the matter: up to the end of the answer, or all where it is damaged; None to wait on."""
    found = reply_at(unit, request, heard)
    if found is not None:
        return found[1]
    answer = heard[skipped_echo(unit, request, heard) :]
    if not answer or not _is_head(unit, request, answer) or rtu_request(unit, request).startswith(answer):
        return None
    expected = rtu_reply_bytes(request, answer)
    return len(heard) if expected is not None and len(answer) >= expected else None


def is_cut_off(unit: int, request: Request, frame: bytes) -> bool:
    """Whether these bytes are an answer that broke off."""
    return _is_head(unit, request, frame) and len(frame) < (rtu_reply_bytes(request, frame) or 0)


def skipped_echo(unit: int, request: Request, heard: bytes) -> int:
    """How many bytes at the beginning are the request itself: all of it, or 0."""
    sent = rtu_request(unit, request)
    return len(sent) if heard.startswith(sent) else 0


def _is_head(unit: int, request: Request, head: bytes) -> bool:
    if len(head) < _HEAD_BYTES:
        return False
    return head[0] == unit and head[1] & ~_ERROR_BIT == request.function


def _is_reply(unit: int, request: Request, frame: bytes) -> bool:
    try:
        parse_rtu_reply(unit, request, frame)
    except ReplyError as error:
        return error.kind is ReplyFault.EXCEPTION
    return True
