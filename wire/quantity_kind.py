"""How the values of a quantity combine over time."""

from enum import StrEnum
from typing import TypeAlias


class QuantityKind(StrEnum):
    """How values of a quantity combine over time, so what a panel may do with them."""

    GAUGE = "gauge"  # measured at the moment: may be averaged
    ANGLE = "angle"  # goes round at 360: averaged as a direction, never as a number
    COUNTER = "counter"  # grows until it rolls over or is reset: only differences mean something
    TALLY = "tally"  # counted since the record before: may be added up
    STATE = "state"  # a code: the latest counts, never averaged


# Name, unit, kind, least and most plausible value, title in English and in Vietnamese.
Row: TypeAlias = tuple[str, str, QuantityKind, float, float, str, str]
# Below 2**53: a counter this large is still an exact float.
MANY = 1e15
