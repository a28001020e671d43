"""The check of every ledger that is told."""

from __future__ import annotations

from echopanel.audio import Source
from echopanel.engine.metrics import Metrics
from echopanel.server.accounts import checked
from echopanel.transcript import Coverage


def test_a_ledger_that_does_not_sum_up_is_counted() -> None:
    """It is told as it is; one that is right costs nothing."""
    metrics = Metrics()
    for ledger in (Coverage(10, 10, 4, 6), Coverage(10, 10, 4, 5)):
        assert checked(ledger, "0123456789abcdef", Source.MIC, metrics) is ledger
    assert "echopanel_unbalanced_ledgers_total 1.0" in metrics.exposition().decode()
