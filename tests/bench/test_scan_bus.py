"""`sen-edge scan` on a line that is true to the character: a short form of `bench/scan_bus.py`."""

import statistics
from itertools import pairwise

from bench.scan_bus import BAUD, by_command, spec
from bench.timed_bus import TimedBus


def test_a_silent_address_costs_a_fifteenth_of_a_second_and_late_answers_are_given_to_their_own() -> None:
    with TimedBus(spec(BAUD)) as line:
        scan = by_command(line.port, "--units", "10-24", "--no-profiles")
        asked = line.finish().exchanges
    assert list(scan.found) == [17]
    took_s = [later.request_s - one.request_s for one, later in pairwise(asked)]
    assert statistics.median(took_s) < 1 / 14


def test_a_line_whose_speed_counts_is_deaf_at_any_other() -> None:
    with TimedBus(spec(19200)) as line:
        deaf = by_command(line.port, "--units", "1", "--no-profiles", "--baud", "9600")
        heard = by_command(line.port, "--units", "1", "--no-profiles", "--baud", "19200")
    assert (list(deaf.found), list(heard.found)) == ([], [1])
