"""Requests in the shape of each known client, and exactly what they are answered."""

import itertools
import os
from pathlib import Path
from xml.etree import ElementTree

import pytest
from clients.wsscan import SCAN
from lxml import etree
from support.schema import check_document

VECTORS = Path(__file__).parents[1] / "vectors"
CLIENTS = sorted(folder.name for folder in VECTORS.iterdir() if folder.is_dir())
WRITE = "WSD_SCANNER_WRITE_VECTORS" in os.environ
conformance = pytest.mark.conformance


def canonical(document):
    return ElementTree.canonicalize(document, strip_text=True)


def laid_out(document):
    tree = etree.fromstring(document, etree.XMLParser(remove_blank_text=True))
    etree.indent(tree)
    return etree.tostring(tree, encoding="unicode") + "\n"


@pytest.fixture
def answering(make_device):
    """A device whose every answer is foreseeable."""
    numbers = itertools.count(1)
    return make_device(
        sheets=2, message_id=lambda: f"urn:uuid:ffffffff-0000-4000-8000-{next(numbers):012}"
    )


@conformance("WL-07", "WL-12", "WL-13", "WL-14", "WL-17", "WL-18")
@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_is_answered_as_before(answering, client):
    requests = sorted(
        path for path in (VECTORS / client).glob("*.xml") if ".reply" not in path.name
    )
    assert requests
    for path in requests:
        reply = answering.client.post(path.read_bytes())
        if reply.parts:
            job = next(etree.fromstring(path.read_bytes()).iter("{*}JobId"))
            answering.until(
                lambda number=int(job.text): not answering.job(number).retrieving, "the end"
            )
        golden = path.with_suffix(".reply.xml")
        if WRITE:
            golden.write_text(laid_out(reply.soap), encoding="utf-8")
        assert canonical(reply.soap.decode()) == canonical(golden.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", sorted(VECTORS.glob("*/*.reply.xml")), ids=lambda p: p.stem)
def test_a_golden_reply_is_valid(path):
    tree = etree.parse(path, etree.XMLParser(remove_blank_text=True))
    check_document(etree.tostring(tree))
    assert SCAN in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("client", CLIENTS)
def test_a_request_tells_its_origin(client):
    for path in (VECTORS / client).glob("*.xml"):
        if ".reply" not in path.name:
            notes = [n.text for n in etree.parse(path).xpath("//comment()|/comment()")]
            assert any("after" in note for note in notes), path
