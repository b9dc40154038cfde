"""Times of HL7 v2 (``YYYYMMDDHHMM[SS[.S…]][+ZZZZ]``) as instants.

A time without an offset is local. In the hour that comes twice in autumn it is the one of the two that is nearest to a
time that is known; one that spring leaves out does not exist.
"""

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Final
from zoneinfo import ZoneInfo

from features.catalogue import Refused

_TIME: Final = re.compile(
    r"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)?(?:\.(\d{1,9}))?(?:([+-])(0\d|1[0-4])([0-5]\d))?", re.ASCII
)
_MILLISECOND: Final = timedelta(milliseconds=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def instant(text: str, field: str, zone: ZoneInfo, near: int) -> int:
    """Milliseconds since the epoch of a time in a field of that name.

    Args:
        zone: where a time without an offset was written.
        near: an instant (ms) that tells which of two it is where a local time comes twice.

    Raises:
        Refused: ``schema``, no time that exists, or less precise than a minute.
    """
    found = _TIME.fullmatch(text)
    try:
        if found is None:
            raise ValueError
        *date, second, fraction, sign, hours, minutes = found.groups()
        micros = int((fraction or "").ljust(3, "0")[:3]) * 1000
        year, month, day, hour, minute = map(int, date)
        if not 1 < year < 9999:  # in UTC it may be another
            raise ValueError
        written = datetime(year, month, day, hour, minute, int(second or 0), micros)  # noqa: DTZ001 - zoned below
        if sign is not None:
            offset = timedelta(hours=int(hours), minutes=int(minutes))
            return _ms(written.replace(tzinfo=timezone(-offset if sign == "-" else offset)))
        either = [_ms(written.replace(tzinfo=zone, fold=fold)) for fold in (0, 1)]
        return min((one for one in either if _local(one, zone) == written), key=lambda one: abs(one - near))
    except (ValueError, OverflowError):
        raise Refused("schema", f"{field}: must be a time that exists, to the minute at least") from None


def _ms(moment: datetime) -> int:
    return (moment - _EPOCH) // _MILLISECOND


def _local(ms: int, zone: ZoneInfo) -> datetime:
    return (_EPOCH + timedelta(milliseconds=ms)).astimezone(zone).replace(tzinfo=None)
