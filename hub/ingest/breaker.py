"""Stops dead-lettering when the fault is ours: no single gateway's fault refuses a share of the fleet at once. Pure.

Closed, what is refused goes to the dead letters. Open, nothing does, and a batch with anything refused in it is not
committed: its gateway keeps it and sends it again. What passes is stored and committed as ever.

I1. It opens exactly when more than `share` of the gateways heard in the window were refused in it, and at least
    `least` of them.
I2. Open, a gateway counts as refused until the first record held back for it is final (where none was: until a whole
    batch of it passes), or it fell silent for good.
I3. It closes by itself when by I2 no more than `share` are left, or when a person says so; then it stays closed for
    `rest_s`, whatever comes, so that the dead letters can be filled on purpose.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from wire.identifiers import GatewayId
from wire.ranges import RangeSet

_MOST_GATEWAYS: Final = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerLimits:
    """When it opens, and how long it remembers."""

    share: float = 0.2
    least: int = 5
    window_s: float = 300.0
    silent_s: float = 3600.0
    rest_s: float = 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusing:
    """That a gateway was refused: when, why, and which record; None where the message as a whole was at fault."""

    at_s: float
    reason: str
    epoch: int | None = None
    seq: int | None = None


@dataclass(frozen=True, slots=True)
class _Sick:
    """A gateway that was refused: the newest refusal, and the one that was held back first."""

    newest: Refusing
    held: Refusing | None = None

    def is_cured_by(self, epoch: int, final: RangeSet) -> bool:
        """Whether these records being final means that what was refused passes now."""
        if self.held is None or self.held.seq is None:
            return True
        return self.held.epoch == epoch and self.held.seq in final


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerState:
    """What a person is told: whether it is open, who is refused, and the reason given last."""

    is_open: bool
    refused: tuple[GatewayId, ...]
    heard: int
    reason: str | None


class Breaker:
    """The state machine; every method is told a monotonic time in seconds."""

    def __init__(self, limits: BreakerLimits | None = None) -> None:
        self._limits = limits or BreakerLimits()
        # Changed by refused, passed and close only. Who was heard last is last.
        self._heard: OrderedDict[GatewayId, float] = OrderedDict()
        self._refused: dict[GatewayId, _Sick] = {}
        self._is_open = False
        self._rests_until_s = float("-inf")

    @property
    def is_open(self) -> bool:
        """Whether it is."""
        return self._is_open

    def refused(self, gateway: GatewayId, why: Refusing) -> bool:
        """A gateway's message, or a record in it, was refused; returns whether it is to be held back."""
        self._hear(gateway, why.at_s)
        known = self._refused.get(gateway)
        self._refused[gateway] = _Sick(why, None if known is None else known.held)
        self._judge(why.at_s)
        if self._is_open and self._refused[gateway].held is None:
            self._refused[gateway] = _Sick(why, why)
        return self._is_open

    def passed(self, gateway: GatewayId, epoch: int, final: RangeSet, *, now_s: float) -> None:
        """These records of a gateway are final, and nothing sent with them was refused."""
        self._hear(gateway, now_s)
        known = self._refused.get(gateway)
        if self._is_open and known is not None and known.is_cured_by(epoch, final):
            del self._refused[gateway]
        self._judge(now_s)

    def close(self, *, now_s: float) -> None:
        """A person wants what is refused in the dead letters."""
        self._is_open = False
        self._refused.clear()
        self._rests_until_s = now_s + self._limits.rest_s

    def state(self, *, now_s: float) -> BreakerState:
        """How it is."""
        self._judge(now_s)
        newest = max(self._refused.values(), key=lambda one: one.newest.at_s, default=None)
        return BreakerState(
            is_open=self._is_open,
            refused=tuple(sorted(self._refused)),
            heard=len(self._heard),
            reason=None if newest is None else newest.newest.reason,
        )

    def _hear(self, gateway: GatewayId, now_s: float) -> None:
        self._heard[gateway] = now_s
        self._heard.move_to_end(gateway)
        if len(self._heard) > _MOST_GATEWAYS:
            forgotten, _ = self._heard.popitem(last=False)
            self._refused.pop(forgotten, None)

    def _judge(self, now_s: float) -> None:
        limits = self._limits
        kept_s = limits.silent_s if self._is_open else limits.window_s
        while self._heard and now_s - next(iter(self._heard.values())) > kept_s:
            self._heard.popitem(last=False)
        for gateway in [one for one, sick in self._refused.items() if now_s - sick.newest.at_s > kept_s]:
            del self._refused[gateway]
        is_much = len(self._refused) > limits.share * len(self._heard)
        if self._is_open:
            self._is_open = is_much
            if not is_much:  # what was held comes again, and is judged anew
                self._refused.clear()
        else:
            self._is_open = is_much and len(self._refused) >= limits.least and now_s >= self._rests_until_s
