import numpy as np
import pytest
import torch

from audit.audits import alignment
from audit.audits.alignment import clip_score
from audit.features.clip import Clip, Preprocess
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


def test_missing_weights_say_how_to_get_them(monkeypatch):
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: None)
    with pytest.raises(MissingWeightsError, match="hf download"):
        clip_score(model="ViT-B-32", pretrained="laion2b_s34b_b79k")
