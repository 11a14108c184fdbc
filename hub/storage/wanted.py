"""What a database has to have for the hub, and how steps that are taken or would be taken are told. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from hub.levels.level import Level, bucket_of

_DAY_S: Final = 86_400

# Is told each change, in words, when it is made, or when it would be.
Say: TypeAlias = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A bucket or database for each level, and for how many days it is kept; None is for ever."""

    bucket: str
    days: Mapping[Level, int | None]

    def buckets(self) -> dict[str, int]:
        """The names, each with its retention in seconds; 0 is for ever."""
        return {bucket_of(self.bucket, level): (days or 0) * _DAY_S for level, days in self.days.items()}


def told_retention(seconds: int) -> str:
    """A retention in words."""
    if not seconds:
        return "kept for ever"
    days, rest = divmod(seconds, _DAY_S)
    return f"kept {days} days" if not rest else f"kept {seconds} s"
