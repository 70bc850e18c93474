import pytest

from audit.swaps import swaps


def found(text, kind):
    return [each.text for each in swaps(text) if each.kind == kind]


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("a red ball and a blue cube", ["a blue ball and a red cube"]),
        ("an orange cube behind a red ball", ["a red cube behind an orange ball"]),
        ("a small red ball and a large red cube", ["a large red ball and a small red cube"]),
        ("a matte cone, a metal ring", ["a metal cone, a matte ring"]),
        ("a red ball, a blue cube and a green ring", 3),
        ("a red and blue ball", []),
        ("a small red ball", []),
        ("a red ball and a red cube", []),
        ("a dog and a cat", []),
        ("", []),
    ],
)
def test_attributes_change_places_between_things(text, want):
    assert len(found(text, "attribute")) == want if isinstance(want, int) else found(text, "attribute") == want


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("a red ball left of a blue cube", ["a blue cube left of a red ball"]),
        (
            "a photo of a red ball to the left of an orange cube on a wooden table",
            ["a photo of an orange cube to the left of a red ball on a wooden table"],
        ),
        ("the large dog is chasing the cat", ["the cat is chasing the large dog"]),
        ("there are a red cube standing behind a cone", ["there are a cone standing behind a red cube"]),
        ("three balls in front of two cubes", ["two cubes in front of three balls"]),
        ("a red ball and a blue cube", []),
        ("a ball next to a cube", []),
        ("a cube behind a cube", []),
        ("behind a wall", []),
    ],
)
def test_the_two_things_of_a_relation_change_places(text, want):
    assert found(text, "thing") == want


@pytest.mark.parametrize("text", ["a red ball left of a blue cube", "a small green cone and a large pink ring"])
def test_a_swap_uses_the_same_words(text):
    for each in swaps(text):
        assert sorted(each.text.replace("an ", "a ").split()) == sorted(text.replace("an ", "a ").split())
        assert each.text != text
