"""A message that ends three workers is known; what merely was there when one was killed is soon cleared."""

from pathlib import Path

from hub.ingest.crash_journal import DEATHS_ALLOWED, CrashJournal

POISON, INNOCENT, OTHER = b"poison", b"innocent", b"other"


def test_a_message_in_work_when_workers_died_is_counted_death_by_death(tmp_path: Path) -> None:
    for death in range(DEATHS_ALLOWED):
        journal = CrashJournal(tmp_path / "journal")
        assert journal.deaths(POISON) == death
        journal.begin([POISON])  # and the worker dies
    journal = CrashJournal(tmp_path / "journal")
    assert journal.deaths(POISON) == DEATHS_ALLOWED
    assert journal.deaths(OTHER) == 0


def test_who_was_in_work_beside_it_is_cleared_when_it_is_done(tmp_path: Path) -> None:
    CrashJournal(tmp_path / "journal").begin([POISON, INNOCENT])
    journal = CrashJournal(tmp_path / "journal")
    journal.begin([INNOCENT])
    journal.end([INNOCENT])
    journal.begin([POISON])
    after = CrashJournal(tmp_path / "journal")
    assert (after.deaths(INNOCENT), after.deaths(POISON)) == (0, 2)


def test_an_orderly_end_blames_nobody(tmp_path: Path) -> None:
    journal = CrashJournal(tmp_path / "journal")
    journal.begin([INNOCENT])
    journal.close()
    assert CrashJournal(tmp_path / "journal").deaths(INNOCENT) == 0


def test_files_that_are_damaged_or_cannot_be_written_cost_only_the_suspicion(tmp_path: Path) -> None:
    (tmp_path / "journal").write_bytes(b"\xff\xfe")
    (tmp_path / "journal.suspects").write_text('["no mapping"]')
    assert CrashJournal(tmp_path / "journal").deaths(POISON) == 0
    journal = CrashJournal(tmp_path / "nowhere" / "journal")
    journal.begin([POISON])
    journal.end([POISON])
    journal.close()
