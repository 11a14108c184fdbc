"""How long a gateway waits before it tries the hub again. Pure.

I1. Gateways that lost the hub together come back spread over 0.15 s for each one the hub serves, and over five minutes
    from 2,000 on: the hub said in its commits how many it serves.
I2. Whoever's own line was cut for less than a minute tries at least each six seconds, however many others there are.
I3. No wait is longer than five minutes; of a small fleet none is longer than a tenth of the time it was away, or 1 s.
"""

from enum import StrEnum
from typing import Final

LONGEST_S: Final = 300.0
_SHORTEST_S: Final = 0.1
_FIRST_S: Final = 1.0
_SHARE_OF_AWAY: Final = 0.1
_FOR_EACH_GATEWAY_S: Final = 0.15
# A hub's machine that is dead for longer than this looks to each of its gateways like a line that is cut.
_SHORT_S: Final = 60.0


class Parting(StrEnum):
    """What was seen when a connection ended, or did not come about.

    Somebody spoke and said no, closed or refused: then it is the hub's side, and the whole fleet sees the same. Or
    nobody spoke: then it is likely to be one's own line.
    """

    SPOKEN = "spoken"
    SILENT = "silent"


def pause_s(parting: Parting, *, away_s: float, gateways: int, random_unit: float) -> float:
    """How long to wait before the next attempt, in seconds.

    Args:
        parting: how the last connection or attempt ended.
        away_s: how long ago the last connection that lasted was lost.
        gateways: how many the hub said it serves; 0 where it has not.
        random_unit: a draw from 0 to 1: each wait is any time up to its longest, so that none are in step.
    """
    longest_s = max(_FIRST_S, away_s * _SHARE_OF_AWAY)
    if parting is Parting.SPOKEN or away_s >= _SHORT_S:
        longest_s = max(longest_s, gateways * _FOR_EACH_GATEWAY_S)
    return max(_SHORTEST_S, min(longest_s, LONGEST_S) * random_unit)
