"""A pytest plugin (`-p tests.capabilities.results`): writes which test functions passed to the file RESULTS."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

_passed: dict[str, bool] = {}


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """A function has passed if each of its cases ran and passed, with setup and teardown."""
    function = report.nodeid.partition("[")[0]
    # A skipped test has no "call" report that passed.
    if report.when == "call" or not report.passed:
        _passed[function] = _passed.get(function, True) and report.passed


def pytest_sessionfinish(session: pytest.Session) -> None:
    # With pytest-xdist only the controller receives all reports.
    if not hasattr(session.config, "workerinput"):
        Path(os.environ["RESULTS"]).write_text(json.dumps(_passed), encoding="utf-8")
