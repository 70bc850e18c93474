"""What the method cannot say, in plain words."""

from __future__ import annotations

from reports.api import Part, section
from reports.load import AuditInfo, Report
from reports.page import fill

_STUDIO_FEATURES = (
    "Its features come from our own small network, trained on rendered scenes. They are not Inception features, so "
    "this is not an FID and compares with no published FID. It does not see what those features do not carry: "
    "spelling, the number of fingers, fine texture."
)
_READING = (
    "The text is read by a machine. A misreading counts against the picture; a reader that guesses words may forgive "
    "letters that are malformed. Other scripts, handwriting and very small letters are read badly."
)
LIMITS = {
    "fd_studio": _STUDIO_FEATURES
    + " It compares means and covariances only, is biased upwards when there are few pictures (compare only equal n), "
    "and says nothing about any single picture or whether it shows what was asked.",
    "kid_studio": _STUDIO_FEATURES
    + " It is unbiased in the number of pictures, so it can fall below zero when two sets are alike; few pictures make "
    "it unsteady.",
    "precision_studio": _STUDIO_FEATURES
    + " A generator that repeats one good picture scores high; one odd reference picture widens what counts as good.",
    "density_studio": _STUDIO_FEATURES
    + " It exceeds 1 where pictures crowd around the commonest references: more is not always better.",
    "coverage_studio": _STUDIO_FEATURES + " It grows with the number of pictures: compare only equal n.",
    "recall_studio": _STUDIO_FEATURES
    + " It depends on how many pictures either side has; a wide scatter of bad pictures can raise it.",
    "fid": "Its network was trained to name photographs of things. It is biased upwards when there are few pictures "
    "(published numbers use 10,000 to 50,000), depends on how pictures are resized, and compares only against the same "
    "reference at the same number. It says nothing about any single picture or whether it shows what was asked.",
    "clip_score": "It asks whether picture and prompt are about the same things. It is weak at counting, at left and "
    "right, at which colour belongs to which object, and at spelling. It keeps rising with guidance after people stop "
    "preferring the pictures. Values of different models (checkpoints) do not compare.",
    "text.cer": _READING + " It can exceed 1 when much more is read than was asked for.",
    "text.ned": _READING,
    "text.exact": _READING + " One wrong letter and twenty wrong letters count the same.",
    "text.extra": _READING + " Text that belongs to the scene counts as extra just as gibberish does.",
    "edit.leak": "It sees that pixels outside the mask changed, not whether the new ones fit: a seam costs nothing.",
    "control.edges": "Edges are found by contrast: shadows and patterns count as edges that were not asked for, and a "
    "faint outline that is there may be missed. Even the true scene does not score 1. Compare with shuffled controls.",
    "control.skeleton": "It asks only where a hand lies, among pictures in which one was found; a sixth finger or a "
    "melted one costs nothing, for the landmarks are always 21.",
    "upscale.consistency": "It is blind to everything finer than the small picture's pixels: a crisp, wrong letter "
    "scores as well as the right one. Detail that super-resolution adds is invented and is no evidence.",
    "tone.saturation": "Colourful is not wrong: a neon sign should be saturated and a fog should not. It shows drift "
    "between settings and gives no verdict on a picture.",
    "tone.clipped": "A white wall or a night sky clips rightly. It shows drift between settings and gives no verdict "
    "on a picture.",
    "tone.contrast": "Fog has low contrast and a silhouette high contrast, both rightly. It shows drift between "
    "settings and gives no verdict on a picture.",
}


@section("limits", title="Limits of the method", order=80)
def limits(report: Report) -> Part:
    """What each audit of these runs measures, whether it was ever validated, and what it cannot say."""
    rows = [(info, LIMITS.get(info.name, ""), _validation(info)) for info in report.scoring]
    return Part(fill("sections/limits.html", rows=rows))


def _validation(info: AuditInfo) -> str:
    """Detectors carry a card of their measured sensitivity and specificity, or say that they have none."""
    if info.kind == "set":
        return "set statistic: no card applies"
    return "validated: see its card" if info.card else "not validated"
