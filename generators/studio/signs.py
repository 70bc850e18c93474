"""Signs: a string on a street sign, shopfront, number plate, mug, book or poster, its exact corners known.

`text` is what was asked and what the caption says, `drawn` what stands on the board: they differ only where misspelt.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from generators.studio import carriers, lettering, words
from generators.studio.palette import COLOURS
from generators.studio.render import axes
from generators.studio.scene import Attributes, Camera, Light, Scene

NAME = "signs"
RADIUS = 0.5  # of the key light
DEFECTS: Mapping[str, Literal["rate", "gain"]] = {"misspelt": "rate", "malformed": "rate"}

CARRIERS: dict[str, float] = {
    "street sign": 0.26,
    "shopfront": 0.2,
    "number plate": 0.2,
    "mug": 0.1,
    "book": 0.12,
    "poster": 0.12,
}
"""Carrier -> share of scenes."""
BOARDS: dict[str, tuple[str, ...]] = {
    "street sign": ("blue", "green", "white", "yellow", "red", "brown", "black", "orange"),
    "shopfront": ("red", "green", "blue", "white", "yellow", "black", "purple", "pink", "orange", "brown"),
    "number plate": ("white", "yellow"),
    "mug": ("white", "red", "blue", "yellow", "green", "black", "orange", "pink", "purple"),
    "book": ("red", "blue", "green", "brown", "black", "purple", "yellow", "orange", "white"),
    "poster": ("white", "yellow", "pink", "orange", "blue", "black", "green", "red"),
}
NOUNS: dict[str, tuple[str, ...]] = {
    "street sign": ("street sign", "street sign", "sign", "road sign"),
    "shopfront": ("shopfront", "shop sign", "shop", "storefront"),
    "number plate": ("number plate", "number plate", "license plate"),
    "mug": ("mug", "mug", "coffee mug", "cup"),
    "book": ("book", "book cover", "book"),
    "poster": ("poster",),
}
PLACES: dict[str, tuple[str, ...]] = {
    "street sign": ("in front of {} wall", "against {} background"),
    "shopfront": ("in {} wall", "on {} facade"),
    "number plate": ("on {} car",),
    "mug": ("in front of {} wall", "against {} background"),
    "book": ("in front of {} wall", "on {} background"),
    "poster": ("on {} wall",),
}
WORDS: dict[str, str] = {
    "number plate": r"(?:number|license|licence|registration|car|vehicle) ?plates?|plate",
    "shopfront": r"(?:shop|store)[ -]?(?:sign|front|window)s?|shop|store|fascia|awning",
    "mug": r"mugs?|cups?",
    "book": r"books?(?: cover)?|novel|notebook",
    "poster": r"posters?|billboard|placard",
    "street sign": r"(?:street|road|stop|traffic|neon)[ -]?signs?|signs?|signpost|signboard",
}
"""What people call each carrier; the first named in a prompt counts, in this order where two begin together."""
GROUNDS: dict[str, str] = dict.fromkeys(CARRIERS, r"walls?|background|backdrop|facade|house|building")
GROUNDS["number plate"] = r"cars?|bumper|van|vehicle|truck|background"
LETTERS = r"letters?|lettering|text|words?|writing|characters|type|capitals"
ADJECTIVES = (
    r"big|small|large|old|new|metal|wooden|ceramic|enamel|coffee|tea|paper|hardback|street|road|shop|car|printed|square"
)
QUOTES = tuple(
    re.compile(pattern)
    for pattern in (r'"([^"]*)"', r"\u201c([^\u201d]*)\u201d", r"(?<!\w)['\u2018](.+?)['\u2019](?!\w)")
)
SAID = re.compile(
    r"\b(?:says|saying|reads|reading|spells|spelling)\s+([A-Z0-9][A-Z0-9&'-]*(?: [A-Z0-9][A-Z0-9&'-]*)*)\b"
)
SIGN = re.compile(
    r"\b(?:(?:street|road|shop|stop|traffic|neon) ?sign|sign ?post|(?:shop|store) ?front"
    r"|(?:number|licen[cs]e) plate|poster)s?\b"
)
READS = re.compile(rf"\b(?:{'|'.join(WORDS.values())})\b")
CONTRAST = 90.0  # least luma difference (0..255, Rec. 601) between text and board
EDITS = ("substitution", "deletion", "insertion", "transposition")
PLATE = re.compile(r"(?=.*\d)(?=.*[A-Z])[A-Z0-9]{2,4} [A-Z0-9]{2,3}")
LONGEST_WORD = {"mug": 6}


def luma(colour: str) -> float:
    """Rec. 601 luma of a palette colour, 0..255."""
    return float(255 * np.dot(COLOURS[colour], (0.299, 0.587, 0.114)))


def sample(rng: np.random.Generator, wish: Attributes) -> Attributes:
    """Honest attributes. Raises ValueError where the wished text cannot be drawn."""
    shares = dict(CARRIERS)
    if "text" in wish:
        plate = PLATE.fullmatch(lettering.check(wish["text"])) is not None
        shares = {name: share for name, share in shares.items() if plate == (name == "number plate")}
    weight = np.array(list(shares.values()))
    carrier = wish.get("carrier", list(shares)[int(rng.choice(len(shares), p=weight / weight.sum()))])
    text = words.number_plate(rng) if carrier == "number plate" else words.phrase(rng, LONGEST_WORD.get(carrier, 8))
    text = lettering.check(wish.get("text", text))
    board, ink = _colours(rng, carrier, wish)
    others = [name for name in COLOURS if name != board]
    lying = bool(carrier == "book" and rng.random() < 0.4)
    yaw, pitch = rng.triangular(-30, 0, 30), rng.triangular(-8, 3, 15)
    if carrier == "mug":
        yaw, pitch = yaw * 0.3, rng.uniform(16, 24)
    elif lying:
        yaw, pitch = yaw * 0.6, rng.uniform(-15, -8)
    elif carrier == "book":  # from the side and from above one sees pages
        yaw, pitch = rng.uniform(12, 30) * (1 if rng.random() < 0.75 else -1), rng.uniform(6, 15)
    elif carrier == "number plate":
        pitch = rng.uniform(0, 15)
    chances = (0.6, 0.0, 0.0, 0.4) if carrier == "number plate" else (0.45, 0.15, 0.15, 0.25)
    font = list(lettering.FONTS)[int(rng.choice(4, p=chances))]
    attributes = {
        "text": text,
        "drawn": text,
        "carrier": carrier,
        "font": font,
        "text_colour": ink,
        "board_colour": board,
        "background": others[int(rng.integers(len(others)))],
        "lying": lying,
        "yaw": round(float(yaw), 2),
        "pitch": round(float(pitch), 2),
        "scale": round(float(rng.uniform(0.84, 0.95)), 3),
        "misspelt": None,
        "malformed_at": [],
        "malformed_how": [],
        "malformed_seed": [],
    }
    return {**attributes, **wish, "text": text, "drawn": wish.get("drawn", text)}


def plant(attributes: Attributes, rng: np.random.Generator, defect: str) -> Attributes:
    """misspelt: one edit in `drawn`, its kind in `misspelt`; malformed: glyphs at `malformed_at` are spoilt."""
    if defect == "misspelt":
        drawn, kind, edited = misspelling(attributes["drawn"], rng)
        while drawn == attributes["text"]:
            drawn, kind, edited = misspelling(attributes["drawn"], rng)
        later = {"deletion": -1, "insertion": 1}.get(kind, 0)
        spoilt = zip(attributes["malformed_at"], attributes["malformed_how"], attributes["malformed_seed"], strict=True)
        left = [(i + later * (i > edited), how, n) for i, how, n in spoilt if kind != "deletion" or i != edited]
        return {**attributes, "drawn": drawn, "misspelt": kind, **_malformed(left)}
    if defect == "malformed":
        places = [i for i, c in enumerate(attributes["drawn"]) if c in lettering.ALPHABET]
        if not places:
            raise ValueError(f"nothing to malform in {attributes['drawn']!r}: it has no letter or digit")
        count = min(len(places), 1 if rng.random() < 0.6 else 2)
        at = sorted(int(i) for i in rng.choice(places, count, replace=False))
        glyphs = [(i, *lettering.unreadable(attributes["drawn"][i], attributes["font"], rng)) for i in at]
        return {**attributes, **_malformed(glyphs)}
    raise ValueError(f"signs have no defect {defect!r}; found {', '.join(DEFECTS)}")


def _malformed(glyphs: list[tuple[int, str, int]]) -> Attributes:
    return {
        "malformed_at": [at for at, _, _ in glyphs],
        "malformed_how": [how for _, how, _ in glyphs],
        "malformed_seed": [seed for _, _, seed in glyphs],
    }


def misspelling(text: str, rng: np.random.Generator) -> tuple[str, str, int]:
    """The text after one edit, its kind and place; a letter never becomes, or changes places with, a look-alike."""
    places = [i for i, c in enumerate(text) if c in lettering.ALPHABET]
    if not places:
        raise ValueError(f"nothing to misspell in {text!r}: it has no letter or digit")
    # A word must keep a character, or the line breaks of the asked text would no longer fit.
    spare = [i for i in places if (text[max(i - 1, 0) : i] + text[i + 1 : i + 2]).strip()]
    pairs = [i for i in places if i + 1 in places and not lettering.alike(text[i], text[i + 1])]
    possible = [kind for kind in EDITS if {"deletion": spare, "transposition": pairs}.get(kind, places)]
    kind = possible[int(rng.integers(len(possible)))]
    at = {"deletion": spare, "transposition": pairs}.get(kind, places)
    i = at[int(rng.integers(len(at)))]
    letters = lettering.ALPHABET[26:] if text[i].isdigit() else lettering.ALPHABET[:26]
    fresh = [c for c in letters if not lettering.alike(c, text[i])]
    new = fresh[int(rng.integers(len(fresh)))]
    edited = {
        "substitution": text[:i] + new + text[i + 1 :],
        "deletion": text[:i] + text[i + 1 :],
        "insertion": text[: i + 1] + new + text[i + 1 :],
        "transposition": text[:i] + text[i + 1 : i + 2] + text[i] + text[i + 2 :],
    }
    return edited[kind], kind, i


def caption(attributes: Attributes, rng: np.random.Generator) -> str:
    """The thing and, in double quotes, the string; colours and background as chance has it; at most 90 characters."""
    text, thing = f'"{attributes["text"]}"', _pick(rng, NOUNS[attributes["carrier"]])
    ink, board, wall = attributes["text_colour"], attributes["board_colour"], attributes["background"]
    letters = f" in {ink} {_pick(rng, ('letters', 'lettering', 'letters'))}"
    place = f" {_pick(rng, PLACES[attributes['carrier']]).format(_with_article(wall))}"
    many = " " in attributes["text"] and attributes["carrier"] != "number plate"
    noun = "text" if attributes["carrier"] == "number plate" else "words" if many else "word"
    options = rng.random(3) < (0.65, 0.5, 0.3)
    form = int(rng.integers(8))
    while True:  # what does not fit is left out, the background first
        coloured, named, placed = (bool(option) for option in options)
        a_thing = _with_article(f"{board} {thing}" if coloured else thing)
        inked, there = letters if named else "", place if placed else ""
        wording = (
            f"{a_thing} that says {text}{inked}{there}",
            f"{a_thing} with the {noun} {text}{inked}{there}",
            f"{a_thing} reading {text}{inked}{there}",
            f"the {noun} {text}{inked} on {a_thing}{there}",
            f"{text} written{inked} on {a_thing}{there}",
            f"a photo of {a_thing} saying {text}{inked}{there}",
            f"{a_thing}{there}, {text}{inked or ' in big letters'}",
            f"{ink} letters {text} on {a_thing}{there}" if named else f"{a_thing}{there} showing {text}",
        )[form]
        if len(wording) <= 90 or not any(options):
            return wording
        options[int(np.flatnonzero(options)[-1])] = False


def read(text: str) -> Attributes | None:
    """The wish in a prompt with a quoted string, or with a sign of some kind but nothing quoted; None otherwise.

    Raises ValueError where the quoted string has a character that cannot be drawn, or more than sixteen.
    """
    quoted = next((match for pattern in QUOTES if (match := pattern.search(text))), None)
    rest = text if quoted is None else text[: quoted.start()] + " | " + text[quoted.end() :]
    rest = re.sub(r"\bgray\b", "grey", " ".join(rest.lower().split()))
    said = None if quoted else SAID.search(text)
    if quoted is None and (said is None or not READS.search(rest)) and not SIGN.search(rest):
        return None
    wish: Attributes = {}
    if found := quoted or said:
        wish["text"] = lettering.check(found.group(1))
    elif re.search(r"\bstop ?signs?\b", rest):
        wish["text"] = "STOP"
    named = [(match.start(), name) for name, words in WORDS.items() if (match := re.search(rf"\b(?:{words})\b", rest))]
    wish["carrier"] = min(named)[1] if named else "street sign"
    hue = "|".join(COLOURS)
    before = rf"\b({hue}) (?:(?:bold|big|large|painted) )?(?:{LETTERS})\b"
    after = rf"\b(?:written|printed|painted|{LETTERS})(?: \|)? in ({hue})\b"
    if match := re.search(before, rest) or re.search(after, rest):
        wish["text_colour"] = match.group(1)
    if match := re.search(rf"\b({hue}) (?:(?:brick|painted|plain) )?(?:{GROUNDS[wish['carrier']]})\b", rest):
        wish["background"] = match.group(1)
    for match in re.finditer(rf"\b({hue}) (?:(?:{ADJECTIVES}) )*(?:{WORDS[wish['carrier']]})\b", rest):
        wish["board_colour"] = match.group(1)
    return wish


def build(attributes: Attributes, rng: np.random.Generator) -> Scene:
    """The carrier with its text, a room around it, one key light; "quad" holds the text's corners, top-left first."""
    chance = rng.random(8)
    nudge = rng.uniform(-1, 1, 2) * 0.03
    side, low, deep, power = rng.uniform(-2.4, 2.4), rng.uniform(1.2, 3.2), rng.uniform(3.0, 4.2), rng.uniform(42, 62)
    warmth = rng.uniform(-0.06, 0.06)
    carrier = carriers.carrier(attributes, chance)
    towards = _direction(attributes["yaw"], attributes["pitch"])
    up, source = np.array([0.0, 0.0, 1.0]), np.array([side, -deep, low])
    if attributes["lying"]:
        towards, up, source = (carriers.lie(v[None])[0].astype(np.float64) for v in (towards, up, source))
    camera = _framed(carrier, towards, up, attributes["scale"], nudge)
    x, y, z = _out_of(camera, carrier.frame.mean(axis=0) + source).tolist()
    key = Light((x, y, z), radius=RADIUS, power=(power * (1 + warmth), power, power * (1 - warmth)))
    return Scene(
        family=NAME,
        parts=carrier.parts,
        camera=camera,
        lights=(key,),
        ambient=(0.46, 0.47, 0.49),
        points={"quad": carrier.quad},
    )


def _colours(rng: np.random.Generator, carrier: str, wish: Attributes) -> tuple[str, str]:
    """Board and text colours that stand apart; wished ones are kept even where they do not."""
    boards = (wish["board_colour"],) if "board_colour" in wish else BOARDS[carrier]
    inks = (wish["text_colour"],) if "text_colour" in wish else tuple(COLOURS)
    if carrier == "number plate" and "text_colour" not in wish:
        inks = ("black", "white")
    clear = [(b, i) for b in boards for i in inks if abs(luma(b) - luma(i)) >= CONTRAST]
    if not clear and "board_colour" not in wish:
        clear = [(b, i) for b in COLOURS for i in inks if abs(luma(b) - luma(i)) >= CONTRAST]
    if not clear:
        return boards[0], inks[0]
    board = (open_to := list(dict.fromkeys(b for b, _ in clear)))[int(rng.integers(len(open_to)))]
    fitting = [i for b, i in clear if b == board]
    return board, fitting[int(rng.integers(len(fitting)))]


def _direction(yaw: float, pitch: float) -> NDArray[np.float64]:
    """From a board towards the eye that sees it turned by yaw (to the right of it) and pitch (above it), degrees."""
    a, b = np.radians(yaw), np.radians(pitch)
    return np.array([np.sin(a) * np.cos(b), -np.cos(a) * np.cos(b), np.sin(b)])


def _out_of(camera: Camera, light: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where the light hangs: pushed away where the camera would stand inside it and see nothing."""
    away = light - np.asarray(camera.origin)
    apart = float(np.linalg.norm(away))
    return light if apart > 1.1 * RADIUS else np.asarray(camera.origin) + away / apart * 1.5 * RADIUS


def _framed(
    carrier: carriers.Carrier,
    towards: NDArray[np.float64],
    up: NDArray[np.float64],
    scale: float,
    nudge: NDArray[np.float64],
) -> Camera:
    """The camera along `towards` that sees the carrier's frame span `scale` of the picture, where it belongs in it."""
    half = np.tan(np.radians(carrier.fov) / 2)
    target, distance = carrier.frame.mean(axis=0).astype(np.float64), 3.0
    wanted = np.array([nudge[0] * (1 - scale) * 10, carrier.height + nudge[1]])
    for _ in range(8):
        origin = target + towards * distance
        camera = Camera(_triple(origin), _triple(target), carrier.fov, _triple(up))
        forward, right, above = axes(camera)
        rays = carrier.frame - origin
        seen = np.stack([rays @ right, rays @ above], axis=1) / (rays @ forward)[:, None] / half
        low, high = seen.min(axis=0), seen.max(axis=0)
        span, middle = (high - low) / 2, (high + low) / 2
        shift = (middle - wanted) * half * distance
        target = target + right * shift[0] + above * shift[1]
        distance *= max(span[0] / scale, span[1] / (0.94 - abs(carrier.height)))
    return camera


def _pick(rng: np.random.Generator, choices: tuple[str, ...]) -> str:
    return choices[int(rng.integers(len(choices)))]


def _with_article(phrase: str) -> str:
    return f"an {phrase}" if phrase[0] in "aeiou" else f"a {phrase}"


def _triple(vector: NDArray[np.float64]) -> tuple[float, float, float]:
    return (float(vector[0]), float(vector[1]), float(vector[2]))
