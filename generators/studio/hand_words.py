"""Words for hands: attributes -> caption, and prompt -> the wish it expresses."""

from __future__ import annotations

import re

import numpy as np

from generators.studio.palette import COLOURS, TONE_WORDS
from generators.studio.scene import Attributes

LONGEST = 90  # characters of a caption
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven")
PATTERNS = {"striped": "striped", "tiled": "tiled"}
OTHER_TONES = {"fair": "light", "pale": "very light", "olive": "medium", "tan": "medium", "tanned": "medium"}
OTHER_TONES |= {"brown": "dark", "black": "very dark", "white": "very light", "very pale": "very light"}


def caption(attributes: Attributes, rng: np.random.Generator) -> str:
    """One of eight wordings with a random part of the facts; lower case, at most 90 characters."""
    wording = WORDINGS[int(rng.integers(len(WORDINGS)))]
    keep = {fact for fact in ("tone", "side", "view", "raised", "sleeve", "wall", "background") if rng.random() < 0.72}
    style = int(rng.integers(4))
    for spare in (None, "background", "view", "sleeve", "side", "wall", "tone"):
        keep.discard(str(spare))
        text = " ".join(wording(attributes, keep, style).replace(" ,", ",").split())
        if len(text) <= LONGEST:
            return text
    raise AssertionError(f"no caption of at most {LONGEST} characters for {attributes}")


def _subject(a: Attributes, keep: set[str], style: int) -> str:
    """'a dark-skinned left hand with three fingers raised'."""
    before = [f"{a['tone_word']}-skinned" if "tone" in keep and style % 2 == 0 else ""]
    before += [a["side"] if "side" in keep else "", _fingered(a)]
    noun, after = "hand", ""
    if "raised" in keep:
        if a["raised"] == 0:
            noun, after = (
                ("fist", "") if style < 2 else ("hand", "making a fist" if style == 2 else "with no fingers raised")
            )
        elif a["raised"] == a["digits"] and style in (0, 3):
            before.insert(0, "open")
        else:
            after = _count(a, ("with {} raised", "holding up {}", "showing {}", "with {} extended")[style])
    skin = f"with {a['tone_word']} skin" if "tone" in keep and style % 2 else ""
    words = " ".join(filter(None, [*before, noun, skin, after]))
    if "view" in keep:
        return f"the {a['view']} of {_a(words)}" if style < 2 else f"{_a(words)}, {a['view']} to the camera"
    return _a(words)


def _fingered(a: Attributes) -> str:
    return f"{NUMBERS[a['digits']]}-fingered" if a["digits"] != 5 else ""


def _count(a: Attributes, frame: str) -> str:
    number = a["raised"]
    return frame.format(f"{NUMBERS[number]} finger{'' if number == 1 else 's'}")


def _a(words: str) -> str:
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def _wall(a: Attributes, keep: set[str], noun: str = "wall") -> str:
    if "wall" not in keep:
        return ""
    pattern = PATTERNS.get(a["background"], "") if "background" in keep else ""
    return _a(f"{pattern} {a['wall']} {noun}".strip())


def _sleeve(a: Attributes, keep: set[str]) -> str:
    if "sleeve" not in keep:
        return ""
    return "a bare wrist" if a["sleeve"] == "bare" else _a(f"{a['sleeve']} sleeve")


def _after(word: str, words: str) -> str:
    return f"{word} {words}" if words else ""


def _plain(a: Attributes, keep: set[str], style: int) -> str:
    return f"{_subject(a, keep - {'sleeve'}, style)} {_after('in front of', _wall(a, keep))}"


def _sleeved(a: Attributes, keep: set[str], style: int) -> str:
    subject = _subject(a, keep - {"view"}, style)
    joint = "and" if a["sleeve"] == "bare" else "in"
    return f"{subject} {_after(joint, _sleeve(a, keep))} {_after('against', _wall(a, keep, 'background'))}"


def _photo(a: Attributes, keep: set[str], style: int) -> str:
    return f"a photo of {_subject(a, keep, style)} {_after('on', _wall(a, keep, 'background'))}"


def _wall_first(a: Attributes, keep: set[str], style: int) -> str:
    return f"{_wall(a, keep | {'wall'})} behind {_subject(a, keep - {'view'}, style)}"


def _tags(a: Attributes, keep: set[str], style: int) -> str:
    subject = _subject(a, keep - {"tone", "view"}, style)
    tone = f"{a['tone_word']} skin" if "tone" in keep else ""
    bits = [subject, tone, _sleeve(a, keep).removeprefix("a "), _wall(a, keep).removeprefix("a ").removeprefix("an ")]
    return ", ".join(filter(None, [bits[0], bits[1], bits[2].removeprefix("n "), bits[3]]))


def _person(a: Attributes, keep: set[str], style: int) -> str:
    who = f"{a['tone_word']}-skinned person" if "tone" in keep else "person"
    dress = "" if a["sleeve"] == "bare" else _after("in", _sleeve(a, keep))
    subject = _subject(a, (keep & {"side"}) | {"raised"}, style)
    return f"a {who} {dress} raises {subject}" if a["raised"] else f"a {who} {dress} shows {subject}"


def _fingers_first(a: Attributes, keep: set[str], style: int) -> str:
    if a["raised"] in (0, a["digits"]):
        return _wall_first(a, keep, style)
    fingers = _count(a, "{} raised on")
    return f"{fingers} {_subject(a, keep - {'raised', 'view'}, style)} {_after('before', _wall(a, keep))}"


def _close_up(a: Attributes, keep: set[str], style: int) -> str:
    extras = " and ".join(filter(None, (_sleeve(a, keep), _wall(a, keep))))
    return f"close-up of {_subject(a, keep, style)}{_after(', with' if extras else '', extras)}"


WORDINGS = (_plain, _sleeved, _photo, _wall_first, _tags, _person, _fingers_first, _close_up)

_ABOUT = re.compile(r"\b(hands?|palms?|fists?|fingers?|fingered)\b")
_NOT_ABOUT = re.compile(
    r"\b(?:left|right|other|one)[- ]hand side\b|\bsecond[- ]hand\b|\bon the other hand\b|\bpalm trees?\b"
)
_NUMBER = r"(no|zero|one|two|three|four|five|six|seven|[0-7])"
_TONES = "|".join(sorted([*TONE_WORDS, *OTHER_TONES], key=len, reverse=True))
_COLOUR = "|".join(COLOURS)


def read(text: str) -> Attributes | None:
    """The wish of a prompt: raised, digits, side, view, tone_word, sleeve, wall, background, each only where stated."""
    words = re.sub(r'"[^"]*"', " ", text).lower().replace("gray", "grey")
    words = _NOT_ABOUT.sub(" ", words)
    if not _ABOUT.search(words):
        return None
    wish = _read_count(words)
    if found := re.search(r"\b(left|right)\b[- ](?:[\w-]+ ){0,3}?(?:hand|fist|palm)\b", words):
        wish["side"] = found[1]
    if re.search(r"\bback of\b|\bback (?:to|towards|facing|side)\b|\bfrom (?:the )?(?:back|behind)\b", words):
        wish["view"] = "back"
    elif re.search(r"\bpalms?\b", words):
        wish["view"] = "palm"
    if found := re.search(rf"\b({_TONES})[- ](?:skin|skinned|skin tone|complexion)\b", words):
        wish["tone_word"] = OTHER_TONES.get(found[1], found[1])
    if found := re.search(rf"\b({_COLOUR}) (?:\w+ )?(?:sleeves?|cuffs?|shirt|sweater|jacket|jumper)\b", words):
        wish["sleeve"] = found[1]
    elif re.search(r"\bbare (?:wrist|arm|forearm)|\bno sleeve|\bsleeveless\b", words):
        wish["sleeve"] = "bare"
    surface = "wall|background|backdrop"
    if found := re.search(
        rf"\b({_COLOUR}) (?:(?:striped|tiled|plain) )?(?:{surface})\b|\b(?:{surface}) is ({_COLOUR})\b", words
    ):
        wish["wall"] = found[1] or found[2]
    if found := re.search(rf"\b(striped|tiled|plain)(?: \w+)? (?:{surface})\b", words):
        wish["background"] = found[1]
    return wish


def _read_count(words: str) -> Attributes:
    wish: Attributes = {}
    if found := re.search(rf"\b{_NUMBER}[- ]fingered\b", words):
        wish["digits"] = _number(found[1])
    elif found := re.search(rf"\b{_NUMBER} (?:\w+ )?(?:fingers?|digits)\b", words):
        wish["raised"] = _number(found[1])
    if "raised" not in wish and (found := re.search(rf"\b{_NUMBER} (?:\w+ )?fingers?\b", words)):
        wish["raised"] = _number(found[1])
    if re.search(r"\b(?:extra|additional) (?:finger|digit)\b", words):
        wish["digits"] = 6
    elif re.search(r"\bmissing (?:a |one )?(?:finger|digit)\b|\b(?:finger|digit) missing\b", words):
        wish["digits"] = 4
    if wish.get("raised", 0) > 5:
        wish["digits"] = wish["raised"]
    if wish.get("digits", 5) not in range(3, 8):
        del wish["digits"]
    if "raised" not in wish:
        if re.search(r"\bfists?\b|\bclosed hand\b|\bclenched\b", words):
            wish["raised"] = 0
        elif re.search(
            r"\bopen\b(?: [\w-]+){0,4}? (?:hand|palm)\b|\ball fingers\b|\bfingers (?:spread|apart)\b|"
            r"\bspread fingers\b|\bwav(?:es|ing)\b|\bhigh[- ]five\b|\bhand open\b",
            words,
        ):
            wish["raised"] = wish.get("digits", 5)
        elif re.search(r"\b(?:peace|victory) sign\b", words):
            wish["raised"] = 2
        elif re.search(r"\bpointing\b|\bindex finger\b", words):
            wish["raised"] = 1
    return wish


def _number(word: str) -> int:
    return int(word) if word.isdigit() else 0 if word == "zero" else NUMBERS.index(word)
