"""The running agent's door on its own machine: a UNIX socket that answers one JSON line with one JSON line.

Requests: `{"ask": "status"}`, `{"ask": "read", "device": "meter-1"}`. Answers: `{"ok": ...}` or `{"error": "..."}`.
Only the agent's user may enter.
"""

import asyncio
import json
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final

# What crosses the socket is JSON of the agent's own making, whose shape each command knows.
Answer = dict[str, Any]
Handler = Callable[[Mapping[str, Any]], Awaitable[Answer]]

_logger = logging.getLogger(__name__)
_MAX_LINE: Final = 64 * 1024
_MAX_PATH: Final = 100  # sun_path of Linux holds 108 bytes
_ASK_S: Final = 5.0
_HEAR_S: Final = 5.0  # who connects and says nothing must not hold up the agent's end


class ControlError(Exception):
    """The agent cannot be asked: what, where, and what to do. Or it was asked and refused."""


class NoAgentError(ControlError):
    """No agent runs there."""


def socket_path(state_dir: Path) -> Path:
    """Where the agent of this state folder listens.

    Raises:
        ControlError: the folder's path is too long for a socket.
    """
    path = state_dir / "control.sock"
    if len(os.fsencode(path)) > _MAX_PATH:
        raise ControlError(f"{path}: too long for a socket (at most {_MAX_PATH} bytes); choose a shorter state_dir")
    return path


class ControlDoor:
    """Answers those who ask.

    Args:
        path: the socket; one left by a dead agent is replaced.
        handlers: by the word after `ask`.
    """

    def __init__(self, path: Path, handlers: Mapping[str, Handler]) -> None:
        self._path = path
        self._handlers = handlers

    async def run(self) -> None:
        """Answer until cancelled.

        Raises:
            ControlError: the socket cannot be made.
        """
        door = _bound(self._path)
        server = await asyncio.start_unix_server(self._serve, sock=door, limit=_MAX_LINE)
        try:
            async with server:
                await server.serve_forever()
        finally:
            self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_HEAR_S):
                line = await reader.readline()
            answer = await self._answer(line)
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
        except (ConnectionError, TimeoutError, ValueError) as error:
            _logger.debug("who asked has gone, or said nothing that ends: %s", error)
        finally:
            writer.close()

    async def _answer(self, line: bytes) -> Answer:
        try:
            request = json.loads(line)
            handler = self._handlers[request["ask"]]
        except (ValueError, KeyError, TypeError):
            return {"error": f"not understood; ask one of {', '.join(self._handlers)}"}
        try:
            return {"ok": await handler(request)}
        except ControlError as error:
            return {"error": str(error)}


def ask(path: Path, request: Mapping[str, Any], *, timeout_s: float = _ASK_S) -> Answer:
    """Ask a running agent; blocks.

    Raises:
        NoAgentError: none runs there.
        ControlError: it does not answer, or refuses.
    """
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout_s)
            connection.connect(str(path))
            connection.sendall(json.dumps(request).encode() + b"\n")
            line = connection.makefile("rb").readline()
        answer: Answer = json.loads(line)
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise NoAgentError(f"no agent runs here ({path}); start it with `sen-edge run`") from error
    except PermissionError as error:
        raise ControlError(f"{path}: permission denied; ask as the user the agent runs as") from error
    except (OSError, ValueError) as error:
        raise ControlError(f"{path}: the agent does not answer ({error}); see its log") from error
    if "error" in answer:
        raise ControlError(str(answer["error"]))
    found: Answer = answer["ok"]
    return found


def _bound(path: Path) -> socket.socket:
    """A listening place that only this user may enter; the socket of a dead agent is replaced.

    Raises:
        ControlError: the socket cannot be made.
    """
    door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)  # the socket is made with the rights it is to have
    try:
        path.unlink(missing_ok=True)
        door.bind(os.fspath(path))
    except OSError as error:
        door.close()
        raise ControlError(f"{path}: {error.strerror}; choose a state_dir this user may write") from error
    finally:
        os.umask(mask)
    return door
