"""How long a device takes before it answers, learnt from its answers. Pure.

I1. A timeout is never longer than the profile's, and never shorter than what the device has usually taken.

Source of the estimate: RFC 6298, section 2, which does the same for TCP.
"""

from typing import Final

_TRUSTED_ANSWERS: Final = 3
_LEAST_MARGIN_S: Final = 0.06  # what adapters and the operating system add now and then
_LATE_FACTOR: Final = 4.0
_LATE_MARGIN_S: Final = 0.1
_USUAL_GAIN: Final = 1 / 32


class ResponseTime:
    """One device's.

    Args:
        longest_s: what its profile allows; waited for until the device is known.
    """

    def __init__(self, longest_s: float) -> None:
        self._longest_s = longest_s
        # Changed by heard and missed only.
        self._answers = 0
        self._smoothed_s = 0.0
        self._deviation_s = 0.0
        self._patience = 1.0
        self._last_s = 0.0
        self.usual_s = 0.0
        self.is_late = False

    @property
    def timeout_s(self) -> float:
        """How long to wait for the beginning of the next answer."""
        if self._answers < _TRUSTED_ANSWERS:
            return self._longest_s
        margin_s = max(_LEAST_MARGIN_S, 4 * self._deviation_s)
        return min(self._longest_s, self._patience * (self._smoothed_s + margin_s))

    @property
    def expected_s(self) -> float:
        """How long the next answer will most likely take to begin."""
        return self._last_s if self.is_late else self._smoothed_s

    def heard(self, latency_s: float) -> None:
        """An answer began after so long."""
        self._patience = 1.0
        self._last_s = latency_s
        if self._answers == 0:
            self._smoothed_s, self._deviation_s, self.usual_s = latency_s, latency_s / 2, latency_s
        self._deviation_s += (abs(latency_s - self._smoothed_s) - self._deviation_s) / 4
        self._smoothed_s += (latency_s - self._smoothed_s) / 8
        self._answers += 1
        # What is far from the usual does not become usual: a device that has fallen ill is not well because it lasts.
        self.is_late = latency_s > _LATE_FACTOR * self.usual_s + _LATE_MARGIN_S
        if not self.is_late:
            self.usual_s += (latency_s - self.usual_s) * _USUAL_GAIN

    def missed(self) -> None:
        """No answer came within the timeout: the next may take longer."""
        self._patience *= 2
