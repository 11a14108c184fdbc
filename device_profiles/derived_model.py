"""Points that are calculated from other points of the same reading, or of readings before it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from annotated_types import Len

from device_profiles.point_model import Meaning


class DerivedForm(StrEnum):
    """How the number comes about.

    sum: of all, each times its weight (a weight of -1 subtracts). product: of all. ratio: the first by the second; no
    value where that is 0. increase: how far a counter has gone since the last reading, over its roll-over. rate: the
    same by the seconds that have passed.
    """

    SUM = "sum"
    PRODUCT = "product"
    RATIO = "ratio"
    INCREASE = "increase"
    RATE = "rate"


_INPUTS = {DerivedForm.RATIO: 2, DerivedForm.INCREASE: 1, DerivedForm.RATE: 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class DerivedPoint(Meaning):
    """A point calculated from the values of others, then scaled as any other.

    `of` names points of the same group, or what is read along with it. `weights` are for a sum, one each. `rollover`
    is where the counter of an increase or a rate begins again at 0. `parameter` names a number that each gateway file
    gives for its device (the height at which a level sensor hangs); it takes the place of `offset`.
    """

    form: DerivedForm
    of: Annotated[tuple[str, ...], Len(min_length=1)]
    weights: tuple[float, ...] = ()
    parameter: str | None = None

    def __post_init__(self) -> None:
        """Refuse what `Meaning` refuses, and inputs that do not fit the form."""
        Meaning.__post_init__(self)
        expected = _INPUTS.get(self.form, len(self.of))
        if len(self.of) != expected:
            raise ValueError(f"point {self.key}: a {self.form} has {expected} in `of`, found {len(self.of)}")
        if self.weights and (self.form is not DerivedForm.SUM or len(self.weights) != len(self.of)):
            raise ValueError(f"point {self.key}: weights stand in a sum, one for each of `of`")

    @property
    def is_of_readings_before(self) -> bool:
        """Whether one reading alone does not tell it."""
        return self.form in {DerivedForm.INCREASE, DerivedForm.RATE}
