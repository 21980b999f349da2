"""Validates what the device answers against the schema in tests/schema."""

from functools import cache
from pathlib import Path

from clients.wsscan import SCAN, SOAP, WSE, Reply
from lxml import etree

FOLDER = Path(__file__).parents[1] / "schema"
MAX_ENVELOPE = 32_767


@cache
def schema() -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(str(FOLDER / "soap.xsd")))


def check(reply: Reply) -> None:
    """Raise unless answers of scanning and eventing, and faults, are valid: `Client(check=...)`."""
    if reply.body is None or reply.body.tag.rpartition("}")[0][1:] not in {SCAN, SOAP, WSE}:
        return
    if len(reply.soap) > MAX_ENVELOPE:
        raise AssertionError(f"an envelope of {len(reply.soap)} octets")
    check_document(reply.soap)


def check_document(document: bytes) -> None:
    try:
        schema().assertValid(etree.fromstring(document))
    except etree.DocumentInvalid as error:
        raise AssertionError(f"{error}\n{document.decode()}") from None
