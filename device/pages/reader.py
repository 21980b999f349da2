"""A thread that takes bands from the source while others are encoded.

The source need not wait for the encoder, nor the encoder for the source: reading from a scanner
lets other threads run, and so does compressing.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator

BANDS_AHEAD = 4
BYTES_AHEAD = 2 << 20
"""Of large bands there are fewer."""


class BandReader:
    """Reads the bands of one page at a time.

    The thread lives as long as the worker: some drivers' behaviour depends on how many there are.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()  # guards all that follows
        self._source: Iterator[bytes] | None = None
        self._stopping = False
        self._bands: deque[bytes] = deque()
        self._error: BaseException | None = None
        threading.Thread(target=self._run, name="reader", daemon=True).start()

    def read(self, bands: Iterator[bytes]) -> Iterator[bytes]:
        """The same bands, read ahead. What they raise is raised behind the last good one."""
        with self._changed:
            assert self._source is None, "one page at a time"
            self._stopping, self._error = False, None
            self._source = bands
            self._changed.notify_all()
        while (band := self._take()) is not None:
            yield band

    def stop(self) -> None:
        """Read no more of the page. Returns when the source is left alone."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._source is None)
            self._bands.clear()

    def _take(self) -> bytes | None:
        with self._changed:
            self._changed.wait_for(lambda: self._bands or self._source is None)
            if self._bands:
                band = self._bands.popleft()
                self._changed.notify_all()
                return band
            error, self._error = self._error, None
        if error is not None:
            raise error
        return None

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._source is not None)
                source = self._source
            assert source is not None
            error: BaseException | None = None
            try:
                length = 0
                while self._wanted(length) and (band := next(source, None)) is not None:
                    length = len(band)
                    self._add(band)
                    del band  # while the next one is read
            except BaseException as caught:  # noqa: BLE001 - raised again where it is waited for
                error = caught
            del source
            with self._changed:
                self._error, self._source = error, None
                error = None
                self._changed.notify_all()

    def _wanted(self, length: int) -> bool:
        """Wait until there is room for a band of about `length` bytes; False if nobody wants it."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopping or self._has_room(length))
            return not self._stopping

    def _add(self, band: bytes) -> None:
        with self._changed:
            self._bands.append(band)
            self._changed.notify_all()

    def _has_room(self, length: int) -> bool:
        if len(self._bands) >= BANDS_AHEAD:
            return False
        return not self._bands or sum(map(len, self._bands)) + length <= BYTES_AHEAD
