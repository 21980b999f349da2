"""The five operations ↔ XML, by both ends. Writing is exact and in order, reading is liberal.

Writers give the body's one element; it uses the prefixes in `PREFIXES`. Readers take that element
and raise InvalidArgs, naming the element, when something is missing or of the wrong type.

Source: ws-dsp sections 3.1, 4 and 6.1.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable
from dataclasses import dataclass

from device.dsp.process import (
    PostScanInstructions,
    check_children,
    only_child,
    read_instructions,
    short_text,
    write_instructions,
)
from device.dsp.words import DocumentDescription
from device.errors import InvalidArgs
from device.soap import multipart, xml
from device.soap.namespaces import DSP, PREFIX_OF, XOP
from device.soap.write import attribute, element, leaf
from device.soap.xml import Element

PREFIXES = ("dsp",)
CREATE, SEND_IMAGE, END, CANCEL, GET_ELEMENTS = (
    f"{DSP}/{name}"
    for name in (
        "CreatePostScanJob",
        "SendImage",
        "EndPostScanJob",
        "CancelPostScanJob",
        "GetPostScanJobElements",
    )
)
MAX_TOKEN = 255
_SID = re.compile(r"S-1-(?:0x[0-9A-Fa-f]{1,12}|[0-9]{1,15})(?:-[0-9]{1,10}){0,15}", re.IGNORECASE)
_FORMAT = re.compile(r"[A-Za-z][\w.+-]*(?:[/:][\w.+-]+)?")

QName = tuple[str, str]
"""Namespace and local name."""


@dataclass(frozen=True, slots=True)
class CreatePostScanJobRequest:
    """Open a post-scan job. `user_identifier` is a SID."""

    user_identifier: str
    psp_identifier: str
    instructions: PostScanInstructions


@dataclass(frozen=True, slots=True)
class SendImageRequest:
    """One document: its bytes are `data`, or the MIME part that `content_id` names."""

    job_token: str
    document: DocumentDescription
    content_id: str = ""
    data: bytes | None = None


@dataclass(frozen=True, slots=True)
class GetPostScanJobElementsRequest:
    """Ask for parts of what the server knows of a post-scan job."""

    job_token: str
    names: tuple[QName, ...]


def is_sid(value: str) -> bool:
    """Whether `value` has the text form of a security identifier."""
    return _SID.fullmatch(value) is not None


def write_create(request: CreatePostScanJobRequest) -> str:
    """CreatePostScanJobRequest; also uses the prefix psp."""
    return element(
        "dsp:CreatePostScanJobRequest",
        leaf("dsp:UserIdentifier", request.user_identifier),
        leaf("dsp:PSP_Identifier", request.psp_identifier),
        element("dsp:PostScanInstructions", write_instructions(request.instructions)),
    )


def read_create(body: Element) -> CreatePostScanJobRequest:
    """Read a CreatePostScanJobRequest."""
    check_children(body, DSP, ("UserIdentifier", "PSP_Identifier", "PostScanInstructions"))
    user = xml.text(only_child(body, DSP, "UserIdentifier"))
    if not is_sid(user):
        raise InvalidArgs("UserIdentifier", "is not a SID, such as S-1-5-21-1-2-3-1000", user[:80])
    psp = xml.text(only_child(body, DSP, "PSP_Identifier"))
    if not 1 <= len(psp) <= MAX_TOKEN:
        raise InvalidArgs("PSP_Identifier", "must have 1 to 255 characters", psp[:80])
    instructions = read_instructions(only_child(body, DSP, "PostScanInstructions"))
    return CreatePostScanJobRequest(user, psp, instructions)


def write_created(job_token: str) -> str:
    """CreatePostScanJobResponse."""
    return element("dsp:CreatePostScanJobResponse", leaf("dsp:JobToken", job_token))


def read_token(body: Element, service: str = DSP) -> str:
    """The JobToken of any request or response of a service that has one."""
    token = xml.text(only_child(body, service, "JobToken"))
    if not 1 <= len(token) <= MAX_TOKEN:
        raise InvalidArgs("JobToken", "must have 1 to 255 characters", token[:80])
    return token


def read_lone_token(body: Element, service: str = DSP) -> str:
    """The JobToken of an EndPostScanJobRequest or CancelPostScanJobRequest."""
    check_children(body, service, ("JobToken",))
    return read_token(body, service)


def write_send_image(request: SendImageRequest) -> str:
    """SendImageRequest with an xop:Include; also uses the prefix xop."""
    include = element("xop:Include", attributes=attribute("href", f"cid:{request.content_id}"))
    return element(
        "dsp:SendImageRequest",
        leaf("dsp:JobToken", request.job_token),
        write_document(request.document),
        element("dsp:ImageData", include),
    )


def read_send_image(body: Element) -> SendImageRequest:
    """Read a SendImageRequest; inline base64 is taken as well as an xop:Include."""
    check_children(body, DSP, ("JobToken", "DocumentDescription", "ImageData"))
    token = read_token(body)
    document = read_document(only_child(body, DSP, "DocumentDescription"))
    image = only_child(body, DSP, "ImageData")
    includes = xml.children(image, XOP, "Include")
    if len(includes) > 1:
        raise InvalidArgs("ImageData", f"holds {len(includes)} xop:Include where one is allowed")
    inline = "".join(image.itertext()).split()
    if includes:
        content_id = multipart.cid(includes[0].get("href", ""))
        if not content_id or inline:
            raise InvalidArgs("ImageData", "must hold one xop:Include with a cid: reference")
        return SendImageRequest(token, document, content_id=content_id)
    try:
        data = base64.b64decode("".join(inline), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidArgs("ImageData", "is neither xop:Include nor base64") from None
    if not data:
        raise InvalidArgs("ImageData", "is empty")
    return SendImageRequest(token, document, data=data)


def write_document(document: DocumentDescription, prefix: str = "dsp") -> str:
    """A DocumentDescription."""
    return element(
        f"{prefix}:DocumentDescription",
        leaf(f"{prefix}:DocumentId", document.document_id),
        leaf(f"{prefix}:Format", document.format),
    )


def read_document(description: Element) -> DocumentDescription:
    """Read a DocumentDescription."""
    document_id = xml.integer(only_child(description, DSP, "DocumentId"))
    if not 1 <= document_id < 2**31:
        raise InvalidArgs("DocumentId", "must be 1 or more", str(document_id))
    name = xml.text(only_child(description, DSP, "Format"))
    if len(name) > MAX_TOKEN or not _FORMAT.fullmatch(name):
        raise InvalidArgs("Format", "is no format keyword", name[:80])
    return DocumentDescription(document_id, name)


def write_end(job_token: str) -> str:
    """EndPostScanJobRequest."""
    return element("dsp:EndPostScanJobRequest", leaf("dsp:JobToken", job_token))


def write_cancel(job_token: str) -> str:
    """CancelPostScanJobRequest."""
    return element("dsp:CancelPostScanJobRequest", leaf("dsp:JobToken", job_token))


def write_empty(operation: str) -> str:
    """The empty response of SendImage, EndPostScanJob and CancelPostScanJob, by their action."""
    service, _, name = operation.rpartition("/")
    return element(f"{PREFIX_OF[service]}:{name}Response")


def write_get_elements(job_token: str, names: Iterable[str]) -> str:
    """GetPostScanJobElementsRequest for names of dsp."""
    wanted = [leaf("dsp:Name", f"dsp:{name}") for name in names]
    return element(
        "dsp:GetPostScanJobElementsRequest",
        leaf("dsp:JobToken", job_token),
        element("dsp:RequestedElements", *wanted),
    )


def read_get_elements(body: Element, service: str = DSP) -> GetPostScanJobElementsRequest:
    """Read a GetPostScanJobElementsRequest."""
    check_children(body, service, ("JobToken", "RequestedElements"))
    return GetPostScanJobElementsRequest(read_token(body, service), read_requested(body, service))


def read_requested(body: Element, service: str) -> tuple[QName, ...]:
    """The names in RequestedElements. One without a namespace is taken as the service's."""
    requested = only_child(body, service, "RequestedElements")
    names = []
    for name in xml.children(requested, service, "Name"):
        value = xml.text(name)
        if not re.fullmatch(r"(?:[^\W\d][\w.-]*:)?[^\W\d][\w.-]*", value):
            raise InvalidArgs("Name", "is not a QName", value[:80])
        names.append(xml.qname(name, None if ":" in value or name.nsmap.get(None) else service))
    if not names:
        raise InvalidArgs("RequestedElements", "needs at least one Name")
    return tuple(names)


def read_short(parent: Element, local: str) -> str:
    """A text of 1 to 255 characters in a dsp child."""
    return short_text(only_child(parent, DSP, local))
