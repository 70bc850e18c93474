from pathlib import Path

import pytest

from reports.load import Report, load
from reports.render import render
from tests.reports.fake_run import write_run


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("runs") / "first")


@pytest.fixture(scope="session")
def report(run: Path) -> Report:
    return load([run])


@pytest.fixture(scope="session")
def page(run: Path) -> Path:
    return render([run], run / "report.html")
