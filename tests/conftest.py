"""Fixtures and settings for all tests."""

from __future__ import annotations

import os
from collections.abc import Generator

import hypothesis
import pytest

from tests.helpers.speech import Speech, load_corpus, load_two_cities

# Chance is for exploring on a desk; a build must give the same answer twice. No deadlines: machines differ.
hypothesis.settings.register_profile("desk", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "desk")

pytest_plugins = ["pytester"]

# The key under which a test reports a figure that it measured.
FIGURE = "figure"
NO_SKIPS = os.environ.get("ECHOPANEL_NO_SKIPS") == "1"


@pytest.fixture(scope="session")
def two_cities() -> Speech:
    """The opening of A Tale of Two Cities: 44 s, one reader, clean."""
    return load_two_cities()


@pytest.fixture(scope="session")
def corpus() -> list[Speech]:
    """All recordings there are on this machine; at least `two_cities`."""
    return load_corpus()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With ECHOPANEL_NO_SKIPS=1 a skipped test is a failure; an expected failure stays one."""
    report = yield
    if NO_SKIPS and report.skipped and not hasattr(report, "wasxfail"):
        _fail(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a module that is skipped as a whole."""
    report = yield
    if NO_SKIPS and report.skipped:
        _fail(report)
    return report


def _fail(report: pytest.TestReport | pytest.CollectReport) -> None:
    report.outcome = "failed"
    report.longrepr = f"skipped, which ECHOPANEL_NO_SKIPS=1 forbids: {report.longrepr}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show the figures; this hook is here because the process that reports does not load others."""
    for report in (*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")):
        for key, value in report.user_properties if report.when == "call" else ():
            if key == FIGURE:
                terminalreporter.write_line(f"{report.nodeid.rpartition('::')[2]}: {value}")
