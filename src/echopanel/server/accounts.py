"""The ledgers are checked wherever they are told: a sum that is wrong must not pass for an account."""

from __future__ import annotations

import structlog

from echopanel.audio import Source
from echopanel.engine.metrics import Metrics
from echopanel.transcript import Coverage

log = structlog.get_logger(__name__)


def checked(ledger: Coverage, session: str, source: Source, metrics: Metrics) -> Coverage:
    """The ledger as it is; one that does not sum up is logged and counted, because it is a bug of ours."""
    if not ledger.balanced():
        metrics.unbalanced_ledgers.inc()
        log.error("the ledger does not sum up", session=session, source=source, ledger=repr(ledger))
    return ledger
