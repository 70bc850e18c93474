"""`openai:BASE_URL?model=NAME[&OPTIONS]`: any server that speaks the OpenAI images API, hosted or on the next desk.

    openai:https://api.openai.com/v1?model=gpt-image-1
    openai:http://localhost:8000/v1?model=sd&size=512x512&steps=num_inference_steps&guidance=guidance_scale

Options: model; size (WIDTHxHEIGHT); batch (requests in flight, 4); rate (requests a minute at most); retries (5);
timeout (seconds, 180); key_env (the environment variable that holds the API key, OPENAI_API_KEY); format (b64_json, or
"none" for servers that refuse the field). What the API has no name for goes into the request's body under the name the
server knows it by: seed, steps, guidance, negative (text). A knob that is not named is not listened to, and without a
seed's name the pictures cannot be repeated.

Busy and failing servers are asked again after the pause they ask for. What the server declines to draw is skipped with
its words.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import re
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any
from urllib.parse import unquote

from generators.adapters.images import UNREADABLE, TooLargeError, opened, to_rgb
from generators.adapters.options import OptionError, split_options
from generators.api import GeneratorError, Pixels, Refusal, Request, Task

FIELDS = ("seed", "steps", "guidance", "negative")
OPTIONS = ("model", "size", "batch", "rate", "retries", "timeout", "key_env", "format", *FIELDS)
DECLINED = ("content_policy", "moderation", "safety", "content_filter")
"""Words in an error's code that say the server would not, rather than could not."""


class OpenAIGenerator:
    """A model behind an images API; see the module."""

    tasks: frozenset[Task] = frozenset({"text2img"})

    def __init__(self, name: str, url: str, options: Mapping[str, str], client: Any) -> None:
        self.name = name
        self.url = url
        self.options = dict(options)
        self.client = client
        self.batch = whole("batch", options.get("batch", "4"))
        self.knobs = frozenset({knob for knob in ("steps", "guidance") if knob in options} | {"height", "width"})
        self.device = without_login(url)
        self._turn = Turnstile(float(options["rate"])) if "rate" in options else None

    @classmethod
    def parse(cls, rest: str) -> OpenAIGenerator:
        """The generator of what follows "openai:".

        Raises:
            GeneratorError: no address, no model, an unknown or impossible option, no key, the library missing.
        """
        try:
            url, options = split_options(rest, OPTIONS)
        except OptionError as error:
            # without the specification, in which somebody may have put a key
            raise GeneratorError(f"openai: {str(error).removeprefix(f'{rest!r}: ')}") from None
        shown = without_login(url)
        if not url.startswith(("http://", "https://")):
            raise GeneratorError(f"openai: {shown!r} is no address; write openai:http://localhost:8000/v1?model=NAME")
        if "model" not in options:
            raise GeneratorError(f"openai: which model of {shown}? write openai:{shown}?model=NAME")
        if "size" in options:
            sides_of(options["size"])
        for name in ("batch", "retries", "rate", "timeout"):
            whole(name, options.get(name, "1"), least=0 if name == "retries" else 1)
        if options.get("format", "b64_json") not in ("b64_json", "none"):
            raise GeneratorError(f"openai: no format {options['format']!r}; there is b64_json and none")
        return cls(f"openai:{without_login(rest)}", url, options, client_of(url, options))

    def fingerprint(self) -> str:
        """Hash of address, model and fields: what is behind an API can change without a sign, and no hash can tell."""
        shaping = {name: self.options.get(name, "") for name in ("model", "size", *FIELDS)}
        return hashlib.sha256(
            json.dumps({"url": without_login(self.url), **shaping}, sort_keys=True).encode()
        ).hexdigest()

    def generate(self, requests: Sequence[Request]) -> Iterator[tuple[int, Pixels | Refusal]]:
        """As they arrive; `batch` requests are under way at a time."""
        with ThreadPoolExecutor(self.batch) as pool:
            asked = {pool.submit(self.answer, request): index for index, request in enumerate(requests)}
            for answered in as_completed(asked):
                yield asked[answered], answered.result()

    def answer(self, request: Request) -> Pixels | Refusal:
        """One picture, or the server's words."""
        import openai

        if request.settings.task not in self.tasks:
            return Refusal("failed", f"{self.name} does text2img only, not {request.settings.task}")
        if self._turn is not None:
            self._turn.wait()
        try:
            answer = self.client.images.generate(**self.body(request))
        except openai.APIStatusError as error:
            return Refusal(
                "skipped" if declined(error) else "failed", self.unkeyed(f"{error.status_code} {message_of(error)}")
            )
        except (openai.APIError, ValueError, RecursionError) as error:  # the latter: JSON that is none, or too deep
            return Refusal("failed", self.unkeyed(f"{type(error).__name__}: {error}"))
        return picture_of(answer)

    def unkeyed(self, text: str) -> str:
        """The server's words without the API key and the password: servers repeat what they were sent."""
        password = login_of(self.url).partition(":")[2]
        for secret in {self.client.api_key, password, unquote(password)} - {"", "none"}:
            text = text.replace(secret, "***")
        return text

    def body(self, request: Request) -> dict[str, Any]:
        """The arguments of the API's call."""
        settings, options = request.settings, self.options
        width, height = sides_of(options["size"]) if "size" in options else (None, None)
        width, height = settings.width or width, settings.height or height
        fields = {
            "seed": request.seed % 2**31,  # what servers take: PyTorch, JavaScript and C agree on 31 bits
            "steps": settings.steps,
            "guidance": settings.guidance,
            "negative": request.negative_text or None,
        }
        extra = {options[name]: value for name, value in fields.items() if name in options and value is not None}
        body: dict[str, Any] = {"model": options["model"], "prompt": request.text, "n": 1, "extra_body": extra}
        if width and height:
            body["size"] = f"{width}x{height}"
        if options.get("format", "none" if options["model"].startswith("gpt-image") else "b64_json") != "none":
            body["response_format"] = "b64_json"
        return body


class Turnstile:
    """Lets callers through at most `rate` times a minute, evenly spaced, whichever thread they come from."""

    def __init__(self, rate: float) -> None:
        self.pause = 60 / rate
        self.next = time.monotonic()
        self.lock = threading.Lock()

    def wait(self) -> None:
        """Until it is this caller's turn."""
        with self.lock:
            now = time.monotonic()
            mine = max(now, self.next)
            self.next = mine + self.pause
        time.sleep(mine - now)


def client_of(url: str, options: Mapping[str, str]) -> Any:
    """The library's client, which retries on busy and broken servers and heeds Retry-After."""
    try:
        import openai
    except ImportError as error:
        raise GeneratorError("openai: the client is missing: pip install 'sixthfinger[openai]'") from error
    variable = options.get("key_env", "OPENAI_API_KEY")
    key = os.environ.get(variable, "")
    if not key and url.startswith("https://"):
        raise GeneratorError(f"openai: no API key; put it into the environment variable {variable}")
    return openai.OpenAI(
        base_url=url,
        api_key=key or "none",
        max_retries=whole("retries", options.get("retries", "5"), least=0),
        timeout=float(options.get("timeout", "180")),
    )


def picture_of(answer: Any) -> Pixels | Refusal:
    """The picture in an answer, or what is wrong with it."""
    data = getattr(answer, "data", None)
    if not isinstance(data, list) or not data:
        return Refusal("failed", "the server's answer holds no picture")
    encoded = getattr(data[0], "b64_json", None)
    if not isinstance(encoded, str) or not encoded:
        return Refusal("failed", "the server answered with an address instead of the picture; it must do b64_json")
    try:
        with opened(base64.b64decode(encoded, validate=True)) as picture:
            return to_rgb(picture)
    except TooLargeError as error:
        return Refusal("failed", f"the server's picture is too large: {error}")
    except (binascii.Error, *UNREADABLE) as error:
        return Refusal("failed", f"the server's picture cannot be read: {error}")


def declined(error: Any) -> bool:
    """Whether the server would not draw this, by the code of its answer."""
    told = f"{getattr(error, 'code', '')} {getattr(error, 'type', '')}".lower()
    return error.status_code in (400, 403, 422) and any(word in told for word in DECLINED)


def message_of(error: Any) -> str:
    """The server's own sentence where it gave one."""
    body = error.body if isinstance(error.body, Mapping) else {}
    return " ".join(str(body.get("message") or error.message).split())[:300]


def whole(name: str, text: str, *, least: int = 1) -> int:
    """A whole number from `least`."""
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII) or int(text) < least:
        raise GeneratorError(f"openai: {name} must be a whole number from {least}, found {text!r}")
    return int(text)


def sides_of(text: str) -> tuple[int, int]:
    """(width, height) of "512x384"."""
    sides = re.fullmatch(r"([1-9]\d{0,5})x([1-9]\d{0,5})", text, re.ASCII)
    if not sides:
        raise GeneratorError(f"openai: size must be WIDTHxHEIGHT, such as 512x512; found {text!r}")
    return int(sides[1]), int(sides[2])


def login_of(url: str) -> str:
    """What stands before the @ of an address, "NAME:PASSWORD"; empty where nothing does."""
    address = re.match(r"\w+://([^/?#]*)@", url)
    return address[1] if address else ""


def without_login(url: str) -> str:
    """The address as it may be shown."""
    login = login_of(url)
    return url.replace(f"{login}@", "", 1) if login else url
