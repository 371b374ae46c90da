"""Options that every folder of tests knows."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--full", action="store_true", help="every dtype, 20,000 fuzzed calls, tests that take long"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "trial(name): the trial of opsmithc.trials that a test is")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--full"):
        return
    skip = pytest.mark.skip(reason="takes long: runs with --full")
    for item in items:
        if item.get_closest_marker("full"):
            item.add_marker(skip)
