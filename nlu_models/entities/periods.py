"""Calendar arithmetic: ranges of days, and points that repeat ("October", "Monday", "the 5th") until a year is chosen.

Ranges include both ends and never end after today unless they start after it: everything asked about lies in the past.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

FIRST_YEAR, LAST_YEAR = 1950, 2149
_MAX_DAYS = 3660


@dataclass(frozen=True)
class Range:
    """Days from `start` to `end`, both included."""

    start: date
    end: date

    def iso(self, today: date) -> str:
        """ "start/end" in ISO form, not reaching past `today` unless it starts later."""
        end = min(self.end, today) if self.start <= today else self.end
        return f"{self.start.isoformat()}/{end.isoformat()}"


@dataclass(frozen=True)
class Recurring:
    """A month (1-12), a day of a month, a day of any month, or a weekday (0 = Monday), without a year."""

    month: int | None = None
    day: int | None = None
    weekday: int | None = None

    def latest(self, limit: date) -> Range | None:
        """The newest occurrence that starts on or before `limit`."""
        if self.weekday is not None:
            found = limit - timedelta(days=(limit.weekday() - self.weekday) % 7)
            return Range(found, found)
        return next((found for found in self._occurrences(limit, -1) if found.start <= limit), None)

    def earliest(self, start: date) -> Range | None:
        """The first occurrence that ends on or after `start`."""
        if self.weekday is not None:
            found = start + timedelta(days=(self.weekday - start.weekday()) % 7)
            return Range(found, found)
        return next((found for found in self._occurrences(start, 1) if found.end >= start), None)

    def _occurrences(self, near: date, step: int) -> Iterator[Range]:
        if self.month is not None:
            months = [(near.year + step * offset, self.month) for offset in range(9)]  # 29 February
        else:
            months = [divmod(near.year * 12 + near.month - 1 + step * offset, 12) for offset in range(4)]
            months = [(year, month + 1) for year, month in months]
        for year, month in months:
            found = month_range(year, month) if self.day is None else day_range(year, month, self.day)
            if found is not None:
                yield found


Point = Range | Recurring


def settle(point: Point, today: date) -> Range | None:
    """The range a point means when nothing else is said: the newest one that has begun."""
    return point if isinstance(point, Range) else point.latest(today)


def span(first: Point, last: Point, today: date) -> Range | None:
    """From `first` to `last`; a year given on one side counts for the other. None when they are the wrong way round."""
    if isinstance(first, Recurring) and isinstance(last, Range):
        start, end = first.latest(last.start), last
    else:
        start = settle(first, today)
        if start is None:
            return None
        end = last if isinstance(last, Range) else last.earliest(start.start)
    if start is None or end is None or start.start > end.end:
        return None
    return Range(start.start, end.end)


def since(point: Point, today: date) -> Range | None:
    """From the point's start until today."""
    found = settle(point, today)
    return Range(found.start, max(today, found.start)) if found else None


def day_range(year: int, month: int, day: int) -> Range | None:
    """One day; None for a day the calendar does not have."""
    if not FIRST_YEAR <= year <= LAST_YEAR or not 1 <= month <= 12:
        return None
    if not 1 <= day <= calendar.monthrange(year, month)[1]:
        return None
    found = date(year, month, day)
    return Range(found, found)


def month_range(year: int, month: int) -> Range | None:
    """A calendar month."""
    if not FIRST_YEAR <= year <= LAST_YEAR or not 1 <= month <= 12:
        return None
    return Range(date(year, month, 1), date(year, month, calendar.monthrange(year, month)[1]))


def year_range(year: int) -> Range | None:
    """A calendar year."""
    return Range(date(year, 1, 1), date(year, 12, 31)) if FIRST_YEAR <= year <= LAST_YEAR else None


def shifted_period(unit: str, back: int, today: date) -> Range | None:
    """The calendar day, week (from Monday), weekend, month, quarter or year that lies `back` units before today's."""
    if unit == "day":
        found = today - timedelta(days=min(back, _MAX_DAYS))
        return Range(found, found)
    if unit in ("week", "weekend"):
        monday = today - timedelta(days=today.weekday() + 7 * min(back, 520))
        return Range(monday + timedelta(days=5 if unit == "weekend" else 0), monday + timedelta(days=6))
    if unit == "quarter":
        year, quarter = divmod(today.year * 4 + (today.month - 1) // 3 - back, 4)
        return quarter_range(year, quarter + 1)
    if unit == "month":
        year, month = divmod(today.year * 12 + today.month - 1 - back, 12)
        return month_range(year, month + 1)
    return year_range(today.year - back)


def quarter_range(year: int, quarter: int) -> Range | None:
    """Quarter 1 to 4 of a year."""
    return joined(month_range(year, quarter * 3 - 2), month_range(year, quarter * 3))


def joined(first: Range | None, last: Range | None) -> Range | None:
    """From the start of one range to the end of another."""
    return Range(first.start, last.end) if first and last else None


def rolling(unit: str, count: int, today: date) -> Range | None:
    """The `count` days, weeks, fortnights, months, quarters or years that end today ("last 7 days" has seven)."""
    days = {"day": 1, "week": 7, "fortnight": 14}.get(unit)
    if count < 1:
        return None
    if days:
        return Range(today - timedelta(days=days * count - 1), today) if days * count <= _MAX_DAYS else None
    months = count * {"month": 1, "quarter": 3, "year": 12}[unit]
    year, month = divmod(today.year * 12 + today.month - 1 - months, 12)
    anchor = month_range(year, month + 1)
    if anchor is None or months > 120:
        return None
    same_day = anchor.start + timedelta(days=min(today.day, anchor.end.day) - 1)
    return Range(same_day + timedelta(days=1), today)
