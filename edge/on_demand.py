"""What a person asks of a gateway's devices: through the running agent where there is one, else at the bus itself."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

from edge.acquisition import Acquisition, NotAllowedError, UnknownError
from edge.app import AgentError, checked_in_child, state_dir_of
from edge.clock import SystemClock
from edge.config import CheckedGateway
from edge.control import ControlError, NoAgentError, ask, socket_path

_T = TypeVar("_T")
# What crosses the control socket and the commands' output: JSON whose shape the agent makes.
Told = dict[str, Any]

_ANSWER_S: Final = 60.0
_CLOSING_S: Final = 0.02  # ports are let go by the event loop, in one of its next turns


def asked(config: Path, request: Mapping[str, Any]) -> Told:
    """What the running agent of a gateway file answers.

    Raises:
        AgentError: none runs, or it refuses.
    """
    checked = checked_in_child(config)
    try:
        return ask(socket_path(state_dir_of(checked)), request)
    except ControlError as error:
        raise AgentError(str(error)) from error


def read_device(config: Path, device: str) -> Told:
    """One device read now: through the running agent where there is one, because a bus has one master.

    Raises:
        AgentError: there is no such device, the file has faults, or the agent refuses or does not answer.
    """
    checked = checked_in_child(config)
    try:
        path = socket_path(state_dir_of(checked))
        return ask(path, {"ask": "read", "device": device}, timeout_s=_ANSWER_S)
    except NoAgentError:
        return asyncio.run(_once(checked, lambda acquisition: acquisition.read_alone(device)))
    except ControlError as error:
        raise AgentError(str(error)) from error


def write_control(config: Path, device: str, control: str, value: str) -> Told:
    """Set a control of a device: through the running agent where there is one, because a bus has one master.

    Raises:
        AgentError: there is no such device or control, it may not be written so, or the agent refuses.
    """
    checked = checked_in_child(config)
    request = {"ask": "write", "device": device, "control": control, "value": value}
    try:
        return ask(socket_path(state_dir_of(checked)), request, timeout_s=_ANSWER_S)
    except NoAgentError:
        return asyncio.run(_once(checked, lambda acquisition: acquisition.write(device, control, value)))
    except ControlError as error:
        raise AgentError(str(error)) from error


def read_all(config: Path) -> list[Told]:
    """Every device of a gateway file read once; nothing is kept or sent.

    Raises:
        AgentError: the file has faults, or an agent runs and owns the buses.
    """
    checked = checked_in_child(config)
    try:
        ask(socket_path(state_dir_of(checked)), {"ask": "status"})
    except NoAgentError:
        return asyncio.run(_once(checked, lambda acquisition: acquisition.read_all()))
    except ControlError as error:
        raise AgentError(str(error)) from error
    raise AgentError("the agent runs and owns the buses; `sen-edge status` shows what it reads, or stop it first")


async def _once(checked: CheckedGateway, act: Callable[[Acquisition], Awaitable[_T]]) -> _T:
    clock = SystemClock()
    acquisition = Acquisition(checked, clock=clock)
    try:
        return await act(acquisition)
    except (UnknownError, NotAllowedError) as error:
        raise AgentError(str(error)) from error
    finally:
        await acquisition.close()
        await clock.sleep(_CLOSING_S)
