"""Documents: page after page goes into one file, and each may come, fail, or be cancelled."""

import asyncio
from collections.abc import Callable
from io import BytesIO

import pytest
from PIL import Image
from support.wait import wait_until

from device.imaging.spec import SUPPORTED
from device.pages.page_image import PageImage, Wish
from scanner_backends.errors import BackendError, Cancelled, IoError, Jammed, NoDocs

pytestmark = pytest.mark.usefixtures("scripted")

MULTI = [name for name in SUPPORTED if name in ("pdf-a", "xps") or name.startswith("tiff-multi-")]


async def whole(image: PageImage) -> bytes:
    return b"".join([piece async for piece in image])


class Feed:
    """Gives wishes one by one, and keeps what it was told."""

    def __init__(self, *wishes: Wish | BackendError) -> None:
        self.wishes = list(wishes)
        self.told: list[BackendError | None] = []

    async def __call__(self, trouble: BackendError | None) -> Wish | None:
        self.told.append(trouble)
        wish = self.wishes.pop(0) if self.wishes else None
        if isinstance(wish, BackendError):
            raise wish
        return wish


def sizes(file: bytes) -> list[tuple[int, int]]:
    with Image.open(BytesIO(file)) as image:
        found = []
        for number in range(image.n_frames):
            image.seek(number)
            image.load()
            found.append(image.size)
    return found


@pytest.fixture
def tiff(order) -> Callable[..., Wish]:
    """The order of a page for a multi-page TIFF: `tiff(1, (100, 256))`."""
    return lambda number, size=(100, 256): (
        number,
        *order("tiff-multi-uncompressed", "Grayscale8", size=size),
    )


async def test_the_pages_go_into_one_file_in_their_order(line, tiff):
    chart = await line("chart:sheets=3")
    feed = Feed(tiff(2, (110, 200)), tiff(3, (120, 64)))
    image = await chart.page(1, *tiff(1), feed)
    assert feed.told == []
    assert sizes(await whole(image)) == [(100, 256), (110, 200), (120, 64)]
    assert feed.told == [None, None, None]


@pytest.mark.parametrize("format", MULTI)
async def test_a_document_of_one_page_is_the_file_of_that_page(line, order, format):
    chart = await line("chart")
    wish = (0, *order(format, SUPPORTED[format][0]))
    alone = await whole(await chart.page(1, *wish))
    assert await whole(await chart.page(1, *wish, Feed())) == alone


@pytest.mark.parametrize("format", MULTI)
async def test_each_format_grows_with_each_page(line, order, format):
    chart = await line("chart:sheets=3")
    lengths = []
    for count in (1, 2, 3):
        first, *more = [(n, *order(format, SUPPORTED[format][0])) for n in range(1, count + 1)]
        lengths.append(len(await whole(await chart.page(1, *first, Feed(*more)))))
    assert lengths[0] < lengths[1] < lengths[2]


async def test_real_media_end_the_document_where_the_feeder_is_empty(line, tiff):
    scripted = await line("scripted:two sheets")
    for job in (1, 2):
        feed = Feed(*[tiff(None)] * 5)
        image = await scripted.page(job, *tiff(None), feed)
        assert len(sizes(await whole(image))) == 2
        assert feed.told == [None, None]


async def test_an_empty_feeder_begins_no_document(line, tiff):
    scripted = await line("scripted:empty")
    with pytest.raises(NoDocs):
        await scripted.page(1, *tiff(None), Feed(tiff(None)))


async def test_a_page_that_could_not_begin_may_be_ordered_again(line, tiff):
    scripted = await line("scripted:jam between")
    feed = Feed(tiff(2), tiff(2), tiff(3))
    image = await scripted.page(1, *tiff(1), feed)
    assert len(sizes(await whole(image))) == 3
    assert [type(trouble) for trouble in feed.told] == [type(None), Jammed, type(None), type(None)]


async def test_one_who_does_not_order_it_again_breaks_the_document(line, tiff):
    scripted = await line("scripted:jam between")
    image = await scripted.page(1, *tiff(1), Feed(tiff(2), IoError("That was it.")))
    with pytest.raises(IoError, match="That was it"):
        await whole(image)
    await image.aclose()
    assert len(sizes(await whole(await scripted.page(1, *tiff(1), Feed())))) == 1


async def test_a_page_that_fails_in_its_middle_breaks_the_document(line, tiff):
    scripted = await line("scripted:jam in the second")
    feed = Feed(tiff(2), tiff(3))
    image = await scripted.page(1, *tiff(1), feed)
    with pytest.raises(Jammed):
        await whole(image)
    assert feed.told == [None]
    assert image.over


@pytest.mark.parametrize("format", MULTI)
async def test_a_held_page_that_breaks_off_leaves_no_trace(line, order, format):
    def wish(number: int) -> Wish:
        return number, *order(format, SUPPORTED[format][0], size=(100, 256))

    well = await line("scripted:well")
    wanted = await whole(await well.page(1, *wish(1), Feed(wish(2), wish(3))))
    scripted = await line("scripted:jam in the second")
    feed = Feed(wish(2), wish(2), wish(3))
    image = await scripted.page(1, *wish(1), feed, held=True)
    assert await whole(image) == wanted
    assert [type(trouble) for trouble in feed.told] == [type(None), Jammed, type(None), type(None)]


async def test_a_held_first_page_that_breaks_off_begins_no_document(line, tiff):
    scripted = await line("scripted:jam")
    feed = Feed(tiff(2))
    with pytest.raises(Jammed):
        await scripted.page(1, *tiff(1), feed, held=True)
    assert feed.told == []


async def test_a_held_page_can_be_cancelled(line, tiff):
    scripted = await line("scripted:wait later")
    await scripted.start()
    pid = scripted.worker_pid

    async def begin() -> None:
        with pytest.raises(Cancelled):
            await scripted.page(1, *tiff(1), Feed(), held=True)

    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        group.create_task(begin())
        await asyncio.to_thread(wait_until, lambda: scripted._image, 10, "a page under way")
        await scripted.cancel(1)
    assert scripted.worker_pid == pid


async def test_a_document_is_cancelled_while_it_waits_for_its_next_page(line, tiff):
    chart = await line("chart")
    await chart.start()
    pid = chart.worker_pid
    asked = asyncio.Event()

    async def never(trouble: BackendError | None) -> None:
        asked.set()
        await asyncio.Event().wait()

    image = await chart.page(1, *tiff(1), never)

    async with asyncio.TaskGroup() as group:
        reading = group.create_task(whole_or_cancelled(image))
        await asked.wait()
        await chart.cancel(1)
        assert image.over
        reading.cancel()
    assert chart.worker_pid == pid
    assert len(sizes(await whole(await chart.page(2, *tiff(1), Feed(tiff(2)))))) == 2


async def whole_or_cancelled(image: PageImage) -> object:
    try:
        return await whole(image)
    except Cancelled as error:
        return error


async def test_an_answer_that_comes_after_the_cancellation_orders_nothing(line, tiff):
    chart = await line("chart")
    image: PageImage

    async def cancelled_meanwhile(trouble: BackendError | None) -> Wish:
        await chart.cancel(1)
        return tiff(2)

    image = await chart.page(1, *tiff(1), cancelled_meanwhile)
    assert isinstance(await whole_or_cancelled(image), Cancelled)
    assert await whole(await chart.page(2, *tiff(1)))


async def test_a_document_is_cancelled_in_each_of_its_pages(line, tiff):
    chart = await line("chart:sheets=3")
    await chart.start()
    pid = chart.worker_pid
    for stop_in in range(3):
        feed = Feed(tiff(2, (1000, 3000)), tiff(3, (1000, 3000)))
        image = await chart.page(1, *tiff(1, (1000, 3000)), feed)
        while len(feed.told) < stop_in:
            await anext(image)
        await chart.cancel(1)
        with pytest.raises(Cancelled):
            await anext(image)
        assert len(feed.told) <= stop_in + 1
    assert chart.worker_pid == pid


async def test_a_reader_who_gives_up_while_the_next_page_is_asked_for_loses_nothing(line, tiff):
    chart = await line("chart:sheets=3")
    gate = asyncio.Event()
    calls = 0

    async def slow(trouble: BackendError | None) -> Wish | None:
        nonlocal calls
        calls += 1
        await gate.wait()
        return None

    image = await chart.page(1, *tiff(1), slow)
    pieces = []

    async def read() -> None:
        async for piece in image:
            pieces.append(piece)

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(read(), 0.2)
    gate.set()
    assert len(sizes(b"".join(pieces) + await whole(image))) == 1
    assert calls == 2


async def test_the_line_is_free_after_a_document(line, tiff, order):
    chart = await line("chart")
    await whole(await chart.page(1, *tiff(1), Feed(tiff(2))))
    async with asyncio.timeout(5):
        assert await whole(await chart.page(2, 0, *order("png")))
        assert await chart.describe()
