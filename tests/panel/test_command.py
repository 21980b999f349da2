"""`wsd-scanner panel`: a panel that runs, and one sentence for whatever is wrong."""

import json
import re
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from clients.wsscan import scan_ticket
from eventing.subscriber import Answer, Sink, Subscriber
from panel.conftest import MakeDevice, PanelDevice
from panel.test_journal import panel_of
from panel.test_paper import picture
from support.device import environment, program, refuse
from support.wait import wait_until

from device import cli
from device.commands.panel_text import plain

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """`run("jobs")`: exit code, stdout and stderr of `wsd-scanner panel jobs`."""
    for name in ("URL", "PORT", "TOKEN"):
        monkeypatch.delenv(f"WSD_SCANNER_PANEL_{name}", raising=False)

    def panel(*words: str) -> tuple[int, str, str]:
        code = cli.main(["panel", *words])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return panel


@pytest.fixture
def at(device: PanelDevice, run: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The same for the panel of `device`."""
    monkeypatch.setenv("WSD_SCANNER_PANEL_PORT", str(device.panel.port))
    return run


def fetch_scan(device: PanelDevice, sink: Sink, token: str) -> threading.Thread:
    """A computer that fetches what the next ScanAvailableEvent offers."""

    def fetch() -> None:
        (event,) = sink.wait_for("ScanAvailableEvent")
        job = device.client.create_scan_job(
            scan_ticket(source=event.text("InputSource") or "", images=1),
            scan_identifier=event.text("ScanIdentifier"),
            destination_token=token,
        )
        device.client.retrieve_image(job.id, job.token)

    thread = threading.Thread(target=fetch)
    thread.start()
    return thread


# ---- what it does


def test_the_state_is_shown(at, device):
    device.panel("POST", "conditions", {"name": "MediaJam"})
    code, out, err = at("state")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "A scanner (Model)",
        f"{device.url} urn:uuid:1-2-3",
        "Stopped: MediaJam",
        "feeder: 3 sheets",
        "jobs 0, destinations 0, subscribers 0",
    ]


def test_files_are_laid_in(at, device, tmp_path):
    page = tmp_path / 'my "best" page.png'
    page.write_bytes(picture((0, 0, 0), size=50))
    notes = tmp_path / "notes.txt"
    notes.write_text("milk")
    assert at("load", str(page)) == (0, "feeder: 4 sheets\n", "")
    assert device.panel.get("feeder")["pages"][-1]["label"] == "my %22best%22 page.png"
    code, out, err = at("load", str(notes), str(page))
    assert (code, out) == (1, "feeder: 5 sheets\n")
    assert err.startswith("left out: notes.txt: it is not a JPEG")
    assert at("load", "--glass", str(page))[:2] == (0, "glass: my %22best%22 page.png\n")
    for words, sentence in (
        (["load", str(notes)], "notes.txt: it is not a JPEG"),
        (["load", str(tmp_path / "none.png")], "No such file"),
        (["load", "--glass"], "--glass needs a file"),
    ):
        code, out, err = at(*words)
        assert (code, out) == (2, "")
        assert sentence in err


def test_the_feeder_is_emptied_and_loaded(at, device):
    assert at("empty") == (0, "feeder: empty\n", "")
    assert device.panel.get("feeder")["pages"] == []
    assert at("load") == (0, "feeder: 3 sheets\n", "")
    assert len(device.panel.get("feeder")["pages"]) == 6


def test_a_real_feeder_keeps_its_sheets(run, make_device: MakeDevice):
    device = make_device(virtual=False)
    where = ("--panel", f"127.0.0.1:{device.panel.port}")
    assert run("state", *where)[1].splitlines()[3] == "feeder: a real one, which does not tell"
    code, out, err = run("empty", *where)
    assert (code, out) == (1, "")
    assert "by hand" in err


def test_a_press_is_waited_for_until_its_job_has_ended(at, device, sink: Sink):
    made = device.subscriber.subscribe(sink.url, destinations=[("Scan to DESK-7", "Scan")])
    code, out, _ = at("destinations", "--wait", "5")
    assert code == 0
    assert re.fullmatch(r"\d+  Scan to DESK-7  127.0.0.1  Scan\n", out)
    computer = fetch_scan(device, sink, made.tokens["Scan"])
    code, out, err = at("press", "scan to desk-7", "--source", "ADF", "--wait", "10")
    computer.join(10)
    (job,) = device.panel.get("jobs")["history"]
    assert (code, err) == (0, "")
    assert out == f"ADF to Scan to DESK-7: done, job {job['id']}\n"


def test_a_press_that_ends_badly_says_so(at, device, sink: Sink):
    """The job is cancelled at the device before the computer has fetched its page."""
    made = device.subscriber.subscribe(sink.url, destinations=[("Here", "Scan")])

    def cancel_it() -> None:
        (event,) = sink.wait_for("ScanAvailableEvent")
        job = device.client.create_scan_job(
            scan_ticket(source="Platen"),
            scan_identifier=event.text("ScanIdentifier"),
            destination_token=made.tokens["Scan"],
        )
        device.panel("POST", f"jobs/{job.id}/cancel")

    computer = threading.Thread(target=cancel_it)
    computer.start()
    code, out, err = at("press", "--source", "Platen", "--wait", "10")
    computer.join(10)
    assert code == 1
    assert "done, job " in out
    assert re.fullmatch(r"wsd-scanner: Job \d+ ended Canceled \(JobCanceledAtDevice\)\.\n", err)


def test_a_computer_that_does_not_answer_is_exit_code_3(at, device, sink: Sink):
    sink.answer = Answer(404)
    device.subscriber.subscribe(sink.url, destinations=[("Here", "Scan")])
    code, out, err = at("press", "--wait", "10")
    assert (code, out) == (3, "ADF to Here: no answer\n")
    assert err == "wsd-scanner: Here has not answered.\n"
    sink.answer = Answer()
    code, out, err = at("press", "--wait", "0")
    assert (code, out) == (3, "ADF to Here: waiting\n")


def test_jobs_are_listed_and_cancelled(at, device):
    assert at("jobs") == (0, "There are no jobs.\n", "")
    assert at("cancel") == (2, "", "wsd-scanner: There is no job to cancel.\n")
    one = device.client.create_scan_job(scan_ticket(job_name="Minutes"))
    two = device.client.create_scan_job(scan_ticket(job_name="Agenda"))
    listed = at("jobs")[1].splitlines()
    assert len(listed) == 2
    assert f"{one.id}" in listed[0]
    assert "Minutes" in listed[0]
    code, _, err = at("cancel")
    assert code == 2
    assert f"{one.id}, {two.id}" in err
    code, out, _ = at("cancel", str(two.id))
    assert code == 0
    assert "Canceled (JobCanceledAtDevice)" in out
    code, out, err = at("cancel", str(two.id))
    assert (code, out) == (1, "")
    assert "ended already" in err
    assert at("cancel")[0] == 0
    assert device.panel.get("jobs")["active"] == []


def test_a_jam_is_raised_and_cleared(at, device):
    code, out, _ = at("jam")
    assert code == 0
    assert out.split()[2:] == ["MediaJam", "ADF", "Critical"]
    assert device.client.scanner_state() == "Stopped"
    assert at("jam") == (1, "", "wsd-scanner: That is the matter already.\n")
    assert at("raise", "Calibrating", "--component", "Platen", "--severity", "Critical")[0] == 0
    assert at("jam", "--component", "MediaPath")[0] == 0
    assert len(at("conditions")[1].splitlines()) == 3
    left = at("clear", "MediaJam")[1].splitlines()
    assert len(left) == 1
    number = left[0].split()[0]
    assert at("clear", number) == (0, "Nothing is the matter.\n", "")
    assert device.client.scanner_state() == "Idle"


def test_clear_mends_everything_but_an_empty_feeder(at, device):
    at("empty")
    at("jam")
    at("raise", "CoverOpen", "--component", "Platen")
    code, out, _ = at("clear")
    assert code == 0
    assert out.split()[2] == "InputTrayEmpty"
    assert [one["name"] for one in device.panel.get("conditions")] == ["InputTrayEmpty"]


def test_subscribers_are_listed(at, device, sink: Sink):
    assert at("subscribers") == (0, "Nobody listens.\n", "")
    device.subscriber.subscribe(sink.url, events=["JobStatusEvent"], expires="PT10M")
    (line,) = at("subscribers")[1].splitlines()
    assert line.endswith("127.0.0.1  " + sink.url + "  600 s  0 waiting  0 failed  JobStatusEvent")


def test_json_is_what_the_panel_said(at, device):
    device.client.create_scan_job(scan_ticket(job_name="Ä"))
    code, out, _ = at("--json", "jobs")
    assert code == 0
    assert json.loads(out) == device.panel.get("jobs")
    assert out.isascii()
    assert json.loads(at("state", "--json")[1]) == device.panel.get("state")


def test_nothing_that_a_stranger_sends_steers_the_terminal(at, device, sink: Sink):
    device.subscriber.subscribe(sink.url, destinations=[("A\u009b2J\u202eB", "Scan")])
    code, out, _ = at("destinations")
    assert code == 0
    assert "A?2J?B" in out
    assert plain("a\x1b[31m\r\nb\u2028") == "a?[31m??b?"


def test_one_of_several_devices_is_chosen(start_device, run):
    device = start_device("--panel-port", "0", "--name", "Second floor")
    at = ("--panel", f"127.0.0.1:{panel_of(device).port}")
    code, out, _ = run(*at, "devices")
    assert code == 0
    assert out.split() == [device.uuid, "Second", "floor", "Idle", device.url]
    assert run(*at, "--device", "second floor", "empty") == (0, "feeder: empty\n", "")
    assert run(*at, "--device", device.uuid, "load")[0] == 0
    code, _, err = run(*at, "state", "--device", "Third floor")
    assert code == 2
    assert "did you mean 'Second floor'?" in err


# ---- the journal, and the real program


def test_the_real_program_is_loaded_pressed_and_read(start_device, run, tmp_path):
    device = start_device("--panel-port", "0", "--panel-token", "sesame ä")
    found = wait_until(
        lambda: re.search(r"panel at port (\d+)", device.stderr()), 5, "the panel's port"
    )
    where = ("--panel", f"http://127.0.0.1:{found[1]}")
    code, out, err = run(*where, "state")
    assert (code, out) == (2, "")
    assert "asks for its token; give the right one by --token or WSD_SCANNER_PANEL_TOKEN" in err
    code, _, err = run(*where, "state", "--token", "wrong")
    assert code == 2
    assert "does not take this token" in err
    there = (*where, "--token", "sesame ä")
    client = device.client
    client.url = device.scan_url
    sink = Sink()
    try:
        assert run(*there, "destinations", "--wait", "0.1")[0] == 3
        Subscriber(client).subscribe(sink.url, destinations=[("Here", "Scan")])
        code, _, err = run(*there, "journal", "--action", "CreateScanJob", "--wait", "0.1")
        assert code == 3
        assert err == "wsd-scanner: Nothing of that kind came in 0.1 seconds.\n"
        assert run(*there, "press", "Here")[0] == 0
        code, out, _ = run(*there, "journal", "--direction", "event", "--wait", "10")
        assert code == 0
        assert re.search(rf"-> {re.escape(sink.url)}  ScanAvailableEvent  ok  ", out)
        code, out, _ = run(*there, "journal", "--action", "Subscribe", "--xml")
        assert code == 0
        assert "ScanDestination" in out
        (entry,) = json.loads(run(*there, "journal", "--action", "Subscribe", "--json")[1])
        after = str(entry["id"])
        assert run(*there, "journal", "--action", "Subscribe", "--after", after) == (0, "", "")
        done = refuse(["panel", *there, "journal", "--limit", "1", "--json"], tmp_path)
        assert done.returncode == 0
        assert [one["name"] for one in json.loads(done.stdout)] == ["ScanAvailableEvent"]
    finally:
        sink.close()


def test_the_journal_is_followed_until_the_device_ends(start_device, tmp_path):
    device = start_device("--panel-port", "0")
    found = wait_until(
        lambda: re.search(r"panel at port (\d+)", device.stderr()), 5, "the panel's port"
    )
    command = [*program(), "panel", "--panel", f"127.0.0.1:{found[1]}", "journal", "--follow"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    ) as follower:
        assert follower.stdout is not None
        for _ in range(2):
            device.client.get(device.endpoint)
            assert "  Get  ok  " in follower.stdout.readline()
        device.stop()
        out, err = follower.communicate(timeout=10)
    assert (follower.returncode, out) == (1, "")
    assert err.count("\n") == 1


# ---- what can be wrong


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["prss"], "There is no command 'prss'; did you mean 'press'?"),
        (["raise", "CoverOpn"], "There is no condition 'CoverOpn'; did you mean 'CoverOpen'?"),
        (["jam", "--component", "Roof"], "There is no component 'Roof'; there is ADF, "),
        (["state", "--jsn"], "There is no flag --jsn; did you mean '--json'?"),
        (["state", "--panel", "ftp://x"], "The panel's address is 'ftp://x', and must be like"),
        (["state", "--panel", "http://x:y"], "The panel's address is 'http://x:y'"),
        (["state", "--panel", "http://a b"], "The panel's address is 'http://a b'"),
        (["state", "--token", "a\nb"], "The token holds a control character."),
        (["press", "--wait", "soon"], "--wait is 'soon'"),
        (["journal", "--after", "-1"], "--after is '-1'"),
        (["cancel", "1", "2"], "'2' is one word too many"),
    ],
)
def test_wrong_use_is_one_sentence_and_exit_code_2(run, words, sentence):
    code, out, err = run(*words)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert sentence in err


def test_no_such_destination_is_answered_with_those_there_are(at, device, sink: Sink):
    code, _, err = at("press")
    assert code == 2
    assert err == "wsd-scanner: There is no destination: no computer has registered.\n"
    assert at("press", "Here")[2].endswith(
        "There is no destination 'Here'; there is none at all.\n"
    )
    names = [("Scan to DESK-7", "Scan"), ("Mail", "Email"), ("Mail", "Mail")]
    device.subscriber.subscribe(sink.url, destinations=names)
    assert at("press")[2].endswith("name one of: Mail, Scan to DESK-7.\n")
    assert at("press", "Scan to DESK-8")[2].endswith("did you mean 'Scan to DESK-7'?\n")
    code, _, err = at("press", "Mail")
    assert code == 2
    numbers = re.findall(r"(\d+) at 127\.0\.0\.1", err)
    assert len(numbers) == 2
    assert at("press", numbers[1])[0] == 0
    (event,) = sink.wait_for("ScanAvailableEvent")
    assert event.text("ClientContext") == "Mail"


def test_what_the_device_refuses_is_exit_code_1(at, device, sink: Sink):
    device.subscriber.subscribe(sink.url, destinations=[("Here", "Scan")])
    assert at("press", "--source", "Film")[0] == 2
    at("empty")
    code, out, err = at("press", "--source", "ADF")
    assert (code, out) == (1, "")
    assert err.count("\n") == 1
    at("jam")
    code, _, err = at("press", "--source", "Platen")
    assert code == 1
    assert "stopped" in err
    assert sink.of("ScanAvailableEvent") == []
    assert at("clear", "LampError")[0] == 2
    assert at("cancel", "999")[0] == 2
    assert at("cancel", "../state")[0] == 2


def test_nobody_listens_there(run):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        code, out, err = run("state", "--panel", f"127.0.0.1:{unused.getsockname()[1]}")
    assert (code, out) == (1, "")
    assert err.startswith("wsd-scanner: Nothing listens at http://127.0.0.1:")
    assert err.count("\n") == 1


class _Stranger(BaseHTTPRequestHandler):
    """Somebody else's server, which sends its visitors elsewhere."""

    def do_GET(self) -> None:
        self.send_response(307 if self.path.endswith("state") else 200)
        self.send_header("Location", "/elsewhere")
        self.end_headers()
        self.wfile.write(b"<html>")

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def stranger() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), _Stranger) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join(10)


@pytest.mark.parametrize("word", ["state", "jobs"])
def test_somebody_else_listens_there(run, stranger, word):
    code, out, err = run(word, "--panel", stranger)
    assert (code, out) == (1, "")
    assert err == f"wsd-scanner: What answers at {stranger} is no panel of wsd-scanner.\n"


def test_the_environment_says_where_the_panel_is(run, device, monkeypatch):
    monkeypatch.setenv("WSD_SCANNER_PANEL_URL", f"http://localhost:{device.panel.port}/")
    assert run("jobs")[0] == 0
    assert run("jobs", "--panel", "http://127.0.0.1:1")[0] == 1


@pytest.mark.parametrize("word", ["load", "press", "journal", "raise"])
def test_every_command_explains_itself(run, capsys, word):
    with pytest.raises(SystemExit) as stop:
        run(word, "--help")
    assert not stop.value.code
    out = capsys.readouterr().out
    assert f"wsd-scanner panel {word}" in out
    assert "--panel URL" in out
