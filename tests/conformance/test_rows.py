"""The conformance list keeps its word: no row without a test, no test without a row."""

import pytest
from conformance import rows as rows_module

PROVEN = ("done", "part")


@pytest.fixture(scope="module")
def rows():
    return [row for one in rows_module.LISTS for row in rows_module.load(one)]


def test_every_row_is_complete_and_stands_once(rows):
    ids = [row.id for row in rows]
    assert len(ids) == len(set(ids))
    for row in rows:
        assert row.level in rows_module.LEVELS, row
        assert row.status in rows_module.STATUSES, row
        assert bool(row.why) == (row.status != "done"), row
        assert row.what.endswith("."), row


@pytest.mark.parametrize("one", rows_module.LISTS, ids=lambda one: one.rows)
def test_every_row_has_its_heading(one):
    prefixes = [row.id.partition("-")[0] for row in rows_module.load(one)]
    assert list(dict.fromkeys(prefixes)) == list(one.headings)


@pytest.mark.parametrize("one", rows_module.LISTS, ids=lambda one: one.rows)
def test_every_choice_is_told_in_full_and_once(one):
    told = rows_module.readings(one)
    assert len({choice.question for choice in told}) == len(told)
    for choice in told:
        for cell in (choice.question, choice.here, choice.because):
            assert cell, choice
            assert "|" not in cell, choice


def test_every_row_that_is_done_has_a_test(rows, named):
    missing = [row.id for row in rows if row.status in PROVEN and row.id not in named]
    assert missing == []


def test_no_test_names_a_row_that_is_unknown_or_not_built(rows, named):
    built = {row.id for row in rows if row.status in PROVEN}
    assert sorted(set(named) - built) == []


@pytest.mark.parametrize("one", rows_module.LISTS, ids=lambda one: one.page)
def test_the_page_is_up_to_date(one, named):
    written = one.path.read_text(encoding="utf-8")
    assert written == rows_module.page(one, named), "run: make conformance"
