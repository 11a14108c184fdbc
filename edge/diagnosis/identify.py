"""A found Modbus unit asked a little of what each profile would ask it, each question once.

I1. A unit that refused some registers is not asked for more that include them, unless nothing else fits well: a few
    devices refuse half a value, and give the whole.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from device_profiles.decode import Answer
from device_profiles.modbus import ExceptionCode, Question, ReadRequest, Table
from device_profiles.model import DeviceProfile
from device_profiles.plan import contains
from edge.diagnosis.fit import Fit, fit, probe_requests, ranked
from edge.drivers.base import DriverError, DriverFault, RegisterBus
from wire.records import Quality

_SURE_BITS: Final = 24.0  # of three values, each as unlikely as can be
_MAX_SILENCES: Final = 8  # a device that keeps silent at what it does not know costs a timeout each time


class Asker:
    """Asks one unit; what was asked once, or as part of something longer, is not asked again."""

    def __init__(self, bus: RegisterBus, unit: int, *, timeout_s: float) -> None:
        self._bus = bus
        self._unit = unit
        self._timeout_s = timeout_s
        # Changed by answer only.
        self._known: dict[Question, Answer] = {}
        self._closed: set[Table] = set()
        self._missing: list[ReadRequest] = []
        self._silences = 0

    @property
    def is_worth_while(self) -> bool:
        """Whether the unit says enough for asking on."""
        return self._silences < _MAX_SILENCES

    def will_be_refused(self, request: Question) -> bool:
        """Whether it is most likely asked in vain: it includes registers that were refused."""
        if not isinstance(request, ReadRequest):
            return False
        return request not in self._known and any(contains(request, one) for one in self._missing)

    async def answer(self, request: Question) -> Answer:
        """What the unit answers, or why there is nothing.

        Raises:
            DriverError: the line is away.
        """
        known = self._told(request)
        if known is None:
            known = self._known[request] = await self._ask(request)
        return known

    def _told(self, request: Question) -> Answer | None:
        if request in self._known:
            return self._known[request]
        if not isinstance(request, ReadRequest):
            return None
        if request.table in self._closed:
            return Quality.EXCEPTION
        for asked, answer in self._known.items():
            if not isinstance(asked, ReadRequest):
                continue
            start = request.address - asked.address
            is_inside = asked.table is request.table and start >= 0 and start + request.count <= asked.count
            if is_inside and not isinstance(answer, Quality):
                return answer[start : start + request.count]
        return None

    async def _ask(self, request: Question) -> Answer:
        try:
            answer = await self._bus.read(self._unit, request, timeout_s=self._timeout_s, turnaround_s=0.0)
        except DriverError as error:
            if error.kind in {DriverFault.GONE, DriverFault.REFUSED}:
                raise
            if error.kind is not DriverFault.EXCEPTION:
                self._silences += 1
                return Quality.TIMEOUT
            if not isinstance(request, ReadRequest):
                return Quality.EXCEPTION
            if error.code == ExceptionCode.ILLEGAL_FUNCTION:
                self._closed.add(request.table)
            if error.code == ExceptionCode.ILLEGAL_ADDRESS:
                self._missing.append(request)
            return Quality.EXCEPTION
        self._silences = 0
        return answer.values


async def fitting_profiles(
    bus: RegisterBus, unit: int, profiles: Mapping[str, DeviceProfile], *, timeout_s: float
) -> list[Fit]:
    """The profiles that fit best, the best first; none where nothing fits.

    Args:
        bus: the bus the unit is on.
        unit: its address.
        profiles: the candidates; those of other kinds of device are passed over.
        timeout_s: how long to wait for each answer to begin.

    Raises:
        DriverError: the line is away.
    """
    asker = Asker(bus, unit, timeout_s=timeout_s)
    fits, unlikely = [], []
    for profile in profiles.values():
        if profile.modbus is None:
            continue
        requests = probe_requests(profile.modbus)
        if any(asker.will_be_refused(request) for request in requests):
            unlikely.append(profile)
        else:
            fits.append(await _fit(asker, profile, requests))
    if not any(one.bits >= _SURE_BITS for one in fits):
        fits += [await _fit(asker, one, probe_requests(one.modbus)) for one in unlikely if one.modbus is not None]
    return ranked(fits)


async def _fit(asker: Asker, profile: DeviceProfile, requests: Iterable[Question]) -> Fit:
    """How well a profile fits what the unit answers; one that keeps silent is not asked on."""
    answers: dict[Question, Answer] = {}
    for request in requests:
        answers[request] = await asker.answer(request) if asker.is_worth_while else Quality.TIMEOUT
        if isinstance(answers[request], Quality) and isinstance(request, ReadRequest):
            break  # a profile whose first registers are refused is hardly the one
    return fit(profile, answers)
