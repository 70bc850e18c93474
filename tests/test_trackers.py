"""What a tracker reads back is what the run says: equal numbers, once, and nothing of this machine's secrets."""

import json
import os
import re
import shutil
import socket
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from audit.images import decode
from audit.registry import audits
from audit.store import RunFolder
from audit.track import track
from audit.trackers.entries import ENDS, MOST_PICTURES, TrackError, entries, metric_names
from audit.trackers.environment import environment
from tests.reports.fake_run import write_run

CELLS = ("guidance=1 steps=10", "guidance=3 steps=10")
SECRET = "secret-0123456789abcdef0123456789abcdef012"


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "my run"
    write_run(path, guidances=(1.0, 3.0), steps=(10,), size=24)
    (path / "report.html").write_text("<!doctype html><title>report</title>")
    return path


@pytest.fixture
def run(finished, tmp_path):
    return RunFolder(shutil.copytree(finished, tmp_path / finished.name))


@pytest.fixture
def no_network(monkeypatch):
    """Any connection but to a local socket is an error here, and is seen where another process asks for a proxy."""
    calls = []
    trap = socket.create_server(("127.0.0.1", 0))
    address = f"http://127.0.0.1:{trap.getsockname()[1]}"
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, address)

    def listen():
        while True:
            try:
                calls.append(trap.accept()[0].recv(4096))
            except OSError:
                return

    def refused(self, address, connect=socket.socket.connect):
        if self.family != socket.AF_UNIX:
            raise AssertionError(f"asked for the network: {address}")
        return connect(self, address)

    threading.Thread(target=listen, daemon=True).start()
    monkeypatch.setattr(socket.socket, "connect", refused)
    yield
    trap.shutdown(socket.SHUT_RDWR)
    trap.close()
    assert calls == []


def numbers(run, cell):
    """What a tracker should say of a cell, worked out from the run by itself."""
    told = {}
    for each in run.estimates():
        if each.cell == cell:
            name = each.audit.replace(".", "_")
            told |= {name: each.value, f"{name}_low": each.low, f"{name}_high": each.high}
            told |= {f"{name}_n": each.n, f"{name}_skipped": each.skipped, f"{name}_failed": each.failed}
    return {name: value for name, value in told.items() if value is not None}


def rescored(run):
    """The run with a number that changed."""
    estimates = run.estimates()
    with run.open_for_writing():
        run.write_summary([replace(estimates[0], value=99.0), *estimates[1:]], run.contrasts())
    return run


# entries


def test_names_of_metrics_suit_every_tracker_and_none_is_shared():
    names = metric_names([*audits(), "a.b", "a_b", "a-b", "a.b_low", "7up", "é <b>"])
    whole = [name + end for name in names.values() for end in ENDS]
    assert len(set(whole)) == len(whole) == len(names) * len(ENDS)
    assert all(re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) for name in whole)


def test_absent_numbers_are_left_out_and_the_corrected_rate_goes_along(run):
    first, *others = run.estimates()
    blank = replace(first, value=None, low=None, high=None, n=0)
    freed = replace(others[0], corrected=0.5, corrected_low=0.25, corrected_high=0.75)
    with run.open_for_writing():
        run.write_summary([blank, freed, *others[1:]], [])
    told = {entry.params["guidance"]: entry.metrics for entry in entries(run, "p")}
    assert told[1.0]["clip_score_n"] == 0
    assert not {"clip_score", "clip_score_low", "clip_score_high"} & set(told[1.0])
    assert [told[3.0][f"clip_score_corrected{end}"] for end in ("", "_low", "_high")] == [0.5, 0.25, 0.75]


def test_the_identity_follows_results_and_project_and_not_the_folders_name(run, tmp_path):
    def identities(folder, project="p"):
        return {each.identity for each in entries(folder, project)}

    before = identities(run)
    assert len(before) == 2
    moved = RunFolder(shutil.copytree(run.path, tmp_path / "elsewhere"))
    assert identities(moved) == before
    assert not identities(run, "other project") & before
    assert len(identities(rescored(moved)) & before) == 1


def test_sample_pictures_are_few_made_and_evenly_spaced(run):
    made = run.artifacts().set_index("key")["status"]
    jobs = run.jobs()
    for entry in entries(run, "p"):
        keys = [each.key for each in entry.samples]
        mine = [key for key in jobs[jobs["cell"] == entry.tags["cell"]]["key"] if made[key] == "ok"]
        assert len(set(keys)) == len(keys) == MOST_PICTURES < len(mine)
        places = [mine.index(key) for key in keys]
        assert (places[0], places[-1]) == (0, len(mine) - 1)
        assert max(np.diff(places)) - min(np.diff(places)) <= 1


def test_prompts_and_names_carry_no_secret_and_no_control_character(run):
    manifest = run.manifest()
    manifest["suite"]["name"] = "http://me:pass@host/x?api_key=abc"
    with run.open_for_writing():
        run.write_manifest(manifest)
    [entry, _] = entries(run, "p")
    assert entry.tags["suite"] == "http://***@host/x?api_key=***"
    assert not set("\x00\x1b\u202e\u2028") & set("".join(each.prompt for each in entry.samples))


def test_the_environment_is_as_before_even_after_an_error(monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", SECRET)
    before = dict(os.environ)

    def library():
        with environment({"WANDB_MODE": "offline", "PATH": "x"}, without=("WANDB_",)):
            assert "WANDB_API_KEY" not in os.environ
            os.environ["ADDED"] = "by the library"
            raise KeyError

    with pytest.raises(KeyError):
        library()
    assert dict(os.environ) == before


# Weights & Biases


def wandb_runs(directory):
    """Every offline run by name: what a reader of W&B's own finds in it, and its folder."""
    store = pytest.importorskip("wandb.sdk.internal.datastore")
    records = pytest.importorskip("wandb.proto.wandb_internal_pb2")
    found = {}
    for path in sorted(directory.glob("wandb/offline-run-*/*.wandb")):
        reader = store.DataStore()
        reader.open_for_scan(str(path))
        told = {"folder": path.parent, "history": {}, "config": {}}
        while (raw := reader.scan_data()) is not None:
            record = records.Record()
            record.ParseFromString(raw)
            kind = record.WhichOneof("record_type")
            if kind == "run":
                told["run"] = record.run
                told["config"] = {each.key: json.loads(each.value_json) for each in record.run.config.update}
            if kind == "history":
                items = record.history.item
                told["history"] |= {"/".join(e.nested_key) or e.key: json.loads(e.value_json) for e in items}
            told["ended"] = kind == "exit" or told.get("ended", False)
        reader.close()
        found[told["run"].display_name] = told
    return found


@pytest.fixture
def wandb():
    return pytest.importorskip("wandb")


def test_wandb_reads_equal_numbers_back_and_no_network_is_asked_for(run, tmp_path, wandb, no_network):
    done = track(run, "wandb", project="hands", directory=tmp_path / "w")
    assert (done.new, done.old) == (2, 0)
    found = wandb_runs(tmp_path / "w")
    assert set(found) == {f"builtin:ldm · {cell}" for cell in CELLS}  # of one second, so their order is by chance
    for cell in CELLS:
        told = found[f"builtin:ldm · {cell}"]
        assert {n: v for n, v in told["history"].items() if n[0] != "_" and "/" not in n} == numbers(run, cell)
        assert (told["run"].project, told["run"].run_group, told["ended"]) == ("hands", "my run", True)
        assert told["config"]["steps"] == 10
        assert told["config"]["guidance"] == float(cell.split()[0].partition("=")[2])
        about = told["config"]["about"]
        assert (about["suite_digest"], about["version_torch"]) == ("0123456789abcdef", "2.15.0")
        assert about["fingerprint"] == run.manifest()["generators"][0]["fingerprint"]


def test_wandb_gets_report_tables_and_the_very_pixels_with_their_prompts(run, tmp_path, wandb):
    track(run, "wandb", directory=tmp_path)
    told = wandb_runs(tmp_path)[f"builtin:ldm · {CELLS[0]}"]
    files = told["folder"] / "files"
    assert (files / "report.html").read_bytes() == (run.path / "report.html").read_bytes()
    assert pq.read_table(files / "estimates.parquet")["value"].to_pylist() == [
        each.value for each in run.estimates() if each.cell == CELLS[0]
    ]
    samples = entries(run, "sixthfinger")[0].samples
    assert told["history"]["pictures/captions"] == [each.prompt for each in samples]
    for name, each in zip(told["history"]["pictures/filenames"], samples, strict=True):
        assert np.array_equal(decode((files / name).read_bytes()), run.image(each.key))


def test_wandb_is_not_given_the_same_results_twice_but_changed_ones_anew(run, tmp_path, wandb):
    assert track(run, "wandb", directory=tmp_path).new == 2
    again = track(run, "wandb", directory=tmp_path)
    assert (again.new, again.old) == (0, 2)
    assert track(run, "wandb", directory=tmp_path, project="other").new == 2
    changed = track(rescored(run), "wandb", directory=tmp_path)
    assert (changed.new, changed.old) == (1, 1)
    ids = [path.name.rpartition("-")[2] for path in (tmp_path / "wandb").glob("offline-run-*")]
    assert len(set(ids)) == len(ids) == 5


def test_wandb_is_given_again_what_was_cut_short(run, tmp_path, wandb):
    track(run, "wandb", directory=tmp_path)
    next((tmp_path / "wandb").glob("offline-run-*/sixthfinger.done")).unlink()
    again = track(run, "wandb", directory=tmp_path)
    assert (again.new, again.old) == (1, 1)


def test_wandb_records_no_secret_and_no_host(run, tmp_path, wandb, monkeypatch):
    for name in ("WANDB_API_KEY", "WANDB_NOTES", "WANDB_RUN_GROUP", "WANDB_NAME", "HF_TOKEN", "OPENAI_API_KEY"):
        monkeypatch.setenv(name, SECRET)
    monkeypatch.setattr(sys, "argv", ["audit", "--uri", SECRET])
    monkeypatch.setattr(socket, "gethostname", lambda: "a-host-that-must-not-be-told")
    track(run, "wandb", directory=tmp_path / "w")
    told = [path for path in (tmp_path / "w").rglob("*") if path.is_file()]
    assert len(told) > 20
    for path in told:
        raw = path.read_bytes()
        assert SECRET.encode() not in raw, path
        assert b"a-host-that-must-not-be-told" not in raw, path
    assert {each["run"].host for each in wandb_runs(tmp_path / "w").values()} <= {"", "-"}
    assert os.environ["WANDB_API_KEY"] == SECRET


def test_a_project_that_wandb_refuses_is_said_in_one_error(run, tmp_path, wandb):
    with pytest.raises(TrackError, match="W&B in "):
        track(run, "wandb", directory=tmp_path, project="a/b")


# MLflow


@pytest.fixture
def mlflow(monkeypatch):
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    return pytest.importorskip("mlflow")


def mlflow_runs(mlflow, uri, project="sixthfinger"):
    client = mlflow.MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name(project)
    return client, {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}


def check_mlflow(mlflow, run, uri):
    client, found = mlflow_runs(mlflow, uri)
    assert sorted(found) == [f"builtin:ldm · {cell}" for cell in CELLS]
    for cell in CELLS:
        told = found[f"builtin:ldm · {cell}"]
        assert told.data.metrics == numbers(run, cell)
        assert told.info.status == "FINISHED"
        knobs = dict(part.split("=") for part in cell.split())
        assert float(told.data.params["guidance"]) == float(knobs["guidance"])
        assert told.data.params["steps"] == knobs["steps"]
        assert (told.data.tags["group"], told.data.tags["suite_digest"]) == ("my run", "0123456789abcdef")
        assert told.data.tags["fingerprint"] == run.manifest()["generators"][0]["fingerprint"]
        names = {each.path for each in client.list_artifacts(told.info.run_id)}
        assert names == {"estimates.csv", "estimates.parquet", "report.html", "pictures"}
    samples = entries(run, "sixthfinger")[1].samples
    listed = {Path(each.path).name for each in client.list_artifacts(told.info.run_id, "pictures")}
    assert listed == {each.file for each in samples} | {"prompts.csv"}
    picture = client.download_artifacts(told.info.run_id, f"pictures/{samples[3].file}")
    assert np.array_equal(decode(Path(picture).read_bytes()), run.image(samples[3].key))


def test_mlflow_reads_equal_numbers_back_and_no_network_is_asked_for(run, tmp_path, mlflow, no_network):
    uri = str(tmp_path / "store")
    done = track(run, "mlflow", uri=uri)
    assert (done.new, done.old) == (2, 0)
    check_mlflow(mlflow, run, uri)


@pytest.mark.slow
def test_mlflow_writes_a_database_beside_the_run_by_default(run, tmp_path, mlflow, no_network, monkeypatch):
    monkeypatch.chdir(tmp_path)
    track(run, "mlflow")
    assert track(run, "mlflow").old == 2
    check_mlflow(mlflow, run, f"sqlite:///{tmp_path}/mlflow.db")
    assert {path.name for path in tmp_path.iterdir()} == {"my run", "mlflow.db", "mlartifacts"}


def test_mlflow_is_not_given_the_same_results_twice_but_changed_ones_anew(run, tmp_path, mlflow):
    uri = str(tmp_path / "store")
    track(run, "mlflow", uri=uri)
    again = track(run, "mlflow", uri=uri)
    assert (again.new, again.old) == (0, 2)
    changed = track(rescored(run), "mlflow", uri=uri)
    assert (changed.new, changed.old) == (1, 1)
    client, _ = mlflow_runs(mlflow, uri)
    assert len(client.search_runs([client.get_experiment_by_name("sixthfinger").experiment_id])) == 3


def test_mlflow_is_given_again_what_was_cut_short(run, tmp_path, mlflow):
    uri = str(tmp_path / "store")
    track(run, "mlflow", uri=uri)
    client, found = mlflow_runs(mlflow, uri)
    cut = found[f"builtin:ldm · {CELLS[0]}"].info.run_id
    client.update_run(cut, status="RUNNING")
    again = track(run, "mlflow", uri=uri)
    assert (again.new, again.old) == (1, 1)
    _, found = mlflow_runs(mlflow, uri)
    assert len(found) == 2
    assert cut not in {each.info.run_id for each in found.values()}


def test_a_deleted_experiment_is_not_written_into(run, tmp_path, mlflow):
    uri = str(tmp_path / "store")
    client = mlflow.MlflowClient(tracking_uri=uri)
    client.delete_experiment(client.create_experiment("gone"))
    with pytest.raises(TrackError, match=r"'gone' was deleted; restore it, or choose another --project"):
        track(run, "mlflow", uri=uri, project="gone")


def test_a_store_that_mlflow_does_not_know_is_said_in_one_error(run, mlflow):
    with pytest.raises(TrackError, match=r"MLflow at nonsense://\*\*\*@x"):
        track(run, "mlflow", uri="nonsense://me:pass@x")


# bad input


@pytest.mark.parametrize("to", ["mlflow", "wandb"])
def test_a_tracker_that_is_not_installed_says_how_to_install_it(run, to, monkeypatch):
    monkeypatch.setitem(sys.modules, to, None)
    with pytest.raises(TrackError, match=rf"package {to} is not installed; get it: pip install .*\[trackers\]"):
        track(run, to)


def test_options_of_the_other_tracker_are_refused(run, tmp_path):
    with pytest.raises(TrackError, match="--dir is for --to wandb"):
        track(run, "mlflow", directory=tmp_path)
    with pytest.raises(TrackError, match="--uri is for --to mlflow"):
        track(run, "wandb", uri="sqlite:///x")


def test_a_run_without_numbers_says_what_makes_them(run):
    with run.open_for_writing():
        run.write_summary([], [])
    with pytest.raises(TrackError, match="has no numbers yet; audit score"):
        track(run, "wandb")
