"""A run over Ray is the run of one process, whatever dies on the way."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from audit import cli
from audit.store import RunFolder
from tests.fakes import ROOT, plugin
from tests.test_resume import assert_same, shards_of

AUDITS = "fake.dark,fake.red,fake.spread,fake.word"
Command = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def audit(tmp_path: Path) -> Iterator[Command]:
    """Starts `audit` in a process of its own, where the fakes are installed; none outlives the test."""
    environment, started = plugin(tmp_path / "plugin"), []

    def start(*argv: str, **more: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "audit", *argv],
            cwd=ROOT,
            env=environment | more,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        if process.stderr:
            process.stderr.close()


def ended(process: subprocess.Popen[str], code: int = 0) -> str:
    """What it said, once it has ended as it should."""
    _, told = process.communicate(timeout=300)
    assert process.returncode == code, told
    return told


def sweep(
    folder: Path, out: str, *more: str, prompts: int = 12, delay: float = 0.0, generator: str = ""
) -> tuple[str, ...]:
    (folder / "prompts.txt").write_text("".join(f"prompt {n}\n" for n in range(prompts)))
    spec = generator or f"fake:?delay={delay}"
    run = ("run", "--suite", str(folder / "prompts.txt"), "--generator", spec, "--guidance", "1,3")
    return *run, "--audits", AUDITS, "--shard", "4", "--no-report", "--out", str(folder / out), *more


def test_without_ray_the_command_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "audit.engines.on_ray", raising=False)
    assert cli.main(["run", "--suite", "quick", "--generator", "builtin:ldm", "--engine", "ray", "--out", "x"]) == 2
    assert "pip install 'sixthfinger[ray]'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("gpus", "cpus", "shards", "expected"),
    [
        (0, 2, 100, (1, 1, 1.0)),
        (0, 1, 100, (1, 1, 0.5)),
        (0, 16, 100, (8, 8, 1.0)),
        (8, 128, 1000, (8, 120, 1.0)),
        (64, 1024, 3, (3, 3, 1.0)),  # nobody without work
        (8, 4, 100, (8, 1, 1.0)),
    ],
)
def test_a_gpu_has_one_maker_and_the_other_cpus_score(
    gpus: int, cpus: float, shards: int, expected: tuple[int, int, float]
) -> None:
    pytest.importorskip("ray")
    from audit.engines.on_ray import crew

    assert crew(gpus, cpus, shards) == expected


def test_a_run_over_ray_is_the_run_of_one_process(tmp_path: Path, audit: Command) -> None:
    pytest.importorskip("ray")
    over_ray, alone = audit(*sweep(tmp_path, "ray", "--engine", "ray")), audit(*sweep(tmp_path, "alone"))
    assert "Ray: " in ended(over_ray)
    ended(alone)
    assert_same(RunFolder(tmp_path / "ray"), RunFolder(tmp_path / "alone"))


@pytest.fixture
def nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, audit: Command) -> Iterator[Any]:
    """A Ray cluster of three nodes on this machine: a head without CPUs, and two with two each."""
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    for name, value in plugin(tmp_path / "plugin-of-nodes").items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(ROOT)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    for _ in range(2):
        cluster.add_node(num_cpus=2)
    yield cluster
    cluster.shutdown()


def workers(kind: str) -> list[Any]:
    """The processes of this test's own cluster that work as this kind."""
    import psutil

    found = []
    for each in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # it may have ended since it was listed
            found += [each] if f"ray::{kind}" in " ".join(each.cmdline()) else []
    return found


def some_shards(process: subprocess.Popen[str], out: Path, wanted: int) -> None:
    """Wait until the run is in its midst."""
    for _ in range(6000):
        if process.poll() is not None or len(shards_of(out)) >= wanted:
            break
        time.sleep(0.01)
    assert process.poll() is None, process.communicate()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_workers_and_a_node_that_die_change_nothing(tmp_path: Path, audit: Command, nodes: Any) -> None:
    """Two makers and two scorers on two nodes; a maker and a scorer are killed, then a node with all that is on it."""
    command = partial(sweep, tmp_path, prompts=60, delay=0.3)
    process, alone = audit(*command("ray", "--engine", "ray"), RAY_ADDRESS=nodes.address), audit(*command("alone"))
    some_shards(process, tmp_path / "ray", 2)
    before = {each.pid for each in workers("Maker")}
    assert len(before) == 2
    for kind in ("Maker", "Scorer"):
        workers(kind)[0].kill()
    while process.poll() is None and not {each.pid for each in workers("Maker")} - before:
        time.sleep(0.1)
    some_shards(process, tmp_path / "ray", len(shards_of(tmp_path / "ray")) + 5)
    nodes.remove_node(next(iter(nodes.worker_nodes)), allow_graceful=False)
    assert process.poll() is None, "the run was over before the node died"
    assert "Ray: 2 workers make pictures, 2 score them" in ended(process)
    ended(alone)
    assert_same(RunFolder(tmp_path / "ray"), RunFolder(tmp_path / "alone"))
    assert not list((tmp_path / "ray").rglob("*.tmp-*"))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_driver_that_dies_is_started_again_and_goes_on(tmp_path: Path, audit: Command, nodes: Any) -> None:
    command = sweep(tmp_path, "run", "--engine", "ray", prompts=40, delay=0.1)
    process = audit(*command, RAY_ADDRESS=nodes.address)
    some_shards(process, tmp_path / "run", 4)
    process.kill()
    process.communicate()
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "run" / "images").glob("shard-*.parquet")}
    assert 0 < len(kept) < 20
    ended(audit(*command, RAY_ADDRESS=nodes.address))
    assert kept == {path: path.stat().st_mtime_ns for path in kept}
    ended(audit(*sweep(tmp_path, "alone", prompts=40)))
    one, other = RunFolder(tmp_path / "run"), RunFolder(tmp_path / "alone")
    assert one.artifacts()["digest"].tolist() == other.artifacts()["digest"].tolist()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_real_model_over_nodes_has_the_same_pictures_and_distance(tmp_path: Path, audit: Command, nodes: Any) -> None:
    command = ("run", "--suite", "quick", "--limit", "24", "--generator", "builtin:ldm", "--steps", "3", "--no-report")
    command += ("--audits", "fd_studio,kid_studio,clip_score,tone.saturation", "--shard", "4", "--batch", "4", "--out")
    ended(audit(*command, str(tmp_path / "ray"), "--engine", "ray", RAY_ADDRESS=nodes.address))
    ended(audit(*command, str(tmp_path / "alone")))
    one, other = RunFolder(tmp_path / "ray"), RunFolder(tmp_path / "alone")
    assert one.artifacts()["digest"].tolist() == other.artifacts()["digest"].tolist()
    distances = [[each.value for each in run.estimates() if each.audit == "fd_studio"] for run in (one, other)]
    assert distances[0] == pytest.approx(distances[1], rel=1e-9)
    assert_same(one, other)


def odd(folder: Path, body: str) -> str:
    """Install a fake of its own, `odd:`, with `body` as its class; the PYTHONPATH that finds it."""
    info = folder / "plugin" / "sixthfinger_odd-0.1.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: sixthfinger-odd\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text("[sixthfinger.generators]\nodd = odd:load\n")
    (folder / "plugin" / "odd.py").write_text(
        "import os\nfrom tests.fakes import FakeGenerator\n\n"
        f"class Odd(FakeGenerator):\n{textwrap.indent(body, '    ')}\n\n"
        "def load(rest, *, device):\n    return Odd('odd:')\n"
    )
    return f"{folder / 'plugin'}:{ROOT}"


@pytest.mark.slow
def test_a_shard_that_kills_its_workers_stops_the_run_by_name(tmp_path: Path, audit: Command) -> None:
    pytest.importorskip("ray")
    deadly = """
def generate(self, requests):
    if any(request.text == "prompt 7" for request in requests):
        os.kill(os.getpid(), 9)  # as a fault in a driver would
    yield from super().generate(requests)
"""
    command = partial(sweep, tmp_path, generator="odd:")
    told = ended(audit(*command("run", "--engine", "ray"), PYTHONPATH=odd(tmp_path, deadly)), code=2)
    assert "4 workers died of it" in told
    assert "Traceback" not in told
    kept, healthy = len(shards_of(tmp_path / "run")), odd(tmp_path, "pass")
    ended(audit(*command("run", "--engine", "ray"), PYTHONPATH=healthy))
    ended(audit(*command("alone"), PYTHONPATH=healthy))
    assert 0 < kept < len(shards_of(tmp_path / "alone"))
    assert_same(RunFolder(tmp_path / "run"), RunFolder(tmp_path / "alone"))


def test_a_cluster_that_is_not_there_is_told_in_a_line(tmp_path: Path, audit: Command) -> None:
    pytest.importorskip("ray")
    told = ended(audit(*sweep(tmp_path, "run", "--engine", "ray"), RAY_ADDRESS="127.0.0.1:9"), code=2)
    assert "no Ray cluster at 127.0.0.1:9" in told
    assert "Traceback" not in told


@pytest.mark.slow
def test_a_node_with_other_weights_is_told_in_a_line(tmp_path: Path, audit: Command) -> None:
    pytest.importorskip("ray")
    paths = odd(tmp_path, "def fingerprint(self):\n    return f'weights of {os.getpid()}'")
    told = ended(audit(*sweep(tmp_path, "run", "--engine", "ray", generator="odd:"), PYTHONPATH=paths), code=2)
    assert "all nodes need the same program and weights" in told
    assert "Traceback" not in told


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_shards_travel_through_a_depot_though_a_worker_dies(tmp_path: Path, audit: Command, nodes: Any) -> None:
    command = partial(sweep, tmp_path, prompts=40, delay=0.3)
    depot = tmp_path / "depot"
    process = audit(*command("ray", "--engine", "ray", "--depot", f"file://{depot}"), RAY_ADDRESS=nodes.address)
    some_shards(process, tmp_path / "ray", 2)
    for kind in ("Maker", "Scorer"):
        workers(kind)[0].kill()
    ended(process)
    ended(audit(*command("alone")))
    assert_same(RunFolder(tmp_path / "ray"), RunFolder(tmp_path / "alone"))
    kinds = ("images/shard-*.parquet", "scores/*/shard-*.parquet")
    there, here = (
        {path.relative_to(root) for kind in kinds for path in root.glob(kind)} for root in (depot, tmp_path / "ray")
    )
    assert there == here
