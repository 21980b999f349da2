"""A whole scan service in this process, on loopback: engine, service, endpoint, HTTP server.

It runs in a thread of its own, so that a test can be written straight on with a blocking client.
What is random or timed in the product is the test's here: the clock, the ids, the page line.
"""

import asyncio
import itertools
import threading
import uuid
from collections.abc import Awaitable, Callable
from concurrent.futures import Future as ThreadFuture
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from clients.wsscan import Client, Image, Reply, retrieve_image_body
from support import schema
from support.clock import ManualClock
from support.scripted_pages import Act, ScriptedPages
from support.wait import wait_until

from device import profile
from device.http.server import HttpServer, open_sockets
from device.http.soap_endpoint import SoapEndpoint
from device.imaging.encoders import SUPPORTED
from device.jobs.engine import Engine
from device.jobs.ports import Limits, Pages
from device.jobs.tray import Tray
from device.model.capabilities import ScannerConfiguration
from device.model.changes import Change
from device.model.job import JobRecord
from device.profile import Profile
from device.scan import management
from device.scan.service import ScanService
from device.soap.dispatch import Dispatcher, Route

T = TypeVar("T")
URN = "urn:uuid:11111111-2222-4333-8444-555555555555"
PATH = "/scan"
MANAGED = "/managed"
SOON_S = 5.0


@dataclass
class Options:
    """How a device under test differs from the usual one."""

    platen: int = 1
    sheets: int = 0
    virtual: bool = True
    waiting: int = 8
    history: int = 100
    profile: str = str(Path(__file__).with_name("office.toml"))
    configuration: Callable[[ScannerConfiguration], ScannerConfiguration] = lambda found: found
    pages: Callable[[], Pages] | None = None
    engine_options: dict[str, Any] | None = None
    service_options: dict[str, Any] | None = None
    routes: tuple[Route, ...] = ()
    message_id: Callable[[], str] | None = None


class WireDevice:
    """The device under test. Everything that touches the engine goes through `do`."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.clock = ManualClock()
        self.changes: list[Change] = []
        self._started = threading.Event()
        self._failure: BaseException | None = None
        self._requests = ThreadPoolExecutor(16)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._started.wait(30)
        if self._failure is not None:
            raise self._failure

    # ---- in the device's thread

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - handed to the test's thread
            self._failure = error
        finally:
            self._started.set()

    async def _serve(self) -> None:
        options = self.options
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        if options.pages is not None:
            pages: Any = options.pages()
        else:
            pages = ScriptedPages(
                platen=options.platen, sheets=options.sheets, virtual=options.virtual
            )
        self.pages = pages
        self.profile: Profile = profile.load(options.profile, SUPPORTED)
        self.configuration = options.configuration(self.profile.configuration)
        ids = itertools.count(1)
        tokens = itertools.count(1)
        self.engine = Engine(
            pages,
            Tray(await pages.describe()),
            clock=self.clock,
            job_ids=lambda: next(ids),
            token=lambda: f"token-of-a-job-{next(tokens):04}",
            publish=self.changes.append,
            limits=Limits(options.waiting, options.history),
            **(options.engine_options or {}),
        )
        service = ScanService(
            self.engine,
            description=self.profile.description,
            configuration=self.configuration,
            default_ticket=self.profile.default_ticket,
            now=self.clock.now,
            **(options.service_options or {}),
        )
        dispatcher = self.dispatcher = Dispatcher()
        dispatcher.add(*service.routes(), *management.routes(service), *options.routes)
        made = {"message_id": options.message_id} if options.message_id else {}
        self.endpoint = SoapEndpoint(
            dispatcher, uuid_urn=URN, paths=("/", PATH, MANAGED), clock=self.clock, **made
        )
        server = HttpServer(self.endpoint.handle, open_sockets("127.0.0.1", 0), lambda path: None)
        await server.start()
        self.url = f"http://127.0.0.1:{server.port}{PATH}"
        self.client = Client(self.url, check=schema.check)
        async with asyncio.TaskGroup() as group:
            running = group.create_task(self.engine.run())
            self._started.set()
            await self._stop.wait()
            await self.engine.close(2)
            await server.stop()
            if hasattr(pages, "close"):
                await pages.close()
            running.cancel()

    # ---- in the test's thread

    def close(self) -> None:
        self._requests.shutdown(wait=False, cancel_futures=True)
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._release)
        self._thread.join(30)
        if self._failure is not None:
            raise self._failure
        assert not self._thread.is_alive(), "the device does not end"

    def _release(self) -> None:
        if isinstance(self.pages, ScriptedPages):
            self.pages.let_go.set()
        self._stop.set()

    def do(self, work: Callable[[], T]) -> T:
        """Run `work` in the device's loop."""

        async def call() -> T:
            return work()

        return self.wait(call())

    def wait(self, work: Awaitable[T]) -> T:
        async def call() -> T:
            return await work

        return asyncio.run_coroutine_threadsafe(call(), self._loop).result(30)

    def advance(self, seconds: float) -> None:
        """Turn the clock, and let the engine see it."""

        def turn() -> None:
            self.clock.advance(seconds)
            self.engine.queue.tick()

        self.do(turn)

    def open(self, act: Act) -> None:
        """Let a page go on."""
        self.do(act.gate.set)

    def in_background(self, work: Callable[[], T]) -> "ThreadFuture[T]":
        """Do something that hangs, beside the test."""
        return self._requests.submit(work)

    def retrieving(self, job: Any) -> "ThreadFuture[Image]":
        """A RetrieveImage that hangs; returns when the device has it."""
        pending = self.in_background(lambda: self.client.retrieve_image(job.id, job.token))
        self.until(lambda: pending.done() or self.job(job.id).retrieving, "RetrieveImage")
        return pending

    def job(self, job_id: int) -> Any:
        return self.do(lambda: self.engine.queue.find(job_id))

    def record(self, job_id: int) -> JobRecord:
        return self.do(lambda: self.engine.record(job_id))

    def until(self, condition: Callable[[], object], what: str) -> None:
        wait_until(condition, SOON_S, what, every_s=0.002)

    def ended(self, job_id: int) -> tuple[str, tuple[str, ...]]:
        """Wait until a job has ended; its state and reasons as a client sees them."""
        self.until(lambda: self.record(job_id).status.state.final, f"end of job {job_id}")
        return self.state(job_id)

    def state(self, job_id: int) -> tuple[str, tuple[str, ...]]:
        """State and reasons by GetJobElements."""
        status = self.client.get_job_elements(job_id, "JobStatus")["JobStatus"]
        assert status is not None
        return job_state(status)

    def raw_retrieve(self, job: Any) -> Reply:
        return self.client.call("RetrieveImage", retrieve_image_body(job.id, job.token))


def job_state(element: Any) -> tuple[str, tuple[str, ...]]:
    names = {child.tag.rpartition("}")[2]: child for child in element}
    return names["JobState"].text, tuple(child.text for child in names["JobStateReasons"])


def token() -> str:
    return str(uuid.uuid4())


def with_settings(**changes: Any) -> Callable[[ScannerConfiguration], ScannerConfiguration]:
    """A configuration whose DeviceSettings differ."""
    return lambda found: replace(found, settings=replace(found.settings, **changes))
