"""Who gets in: this machine's browser with the token. Asked over a real socket, so that nothing is tidied up before."""

from __future__ import annotations

import http.client
import json
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from html.parser import HTMLParser

import pytest

from reports.viewer.serve import ViewerError, stalled
from tests.fakes import ROOT
from tests.viewer.conftest import Served


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


@pytest.fixture(scope="session")
def cookie(served: Served) -> str:
    answer = ask(served, "/?" + served.stall.address.partition("?")[2])
    assert answer.status == 303
    return answer.headers["set-cookie"].partition(";")[0]


@pytest.fixture(scope="session")
def post(served: Served, cookie: str) -> str:
    """The token that the review page holds."""
    page = ask(served, "/review/0?audit=text.exact&reviewer=guard", cookie=cookie).body.decode()
    return json.loads(re.search(r'id="data">(.*?)</script>', page)[1])["post"]


def ask(served: Served, path: str, *, method: str = "GET", cookie: str = "", body: str = "", **headers: str) -> Answer:
    """A request exactly as given; _ in names of headers stands for -."""
    told = {"Host": f"127.0.0.1:{served.port}", "Cookie": cookie, "Content-Length": str(len(body))}
    told |= {name.replace("_", "-"): value for name, value in headers.items()}
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    for name, value in told.items():
        connection.putheader(name, value)
    connection.endheaders(body.encode() or None)
    answer = connection.getresponse()
    found = Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
    connection.close()
    return found


@pytest.fixture(scope="session")
def key(served: Served) -> str:
    from audit.store import RunFolder

    made = RunFolder(served.run).artifacts()
    return str(made[made.status == "ok"].key.iloc[0])


def inline(page: str) -> list[str]:
    """Scripts and styles that stand in the page itself."""
    found: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            told = dict(attrs)
            found.extend(f"{tag} {name}" for name in told if name.startswith("on") or name == "style")
            if tag == "style" or (tag == "script" and "src" not in told and told.get("type") != "application/json"):
                found.append(tag)

    Reader().feed(page)
    return found


PAGES = ["/", "/browse", "/report", "/agreement", "/review/0?audit=text.exact&reviewer=a", "/assets/viewer.js"]


@pytest.mark.parametrize("path", [*PAGES, "/docs", "/openapi.json"])
def test_without_the_token_nothing_is_shown(served, path):
    answer = ask(served, path)
    assert answer.status == 403
    assert b"audit view printed" in answer.body


def test_a_wrong_token_or_cookie_is_refused(served, cookie):
    assert ask(served, "/?token=x").status == 403
    assert ask(served, "/?token=").status == 403
    assert ask(served, "/", cookie=cookie + "x").status == 403
    assert ask(served, "/", cookie=cookie.partition("=")[0] + "=ä").status == 403


def test_the_token_becomes_a_cookie_that_scripts_and_other_sites_cannot_use(served):
    answer = ask(served, "/?" + served.stall.address.partition("?")[2])
    assert answer.headers["location"] == "/"
    assert "httponly" in answer.headers["set-cookie"].lower()
    assert "samesite=strict" in answer.headers["set-cookie"].lower()
    token = served.stall.address.partition("token=")[2]
    assert len(token) >= 40
    assert token not in answer.headers["set-cookie"]


@pytest.mark.parametrize("path", PAGES)
def test_every_page_forbids_foreign_scripts_frames_and_caches(served, cookie, path):
    answer = ask(served, path, cookie=cookie)
    assert answer.status == 200
    policy = answer.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    if path == "/report":
        assert policy.startswith("sandbox allow-scripts")
        assert "allow-same-origin" not in policy
        assert b'http-equiv="Content-Security-Policy" content="default-src \'none\'' in answer.body
    else:
        assert policy.startswith("default-src 'none'")
        assert inline(answer.body.decode()) == []
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "", "[::1]:{port}"]
)
def test_another_name_that_was_pointed_here_is_refused(served, cookie, host):
    assert ask(served, "/", cookie=cookie, Host=host.format(port=served.port)).status in (400, 421)


def test_localhost_is_this_machine_too(served, cookie):
    assert ask(served, "/", cookie=cookie, Host=f"localhost:{served.port}").status == 200


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/openapi.json", "/api", "/static/x", "/run"])
def test_there_is_nothing_else(served, cookie, path):
    assert ask(served, path, cookie=cookie).status == 404


ESCAPES = [
    "../secret.txt",
    "..%2fsecret.txt",
    "%2e%2e/secret.txt",
    "..%5csecret.txt",
    "....//secret.txt",
    "%00",
    "manifest.json",
]


@pytest.mark.parametrize("name", ESCAPES)
@pytest.mark.parametrize("folder", ["/image/0/", "/small/0/", "/input/0/", "/picture/0/", "/assets/", "/image/", "/"])
def test_no_file_is_reached_by_its_path(served, cookie, folder, name):
    answer = ask(served, folder + name, cookie=cookie)
    assert answer.status in (404, 422)
    assert b"not for you" not in answer.body


def test_pictures_are_found_by_key_in_their_own_run_alone(served, cookie, key):
    answer = ask(served, f"/image/0/{key}", cookie=cookie)
    assert (answer.status, answer.headers["content-type"]) == (200, "image/webp")
    assert ask(served, f"/small/0/{key}", cookie=cookie).body[:4] == b"RIFF"
    for path in (f"/image/1/{key}", f"/image/-1/{key}", f"/image/0/{key[:-1]}", f"/input/0/{key}"):
        assert ask(served, path, cookie=cookie).status == 404
    assert ask(served, f"/image/0/{key}").status == 403


def given(key: str, **other: object) -> str:
    told = {"run": 0, "audit": "text.exact", "reviewer": "guard", "key": key, "answer": "yes", "seconds": 1.0}
    return json.dumps({**told, "peeked": False, **other})


def sent(served: Served, cookie: str, post: str, body: str, **headers: str) -> Answer:
    good = {"Origin": served.base, "X_Audit_Token": post, "Content_Type": "application/json"}
    return ask(served, "/api/answer", method="POST", cookie=cookie, body=body, **{**good, **headers})


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": ""}, 403),
        ({"X_Audit_Token": ""}, 403),
        ({"X_Audit_Token": "x"}, 403),
        ({"Content_Type": "text/plain"}, 415),
        ({"Content_Length": "999999"}, 413),
        ({"Cookie": ""}, 403),
    ],
)
def test_a_post_from_anywhere_else_changes_nothing(served, cookie, post, key, headers, status):
    assert sent(served, cookie, post, given(key), **headers).status == status
    assert not (served.run / "reviews" / "guard.jsonl").exists()


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"reviewer": "../../guard"}, 400),
        ({"reviewer": "a/b"}, 400),
        ({"answer": "perhaps"}, 422),
        ({"answer": "undo"}, 422),
        ({"seconds": -1}, 422),
        ({"seconds": "NaN"}, 422),
        ({"run": 9}, 404),
        ({"run": "0"}, 422),
        ({"audit": "tone.clipped"}, 404),
        ({"key": "../manifest"}, 400),
        ({"more": 1}, 422),
    ],
)
def test_an_answer_that_makes_no_sense_is_refused(served, cookie, post, key, change, status):
    assert sent(served, cookie, post, given(**{"key": key, **change})).status == status
    assert not list(served.run.rglob("*guard*"))


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "TRACE", "HEAD"])
def test_other_methods_do_nothing(served, cookie, method):
    answer = ask(served, "/", method=method, cookie=cookie)
    assert answer.status == 405
    assert "access-control-allow-origin" not in answer.headers


def test_it_listens_on_this_machine_alone(served):
    assert served.stall.listening.getsockname()[0] == "127.0.0.1"


def test_a_taken_port_a_bad_name_and_no_run_are_told(served, tmp_path):
    with pytest.raises(ViewerError, match="choose another --port"):
        stalled([served.run], port=served.port)
    with pytest.raises(ValueError, match="cannot be a reviewer's name"):
        stalled([served.run], reviewer="a b")
    with pytest.raises(ValueError, match="no run folder"):
        stalled([tmp_path])


def test_missing_packages_are_named(served, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(ViewerError, match=r"the viewer needs uvicorn: pip install 'sixthfinger\[view\]'"):
        stalled([served.run])


def test_ctrl_c_ends_it_quietly_and_the_address_is_told_at_once(served):
    # a background job of a shell begins with Ctrl-C ignored, and its children with it
    heard = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    begin = f"{heard}from pathlib import Path; from reports.viewer.serve import view; "
    code = f"{begin}view([Path({str(served.run)!r})], open_browser=False)"
    started = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    )
    try:
        assert started.stdout is not None
        address = re.fullmatch(r"viewer: (http://127\.0\.0\.1:\d+/\?token=[\w-]{40,})\n", started.stdout.readline())
        assert address
        deadline = time.monotonic() + 60
        while not answers(address[1]):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        started.send_signal(signal.SIGINT)
        out, errors = started.communicate(timeout=60)
    finally:
        started.kill()
    assert started.returncode == 0
    assert out.endswith("viewer closed; every answer is kept\n")
    assert errors == ""


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address.partition("?")[0], timeout=5):
            return True
    except urllib.error.HTTPError as error:
        return error.code == 403
    except OSError:
        return False
