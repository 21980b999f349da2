"""JobStatus, JobDescription and Documents ↔ XML: what GetPostScanJobElements answers.

Source: ws-dsp sections 4.6, 4.7 and 6.1.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from device.dsp.messages import QName, read_document, read_token, write_document
from device.dsp.words import (
    MISSPELT,
    DocumentDescription,
    FilterStatus,
    JobDescription,
    JobStatus,
)
from device.errors import InvalidArgs
from device.soap import xml
from device.soap.datatypes import format_datetime, parse_datetime
from device.soap.namespaces import DSP, PREFIX_OF
from device.soap.write import attribute, element, leaf
from device.soap.xml import Element

JOB_STATUS: QName = (DSP, "JobStatus")
JOB_DESCRIPTION: QName = (DSP, "JobDescription")
DOCUMENTS: QName = (DSP, "Documents")


@dataclass(frozen=True, slots=True)
class JobElements:
    """What an answer held; None for what was not asked, not known, or not readable."""

    status: JobStatus | None = None
    description: JobDescription | None = None
    documents: tuple[DocumentDescription, ...] | None = None


def write_status(status: JobStatus, prefix: str = "dsp") -> str:
    """A JobStatus. Times without a zone never occur: UTC with Z (section 4.7).

    `prefix` is that of the service: WS-DSC has the same structures in its own namespace.
    """
    return element(
        f"{prefix}:JobStatus",
        leaf(f"{prefix}:JobToken", status.job_token),
        leaf(f"{prefix}:JobState", status.state),
        write_reasons(prefix, "JobStateReasons", "JobStateReason", status.reasons),
        write_filters(status.filters, prefix, "FilterStatuses"),
        leaf(f"{prefix}:ImagesReceived", status.images_received),
        write_time(f"{prefix}:JobCreatedTime", status.created),
        write_time(f"{prefix}:JobCompletedTime", status.completed),
    )


def write_filters(filters: Iterable[FilterStatus], prefix: str, holder: str) -> str:
    """The statuses of a job's filters, in the element that `holder` names."""
    entries = (
        element(
            f"{prefix}:FilterStatus",
            leaf(f"{prefix}:Dialect", one.dialect),
            leaf(f"{prefix}:FilterState", one.state),
            write_reasons(prefix, "FilterStateReasons", "FilterStateReason", one.reasons),
        )
        for one in filters
    )
    return element(f"{prefix}:{holder}", *entries)


def write_reasons(prefix: str, holder: str, name: str, reasons: Iterable[str]) -> str:
    """A list of reasons; nothing where there are none."""
    entries = [leaf(f"{prefix}:{name}", str(reason)) for reason in reasons]
    return element(f"{prefix}:{holder}", *entries) if entries else ""


def write_time(name: str, moment: datetime | None) -> str:
    """A time; nothing for None."""
    return "" if moment is None else leaf(name, format_datetime(moment))


def write_description(description: JobDescription, prefix: str = "dsp") -> str:
    """A JobDescription."""
    return element(f"{prefix}:JobDescription", write_whose(description, prefix))


def write_whose(description: JobDescription, prefix: str) -> str:
    """What a JobDescription holds, which other structures hold, too."""
    return (
        leaf(f"{prefix}:PSP_Identifier", description.psp_identifier)
        + leaf(f"{prefix}:PSP_DisplayName", description.psp_display_name)
        + leaf(f"{prefix}:JobOriginatingUserName", description.originating_user_name)
    )


def write_documents(documents: Iterable[DocumentDescription], prefix: str = "dsp") -> str:
    """A Documents element."""
    entries = (element(f"{prefix}:Document", write_document(one, prefix)) for one in documents)
    return element(f"{prefix}:Documents", *entries)


def write_elements(found: Iterable[tuple[QName, str | None]], prefix: str = "dsp") -> str:
    """GetPostScanJobElementsResponse: for each name asked, its XML, or None when it is unknown."""
    data = write_data(found, prefix)
    return element(
        f"{prefix}:GetPostScanJobElementsResponse", element(f"{prefix}:JobElements", data)
    )


def write_data(found: Iterable[tuple[QName, str | None]], prefix: str) -> str:
    """An ElementData for each name asked, in the same order."""
    return "".join(
        element(
            f"{prefix}:ElementData",
            content or "",
            attributes=_name(name, prefix)
            + attribute(f"{prefix}:Valid", "true" if content else "false"),
        )
        for name, content in found
    )


def _name(name: QName, service: str) -> str:
    """The Name attribute; a foreign namespace is declared beside it."""
    namespace, local = name
    if not namespace:
        return attribute(f"{service}:Name", local)
    prefix = PREFIX_OF.get(namespace, "asked")
    declared = "" if prefix == service else attribute(f"xmlns:{prefix}", namespace)
    return declared + attribute(f"{service}:Name", f"{prefix}:{local}")


def read_elements(body: Element) -> JobElements:
    """Read a GetPostScanJobElementsResponse: whatever of the three it holds, in any order.

    Raises:
        InvalidArgs: one of the three cannot be understood.
    """
    holder = xml.need(body, DSP, "JobElements")
    status: JobStatus | None = None
    description: JobDescription | None = None
    documents: tuple[DocumentDescription, ...] | None = None
    for data in xml.children(holder, DSP, "ElementData"):
        for content in data:
            match (xml.namespace_of(content), xml.local_name(content)):
                case (namespace, "JobStatus") if namespace == DSP:
                    status = read_status(content)
                case (namespace, "JobDescription") if namespace == DSP:
                    description = read_description(content)
                case (namespace, "Documents") if namespace == DSP:
                    documents = _read_documents(content)
    return JobElements(status, description, documents)


def read_status(element_: Element) -> JobStatus:
    """Read a JobStatus."""
    filters = xml.find(element_, DSP, "FilterStatuses")
    entries = () if filters is None else xml.children(filters, DSP, "FilterStatus")
    images = xml.find(element_, DSP, "ImagesReceived")
    return JobStatus(
        job_token=read_token(element_),
        state=xml.text(xml.need(element_, DSP, "JobState")),
        reasons=_read_reasons(element_, "JobStateReasons", "JobStateReason"),
        filters=tuple(_read_filter(entry) for entry in entries),
        images_received=0 if images is None else xml.integer(images),
        created=_read_time(element_, "JobCreatedTime"),
        completed=_read_time(element_, "JobCompletedTime"),
    )


def read_end_state(element_: Element) -> JobStatus:
    """Read a PostScanJobEndState: the same under other names."""
    filters = xml.find(element_, DSP, "FilterCompletedStatuses")
    entries = () if filters is None else xml.children(filters, DSP, "FilterStatus")
    images = xml.find(element_, DSP, "ImagesReceived")
    return JobStatus(
        job_token=read_token(element_),
        state=xml.text(xml.need(element_, DSP, "JobCompletedState")),
        reasons=_read_reasons(element_, "JobCompletedStateReasons", "JobStateReason"),
        filters=tuple(_read_filter(entry) for entry in entries),
        images_received=0 if images is None else xml.integer(images),
        completed=_read_time(element_, "JobCompletedTime"),
    )


def _read_filter(entry: Element) -> FilterStatus:
    return FilterStatus(
        dialect=xml.text(xml.need(entry, DSP, "Dialect")),
        state=xml.text(xml.need(entry, DSP, "FilterState")),
        reasons=_read_reasons(entry, "FilterStateReasons", "FilterStateReason"),
    )


def _read_reasons(parent: Element, holder: str, name: str) -> tuple[str, ...]:
    found = xml.find(parent, DSP, holder)
    if found is None:
        return ()
    words = (xml.text(entry) for entry in xml.children(found, DSP, name))
    return tuple(str(MISSPELT.get(word, word)) for word in words if word)


def _read_time(parent: Element, local: str) -> datetime | None:
    found = xml.find(parent, DSP, local)
    if found is None:
        return None
    try:
        return parse_datetime(xml.text(found))
    except ValueError:
        raise InvalidArgs(local, "is no dateTime", xml.text(found)[:80]) from None


def read_description(element_: Element) -> JobDescription:
    """Read a JobDescription; an empty or missing text is empty."""

    def value(local: str) -> str:
        found = xml.find(element_, DSP, local)
        return "" if found is None else xml.raw_text(found)

    return JobDescription(
        psp_identifier=value("PSP_Identifier"),
        psp_display_name=value("PSP_DisplayName"),
        originating_user_name=value("JobOriginatingUserName"),
    )


def _read_documents(holder: Element) -> tuple[DocumentDescription, ...]:
    return tuple(
        read_document(xml.need(entry, DSP, "DocumentDescription"))
        for entry in xml.children(holder, DSP, "Document")
    )
