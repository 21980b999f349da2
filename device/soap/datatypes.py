"""xs:duration and xs:dateTime."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_DURATION = re.compile(
    r"(-)?P(?:([0-9]{1,99})Y)?(?:([0-9]{1,99})M)?(?:([0-9]{1,99})D)?"
    r"(T(?:([0-9]{1,99})H)?(?:([0-9]{1,99})M)?(?:([0-9]{1,99})(?:\.([0-9]{1,99}))?S)?)?"
)


def parse_duration(value: str) -> float:
    """Seconds of an xs:duration; a month counts as 30 days, a year as 365.

    Raises:
        ValueError: it is no duration.

    Source: dpws section 6.3.
    """
    match = _DURATION.fullmatch(value.strip())
    if match is None or value.strip().endswith(("P", "T")):
        raise ValueError(f"{value!r} is no xs:duration")
    sign, years, months, days, _, hours, minutes, seconds, fraction = match.groups()
    total = (
        int(years or 0) * 365 * 86400
        + int(months or 0) * 30 * 86400
        + int(days or 0) * 86400
        + int(hours or 0) * 3600
        + int(minutes or 0) * 60
        + int(seconds or 0)
        + float(f"0.{fraction or 0}")
    )
    return -total if sign else total


def format_duration(seconds: float) -> str:
    """`PT…S` with whole seconds, which every client understands."""
    return f"PT{max(0, int(seconds))}S"


def format_datetime(moment: datetime) -> str:
    """UTC with `Z`, whole seconds."""
    utc = moment.astimezone(UTC)
    return (
        f"{utc.year:04}-{utc.month:02}-{utc.day:02}T{utc.hour:02}:{utc.minute:02}:{utc.second:02}Z"
    )


def parse_datetime(value: str) -> datetime:
    """An xs:dateTime as an aware moment; without a zone it is read as UTC.

    Raises:
        ValueError: it is no dateTime.
    """
    trimmed = value.strip()
    if "T" not in trimmed:
        raise ValueError(f"{value!r} is no xs:dateTime")
    extra = timedelta(0)
    if "T24:00:00" in trimmed:
        trimmed, extra = trimmed.replace("T24:00:00", "T00:00:00"), timedelta(days=1)
    trimmed = re.sub(r"\.(\d{6})\d+", r".\1", trimmed)
    moment = datetime.fromisoformat(trimmed)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) + extra
