"""The safe parser, and typed reading that names the element when it fails.

Elements are matched by namespace and local name, wherever they stand among their siblings;
text is joined over comments and CDATA, and trimmed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from lxml import etree

from device.errors import InvalidArgs, MalformedMessage
from device.soap.namespaces import canonical

MAX_ENVELOPE = 32_767
"""Octets of an envelope, either way (DPWS 2006/02 MAX_ENVELOPE_SIZE, which WSDAPI enforces)."""
MAX_DEPTH = 64

Element = etree._Element

_PARSER = etree.XMLParser(
    resolve_entities=False,
    load_dtd=False,
    no_network=True,
    remove_comments=True,
    remove_pis=False,
    huge_tree=False,
)
_DECLARATION = re.compile(rb"<\?xml\s")
_ODD = re.compile(
    rb"http(?:s://|://schemas\.microsoft\.com/windows/200(?:6/01|8/02)/wdp|://www\.w3\.org/2003/12/xop)"
)
"""How every spelling of a namespace begins that is not the one that we write."""


def parse(data: bytes, limit: int = MAX_ENVELOPE) -> Element:
    """Parse one document from a stranger.

    Namespaces come out in the spelling that we write (`namespaces.canonical`).

    Raises:
        MalformedMessage: too long, not well-formed, a document type, a processing instruction,
            or nested deeper than `MAX_DEPTH`.
    """
    if len(data) > limit:
        raise MalformedMessage(f"it is longer than {limit} octets")
    try:
        root = etree.fromstring(data, _PARSER)
    except etree.XMLSyntaxError as error:
        raise MalformedMessage(f"it is not well-formed XML (line {error.lineno})") from None
    except ValueError:
        raise MalformedMessage("it is not XML") from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise MalformedMessage("document type declarations are not allowed")
    # Most messages have too few tags to be deep, no instruction but the declaration, and no odd
    # spelling. Looking for the bytes tells that sooner than walking the tree; not in UTF-16.
    # `in` would look for a number first, and takes twice as long.
    wide = data.find(b"\x00") >= 0
    if wide or data.count(b"<") > 2 * MAX_DEPTH or _may_instruct(data):
        _check(root)
    if wide or _ODD.search(data):
        _canonicalise(root)
    return root


def _may_instruct(data: bytes) -> bool:
    """Whether there may be a processing instruction, other than the declaration."""
    if data.find(b"?") < 0:
        return False
    return data.find(b"<?", 2 if _DECLARATION.match(data) else 0) >= 0


def _check(root: Element) -> None:
    """Refuse processing instructions and too deep nesting, without recursion."""
    if root.getprevious() is not None or root.getnext() is not None:
        raise MalformedMessage("processing instructions are not allowed")
    depth = 1
    stack: list[Iterator[Element]] = [iter(root)]
    while stack:
        for child in stack[-1]:
            if not isinstance(child.tag, str):
                raise MalformedMessage("processing instructions are not allowed")
            if len(child):
                depth += 1
                if depth > MAX_DEPTH:
                    raise MalformedMessage(f"it is nested deeper than {MAX_DEPTH} levels")
                stack.append(iter(child))
                break
        else:
            stack.pop()
            depth -= 1


def _canonicalise(root: Element) -> None:
    for element in root.iter(etree.Element):
        name = etree.QName(element)
        if name.namespace and canonical(name.namespace) != name.namespace:
            element.tag = f"{{{canonical(name.namespace)}}}{name.localname}"
        for key in list(element.attrib):
            attribute = etree.QName(key)
            uri = attribute.namespace
            if uri and canonical(uri) != uri:
                value = element.attrib.pop(key)
                element.set(f"{{{canonical(uri)}}}{attribute.localname}", value)


def text(element: Element) -> str:
    """All text of `element`, joined and with white space collapsed."""
    value = (element.text or "") if not len(element) else "".join(element.itertext())
    return " ".join(value.split())


def raw_text(element: Element) -> str:
    """All text of `element`, joined and trimmed; white space inside stays, as names need it."""
    return "".join(element.itertext()).strip()


def find(parent: Element, namespace: str, local: str) -> Element | None:
    """The first child of that name, wherever it stands."""
    return next(parent.iterchildren(f"{{{namespace}}}{local}"), None)


def need(parent: Element, namespace: str, local: str) -> Element:
    """The first child of that name.

    Raises:
        InvalidArgs: there is none.
    """
    tag = f"{{{namespace}}}{local}"
    for child in parent:  # it is the first one as a rule, and then this is faster than `find`
        if child.tag == tag:
            return child
    raise InvalidArgs(local, f"is missing in {local_name(parent)}", namespace=namespace)


def children(parent: Element, namespace: str, local: str) -> list[Element]:
    """All children of that name, in order."""
    return list(parent.iterchildren(f"{{{namespace}}}{local}"))


def local_name(element: Element) -> str:
    """The name of `element` without its namespace."""
    return str(element.tag).rpartition("}")[2]


def namespace_of(element: Element) -> str:
    """The namespace of `element`, empty if it has none."""
    tag = str(element.tag)
    return tag[1:].partition("}")[0] if tag[0] == "{" else ""


def of_element(element: Element, why: str, value: str = "") -> InvalidArgs:
    """The error that `element` is wrong; `value` is its text, of which the beginning is told."""
    return InvalidArgs(local_name(element), why, value[:80], namespace=namespace_of(element))


def integer(element: Element) -> int:
    """The element's value as a whole number.

    Raises:
        InvalidArgs: it is none, or is so long that no schema type holds it.
    """
    value = text(element)
    if not re.fullmatch(r"[+-]?[0-9]{1,18}", value):
        raise of_element(element, "is not a whole number", value)
    return int(value)


_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


def boolean_text(value: str) -> bool | None:
    """One of the four spellings of a boolean, in any case of letters; None for anything else.

    PyWSD sends `True` and `False`.
    """
    return _BOOLEANS.get(value.strip().lower())


def boolean(element: Element) -> bool:
    """The element's value as a boolean.

    Raises:
        InvalidArgs: it is none.
    """
    value = boolean_text(text(element))
    if value is None:
        raise of_element(element, "is not a boolean", text(element))
    return value


def attribute(element: Element, namespace: str, local: str) -> str | None:
    """An attribute, qualified or not: peers write both."""
    value = element.get(f"{{{namespace}}}{local}")
    return element.get(local) if value is None else value


def qname(element: Element, default: str | None = None) -> tuple[str, str]:
    """The element's text as a QName: (namespace, local name).

    The prefix is resolved with the declarations in scope. A name without a prefix is in the
    default namespace; with none, in `default` if given. An undeclared prefix resolves to "".
    """
    return resolve_qname(text(element), element, default)


def resolve_qname(value: str, scope: Element, default: str | None = None) -> tuple[str, str]:
    """`value` as a QName with the declarations in scope at `scope`: (namespace, local name)."""
    prefix, colon, local = value.strip().partition(":")
    if not colon:
        uri = scope.nsmap.get(None)
        return (canonical(uri) if uri and default is None else (default or "")), prefix
    return canonical(scope.nsmap.get(prefix) or ""), local
