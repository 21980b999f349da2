"""Everything that can go wrong, by name.

    DeviceError
    ├── ConfigError                          never leaves the machine: exit code 2
    ├── DeliveryError                        pages that a scan server did not take: exit code 3
    ├── OperatorError                        told to whoever stands at the panel, never to a peer
    │   ├── LogonRefused, TooManyAttempts, NotLoggedOn
    │   ├── DirectoryUnavailable
    │   ├── NoSuchProcess, ProcessUnusable, ChangeNotAllowed
    │   └── NoSuchDelivery, NotNow
    ├── RequestError                         the peer's doing (soap:Sender)
    │   ├── MalformedMessage                 not a SOAP 1.2 envelope at all
    │   ├── VersionMismatch, MustUnderstand  SOAP's own
    │   ├── ActionNotSupported, DestinationUnreachable,
    │   │   HeaderRequired, InvalidHeader    WS-Addressing
    │   ├── MatchingRuleNotSupported         WS-Discovery, over HTTP only
    │   ├── InvalidArgs                      the service's argument fault
    │   ├── FormatNotSupported, ConflictingRequiredParameters, InvalidScanIdentifier,
    │   │   InvalidDestinationToken, NoImagesAvailable, JobIdNotFound, InvalidJobToken,
    │   │   JobCancelled                     WS-Scan
    │   ├── DeliveryModeUnavailable, FilterDialectUnavailable, InvalidExpirationTime
    │   │                                    WS-Eventing
    │   ├── FilterActionNotSupported         Devices Profile
    │   ├── JobTokenNotFound                 WS-DSP and WS-DSC
    │   └── NotScanAdmin                     WS-DSC
    └── ServiceError                         our doing (soap:Receiver)
        ├── OperationFailed, TemporaryError, InternalError
        ├── NotAcceptingJobs                 WS-Scan
        ├── UnableToProcess, UnableToRenew   WS-Eventing
        ├── PostScanJobCanceled              WS-DSP and WS-DSC
        └── EndpointUnavailable              WS-Addressing

An error carries values and builds its own sentence. Codes and
subcodes are in `faults`, nowhere else.
"""

from __future__ import annotations

from collections.abc import Sequence


class DeviceError(Exception):
    """Base of all. `str()` is one sentence."""


class ConfigError(DeviceError):
    """A flag, a file or a setting is wrong; the sentence says what would have been right."""


class DeliveryError(DeviceError):
    """A scan server did not take every page; the sentence says which."""


class OperatorError(DeviceError):
    """Somebody at the panel asks for what cannot be, or not now."""


class LogonRefused(OperatorError):
    """The directory, or the list of badges, does not take this user."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(f"The logon was refused: {why}.")


class TooManyAttempts(OperatorError):
    """Too many logons have failed; none is tried for `seconds`."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(f"Too many logons have failed; try again in {round(seconds)} seconds.")


class NotLoggedOn(OperatorError):
    """Nobody is logged on, or not any more."""

    def __init__(self) -> None:
        super().__init__("Nobody is logged on here, or not any more; log on first.")


class DirectoryUnavailable(OperatorError):
    """The directory cannot be asked."""

    def __init__(self, server: str, why: str) -> None:
        self.server = server
        self.why = why
        super().__init__(f"The directory {server} is not available: {why}.")


class NoSuchProcess(OperatorError):
    """No scan process with this identifier is there for this user."""

    def __init__(self, identifier: str) -> None:
        self.identifier = identifier
        super().__init__(f"There is no scan process {identifier} for this user.")


class ProcessUnusable(OperatorError):
    """A scan process is not what it should be, or asks for what this device cannot do."""

    def __init__(self, name: str, why: str) -> None:
        self.name = name
        super().__init__(f"The scan process {name!r} cannot be used: {why.rstrip('.')}.")


class ChangeNotAllowed(OperatorError):
    """The scan process does not let its user change this."""

    def __init__(self, what: str, why: str) -> None:
        self.what = what
        super().__init__(f"{what} must stay as it is: {why}.")


class NoSuchDelivery(OperatorError):
    """No delivery to a scan server has this number."""

    def __init__(self) -> None:
        super().__init__("There is no such delivery.")


class NotNow(OperatorError):
    """The state of a delivery rules this out."""


class RequestError(DeviceError):
    """The peer asked for something that cannot be: the same request will fail again."""


class ServiceError(DeviceError):
    """We cannot do it, or not now."""


class MalformedMessage(RequestError):
    """The bytes are no SOAP 1.2 envelope."""

    def __init__(self, why: str) -> None:
        super().__init__(f"The message cannot be read: {why}.")


class VersionMismatch(RequestError):
    """An envelope of another SOAP version."""

    def __init__(self) -> None:
        super().__init__("Only SOAP 1.2 envelopes are understood here.")


class MustUnderstand(RequestError):
    """A header that must be understood is not."""

    def __init__(self, namespace: str, local: str) -> None:
        self.namespace = namespace
        self.local = local
        super().__init__(f"The header {local} must be understood and is not.")


class ActionNotSupported(RequestError):
    """No operation here has this action."""

    def __init__(self, action: str) -> None:
        self.action = action
        super().__init__("The [wsa:Action] cannot be processed at the receiver.")


class DestinationUnreachable(RequestError):
    """`To` names nobody here, or events may not go to an address."""

    def __init__(
        self, to: str, why: str = "Nobody here has the address that [wsa:To] names."
    ) -> None:
        self.to = to
        super().__init__(why)


class HeaderRequired(RequestError):
    """A WS-Addressing header that every request needs is missing."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"The header [wsa:{name}] is required.")


class InvalidHeader(RequestError):
    """A WS-Addressing header is there, but cannot be accepted."""

    def __init__(self, name: str, value: str, why: str) -> None:
        self.name = name
        self.value = value
        super().__init__(f"The header [wsa:{name}] cannot be accepted: {why}.")


class MatchingRuleNotSupported(RequestError):
    """A directed Probe names a scope matching rule that we do not have."""

    def __init__(self, rule: str, supported: Sequence[str]) -> None:
        self.rule = rule
        self.supported = tuple(supported)
        super().__init__("The matching rule of the Probe is not supported.")


class InvalidArgs(RequestError):
    """An argument is missing, superfluous, unknown, or of the wrong type.

    `argument` is the element's local name, `value` its offending text. `namespace` is the
    element's; empty for the service's own.
    """

    def __init__(self, argument: str, why: str, value: str = "", *, namespace: str = "") -> None:
        self.argument = argument
        self.value = value
        self.namespace = namespace
        super().__init__(f"{argument}: {why}.")


class FormatNotSupported(RequestError):
    """No source here can deliver this file format."""

    def __init__(self, asked: str, supported: Sequence[str]) -> None:
        self.asked = asked
        self.supported = tuple(supported)
        super().__init__(f"The format {asked!r} is not supported.")


class ConflictingRequiredParameters(RequestError):
    """Two or more settings that must all be honored exclude each other."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self.arguments = tuple(arguments)
        super().__init__(f"These settings exclude each other: {', '.join(arguments)}.")


class InvalidScanIdentifier(RequestError):
    """The scan identifier is not, or no longer, valid."""

    def __init__(self) -> None:
        super().__init__("The scan identifier is not valid.")


class InvalidDestinationToken(RequestError):
    """The destination token belongs to no destination of this device."""

    def __init__(self) -> None:
        super().__init__("The destination token is not valid.")


class NoImagesAvailable(RequestError):
    """There is nothing (more) to scan for this job."""

    def __init__(self) -> None:
        super().__init__("No image is available.")


class JobIdNotFound(RequestError):
    """No such job."""

    def __init__(self, job_id: int | str) -> None:
        self.job_id = job_id
        super().__init__("There is no job with this identifier.")


class InvalidJobToken(RequestError):
    """The token does not belong to that job."""

    def __init__(self) -> None:
        super().__init__("The token does not belong to this job.")


class JobCancelled(RequestError):
    """The job was cancelled. (Two l here; the job's state is `Canceled`.)"""

    def __init__(self) -> None:
        super().__init__("The job was cancelled.")


class DeliveryModeUnavailable(RequestError):
    """Events are wanted in a way that we do not deliver."""

    def __init__(self, mode: str, supported: str) -> None:
        self.mode = mode
        self.supported = supported
        super().__init__("Events can be delivered in Push mode only.")


class FilterDialectUnavailable(RequestError):
    """A filter in a language that is not spoken here."""

    def __init__(self, dialect: str, supported: str) -> None:
        self.dialect = dialect
        self.supported = supported
        super().__init__("The requested filter dialect is not supported.")


class FilterActionNotSupported(RequestError):
    """A filter that no event of ours ever passes."""

    def __init__(self) -> None:
        super().__init__("No action in the filter is offered here.")


class InvalidExpirationTime(RequestError):
    """A subscription that would be over at once, or until no time at all."""

    def __init__(self, value: str) -> None:
        self.value = value
        super().__init__("The expiration time is zero, past, or not a time.")


class JobTokenNotFound(RequestError):
    """No post-scan job has this token."""

    def __init__(self, token: str) -> None:
        self.token = token
        super().__init__("There is no post-scan job with this token.")


class NotScanAdmin(RequestError):
    """Only those who administer the scan server may ask this."""

    def __init__(self) -> None:
        super().__init__("Caller may not administer.")


class OperationFailed(ServiceError):
    """The present state rules the operation out."""

    def __init__(self, why: str = "The service cannot perform the requested operation.") -> None:
        super().__init__(why)


class TemporaryError(ServiceError):
    """Passing trouble: the unchanged request may be repeated."""

    def __init__(self, why: str = "The service had an unexpected error.") -> None:
        super().__init__(why)


class InternalError(ServiceError):
    """Lasting trouble; what it was is in the log, and gives nothing away on the wire."""

    def __init__(self) -> None:
        super().__init__("The service had an unexpected error.")


class NotAcceptingJobs(ServiceError):
    """No further job is taken now; the same request may succeed later."""

    def __init__(self) -> None:
        super().__init__("The scanner does not accept jobs now.")


class UnableToProcess(ServiceError):
    """No further subscription can be kept."""

    def __init__(self, why: str = "No room is left for another subscription.") -> None:
        super().__init__(why)


class UnableToRenew(ServiceError):
    """There is no such subscription, or it has lapsed."""

    def __init__(self) -> None:
        super().__init__("There is no such subscription, or it has lapsed.")


class PostScanJobCanceled(ServiceError):
    """The post-scan job was cancelled."""

    def __init__(self) -> None:
        super().__init__("Job was cancelled.")


class EndpointUnavailable(ServiceError):
    """We are shutting down."""

    def __init__(self) -> None:
        super().__init__("The service is shutting down.")
