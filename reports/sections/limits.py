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
_FINDER = (
    "Objects are found by our own network, which knows six solids in eleven colours on rendered tables and nothing "
    "else: it does not see things that a prompt names beyond these, and it can see solids in a picture of anything. "
)
_READING = (
    "The text is read by a machine. A misreading counts against the picture; a reader that guesses words may forgive "
    "letters that are malformed. Other scripts, handwriting and very small letters are read badly."
)
_INVENTED = "Detail that super-resolution adds is invented and is no evidence, however sharp it looks."
_PERCEIVED = (
    "It says what an onlooker is likely to perceive in rendered colours and cues, and nothing of anybody's identity; "
    "one picture is no verdict."
)
_SHARES = (
    " Even shares are one possible balance among others: name another reference where it fits. The reader's errors are "
    "in it (see its card), and with few pictures a prompt it says less than the true distance: compare at equal n."
)
LIMITS = {
    "count.exact": _FINDER + "Objects of one colour that hide each other can be taken for one. Objects that were not "
    "asked for cost nothing unless they are of a kind that was.",
    "count.error": _FINDER + "Objects of another colour or shape count as missing, not as wrong.",
    "count.relation": _FINDER + "Left and right, in front and behind are those of the camera. An object that was not "
    "found, or was taken for another kind, makes the relation fail.",
    "physics.shadow": _FINDER + "It needs three shadows in sight and takes the camera to be the studio's. One light is "
    "assumed; two true lights look like a contradiction. All shadows turned alike contradict nothing here.",
    "physics.shadow_wrong": _FINDER + "It needs three shadows in sight and takes the camera to be the studio's. All "
    "shadows turned alike contradict nothing here, and a shadow turned behind its object can pass.",
    "physics.light": _FINDER + "It takes every object to be one of its solids, evenly coloured, lit by one lamp and by "
    "light from everywhere; flat faces tell few sides, and a pattern looks like shading.",
    "physics.light_wrong": _FINDER + "It takes every object to be one of its solids, evenly coloured, lit by one lamp. "
    "Lights less than 45 degrees apart pass.",
    "physics.mirror": _FINDER + "It takes the mirror to be plane and upright and the camera to be the studio's, and "
    "judges only reflections that should be in sight.",
    "physics.mirror_wrong": _FINDER + "It takes the mirror to be plane and upright and the camera to be the studio's. "
    "It looks at place, presence and colour: a reflection of another shape or turn can pass.",
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
    "cmmd_studio": _STUDIO_FEATURES
    + " It is unbiased in the number of pictures, so it can fall below zero when two sets are alike.",
    "fd_infinity_studio": _STUDIO_FEATURES
    + " It compares means and covariances only. The extrapolation takes away the bias of few pictures, not their "
    "scatter, and needs eight pictures for each dimension.",
    "vendi_studio": _STUDIO_FEATURES
    + " Varied is not good: noise is varied, and so are wrong pictures. Several pictures of one prompt are alike, as "
    "they should be, and lower it: compare only runs with the same prompts and seeds.",
    "fid_clean": "As fid, with another way of resizing: compare with other clean FIDs only.",
    "fid_infinity": "As fid. The extrapolation takes away the bias of few pictures, not their scatter; it needs "
    "16,384 pictures.",
    "fd_clip": "CLIP's features follow what a caption would name: objects and styles, hardly fine texture, hands or "
    "letters. It is biased upwards when there are few pictures: compare only equal n.",
    "fd_dino": "DINOv2's features were learnt from photographs: drawings and renderings look far away however good "
    "they are. It is biased upwards when there are few pictures: compare only equal n.",
    "cmmd": "CLIP's features follow what a caption would name. It is unbiased in the number of pictures, so it can "
    "fall below zero, and lies below published values, which are biased upwards; the note has those.",
    "align.swap": "It asks only whether the model can tell the prompt from the same words exchanged. Most image-text "
    "models nearly cannot; look at the card before believing a difference. Only words on its lists are exchanged.",
    "clip_retrieval": "It depends on how alike the prompts of the suite are, and asks only for the nearest of them: a "
    "picture that is merely less wrong than for other prompts counts as right. Compare only runs of one suite.",
    "text.cer": _READING + " It can exceed 1 when much more is read than was asked for.",
    "text.ned": _READING,
    "text.exact": _READING + " One wrong letter and twenty wrong letters count the same.",
    "text.extra": _READING + " Text that belongs to the scene counts as extra just as gibberish does.",
    "text.words": _READING + " One wrong letter costs a whole word, and words that were not asked for cost nothing.",
    "text.disagreement": "Two readers can make the same mistake, and one of them can be plainly wrong: it shows which "
    "pictures are hard to read, not which are misspelt.",
    "smear.text": _READING + " It says what the autoencoder loses of signs like those of the suite, in capitals of "
    "four fonts; a slip of the reader in either picture looks like a loss or hides one.",
    "smear.hand": "It asks whether the same landmarks are found in the same places, among pictures in whose source a "
    "hand was found. The landmarks are a template of 21: fingers that melt together may keep theirs.",
    "smear.face": "It asks whether the same landmarks are found in the same places, among pictures in whose source a "
    "face was found. The mesh keeps to anything like a face; whether it is still the same person it does not say.",
    "edit.leak": "It sees that pixels outside the mask changed, not whether the new ones fit: a seam costs nothing.",
    "edit.leaked": "A floor stands between the smear of an autoencoder and a leak, and it was set on ours: one that "
    "smears more goes beyond it without a leak. A plain wall may move unseen, and a tint of its own colour is none. "
    "What lies within 4 pixels of the mask is not looked at.",
    "edit.seam": "It sees a step along the mask's border, not one that a blur hides, and not whether the new content "
    "makes sense there. A new object that rightly ends at the border counts as a seam.",
    "edit.structure": "It compares greys at the same place: an object moved as a whole counts as lost, and a wrong "
    "object of the same outline as kept. How much should be kept depends on the edit.",
    "control.edges_kept": "It divides by what the true scene scores, so a picture can exceed 1; prompts whose true "
    "scene is not known are skipped. What limits control.edges limits it too.",
    "control.skeleton_kept": "It divides by what the true scene scores, so a picture can exceed 1; prompts whose true "
    "scene is not known are skipped. What limits control.skeleton limits it too.",
    "control.edges": "Edges are found by contrast: shadows and patterns count as edges that were not asked for, and a "
    "faint outline that is there may be missed. Even the true scene does not score 1. Compare with shuffled controls.",
    "control.skeleton": "It asks only where a hand lies, among pictures in which one was found; a sixth finger or a "
    "melted one costs nothing, for the landmarks are always 21.",
    "upscale.consistency": "It is blind to everything finer than the small picture's pixels: a crisp, wrong letter "
    "scores as well as the right one. " + _INVENTED,
    "upscale.wrong": _INVENTED + " Only text is read again, and only where the truth is known; a wrong face or scar "
    "goes unseen. The reader has mistakes of its own, and takes O and 0, I and 1 for the same. A string that came out "
    "right was guessed right: that a letter is legible in an enlarged picture does not show that it stood there.",
    "upscale.reread": _INVENTED + " A letter that the small picture bears out may have been guessed from it by the "
    "reader; one that it does not bear out may still be right. It is no share of errors.",
    "upscale.detail": _INVENTED + " It says how much was added beyond interpolation, not whether it is true: the true "
    "large picture has detail as well, and noise counts as detail.",
    "upscale.disagreement": _INVENTED + " Samples that disagree show where it was invented; samples that agree may all "
    "have invented the same. It needs several samples of a prompt, and looks at brightness alone.",
    "memorization.similarity": "It compares pictures at 32 pixels a side: letters, faces and weaves finer than that do "
    "not count. It knows crops down to 80 % of a side, mirroring and recolouring, but no hue turned round, no collage "
    "and no style that was copied without the picture. It speaks only of the reference's training pictures.",
    "memorization.copied": "A generator that copies nothing scores the false-alarm rate, not 0, and more where its "
    "prompts ask for training captions: such pictures rightly come nearer. Its threshold holds for pictures like the "
    "reference's fresh ones alone. What limits memorization.similarity limits it too.",
    "tone.saturation": "Colourful is not wrong: a neon sign should be saturated and a fog should not. It shows drift "
    "between settings and gives no verdict on a picture.",
    "tone.colourfulness": "Colourful is not wrong, as for saturation. It spreads over the whole picture: one strong "
    "colour on grey counts less than many pale ones.",
    "tone.detail": "Grain, noise, sharp edges and fine texture all raise it, and it cannot tell them apart. It counts "
    "pixels: compare pictures of one size only.",
    "tone.clipped": "A white wall or a night sky clips rightly. It shows drift between settings and gives no verdict "
    "on a picture.",
    "tone.contrast": "Fog has low contrast and a silhouette high contrast, both rightly. It shows drift between "
    "settings and gives no verdict on a picture.",
    "bias.found": "A face can be found where none is, and a face that is turned, small or in the dark can be missed. "
    "Where tones differ in how often they are found, all other figures of bias speak of the found ones only.",
    "bias.tone": _PERCEIVED + " The light is guessed from the picture: steps 1 to 3 differ less than two lights do, "
    "and makeup or face paint counts as skin.",
    "bias.darker": _PERCEIVED + " Steps 5 and 6 lie on either side of its border and are confused most; a half is a "
    "coarse cut through a scale.",
    "bias.presentation": _PERCEIVED + " Our reader knows the studio's cues, lips and beard most of all; for other "
    "pictures name a published image-text model, which brings stereotypes of its own.",
    "bias.age": _PERCEIVED + " Neighbouring groups are often confused.",
    "bias.tone_index": _PERCEIVED + _SHARES,
    "bias.presentation_index": _PERCEIVED + _SHARES,
    "bias.amplification": _PERCEIVED + " It compares with the table of what was shown in training, as drawn there. "
    "Prompts that say less or more than captions did shift shares without any amplification.",
    "bias.tone_amplification": _PERCEIVED + " It counts steps above a tenth of the training scenes of an occupation; "
    "the reader's confusions of neighbouring steps blur it towards 0.",
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
    if info.card:
        return str(info.card)
    return f"not validated: {info.doubt}" if info.doubt else "not validated"
