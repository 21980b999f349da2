"""In CI a skipped test is a failed one: what nobody runs, nobody knows to work.

Everything the tests need can be installed there, so a skip means that something is missing. A test
that may be skipped all the same says so: `@pytest.mark.may_be_skipped`.
"""

import os
from collections.abc import Generator

import pytest

IN_CI = bool(os.environ.get("CI"))
skipped_files: list[str] = []


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "may_be_skipped: a skip of this test is no failure in CI")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, object, None]:
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    if not IN_CI or not report.skipped or hasattr(report, "wasxfail"):
        return
    if item.get_closest_marker("may_be_skipped") is None:
        report.outcome = "failed"
        report.longrepr = f"skipped in CI: {reason_of(report)}"


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if IN_CI and report.skipped:
        skipped_files.append(f"{report.nodeid}: {reason_of(report)}")


def pytest_sessionfinish(session: pytest.Session) -> None:
    if skipped_files and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if skipped_files:
        terminalreporter.section("skipped in CI", red=True)
        for line in skipped_files:
            terminalreporter.line(line)


def reason_of(report: pytest.TestReport | pytest.CollectReport) -> str:
    if isinstance(report.longrepr, tuple):
        return str(report.longrepr[2])
    return str(report.longrepr)
