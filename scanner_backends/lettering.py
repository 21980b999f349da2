"""Capital letters and digits of 5 × 7 dots, for the chart.

Our own, because a font that comes with a library changes with its version, and the chart's pixels
must not.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

WIDTH_DOTS = 5
HEIGHT_DOTS = 7
PITCH_DOTS = 6

_ROWS = {  # seven rows from the top, each two hexadecimal digits of which five bits count
    "A": "0E11111F111111",
    "B": "1E11111E11111E",
    "C": "0E11101010110E",
    "D": "1E11111111111E",
    "E": "1F10101E10101F",
    "F": "1F10101E101010",
    "G": "0E11101711110F",
    "H": "1111111F111111",
    "I": "0E04040404040E",
    "J": "0702020202120C",
    "K": "11121418141211",
    "L": "1010101010101F",
    "M": "111B1515111111",
    "N": "11111915131111",
    "O": "0E11111111110E",
    "P": "1E11111E101010",
    "Q": "0E11111115120D",
    "R": "1E11111E141211",
    "S": "0F10100E01011E",
    "T": "1F040404040404",
    "U": "1111111111110E",
    "V": "11111111110A04",
    "W": "1111111515150A",
    "X": "11110A040A1111",
    "Y": "1111110A040404",
    "Z": "1F01020408101F",
    "0": "0E11131519110E",
    "1": "040C040404040E",
    "2": "0E11010204081F",
    "3": "1F02040201110E",
    "4": "02060A121F0202",
    "5": "1F101E0101110E",
    "6": "0608101E11110E",
    "7": "1F010204080808",
    "8": "0E11110E11110E",
    "9": "0E11110F01020C",
    "-": "0000001F000000",
    "/": "00010204081000",
    ".": "00000000000C0C",
    " ": "00000000000000",
}


def runs(text: str) -> Iterator[tuple[int, int, int]]:
    """Column, row and length of each horizontal run of dots, counted from the text's corner.

    Letters are drawn as capitals; characters that are not in the table stay blank.
    """
    for place, letter in enumerate(text.upper()):
        for column, row, length in _runs_of(letter):
            yield place * PITCH_DOTS + column, row, length


@cache
def _runs_of(letter: str) -> tuple[tuple[int, int, int], ...]:
    found = []
    for row, bits in enumerate(bytes.fromhex(_ROWS.get(letter, _ROWS[" "]))):
        column = 0
        while column < WIDTH_DOTS:
            length = 0
            while column + length < WIDTH_DOTS and bits >> (4 - column - length) & 1:
                length += 1
            if length:
                found.append((column, row, length))
            column += length or 1
    return tuple(found)
