"""Whatever happens between device and scan server: every page arrives once, or is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from chaos.points import Run, carry_out, every_point, messages, random_runs
from chaos.wire import Wire

EVERY = every_point(pages=3, octets=20_000)
FEW = EVERY[:: len(EVERY) // 24] + random_runs(seed=7, count=8)


def test_there_are_enough_points() -> None:
    assert len(EVERY) + len(random_runs(1, 100)) >= 200
    assert len({str(run) for run in EVERY}) == len(EVERY)


async def test_a_quiet_run_has_these_messages(tmp_path: Path) -> None:
    seen: list[str] = []
    keep = Wire.__aexit__

    async def note(self: Wire, *error: object) -> None:
        seen.extend(self.messages)
        await keep(self, *error)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Wire, "__aexit__", note)
        await carry_out(Run(1, 3, 1000, ()), tmp_path)
    assert [one for one in seen if "Elements" not in one] == [
        one for one in messages(3) if "Elements" not in one
    ]


@pytest.mark.conformance("SO-10", "SS-13", "DX-02")
@pytest.mark.parametrize("run", FEW, ids=str)
async def test_every_page_arrives_once(run: Run, tmp_path: Path) -> None:
    await carry_out(run, tmp_path)
