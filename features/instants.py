"""Instants: RFC 3339 text with an offset on the wire, whole milliseconds since the epoch (UTC) inside."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CLOCK = r"([01]\d|2[0-3]):[0-5]\d"
_RFC3339 = re.compile(rf"\d{{4}}-\d\d-\d\d[Tt]{_CLOCK}:[0-5]\d(\.\d+)?([Zz]|[+-]{_CLOCK})", re.ASCII)


def parse(text: str) -> int:
    """Milliseconds since the epoch of an RFC 3339 date-time; digits below the millisecond are cut off.

    Raises:
        ValueError: the text is no RFC 3339 date-time, has no offset, is a leap second (which no count from
            the epoch can hold), or lies outside the years 1 to 9999 in UTC.
    """
    if not isinstance(text, str) or _RFC3339.fullmatch(text) is None:
        raise ValueError("must be an RFC 3339 date-time with an offset, such as 2026-03-01T09:42:00+01:00")
    try:
        since = datetime.fromisoformat(text.upper()).astimezone(UTC) - _EPOCH
    except (ValueError, OverflowError):
        raise ValueError("must be a day that exists") from None
    return (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000


@lru_cache(256)  # a decision says the same instant many times
def render(instant: int) -> str:
    """The instant as RFC 3339 in UTC with milliseconds: ``2026-03-01T08:42:00.000Z``."""
    moment = _EPOCH + timedelta(milliseconds=instant)
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
