import pytest

from audit.features import models
from tests.audits.toys import save_clip


@pytest.fixture(scope="session")
def toy_clip(tmp_path_factory):
    return save_clip(tmp_path_factory.mktemp("studio_clip"), seed=1)


@pytest.fixture
def studio(monkeypatch, toy_clip):
    """The toy model stands where the shipped one would."""
    weights = toy_clip / "open_clip_model.safetensors"
    monkeypatch.setattr("audit.features.models.require", lambda name: weights)
    monkeypatch.setattr("audit.audits.distribution.require", lambda name: weights)
    models._load.cache_clear()
    yield models.load("studio")
    models._load.cache_clear()
