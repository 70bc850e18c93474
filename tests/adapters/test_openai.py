"""The images API against a real server on this machine that is busy, broken, prudish or slow when told to be."""

from __future__ import annotations

import base64
import io
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from PIL import Image

from audit import cli
from audit.store import RunFolder
from generators.adapters.openai import OpenAIGenerator, Turnstile
from generators.api import Generator, GeneratorError, Refusal, Request, Settings

openai = pytest.importorskip("openai")


def picture(seed: int, side: int = 8) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8))


def encoded(image: Image.Image) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


class Server(ThreadingHTTPServer):
    """Answers by the prompt's first word; remembers what it was asked and when."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[dict] = []
        self.times: list[float] = []
        self.keys: list[str] = []
        self.busy: dict[str, int] = {}
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_: object) -> None:
        """Tests stay quiet."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.asked.append(body)
            self.server.times.append(time.monotonic())
            self.server.keys.append(self.headers["Authorization"])
            tried = self.server.busy[body["prompt"]] = self.server.busy.get(body["prompt"], 0) + 1
        word = body["prompt"].split()[0]
        if self.path != "/v1/images/generations":
            self.reply(404, {"error": {"message": f"no such path {self.path}"}})
        elif word == "busy" and tried < 3:
            self.reply(429, {"error": {"message": "slow down"}}, {"Retry-After": "0.05"})
        elif word == "broken" and tried < 2:
            self.reply(500, {"error": {"message": "out of order"}}, {"retry-after-ms": "20"})
        elif word == "rude":
            self.reply(400, {"error": {"message": "I would rather not", "code": "content_policy_violation"}})
        elif word == "wrong":
            self.reply(400, {"error": {"message": "no such size", "code": "invalid_size"}})
        elif word == "link":
            self.reply(200, {"created": 1, "data": [{"url": "http://127.0.0.1/x.png"}]})
        elif word == "empty":
            self.reply(200, {"created": 1, "data": []})
        elif word == "garbage":
            self.reply(200, {"created": 1, "data": [{"b64_json": base64.b64encode(b"no picture").decode()}]})
        else:
            self.reply(200, {"created": 1, "data": [{"b64_json": encoded(picture(body.get("seed", 0)))}]})

    def reply(self, status: int, body: dict, headers: dict[str, str] | None = None) -> None:
        raw = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {
            "Content-Type": "application/json",
            "Content-Length": str(len(raw)),
            **(headers or {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)


@pytest.fixture
def server():
    with Server() as serving:
        thread = threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield serving
        serving.shutdown()


def loaded(server: Server, options: str = "") -> OpenAIGenerator:
    return OpenAIGenerator.parse(f"{server.url}?model=m&seed=seed{options}")


def answers(generator: OpenAIGenerator, *texts: str, **settings) -> list:
    requests = [Request(text=text, seed=i, settings=Settings(**settings)) for i, text in enumerate(texts)]
    found = dict(generator.generate(requests))
    return [found[index] for index in range(len(texts))]


def test_pictures_arrive_for_the_requests_they_were_asked_for(server):
    generator = loaded(server)
    assert isinstance(generator, Generator)
    for seed, made in enumerate(answers(generator, "a", "b", "c", "d", "e", "f")):
        assert np.array_equal(made, np.asarray(picture(seed)))


def test_the_body_carries_what_the_server_has_names_for(server):
    generator = loaded(
        server, "&size=512x384&steps=num_inference_steps&guidance=guidance_scale&negative=negative_prompt"
    )
    assert generator.knobs == {"steps", "guidance", "height", "width"}
    request = Request(text="a mug", negative_text="blurry", seed=2**40 + 7, settings=Settings(steps=9, guidance=3.5))
    dict(generator.generate([request]))
    assert server.asked == [
        {
            "model": "m",
            "prompt": "a mug",
            "n": 1,
            "size": "512x384",
            "response_format": "b64_json",
            "seed": 7,
            "num_inference_steps": 9,
            "guidance_scale": 3.5,
            "negative_prompt": "blurry",
        }
    ]


def test_what_has_no_name_is_not_sent(server):
    generator = OpenAIGenerator.parse(f"{server.url}?model=gpt-image-1")
    answers(generator, "a mug", steps=9, height=256, width=128)
    assert server.asked == [{"model": "gpt-image-1", "prompt": "a mug", "n": 1, "size": "128x256"}]
    assert generator.knobs == {"height", "width"}


@pytest.mark.parametrize(("word", "tries"), [("busy", 3), ("broken", 2)])
def test_busy_and_broken_servers_are_asked_again(server, word, tries):
    [made] = answers(loaded(server), f"{word} server")
    assert isinstance(made, np.ndarray)
    assert len(server.asked) == tries


def test_patience_ends_where_it_is_told_to(server):
    [refused] = answers(loaded(server, "&retries=1"), "busy server")
    assert refused == Refusal("failed", "429 slow down")
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("word", "status", "reason"),
    [
        ("rude", "skipped", "400 I would rather not"),
        ("wrong", "failed", "400 no such size"),
        ("link", "failed", "an address instead of the picture"),
        ("empty", "failed", "holds no picture"),
        ("garbage", "failed", "cannot be read"),
    ],
)
def test_an_answer_without_a_picture_says_why_and_spares_the_others(server, word, status, reason):
    refused, made = answers(loaded(server), f"{word} words", "a mug")
    assert refused.status == status
    assert reason in refused.reason
    assert isinstance(made, np.ndarray)


def test_a_server_that_is_gone_is_a_failure(server):
    generator = loaded(server, "&retries=0&timeout=2")
    server.shutdown()
    server.server_close()
    [refused] = answers(generator, "a mug")
    assert refused.status == "failed"
    assert "APIConnectionError" in refused.reason


def test_the_rate_limit_spaces_requests_out(server):
    answers(loaded(server, "&rate=1200&batch=8"), *"abcdef")
    gaps = np.diff(sorted(server.times))
    assert sum(gaps) >= 5 * 0.05 - 0.02  # six requests are five pauses of a twentieth of a second, give or take a tick
    assert Turnstile(60).pause == 1


def test_the_key_comes_from_the_environment_and_is_never_shown(server, monkeypatch):
    monkeypatch.setenv("MY_KEY", "sk-secret")
    generator = loaded(server, "&key_env=MY_KEY")
    answers(generator, "a mug")
    assert server.keys == ["Bearer sk-secret"]
    assert "sk-secret" not in f"{generator.name} {generator.fingerprint()} {generator.device}"


def test_a_run_over_an_api_goes_on_where_it_stopped(server, tmp_path, monkeypatch):
    suite = tmp_path / "s.txt"
    suite.write_text("a mug\nrude words\na hand\n")
    argv = ["run", "--suite", str(suite), "--generator", f"openai:{server.url}?model=m&seed=seed", "--no-report"]
    argv += ["--audits", "tone.contrast", "--out", str(tmp_path / "run")]
    assert cli.main(argv) == 0
    assert list(RunFolder(tmp_path / "run").artifacts()["status"]) == ["ok", "skipped", "ok"]
    before = len(server.asked)
    assert cli.main(argv) == 0
    assert len(server.asked) == before


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ("localhost?model=m", "'localhost' is no address"),
        ("http://h/v1", "which model of http://h/v1? write openai:http://h/v1?model=NAME"),
        ("http://h/v1?model=m&size=big", "size must be WIDTHxHEIGHT"),
        ("http://h/v1?model=m&rate=0", "rate must be a whole number from 1"),
        ("http://h/v1?model=m&retires=3", "did you mean retries"),
        ("http://h/v1?model=m&format=png", "there is b64_json and none"),
        ("https://h/v1?model=m&key_env=NOT_SET_ANYWHERE", "environment variable NOT_SET_ANYWHERE"),
    ],
)
def test_bad_specifications_say_what_would_work(rest, message):
    with pytest.raises(GeneratorError) as caught:
        OpenAIGenerator.parse(rest)
    assert message in str(caught.value)
