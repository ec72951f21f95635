"""pytest plugin (`-p tests.capabilities.results`): writes which test functions passed to the file RESULTS names."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

_passed: dict[str, bool] = {}


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """A function has passed when each of its cases was called and passed, setup and teardown included."""
    function = report.nodeid.partition("[")[0]
    # Called, in each case: a skipped test has no passed call.
    if report.when == "call" or not report.passed:
        _passed[function] = _passed.get(function, True) and report.passed


def pytest_sessionfinish(session: pytest.Session) -> None:
    # With pytest-xdist the workers send their reports to the controller, which alone sees all of them.
    if not hasattr(session.config, "workerinput"):
        Path(os.environ["RESULTS"]).write_text(json.dumps(_passed), encoding="utf-8")
