"""Kernel distance and nearest neighbours: ours against torchmetrics, torch-fidelity and prdc, in time and memory."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
from typing import Any

import numpy as np

from audit.statistics.kid import kid
from audit.statistics.prdc import Reference, prdc
from benchmarks.measure import interleaved
from benchmarks.speed.figures import Figure, agree, at_most, faster, must, once, peak, relu_rows

K, SUBSETS, SUBSET = 5, 100, 1000
MEMORY_ROWS, MEMORY_DIMENSIONS = 50_000, 64


def measure(quick: bool) -> list[Figure]:
    """Both distances at 3000 rows of 2048; quick: at 1000 rows of 64, which is too small for the goals."""
    count, dimensions, rows = (1000, 64, 2000) if quick else (3000, 2048, MEMORY_ROWS)
    reference, sample = relu_rows(count, dimensions, 0), relu_rows(count, dimensions, 1)
    ties_are_inside()
    return [*kernel(sample, reference), *neighbours(sample, reference), memory(rows)]


def kernel(sample: Any, reference: Any) -> list[Figure]:
    """All rows at once against torchmetrics' default of 100 random subsets of 1000."""
    import torch
    from torch_fidelity.metric_kid import kid_features_to_metric
    from torchmetrics.image.kid import KernelInceptionDistance

    metric = KernelInceptionDistance(
        feature=torch.nn.Identity(), subsets=SUBSETS, subset_size=SUBSET, compute_with_cache=False
    )
    metric.update(torch.from_numpy(reference).float(), real=True)
    metric.update(torch.from_numpy(sample).float(), real=False)
    torch.manual_seed(0)
    ours = kid(sample, reference)
    whole = kid_features_to_metric(
        torch.from_numpy(sample), torch.from_numpy(reference), kid_subsets=1, kid_subset_size=len(sample), verbose=False
    )
    agree("KID against torch-fidelity with one subset of all rows", ours, whole["kernel_inception_distance_mean"], 1e-7)
    mean, deviation = (float(each) for each in metric.compute())
    must(
        f"KID {ours} lies within 4 standard errors of torchmetrics' {mean}",
        abs(ours - mean) <= 4 * deviation / SUBSETS**0.5 + 1e-6 * abs(mean),
    )
    times = interleaved({"ours": lambda: kid(sample, reference), "torchmetrics": metric.compute})
    size = "x".join(str(side) for side in sample.shape)
    return [
        faster(f"KID, {size}: all rows against torchmetrics' default", times, slow="torchmetrics", fast="ours", goal=14)
    ]


def neighbours(sample: Any, reference: Any) -> list[Figure]:
    """The four shares; the peer starts eight threads, so that processor time is what compares."""
    from prdc import compute_prdc

    found: dict[str, Any] = {}

    def ours() -> None:
        found["ours"] = prdc(sample, Reference.of(reference, K))

    def theirs() -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            found["prdc"] = compute_prdc(reference, sample, K)

    times = interleaved({"ours": ours, "prdc": theirs})
    for name in ("precision", "recall", "density", "coverage"):
        agree(name, getattr(found["ours"], name), found["prdc"][name], 1e-12)
    size = "x".join(str(side) for side in sample.shape)
    return [faster(f"PRDC, {size}: ours against prdc", times, slow="prdc", fast="ours", goal=2.5)]


def ties_are_inside() -> None:
    """On a lattice nearly all distances tie; counts must be those of exact whole numbers, surface included."""
    rng = np.random.default_rng(1)
    real, fake = rng.integers(0, 3, (60, 2)), rng.integers(0, 4, (50, 2))
    far = np.square(fake[:, None] - real[None]).sum(axis=2)
    reach, own = (np.sort(np.square(rows[:, None] - rows[None]).sum(axis=2), axis=1)[:, K] for rows in (real, fake))
    inside = far <= reach[None]
    found = prdc(fake * 0.1, Reference.of(real * 0.1, K))  # tenths round, whole numbers do not
    must("depth of each row counts ties", bool((found.depth * K == inside.sum(axis=1)).all()))
    must("recall counts ties", found.recall == (far <= own[:, None]).any(axis=0).mean())
    must("coverage counts ties", found.coverage == inside.any(axis=0).mean())


def memory(rows: int) -> Figure:
    """Extra memory and time of PRDC in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.speed.neighbours", str(rows), str(MEMORY_DIMENSIONS)]
    told = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    note = (
        f"{MEMORY_DIMENSIONS} dimensions, since 2048 take five minutes on one core; of what is counted only one set's "
        f"float32 copy, {rows * 2048 * 4 // 10**6} MB at 2048, grows with dimensions"
    )
    return at_most(f"PRDC, {rows:,} rows a side: memory beside the rows", told["mb"], 1000, "MB", arms=told, note=note)


def main() -> None:
    rows, dimensions = (int(each) for each in sys.argv[1:])
    rng = np.random.default_rng(0)
    reference, sample = rng.random((rows, dimensions)), rng.random((rows, dimensions))
    before = peak()
    _, seconds = once(lambda: prdc(sample, Reference.of(reference, K)))
    print(json.dumps({"mb": round(peak() - before, 1), "rows": rows, "dimensions": dimensions, **seconds}))


if __name__ == "__main__":
    main()
