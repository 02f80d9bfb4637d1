"""What every test may use: the corpus of real Azure ML YAML, and the switch that turns skips into failures."""

import os
import signal
from collections.abc import Generator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ALLOWED_SKIP = "corpus absent"
"""The one reason to skip that `--no-skips` accepts: see `corpus` below."""


def pytest_configure(config: pytest.Config) -> None:
    # A shell's background job ignores Ctrl-C, and what ignores it hands that on: tests interrupt processes.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--no-skips", action="store_true", help="a skipped test fails, unless only the corpus is missing")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and item.config.getoption("--no-skips") and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if ALLOWED_SKIP not in reason:
            report.outcome = "failed"
            report.longrepr = f"skipped, and --no-skips was given: {reason}"
    return report


@pytest.fixture(scope="session")
def corpus() -> Path:
    """A folder of Azure ML YAML as people wrote it: MLP_CORPUS, or the folder that stands beside the checkout."""
    folder = Path(os.environ.get("MLP_CORPUS", ROOT.parent / "shared" / "corpus" / "azureml-examples"))
    if not folder.is_dir():
        pytest.skip(f"{ALLOWED_SKIP}: set MLP_CORPUS to a folder of Azure ML YAML")
    return folder
