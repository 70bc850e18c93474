"""Fréchet distances and their replicates: ours against clean-fid, pytorch-fid, torch-fidelity and torchmetrics."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from audit.statistics.frechet import Moments, distance, frechet, frechet_interval
from benchmarks.measure import interleaved
from benchmarks.speed.figures import Figure, agree, faster, must, relu_rows

DIGITS = 50


def measure(quick: bool) -> list[Figure]:
    """Points and replicates; quick: 256 dimensions instead of 2048."""
    against_high_precision()
    dimensions, repeats = (256, 5) if quick else (2048, 5)
    reference = Moments.of(relu_rows(2 * dimensions + 500, dimensions, 0))
    must("the reference is of full rank", reference.triangular)
    return [*points(reference, repeats), *replicates(reference, dimensions // 2 - 24, repeats)]


def points(reference: Moments, repeats: int) -> list[Figure]:
    """A distance from means and covariances, as all five compute it; the reference's root is kept, ours alone."""
    import torch
    from cleanfid.fid import frechet_distance
    from pytorch_fid.fid_score import calculate_frechet_distance
    from torch_fidelity.metric_fid import fid_statistics_to_metric
    from torchmetrics.image.fid import _compute_fid

    sample = Moments.of(relu_rows(reference.count, len(reference.mean), 1))
    both = reference.mean, reference.covariance, sample.mean, sample.covariance
    tensors = [torch.from_numpy(each) for each in both]
    one, two = ({"mu": mean, "sigma": covariance} for mean, covariance in (both[:2], both[2:]))
    arms = {
        "ours": lambda: distance(reference, sample),
        "clean-fid": lambda: frechet_distance(*both),
        "pytorch-fid": lambda: calculate_frechet_distance(*both),
        "torch-fidelity": lambda: fid_statistics_to_metric(one, two, False)["frechet_inception_distance"],
        "torchmetrics": lambda: float(_compute_fid(*tensors)),
    }
    found: dict[str, float] = {}
    times = interleaved({name: _kept(found, name, work) for name, work in arms.items()}, repeats)
    for name, value in found.items():
        agree(f"Fréchet distance by {name}", value, found["ours"], 1e-9)
    goals = {"clean-fid": 10, "pytorch-fid": 10, "torch-fidelity": 2.5, "torchmetrics": 2.5}
    size = len(reference.mean)
    return [
        faster(f"Fréchet {size}-d: ours against {name}", times, slow=name, fast="ours", goal=goal)
        for name, goal in goals.items()
    ]


def replicates(reference: Moments, count: int, repeats: int) -> list[Figure]:
    """Fewer pictures than dimensions: the distance, and as many replicates as pictures, each with one left out."""
    from cleanfid.fid import frechet_distance

    rows = relu_rows(count, len(reference.mean), 2)
    names = [str(number) for number in range(count)]
    covariance = np.cov(rows, rowvar=False)

    def by_eigvals(kept: Any) -> float:
        moments = Moments.of(kept)
        root_trace = np.sqrt(np.linalg.eigvals(reference.covariance @ moments.covariance).astype(complex)).real.sum()
        return float(
            np.square(reference.mean - moments.mean).sum() + reference.spread + moments.spread - 2 * root_trace
        )

    def by_sqrtm() -> float:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # scipy says that the product is singular; so it is
            return float(frechet_distance(reference.mean, reference.covariance, rows.mean(axis=0), covariance))

    found: dict[str, Any] = {}
    every = f"{count} replicates"
    arms = {
        "ours": lambda: frechet(rows, reference),
        "clean-fid": by_sqrtm,
        every: lambda: frechet_interval(rows, names, reference, groups=count),
        "interval of 20 groups": lambda: frechet_interval(rows, names, reference),
        "eigvals": lambda: by_eigvals(rows[1:]),
    }
    times = interleaved({name: _kept(found, name, work) for name, work in arms.items()}, repeats)
    agree("Fréchet distance of few pictures by sqrtm, which errs there", found["clean-fid"], found["ours"], 1e-4)
    left_out = found[every].left_out
    must("one replicate for each picture", len(left_out) == count)
    single = [frechet(np.delete(rows, i, axis=0), reference) for i in range(4)]
    # groups are dealt in a seeded order, so that replicates are compared as sets
    nearest = [min(left_out, key=lambda value, one=one: abs(value - one)) for one in single]
    agree("replicates against the distance of the rows that stay", nearest, single, 1e-9)
    agree("mean of the replicates", np.mean(left_out), found["ours"], 0.01)
    estimates = {clock: 2 * seconds for clock, seconds in times["clean-fid"].items()}
    thousand = {clock: seconds * 1000 / count for clock, seconds in times[every].items()}
    each = {clock: seconds / count for clock, seconds in times[every].items()}
    told = f"{count} replicates were run; 1000 are {1000 / count:.2f} times that"
    more = {
        **times,
        "2 clean-fid estimates": estimates,
        "1000 replicates": thousand,
        "a replicate": each,
    }
    size = len(reference.mean)
    return [
        faster(f"Fréchet {size}-d, n = {count}: ours against sqrtm", times, slow="clean-fid", fast="ours", goal=45),
        faster(
            f"1000 exact replicates, n = {count}, against 2 clean-fid estimates",
            more, slow="2 clean-fid estimates", fast="1000 replicates", goal=1, note=told,
        ),
        faster("a replicate against eigvals", more, slow="eigvals", fast="a replicate", goal=150),
        faster(
            "interval as shipped (20 groups) against 1 clean-fid estimate",
            more, slow="clean-fid", fast="interval of 20 groups", goal=1,
        ),
    ]  # fmt: skip


def against_high_precision() -> None:
    """Full rank, fewer rows than dimensions, and a reference that lacks rank, against 50 digits."""
    for name, known, count in (("full rank", 20, 18), ("n < d", 20, 5), ("reference of lower rank", 6, 18)):
        reference, rows = relu_rows(known, 8, 0), relu_rows(count, 8, 1)
        moments = Moments.of(reference)
        must(f"{name}: Cholesky only where the rank is full", moments.triangular == (known > 8))
        agree(
            f"Fréchet distance, {name}, against {DIGITS} digits", frechet(rows, moments), exact(reference, rows), 1e-9
        )
    flat = Moments.of(np.repeat(relu_rows(40, 4, 0), 2, axis=1))
    must("columns that repeat are no full rank, and nothing is added to a diagonal", flat.root.shape == (8, 4))


def exact(one: Any, two: Any) -> float:
    """In 50 digits: tr √(S₁S₂) is the nuclear norm of A Bᵀ where S₁ = AᵀA and S₂ = BᵀB."""
    import mpmath

    with mpmath.workdps(DIGITS):
        means, parts = [], []
        for rows in (one, two):
            whole = mpmath.matrix(rows.tolist())
            mean = [mpmath.fsum(whole[i, j] for i in range(whole.rows)) / whole.rows for j in range(whole.cols)]
            for i in range(whole.rows):
                for j in range(whole.cols):
                    whole[i, j] = (whole[i, j] - mean[j]) / mpmath.sqrt(whole.rows - 1)
            means.append(mean)
            parts.append(whole)
        spread = mpmath.fsum(value**2 for part in parts for value in part)
        shift = mpmath.fsum((a - b) ** 2 for a, b in zip(*means, strict=True))
        wide = sorted(parts, key=lambda part: part.rows)
        values = mpmath.svd_r(wide[0] * wide[1].T, compute_uv=False)
        return float(shift + spread - 2 * mpmath.fsum(values))


def _kept(found: dict[str, Any], name: str, work: Any) -> Any:
    def run() -> None:
        found[name] = work()

    return run
