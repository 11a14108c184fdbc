"""Whom the agent believes the time."""

import pytest

from edge.time_anchors import EARLIEST_MS, Anchor, AnchorBook, Boot
from edge.time_trust import TimeTrust
from wire.errors import WireError
from wire.records import TimeQuality

NOW_MS = 1_795_000_000_000
HOUR_MS = 3_600_000
YEAR_MS = 365 * 24 * HOUR_MS


def test_a_clock_that_nobody_vouches_for_gives_a_provisional_time() -> None:
    trust = TimeTrust()
    trust.kernel_says(is_disciplined=False, now_ms=NOW_MS, at_s=10)
    assert trust.anchor is None
    assert (trust.moment(11).time_ms, trust.moment(11).quality) == (NOW_MS + 1000, TimeQuality.UNANCHORED)


def test_a_clock_at_1970_is_provisionally_what_is_known_to_be_past() -> None:
    trust = TimeTrust(floor_ms=NOW_MS)
    trust.kernel_says(is_disciplined=False, now_ms=5000, at_s=5)
    assert trust.moment(5).time_ms == NOW_MS


def test_a_time_server_is_believed_and_a_year_1970_is_not() -> None:
    trust = TimeTrust()
    trust.kernel_says(is_disciplined=True, now_ms=5000, at_s=5)
    assert trust.anchor is None
    trust.kernel_says(is_disciplined=True, now_ms=NOW_MS, at_s=6)
    assert trust.moment(7).time_ms == NOW_MS + 1000
    assert trust.moment(7).quality is TimeQuality.SYNCED


def test_the_hub_gives_the_time_where_nobody_else_does_and_vouches_for_a_clock_that_agrees() -> None:
    alone, agreeing = TimeTrust(), TimeTrust()
    alone.kernel_says(is_disciplined=False, now_ms=5000, at_s=5)
    agreeing.kernel_says(is_disciplined=False, now_ms=NOW_MS + 400, at_s=5)
    for trust in (alone, agreeing):
        trust.hub_says(NOW_MS, at_s=5)
    assert (alone.moment(6).time_ms, alone.moment(6).quality) == (NOW_MS + 1000, TimeQuality.ESTIMATED)
    assert (agreeing.moment(6).time_ms, agreeing.moment(6).quality) == (NOW_MS + 1400, TimeQuality.SYNCED)


def test_of_what_the_hub_said_a_late_message_shows_nothing() -> None:
    trust = TimeTrust()
    trust.kernel_says(is_disciplined=False, now_ms=5000, at_s=5)
    trust.hub_says(NOW_MS, at_s=5)
    trust.hub_says(NOW_MS + 1000, at_s=26)
    assert trust.moment(27).time_ms == NOW_MS + 22_000


def test_what_was_said_is_certain_for_an_hour() -> None:
    trust = TimeTrust()
    trust.kernel_says(is_disciplined=True, now_ms=NOW_MS, at_s=0)
    assert trust.moment(3599).quality is TimeQuality.SYNCED
    assert trust.moment(3601).quality is TimeQuality.ESTIMATED


@pytest.mark.parametrize("step_ms", [10 * YEAR_MS, -10 * YEAR_MS, 2 * HOUR_MS, -2 * HOUR_MS])
def test_a_step_that_nobody_confirms_moves_nothing_and_is_flagged(step_ms: int) -> None:
    trust = TimeTrust()
    trust.kernel_says(is_disciplined=True, now_ms=NOW_MS, at_s=0)
    trust.kernel_says(is_disciplined=True, now_ms=NOW_MS + 1000 + step_ms, at_s=1)
    assert trust.moment(2).time_ms == NOW_MS + 2000
    if step_ms > -YEAR_MS:
        assert trust.moment(2).quality is TimeQuality.ESTIMATED


def test_a_step_that_the_hub_confirms_is_followed_and_what_lies_back_is_flagged() -> None:
    trust = TimeTrust()
    trust.kernel_says(is_disciplined=True, now_ms=NOW_MS, at_s=0)
    assert trust.moment(60).quality is TimeQuality.SYNCED
    trust.kernel_says(is_disciplined=True, now_ms=NOW_MS - 40_000, at_s=60)
    trust.hub_says(NOW_MS - 40_000, at_s=60)
    assert (trust.moment(61).time_ms, trust.moment(61).quality) == (NOW_MS - 39_000, TimeQuality.ESTIMATED)
    assert trust.moment(161).quality is TimeQuality.SYNCED


def test_a_reading_made_before_a_change_belongs_to_the_new_time() -> None:
    trust = TimeTrust()
    trust.kernel_says(is_disciplined=False, now_ms=5000, at_s=5)
    read_ms = trust.moment(6).time_ms
    trust.kernel_says(is_disciplined=True, now_ms=NOW_MS, at_s=6.5)
    stamped = trust.stamped(read_ms, at_s=7)
    assert (stamped.time_ms, stamped.quality) == (NOW_MS - 500, TimeQuality.SYNCED)


def test_the_book_is_read_as_it_was_written_and_damage_is_seen() -> None:
    anchor = Anchor(offset_ms=NOW_MS, quality=TimeQuality.ESTIMATED, at_ms=7000, is_vouched=True)
    boot = Boot(boot_id="b1", provisional_ms=EARLIEST_MS, floor_ms=EARLIEST_MS, settled=anchor, epochs=(1, 2**64 - 1))
    book = AnchorBook(boots=(boot,))
    data = book.to_bytes()
    assert AnchorBook.of_bytes(data) == book
    for at in range(len(data)):
        with pytest.raises(WireError):
            AnchorBook.of_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
