import hashlib
import tomllib

import pytest

from audit import weights as module
from audit.weights import MissingWeightsError, find, require, sha256_of, table, weights


@pytest.fixture
def manifest(monkeypatch, tmp_path):
    """A manifest of one file, whose entry the test may change."""
    entry = {
        "name": "toy",
        "used_by": ["toy.audit"],
        "licence": "MIT",
        "source": "here",
        "kind": "shipped",
        "place": "toy.bin",
        "fetch": "cp elsewhere toy.bin",
    }
    monkeypatch.setattr(module, "_manifest", lambda: [entry])
    monkeypatch.setattr(module, "ROOT", tmp_path)
    return entry, tmp_path / "toy.bin"


def test_a_missing_file_says_where_it_was_looked_for_and_how_to_get_it(manifest):
    with pytest.raises(MissingWeightsError, match=r"looked in toy\.bin\).*cp elsewhere toy\.bin"):
        require("toy")
    assert not find("toy").present


def test_a_present_file_is_found_and_hashed(manifest):
    _, path = manifest
    path.write_bytes(b"weights")
    assert require("toy") == path
    assert find("toy").sha256 == hashlib.sha256(b"weights").hexdigest()
    assert find("toy").size == 7


def test_the_wrong_file_is_refused(manifest):
    entry, path = manifest
    path.write_bytes(b"weights")
    entry["sha256"] = hashlib.sha256(b"other").hexdigest()
    with pytest.raises(MissingWeightsError, match="not the file it should be"):
        require("toy")


def test_a_changed_file_is_hashed_again(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"one")
    before = sha256_of(path)
    path.write_bytes(b"other")
    assert sha256_of(path) != before


def test_unknown_names_list_the_known():
    with pytest.raises(KeyError, match="rapidocr-detection"):
        require("nonsense")


def test_wheels_hold_the_files_on_record():
    """The OCR models travel inside their wheel: present, and the very files that were measured."""
    with (module.Path(module.__file__).parent / "weights.toml").open("rb") as file:
        recorded = {each["name"]: each.get("sha256") for each in tomllib.load(file)["weights"]}
    for name in ("rapidocr-detection", "rapidocr-recognition"):
        assert sha256_of(require(name)) == recorded[name]


def test_every_entry_is_complete_and_names_registered_audits():
    from audit.registry import audits

    for each in weights():
        assert each.licence, each.name
        assert each.source, each.name
        assert each.fetch, each.name
        for user in each.used_by:
            assert user in audits() or ":" in user, f"{each.name}: no audit named {user}"


def test_the_table_names_every_file_and_how_to_get_the_missing():
    text = table()
    for each in weights():
        assert each.name in text
        assert each.present or each.fetch in text


def test_files_shipped_but_unlisted_are_found(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "ROOT", tmp_path)
    folder = tmp_path / "generators" / "weights" / "ldm" / "unet"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"x")
    [found] = [each for each in weights() if each.name == "ldm/unet/model"]
    assert found.used_by == ("builtin:ldm",)
    assert found.present
