"""Captions of portraits, and reading them and other people's prompts back into wishes."""

from __future__ import annotations

import re

import numpy as np

from generators.studio.bust_hats import HATS
from generators.studio.palette import COLOURS, TONE_WORDS
from generators.studio.scene import Attributes

LONGEST = 90

OCCUPATIONS: dict[str, tuple[str, ...]] = {
    "doctor": ("doctor", "physician", "surgeon"),
    "nurse": ("nurse",),
    "engineer": ("engineer", "construction worker", "builder"),
    "chef": ("chef", "cook"),
    "judge": ("judge",),
    "farmer": ("farmer",),
    "teacher": ("teacher", "schoolteacher"),
    "pilot": ("pilot", "airline captain"),
    "police officer": ("police officer", "policeman", "policewoman", "police", "cop", "constable"),
    "firefighter": ("firefighter", "fire fighter", "fireman", "firewoman"),
    "artist": ("artist", "painter"),
    "office worker": ("office worker", "businessman", "businesswoman", "business person", "clerk"),
}
PEOPLE: dict[str, str] = {
    "woman": r"wom[ae]n|female|lady|girl|grandmother|mother|policewoman|firewoman|businesswoman",
    "man": r"m[ae]n|male|gentleman|guy|boy|grandfather|father|policeman|fireman|businessman",
}
SOMEBODY = r"person|people|somebody|someone|human|adult"
FRAMES = r"portraits?|head and shoulders|headshot|head shot|mugshot|selfie"
ELSEWHERE = r"hands?|fingers?|thumbs?|signs?|signboard|shopfront|number plate|licen[cs]e plate|mugs?|book cover|table"
AGE_WORDS: dict[str, str] = {
    "middle-aged": r"middle[- ]aged?",
    "old": r"old|elderly|aged|senior|grandmother|grandfather",
    "young": r"young|youthful",
}
GARMENTS: dict[str, str] = {"teacher": "cardigan", "person": "sweater", "office worker": "suit"}
_COLOUR = "|".join([*COLOURS, "gray"])


def caption(attributes: Attributes, rng: np.random.Generator) -> str:
    """A wording with the occupation and a random subset of the other visible attributes; at most LONGEST characters."""
    ahead = _shuffled(rng, _adjectives(attributes), 0.5)
    behind = _shuffled(rng, _phrases(attributes), 0.42)
    pattern = int(rng.integers(8))
    subject = "person" if attributes["occupation"] == "person" else attributes["occupation"]
    gendered = rng.random() < (0.7 if subject == "person" else 0.5)
    if gendered:
        subject = attributes["presentation"] if subject == "person" else _named(attributes, int(rng.integers(2)))
    wall = (
        f"{attributes['background']} background"
        if rng.random() < 0.5
        else f"in front of {_a(attributes['background'])} wall"
    )
    walled = rng.random() < 0.4
    for drop in range(len(ahead) + len(behind) + 2):
        text = _sentence(pattern, ahead, subject, behind, wall if walled and drop < 2 else "")
        if len(text) <= LONGEST:
            return text
        if drop:
            behind = behind[:-1] if behind else behind
            ahead = ahead if behind else ahead[:-1]
    raise ValueError(f"no wording of at most {LONGEST} characters for {attributes}")


def read(text: str) -> Attributes | None:
    """The wish in a caption or a prompt: only what it states. None where it is not about a person's portrait."""
    words = re.sub(r'"[^"]*"', " ", text).lower().replace("_", " ")
    occupation = next(
        (name for name, nouns in OCCUPATIONS.items() if _has(words, "|".join(f"{n}s?" for n in nouns))), None
    )
    framed = _has(words, FRAMES)
    somebody = occupation is not None or _has(words, SOMEBODY) or any(_has(words, nouns) for nouns in PEOPLE.values())
    bare = framed and not _has(words, rf"(?:{FRAMES}) of")  # "a portrait", not "a portrait of a cat"
    if not (bare or somebody) or (_has(words, ELSEWHERE) and not framed):
        return None
    wish: Attributes = {"occupation": occupation or "person"}
    stated: dict[str, str | bool | None] = {
        "presentation": _presentation(words),
        "tone_word": _tone(words),
        "age": _age(words),
    }
    stated |= {"background": _background(words), "glasses": _glasses(words), "beard": _beard(words)}
    stated |= {"hair": _hair(words), "hair_colour": _hair_colour(words), "dress_colour": _dress(words)}
    stated["expression"] = "smiling" if _has(words, "smiling|smiles?|happy|grinning|laughing") else None
    return wish | {name: value for name, value in stated.items() if value is not None}


def _adjectives(attributes: Attributes) -> list[str]:
    words = [str(attributes["age"])]
    if attributes["expression"] == "smiling":
        words.append("smiling")
    if attributes["hair"] == "bald" and _hair_shows(attributes) and attributes["occupation"] not in HATS:
        words.append("bald")
    return words


def _phrases(attributes: Attributes) -> list[str]:
    """What may follow "with": each visible attribute's wording."""
    phrases = [f"{attributes['tone_word']} skin"]
    if attributes["beard"] == "beard":
        phrases.append(f"a {attributes['hair_colour']} beard" if not _hair_shows(attributes) else "a beard")
    elif attributes["beard"] == "moustache":
        phrases.append("a moustache")
    if attributes["glasses"]:
        phrases.append("glasses")
    if attributes["hair"] != "bald" and _hair_shows(attributes):
        style = {"short": "short ", "bob": "bobbed ", "long": "long ", "curly": "curly "}.get(attributes["hair"], "")
        if attributes["occupation"] in HATS and attributes["hair"] in ("bun", "short"):
            style = ""
        tied = attributes["hair"] == "bun" and attributes["occupation"] not in HATS
        phrases.append(f"{style}{attributes['hair_colour']} hair" + (" in a bun" if tied else ""))
    if attributes["occupation"] in GARMENTS:
        phrases.append(_a(f"{attributes['dress_colour']} {GARMENTS[attributes['occupation']]}"))
    return phrases


def _hair_shows(attributes: Attributes) -> bool:
    return bool(attributes["occupation"] != "judge")


def _shuffled(rng: np.random.Generator, words: list[str], keep: float) -> list[str]:
    kept = rng.random(len(words)) < keep
    order = rng.permutation(len(words))
    return [words[i] for i in order if kept[i]]


def _named(attributes: Attributes, form: int) -> str:
    who, occupation = attributes["presentation"], attributes["occupation"]
    return (
        f"{who} {occupation}" if form and who == "woman" else f"{'female' if who == 'woman' else 'male'} {occupation}"
    )


def _sentence(pattern: int, ahead: list[str], subject: str, behind: list[str], wall: str) -> str:
    skin = next((phrase for phrase in behind if phrase.endswith(" skin")), None)
    if skin and pattern in (2, 5, 7):  # "a dark-skinned pilot" for "a pilot with dark skin"
        behind = [phrase for phrase in behind if phrase != skin]
        ahead = [*ahead, skin.replace(" skin", "-skinned").replace("very ", "very-")]
    noun = " ".join([*ahead, subject])
    some = _a(noun)
    traits = (
        " with " + " and ".join([", ".join(behind[:-1]), behind[-1]] if len(behind) > 1 else behind) if behind else ""
    )
    comma = f", {wall}" if wall.endswith("background") else (f" {wall}" if wall else "")
    return (
        f"a portrait of {some}{traits}{comma}",
        f"{some}{traits}{comma}",
        f"head and shoulders of {some}{traits}{comma}",
        f"a photo of {some}{traits}{comma}",
        f"portrait of {some}{traits}{comma}",
        f"a picture of {some}{traits}{comma}",
        f"a headshot of {some}{traits}{comma}",
        f"{some}{traits} looks at the camera{comma}",
    )[pattern]


def _a(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def _has(text: str, pattern: str) -> bool:
    return re.search(rf"\b(?:{pattern})\b", text) is not None


def _presentation(text: str) -> str | None:
    found = [who for who, nouns in PEOPLE.items() if _has(text, nouns)]
    return found[0] if len(found) == 1 else None


def _age(text: str) -> str | None:
    return next((age for age, words in AGE_WORDS.items() if _has(text, words)), None)


def _tone(text: str) -> str | None:
    """Longest words first: "very dark" is not "dark"."""
    for word in sorted(TONE_WORDS, key=len, reverse=True):
        if _has(text, rf"{word.replace(' ', '[- ]')}(?:[- ]skin(?:ned)?|[- ]toned)"):
            return word
    return next(
        (
            tone
            for tone, near in (("light", "fair|pale"), ("medium", "tan|tanned|olive"), ("dark", "black"))
            if _has(text, rf"(?:{near})[- ]skin(?:ned)?")
        ),
        None,
    )


def _background(text: str) -> str | None:
    found = re.search(rf"\b({_COLOUR})[- ](?:\w+ )?(?:background|wall|backdrop)\b", text)
    return _colour(found)


def _dress(text: str) -> str | None:
    garments = "sweater|jumper|shirt|t-shirt|cardigan|suit|jacket|top|dress|coat|robe|scrubs|vest|uniform"
    found = re.search(
        rf"\b({_COLOUR}) (?:{garments})\b|\b(?:wearing|dressed in) ({_COLOUR})\b(?! (?:glasses|hat|cap|beret|helmet))",
        text,
    )
    return _colour(found)


def _colour(found: re.Match[str] | None) -> str | None:
    if found is None:
        return None
    word = next(group for group in found.groups() if group)
    return "grey" if word == "gray" else word


def _glasses(text: str) -> bool | None:
    if _has(text, r"(?:without|no)(?: wearing)? (?:eye)?glasses|without spectacles"):
        return False
    return True if _has(text, "(?:eye)?glasses|spectacles|bespectacled") else None


def _beard(text: str) -> str | None:
    if _has(text, r"(?:without a|without any|no) (?:\w+ )?beard|beardless|clean[- ]shaven"):
        return "none"
    if _has(text, "beard|bearded"):
        return "beard"
    return "moustache" if _has(text, "moustache|mustache") else None


def _hair(text: str) -> str | None:
    styles = (
        ("bald", "bald|balding|hairless"),
        ("bun", r"bun"),
        ("curly", r"afro|curls|curly(?: \w+)? hair(?:ed)?|curly[- ]haired"),
        ("bob", r"bob|bobbed(?: \w+)? hair"),
        ("long", r"long(?: \w+)?[- ]hair(?:ed)?"),
        ("short", r"short(?: \w+)?[- ]hair(?:ed)?"),
    )
    return next((style for style, words in styles if _has(text, words)), None)


def _hair_colour(text: str) -> str | None:
    names = {"blonde": "blond", "gray": "grey", "silver": "grey", "ginger": "red", "dark": "black"}
    found = re.search(
        r"\b(black|brown|blonde?|red|gr[ea]y|silver|white|ginger|dark)[- ](?:\w+ )?(?:hair(?:ed)?|beard)\b", text
    )
    if found is None:
        return "blond" if _has(text, "blonde?") else None
    return names.get(found.group(1), found.group(1))
