"""This very machine."""

from __future__ import annotations

from echopanel.machine.detect import detect


def test_this_machine_is_described() -> None:
    """Whatever it is, it has cores, memory and a name, and looking again finds the same."""
    machine = detect()
    assert machine.cores >= 1
    assert machine.ram_bytes > 100_000_000
    assert machine.system
    assert machine.architecture
    assert machine.processor
    assert detect() == machine
