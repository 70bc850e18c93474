"""Every prompt format is read from a small file written here; the real files are in test_shared.py."""

import json
from pathlib import Path

import numpy as np
import pytest

from audit import images
from audit.suites import SuiteError, load

PARTI = 'Prompt\tCategory\tChallenge\tNote\na "STOP" sign\tArtifacts\tWriting & Symbols\tnote\n"Go\tAbstract\tBasic\t\n'
GECKO = """index,prompt,has_numeral,is_frequent,entities,prompt_type,dataset_id
0,1 dog.,0,1,dog:1,numeric_simple,geckonum_00000
1,"Two cats, a red cube.",1,1,"cat:2, red cube:1",2-additive,geckonum_00001
2,A loaf cut into thirds.,0,1,loaf of bread:thirds,fractional-simple,geckonum_00002
"""
DSG_HEAD = (
    "item_id,text,keywords,proposition_id,dependency,category_broad,category_detailed,tuple,question_natural_language"
)
DSG = f"""{DSG_HEAD}
whoops_5,A purple cube,cube,1,0,entity,whole,entity - whole (cube),Is there a cube?
whoops_5,A purple cube,"cube, purple",2,"1, air",attribute,color,"attribute - color (cube, purple)",Is the cube purple?
tifa_1,A dog,dog,1,0,entity,whole,entity - whole (dog),Is there a dog?
"""


def written(path: Path, text: str) -> str:
    path.write_bytes(text.encode())
    return str(path)


def jsonl(path: Path, *rows: object) -> str:
    return written(path, "".join(json.dumps(row) + "\n" for row in rows))


def test_our_jsonl_keeps_every_field(tmp_path):
    row = {
        "id": "a",
        "text": 'a sign "OPEN"',
        "negative_text": "blurry",
        "tags": ["text"],
        "expect": {"text": "OPEN"},
        "inputs": {"source": "a.png"},
    }
    pixels = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    (tmp_path / "a.png").write_bytes(images.encode_png(pixels))
    suite = load(jsonl(tmp_path / "ours.jsonl", row))
    [prompt] = suite.prompts
    inputs = {"source": images.digest(pixels)}
    assert {name: getattr(prompt, name) for name in row} == row | {"tags": ("text",), "inputs": inputs}
    assert suite.files == {images.digest(pixels): tmp_path / "a.png"}
    assert prompt.origin == "ours.jsonl, row 1"


def test_inputs_are_known_by_their_pixels_wherever_they_lie(tmp_path):
    for name, encode in (("one", images.encode_png), ("two", images.encode_webp)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.png").write_bytes(encode(np.full((4, 4, 3), 9, np.uint8)))
    row = {"text": "a mug", "inputs": {"source": "a.png"}}
    one, two = (load(jsonl(tmp_path / name / "s.jsonl", row)) for name in ("one", "two"))
    assert one.digest == two.digest


def test_a_json_array_reads_like_the_same_rows_as_jsonl(tmp_path):
    rows = [{"text": "a hand"}, {"text": "a mug", "tags": ["mug"]}]
    array = load(written(tmp_path / "a.json", json.dumps(rows, indent=1)))
    assert array.digest == load(jsonl(tmp_path / "a.jsonl", *rows)).digest


def test_parti_is_not_quoted(tmp_path):
    first, second = load(written(tmp_path / "p.tsv", PARTI)).prompts
    assert first.text == 'a "STOP" sign'
    assert first.tags == ("Artifacts", "Writing & Symbols")
    assert second.text == '"Go'


def test_geneval_objects_become_expectations(tmp_path):
    include = [{"class": "dog", "count": 1}, {"class": "cat", "count": 1, "color": "red", "position": ["left of", 0]}]
    row = {"tag": "position", "include": include, "exclude": [{"class": "dog", "count": 2}], "prompt": "a photo"}
    [prompt] = load(jsonl(tmp_path / "geneval.jsonl", row)).prompts
    assert prompt.tags == ("position",)
    assert prompt.expect["objects"] == [
        {"class": "dog", "count": 1},
        {"class": "cat", "count": 1, "colour": "red", "position": ["left of", 0]},
    ]
    assert prompt.expect["exclude"] == [{"class": "dog", "count": 2}]


@pytest.mark.parametrize(("name", "tags"), [("color_val", ("color",)), ("3d_spatial_val", ("3d_spatial",)), ("my", ())])
def test_text_files_are_tagged_by_compbench_names_only(tmp_path, name, tags):
    prompts = load(written(tmp_path / f"{name}.txt", "a green bench\r\n\r\na red cup\r\n")).prompts
    assert [(p.text, p.tags) for p in prompts] == [("a green bench", tags), ("a red cup", tags)]
    assert prompts[1].origin.endswith("row 3")


def test_geckonum_counts_are_numbers_where_the_file_has_numbers(tmp_path):
    prompts = load(written(tmp_path / "gecko.csv", GECKO)).prompts
    assert [p.id for p in prompts] == ["geckonum_00000", "geckonum_00001", "geckonum_00002"]
    assert prompts[1].expect == {"objects": [{"class": "cat", "count": 2}, {"class": "red cube", "count": 1}]}
    assert prompts[2].expect == {"objects": [{"class": "loaf of bread", "count": "thirds"}]}


def test_dsg_rows_of_one_item_become_one_prompt(tmp_path):
    cube, dog = load(written(tmp_path / "dsg.csv", DSG)).prompts
    assert (cube.id, cube.tags, dog.id) == ("whoops_5", ("whoops",), "tifa_1")
    assert cube.expect["questions"] == [
        {"id": 1, "after": [], "category": "entity", "question": "Is there a cube?"},
        {"id": 2, "after": [1], "category": "attribute", "question": "Is the cube purple?"},
    ]


def test_dsg_items_must_not_change_their_text(tmp_path):
    file = written(tmp_path / "dsg.csv", DSG + "tifa_1,A cat,cat,2,0,entity,whole,x,Is there a cat?\n")
    with pytest.raises(SuiteError, match=r"dsg\.csv, row 5: item 'tifa_1' has another text than in row 4"):
        load(file)


def test_dpg_keeps_its_ids(tmp_path):
    prompts = load(jsonl(tmp_path / "dpg.jsonl", {"id": "7", "prompt": "a field"}, {"id": "x9", "prompt": "a car"}))
    assert [(p.id, p.text) for p in prompts.prompts] == [("7", "a field"), ("x9", "a car")]


def test_longtext_expects_its_strings_in_order(tmp_path):
    row = {"category": "sign", "length": "short", "prompt": "a sign", "text": ["B 2", "A"], "prompt_id": 0}
    [prompt] = load(jsonl(tmp_path / "long.jsonl", row)).prompts
    assert (prompt.id, prompt.tags, prompt.expect) == ("0", ("sign", "short"), {"text": ["B 2", "A"]})


@pytest.mark.parametrize("name", ["text", "prompt", "Caption"])
def test_plain_tables_need_a_text_column_and_may_have_more(tmp_path, name):
    file = written(tmp_path / "plain.csv", f'{name},tags,expect_text,expect\n"a, b",x; y,OPEN,"{{""n"": 1}}"\n')
    [prompt] = load(file).prompts
    assert (prompt.text, prompt.tags, prompt.expect) == ("a, b", ("x", "y"), {"n": 1, "text": "OPEN"})


def test_a_byte_order_mark_is_not_part_of_the_first_column(tmp_path):
    file = tmp_path / "bom.csv"
    file.write_bytes(b"\xef\xbb\xbftext\r\na hand\r\n")
    assert load(str(file)).prompts[0].text == "a hand"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "name,count\nx,1\n", r"row 2: no 'text', 'prompt' or 'caption' column; found name, count"),
        ("a.csv", "text,n\na,1\nb\n", r"row 3: 1 cells under 2 columns"),
        ("a.csv", 'text,n\n"a,1\n', r"row 2: unexpected end of data"),
        ("a.csv", "text,text\na,b\n", r"row 1: two columns are named 'text'"),
        ("a.csv", "text,n\na,1\n ,2\n", r"row 3: empty text"),
        ("a.csv", "text,expect\na,[1]\n", r"row 2: expect must be a JSON object"),
        ("a.csv", "text,expect\na,{x\n", r"row 2: expect is not JSON"),
        ("a.csv", "", r"row 1: no column names|no rows"),
        ("a.csv", "text\n", r"a\.csv: no rows"),
        ("a.jsonl", '{"text": "a"}\n{"text": \n', r"row 2: not JSON"),
        ("a.jsonl", '{"text": "a"}\n\n["b"]\n', r"row 3: wanted a JSON object, found list"),
        (
            "a.jsonl",
            '{"text": "a"}\n{"prompt_": "a"}\n',
            r"row 2: no 'text', 'prompt' or 'caption' column; found prompt_",
        ),
        ("a.jsonl", '{"text": 3.5}\n', r"row 1: 'text' must be text, found 3.5"),
        ("a.jsonl", '{"text": "a", "tags": 3}\n', r"row 1: tags must be a list of words, found 3"),
        (
            "a.jsonl",
            '{"text": "a", "inputs": {"maks": "m.png"}}\n',
            r"row 1: no input is called maks; known: source, mask",
        ),
        ("a.jsonl", '{"text": "a", "inputs": {"mask": "m.png"}}\n', r"row 1: mask 'm.png': No such file"),
        ("a.jsonl", '{"text": "a", "inputs": {"mask": "a.jsonl"}}\n', r"row 1: mask 'a.jsonl': not a readable picture"),
        ("a.jsonl", '{"text": "a", "inputs": {"mask": "../m.png"}}\n', r"row 1: mask '../m.png' lies outside"),
        ("a.jsonl", '{"text": "a", "inputs": {"mask": 1}}\n', r"row 1: inputs must name files"),
        ("a.jsonl", '{"id": 1, "text": "a"}\n{"id": 1, "text": "b"}\n', r"row 2: id '1' was already used in row 1"),
        ("a.jsonl", '{"prompt": "a", "include": [{"count": 1}], "tag": "t"}\n', r"row 1: 'include' must list objects"),
        ("a.jsonl", '{"prompt": "a", "text": "b", "prompt_id": 1}\n', r"row 1: 'text' must list the strings"),
        ("a.txt", "\n \n", r"a\.txt: no prompts in it"),
        ("a.xlsx", "x", r"no suite format ends in '\.xlsx'; known: \.csv"),
    ],
)
def test_errors_name_file_row_and_cause(tmp_path, name, content, message):
    with pytest.raises(SuiteError, match=message) as caught:
        load(written(tmp_path / name, content))
    assert str(tmp_path / name) in str(caught.value)


def test_text_that_is_not_utf8_names_its_row(tmp_path):
    file = tmp_path / "latin.txt"
    file.write_bytes("a hand\na café\n".encode("latin-1"))
    with pytest.raises(SuiteError, match=r"latin\.txt, row 2: not UTF-8"):
        load(str(file))
