"""What a source can answer instead of a page: one class per SANE status that can reach us.

    BackendError
    ├── NoDocs            SANE_STATUS_NO_DOCS        the feeder is empty
    ├── Jammed            SANE_STATUS_JAMMED
    ├── CoverOpen         SANE_STATUS_COVER_OPEN
    ├── DeviceBusy        SANE_STATUS_DEVICE_BUSY    somebody else holds the scanner
    │   └── WarmingUp     SANE_STATUS_WARMING_UP     the same call succeeds in a while
    ├── AccessDenied      SANE_STATUS_ACCESS_DENIED
    ├── Inval             SANE_STATUS_INVAL          a request the source cannot meet
    ├── NoMem             SANE_STATUS_NO_MEM         also: an image too large to decode
    ├── IoError           SANE_STATUS_IO_ERROR       also: the source went away
    ├── Cancelled         SANE_STATUS_CANCELLED      the caller asked for it
    └── SourceError       the source cannot be opened at all: a wrong path, an unknown name

Most are no faults: a jam stops the scanner, it does not break the request.
"""


class BackendError(Exception):
    """Base of all. `str()` is one sentence for a person."""


class NoDocs(BackendError):
    """The feeder holds no further sheet."""


class Jammed(BackendError):
    """A sheet is stuck in the feeder."""


class CoverOpen(BackendError):
    """A cover is open."""


class DeviceBusy(BackendError):
    """Another program holds the scanner."""


class WarmingUp(DeviceBusy):
    """The lamp of the scanner is not warm yet."""


class AccessDenied(BackendError):
    """The operating system refuses access to the scanner."""


class Inval(BackendError):
    """The request is one that this source cannot meet."""


class NoMem(BackendError):
    """The page is too large to be handled."""


class IoError(BackendError):
    """The transfer from the source broke."""


class Cancelled(BackendError):
    """The caller cancelled the page."""


class SourceError(BackendError):
    """The source cannot be opened: the sentence says what would have been right."""


BY_NAME: dict[str, type[BackendError]] = {
    cls.__name__: cls
    for cls in (
        NoDocs,
        Jammed,
        CoverOpen,
        DeviceBusy,
        WarmingUp,
        AccessDenied,
        Inval,
        NoMem,
        IoError,
        Cancelled,
        SourceError,
        BackendError,
    )
}
"""Class name → class: how an error crosses the pipe from the worker process."""
