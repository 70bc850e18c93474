"""Who may ask the viewer for anything: this machine's browser, with the token, from the viewer's own pages."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from hmac import compare_digest

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BODY = 4096
POLICY = (
    "default-src 'none'; img-src 'self' data:; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
REPORT_POLICY = "sandbox allow-scripts allow-popups; frame-ancestors 'none'"
"""For the report, whose own <meta> policy lists the hashes of its scripts: it may not act in the viewer's name."""
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def _secret() -> str:
    return secrets.token_urlsafe(32)


@dataclass(frozen=True)
class Keys:
    """The secrets of one viewer: in the address that is printed, in the cookie, and in its pages for posting."""

    address: str = field(default_factory=_secret)
    cookie: str = field(default_factory=_secret)
    post: str = field(default_factory=_secret)


class Guard:
    """Wraps an application: a request goes through only if all of this holds, and every answer gets `HEADERS`.

    The Host is this machine by its own name or address (else 421: another name may have been pointed here, DNS
    rebinding); the cookie is the one that the printed address was exchanged for (else 403); a POST comes from the
    viewer's own pages: same Origin, the pages' token, small JSON (else 403, 413 or 415).
    """

    def __init__(self, app: ASGIApp, *, keys: Keys, port: int) -> None:
        self._app = app
        self._keys = keys
        self._hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost")}
        # cookies are shared by all ports of a host, so that each viewer needs one of its own name
        self._cookie = f"audit-view-{port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI; anything but HTTP and the server's own start and stop is refused."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            raise RuntimeError(f"the viewer speaks no {scope['type']}")
        request = Request(scope)
        answer = self._refusal(request) or self._entry(request)

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await (answer or self._app)(scope, receive, guarded)

    def _refusal(self, request: Request) -> Response | None:
        host = _only(request.headers, "host")
        if host not in self._hosts:
            return _no(421, f"this viewer answers to {' and '.join(sorted(self._hosts))}")
        if request.method in ("GET", "HEAD"):
            return None
        if request.method != "POST":
            return _no(405, "only GET and POST")
        if _only(request.headers, "origin") != f"http://{host}":
            return _no(403, "another site's page may not post here")
        if not compare_digest(_only(request.headers, "x-audit-token").encode(), self._keys.post.encode()):
            return _no(403, "the page's token is missing or old; load the page again")
        if _only(request.headers, "content-type").partition(";")[0].strip() != "application/json":
            return _no(415, "only application/json")
        length = _only(request.headers, "content-length")
        if not length.isdecimal() or int(length) > MOST_BODY:
            return _no(413, f"at most {MOST_BODY} bytes, with their length told")
        return None

    def _entry(self, request: Request) -> Response | None:
        """Exchange the address's token for the cookie; refuse whoever has neither."""
        given = request.query_params.get("token")
        if request.method == "GET" and request.url.path == "/" and given is not None:
            if not compare_digest(given.encode(), self._keys.address.encode()):
                return _no(403, "this token is of no viewer that runs; open the address that audit view printed")
            answer = RedirectResponse("/", status_code=303)
            answer.set_cookie(self._cookie, self._keys.cookie, httponly=True, samesite="strict", path="/")
            return answer
        if not compare_digest(request.cookies.get(self._cookie, "").encode(), self._keys.cookie.encode()):
            return _no(403, "open the address that audit view printed, with its token")
        return None


def _only(headers: Headers, name: str) -> str:
    """The header's value; "" where it is absent or given more than once."""
    values: Iterable[str] = headers.getlist(name)
    return next(iter(values), "") if len(list(values)) == 1 else ""


def _no(status: int, why: str) -> Response:
    return PlainTextResponse(why + "\n", status_code=status)
