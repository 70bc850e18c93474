"""Textures: a surface seen close up, full of fine detail, such as super-resolution must bring back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

import numpy as np

from generators.studio import weaves
from generators.studio.palette import COLOURS
from generators.studio.scene import Attributes, Camera, Light, Material, Part, Scene
from generators.studio.solids import quad

NAME = "textures"
DEFECTS: Mapping[str, Literal["rate", "gain"]] = {}

KINDS: dict[str, tuple[str, ...]] = {
    "brick wall": ("red", "brown", "grey", "white", "yellow", "orange"),
    "woven fabric": ("red", "blue", "green", "purple", "brown", "grey", "black", "pink", "orange"),
    "foliage": ("green", "green", "green", "red", "orange", "yellow"),
    "tiles": ("blue", "white", "green", "black", "red", "yellow", "grey", "pink", "purple"),
    "wooden planks": ("brown", "brown", "brown", "grey", "white", "orange", "red", "green", "blue"),
    "gravel": ("grey", "brown", "white", "orange"),
    "knitted wool": ("red", "blue", "green", "white", "yellow", "pink", "purple", "orange", "grey", "brown"),
    "stone wall": ("grey", "brown", "white", "yellow"),
}
"""Kind -> the colours it comes in unless another is asked for."""
PATTERNS: dict[str, tuple[str, ...]] = {
    "brick wall": ("plain", "staggered"),
    "woven fabric": ("plaid", "tweed"),
    "foliage": ("plain", "narrow"),
    "tiles": ("plain", "chequered"),
    "knitted wool": ("plain", "striped"),
}
MUTED = {"brick wall": 0.15, "stone wall": 0.35, "gravel": 0.3, "wooden planks": 0.15, "foliage": 0.1}
SPOKEN = {"plaid", "tweed", "chequered", "striped"}
SCALES = {"coarse": (5.0, 7.0), "fine": (10.0, 14.0)}
"""Word -> range of elements across the picture."""
NOUNS: dict[str, tuple[str, ...]] = {
    "brick wall": ("brick wall", "bricks", "brickwork"),
    "woven fabric": ("woven fabric", "cloth", "fabric"),
    "foliage": ("foliage", "leaves"),
    "tiles": ("tiles", "tiled wall"),
    "wooden planks": ("wooden planks", "planks", "wooden boards"),
    "gravel": ("gravel", "pebbles"),
    "knitted wool": ("knitted wool", "knitting"),
    "stone wall": ("stone wall", "stonework"),
}
SINGULAR = {"brick wall", "tiled wall", "stone wall"}
WORDS: dict[str, str] = {
    "stone wall": r"stone ?walls?|stonework|rubble|cobbles(?:tones?)?|flagstones?",
    "brick wall": r"bricks?|brickwork|masonry",
    "tiles": r"tiles?|tiled|tiling|mosaic",
    "knitted wool": r"knit|knitted|knitting|knitwear|wool|woollen",
    "wooden planks": r"planks?|wood|wooden|boards|floorboards|parquet",
    "gravel": r"gravel|pebbles?|shingle",
    "foliage": r"foliage|leaves|leaf|ivy|hedge",
    "woven fabric": r"fabric|cloth|textile|plaid|tweed|tartan|woven|weave|linen",
}
BEHIND = re.compile(r"\b(?:in front of|against|behind|before|beside|next to|near|on top of|background|backdrop)\b")
SUBJECT = re.compile(
    r"\b(?:hands?|fingers?|fist|palm|man|woman|person|people|boy|girl|face|portrait|head|doctor|nurse|engineer|chef|judge"
    r"|farmer|teacher|pilot|cubes?|spheres?|balls?|cylinders?|cones?|pyramids?|torus|rings?|box|boxes|table|mirror|shadow"
    r"|signs?|shop\w*|plate|mugs?|cups?|books?|posters?|letters?|words?|says|reading)\b"
)


def sample(rng: np.random.Generator, wish: Attributes) -> Attributes:
    """A surface of one kind, its colour and scale; `tilt` and `turn` (degrees) say how it lies before the camera."""
    kind = wish.get("kind", list(KINDS)[int(rng.integers(len(KINDS)))])
    if kind not in KINDS:
        raise ValueError(f"no texture kind {kind!r}; found {', '.join(KINDS)}")
    colour = _pick(rng, KINDS[kind])
    colour = wish.get("colour", colour)
    pattern = wish.get("pattern", _pick(rng, PATTERNS.get(kind, ("plain",))))
    seconds = ("white", "black", "grey", *(("blue", "yellow", "red") if pattern == "plaid" else ()))
    accent = _pick(rng, tuple(name for name in seconds if name != colour))
    scale = wish.get("scale", _pick(rng, tuple(SCALES)))
    return {
        "kind": kind,
        "colour": colour,
        "accent": accent,
        "pattern": pattern,
        "scale": scale,
        "count": round(float(rng.uniform(*SCALES[scale])), 2),
        "rough": round(float(rng.random()), 3),
        "tilt": round(float(rng.triangular(-15, 0, 15)), 2),
        "turn": round(float(rng.triangular(-20, 0, 20)), 2),
        "roll": round(float(rng.triangular(-8, 0, 8)), 2),
        **wish,
    }


def plant(attributes: Attributes, rng: np.random.Generator, defect: str) -> Attributes:
    """Textures have no defect of their own. Raises ValueError."""
    raise ValueError(f"textures have no defect {defect!r} of their own")


def caption(attributes: Attributes, rng: np.random.Generator) -> str:
    """The surface, with its colour, pattern and scale as chance has it; at most 90 characters."""
    noun = _pick(rng, NOUNS[attributes["kind"]])
    named, scaled, patterned = rng.random(3) < (0.85, 0.4, 0.7)
    pattern = attributes["pattern"] if patterned and attributes["pattern"] in SPOKEN else ""
    words = [attributes["colour"] if named else "", pattern, noun]
    thing = " ".join(word for word in words if word)
    one = _with_article(thing) if noun in SINGULAR else thing
    scale = attributes["scale"]
    forms = (
        f"a close-up of {one}" + (f", {scale} pattern" if scaled else ""),
        thing + (f", {scale} pattern" if scaled else " seen from close by"),
        f"a {scale} texture of {thing}" if scaled else f"a texture of {thing}",
        f"a photo of {one}" + (f" with {scale} detail" if scaled else ""),
        f"{one} filling the picture" + (f", {scale} detail" if scaled else ""),
        f"the surface of {one}" + (f", {scale} grain" if scaled else ""),
        f"macro shot of {one}" + (f", {scale} structure" if scaled else ""),
    )
    return forms[int(rng.integers(len(forms)))]


def read(text: str) -> Attributes | None:
    """The wish in a prompt whose subject is a surface; None where it is only the ground behind something else."""
    said = re.sub(r"\bgray\b", "grey", re.sub(r"\bcheck(?:er)?ed\b", "chequered", text.lower()))
    kind = next((name for name, words in WORDS.items() if re.search(rf"\b(?:{words})\b", said)), None)
    if kind is None or BEHIND.search(said) or SUBJECT.search(said) or '"' in text:
        return None
    wish: Attributes = {"kind": kind}
    pattern = (
        "plaid" if re.search(r"\btartan\b", said) else next((p for p in PATTERNS.get(kind, ()) if p in said), None)
    )
    if pattern in SPOKEN:
        wish["pattern"] = pattern
    if colours := re.findall(rf"\b({'|'.join(COLOURS)})\b", said):
        wish["colour"] = colours[0]
    if scale := re.search(r"\b(fine|coarse)(?:ly)?\b", said):
        wish["scale"] = scale.group(1)
    return wish


def build(attributes: Attributes, rng: np.random.Generator) -> Scene:
    """A painted plane that fills the picture, slightly tilted, lit from where its painted relief is."""
    stream = np.random.default_rng(rng.integers(2**63))
    mortar = np.array([0.75, 0.73, 0.69]) if rng.random() < 0.6 else np.array([0.36, 0.34, 0.33])
    power, side = rng.uniform(46, 60), rng.uniform(-1.5, -0.2)
    joined = attributes["kind"] in ("brick wall", "stone wall")
    recipe = weaves.Recipe(
        colour=weaves.base_colour(attributes["colour"], mute=MUTED.get(attributes["kind"], 0.0)),
        accent=mortar if joined else weaves.base_colour(attributes["accent"]),
        count=attributes["count"] * 1.35,  # the camera sees about three quarters of the plane
        pattern=attributes["pattern"],
        rough=attributes["rough"],
    )
    pixels = weaves.painted(attributes["kind"], recipe, stream)
    plane = quad([(-1.0, 0.0, -1.0), (1.0, 0.0, -1.0), (1.0, 0.0, 1.0), (-1.0, 0.0, 1.0)])
    tilt, turn, roll = (np.radians(attributes[key]) for key in ("tilt", "turn", "roll"))
    away = 2.4 * np.array([np.sin(turn) * np.cos(tilt), -np.cos(turn) * np.cos(tilt), np.sin(tilt)])
    return Scene(
        family=NAME,
        parts=(Part("surface", plane, Material(texture=pixels, roughness=0.85)),),
        camera=Camera(
            (float(away[0]), float(away[1]), float(away[2])),
            (0.0, 0.0, 0.0),
            fov=30.0,
            up=(float(np.sin(roll)), 0.0, float(np.cos(roll))),
        ),
        lights=(Light((side, -4.0, 2.6), radius=0.6, power=(power, power, power * 0.97)),),
        ambient=(0.44, 0.45, 0.47),
    )


def _pick(rng: np.random.Generator, choices: tuple[str, ...]) -> str:
    return choices[int(rng.integers(len(choices)))]


def _with_article(phrase: str) -> str:
    return f"an {phrase}" if phrase[0] in "aeiou" else f"a {phrase}"
