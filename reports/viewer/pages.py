"""The viewer's pages as safe markup, each from the shelf and what its address asks for."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from markupsafe import Markup

from audit import reviews
from audit.cards import Card
from audit.reviewed import Reviewed, card_of, current, reviewed, said
from audit.reviews import Findings, ReviewError, Reviews
from audit.types import Json
from reports.evidence import boxes, marks, reading
from reports.load import AuditInfo, Run, rows_of
from reports.page import embedded, fill
from reports.pictures import SMALL
from reports.viewer.browse import PAGE, Query, choose, findings
from reports.viewer.review import Desk, told_facts
from reports.viewer.shelf import MissingError, Shelf
from reports.words import number

DOMAIN = "reviewed"
"""The name under which a card is previewed; `audit reviews --domain` gives it its own."""


@dataclass(frozen=True)
class Progress:
    """How far the review of one detector is: pictures flagged and not, and answers by reviewer."""

    name: str
    defect: str
    flagged: int
    unflagged: int
    answers: Mapping[str, int]
    doubt: str = ""


def home(shelf: Shelf, reviewer: str) -> Markup:
    """The runs, with a way to each view of them."""
    runs = [
        {
            "label": run.label,
            "made": int((run.pictures["status"] == "ok").sum()),
            "planned": len(run.pictures),
            "progress": _progress(shelf, place, run),
        }
        for place, run in enumerate(shelf.report.runs)
    ]
    return fill("viewer/home.html", title="Runs", runs=runs, reviewer=reviewer)


def browse(shelf: Shelf, query: Query) -> Markup:
    """A page of pictures."""
    report, frame = shelf.report, shelf.frame()
    rows = choose(frame, query, _better(report.audits))
    last = max(1, -(-len(rows) // PAGE))
    at = min(max(query.at, 1), last)
    first = (at - 1) * PAGE
    tiles = [_tile(row, query, first + place) for place, row in enumerate(rows_of(rows.iloc[first : first + PAGE]))]
    return fill(
        "viewer/browse.html",
        title="Browse",
        query=query,
        tiles=tiles,
        count=len(rows),
        total=len(frame),
        at=at,
        last=last,
        previous=query.address(at - 1) if at > 1 else None,
        following=query.address(at + 1) if at < last else None,
        generators=sorted(frame["who"].unique()),
        cells=list(dict.fromkeys(frame["cell"])),
        audits=report.per_picture,
        findings=findings(report),
    )


def picture(shelf: Shelf, number_of_run: int, key: str, query: Query, place: int | None) -> Markup:
    """One picture, large, with its scores and evidence; its neighbours in the query where its place there is known."""
    run = shelf.run(number_of_run)
    mine = run.pictures[run.pictures["key"] == key]
    if mine.empty:
        raise MissingError(f"no picture {key!r} in this run")
    row = rows_of(mine.iloc[:1])[0]
    prompt = run.prompts[row["prompt_id"]]
    report = shelf.report
    scores = rows_of(run.scores[run.scores["key"] == key].drop_duplicates("audit", keep="last"))
    told = [(each["audit"], json.loads(each["evidence"] or "{}")) for each in scores]
    drawn = [(name, boxes(evidence), marks(evidence)) for name, evidence in told]
    rows = [_score(report.audits[name], each) for each in scores if (name := each["audit"]) in _numbered(shelf)]
    return fill(
        "viewer/picture.html",
        title=prompt.id,
        run=number_of_run,
        row=row,
        small=max(row["width"], row["height"]) <= SMALL,
        prompt=prompt,
        who=report.who_ran(run, row["generator"]),
        expect=[(name, v if isinstance(v, str) else json.dumps(v, ensure_ascii=False)) for name, v in
                prompt.expect.items()],
        drawn=[(name, *each) for name, *each in drawn if any(each)],
        scores=rows,
        facts=[(name, rest) for name, evidence in told if (rest := told_facts(evidence))],
        readings=[(name, diff) for name, evidence in told if (diff := reading(prompt.expect, evidence))],
        neighbours=_neighbours(shelf, query, place),
        back=query.address(None if place is None else place // PAGE + 1),
    )  # fmt: skip


def review(desk: Desk, post: str) -> Markup:
    """The page that asks for verdicts; `post` is the token with which it sends them."""
    found = desk.shelf.findings(desk.run, desk.audit)
    data = {"run": desk.run, "audit": desk.audit, "reviewer": desk.reviewer, "post": post}
    label = desk.shelf.run(desk.run).label
    return fill("viewer/review.html", title=f"Review of {desk.audit}", desk=desk, label=label, defect=found.defect,
                data=embedded(data))  # fmt: skip


def agreement(shelf: Shelf) -> Markup:
    """How far reviewers agree, and what each detector is worth by their verdicts."""
    runs = []
    for place, run in enumerate(shelf.report.runs):
        told = reviews.read(run.folder)
        found = [shelf.findings(place, name) for name in reviews.reviewable(run.folder) if name in told.audits]
        results = [(reviewed(each, told), _card(each, told)) for each in found]
        blocks = [(each, _figures(each), card) for each, card in results]
        runs.append({"label": run.label, "path": str(run.folder.path), "blocks": blocks, "notes": told.notes})
    return fill("viewer/agreement.html", title="Agreement", runs=runs, said=said)


def _progress(shelf: Shelf, place: int, run: Run) -> list[Progress]:
    told = reviews.read(run.folder)
    rows = []
    for name in reviews.reviewable(run.folder):
        try:
            found = shelf.findings(place, name)
        except ReviewError as error:
            rows.append(Progress(name, "", 0, 0, {}, str(error)))
            continue
        flagged = int(found.pictures["flagged"].sum())
        answers = {who: len(mine) for who, mine in current(found, told)[0].items()}
        rows.append(Progress(name, found.defect, flagged, len(found.pictures) - flagged, answers))
    return rows


def _better(audits: Mapping[str, AuditInfo]) -> dict[str, str]:
    return {name: info.better for name, info in audits.items()}


def _numbered(shelf: Shelf) -> set[str]:
    return {info.name for info in shelf.report.per_picture}


def _tile(row: Mapping[str, Json], query: Query, place: int) -> dict[str, Json]:
    shown = row.get(f"value {query.audit}") if query.audit else None
    status = row.get(f"status {query.audit}") if query.audit else None
    score = "" if shown is None or pd.isna(shown) else number(float(shown))
    return {
        "address": f"/picture/{row['run']}/{row['key']}?{query.address(1)}&place={place}",
        "image": f"/small/{row['run']}/{row['key']}?{str(row['digest'])[:12]}" if row["status"] == "ok" else "",
        "text": row["text"],
        "who": row["who"],
        "cell": row["cell"],
        "lost": "" if row["status"] == "ok" else f"{row['status']}: {row['error']}",
        "score": score or (str(status) if isinstance(status, str) else ""),
    }


def _score(info: AuditInfo, row: Mapping[str, Json]) -> dict[str, Json]:
    ok = row["status"] == "ok" and row["value"] is not None and not pd.isna(row["value"])
    return {
        "info": info,
        "value": number(float(row["value"])) if ok else "",
        "status": row["status"],
        "reason": row["reason"],
    }


def _neighbours(shelf: Shelf, query: Query, place: int | None) -> dict[str, str]:
    found = {"previous": "", "next": ""}
    if place is None:
        return found
    rows = choose(shelf.frame(), query, _better(shelf.report.audits))
    for name, there in (("previous", place - 1), ("next", place + 1)):
        if 0 <= there < len(rows):
            row = rows.iloc[there]
            found[name] = f"/picture/{row['run']}/{row['key']}?{query.address(1)}&place={there}"
    return found


def _figures(each: Reviewed) -> Sequence[tuple[str, str, str]]:
    """Name, figure with interval, and what it is of."""
    rate = f"at the run's flag rate of {number(100 * each.flag_rate)} %"
    mix = "of the pictures reviewed alone, whose mix is not the run's"
    return [
        ("confirmed", said(each.flagged.share), "share of the flagged that have the defect"),
        ("missed", said(each.unflagged.share), "share of those not flagged that have it"),
        ("sensitivity", said(each.sensitivity), rate),
        ("specificity", said(each.specificity), rate),
        ("sensitivity in the mix", said(each.mix_sensitivity), mix),
        ("specificity in the mix", said(each.mix_specificity), mix),
    ]


def _card(found: Findings, told: Reviews) -> Card | str:
    """The card that these verdicts make, or why they make none yet."""
    try:
        return card_of(found, told, DOMAIN)
    except ReviewError as error:
        return str(error)
