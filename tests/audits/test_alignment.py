import numpy as np
import pytest
import torch

from audit.audits import alignment
from audit.audits.alignment import clip_retrieval, clip_score, swap
from audit.audits.features import pair
from audit.features.clip import Clip, Preprocess, chunks
from audit.registry import audits
from audit.score import OptionError, choose
from audit.weights import MissingWeightsError
from tests.audits.toys import noise, plain, view

COLOURS = {"red": (250, 5, 5), "green": (5, 250, 5), "blue": (5, 5, 250)}


class Palette(torch.nn.Module):
    """Embeds a picture as its mean colour, a text as the colour that it names (token = index of the colour)."""

    context_length = 4

    def encode_image(self, images):
        return images.mean(dim=(2, 3))

    def encode_text(self, ids):
        return torch.nn.functional.one_hot(ids[:, 0], 4)[:, :3].float() - (ids[:, :1] == 3).float()


def tokenize(texts):
    known = list(COLOURS)
    ids = [next((known.index(w) for w in text.split() if w in known), 3) for text in texts]
    return torch.tensor([[i, 0, 0, 0] for i in ids]), [len(text.split()) + 2 for text in texts]


@pytest.fixture
def palette(monkeypatch):
    model = Clip("palette", "0" * 64, Palette(), Preprocess(8, (0, 0, 0), (1, 1, 1), "squash", "clean"), tokenize)
    monkeypatch.setattr(alignment.models, "load", lambda *_: model)
    return model


def test_the_right_picture_scores_near_100_and_any_other_lower(palette):
    for name, colour in COLOURS.items():
        scores = clip_score()([view(plain(colour), f"a {other} wall") for other in COLOURS])
        values = dict(zip(COLOURS, [score.value for score in scores], strict=True))
        assert values[name] == pytest.approx(100, abs=0.2)
        assert all(values[other] < 5 for other in COLOURS if other != name)


def test_the_cosine_is_exact_and_negatives_print_as_zero_with_the_cosine_kept(palette):
    [half] = clip_score()([view(plain((200, 200, 0)), "red")])
    assert half.value == pytest.approx(100 / np.sqrt(2), abs=1e-4)
    [against] = clip_score()([view(plain((255, 255, 255)), "nothing")])
    assert against.value == 0
    assert against.evidence["cosine"] == pytest.approx(-1)


def test_shuffled_prompts_score_lower(palette):
    pictures = [plain(colour) for colour in COLOURS.values()]
    right = clip_score()([view(p, name) for p, name in zip(pictures, COLOURS, strict=True)])
    wrong = clip_score()([view(p, name) for p, name in zip(pictures, [*list(COLOURS)[1:], "red"], strict=True)])
    assert np.mean([s.value for s in right]) > np.mean([s.value for s in wrong]) + 50


def test_prompts_past_the_context_are_flagged(palette):
    short, long = clip_score()([view(plain(), "red wall"), view(plain(), "red wall with a door")])
    assert short.evidence["truncated"] is False
    assert long.evidence["truncated"] is True
    assert long.evidence["tokens"] == 7
    assert long.evidence["policy"] == "truncate"


def test_a_long_prompt_is_read_whole_in_chunks_and_cut_otherwise(palette):
    """Two words fit beside start and end. The colour stands in the third chunk of four: a quarter of the mean."""
    [cut] = clip_score()([view(plain(COLOURS["blue"]), "some very long talk blue wall and door")])
    [read] = clip_score(long="chunks")([view(plain(COLOURS["blue"]), "some very long talk red wall blue door")])
    assert cut.evidence["truncated"] is True
    assert (read.evidence["truncated"], read.evidence["pieces"], read.evidence["policy"]) == (False, 4, "chunks")
    pieces = ["some very", "long talk", "red wall", "blue door"]
    assert chunks(palette, " ".join(pieces)) == pieces
    [short] = clip_score(long="chunks")([view(plain(COLOURS["blue"]), "blue door")])
    assert short.value == clip_score()([view(plain(COLOURS["blue"]), "blue door")])[0].value
    assert chunks(palette, "") == [""]


def test_an_unknown_policy_is_refused(palette):
    with pytest.raises(ValueError, match="truncate or chunks"):
        clip_score(long="summarise")


def test_a_prompt_without_words_is_skipped_in_its_place(palette):
    first, second, third = clip_score()([view(plain(), "red"), view(plain(), "  "), view(plain(), "blue")])
    assert (first.status, second.status, third.status) == ("ok", "skipped", "ok")
    assert clip_score()([]) == []


def test_scores_do_not_depend_on_company(studio):
    views = [view(noise(i), f"picture {i}") for i in range(11)]
    together = [score.value for score in clip_score()(views)]
    alone = [clip_score()([view(noise(i), f"picture {i}")])[0].value for i in range(11)]
    assert together == alone


def test_features_and_alignment_see_each_picture_once(studio, monkeypatch):
    from audit.audits.features import studio as features

    seen = []
    inner = Clip.image_features
    monkeypatch.setattr(Clip, "image_features", lambda self, images: seen.extend(images) or inner(self, images))
    views = [view(noise(i)) for i in range(4)]
    features()(views)
    clip_score()(views)
    assert len(seen) == 4


class FirstColour(Palette):
    """Embeds a text as the colour named first, a picture as the mean colour of its left half."""

    def encode_image(self, images):
        return images[..., : images.shape[-1] // 2].mean(dim=(2, 3))


def first_colour(texts):
    known = list(COLOURS)
    ids = [next((known.index(word) for word in text.split() if word in known), 3) for text in texts]
    return torch.tensor([[i, 0, 0, 0] for i in ids]), [4 for _ in texts]


@pytest.fixture
def reader(monkeypatch):
    model = Clip("first", "1" * 64, FirstColour(), Preprocess(8, (0, 0, 0), (1, 1, 1), "squash", "clean"), first_colour)
    monkeypatch.setattr(alignment.models, "load", lambda *_: model)
    return model


def halves(left, right):
    picture = plain(COLOURS[left])
    picture[:, 32:] = COLOURS[right]
    return picture


def test_a_picture_prefers_its_prompt_to_the_swapped_one_and_a_swapped_picture_does_not(reader):
    text = "a red ball left of a blue cube"
    right, wrong = swap()([view(halves("red", "blue"), text), view(halves("blue", "red"), text)])
    assert (right.value, wrong.value) == (1, 0)
    assert right.evidence["margin"] > 0.9 > 0 > wrong.evidence["margin"]
    assert [each["kind"] for each in right.evidence["swaps"]] == ["attribute", "thing"]


def test_the_swap_test_abstains_where_nothing_can_be_swapped_or_the_end_is_not_read(reader, monkeypatch):
    [score] = swap()([view(plain(), "a red ball")])
    assert (score.status, score.reason) == ("skipped", "the prompt has nothing to swap")
    monkeypatch.setattr(reader, "context", 3)
    [score] = swap()([view(plain(), "a red ball left of a blue cube")])
    assert "longer than the 3 tokens" in score.reason


def test_pictures_find_their_own_prompt_until_they_are_shuffled(palette, monkeypatch):
    monkeypatch.setattr("audit.audits.features.models.load", lambda *_: palette)
    pictures, texts = [plain(colour) for colour in COLOURS.values()], list(COLOURS)

    def score(shown):
        rows = np.array([each.vector for each in pair()([view(p, t) for p, t in zip(shown, texts, strict=True)])])
        return clip_retrieval.set_scorer()(rows, texts)

    assert score(pictures).value == 1
    assert score([*pictures[1:], pictures[0]]).value == 0
    assert "2 other prompts" in score(pictures).note
    [silent] = pair()([view(plain(), " ")])
    assert silent.status == "skipped"
    with pytest.raises(ValueError, match="k=0"):
        clip_retrieval.set_scorer(k=0)


def test_a_model_named_for_a_set_audit_makes_its_features_too():
    found = choose(["clip_retrieval"], {"clip_retrieval": {"model": "folder"}}, audits())
    assert {each.audit.name: each.options["model"] for each in found} == {
        "clip_retrieval": "folder",
        "features.pair": "folder",
    }
    found = choose(["fd_clip", "cmmd"], {"features.clip": {"model": "ViT-B-32"}}, audits())
    assert {each.options["model"] for each in found} == {"ViT-B-32"}
    with pytest.raises(OptionError, match=r"a run has features\.clip of one model"):
        choose(["fd_clip", "cmmd"], {"fd_clip": {"model": "ViT-B-32"}, "cmmd": {"model": "ViT-L-14"}}, audits())


def test_missing_weights_say_how_to_get_them(monkeypatch):
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: None)
    with pytest.raises(MissingWeightsError, match="hf download"):
        clip_score(model="ViT-B-32", pretrained="laion2b_s34b_b79k")
