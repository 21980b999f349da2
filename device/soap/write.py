"""Writing XML as text: every element carries a house prefix, declared on the envelope.

Answers are built from strings, not from trees: a tree costs twenty times more per answer, and
gives no say over prefixes (performance.md, section 1).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from device.soap.namespaces import PREFIXES

_PLAIN = re.compile(r"[ !#-%'-;=?-~]*")
"""Text that stands in XML as it is, in elements and in attributes: nearly all of it."""
_TEXT = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_VALUE = _TEXT | str.maketrans({'"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"})
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def clean(value: str) -> str:
    """`value` with the characters that XML cannot hold replaced by U+FFFD."""
    return _NOT_XML.sub("�", value)


def element(name: str, *content: str, attributes: str = "") -> str:
    """An element around `content`, which is XML already. `name` carries its prefix."""
    inside = "".join(content)
    return f"<{name}{attributes}>{inside}</{name}>" if inside else f"<{name}{attributes}/>"


def leaf(name: str, value: object, attributes: str = "") -> str:
    """An element holding one simple value, escaped. Booleans become `true` and `false`."""
    if value is True or value is False:
        return f"<{name}{attributes}>{'true' if value else 'false'}</{name}>"
    if isinstance(value, int):
        return f"<{name}{attributes}>{value}</{name}>"
    text = str(value)
    if not _PLAIN.fullmatch(text):
        text = clean(text).translate(_TEXT)
    return f"<{name}{attributes}>{text}</{name}>"


def optional(name: str, value: object | None, attributes: str = "") -> str:
    """A leaf, or nothing for None."""
    return "" if value is None else leaf(name, value, attributes)


def attribute(name: str, value: str) -> str:
    """One attribute with its leading blank, escaped."""
    if not _PLAIN.fullmatch(value):
        value = clean(value).translate(_VALUE)
    return f' {name}="{value}"'


def declarations(prefixes: Iterable[str]) -> str:
    """Namespace declarations of house prefixes, each with its leading blank."""
    return "".join(f' xmlns:{prefix}="{PREFIXES[prefix]}"' for prefix in prefixes)
