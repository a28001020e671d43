"""The time for which threads ran, and were ready and did not run."""

from __future__ import annotations

from pathlib import Path

from echopanel.machine.starvation import Turns, turns


def test_the_turns_of_all_threads_but_one_are_added_up(tmp_path: Path) -> None:
    """In seconds; a thread that has ended, or says nothing, does not count."""
    lines = {
        "1": "5000000000 1500000000 7\n",
        "2": "1000000000 500000000",
        "3": "",
        "4": "a b c",
        "9": "9 9 9",
    }
    for thread, line in lines.items():
        (tmp_path / thread).mkdir()
        (tmp_path / thread / "schedstat").write_text(line)
    (tmp_path / "5").mkdir()
    assert turns(tmp_path, but=9) == Turns(ran=6.0, waited=2.0)


def test_where_nobody_knows_nobody_ran_or_waited(tmp_path: Path) -> None:
    """On other systems; on this one the figures are some."""
    assert turns(tmp_path / "nothing") == Turns()
    assert turns().waited >= 0.0
