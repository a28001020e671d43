"""The time for which threads were ready and did not run."""

from __future__ import annotations

from pathlib import Path

from echopanel.machine.starvation import waited_s


def test_the_delays_of_all_threads_are_added_up(tmp_path: Path) -> None:
    """In seconds; a thread that has ended, or says nothing, does not count."""
    for thread, line in (("1", "5000 1500000000 7\n"), ("2", "1 500000000 1"), ("3", ""), ("4", "a b c")):
        (tmp_path / thread).mkdir()
        (tmp_path / thread / "schedstat").write_text(line)
    (tmp_path / "5").mkdir()
    assert waited_s(tmp_path) == 2.0


def test_where_nobody_knows_nobody_waited(tmp_path: Path) -> None:
    """On other systems; on this one the figure is one."""
    assert waited_s(tmp_path / "nothing") == 0.0
    assert waited_s() >= 0.0
