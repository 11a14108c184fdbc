"""Asks a Modbus device who it is, in turns that have time: when it is first read, and when it comes back."""

from collections import deque
from collections.abc import Awaitable, Callable, Mapping

from device_profiles.identity import identity_following, identity_questions, identity_told
from device_profiles.modbus import Question
from device_profiles.modbus_model import ModbusDevice
from edge.drivers.base import Answer, DriverError, DriverFault
from edge.schedule import Lane, Outcome, Task


class Identification:
    """One device's facts: serial number, firmware, model, as far as its profile knows where they are.

    Args:
        device: how it is asked for them.
        ask: one exchange with the device.
        tell: is given all that it told, by key, whenever it was asked.
    """

    def __init__(
        self,
        device: ModbusDevice,
        *,
        ask: Callable[[Question], Awaitable[Answer]],
        tell: Callable[[Mapping[str, str]], None],
    ) -> None:
        self._device = device
        self._questions = identity_questions(device)
        self._ask = ask
        self._tell = tell
        # Changed by begin and by the turns only.
        self._waiting: deque[Question] = deque()
        self._found: dict[str, str] = {}
        self._task: Task | None = None

    def begin(self, add: Callable[[Task], None], *, from_s: float, work_s: float) -> None:
        """Ask for all of them, from then on.

        Args:
            add: lets a task wait for turns on the bus.
            from_s: when, in monotonic seconds.
            work_s: how long one exchange takes, more or less.
        """
        if not self._questions:
            return
        self._waiting, self._found = deque(self._questions), {}
        task = self._task = Task(
            lane=Lane.BACKGROUND,
            release_s=from_s,
            deadline_s=from_s,
            work_s=work_s,
            take=lambda: self._turn(task),
        )
        add(task)

    async def _turn(self, task: Task) -> Outcome:
        if self._task is not task:  # it has been asked anew since
            return Outcome(is_over=True)
        question = self._waiting.popleft()
        try:
            answer = await self._ask(question)
            self._found |= identity_told(self._device, question, answer.values)
            following = identity_following(question, answer.values)
            if following is not None:
                self._waiting.appendleft(following)
        except DriverError as error:
            if error.kind is not DriverFault.EXCEPTION:  # silent: it is asked again when it comes back
                self._task = None
                return Outcome(is_over=True)
        if self._waiting:
            return Outcome(is_over=False)
        self._task = None
        self._tell(self._found)
        return Outcome(is_over=True)
