"""Ids, subsets, names, built-in suites, folders of pictures."""

import json
import random
import re
from itertools import pairwise

import pytest

from audit import images, suites
from audit.suites import SuiteError, builtin_names, load, of_images
from audit.types import seed_for
from generators.studio.palette import COLOURS, TONE_WORDS

NUMBERS = {"no": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6}
FOLDER = suites.BUILTIN
FAMILIES = ("hands", "text", "portraits", "tabletop", "textures")
TASKS = {
    "edit": {"source", "mask"},
    "edges": {"control"},
    "skeletons": {"control"},
    "smear": {"source"},
    "upscale": {"source"},
}
WRITTEN = ("quick", *FAMILIES)
BUILTIN = [(name, prompt) for name in WRITTEN for prompt in load(name).prompts]


def test_reordering_rows_keeps_ids_and_so_seeds(tmp_path):
    texts = [f"prompt {i}" for i in range(20)]
    shuffled = random.Random(0).sample(texts, k=20)
    (tmp_path / "a.txt").write_text("\n".join(texts))
    (tmp_path / "b.txt").write_text("\n".join(shuffled))
    ids = {p.text: p.id for p in load(str(tmp_path / "a.txt")).prompts}
    again = {p.text: p.id for p in load(str(tmp_path / "b.txt")).prompts}
    assert ids == again
    assert len({seed_for(each, 0) for each in ids.values()}) == 20


def test_equal_prompts_get_distinct_ids_that_stay(tmp_path):
    (tmp_path / "a.txt").write_text("a hand\na mug\na hand\na hand\n")
    (tmp_path / "b.txt").write_text("a hand\na hand\na hand\na mug\n")
    first = [p.id for p in load(str(tmp_path / "a.txt")).prompts if p.text == "a hand"]
    second = [p.id for p in load(str(tmp_path / "b.txt")).prompts if p.text == "a hand"]
    assert first == second == [first[0], f"{first[0]}-2", f"{first[0]}-3"]


def test_the_version_is_the_files_digest(tmp_path):
    file = tmp_path / "a.txt"
    file.write_text("a hand\n")
    before = load(str(file)).version
    assert load(str(file)).version == before
    file.write_text("a mug\n")
    assert load(str(file)).version != before


@pytest.mark.parametrize(("limit", "kept"), [(1, 1), (7, 7), (100, 100), (101, 100)])
def test_limit_takes_an_evenly_spaced_subset(tmp_path, limit, kept):
    file = tmp_path / "a.txt"
    file.write_text("\n".join(f"prompt {i}" for i in range(100)))
    places = [int(p.text.split()[1]) for p in load(f"{file}?limit={limit}").prompts]
    assert len(places) == len(set(places)) == kept
    steps = [b - a for a, b in pairwise(places)]
    assert not steps or max(steps) - min(steps) <= 1


def test_a_subset_is_the_same_every_time_and_keeps_ids():
    whole, part = load("hands"), load("hands?limit=9")
    assert part == load("hands?limit=9")
    assert all(prompt in whole.prompts for prompt in part.prompts)
    assert part.digest != whole.digest


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("quik", "no suite named 'quik'; did you mean quick?"),
        ("zzz", "there is edges, edit, hands, portraits, quick"),
        ("nowhere/p.csv", "no such file: nowhere/p.csv"),
        ("quick?limt=3", "no option 'limt'; did you mean limit?"),
        ("quick?limit=0", "limit must be a whole number from 1, found '0'"),
        ("quick?limit=some", "limit must be a whole number from 1, found 'some'"),
        ("quick?limit=", "option 'limit' needs a value"),
        (".", "is a folder; to audit the pictures in it, use the generator images:."),
    ],
)
def test_bad_specifications_say_what_would_work(spec, message):
    with pytest.raises(SuiteError, match=re.escape(message)):
        load(spec)


def test_a_file_with_a_question_mark_in_its_name_is_a_file(tmp_path):
    file = tmp_path / "why?.txt"
    file.write_text("a hand\n")
    assert load(str(file)).prompts[0].text == "a hand"


class Folder:
    name = "images:out"

    def fingerprint(self):
        return "f" * 64

    def prompts(self):
        return [("a.png", "a hand", {"digits": 5}, ("hands",)), ("sub/b.png", "", {}, ())]


def test_a_folder_of_pictures_is_a_suite_whose_ids_are_names():
    suite = of_images(Folder())
    assert suite.name == "images:out"
    assert [(p.id, p.text, p.tags) for p in suite.prompts] == [("a.png", "a hand", ("hands",)), ("sub/b.png", "", ())]
    assert suite.prompts[0].expect == {"digits": 5}


def test_the_built_in_suites_have_the_promised_sizes():
    assert set(builtin_names()) == {"quick", *FAMILIES, *TASKS}
    assert all(40 <= len(load(name).prompts) <= 60 for name in FAMILIES)
    families = [prompt.tags[0] for prompt in load("quick").prompts]
    assert {name: families.count(name) for name in FAMILIES} == {
        "hands": 5,
        "text": 5,
        "portraits": 4,
        "tabletop": 3,
        "textures": 1,
    }


@pytest.mark.parametrize(("suite", "prompt"), BUILTIN, ids=[p.id for _, p in BUILTIN])
def test_built_in_prompts_keep_to_their_style_and_their_expectations(suite, prompt):
    text, expect = prompt.text, prompt.expect
    outside = re.sub(r'"[^"]*"', "", text)
    assert text.isascii()
    assert len(text) <= 90
    assert outside == outside.lower()
    assert not re.search(r"\ba [aeiou]|\ban [^aeiou]", outside)
    assert suite in ("quick", prompt.tags[0])
    quoted = re.findall(r'"([^"]*)"', text)
    assert quoted == ([expect["text"]] if "text" in expect else [])
    assert all(string == string.upper() for string in quoted)
    said_tone = re.search(rf"({'|'.join(sorted(TONE_WORDS, key=len, reverse=True))})(-skinned| skin)", text)
    assert expect.get("tone_word") == (said_tone[1] if said_tone else None)
    for key in ("occupation", "carrier", "kind", "colour", "side", "relation"):
        assert expect.get(key, "") in text
    if prompt.tags[0] == "hands":
        check_hand(text, expect)
    for each in expect.get("objects", []):
        check_object(text, each)


@pytest.mark.parametrize("name", TASKS)
def test_the_built_in_suites_for_tasks_bring_their_pictures(name):
    suite = load(name)
    assert 16 <= len(suite.prompts) <= 30
    side = 32 if name == "upscale" else 128
    for prompt in suite.prompts:
        assert set(prompt.inputs) == TASKS[name]
        for digest in prompt.inputs.values():
            picture = images.decode(suite.files[digest].read_bytes())
            assert picture.shape == (side, side, 3)
            assert 0 < picture.mean() < 255  # neither empty nor full


def test_number_plates_are_among_the_pictures_to_enlarge():
    plates = [prompt for prompt in load("upscale").prompts if "plate" in prompt.tags]
    assert len(plates) >= 10
    assert all(prompt.expect["text"] in prompt.text for prompt in plates)


def check_hand(text, expect):
    assert expect["digits"] == 5
    said = re.search(r"(\w+) fingers? raised", text)
    words = {"open hand": 5, "fist": 0}
    counted = NUMBERS[said[1]] if said else next((n for word, n in words.items() if word in text), None)
    assert expect.get("raised") == counted


def check_object(text, each):
    assert each.get("colour", "red") in COLOURS
    article_or_number = {1: "an?"} | {number: word for word, number in NUMBERS.items() if number > 1}
    plural = "" if each["count"] == 1 else "s"
    named = f"{each['colour']} {each['shape']}" if "colour" in each else each["shape"]
    assert re.search(rf"\b{article_or_number[each['count']]} {named}{plural}\b", text)


def test_hands_cover_every_tone_with_every_count():
    pairs = {(p.expect.get("tone_word"), p.expect.get("raised")) for p in load("hands").prompts}
    assert {(tone, count) for tone in TONE_WORDS for count in range(6)} <= pairs


def test_the_files_of_the_built_in_suites_are_our_own_format():
    for name in WRITTEN:
        for line in (FOLDER / f"{name}.jsonl").read_text().splitlines():
            assert set(json.loads(line)) == {"id", "text", "tags", "expect"}
