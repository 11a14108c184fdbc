"""Words in both languages, written once and side by side: a text without one of them cannot be written. Pure.

Titles of quantities are not here: they stand in `wire.quantities`.
"""

from dataclasses import dataclass
from enum import StrEnum


class Language(StrEnum):
    """What the operators of a centre read."""

    VI = "vi"
    EN = "en"


@dataclass(frozen=True, slots=True)
class Text:
    """One thing said in both languages."""

    en: str
    vi: str

    def said(self, language: Language) -> str:
        """The words in this language."""
        return self.vi if language is Language.VI else self.en
