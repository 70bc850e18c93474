from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from reports.viewer.serve import Stall, stalled
from tests.reports.fake_run import write_run


@dataclass(frozen=True)
class Served:
    """A viewer that runs in a thread of this process."""

    run: Path
    stall: Stall

    @property
    def base(self) -> str:
        return self.stall.address.partition("/?")[0]

    @property
    def port(self) -> int:
        return int(self.base.rpartition(":")[2])


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    for name in ("fastapi", "uvicorn"):
        pytest.importorskip(name, reason=f"{name} is not installed (extra view)")
    run = write_run(tmp_path_factory.mktemp("viewer") / "first", generators=("builtin:ldm", "other:net"))
    (run.parent / "secret.txt").write_text("not for you")
    stall = stalled([run], reviewer="ada")
    thread = threading.Thread(target=stall.serve, daemon=True)
    thread.start()
    while not stall.server.started:
        assert thread.is_alive()
        time.sleep(0.02)
    yield Served(run, stall)
    stall.server.should_exit = True
    thread.join(30)
    assert not thread.is_alive()
