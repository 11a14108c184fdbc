"""The door of a running agent: who may enter, what is answered, and what those are told who find nobody."""

import asyncio
import json
import stat
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from edge.clock import SystemClock
from edge.control import ControlDoor, ControlError, NoAgentError, ask, socket_path


async def double(request: Mapping[str, Any]) -> dict[str, Any]:
    """A handler that refuses what is no number."""
    if not isinstance(request.get("number"), int):
        raise ControlError("no number")
    return {"twice": 2 * request["number"]}


@asynccontextmanager
async def open_door(path: Path) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as tasks:
        door = tasks.create_task(ControlDoor(path, {"double": double}).run())
        for _ in range(200):
            if path.is_socket():
                break
            await SystemClock().sleep(0.01)
        yield
        door.cancel()


async def said(path: Path, line: bytes) -> Any:  # noqa: ANN401 - whatever JSON the door answers
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(line)
    answer = await reader.readline()
    writer.close()
    await writer.wait_closed()
    return json.loads(answer)


async def asked(path: Path, request: Mapping[str, Any]) -> dict[str, Any]:
    return await asyncio.to_thread(ask, path, request)


async def test_who_asks_is_answered_and_a_refusal_says_why(tmp_path: Path) -> None:
    path = socket_path(tmp_path)
    async with open_door(path):
        assert await asked(path, {"ask": "double", "number": 21}) == {"twice": 42}
        with pytest.raises(ControlError, match=r"^no number$"):
            await asked(path, {"ask": "double"})


@pytest.mark.parametrize("line", [b"\n", b"nonsense\n", b"[1]\n", b'{"ask": ["x"]}\n', b'{"ask": "fly"}\n', b"\xff\n"])
async def test_nonsense_is_answered_with_what_may_be_asked(tmp_path: Path, line: bytes) -> None:
    path = socket_path(tmp_path)
    async with open_door(path):
        assert "ask one of double" in (await said(path, line))["error"]
        assert await asked(path, {"ask": "double", "number": 1}) == {"twice": 2}


async def test_only_the_agent_s_user_may_enter(tmp_path: Path) -> None:
    path = socket_path(tmp_path)
    async with open_door(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_the_socket_of_a_dead_agent_is_replaced_and_ours_taken_away_at_the_end(tmp_path: Path) -> None:
    path = socket_path(tmp_path)
    path.touch()
    async with open_door(path):
        assert await asked(path, {"ask": "double", "number": 1}) == {"twice": 2}
    assert not path.exists()


async def test_who_says_nothing_holds_up_no_other(tmp_path: Path) -> None:
    path = socket_path(tmp_path)
    async with open_door(path):
        _, silent = await asyncio.open_unix_connection(path)
        assert await asked(path, {"ask": "double", "number": 1}) == {"twice": 2}
        silent.close()
        await silent.wait_closed()


def test_where_no_agent_runs_that_is_said(tmp_path: Path) -> None:
    with pytest.raises(NoAgentError, match="no agent runs here"):
        ask(socket_path(tmp_path), {"ask": "status"})


async def test_a_folder_where_no_socket_can_be_made_is_told_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "control.sock").mkdir()
    with pytest.raises(ControlError, match="choose a state_dir this user may write"):
        await ControlDoor(socket_path(tmp_path), {}).run()


def test_a_path_too_long_for_a_socket_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ControlError, match="choose a shorter state_dir"):
        socket_path(tmp_path / ("x" * 100))
