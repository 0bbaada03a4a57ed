"""Dates as HTTP writes them, without a calendar of the machine's.

Source: RFC 9110 5.6.7; the calendar is H. Hinnant's "days from civil" (proleptic Gregorian).
"""

import re
from typing import Final

__all__ = ["format_date", "parse_date"]

_DAYS: Final = ("Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed")  # 1 January 1970 was a Thursday
_MONTHS: Final = (
    *("Jan", "Feb", "Mar", "Apr", "May", "Jun"),
    *("Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
)
_LENGTHS: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)

_MONTH: Final = "(?P<month>" + "|".join(_MONTHS) + ")"
_TIME: Final = r"(?P<hour>[01]\d|2[0-3]):(?P<minute>[0-5]\d):(?P<second>[0-5]\d|60)"
_FORMATS: Final = tuple(
    re.compile(pattern.encode())
    for pattern in (
        rf"[A-Z][a-z]{{2}}, (?P<day>\d\d) {_MONTH} (?P<year>\d{{4}}) {_TIME} GMT",
        rf"[A-Z][a-z]{{5,8}}, (?P<day>\d\d)-{_MONTH}-(?P<year>\d\d) {_TIME} GMT",
        rf"[A-Z][a-z]{{2}} {_MONTH} (?P<day>[ \d]\d) {_TIME} (?P<year>\d{{4}})",
    )
)
_DAY_S: Final = 86_400
_YEAR_S: Final = 31_556_952  # the mean of the Gregorian calendar
_MOST_YEARS_AHEAD: Final = 50


def format_date(seconds: int) -> bytes:
    """Write Unix *seconds*, from 0 on, as an IMF-fixdate."""
    days, rest = divmod(seconds, _DAY_S)
    year, month, day = _date_of(days)
    hour, minute, second = rest // 3600, rest // 60 % 60, rest % 60
    name, month_name = _DAYS[days % 7], _MONTHS[month - 1]
    time = f"{hour:02}:{minute:02}:{second:02}"
    return f"{name}, {day:02} {month_name} {year:04} {time} GMT".encode("ascii")


def parse_date(value: bytes, *, wall: float) -> int | None:
    """Read any of the three formats that there are.

    Args:
        value: The field's value.
        wall: Unix seconds, by which a year of two digits is understood.

    Returns:
        Unix seconds; None for what is no date, which a recipient ignores.
    """
    found = next(filter(None, (form.fullmatch(value) for form in _FORMATS)), None)
    if found is None:
        return None
    digits = found["year"]
    year = int(digits) if len(digits) == 4 else _widen(int(digits), wall)
    month, day = _MONTHS.index(found["month"].decode()) + 1, int(found["day"])
    if not 1 <= day <= _length(year, month):
        return None
    hour, minute, second = (int(found[name]) for name in ("hour", "minute", "second"))
    return _days_until(year, month, day) * _DAY_S + hour * 3600 + minute * 60 + second


def _widen(year: int, wall: float) -> int:
    """Give a year of two digits its century: none is more than 50 years ahead (5.6.7)."""
    current = 1970 + int(wall // _YEAR_S)
    widened = current - current % 100 + year
    return widened - 100 if widened > current + _MOST_YEARS_AHEAD else widened


def _length(year: int, month: int) -> int:
    is_leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return 28 if month == 2 and not is_leap else _LENGTHS[month - 1]


def _days_until(year: int, month: int, day: int) -> int:
    """Count the days from 1 January 1970; in here a year begins in March, and so ends in a leap."""
    year -= month <= 2
    era, of_era = divmod(year, 400)
    of_year = (153 * ((month - 3) % 12) + 2) // 5 + day - 1
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468


def _date_of(days: int) -> tuple[int, int, int]:
    era, of_era = divmod(days + 719_468, 146_097)
    year = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    shifted = (5 * of_year + 2) // 153
    month = (shifted + 2) % 12 + 1
    return year + era * 400 + (month <= 2), month, of_year - (153 * shifted + 2) // 5 + 1
