"""How old a value may be, by what its device promised. Pure.

I1. Freshness is computed from the promise (`every_s`) and the age, never claimed by whoever sent the value.
"""

from enum import IntEnum
from typing import Final

_MISSED: Final = 3
_SLACK_S: Final = 15.0
STALE_UNPROMISED_S: Final = 300.0
# A value from further ahead than clocks may differ cannot be called fresh.
AHEAD_S: Final = 60.0
_SILENT_TIMES: Final = 10
_SILENT_LEAST_S: Final = 900.0


class Freshness(IntEnum):
    """How a device's group keeps its promise; the number is stored. `silent` is stale for ten times as long."""

    FRESH = 0
    LATE = 1
    STALE = 2
    SILENT = 3


def stale_after(every_s: float | None) -> float | None:
    """The age in seconds beyond which a value is stale; None for what was never promised at intervals (events)."""
    if every_s is None:
        return STALE_UNPROMISED_S
    return max(_MISSED * every_s, every_s + _SLACK_S) if every_s > 0 else None


def is_stale(age_s: float, stale_after_s: float | None) -> bool:
    """Whether a value of this age may no longer be taken for the present one."""
    return age_s < -AHEAD_S or (stale_after_s is not None and age_s > stale_after_s)


def freshness_of(age_s: float | None, every_s: float) -> Freshness:
    """How the promise of a value every `every_s` seconds, above 0, is kept; an `age_s` of None: nothing ever came."""
    limit_s = stale_after(every_s)
    if age_s is None or limit_s is None or age_s > max(_SILENT_TIMES * limit_s, _SILENT_LEAST_S):
        return Freshness.SILENT
    if is_stale(age_s, limit_s):
        return Freshness.STALE
    return Freshness.LATE if age_s > every_s + _SLACK_S else Freshness.FRESH
