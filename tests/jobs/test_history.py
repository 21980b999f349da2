"""Ended jobs outlive the program."""

import json
from dataclasses import replace

import pytest
from clients.wsscan import FaultAnswer, child, scan_ticket, text
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.wire import job_state

from device.jobs.history import MAX_LINE, HistoryStore
from device.jobs.json_form import from_json, to_json
from device.jobs.machine import Job
from device.model.ticket import Wish

conformance = pytest.mark.conformance


@pytest.fixture
def path(tmp_path):
    return tmp_path / "history.jsonl"


def run_jobs(device, count):
    """One job that is delivered, the others cancelled; the ended jobs, oldest first."""
    client = device.client
    job = client.create_scan_job(scan_ticket(source="ADF", images=1, job_name="the first"))
    client.retrieve_image(job.id, job.token, document_name="Straße 7.png")
    device.ended(job.id)
    for _ in range(count - 1):
        client.cancel_job(client.create_scan_job(scan_ticket()).id)
    return job


@conformance("OP-08", "JM-14")
def test_a_restart_forgets_nothing(make_device, path):
    first = make_device(sheets=2, engine_options={"history": HistoryStore(path)})
    job = run_jobs(first, 3)
    before = first.client.get_job_elements(job.id)
    first.close()
    client = make_device(engine_options={"history": HistoryStore(path)}).client
    told = [(text(s, "JobName"), *job_state(s)) for s in client.get_job_history()]
    assert told == [
        ("a test", "Canceled", ("None",)),
        ("a test", "Canceled", ("None",)),
        ("the first", "Completed", ("None",)),
    ]
    assert client.get_active_jobs() == []
    after = client.get_job_elements(job.id)
    for name, section in before.items():
        assert [(e.tag, e.text, e.attrib) for e in section.iter()] == [
            (e.tag, e.text, e.attrib) for e in after[name].iter()
        ]
    named = child(after["Documents"], "Document/DocumentDescription")
    assert text(named, "DocumentName") == "Straße 7.png"
    with pytest.raises(FaultAnswer, match="ClientErrorNoImagesAvailable"):
        client.retrieve_image(job.id, job.token)


def test_the_history_is_bounded_in_memory_and_on_disk(make_device, path):
    device = make_device(sheets=1, history=5, engine_options={"history": HistoryStore(path)})
    run_jobs(device, 40)
    assert len(device.client.get_job_history()) == 5
    assert len(path.read_bytes().splitlines()) <= 10
    assert [job.job_id for job in HistoryStore(path).load(5)] == [36, 37, 38, 39, 40]
    assert [job.job_id for job in HistoryStore(path).load(2)] == [39, 40]


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-20],
        lambda data: data[:-1],
        lambda data: data + b'{"version": 1, "job": {}}\n',
        lambda data: b"\0\xff garbage\n" + data,
        lambda data: data.replace(b'"token"', b'"t\xffken"', 1),
        lambda data: b"[" * 100_000 + b"\n" + data,
        lambda data: data.replace(b'"version": 1', b'"version": 2', 1),
        lambda data: data.replace(b'"Canceled"', b'"Pending"', 1),
    ],
    ids=[
        "cut",
        "cut at its end",
        "empty",
        "garbage",
        "not text",
        "deep",
        "of another version",
        "not ended",
    ],
)
def test_damage_costs_one_job_at_most(make_device, path, damage, caplog):
    run_jobs(make_device(sheets=1, engine_options={"history": HistoryStore(path)}), 4)
    path.write_bytes(damage(path.read_bytes()))
    found = HistoryStore(path).load(100)
    assert len(found) >= 3
    assert len(found) == 4 or "damaged" in caplog.text
    again = HistoryStore(path)
    assert again.load(100) == found
    again.add(replace(found[-1], job_id=99), 100)
    assert [job.job_id for job in HistoryStore(path).load(100)][-1] == 99
    for line in path.read_bytes().splitlines():
        json.loads(line)


def test_a_folder_that_cannot_be_written_stops_nothing(make_device, tmp_path, caplog):
    store = HistoryStore(tmp_path / "missing" / "history.jsonl")
    device = make_device(sheets=1, engine_options={"history": store})
    run_jobs(device, 2)
    assert len(device.client.get_job_history()) == 2
    assert "cannot be written" in caplog.text


def test_nothing_is_kept_when_nothing_is_remembered(make_device, path):
    device = make_device(sheets=1, history=0, engine_options={"history": HistoryStore(path)})
    device.client.cancel_job(device.client.create_scan_job(scan_ticket()).id)
    assert device.client.get_job_history() == []
    assert not path.exists()


@given(name=st.text(), names=st.lists(st.text(), max_size=3), scans=st.integers(0, 2**31 - 1))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
def test_a_job_survives_its_json_form(a_job, name, names, scans):
    description = replace(a_job.ticket.description, job_name=name)
    ticket = replace(a_job.ticket, description=description)
    job = replace(a_job, ticket=ticket, document_names=tuple(names), scans_completed=scans)
    assert from_json(Job, json.loads(json.dumps(to_json(job)))) == job


@pytest.fixture
def a_job(device):
    job = run_jobs(device, 1)
    return device.job(job.id)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(),
                    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))  # fmt: skip
def test_what_is_no_job_is_refused_as_a_value(value):
    with pytest.raises(ValueError):
        from_json(Job, value)


@pytest.mark.parametrize("names", [0, 250])
@pytest.mark.parametrize("mode", ["", "é" * 15_000], ids=["short", "long"])
def test_a_job_with_much_to_tell_is_kept_all_the_same(a_job, path, names, mode):
    parameters = replace(a_job.ticket.parameters, film_scan_mode=Wish(mode))
    ticket = replace(a_job.ticket, parameters=parameters)
    long = replace(a_job, job_id=77, ticket=ticket, document_names=("\U0001f5a8" * 255,) * names)
    kept = HistoryStore(path)
    kept.add(a_job, 5)
    kept.add(long, 5)
    kept.add(replace(a_job, job_id=78), 5)
    assert [job.job_id for job in HistoryStore(path).load(5)] == [a_job.job_id, 77, 78]
    assert all(len(line) < MAX_LINE for line in path.read_bytes().splitlines())
