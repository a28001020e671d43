"""Structured log lines on standard error: for people on a terminal, as JSON elsewhere."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog

# What uvicorn calls errors and is none of ours: a handshake that was refused by an HTTP answer, and text of a
# client that is no UTF-8 (it is answered by close code 1007).
NO_ERRORS = (
    "ASGI callable returned without completing handshake.",
    "Invalid UTF-8 sequence received from client.",
)


def configure_logging(level: str, log_format: str) -> None:
    """Set up structlog, and let the standard library's loggers (uvicorn's) go through it."""
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    people = log_format == "console" or (log_format == "auto" and sys.stderr.isatty())
    renderer: Any = structlog.dev.ConsoleRenderer() if people else structlog.processors.JSONRenderer()
    if people:
        shared.pop()  # the console renderer shows exceptions better itself
    severity = logging.getLevelNamesMapping()[level.upper()]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
            foreign_pre_chain=shared,
        )
    )
    handler.addFilter(lambda record: record.msg not in NO_ERRORS)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(severity)
    for noisy in ("uvicorn", "uvicorn.error", "websockets"):
        logging.getLogger(noisy).setLevel(max(severity, logging.WARNING))
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(severity),
        cache_logger_on_first_use=False,
    )
