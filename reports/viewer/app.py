"""The viewer's addresses. Who may ask for them is decided in `reports.viewer.guard`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from fastapi import FastAPI, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from fastapi.telemetry import TelemetryConfig
from pydantic import BaseModel, ConfigDict, Field

from audit.registry import UnknownNameError
from audit.reviews import ReviewError
from audit.store import StoreError
from audit.types import Json
from reports.page import asset
from reports.viewer import browse, pages
from reports.viewer.guard import REPORT_POLICY, Guard, Keys
from reports.viewer.review import Desk
from reports.viewer.shelf import MissingError, Shelf

KEPT = {"Cache-Control": "private, max-age=86400, immutable"}
"""For pictures: their addresses hold the digest of their pixels."""
ASSETS = {
    "report.css": ("report.css", "text/css"),
    "viewer.css": ("viewer/viewer.css", "text/css"),
    "viewer.js": ("viewer/viewer.js", "text/javascript"),
    "review.js": ("viewer/review.js", "text/javascript"),
}
"""The only files that are served, by the name that is asked for."""
SILENT: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}
"""Nothing is measured or sent anywhere, whatever the environment says."""
STATUS: dict[type[Exception], int] = {
    MissingError: 404,
    UnknownNameError: 404,
    browse.QueryError: 400,
    ReviewError: 400,
    StoreError: 500,
}


class Seat(BaseModel):
    """Whose review of what."""

    model_config = ConfigDict(extra="forbid", strict=True)
    run: int
    audit: str = Field(max_length=200)
    reviewer: str = Field(max_length=64)


class Given(Seat):
    """An answer about one picture; `peeked`: whether its evidence was shown before."""

    key: str = Field(max_length=64)
    answer: Literal["yes", "no", "skip"]
    seconds: float = Field(ge=0, le=1e6)
    peeked: bool


class Shown(BaseModel):
    """The query part of the browse pages' addresses."""

    model_config = ConfigDict(extra="forbid")
    generator: str = ""
    cell: str = ""
    audit: str = ""
    order: browse.Order = "plan"
    finding: str = ""
    words: str = Field("", max_length=400)
    at: int = 1
    place: int | None = None

    def query(self) -> browse.Query:
        """Without the place of a picture in it."""
        return browse.Query(**self.model_dump(exclude={"place"}))


def application(folders: Sequence[Path], *, port: int, reviewer: str = "") -> tuple[Guard, Keys]:
    """The viewer of these run folders as an ASGI application, with the keys that open it.

    Args:
        port: where it will be reached; other Host headers are refused.
        reviewer: filled in where a name is asked for.

    Raises:
        ValueError: a folder that is no run.
    """
    shelf, keys = Shelf(folders), Keys()
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, telemetry=SILENT)
    for kind in STATUS:
        app.add_exception_handler(kind, _told)
    _add_pages(app, shelf, keys, reviewer)
    _add_pictures(app, shelf)
    _add_review(app, shelf)
    return Guard(app, keys=keys, port=port), keys


def _add_pages(app: FastAPI, shelf: Shelf, keys: Keys, reviewer: str) -> None:
    @app.get("/", response_class=HTMLResponse)
    def home() -> str:
        return pages.home(shelf, reviewer)

    @app.get("/report", response_class=HTMLResponse)
    def report() -> HTMLResponse:
        return HTMLResponse(shelf.page(), headers={"Content-Security-Policy": REPORT_POLICY})

    @app.get("/browse", response_class=HTMLResponse)
    def browsed(shown: Annotated[Shown, Query()]) -> str:
        return pages.browse(shelf, shown.query())

    @app.get("/picture/{run}/{key}", response_class=HTMLResponse)
    def picture(run: int, key: str, shown: Annotated[Shown, Query()]) -> str:
        return pages.picture(shelf, run, key, shown.query(), shown.place)

    @app.get("/review/{run}", response_class=HTMLResponse)
    def review(run: int, audit: str, reviewer: str) -> str:
        desk = Desk(shelf, run, audit, reviewer)
        return pages.review(desk, keys.post)

    @app.get("/agreement", response_class=HTMLResponse)
    def agreement() -> str:
        return pages.agreement(shelf)

    @app.get("/assets/{name}")
    def own(name: str) -> Response:
        if name not in ASSETS:
            raise MissingError(f"no file {name!r}")
        path, kind = ASSETS[name]
        return Response(asset(path), media_type=kind)


def _add_pictures(app: FastAPI, shelf: Shelf) -> None:
    @app.get("/image/{run}/{key}")
    def whole(run: int, key: str) -> Response:
        return _webp(shelf.picture(run, key))

    @app.get("/small/{run}/{key}")
    def small(run: int, key: str) -> Response:
        return _webp(shelf.copy(run, key))

    @app.get("/input/{run}/{digest}")
    def brought(run: int, digest: str) -> Response:
        return _webp(shelf.brought(run, digest))


def _add_review(app: FastAPI, shelf: Shelf) -> None:
    @app.get("/api/item/{run}")
    def item(run: int, audit: str, reviewer: str, at: int | None = None) -> dict[str, Json]:
        return Desk(shelf, run, audit, reviewer).item(at)

    @app.get("/api/evidence/{run}/{key}")
    def evidence(run: int, key: str, audit: str, reviewer: str) -> dict[str, Json]:
        return Desk(shelf, run, audit, reviewer).evidence(key)

    @app.post("/api/answer")
    def answer(given: Given) -> dict[str, Json]:
        desk = Desk(shelf, given.run, given.audit, given.reviewer)
        flagged = desk.answer(given.key, given.answer, seconds=given.seconds, peeked=given.peeked)
        return {"flagged": flagged}

    @app.post("/api/undo")
    def undo(seat: Seat) -> dict[str, Json]:
        return {"at": Desk(shelf, seat.run, seat.audit, seat.reviewer).undo()}


def _webp(raw: bytes) -> Response:
    return Response(raw, media_type="image/webp", headers=KEPT)


def _told(request: Request, error: Exception) -> Response:
    """What went wrong in the error's own words: as JSON to scripts, as plain text to people."""
    status = next(code for kind, code in STATUS.items() if isinstance(error, kind))
    if request.url.path.startswith("/api/"):
        return JSONResponse({"error": str(error)}, status_code=status)
    return PlainTextResponse(f"{error}\n", status_code=status)
