"""Control: how much of what its extractor could see at best a picture shows of the control that it was given.

Even the true scene does not score 1 on its own control: the extractor is not perfect (anchors: a segmenter that gives
32.6 mIoU on ControlNet's pictures gives 50.7 on real ones). So a score is divided by the true scene's own.
"""

from __future__ import annotations

from audit.api import ScoreOne, View, audit
from audit.audits import tasks
from audit.types import Score

CEILINGS = {"control.edges": "edge_ceiling", "control.skeleton": "skeleton_ceiling"}
"""The score's audit -> the key in a prompt's expectations that holds what the true scene itself scores."""
LOWEST = 0.05  # below which a ceiling says that the extractor is blind to the scene


@audit(
    "control.edges_kept",
    version=1,
    better="higher",
    unit="share of the ceiling",
    source="control.edges divided by what the true scene scores, as ControlNet++ (Li et al. 2024) sets its evaluators",
    tasks=("control",),
)
def edges_kept() -> ScoreOne:
    """`control.edges` divided by what the true scene scores on the same lines: the prompt's `expect.edge_ceiling`."""
    return _kept("control.edges", tasks.edges.factory())


@audit(
    "control.skeleton_kept",
    version=1,
    better="higher",
    unit="share of the ceiling",
    source="control.skeleton divided by what the true scene scores",
    tasks=("control",),
)
def skeleton_kept() -> ScoreOne:
    """`control.skeleton` divided by what the true scene scores on the same bones: `expect.skeleton_ceiling`."""
    return _kept("control.skeleton", tasks.skeleton.factory())


def _kept(name: str, raw: ScoreOne) -> ScoreOne:
    key = CEILINGS[name]

    def score(view: View) -> Score:
        ceiling = view.prompt.expect.get(key)
        if not isinstance(ceiling, int | float) or isinstance(ceiling, bool) or not LOWEST <= ceiling <= 1:
            return Score.skipped(f"the prompt's expectations have no {key} from {LOWEST} to 1")
        found = raw(view)
        if found.value is None:
            return found
        return Score.of(found.value / ceiling, raw=round(found.value, 4), ceiling=ceiling)

    return score
