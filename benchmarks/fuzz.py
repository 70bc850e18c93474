"""Strange files at every door by which they come in, ten thousand in all: read, refused in one line, or a bug.

    python -m benchmarks.fuzz [--share 0.1]     results/fuzz.json, and a table

Each case has a folder of its own and 20 seconds. A bug is an exception that is no refusal, a case that takes longer, a
write outside its folder, another program started, an address called, or a control character in what is shown. The
doors and what is thrown at them stand in `tests/hostile`.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings

from benchmarks.measure import write
from tests.hostile.runs import COMMANDED, fakes
from tests.hostile.targets import LOADERS, Hang, Target, guarded

ROOT = Path(__file__).resolve().parent.parent
CASES = {"suite": 3000, "table of pictures": 1500, "picture": 1500, "run folder": 250, "audit run": 150}
REST = 900
"""Cases at each of the other doors."""


def thrown(target: Target, count: int) -> dict[str, Any]:
    """Accepted, refused and bugs by kind, of that many cases; the same cases every time."""
    ended: Counter[str] = Counter()
    bugs: Counter[str] = Counter()
    slowest = 0.0

    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @seed(7)
    @given(target.cases)
    def enter(case: object) -> None:
        nonlocal slowest
        begun = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            try:
                with guarded(Path(folder)):
                    word = target.enter(case, Path(folder))
                ended["accepted" if word == "accepted" else "refused"] += 1
            except (Exception, Hang) as error:  # noqa: BLE001 - what gets through is what is counted here
                bugs[_where(error)] += 1
        slowest = max(slowest, time.perf_counter() - begun)

    begun = time.perf_counter()
    enter()
    told = {
        "door": target.name,
        "cases": sum(ended.values()) + sum(bugs.values()),
        "accepted": ended["accepted"],
        "refused": ended["refused"],
        "bugs": dict(bugs.most_common()),
        "seconds": round(time.perf_counter() - begun, 1),
        "slowest": round(slowest, 2),
    }
    print(f"{target.name:18} {told['cases']:6} cases, {told['accepted']:5} read, {told['refused']:5} refused, "
          f"{sum(bugs.values()):4} bugs of {len(bugs)} kinds, slowest {slowest:.2f} s", flush=True)  # fmt: skip
    return told


def _where(error: BaseException) -> str:
    """Kind of the error, and the last line of ours that it passed."""
    frames = [
        each
        for each in traceback.extract_tb(error.__traceback__)
        if each.filename.startswith(str(ROOT)) and ".venv" not in each.filename and each.filename != __file__
    ]
    own = [each for each in frames if "/tests/" not in each.filename] or frames
    place = f"{Path(own[-1].filename).relative_to(ROOT).as_posix()}, {own[-1].name}" if own else "the guard"
    return f"{type(error).__name__} in {place}"


def main(argv: list[str] | None = None) -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--share", type=float, default=1.0, help="of the cases; below 1 nothing is written")
    chosen = parser.parse_args(argv)
    fakes()
    doors = [thrown(each, int(CASES.get(each.name, REST) * chosen.share)) for each in (*LOADERS, *COMMANDED)]
    total = {name: sum(each[name] for each in doors) for name in ("cases", "accepted", "refused")}
    total["bugs"] = total["cases"] - total["accepted"] - total["refused"]
    print(", ".join(f"{value} {name}" for name, value in total.items()))
    if chosen.share == 1:
        write("fuzz", {"total": total, "doors": doors})


if __name__ == "__main__":
    main()
