"""Distribution by published networks, where their weights are on disk: FID, distances of CLIP's and DINO's features.

None has a reference of its own: `python -m audit.references` builds one from a folder or Parquet of real pictures. The
name `fid` is kept for the published network and protocol alone.
"""

from __future__ import annotations

from audit import sets
from audit.api import ScoreSet, audit
from audit.audits.features import CLIP, CLIP_TAG
from audit.features import dino, inception, models
from audit.references import Reference
from audit.statistics.cmmd import cmmd_interval


@audit(
    "fid",
    version=1,
    better="lower",
    unit="Fréchet Inception distance",
    source="Heusel et al. 2017: the Inception of 2015-12-05 through torch-fidelity; interval: delete-a-group jackknife",
    kind="set",
    statistic="frechet",
    on="features.inception",
)
def fid(reference: str = "") -> ScoreSet:
    """Fréchet Inception distance with the published network and no other; skipped where its weights are not on disk.

    Pictures are resized as that network's graph does ("legacy"; clean-fid's is fid_clean). `reference` is an .npz of
    that network's features of the real pictures, made by `python -m audit.references --model inception`, or a file of
    mu and sigma as pytorch-fid and clean-fid save them. Biased in n like every Fréchet distance.
    """
    return sets.frechet(_inception(reference, "legacy"))


@audit(
    "fid_clean",
    version=1,
    better="lower",
    unit="Fréchet Inception distance",
    source="Parmar et al. 2022 (clean-fid's protocol) by the Inception of 2015-12-05; interval: grouped jackknife",
    kind="set",
    statistic="frechet",
    on="features.inception_clean",
    headline=False,
)
def fid_clean(reference: str = "") -> ScoreSet:
    """FID with clean-fid's resizing: Pillow's bicubic on float channels; compares with its published tables only.

    `reference` is made by `python -m audit.references --model inception-clean`, or one of clean-fid's own files.
    """
    return sets.frechet(_inception(reference, "clean"))


@audit(
    "fid_infinity",
    version=1,
    better="lower",
    unit="Fréchet Inception distance",
    source="Chong & Forsyth 2020 on features.inception, both sides extrapolated; interval: grouped jackknife",
    kind="set",
    statistic="fd infinity",
    on="features.inception",
    headline=False,
)
def fid_infinity(reference: str = "") -> ScoreSet:
    """FID extrapolated to infinitely many pictures; needs 16,384 of them, and as many references to lose their bias."""
    return sets.infinite(_inception(reference, "legacy"))


@audit(
    "fd_clip",
    version=1,
    better="lower",
    unit="Fréchet distance",
    source="Kynkäänniemi et al. 2023: Fréchet distance of CLIP's image embeddings; interval: grouped jackknife",
    kind="set",
    statistic="frechet",
    on="features.clip",
    headline=False,
)
def fd_clip(reference: str = "", model: str = CLIP, pretrained: str = CLIP_TAG) -> ScoreSet:
    """Fréchet distance of an open_clip model's embeddings; `model` and `pretrained` hold for features.clip too."""
    return sets.frechet(_clip("fd_clip", reference, model, pretrained))


@audit(
    "cmmd",
    version=1,
    better="lower",
    unit="1000 x squared MMD",
    source="Jayasumana et al. 2024 (arXiv 2401.09603), Eq. 4: unbiased, sigma 10; interval: block jackknife",
    kind="set",
    statistic="cmmd",
    on="features.clip",
    headline=False,
)
def cmmd(reference: str = "", model: str = CLIP, pretrained: str = CLIP_TAG) -> ScoreSet:
    """CMMD, unbiased; the note gives the biased figure of the authors' code, to hold against published tables.

    Pictures are resized as open_clip does for the model, antialiased; the authors' code resizes without.
    """
    known = _clip("cmmd", reference, model, pretrained)
    return sets.sized(known, lambda rows, prompts: cmmd_interval(rows, prompts, known.rows()))


@audit(
    "fd_dino",
    version=1,
    better="lower",
    unit="Fréchet distance",
    source="Stein et al. 2023: Fréchet distance of DINOv2's class tokens; interval: grouped jackknife",
    kind="set",
    statistic="frechet",
    on="features.dino",
    headline=False,
)
def fd_dino(reference: str = "", folder: str = "") -> ScoreSet:
    """Fréchet distance of DINOv2's features, which follow people's sense of realism better than Inception's do."""
    return sets.frechet(sets.given(reference, model=dino.load(folder).digest, audit="fd_dino", build="dino"))


def _inception(reference: str, protocol: inception.Protocol) -> Reference:
    model = inception.load().identity(protocol)
    name, build = ("fid", "inception") if protocol == "legacy" else ("fid_clean", "inception-clean")
    return sets.given(reference, model=model, audit=name, build=build)


def _clip(audit: str, reference: str, model: str, pretrained: str) -> Reference:
    loaded = models.load(model, pretrained)
    return sets.given(reference, model=loaded.digest, audit=audit, build=f"{model}:{pretrained}".rstrip(":"))
