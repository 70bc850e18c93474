"""No secret is kept or shown: a canary stands where keys stand, and is looked for in whatever a run leaves behind."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from audit import cli
from audit.oneline import one_line
from audit.redact import redact
from generators.adapters.openai import OpenAIGenerator
from generators.api import GeneratorError
from generators.load import load

pytest.importorskip("openai", reason="openai is not installed (extra openai)")
from tests.adapters.test_openai import Handler, Server, encoded, picture

CANARY = "canary4711"


class Parrot(Handler):
    """Repeats what it was sent, key and all, to every second prompt."""

    def do_POST(self) -> None:  # noqa: N802 - the name that http.server calls
        sent = self.rfile.read(int(self.headers["Content-Length"])).decode()
        said = f"refused {self.headers['Authorization']} of {self.headers['Host']}, key {CANARY}-key"
        if "echo" in sent:
            self.reply(401, {"error": {"message": said, "code": f"bad_key {CANARY}-key"}})
        else:
            self.reply(200, {"created": 1, "data": [{"b64_json": encoded(picture(3))}]})


@pytest.fixture
def parrot() -> Iterator[Server]:
    with Server() as serving:
        serving.RequestHandlerClass = Parrot
        thread = threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield serving
        serving.shutdown()


def everything(folder: Path) -> dict[str, str]:
    """What every file below a folder says; tables as their cells, since Parquet packs them."""
    found = {}
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        raw = path.read_bytes().decode("latin-1")
        table = pq.read_table(path) if path.suffix == ".parquet" else None
        if table is not None:
            raw += repr(table.drop_columns([n for n in table.column_names if n == "image"]).to_pylist())
            raw += repr(table.schema.metadata)
        found[str(path.relative_to(folder))] = raw
    return found


def test_a_canary_is_in_no_file_and_on_no_screen_from_run_to_tracker(
    parrot: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("mlflow", reason="mlflow is not installed (extra trackers)")
    pytest.importorskip("sqlalchemy", reason="sqlalchemy is not installed (extra trackers)")
    monkeypatch.chdir(tmp_path)
    for name in ("MY_KEY", "OPENAI_API_KEY", "HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "WANDB_API_KEY"):
        monkeypatch.setenv(name, f"{CANARY}-key")
    (tmp_path / "s.txt").write_text("a mug\necho\n")
    spec = f"openai:http://ada:{CANARY}-word@127.0.0.1:{parrot.server_port}/v1?model=m&key_env=MY_KEY&retries=0"
    assert cli.main(["run", "--suite", "s.txt", "--generator", spec, "--out", "run", "--audits", "tone.contrast"]) == 1
    assert cli.main(["show", "run"]) == 0
    assert cli.main(["export", "run", "--to", "plain"]) == 0
    assert cli.main(["export", "run", "--to", "packed", "--format", "parquet", "--no-pictures"]) == 0
    assert cli.main(["modelcard", "run", "-o", "README.md"]) == 0
    assert cli.main(["track", "run", "--to", "mlflow"]) == 0
    assert cli.main(["gate", "run", "--init", "--policy", "gate.toml"]) in (0, 2)
    told = capfd.readouterr()
    left = everything(tmp_path)
    assert {"run/manifest.json", "run/report.html", "README.md", "mlflow.db"} <= set(left)
    assert any("refused" in text and "***" in text for text in left.values())
    assert [name for name, text in left.items() if CANARY in text] == []
    assert CANARY not in told.out + told.err


@pytest.mark.parametrize(
    "spec",
    [
        f"openai:https://ada:{CANARY}@host/v1?model=m&api_key={CANARY}",
        f"openai:https://ada:{CANARY}@host/v1",
        f"openai:https://{CANARY}@host/v1?model=m&key_env=NOT_SET_ANYWHERE",
        f"openai:https://ada:{CANARY}@host/v1?model=m&size=big",
        f"openai:ftp://ada:{CANARY}@host/v1?model=m",
        f"opnai:https://ada:{CANARY}@host/v1?model=m",
        f"zzz:host?token={CANARY}",
    ],
)
def test_a_refused_specification_is_not_repeated_with_its_login_or_key(spec: str) -> None:
    with pytest.raises(GeneratorError) as told:
        load(spec)
    assert CANARY not in str(told.value)


def test_an_api_has_one_name_and_fingerprint_whoever_logs_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    plain, ada, bob = (
        OpenAIGenerator.parse(f"http://{login}host/v1?model=m") for login in ("", f"ada:{CANARY}@", f"bob:x@y{CANARY}@")
    )
    assert plain.name == ada.name == bob.name
    assert plain.fingerprint() == ada.fingerprint() == bob.fingerprint()
    assert CANARY not in f"{ada.name}{ada.device}{bob.name}{bob.device}"


@pytest.mark.parametrize(
    "text",
    [
        f"https://h/v1?a=1&api_key={CANARY}",
        f"https://h/v1?X-Amz-Signature={CANARY}&b=2",
        f"https://ada:{CANARY}@h/v1",
        f"https://{CANARY}@h/v1",
        f"postgresql://ada:{CANARY}@h:5/db",
        f"Authorization: Bearer {CANARY}",
        f'{{"authorization": "Basic {CANARY}"}}',
        f"headers={{'Authorization': 'token {CANARY}'}}",
        f"HTTP 401 for bearer {CANARY}",
        f"Incorrect API key provided: sk-{CANARY}-AAAA.",
        f"token hf_{CANARY}AAAA is expired",
        f"ghp_{CANARY}AAAA",
    ],
)
def test_secrets_are_blotted_out_wherever_they_usually_stand(text: str) -> None:
    for shown in (redact(text), one_line(text)):
        assert CANARY not in shown
        assert "***" in shown


@pytest.mark.parametrize(
    "text",
    [
        "a monkey=banana and a key on a table",
        "images:my@home/pictures?prompts=keys.csv",
        "diffusers:stabilityai/sd-turbo@main?dtype=fp32",
        "https://host/a@b",
        "write to ada@example.org or see https://example.org",
        "the bearer of good news",
        "sk-ate and hf_x",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) == text


def test_the_environment_is_in_no_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_VARIABLE", CANARY)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.txt").write_text("a mug\n")
    argv = ["run", "--suite", "s.txt", "--generator", "builtin:gan", "--out", "run", "--audits", "tone.contrast"]
    assert cli.main([*argv, "--no-report"]) == 0
    told = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert not re.search(CANARY, json.dumps(told))
    assert told["generators"][0]["name"] == "builtin:gan"
