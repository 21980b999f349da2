"""A folder becomes a stack of pages; what cannot be one is named."""

import os
import shutil
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image

from scanner_backends.base import Mode
from scanner_backends.errors import IoError, NoDocs, SourceError
from scanner_backends.image_files import ImageFilesBackend, natural_key

INCH = 25.4
COMPRESSION, ROWS_PER_STRIP = 259, 278  # tags of a TIFF


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "stack"
    path.mkdir()
    return path


def noise(width: int = 60, height: int = 40) -> Image.Image:
    layers = [Image.frombytes("L", (width, height), os.urandom(width * height)) for _ in range(3)]
    return Image.merge("RGB", layers)


def labels(path: Path) -> list[str]:
    return [page.label for page in ImageFilesBackend(str(path)).describe().feeder]


def test_names_are_sorted_as_people_do(folder: Path):
    for name in ("scan10.png", "scan2.png", "Scan1.png", "a.png", "10.png", "9.png"):
        noise().save(folder / name)
    expected = ["9.png", "10.png", "a.png", "Scan1.png", "scan2.png", "scan10.png"]
    assert labels(folder) == expected


@pytest.mark.parametrize("names", [["²", "2", "a"], ["1a", "a1", "1", "", "٣"]])
def test_any_names_can_be_sorted(names: list[str]):
    sorted(names, key=natural_key)


def test_hidden_files_and_folders_are_left_alone(folder: Path):
    noise().save(folder / "page.png")
    noise().save(folder / ".hidden.png")
    (folder / "inner").mkdir()
    noise().save(folder / "inner" / "deep.png")
    told = ImageFilesBackend(str(folder)).describe()
    assert [page.label for page in told.platen] == ["page.png"]
    assert told.platen == told.feeder
    assert told.refused == ()
    assert not any(page.back for page in told.feeder)


def test_one_file_is_a_stack_of_its_pages(folder: Path):
    path = folder / "fax.tif"
    pages = [noise(200, 100 + n).convert("1") for n in range(3)]
    pages[0].save(path, save_all=True, append_images=pages[1:], compression="group4")
    expected = [f"fax.tif, page {n} of 3" for n in (1, 2, 3)]
    assert labels(path) == expected


def test_every_page_of_a_group_4_file_has_its_own_pixels(folder: Path, scan):
    path = folder / "fax.tif"
    pages = [noise(200, 100 + n).convert("1") for n in range(3)]
    options = {"compression": "group4", "dpi": (200, 200)}
    pages[0].save(path, save_all=True, append_images=pages[1:], **options)
    backend = ImageFilesBackend(str(path))
    for number in (2, 0, 1):
        area = (0, 0, INCH, pages[number].height / 200 * INCH)
        result = scan(backend, number, 200, area, Mode.LINEART)
        assert result.tobytes() == pages[number].tobytes()


def test_broken_and_foreign_files_are_named_and_the_rest_stays(folder: Path):
    picture = noise(300, 300)
    picture.save(folder / "good.png")
    for name in ("a.jpg", "b.png", "c.bmp", "d.tif"):
        picture.save(folder / name)
        whole = (folder / name).read_bytes()
        (folder / name).write_bytes(whole[: len(whole) // 2])
    pages = [noise(400, 400).convert("1") for _ in range(2)]
    pages[0].save(folder / "e.tif", save_all=True, append_images=pages[1:], compression="group4")
    (folder / "f.pdf").write_bytes(b"%PDF-1.4 and nothing more")
    (folder / "g.txt").write_text("a note")
    (folder / "h.png").write_bytes(b"")
    flipped = bytearray((folder / "good.png").read_bytes())
    flipped[1000] ^= 0xFF
    (folder / "i.png").write_bytes(flipped)
    os.mkfifo(folder / "j.png")
    told = ImageFilesBackend(str(folder)).describe()
    assert [page.label for page in told.platen] == [
        "e.tif, page 1 of 2",
        "e.tif, page 2 of 2",
        "good.png",
    ]
    named = [sentence.split(":")[0] for sentence in told.refused]
    assert named == [
        "a.jpg",
        "b.png",
        "c.bmp",
        "d.tif",
        "f.pdf",
        "g.txt",
        "h.png",
        "i.png",
        "j.png",
    ]
    assert all(sentence.endswith(".") and "\n" not in sentence for sentence in told.refused)
    assert "not a JPEG" in told.refused[5]
    assert "empty" in told.refused[6]


@pytest.mark.parametrize("strips", [1, 10])
def test_a_tiff_whose_strips_cannot_be_decoded_is_refused(folder: Path, strips: int):
    picture = noise(300, 300)
    rows = {ROWS_PER_STRIP: 300 // strips}
    picture.save(folder / "a.tif", compression="tiff_lzw", tiffinfo=rows)
    picture.save(folder / "b.tif", compression="tiff_lzw", tiffinfo=rows)
    file = bytearray((folder / "b.tif").read_bytes())
    middle = len(file) // 2
    file[middle : middle + 100] = b"\xff" * 100
    (folder / "b.tif").write_bytes(file)
    picture.save(folder / "c.tif", compression="tiff_lzw", tiffinfo=rows)
    file = bytearray((folder / "c.tif").read_bytes())
    place = file.find(struct.pack("<HHL", COMPRESSION, 3, 1))
    file[place + 8 : place + 10] = struct.pack("<H", 34_925)  # LZMA2, which these strips are not
    (folder / "c.tif").write_bytes(file)
    told = ImageFilesBackend(str(folder)).describe()
    assert [page.label for page in told.platen] == ["a.tif"]
    assert [sentence.split(":")[0] for sentence in told.refused] == ["b.tif", "c.tif"]


def test_of_a_pdf_the_pages_that_it_does_not_have_are_left_out(folder: Path):
    noise().save(folder / "a.pdf", save_all=True, append_images=[noise()])
    file = (folder / "a.pdf").read_bytes()
    assert b"/Count 2" in file
    (folder / "a.pdf").write_bytes(file.replace(b"/Count 2", b"/Count 9"))
    told = ImageFilesBackend(str(folder)).describe()
    assert [page.label for page in told.feeder] == ["a.pdf, page 1 of 9", "a.pdf, page 2 of 9"]
    assert told.refused == ("a.pdf: of 9 pages 7 are broken.",)


@pytest.mark.parametrize("mode", ["F", "I"])
def test_samples_that_no_scanner_has_are_refused(folder: Path, mode: str):
    Image.new(mode, (60, 40), 200).save(folder / "measured.tif")
    noise().save(folder / "page.tif")
    told = ImageFilesBackend(str(folder)).describe()
    assert [page.label for page in told.platen] == ["page.tif"]
    assert told.refused[0].startswith("measured.tif: the file is broken (samples ")


def test_a_decompression_bomb_is_refused_by_name(folder: Path):
    header = struct.pack(">LLBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 100_000)), (b"IEND", b"")]
    file = b"\x89PNG\r\n\x1a\n"
    for name, body in chunks:
        crc = zlib.crc32(name + body)
        file += struct.pack(">L", len(body)) + name + body + struct.pack(">L", crc)
    (folder / "bomb.png").write_bytes(file)
    noise().save(folder / "page.png")
    told = ImageFilesBackend(str(folder)).describe()
    assert [page.label for page in told.platen] == ["page.png"]
    assert "bomb.png" in told.refused[0]
    assert "million pixels" in told.refused[0]


def test_a_bomb_on_a_later_page_of_a_tiff_is_refused_too(folder: Path):
    path = folder / "two.tif"
    noise(50, 50).save(path, save_all=True, append_images=[noise(51, 50)])
    file = bytearray(path.read_bytes())
    place = file.rfind(struct.pack("<HHL", 256, 4, 1))  # ImageWidth of the second page
    assert place > 0
    file[place + 8 : place + 12] = struct.pack("<L", 100_000_000)
    path.write_bytes(file)
    told = ImageFilesBackend(str(path)).describe()
    assert [page.label for page in told.platen] == ["two.tif, page 1 of 2"]
    assert "two.tif, page 2 of 2" in told.refused[0]


def test_a_folder_without_a_page_says_what_is_wrong(folder: Path):
    with pytest.raises(SourceError, match="put JPEG, PNG, BMP, TIFF or PDF files into it"):
        ImageFilesBackend(str(folder)).describe()
    for n in range(5):
        (folder / f"{n}.txt").write_text("a note")
    with pytest.raises(SourceError, match=r"0\.txt.*And 2 more"):
        ImageFilesBackend(str(folder)).describe()


def test_a_path_that_does_not_exist_is_named(folder: Path):
    with pytest.raises(SourceError, match=r"nowhere does not exist"):
        ImageFilesBackend(str(folder / "nowhere")).describe()


def test_a_source_without_a_path_says_how_to_write_one():
    with pytest.raises(SourceError, match="images:PATH"):
        ImageFilesBackend("")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
@pytest.mark.may_be_skipped
def test_a_folder_that_may_not_be_read_says_so(folder: Path):
    folder.chmod(0)
    with pytest.raises(SourceError, match="cannot be read"):
        ImageFilesBackend(str(folder)).describe()


def test_describing_again_sees_what_has_changed(folder: Path, scan):
    noise().save(folder / "b.png", dpi=(100, 100))
    backend = ImageFilesBackend(str(folder))
    backend.describe()
    first = noise()
    first.save(folder / "a.png", dpi=(100, 100))
    (folder / "c.txt").write_text("a note")
    told = backend.describe()
    assert [page.label for page in told.feeder] == ["a.png", "b.png"]
    assert len(told.refused) == 1
    area = (0, 0, 0.6 * INCH, 0.4 * INCH)
    assert scan(backend, 0, 100, area).tobytes() == first.tobytes()
    (folder / "a.png").unlink()
    assert [page.label for page in backend.describe().feeder] == ["b.png"]


def test_a_file_that_went_away_breaks_its_page_only(folder: Path, scan):
    for name in ("a.png", "b.png"):
        noise().save(folder / name)
    backend = ImageFilesBackend(str(folder))
    backend.describe()
    (folder / "a.png").unlink()
    with pytest.raises(IoError, match=r"a\.png"):
        scan(backend, 0, 100, (0, 0, 10, 10))
    assert scan(backend, 1, 100, (0, 0, 10, 10))


def test_a_file_that_became_another_is_named_for_what_it_is(folder: Path, scan):
    noise().save(folder / "a.png")
    backend = ImageFilesBackend(str(folder))
    backend.describe()
    (folder / "a.png").write_text("a note")
    sentence = r"^a\.png cannot be read: it is not a JPEG, PNG, BMP, TIFF or PDF file\.$"
    with pytest.raises(IoError, match=sentence):
        scan(backend, 0, 100, (0, 0, 10, 10))


def test_a_page_beyond_the_last_is_not_there(folder: Path, scan):
    noise().save(folder / "a.png")
    with pytest.raises(NoDocs):
        scan(ImageFilesBackend(str(folder)), 1, 100, (0, 0, 10, 10))


def test_no_file_stays_open(folder: Path, scan):
    for name in ("a.png", "b.jpg", "c.tif", "d.pdf", "e.bmp"):
        noise().save(folder / name)
    backend = ImageFilesBackend(str(folder))
    before = len(os.listdir("/proc/self/fd"))
    for number in range(5):
        backend.describe()
        scan(backend, number, 100, (0, 0, 10, 10))
    shutil.rmtree(folder)
    assert len(os.listdir("/proc/self/fd")) == before
