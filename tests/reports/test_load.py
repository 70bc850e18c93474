import pandas as pd
import pytest

from audit.store import RunFolder, StoreError
from reports.load import ReadOnce, load
from tests.reports.fake_run import prompts, write_run


def test_what_a_report_reads_quickly_is_what_the_store_reads(run):
    quick, plain = ReadOnce(run), RunFolder(run)
    pd.testing.assert_frame_equal(quick.artifacts(), plain.artifacts())
    pd.testing.assert_frame_equal(quick.jobs(), plain.jobs())
    for audit in ("text.cer", "features.studio"):
        pd.testing.assert_frame_equal(quick.scores(audit), plain.scores(audit))
    pd.testing.assert_frame_equal(quick.numbers, plain.scores()[list(quick.numbers)])


def test_an_audit_without_scores_has_an_empty_table_of_the_same_columns(run):
    assert list(ReadOnce(run).scores("nobody.ran")) == list(RunFolder(run).scores("text.cer"))
    assert ReadOnce(run).scores("nobody.ran").empty


def test_what_one_section_does_to_its_table_no_other_sees(run):
    folder = ReadOnce(run)
    mine = folder.scores("text.cer")
    mine["value"] = 7.0
    assert (folder.scores("text.cer")["value"] != 7.0).all()


def test_a_damaged_file_is_named(tmp_path):
    folder = write_run(tmp_path / "run", asked=prompts()[:2], guidances=[1.0], steps=[10])
    [file] = (folder / "scores" / "text.cer").iterdir()
    file.write_bytes(b"PAR1 nothing")
    with pytest.raises(StoreError, match=r"text\.cer.*is damaged"):
        load([folder])
