"""Count what the training scenes show: the known truth that a generator's biases are held against.

    python -m generators.train.attributes --data DIR --out audit/references

Writes `studio-train-FAMILY.csv` for families of people: a row for each combination of attributes that occurs, and how
many training scenes have it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from generators.studio.dataset import load

COUNTED: Mapping[str, tuple[str, ...]] = {
    "portraits": ("occupation", "presentation", "age", "tone", "tone_word"),
    "hands": ("tone", "tone_word", "side", "view", "digits", "raised"),
}
"""Family -> attributes whose combinations are counted. tone: Monk Skin Tone, 1 (lightest) to 10."""


def counts(folder: Path, split: str = "train") -> dict[str, pd.DataFrame]:
    """Family -> its attributes and `scenes`, the number of scenes with that combination, sorted."""
    rows: dict[str, list[dict[str, object]]] = {name: [] for name in COUNTED}
    for table in load(folder, split, columns=["family", "annotations"]):
        for row in table.to_pylist():
            if row["family"] in rows:
                rows[row["family"]].append(json.loads(row["annotations"])["drawn"])
    return {
        name: pd.DataFrame(found, columns=list(COUNTED[name]))
        .groupby(list(COUNTED[name]))
        .size()
        .rename("scenes")
        .reset_index()
        for name, found in rows.items()
    }


def main() -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    for name, table in counts(given.data).items():
        table.to_csv(given.out / f"studio-train-{name}.csv", index=False)


if __name__ == "__main__":
    main()
