"""Options that every folder of tests knows."""

from __future__ import annotations

from collections import Counter

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--full", action="store_true", help="every dtype, 20,000 fuzzed calls, tests that take long"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "trial(name): the trial of opsmithc.trials that a test is")
    config.addinivalue_line("markers", "where(applies): of the trial's ops, those it holds for")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--full"):
        return
    skip = pytest.mark.skip(reason="takes long: runs with --full")
    for item in items:
        if item.get_closest_marker("full"):
            item.add_marker(skip)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many cases were fuzzed; the reports of every worker come together here."""
    reports = (r for rs in terminalreporter.stats.values() for r in rs)
    found: Counter[str] = Counter()
    for report in reports:
        if getattr(report, "when", "") == "call":
            found.update(dict(report.user_properties).get("fuzzed", {}))
    if found:
        parts = ", ".join(f"{n:,} {how}" for how, n in sorted(found.items()))
        terminalreporter.write_line(f"fuzz: {found.total():,} cases ({parts})")
