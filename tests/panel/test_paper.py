"""Sheets that are laid in by the panel, taken out, arranged, looked at, and scanned."""

import io
import stat
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from clients.wsscan import Client, FaultAnswer, scan_ticket
from panel.conftest import Answer, Panel
from panel.test_journal import panel_of
from PIL import Image
from support.device import RunningDevice, end, start
from support.wait import wait_until

from device.panel import paper, uploads

RED, BLUE = (220, 20, 20), (20, 20, 220)


def picture(colour: tuple[int, int, int], kind: str = "PNG", size: int = 300) -> bytes:
    """A square of an inch or so."""
    out = io.BytesIO()
    Image.new("RGB", (size, size), colour).save(out, kind, dpi=(300, 300))
    return out.getvalue()


def pdf(pages: int) -> bytes:
    out = io.BytesIO()
    first, *more = [Image.new("RGB", (200, 280), BLUE) for _ in range(pages)]
    first.save(out, "PDF", save_all=True, append_images=more, resolution=72)
    return out.getvalue()


def form(*files: tuple[str, bytes]) -> dict[str, Any]:
    mark = uuid.uuid4().hex
    kind = 'Content-Disposition: form-data; name="file"; filename='
    raw = b"".join(
        f'--{mark}\r\n{kind}"{name}"\r\n\r\n'.encode() + content + b"\r\n"
        for name, content in files
    )
    raw += f"--{mark}--\r\n".encode()
    return {"raw": raw, "Content_Type": f"multipart/form-data; boundary={mark}"}


def upload(panel: Panel, *files: tuple[str, bytes], to: str = "feeder") -> Answer:
    return panel("POST", f"{to}/sheets", **form(*files))


def labels(panel: Panel, where: str = "feeder") -> list[str]:
    return [page["label"] for page in panel.get(where)["pages"]]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDevice]:
    home = tmp_path_factory.mktemp("paper")
    options = ["--no-discovery", "--host", "127.0.0.1", "--port", "0", "--panel-port", "0"]
    device = start(["run", "--state-dir", home / "state", *options], home / "log")
    yield device
    end(device)
    assert not (home / "state" / "laid-in").exists()


@pytest.fixture
def real(running: RunningDevice) -> Panel:
    """The panel of the real program, with its three sheets and the chart on the glass."""
    panel = panel_of(running)
    panel("POST", "feeder/load")
    return panel


@pytest.fixture
def folder(running: RunningDevice) -> Path:
    return running.log.parent / "state" / "laid-in"


def files_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


# ---- laid in


def test_files_are_laid_under_the_stack_and_scanned(real, running, folder):
    real("POST", "feeder/empty")
    laid = upload(real, ("red.png", picture(RED)), ("two.pdf", pdf(2)))
    assert laid.status == 201
    assert laid.json["refused"] == []
    assert labels(real) == ["red.png", "two.pdf, page 1 of 2", "two.pdf, page 2 of 2"]
    assert [path.name for path in files_in(folder)] == ["red.png", "two.pdf"]
    for path in files_in(folder):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700

    client = Client(running.hosted_url("ScannerServiceType"))
    job = client.create_scan_job(scan_ticket(source="ADF", images=0, format="jfif"))
    first = Image.open(io.BytesIO(client.retrieve_image(job.id, job.token).content))
    assert first.convert("RGB").getpixel((100, 100))[0] > 180
    second = Image.open(io.BytesIO(client.retrieve_image(job.id, job.token).content))
    assert second.convert("RGB").getpixel((100, 100))[2] > 180
    client.retrieve_image(job.id, job.token)
    with pytest.raises(FaultAnswer, match="NoImagesAvailable"):
        client.retrieve_image(job.id, job.token)
    assert labels(real) == []


def test_what_was_scanned_is_thrown_away(real, running, folder):
    real("POST", "feeder/empty")
    upload(real, ("red.png", picture(RED)))
    client = Client(running.hosted_url("ScannerServiceType"))
    job = client.create_scan_job(scan_ticket(source="ADF", images=1))
    client.retrieve_image(job.id, job.token)
    wait_until(lambda: files_in(folder) == [], 5, "an empty folder")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "TIFF"])
def test_every_kind_of_file_is_taken(real, kind):
    assert upload(real, (f"page.{kind}", picture(BLUE, kind))).status == 201
    assert labels(real)[-1] == f"page.{kind}"


def test_what_is_no_page_is_refused_by_name_and_the_rest_stays(real, folder):
    real("POST", "feeder/empty")
    laid = upload(
        real,
        ("notes.txt", b"milk, eggs"),
        ("good.png", picture(RED)),
        ("broken.png", picture(RED)[:60]),
        ("empty.jpg", b""),
    )
    assert laid.status == 201
    assert labels(real) == ["good.png"]
    refused = laid.json["refused"]
    assert [sentence.partition(":")[0] for sentence in refused] == [
        "notes.txt",
        "broken.png",
        "empty.jpg",
    ]
    assert "not a JPEG, PNG, BMP, TIFF or PDF" in refused[0]
    assert [path.name for path in files_in(folder)] == ["good.png"]
    none = upload(real, ("notes.txt", b"milk"))
    assert none.status == 422
    assert none.json["detail"].startswith("notes.txt: it is not a JPEG")
    assert labels(real) == ["good.png"]


def test_a_name_is_taken_for_a_name_only(real, folder):
    real("POST", "feeder/empty")
    for told, plain in (
        ("../../../etc/passwd", "passwd"),
        ("C:\\\\scans\\\\a.png", "a.png"),
        ("..", "file"),
        (".hidden", "hidden"),
        ("a\tb.png", "ab.png"),
        ("ä" * 300, "ä" * 60),
        ("<img src=x onerror=alert(1)>.png", "<img src=x onerror=alert(1)>.png"),
    ):
        assert upload(real, (told, picture(RED))).status == 201, told
        assert labels(real)[-1] == plain
    assert all(path.parent.parent == folder for path in files_in(folder))
    assert not (folder.parent / "passwd").exists()


def test_too_much_is_refused(device, panel, monkeypatch):
    monkeypatch.setattr(uploads, "MAX_FILE", 2000)
    monkeypatch.setattr(uploads, "MAX_ALL", 4000)
    small = picture(RED, size=20)
    laid = upload(panel, ("large.png", b"x" * 2500), ("small.png", small))
    assert laid.status == 201
    assert laid.json["refused"] == ["large.png: a file may have 0 MB."]
    many = upload(panel, *[(f"{n}.png", small) for n in range(30)])
    assert many.status == 413
    assert upload(panel, ("huge.png", b"x" * 5000)).status == 413
    monkeypatch.setattr(uploads, "MAX_FILES", 2)
    monkeypatch.setattr(uploads, "MAX_ALL", 1 << 20)
    assert upload(panel, *[(f"{n}.png", small) for n in range(3)]).status == 413
    assert labels(panel)[6:] == ["small.png"]
    assert [path.name for path in files_in(device.folder)] == ["small.png"]


@pytest.mark.parametrize(
    ("raw", "kind", "status"),
    [
        (b"{}", "application/json", 415),
        (b"", "multipart/form-data", 400),
        (b"--x--\r\n", "multipart/form-data; boundary=x", 422),
        (b"nonsense", "multipart/form-data; boundary=x", 400),
        (
            b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x--\r\n',
            "multipart/form-data; boundary=x",
            422,
        ),
        (
            b'--x\r\nContent-Disposition: form-data; name="a"; filename="a.png"\r\n\r\n12',
            "multipart/form-data; boundary=x",
            400,
        ),
        (
            b"--x\r\nContent-Disposition form-data\r\n\r\n1\r\n--x--\r\n",
            "multipart/form-data; boundary=x",
            400,
        ),
        (b"--x\r\nno header--x--\r\n", "multipart/form-data; boundary=x", 400),
    ],
)
def test_a_form_must_be_one(device, panel, raw, kind, status):
    refused = panel("POST", "feeder/sheets", raw=raw, Content_Type=kind)
    assert refused.status == status, refused
    assert refused.headers["content-type"].startswith("application/problem+json")
    assert files_in(device.folder) == []


def test_the_feeder_is_not_bottomless(device, panel, monkeypatch):
    monkeypatch.setattr(paper, "MAX_PAGES", 8)
    assert upload(panel, ("three.pdf", pdf(3))).status == 409
    assert files_in(device.folder) == []
    assert upload(panel, ("two.pdf", pdf(2))).status == 201
    assert "8 pages at most" in upload(panel, ("one.pdf", pdf(1))).json["detail"]


# ---- on the glass


def test_a_page_is_laid_on_the_glass(real, running, folder):
    assert labels(real, "platen") == ["chart"]
    laid = upload(real, ("red.png", picture(RED)), to="platen")
    assert laid.status == 201
    assert labels(real, "platen") == ["red.png"]
    client = Client(running.hosted_url("ScannerServiceType"))
    job = client.create_scan_job(scan_ticket(source="Platen", format="jfif"))
    found = Image.open(io.BytesIO(client.retrieve_image(job.id, job.token).content))
    assert found.convert("RGB").getpixel((100, 100))[0] > 180
    assert labels(real, "platen") == ["red.png"]
    assert real("POST", "platen/empty").json == {"virtual": True, "empty": True, "pages": []}
    wait_until(lambda: files_in(folder) == [], 10, "end of the job, which may give the page back")
    with pytest.raises(FaultAnswer, match="NoImagesAvailable"):
        client.create_scan_job(scan_ticket(source="Platen"))


# ---- arranged and taken out


def test_sheets_are_arranged_with_their_backs(real):
    order = [page["number"] for page in real.get("feeder")["pages"] if not page["back"]]
    assert order == [1, 3, 5]
    arranged = real("PUT", "feeder/sheets", {"order": [5, 1, 3]})
    assert arranged.status == 200
    assert [page["number"] for page in arranged.json["pages"]] == [5, 6, 1, 2, 3, 4]
    assert real.get("feeder") == arranged.json


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"order": "1 3 5"}, 422),
        ({"order": [1, "3", 5]}, 422),
        ({"order": [True, 3, 5]}, 422),
        ({"order": [1, 3]}, 409),
        ({"order": [1, 3, 3]}, 409),
        ({"order": [1, 2, 3]}, 409),
        ({"order": [1, 3, 5, 7]}, 409),
    ],
)
def test_an_order_must_name_every_sheet_once(panel, body, status):
    before = panel.get("feeder")
    assert panel("PUT", "feeder/sheets", body).status == status
    assert panel.get("feeder") == before


def test_one_sheet_is_taken_out_with_its_back(real, folder):
    assert real("DELETE", "feeder/sheets/3").status == 204
    assert [page["number"] for page in real.get("feeder")["pages"]] == [1, 2, 5, 6]
    for number in ("3", "2", "99", "x"):
        assert real("DELETE", f"feeder/sheets/{number}").status == 404
    laid = upload(real, ("a.png", picture(RED)), ("b.png", picture(RED)))
    number = laid.json["feeder"]["pages"][-2]["number"]
    assert real("DELETE", f"feeder/sheets/{number}").status == 204
    assert [path.name for path in files_in(folder)] == ["b.png"]
    for one in ("1", "5", str(real.get("feeder")["pages"][-1]["number"])):
        real("DELETE", f"feeder/sheets/{one}")
    assert real.get("feeder")["empty"] is True
    assert [one["name"] for one in real.get("conditions")] == ["InputTrayEmpty"]


def test_a_back_whose_front_is_being_scanned_stays_on_top(device, panel):
    front = device.do(lambda: device.engine.take("ADFDuplex", back=False))
    assert front.number == 1
    arranged = panel("PUT", "feeder/sheets", {"order": [5, 3]})
    assert [page["number"] for page in arranged.json["pages"]] == [2, 5, 6, 3, 4]
    assert panel("DELETE", "feeder/sheets/2").status == 404


def test_a_real_scanner_is_filled_by_hand(make_device):
    panel = make_device(virtual=False).panel
    for answer in (
        upload(panel, ("a.png", picture(RED))),
        upload(panel, ("a.png", picture(RED)), to="platen"),
        panel("PUT", "feeder/sheets", {"order": []}),
        panel("DELETE", "feeder/sheets/1"),
        panel("POST", "platen/empty"),
    ):
        assert answer.status == 409
        assert "by hand" in answer.json["detail"]


def test_what_was_laid_in_is_not_replaced_when_the_empty_feeder_would_be_filled(start_device):
    panel = panel_of(start_device("--panel-port", "0", "--reload-feeder", "2"))
    panel("POST", "feeder/empty")
    upload(panel, ("mine.png", picture(RED)))
    with pytest.raises(TimeoutError):
        wait_until(lambda: labels(panel) != ["mine.png"], 3, "another sheet")
    panel("POST", "feeder/empty")
    wait_until(lambda: len(labels(panel)) == 6, 5, "the sheets of the source")


# ---- looked at


def test_every_page_has_a_picture(real):
    upload(real, ("red.png", picture(RED)))
    pages = [*real.get("feeder")["pages"], *real.get("platen")["pages"]]
    assert len(pages) == 8
    seen = set()
    for page in pages:
        answer = real("GET", f"/api/v1/{page['picture']}")
        assert answer.status == 200
        assert answer.headers["content-type"] == "image/jpeg"
        image = Image.open(io.BytesIO(answer.raw))
        assert (image.width, image.height) == (238, 327)
        assert len(answer.raw) < 40_000
        seen.add(answer.raw)
    assert len(seen) == len(pages)
    assert real("GET", "pages/99/picture").status == 404


def test_a_source_that_has_changed_shows_nothing_wrong(start_device, tmp_path):
    source = tmp_path / "pages"
    source.mkdir()
    (source / "b.png").write_bytes(picture(RED))
    device = start_device("--source", f"images:{source}", "--panel-port", "0")
    panel = panel_of(device)
    (source / "a.png").write_bytes(picture(BLUE))
    (page,) = panel.get("feeder")["pages"]
    refused = panel("GET", f"/api/v1/{page['picture']}")
    assert refused.status == 409
    assert "load it again" in refused.json["detail"]
    panel("POST", "feeder/load")
    first, second = panel.get("feeder")["pages"]
    assert panel("GET", first["picture"]).status == panel("GET", second["picture"]).status == 200
    assert first["picture"] != page["picture"]
