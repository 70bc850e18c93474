"""The review of one detector by one person: which picture comes, what may be seen of it, and what was answered."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from audit import reviews
from audit.reviewed import current
from audit.reviews import Answer, Verdict
from audit.types import Json
from reports.evidence import boxes, facts, marks, reading
from reports.load import rows_of
from reports.pictures import SMALL
from reports.viewer.shelf import MissingError, Shelf
from reports.words import visible, visible_json


def told_facts(evidence: Mapping[str, Json]) -> dict[str, Json]:
    """`facts` that say something."""
    return {name: value for name, value in facts(evidence).items() if value not in ("", None)}


@dataclass(frozen=True)
class Desk:
    """Where one reviewer sits: over the findings of an audit in a run of the shelf.

    Raises:
        ReviewError: a name that cannot be a reviewer's.
    """

    shelf: Shelf
    run: int
    audit: str
    reviewer: str

    def __post_init__(self) -> None:
        reviews.checked_name(self.reviewer)

    @property
    def asked(self) -> list[str]:
        """Keys in the reviewer's order."""
        return self.shelf.order(self.run, self.audit, self.reviewer)

    def item(self, at: int | None = None) -> dict[str, Json]:
        """The picture at a place of the order, or the first without an answer; `key` is None where none is left.

        What the detector said is told only of a picture that has its answer.
        """
        asked, answered = self.asked, self._answered()
        place = self._open(0, answered) if at is None else at
        if place is None:
            return {"key": None, "total": len(asked), "judged": len(answered)}
        if not 0 <= place < len(asked):
            raise MissingError(f"no picture {place}; they are counted from 0 to {len(asked) - 1}")
        key = asked[place]
        row = self._row(key)
        prompt = self.shelf.run(self.run).prompts[row["prompt_id"]]
        after = self._open(place + 1, answered | {key: None})
        given = answered.get(key)
        return {
            "at": place,
            "total": len(asked),
            "judged": len(answered),
            "key": key,
            "image": f"/image/{self.run}/{key}?{row['digest'][:12]}",
            "next_image": "" if after is None else f"/image/{self.run}/{asked[after]}?{self._digest(asked[after])}",
            "width": int(row["width"]),
            "height": int(row["height"]),
            "small": max(row["width"], row["height"]) <= SMALL,
            "prompt": visible(prompt.text),
            "expect": [
                [visible(name), visible(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))]
                for name, value in prompt.expect.items()
            ],
            "brought": [[role, f"/input/{self.run}/{digest}"] for role, digest in prompt.inputs.items()],
            "answer": given.answer if given else None,
            "flagged": self._flagged(key) if given else None,
        }

    def evidence(self, key: str) -> dict[str, Json]:
        """What the detector's finding rests on: boxes, marks, facts and the reading of one picture."""
        run = self.shelf.run(self.run)
        mine = run.scores[(run.scores["key"] == key) & (run.scores["audit"] == self.audit)]
        if mine.empty:
            raise MissingError(f"{self.audit} says nothing of {key!r}")
        told = json.loads(mine.iloc[-1]["evidence"] or "{}")
        expect = run.prompts[self._row(key)["prompt_id"]].expect
        drawn = {"boxes": boxes(told), "marks": marks(told)}
        return dict(visible_json({**drawn, "facts": told_facts(told), "diff": reading(expect, told)}))

    def answer(self, key: str, answer: Answer, *, seconds: float, peeked: bool) -> bool:
        """Keep the answer; whether the detector flagged the picture.

        An answer is blind if neither the evidence nor, after an earlier answer, the detector's verdict was shown.
        """
        found = self.shelf.findings(self.run, self.audit)
        told = self._said()
        blind = not peeked and not any(each.key == key and each.audit == self.audit for each in told)
        verdict = found.verdict(key, answer, seconds=seconds, blind=blind)
        reviews.append(self.shelf.run(self.run).folder, self.reviewer, verdict)
        return self._flagged(key)

    def undo(self) -> int | None:
        """Take the latest answer back; the place of its picture, or None where there is nothing to take back."""
        answered = self._answered()
        if not answered:
            return None
        key = list(answered)[-1]
        self.answer(key, "undo", seconds=0, peeked=False)
        return self.asked.index(key)

    def _open(self, start: int, answered: dict[str, Verdict] | dict[str, Verdict | None]) -> int | None:
        """The next place without an answer, from `start` to the end and then from the beginning."""
        asked = self.asked
        places = [*range(start, len(asked)), *range(min(start, len(asked)))]
        return next((place for place in places if asked[place] not in answered), None)

    def _said(self) -> list[Verdict]:
        return list(reviews.read(self.shelf.run(self.run).folder).verdicts.get(self.reviewer, ()))

    def _answered(self) -> dict[str, Verdict]:
        told = reviews.read(self.shelf.run(self.run).folder)
        return current(self.shelf.findings(self.run, self.audit), told)[0].get(self.reviewer, {})

    def _flagged(self, key: str) -> bool:
        pictures = self.shelf.findings(self.run, self.audit).pictures
        return bool(pictures.loc[pictures["key"] == key, "flagged"].iloc[0])

    def _digest(self, key: str) -> str:
        return str(self._row(key)["digest"])[:12]

    def _row(self, key: str) -> dict[str, Json]:
        pictures = self.shelf.run(self.run).pictures
        mine = pictures[pictures["key"] == key]
        if mine.empty:
            raise MissingError(f"no picture {key!r}")
        return rows_of(mine.iloc[:1])[0]
