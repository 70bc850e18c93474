"""The published prompt files, where they are at hand: counts as their README gives them."""

import os
from pathlib import Path

import pytest

from audit.suites import load

PROMPTS = Path(os.environ.get("AUDIT_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data")) / "prompts"
COMPBENCH = ("3d_spatial", "color", "complex", "non_spatial", "numeracy", "shape", "spatial", "texture")
COUNTS = {
    "parti_prompts.tsv": 1632,
    "geneval_metadata.jsonl": 553,
    "geckonum_prompts.csv": 1386,
    "dsg_1k.csv": 1060,
    "dpg_bench.jsonl": 1065,
    "longtext_en.jsonl": 160,
    **{f"t2i_compbench/{name}_val.txt": 300 for name in COMPBENCH},
}

pytestmark = pytest.mark.skipif(not PROMPTS.is_dir(), reason=f"no prompt files in {PROMPTS}; set AUDIT_SHARED_DATA")


@pytest.mark.parametrize(("file", "count"), COUNTS.items())
def test_every_prompt_of_a_published_file_is_read(file, count):
    suite = load(str(PROMPTS / file))
    assert len(suite.prompts) == count
    assert len(load(f"{PROMPTS / file}?limit=20").prompts) == 20


def test_dsg_has_all_its_questions():
    questions = [q for p in load(str(PROMPTS / "dsg_1k.csv")).prompts for q in p.expect["questions"]]
    assert len(questions) == 8182


@pytest.mark.parametrize(
    ("file", "expectation"),
    [("geneval_metadata.jsonl", "objects"), ("geckonum_prompts.csv", "objects"), ("longtext_en.jsonl", "text")],
)
def test_benchmarks_with_targets_expect_them(file, expectation):
    assert all(p.expect[expectation] for p in load(str(PROMPTS / file)).prompts)


@pytest.mark.parametrize("name", COMPBENCH)
def test_compbench_categories_come_from_file_names(name):
    assert {p.tags for p in load(str(PROMPTS / "t2i_compbench" / f"{name}_val.txt")).prompts} == {(name,)}
