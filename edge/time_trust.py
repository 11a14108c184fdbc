"""Whether the gateway's clock can be believed. Pure.

I1. Nobody's word is taken without evidence: the kernel's that it follows a time server, or the hub's clock beside ours.
"""

from typing import Final

from wire.records import TimeQuality

_AGREES_MS: Final = 2000
_REMEMBERED_S: Final = 3600.0


class TimeTrust:
    """What is known of the gateway's clock."""

    def __init__(self) -> None:
        # Changed by kernel_says and hub_says only.
        self._is_disciplined = False
        self._hub_agrees: bool | None = None
        self._hub_s = 0.0
        self._offset_ms = 0.0
        self.hub_ahead_ms: int | None = None

    def kernel_says(self, *, is_disciplined: bool) -> None:
        """The kernel follows a time server, or does not."""
        self._is_disciplined = is_disciplined

    def hub_says(self, hub_ms: int, *, now_ms: int, at_s: float) -> None:
        """The hub has told its time.

        A message may be on its way for long: a hub that seems to be behind proves nothing, one that is ahead does.

        Args:
            hub_ms: the hub's UTC clock when it sent.
            now_ms: ours when it came.
            at_s: then, in monotonic seconds.
        """
        self.hub_ahead_ms = hub_ms - now_ms
        if self.hub_ahead_ms >= -_AGREES_MS:
            self._hub_agrees, self._hub_s = self.hub_ahead_ms <= _AGREES_MS, at_s
            self._offset_ms = now_ms - 1000 * at_s

    def quality(self, *, now_ms: int, at_s: float) -> TimeQuality:
        """How good the time of a reading is that is made now.

        What the hub said holds no more once our clock has stepped since.

        Args:
            now_ms: our UTC clock.
            at_s: the same moment in monotonic seconds.
        """
        has_stepped = abs(now_ms - 1000 * at_s - self._offset_ms) > _AGREES_MS
        is_old = at_s - self._hub_s > _REMEMBERED_S
        hub_agrees = None if has_stepped or is_old else self._hub_agrees
        if self._is_disciplined or hub_agrees:
            return TimeQuality.SYNCED
        return TimeQuality.UNSYNCED if hub_agrees is None else TimeQuality.ESTIMATED
