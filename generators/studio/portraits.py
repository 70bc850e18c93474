"""Portraits: head and shoulders of somebody, dressed for an occupation, drawn from a known and skewed distribution.

`presentation` is *rendered* presentation: which of two sets of drawn cues (jaw, brow, lips, hair, beard) a picture
uses. It says what an onlooker or a classifier is likely to perceive and nothing about anybody's gender. The
distribution and its exact marginals are in `portraits_table.py`; captions and their reading in `portraits_words.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from generators.studio.bust_dress import BLACK, WHITE, paint_dress, props
from generators.studio.bust_face import FacePaint, mix, paint_face, skin_albedo
from generators.studio.bust_hair import hair
from generators.studio.bust_hats import HATS, hat
from generators.studio.bust_mesh import (
    CHIN_Z,
    EYE_X,
    EYE_Z,
    MOUTH_Z,
    NOSE_Z,
    HeadShape,
    beard,
    ears,
    glasses,
    head,
    moustache,
    neck,
    on_face,
    torso,
)
from generators.studio.bust_shapes import box, panel, place, placed, rotation
from generators.studio.palette import COLOURS, MONK, tone_word
from generators.studio.portraits_table import (
    AGES,
    BEARDS,
    GLASSES,
    HAIR,
    HAIR_COLOURS,
    PRESENTATIONS,
    TABLE,
    TONES,
    check,
    draw,
    draw_cell,
    share,
)
from generators.studio.portraits_words import caption, read
from generators.studio.scene import Attributes, Camera, Colour, Floats, Light, Material, Part, Scene

__all__ = ["DEFECTS", "NAME", "TABLE", "build", "caption", "plant", "read", "sample", "share"]

NAME = "portraits"
DEFECTS: Mapping[str, Literal["rate", "gain"]] = {"light_bias": "rate", "man_bias": "rate"}
"""light_bias: the tone becomes Monk 1..3. man_bias: the presentation becomes "man". Whatever was asked for."""

LIGHT_TONES = (1, 2, 3)
DARK_EYED = 6  # from this tone on all eyes are brown
DRESS: Mapping[str, tuple[str, ...]] = {
    "doctor": ("white",),
    "nurse": ("blue",),
    "engineer": ("orange",),
    "chef": ("white",),
    "judge": ("black",),
    "farmer": ("red",),
    "teacher": ("red", "green", "blue", "purple", "brown", "orange"),
    "pilot": ("blue",),
    "police officer": ("blue",),
    "firefighter": ("black",),
    "artist": ("white",),
    "office worker": ("grey", "blue", "black", "brown"),
    "person": ("red", "orange", "yellow", "green", "blue", "purple", "pink", "white", "grey", "black"),
}
"""Colours of the chief garment an occupation may wear."""

WALLS = ("plain", "gradient", "stripes")
WALL_COLOURS = ("grey", "blue", "green", "white", "yellow", "pink", "purple", "brown", "orange", "red")
WALL_WEIGHTS = (0.2, 0.17, 0.13, 0.1, 0.09, 0.07, 0.07, 0.06, 0.06, 0.05)
HAIR_SHADES: Mapping[str, Colour] = {
    "black": (0.075, 0.065, 0.065),
    "brown": (0.33, 0.19, 0.10),
    "blond": (0.86, 0.68, 0.34),
    "red": (0.70, 0.25, 0.08),
    "grey": (0.56, 0.56, 0.57),
    "white": (0.92, 0.92, 0.91),
}
IRISES: tuple[Colour, ...] = ((0.25, 0.13, 0.06), (0.36, 0.22, 0.10), (0.20, 0.42, 0.62), (0.25, 0.45, 0.28))
PIVOT = (0.0, 0.15, -0.9)
RAISED = (0.0, 0.0, 0.13)  # shoulders close under the chin, so that more of the dress is in the picture
OPTIONS: Mapping[str, tuple[object, ...]] = {
    "occupation": tuple(TABLE),
    "presentation": PRESENTATIONS,
    "tone": TONES,
    "age": AGES,
    "hair": HAIR,
    "hair_colour": HAIR_COLOURS,
    "beard": BEARDS,
    "glasses": GLASSES,
    "expression": ("neutral", "smiling"),
    "background": tuple(COLOURS),
    "wall": WALLS,
    "dress_colour": tuple(COLOURS),
}


def sample(rng: np.random.Generator, wish: Attributes) -> Attributes:
    """Complete honest attributes. What the wish names is kept; the rest is drawn from TABLE, given the wish.

    Raises:
        ValueError: the wish names an unknown attribute or value, or a tone that its tone_word does not cover.
    """
    for name, value in wish.items():
        if name in OPTIONS:
            check(name, value, OPTIONS[name])
    occupation = str(wish.get("occupation") or list(TABLE)[int(rng.integers(len(TABLE)))])
    who, tone, age = draw_cell(rng, occupation, wish)
    drawn: Attributes = {
        "occupation": occupation,
        "presentation": who,
        "tone": tone,
        "tone_word": tone_word(tone),
        "age": age,
    }
    drawn |= _dependent(rng, who, tone, age)
    drawn |= {
        "glasses": draw(rng, (who, tone, age), "glasses"),
        "expression": "smiling" if rng.random() < 0.4 else "neutral",
        "dress_colour": str(rng.choice(DRESS[occupation])),
        "background": str(rng.choice(WALL_COLOURS, p=WALL_WEIGHTS)),
        "wall": str(rng.choice(WALLS, p=(0.5, 0.3, 0.2))),
        "yaw": _between(rng, -25, 25),
        "pitch": _between(rng, -6, 5),
        "face_width": _between(rng, -1, 1),
        "nose": _between(rng, -0.8, 1),
        "eye_size": _between(rng, 0.2, 1),
    }
    for name in wish:
        check("attribute", name, (*drawn, "smile"))
    drawn |= wish
    level = rng.random()
    drawn.setdefault("smile", round(0.55 + 0.45 * level if drawn["expression"] == "smiling" else 0.25 * level, 3))
    return drawn


def plant(attributes: Attributes, rng: np.random.Generator, defect: str) -> Attributes:
    """What a biased generator draws instead: a light tone, or a man. Nothing changes where that was drawn already.

    Hair and eye colour follow the new tone; hair, beard and face shape follow the new presentation.
    """
    check("defect", defect, tuple(DEFECTS))
    drawn = dict(attributes)
    if defect == "light_bias" and drawn["tone"] not in LIGHT_TONES:
        tone, word = int(rng.choice(LIGHT_TONES)), drawn["tone_word"]
        fresh = _dependent(rng, drawn["presentation"], tone, "young")
        # Greying does not depend on tone, so grey and white hair stay; colours before greying follow the new tone.
        recoloured = drawn["hair_colour"] not in ("grey", "white") and tone_word(tone) != word
        if recoloured:
            drawn["hair_colour"] = fresh["hair_colour"]
        if drawn["tone"] >= DARK_EYED:
            drawn["eye_colour"] = fresh["eye_colour"]
        drawn |= {"tone": tone, "tone_word": tone_word(tone)}
    elif defect == "man_bias" and drawn["presentation"] != "man":
        fresh = _dependent(rng, "man", drawn["tone"], drawn["age"])
        kept = ("hair_colour", "eye_colour")  # these do not depend on presentation
        drawn |= {"presentation": "man"} | {name: value for name, value in fresh.items() if name not in kept}
    return drawn


def build(attributes: Attributes, rng: np.random.Generator) -> Scene:
    """The scene; rng moves only the camera, the light and the ambience."""
    camera, light, ambient = _view(attributes, rng)
    shape = _head_shape(attributes)
    turn = rotation(attributes["yaw"], attributes["pitch"])
    on_head = [
        Part(part.name, placed(part.mesh, turn, PIVOT), part.material) for part in _head_parts(attributes, shape)
    ]
    parts = [*on_head, *_body_parts(attributes), *_background(attributes)]
    spots = {
        "eyes": on_face(shape, np.array([-EYE_X, EYE_X]), np.array([EYE_Z, EYE_Z])),
        "nose": on_face(shape, np.array([0.0]), np.array([NOSE_Z])),
        "mouth": on_face(shape, np.array([0.0]), np.array([MOUTH_Z])),
        "chin": on_face(shape, np.array([0.0]), np.array([CHIN_Z])),
    }
    points: dict[str, Floats] = {
        name: np.concatenate([place(spot, turn, PIVOT), np.full((len(spot), 1), 0.3)], axis=1).astype(np.float32)
        for name, spot in spots.items()
    }
    return Scene(family=NAME, parts=tuple(parts), camera=camera, lights=(light,), ambient=ambient, points=points)


def _dependent(rng: np.random.Generator, who: str, tone: int, age: str) -> Attributes:
    """Hair, beard, eye colour and face shape given presentation, tone and age; always the same number of draws."""
    cell = (who, tone, age)
    dark_eyes = bool(rng.random() < 0.45) or tone >= DARK_EYED
    man = who == "man"
    return {
        "hair": draw(rng, cell, "hair"),
        "hair_colour": draw(rng, cell, "hair_colour"),
        "beard": draw(rng, cell, "beard"),
        "beard_length": _between(rng, 0, 1),
        "parting": _between(rng, -22, 22),
        "receding": bool(rng.random() < {"young": 0.0, "middle-aged": 0.3, "old": 0.65}[age]) and man,
        "eye_colour": int(rng.integers(0, 2)) if dark_eyes else int(rng.integers(2, 4)),
        "jaw": round(float(rng.uniform(0.3, 1.2) if man else rng.uniform(-0.9, -0.2)), 3),
        "brow": round(float(rng.uniform(0.3, 1.0) if man else rng.uniform(-0.5, 0.1)), 3),
    }


def _between(rng: np.random.Generator, low: float, high: float) -> float:
    return round(float(rng.uniform(low, high)), 3)


def _head_shape(attributes: Attributes) -> HeadShape:
    return HeadShape(
        width=attributes["face_width"],
        jaw=attributes["jaw"],
        nose=attributes["nose"],
        brow=attributes["brow"],
        sag=0.5 * AGES.index(attributes["age"]),
    )


def _head_parts(attributes: Attributes, shape: HeadShape) -> list[Part]:
    """Face, ears, hair, beard, glasses, hat, before the head is turned."""
    occupation, age = attributes["occupation"], AGES.index(attributes["age"])
    skin, shade = skin_albedo(MONK[attributes["tone"] - 1]), HAIR_SHADES[attributes["hair_colour"]]
    bearded = attributes["beard"] == "beard"
    paint = FacePaint(
        skin=skin,
        hair=shade,
        iris=IRISES[attributes["eye_colour"]],
        woman=attributes["presentation"] == "woman",
        beard=bearded,
        smile=attributes["smile"],
        wrinkles=age,
        eye_size=attributes["eye_size"],
        brow=attributes["brow"],
    )
    parts = [
        Part("face", head(shape), Material(roughness=0.85, texture=paint_face(paint))),
        Part("skin", ears(shape), Material(mix(skin, (0.7, 0.2, 0.2), 0.06), roughness=0.85)),
    ]
    if bearded:
        parts.append(Part("beard", beard(shape, attributes["beard_length"]), Material(shade, roughness=0.9)))
    if attributes["beard"] != "none":
        parts.append(Part("beard", moustache(shape, attributes["smile"]), Material(shade, roughness=0.9)))
    style, colour = _hair_style(attributes, shade)
    strands = hair(style, shape, colour, part=attributes["parting"], hat=occupation in HATS)
    parts += [Part("hair", mesh, Material(roughness=0.75)) for mesh in strands]
    if attributes["glasses"]:
        parts.append(Part("glasses", glasses(shape), Material((0.05, 0.05, 0.06), roughness=0.5)))
    return [*parts, *hat(occupation)]


def _hair_style(attributes: Attributes, shade: Colour) -> tuple[str, Colour]:
    """The cut of `bust_hair.CUTS` and its colour; a judge's wig covers whatever is under it."""
    if attributes["occupation"] == "judge":
        return "wig", (0.90, 0.88, 0.82)
    style = attributes["hair"]
    if style == "bald":
        return ("bald" if attributes["age"] == "young" else "horseshoe"), shade
    if style == "short" and attributes["receding"]:
        return "receding", shade
    return style, shade


def _body_parts(attributes: Attributes) -> list[Part]:
    """Neck and dressed torso, turned a little with the head."""
    man = attributes["presentation"] == "man"
    skin = skin_albedo(MONK[attributes["tone"] - 1])
    turn = rotation(0.35 * attributes["yaw"])
    main = _main_colour(attributes["occupation"], attributes["dress_colour"])
    texture = paint_dress(attributes["occupation"], main, skin)
    parts = [
        Part("skin", neck(0.4 if man else 0.33), Material(mix(skin, (0.0, 0.0, 0.0), 0.06), roughness=0.85)),
        Part("dress", torso(1.0 if man else 0.88), Material(roughness=0.85, texture=texture)),
        *props(attributes["occupation"]),
    ]
    return [Part(part.name, placed(part.mesh, turn, PIVOT, RAISED), part.material) for part in parts]


def _main_colour(occupation: str, name: str) -> Colour:
    """A colour word as this occupation's cloth: navy for a pilot, pale for the police shirt."""
    colour = COLOURS[name]
    softened: dict[str, tuple[Colour, float]] = {
        "pilot": (BLACK, 0.55),
        "police officer": (WHITE, 0.5),
        "nurse": ((0.2, 0.75, 0.85), 0.45),
        "office worker": (BLACK, 0.4),
        "engineer": ((1.0, 0.35, 0.0), 0.6),
    }
    return mix(colour, *softened[occupation]) if occupation in softened else colour


def _background(attributes: Attributes) -> list[Part]:
    """A wall; a chalkboard for teachers, a painting for artists."""
    parts = [Part("background", panel(13, 11, (0.0, 3.2, 0.0)), Material(roughness=0.9, texture=_wall(attributes)))]
    if attributes["occupation"] == "teacher":
        parts.append(Part("prop", box((0.2, 2.6, 0.35), (4.9, 0.08, 3.0)), Material((0.55, 0.36, 0.18))))
        parts.append(Part("prop", panel(4.6, 2.7, (0.2, 2.5, 0.35)), Material(roughness=0.9, texture=_chalkboard())))
    if attributes["occupation"] == "artist":
        parts.append(Part("prop", box((1.55, 2.6, 0.6), (1.9, 0.08, 2.3)), Material((0.45, 0.28, 0.14))))
        parts.append(Part("prop", panel(1.7, 2.1, (1.55, 2.5, 0.6)), Material(roughness=0.9, texture=_painting())))
    return parts


def _wall(attributes: Attributes) -> NDArray[np.uint8]:
    """(96, 96, 3): the background colour, softened as paint on a wall is."""
    colour = np.array(mix(COLOURS[attributes["background"]], (0.62, 0.62, 0.62), 0.18))
    x, z = np.meshgrid(np.linspace(-1, 1, 96), np.linspace(1, -1, 96))
    shade = np.ones_like(x)
    if attributes["wall"] == "gradient":
        shade = 1 + 0.75 * z
    elif attributes["wall"] == "stripes":
        shade = np.where(np.floor((x + 1) * 12) % 2 == 0, 1.08, 0.86)
    return (np.clip(colour * shade[..., None], 0.03, 0.97) * 255).astype(np.uint8)


def _chalkboard() -> NDArray[np.uint8]:
    image = Image.new("RGB", (368, 216), (28, 72, 52))
    pen = ImageDraw.Draw(image)
    chalk = (226, 232, 226)
    pen.text((22, 14), "2+2=4", fill=chalk, font_size=44)
    pen.text((262, 16), "ABC", fill=chalk, font_size=44)
    pen.line([(24, 110), (90, 110)], fill=chalk, width=5)
    pen.polygon([(30, 185), (62, 130), (94, 185)], outline=chalk, width=5)
    pen.ellipse((290, 100, 350, 160), outline=chalk, width=5)
    return np.asarray(image, dtype=np.uint8)


def _painting() -> NDArray[np.uint8]:
    image = Image.new("RGB", (136, 168), (150, 200, 235))
    pen = ImageDraw.Draw(image)
    pen.ellipse((80, 14, 122, 56), fill=(245, 205, 40))
    pen.polygon([(0, 110), (45, 50), (95, 112)], fill=(122, 62, 160))
    pen.rectangle((0, 104, 136, 168), fill=(60, 150, 70))
    pen.polygon([(0, 168), (70, 120), (136, 168)], fill=(215, 70, 60))
    return np.asarray(image, dtype=np.uint8)


def _view(attributes: Attributes, rng: np.random.Generator) -> tuple[Camera, Light, Colour]:
    """Camera, key light and ambience: the same number of draws whatever is shown."""
    dx, dz, zoom, target_z = rng.uniform(-1, 1, 4).tolist()
    side = -1.0 if rng.random() < 0.5 else 1.0
    azimuth, elevation, strength, warm, sky = rng.uniform(0, 1, 5).tolist()
    hatted = attributes["occupation"] in HATS
    middle = (-0.14 if hatted else -0.24) + 0.05 * target_z
    distance = (7.35 if hatted else 7.0) * (1 + 0.05 * zoom)
    camera = Camera(origin=(0.45 * dx, -distance, middle + 0.1 + 0.25 * dz), target=(0.06 * dx, 0.0, middle), fov=29.0)
    turn, rise = np.radians(18 + 27 * azimuth), np.radians(20 + 18 * elevation)
    position = (
        side * 5.5 * float(np.sin(turn) * np.cos(rise)),
        -5.5 * float(np.cos(turn) * np.cos(rise)),
        5.5 * float(np.sin(rise)),
    )
    power = 58.0 + 14.0 * strength
    light = Light(position, radius=0.8, power=(power, power * (0.99 - 0.03 * warm), power * (0.97 - 0.07 * warm)))
    ambient = 0.46 + 0.08 * sky
    return camera, light, (ambient, ambient, ambient * 1.03)
