"""Shares under a real Slurm: two nodes of one machine, job arrays, `srun`, and a job that is sent back to the queue."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from audit.store import RunFolder
from tests.fakes import ROOT, plugin
from tests.test_resume import assert_same, shards_of

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not all(map(shutil.which, ("slurmctld", "slurmd", "munged"))) or os.getuid() != 0,
        reason="needs Slurm (Debian: slurm-wlm, munge) and root, which its daemons run as here",
    ),
]
AUDIT = "-m audit run --suite {folder}/prompts.txt --generator fake:?delay={delay} --guidance 1,3 --shard 4"
AUDITS = "--audits fake.dark,fake.red,fake.spread,fake.word --no-report --out {folder}/{out}"
CONF = """
ClusterName=test
SlurmctldHost={host}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
SlurmctldPort={ports[0]}
SlurmctldPidFile={folder}/ctld.pid
SlurmctldLogFile={folder}/ctld.log
SlurmdPidFile={folder}/%n.pid
SlurmdLogFile={folder}/%n.log
SlurmdSpoolDir={folder}/%n
StateSaveLocation={folder}/state
SlurmUser=root
SlurmdUser=root
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=1
JobRequeue=1
NodeName=n[1-2] NodeHostname={host} Port={ports[1]},{ports[2]} CPUs=2
PartitionName=all Nodes=ALL Default=YES State=UP
"""
Batch = Callable[..., str]


@pytest.fixture
def batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Batch]:
    """Submits a run as a batch job of a cluster of its own and returns the job's number."""
    sockets = [socket.create_server(("", 0)) for _ in range(3)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    for name in ("state", "n1", "n2"):
        (tmp_path / name).mkdir()
    conf = tmp_path / "slurm.conf"
    conf.write_text(CONF.format(host=socket.gethostname().partition(".")[0], folder=tmp_path, ports=ports))
    monkeypatch.setenv("SLURM_CONF", str(conf))
    for name, value in plugin(tmp_path / "plugin").items():
        monkeypatch.setenv(name, value)
    (tmp_path / "munge.key").write_bytes(os.urandom(128))
    (tmp_path / "munge.key").chmod(0o400)
    files = [f"--{name}-file={tmp_path}/munge.{name}" for name in ("key", "pid", "log", "seed")]
    daemons = [
        subprocess.Popen(each, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for each in (
            ["munged", "--foreground", "--force", f"--socket={tmp_path}/munge.socket", *files],
            ["slurmctld", "-D"],
            *(["slurmd", "-D", "-N", name] for name in ("n1", "n2")),
        )
    ]

    def submit(folder: Path, out: str, *options: str, launcher: str = "", delay: float) -> str:
        command = f"cd {ROOT} && {launcher} {sys.executable} {AUDIT} {AUDITS}"
        wrapped = command.format(folder=folder, out=out, delay=delay)
        return said("sbatch", "--parsable", f"--output={folder}/job-%A-%a.txt", *options, f"--wrap={wrapped}")

    deadline = time.monotonic() + 60
    while "idle" not in subprocess.run(["sinfo", "-h"], capture_output=True, text=True, check=False).stdout:
        assert time.monotonic() < deadline, (tmp_path / "ctld.log").read_text()
        time.sleep(0.5)
    yield submit
    for each in reversed(daemons):
        each.terminate()
        each.wait(30)


def said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def prompts(folder: Path, count: int = 12) -> None:
    (folder / "prompts.txt").write_text("".join(f"prompt {number}\n" for number in range(count)))


def one_process(folder: Path, delay: float) -> RunFolder:
    command = f"{AUDIT} {AUDITS}".format(folder=folder, out="alone", delay=delay)
    subprocess.run([sys.executable, *command.split()], cwd=ROOT, check=True, capture_output=True)
    return RunFolder(folder / "alone")


def merged(folder: Path, out: str) -> RunFolder:
    command = [
        sys.executable,
        "-m",
        "audit",
        "merge",
        str(folder / out),
        "--out",
        str(folder / "merged"),
        "--no-report",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    told = "".join(path.read_text() for path in sorted(folder.glob("job-*.txt")))
    assert done.returncode == 0, done.stderr + told
    return RunFolder(folder / "merged")


@pytest.mark.parametrize(
    ("options", "launcher", "parts"),
    [
        (["--array=1-3", "-n1"], "", 3),
        (["-N2", "-n4"], "srun", 4),
        (["--array=0-1", "-n2"], "srun", 4),
    ],
    ids=["array", "srun", "array of srun"],
)
def test_parts_that_slurm_starts_are_the_run_of_one_process(
    tmp_path: Path, batch: Batch, options: list[str], launcher: str, parts: int
) -> None:
    prompts(tmp_path)
    batch(tmp_path, "run", "--wait", *options, launcher=launcher, delay=0.05)
    assert len(list((tmp_path / "run").iterdir())) == parts
    assert_same(merged(tmp_path, "run"), one_process(tmp_path, 0.05))


def test_a_part_that_is_sent_back_to_the_queue_goes_on(tmp_path: Path, batch: Batch) -> None:
    prompts(tmp_path)
    job = batch(tmp_path, "run", "--requeue", "--array=1-2", "-n1", "--open-mode=append", delay=0.5)
    first = tmp_path / "run" / "part-00001-of-00002"
    deadline = time.monotonic() + 120
    while len(shards_of(first)) < 1:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    said("scontrol", "requeue", f"{job}_1")
    kept = {path: path.stat().st_mtime_ns for path in (first / "images").glob("shard-*.parquet")}
    said("scontrol", "update", f"jobid={job}_1", "StartTime=now")
    deadline = time.monotonic() + 240
    while said("squeue", "-h"):
        assert time.monotonic() < deadline, said("squeue")
        time.sleep(0.5)
    assert kept == {path: path.stat().st_mtime_ns for path in kept}
    assert_same(merged(tmp_path, "run"), one_process(tmp_path, 0.5))
