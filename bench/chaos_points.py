"""Disturb deliveries in every way that there is, and look whether each page arrives once.

    python bench/chaos_points.py [--seed N] [--random N]

For each message between device and scan server, and each thing that can happen to it, one run; and
runs by chance with several such points. The processes are real, and so are the kills. Exit code 1,
and what happened, when a page was lost, came twice, or was not told of.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from chaos.points import Run, carry_out, every_point, random_runs


async def work(runs: list[Run]) -> int:
    wrong = 0
    for number, run in enumerate(runs, 1):
        with tempfile.TemporaryDirectory() as folder:
            try:
                await carry_out(run, Path(folder))
            except AssertionError as error:
                wrong += 1
                print(f"WRONG {error}", flush=True)
        if number % 20 == 0:
            print(f"{number} of {len(runs)} runs, {wrong} wrong", flush=True)
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--random", type=int, default=100, metavar="N", help="runs by chance")
    told = parser.parse_args()
    runs = every_point(pages=3, octets=20_000, seed=told.seed)
    runs += random_runs(told.seed, told.random)
    points = sum(len(run.points) for run in runs)
    print(f"{len(runs)} runs with {points} points, seed {told.seed}", flush=True)
    began = time.monotonic()
    wrong = asyncio.run(work(runs))
    print(f"{len(runs) - wrong} of {len(runs)} runs well, in {time.monotonic() - began:.0f} s")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
