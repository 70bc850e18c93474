"""A model card is read back by the Hub's own library with equal numbers, and a README loses nothing to it."""

import json
from dataclasses import replace

import pytest
import yaml
from huggingface_hub import ModelCard
from huggingface_hub.repocard import metadata_load
from markdown_it import MarkdownIt

from audit.frontmatter import BEGIN, END, FrontMatterError, with_part, with_value
from audit.modelcard import ModelCardError, audited, card_text, escaped, fresh_card, updated_card, write_card
from audit.store import RunFolder
from tests.reports.fake_run import write_run

NASTY = [
    "<script>alert(1)</script>",
    f"x\n{END}\n| a | b |",
    "![p](http://evil.example/p.png) [l](http://evil.example) http://evil.example www.evil.example a@evil.example",
    "`code` *bold* _it_ ~~s~~ # h | pipe \\ back",
    "key: [unclosed, {yaml: &anchor *alias !!python/object:os.system '\"",
    "\u202ereversed\x1b[31m\x00\u2028line",
    "---\nname: other\n---",
]
README = """\
---
# keep this comment
license: apache-2.0   # and this one
tags: [diffusion,   "quoted"]
model-index:
- name: my-model
  results:
  - task: {type: text-to-image}
    dataset: {name: COCO, type: coco}
    metrics:
    - {type: fid, value: 12.5}
# this speaks of the language
language: en
---

# My model

Words of mine.
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    names = ("builtin:ldm", "studio:?extra_finger=0.2")
    path = tmp_path_factory.mktemp("runs") / "run"
    return RunFolder(write_run(path, generators=names, guidances=(1.0, 3.0), steps=(10,), size=24))


@pytest.fixture(scope="module")
def told(run):
    return audited(run, "builtin:ldm")


def valued(told):
    return [each for each in told.estimates if each.value is not None]


def table_of(text, cell):
    """A cell's table as rows of dictionaries, read by a Markdown parser."""
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(text)
    place = next(i for i, t in enumerate(tokens) if t.type == "heading_open" and tokens[i + 1].content == cell)
    end = next(i for i in range(place, len(tokens)) if tokens[i].type == "table_close")
    inside = range(place, end)
    heads = [tokens[i + 1].content for i in inside if tokens[i].type == "th_open"]
    cells = [tokens[i + 1].content for i in inside if tokens[i].type == "td_open"]
    return [dict(zip(heads, cells[i : i + len(heads)], strict=True)) for i in range(0, len(cells), len(heads))]


def test_the_hubs_own_library_reads_equal_numbers(run, told, tmp_path):
    assert write_card(run, tmp_path / "README.md", "builtin:ldm") == len(valued(told)) == 12
    data = ModelCard.load(tmp_path / "README.md").data
    assert data.model_name == "builtin:ldm"
    assert data.pipeline_tag == "text-to-image"
    expected = [(each.audit, each.value, json.loads(_settings(told, each.cell))) for each in valued(told)]
    assert [(each.metric_type, each.metric_value, each.metric_args) for each in data.eval_results] == expected
    for each in data.eval_results:
        assert (each.dataset_type, each.dataset_name, each.dataset_revision) == ("quick", "quick 1", "0123456789abcdef")


def _settings(told, cell):
    return json.dumps({name: value for name, value in told.cells[cell].items() if value is not None})


def test_a_metrics_name_has_cell_interval_and_n_in_words(told):
    [entry] = yaml.safe_load(fresh_card(told).split("---")[1])["model-index"]
    named = {(m["type"], m["args"]["guidance"]): m["name"] for m in entry["results"][0]["metrics"]}
    each = next(e for e in told.estimates if e.audit == "text.exact" and e.cell.startswith("guidance=3"))
    assert named["text.exact", 3.0] == (
        f"text.exact at guidance=3 steps=10 (95 % interval {each.low:.4g} to {each.high:.4g}, n {each.n})"
    )


def test_the_table_has_interval_counts_corrected_rate_and_what_the_detector_is_worth(told):
    changed = [
        replace(each, card="studio: sensitivity 0.9", corrected=0.25, corrected_low=0.125, corrected_high=0.5)
        if each.audit == "text.exact"
        else each
        for each in told.estimates
    ]
    rows = table_of(card_text(replace(told, estimates=changed)), "guidance=1 steps=10")
    by_audit = {row["audit"].split()[0]: row for row in rows}
    each = next(e for e in changed if e.audit == "text.exact" and e.cell == "guidance=1 steps=10")
    row = by_audit["text.exact"]
    assert row["value"].split()[0] == f"{each.value:.4g}"
    assert row["95 % interval"] == f"{each.low:.4g} to {each.high:.4g}"
    assert [int(row[name]) for name in ("n", "skipped", "failed")] == [each.n, each.skipped, each.failed]
    assert (row["corrected"], row["detector"]) == ("0.25 (0.125 to 0.5)", "studio: sensitivity 0.9")
    assert by_audit["tone.clipped"]["corrected"] == "-"


def test_where_nothing_could_be_measured_the_card_says_why_and_the_index_has_no_number(told):
    blank = {"value": None, "low": None, "high": None, "n": 0}
    note = "weights 'x' are missing (looked in /home/me/.cache); get them: fetch"
    changed = [replace(e, **blank, note=note) if e.audit == "fd_studio" else e for e in told.estimates]
    card = fresh_card(replace(told, estimates=changed))
    assert "fd_studio" not in card.split(BEGIN)[0]
    assert "No number of fd_studio: weights 'x' are missing." in card
    assert "/home/me" not in card


def test_a_detector_that_nobody_validated_is_named_among_the_limits(told):
    changed = [replace(each, card="not validated: it has no card") for each in told.estimates]
    assert "Not validated, so their own errors are not known: " in card_text(replace(told, estimates=changed))
    assert "Not validated" not in card_text(told)


def test_the_card_says_how_it_was_made(told):
    text = card_text(told)
    for words in (
        "0123456789abcdef",
        "2031-05-04T10:20:30",
        "Some CPU",
        "torch 2.15.0",
        "ab" * 32,
        "sixthfinger 0.1.0",
    ):
        assert words in text
    assert told.manifest["generators"][0]["fingerprint"] in text


def test_a_readme_keeps_every_character_but_ours(told):
    card = updated_card(told, README)
    before, after = README.split("model-index:")[0], README[README.index("# this speaks") :]
    assert card.startswith(before)
    assert card.split(BEGIN)[0].endswith(after + "\n")
    data = ModelCard(card).data
    assert (data.license, data.tags, data.language) == ("apache-2.0", ["diffusion", "quoted"], "en")
    assert data.model_name == "my-model"
    assert (data.eval_results[0].metric_type, data.eval_results[0].metric_value) == ("fid", 12.5)
    assert len(data.eval_results) == 1 + len(valued(told))


def test_writing_twice_is_writing_once(run, told, tmp_path):
    path = tmp_path / "README.md"
    path.write_text(README)
    write_card(run, path, "builtin:ldm")
    once = path.read_bytes()
    write_card(run, path, "builtin:ldm")
    assert path.read_bytes() == once


def test_newer_numbers_replace_ours_and_what_stands_around_the_marks_stays(told):
    card = updated_card(told, README) + "\nThe end.\n"
    halved = replace(told, estimates=[replace(e, value=e.value and e.value / 2) for e in told.estimates])
    again = updated_card(halved, card)
    assert again.endswith(END + "\n\nThe end.\n")
    assert again.count(BEGIN) == 1
    values = [each.metric_value for each in ModelCard(again).data.eval_results]
    assert values == [12.5, *(each.value for each in valued(halved))]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("# Only words\n", id="no front matter"),
        pytest.param("---\n---\n# Empty\n", id="empty front matter"),
        pytest.param("---\nlicense: mit\n---", id="no text"),
        pytest.param(README.replace("\n", "\r\n"), id="windows"),
        pytest.param("a\n---\nb: 1\n---\n", id="rules in the text"),
    ],
)
def test_any_readme_can_be_brought_up_to_date_twice(told, text, tmp_path):
    card = updated_card(told, text)
    assert updated_card(told, card) == card
    (tmp_path / "README.md").write_bytes(card.encode())
    assert len(metadata_load(tmp_path / "README.md")["model-index"][0]["results"][-1]["metrics"]) == len(valued(told))
    assert ("\r\n" in text) == ("\r\n" in card)
    assert card.count("\n") == card.count("\r\n") or "\r\n" not in card


@pytest.mark.parametrize("nasty", NASTY)
def test_a_hostile_name_stays_a_name(told, nasty):
    cell = next(iter(told.cells))
    estimates = [replace(e, generator=nasty, audit=nasty, note=nasty, card=nasty) for e in told.estimates[:1]]
    manifest = {**told.manifest, "suite": told.manifest["suite"] | {"name": nasty, "version": nasty}}
    audits = {nasty: dict.fromkeys(("name", "doc", "unit", "source", "better"), nasty) | {"version": 1}}
    bad = replace(
        told, generator=nasty, estimates=estimates, manifest=manifest, audits=audits, cells={cell: told.cells[cell]}
    )
    card = fresh_card(bad)
    assert updated_card(bad, card) == card
    data = ModelCard(card).data
    assert (len(data.eval_results), data.eval_results[0].metric_value) == (1, estimates[0].value)
    assert set(data.to_dict()) == {"model-index", "pipeline_tag"}
    tokens = [
        inner
        for token in MarkdownIt("gfm-like", {"linkify": False}).parse(card.split("---\n", 2)[2])
        for inner in (token, *(token.children or ()))
    ]
    kinds = {token.type for token in tokens}
    assert not kinds & {"link_open", "image", "html_inline", "em_open", "strong_open", "s_open", "code_inline", "hr"}
    assert [t.content.strip() for t in tokens if t.type == "html_block"] == [BEGIN, END]
    heads = [tokens[i + 1].content for i, t in enumerate(tokens) if t.type == "th_open"]
    assert heads[:6] == ["audit", "value", "95 % interval", "n", "skipped", "failed"]
    assert not set("\u202e\x1b\x00\u2028") & set(card)


@pytest.mark.parametrize("nasty", ["http://evil.example", "www.evil.example", "a@evil.example"])
def test_an_address_in_a_name_does_not_become_a_link(nasty):
    rendered = MarkdownIt("gfm-like", {"linkify": False}).renderInline(escaped(nasty))
    assert rendered == nasty  # what is shown is the name
    assert nasty not in escaped(nasty)  # what a linkifier looks for is not there


def test_a_key_in_an_address_is_blotted_out(told):
    name = "openai:https://me:pass@host/v1?model=m&api_key=sk-secret"
    card = fresh_card(replace(told, generator=name, estimates=[replace(e, generator=name) for e in told.estimates]))
    assert "sk-secret" not in card
    assert "me:pass" not in card


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("---\nlicense: [mit\n---\n", "front matter is not YAML"),
        ("---\n- a\n- b\n---\n", "must be keys with values, found list"),
        ("---\n{license: mit, model-index: []}\n---\n", "cannot be set without touching the rest"),
        ("---\nmodel-index: none of yours\n---\n", "is no list of models"),
        (f"words\n{BEGIN}\nold\n", "must stand once"),
        (f"{END}\n{BEGIN}\n", "must stand once"),
        (f"{BEGIN}\n{END}\n{BEGIN}\n{END}\n", "must stand once"),
    ],
)
def test_a_readme_that_cannot_be_edited_safely_is_left_alone(run, tmp_path, text, message):
    path = tmp_path / "README.md"
    path.write_text(text)
    with pytest.raises(ModelCardError, match=message):
        write_card(run, path, "builtin:ldm")
    assert path.read_text() == text


def test_bytes_that_are_no_text_are_left_alone(run, tmp_path):
    path = tmp_path / "README.md"
    path.write_bytes(b"caf\xe9")
    with pytest.raises(ModelCardError, match="is not UTF-8"):
        write_card(run, path, "builtin:ldm")
    assert path.read_bytes() == b"caf\xe9"


@pytest.mark.parametrize(
    "block",
    [
        "a: 1\nkey:\n- x\n# of b\nb: |\n  # no comment\n",
        "key: old\n",
        "  a: 1\n  key: {x: [1]}\n  b: 2\n",
        "a: 1",
    ],
)
def test_one_key_changes_and_comments_of_the_others_stay(block):
    new = with_value(f"---\n{block.rstrip()}\n---\ntext", "key", {"n": [1, 2]})
    old = yaml.safe_load(block)
    assert yaml.safe_load(new.split("---\n")[1]) == {**old, "key": {"n": [1, 2]}}
    assert ("# of b" in block) == ("# of b" in new)
    assert new.endswith("\n---\ntext")


def test_an_anchor_that_others_need_is_not_torn_out():
    with pytest.raises(FrontMatterError, match="cannot be set"):
        with_value("---\nkey: &a [1]\nb: *a\n---\n", "key", 2)


def test_a_part_is_added_at_the_end():
    assert with_part("words", "ours") == f"words\n\n{BEGIN}\nours\n{END}\n"


def test_which_generator_must_be_said_where_there_are_several(run):
    with pytest.raises(ModelCardError, match=r"several generators; name one with --generator: builtin:ldm, studio:"):
        audited(run)
    with pytest.raises(ModelCardError, match="has no generator 'nope'; it has builtin:ldm"):
        audited(run, "nope")


@pytest.mark.parametrize("kept", [0, 3])
def test_a_run_without_numbers_says_what_makes_them(tmp_path, kept):
    run = RunFolder(write_run(tmp_path / "run", guidances=(1.0,), steps=(10,), size=24, replicates=1))
    with run.open_for_writing():
        run.write_summary([replace(each, value=None) for each in run.estimates()[:kept]], [])
    with pytest.raises(ModelCardError, match="audit score"):
        audited(run)
