"""Finds English date ranges: "last month", "since 3 May", "from 1 Oct to 5 Oct", "in 2025", "past 30 days"."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date

from nlu_models.entities.model import DATE_RANGE, Candidate, candidate
from nlu_models.entities.numerals import parse_count
from nlu_models.entities.periods import (
    Point,
    Range,
    Recurring,
    day_range,
    joined,
    month_range,
    quarter_range,
    rolling,
    settle,
    shifted_period,
    since,
    span,
    year_range,
)

_MONTHS = {
    name: number
    for number, names in enumerate(
        [
            "january|jan",
            "february|feb|febuary",
            "march|mar",
            "april|apr",
            "may",
            "june|jun",
            "july|jul",
            "august|aug",
            "september|sept|sep",
            "october|oct",
            "november|nov",
            "december|dec",
        ],
        start=1,
    )
    for name in names.split("|")
}
_WEEKDAYS = {
    name: number
    for number, names in enumerate(
        [
            "monday|mon",
            "tuesday|tues|tue",
            "wednesday|weds|wed",
            "thursday|thurs|thur|thu",
            "friday|fri",
            "saturday|sat",
            "sunday|sun",
        ]
    )
    for name in names.split("|")
}
_MONTH = "(?:" + "|".join(sorted(_MONTHS, key=len, reverse=True)) + r")(?![a-z])\.?"
_WEEKDAY = "(?:" + "|".join(sorted(_WEEKDAYS, key=len, reverse=True)) + r")(?![a-z])\.?"
_DAY = r"[0-9]{1,2}(?:st|nd|rd|th)?(?![0-9a-z:%]|[,.][0-9])"
_YEAR = r"(?:19|20)[0-9]{2}(?![0-9]|[.,][0-9])"
_UNIT = r"(?:day|week|weekend|fortnight|month|quarter|year|yr)s?(?![a-z])"
_COUNT = (
    r"(?:[0-9]{1,4}|(?:a\s+)?couple of|(?:a\s+)?few|an?|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|"
    r"fifteen|twenty|thirty|sixty|ninety)"
)
_LEFT = r"(?<![a-z0-9/.\-])"
_RIGHT = r"(?![a-z0-9])"

_RELATIVE = (
    r"(?:the day before yesterday|day before yesterday|yesterday|last night|today|tonight|"
    r"this (?:morning|afternoon|evening)|"
    r"(?:the )?(?:week|month|year) before last|"
    r"(?:this|last|previous|current) (?:calendar )?(?:weekend|week|month|quarter|year)|last fortnight)"
)
_DAY_MONTH = rf"(?:{_DAY}\s*(?:of\s+)?{_MONTH}(?:,?\s*{_YEAR})?|{_MONTH}\s*(?:the\s+)?{_DAY}(?:,?\s*{_YEAR})?)"
_NUMERIC = (
    r"(?:(?:19|20)[0-9]{2}[-/.][0-9]{1,2}[-/.][0-9]{1,2}|[0-9]{1,2}[-/.][0-9]{1,2}[-/.](?:19|20)?[0-9]{2})(?![0-9])"
)
_MONTH_YEAR = rf"(?:(?:last|this)\s+)?{_MONTH}(?:,?\s*{_YEAR})?"
_QUARTER = rf"(?:q[1-4](?:\s*{_YEAR})?|{_YEAR}\s*q[1-4])(?![0-9a-z])"
_WEEKDAY_POINT = rf"(?:(?:last|this)\s+)?{_WEEKDAY}"
_AGO = rf"{_COUNT}\s+(?:day|week|month|year)s?\s+ago"
_POINT = rf"(?:{_RELATIVE}|{_NUMERIC}|{_DAY_MONTH}|{_AGO}|{_QUARTER}|{_MONTH_YEAR}|{_WEEKDAY_POINT}|{_YEAR})"
_TO = r"\s*(?:-|–|—|~|to|till|until|til|through|thru|up to|and)\s*(?:the\s+)?"
_NOW = r"(?:now|today|the present|present|this day|date)"

_SPAN = re.compile(rf"{_LEFT}(?:(?:from|between)\s+)?({_POINT}){_TO}({_POINT}){_RIGHT}")
_DAYS_OF_MONTH = re.compile(
    rf"{_LEFT}(?:(?:from|between)\s+)?(?:the\s+)?({_DAY}){_TO}({_DAY}\s*(?:of\s+)?{_MONTH}(?:,?\s*{_YEAR})?)"
)
_MONTH_DAYS = re.compile(rf"{_LEFT}(?:(?:from|between)\s+)?({_MONTH}\s*{_DAY}){_TO}({_DAY})(?:,?\s*({_YEAR}))?")
_PLAIN_DAYS = re.compile(
    rf"(?<![a-z])(?:from|between)\s+the\s+([0-9]{{1,2}})(?:st|nd|rd|th)?{_TO}([0-9]{{1,2}})(?:st|nd|rd|th)"
)
_SINCE = re.compile(
    rf"{_LEFT}(?:(?:ever\s+)?since|starting(?:\s+from)?|as of)\s+(?:the\s+)?"
    rf"({_POINT}|[0-9]{{1,2}}(?:st|nd|rd|th)){_RIGHT}"
)
_UNTIL_NOW = re.compile(
    rf"{_LEFT}(?:from\s+)?({_POINT})"
    rf"(?:\s*(?:to|till|until|up to|through|-)\s*{_NOW}|\s+(?:on ?wards?|and after)){_RIGHT}"
)
_ROLLING = re.compile(rf"{_LEFT}(?:the\s+)?(?:last|past|previous|latest)\s+({_COUNT})\s+({_UNIT})")
_PAST_UNIT = re.compile(rf"{_LEFT}past\s+({_UNIT})")
_TO_DATE = re.compile(rf"{_LEFT}(?:year[ -]to[ -]date|ytd|(?:so far )?this year so far|so far this year){_RIGHT}")
_SINGLE = re.compile(rf"{_LEFT}({_RELATIVE}|{_NUMERIC}|{_DAY_MONTH}|{_AGO}|{_QUARTER}){_RIGHT}")
_IN = re.compile(rf"{_LEFT}in\s+({_MONTH_YEAR}|{_YEAR}|{_QUARTER}){_RIGHT}")
_NAMED_MONTH = re.compile(rf"{_LEFT}({_MONTH_YEAR}){_RIGHT}")
_CUED = re.compile(
    rf"{_LEFT}(?:on|for|during|of|from|throughout|year)\s+({_MONTH_YEAR}|{_WEEKDAY_POINT}|{_YEAR}){_RIGHT}"
)
_WHOLE = re.compile(rf"^\s*({_MONTH_YEAR}|{_WEEKDAY_POINT}|{_YEAR})\s*[.!]?\s*$")
_LAST_WEEKDAY = re.compile(rf"{_LEFT}((?:last|this)\s+{_WEEKDAY}){_RIGHT}")
_YEAR_OF_RECORDS = re.compile(rf"{_LEFT}({_YEAR})\s+(?:transactions?|spending|statements?|payments?|summary|purchases)")
_ON_THE = re.compile(
    r"(?<![a-z])on\s+(the\s+([0-9]{1,2})(?:st|nd|rd|th))(?![a-z])(?!\s+(?:floor|line|page|attempt|try|time))"
)
_FUTURE = re.compile(
    rf"{_LEFT}(?:until|till|til|before|by|next|every|each|after)\s+(?:the\s+)?(?:end of\s+)?"
    rf"(?:{_POINT}|{_UNIT}|{_MONTH})"
)
# These are also words or first names; alone they are a month only with a cue.
_AMBIGUOUS = frozenset({"may", "march", "mar", "april", "june", "august", "jan", "jun", "dec", "sep"})
_RECORDS_NEXT = re.compile(
    r"(?:'s)?\s+(?:transactions?|spending|statements?|payments?|bills?|purchases|salary|summary|history)"
)


def find_english_dates(text: str, today: date) -> Iterator[Candidate]:
    """Candidates for date ranges in normalised `text`; "next week" and "until Monday" are claimed as nothing."""
    for match in _FUTURE.finditer(text):
        yield candidate(None, "", match.span())
    for match in _YEAR_OF_RECORDS.finditer(text):
        yield candidate(DATE_RANGE, year_range(int(match.group(1))).iso(today), match.span(1), match.span())
    for found, position in _matches(text, today):
        # "31 February" is claimed too, or its pieces would be read as an amount and a month
        yield candidate(DATE_RANGE if found else None, found.iso(today) if found else "", position)


def _matches(text: str, today: date) -> Iterator[tuple[Range | None, tuple[int, int]]]:
    for match in _SPAN.finditer(text):
        if match.group(0).lstrip().startswith("between") or not re.search(r"\band\b", match.group(0)):
            yield _span(match.group(1), match.group(2), today), match.span()
    for match in _DAYS_OF_MONTH.finditer(text):
        last = _settle(match.group(2), today)
        first = Recurring(day=_number(match.group(1))).latest(last.start) if last else None
        if first and last and 1 <= (last.end - first.start).days <= 31:
            yield joined(first, last), match.span()
    for match in _MONTH_DAYS.finditer(text):
        year = f" {match.group(3)}" if match.group(3) else ""
        first = _settle(match.group(1) + year, today)
        last = day_range(first.start.year, first.start.month, _number(match.group(2))) if first else None
        if first and last and first.start < last.end:
            yield joined(first, last), match.span()
    for match in _PLAIN_DAYS.finditer(text):
        yield span(Recurring(day=_number(match.group(1))), Recurring(day=_number(match.group(2))), today), match.span()
    for match in _SINCE.finditer(text):
        point = parse_english_point(match.group(1), today)
        yield since(point, today) if point else None, match.span()
    for match in _UNTIL_NOW.finditer(text):
        point = parse_english_point(match.group(1), today)
        yield since(point, today) if point else None, match.span()
    for match in _ROLLING.finditer(text):
        count, unit = parse_count(match.group(1)), _unit(match.group(2))
        if count is not None and unit != "weekend":
            yield rolling(unit, count, today), (match.start() + _article(match.group(0)), match.end())
    for match in _PAST_UNIT.finditer(text):
        if _unit(match.group(1)) != "weekend":
            yield rolling(_unit(match.group(1)), 1, today), match.span()
    for match in _TO_DATE.finditer(text):
        yield since(year_range(today.year), today), match.span()
    for pattern in (_SINGLE, _LAST_WEEKDAY, _WHOLE, _CUED):
        for match in pattern.finditer(text):
            yield _settle(match.group(1), today), match.span(1)
    for match in _IN.finditer(text):
        yield _settle(match.group(1), today), match.span()
    for match in _ON_THE.finditer(text):
        yield Recurring(day=int(match.group(2))).latest(today), match.span(1)
    for match in _NAMED_MONTH.finditer(text):
        word = re.match(r"[a-z]+", match.group(1))
        if word and (word.group() not in _AMBIGUOUS or _RECORDS_NEXT.match(text, match.end())):
            yield _settle(match.group(1), today), match.span(1)


def parse_english_point(text: str, today: date) -> Point | None:
    """The day, month, year, weekday or relative period that `text` names; None when the calendar has no such day."""
    text = re.sub(r"\s+", " ", text.strip().replace(",", " ")).replace("the ", "")
    if re.fullmatch(_NUMERIC, text):
        return _numeric(text)
    year_match = re.search(_YEAR, text)
    year = int(year_match.group()) if year_match else None
    if year and text == year_match.group():
        return year_range(year)
    quarter = re.search(r"q([1-4])", text)
    if quarter:
        return quarter_range(year or today.year, int(quarter.group(1)))
    if text.endswith("ago"):
        count, unit = re.fullmatch(rf"({_COUNT}) ([a-z]+) ago", text).groups()
        return shifted_period(_unit(unit), parse_count(count), today)
    if re.fullmatch(_DAY, text):
        return Recurring(day=_number(text))
    words = re.findall(r"[a-z]+", text)
    month = next((_MONTHS[word] for word in words if word in _MONTHS), None)
    if month:
        return _month_point(text.replace(year_match.group(), "") if year_match else text, month, year, today)
    weekday = next((_WEEKDAYS[word] for word in words if word in _WEEKDAYS), None)
    if weekday is not None:
        point = Recurring(weekday=weekday)
        if words[0] == "last":
            return point.latest(shifted_period("day", 1, today).start)
        return point
    return _relative(text, today)


def _month_point(text: str, month: int, year: int | None, today: date) -> Point | None:
    day_match = re.search(r"[0-9]{1,2}", text)
    if day_match:
        day = int(day_match.group())
        return day_range(year, month, day) if year else Recurring(month=month, day=day)
    if year:
        return month_range(year, month)
    if text.startswith("last "):
        return Recurring(month=month).latest(shifted_period("month", 1, today).end)
    return Recurring(month=month)


def _relative(text: str, today: date) -> Range | None:
    if text in ("today", "tonight") or text.startswith(("this morning", "this afternoon", "this evening")):
        return Range(today, today)
    if text in ("yesterday", "last night"):
        return shifted_period("day", 1, today)
    if text.endswith("before yesterday"):
        return shifted_period("day", 2, today)
    if text.endswith("before last"):
        return shifted_period(text.split()[0], 2, today)
    if text == "last fortnight":
        return rolling("fortnight", 1, today)
    back = 0 if text.startswith(("this", "current")) else 1
    unit = text.split()[-1]
    if unit == "weekend" and today.weekday() < 5 and back == 0:
        back = 1  # on a weekday "this weekend" that is asked about as past is the one before
    return shifted_period(unit, back, today)


def _numeric(text: str) -> Range | None:
    parts = [int(part) for part in re.split(r"[-/.]", text)]
    if len(re.split(r"[-/.]", text)[0]) == 4:
        return day_range(*parts)
    day, month, year = parts  # day first, as the bank's customers write it
    return day_range(year if year > 99 else 2000 + year, month, day)


def _span(first: str, last: str, today: date) -> Range | None:
    start, end = parse_english_point(first, today), parse_english_point(last, today)
    return span(start, end, today) if start and end else None


def _settle(text: str, today: date) -> Range | None:
    point = parse_english_point(text, today)
    return settle(point, today) if point else None


def _number(text: str) -> int:
    return int(re.match(r"[0-9]+", text).group())


def _unit(text: str) -> str:
    return "year" if text.startswith("yr") else text.rstrip("s")


def _article(text: str) -> int:
    return len(text) - len(re.sub(r"^the\s+", "", text))
