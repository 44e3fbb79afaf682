"""Finds Chinese date ranges: 上个月, 最近三天, 10月1号到5号, 3月份以来, 去年, 上周五."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date

from nlu_models.entities.model import DATE_RANGE, Candidate, candidate
from nlu_models.entities.numerals import CHINESE_DIGITS, parse_count
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

_NUMBER = r"(?:[0-9]{1,4}|[一二两三四五六七八九十]{1,3}|[一二三四五六七八九]?百[零一二三四五六七八九十]{0,3}|几|半)"
_SMALL = r"(?:[0-3]?[0-9]|[一二三]?十[一二三四五六七八九]?|[一二三四五六七八九])"
_YEAR = r"(?:(?:19|20)[0-9]{2}|[一二][零〇一二三四五六七八九]{3})\s?年|今年|去年|前年|上年|旧年|本年"
_MONTH = rf"(?<![0-9.])(?:(?:{_YEAR})度?的?\s?)?{_SMALL}\s?月份?"
_RELATIVE_MONTH = r"上上个?月|上个?月|这个?月|今个?月|本月|当月"
_DAY = rf"(?:(?:{_MONTH}|{_RELATIVE_MONTH})的?\s?)?{_SMALL}\s?[号日](?![线楼门机码店柜院馆报常本元])"
_WEEK = r"(?:个)?(?:周|星期|礼拜)"
_RELATIVE_WEEK = rf"(?:上上|上|这|本|今){_WEEK}"
_WEEKDAY = r"(?:(?:上上|上|这|本|今)个?)?(?:周|星期|礼拜)[一二三四五六日天](?![一二三四五六七八九十个次])"
_QUARTER = rf"(?:上上|上|这|本)个?季度?|(?:(?:{_YEAR})度?的?\s?)?(?:第?[一二三四1-4]季度|q[1-4])"
_HALF = rf"(?:(?:{_YEAR})度?的?\s?)?[上下]半年"
_DAY_WORD = r"大前[天日]|前[天日]|昨[天日晚夜]|[琴寻]日|今[天日晚早儿]|今早|昨儿"
_AGO = rf"{_NUMBER}\s?(?:个)?\s?(?:天|日|周|星期|礼拜|月|年)之?前"
_ISO = r"(?<![0-9])(?:19|20)[0-9]{2}[-/.][0-9]{1,2}[-/.][0-9]{1,2}(?![0-9])"
_POINT = (
    rf"(?:{_ISO}|{_DAY_WORD}|{_AGO}|{_DAY}|{_QUARTER}|{_HALF}|{_MONTH}|{_RELATIVE_MONTH}|{_WEEKDAY}|"
    rf"(?:上上|上|这|本|今)个?周末|{_RELATIVE_WEEK}(?![一二三四五六日天])|(?:{_YEAR})度?(?!期))"
)
_TO = r"\s?(?:到|至|~|-|—+|–|和)\s?"
_NOW = r"(?:现在|今天|今日|目前|如今|今|而家)"

_SPAN = re.compile(rf"(?:从|由|自)?\s?({_POINT}){_TO}({_POINT})(?:之间|期间)?")
_SHORT_SPAN = re.compile(
    rf"(?:从|由|自)?\s?((?:(?:{_YEAR})度?的?\s?)?)({_SMALL}){_TO}({_SMALL})\s?(月份?|[号日])(?![线楼])"
)
_SINCE = re.compile(
    rf"(?:从|由|自从|自)?\s?({_POINT})\s?(?:份)?(?:以来|以后|之后|过后|往后|起|开始|(?:直?到|至){_NOW}|以嚟)"
)
_SELF_SINCE = re.compile(rf"(?:自从|自)\s?({_POINT})")
_ROLLING = re.compile(
    rf"(?:最近的?这?|过去的?|近|这|前|呢|之前)\s?({_NUMBER})\s?(?:个)?\s?(半)?"
    r"(天|日|周|星期|礼拜|月|季度|年半?)(?!之?前|[卡费薪租供])"
)
_TO_DATE = re.compile(r"(?:(?:今年)?年初|(?:这个?月|本月)?月初)(?:到现在|至今|到今天|以来)")
_SINGLE = re.compile(rf"({_POINT})")
_FUTURE = re.compile(
    rf"(?:{_POINT})\s?(?:之前|以前|前)(?![天日年])|"
    r"下下?个?(?:周|星期|礼拜|月|季度|年)[一二三四五六日天末]?|"
    r"每个?(?:周|月|年|天|日|星期)[一二三四五六日天]?|"
    r"[当往]年|半年期|第[一二三四五六七八九十0-9]+[年月天日]"
)
_UNITS = {
    "天": "day",
    "日": "day",
    "周": "week",
    "星期": "week",
    "礼拜": "week",
    "月": "month",
    "季度": "quarter",
    "年": "year",
}
_WEEKDAYS = {character: number for number, character in enumerate("一二三四五六日")} | {"天": 6}


def find_chinese_dates(text: str, today: date) -> Iterator[Candidate]:
    """Candidates for date ranges in normalised Chinese `text`; 下个月 and 周五之前 are claimed as nothing."""
    for match in _FUTURE.finditer(text):
        yield candidate(None, "", match.span())
    for found, (start, end) in _matches(text, today):
        start += len(text[start:end]) - len(text[start:end].lstrip())
        # 2月30号 is claimed too, or its pieces would be read as a month and a number
        yield candidate(DATE_RANGE if found else None, found.iso(today) if found else "", (start, end))


def _matches(text: str, today: date) -> Iterator[tuple[Range | None, tuple[int, int]]]:
    for match in _SPAN.finditer(text):
        first, last = (parse_chinese_point(match.group(side), today) for side in (1, 2))
        yield span(first, last, today) if first and last else None, match.span()
    for match in _SHORT_SPAN.finditer(text):
        year, first, last, unit = match.groups()
        first_text = f"{year}{first}{'月' if '月' in unit else '号'}"
        start, end = parse_chinese_point(first_text, today), parse_chinese_point(last + unit, today)
        yield span(start, end, today) if start and end else None, match.span()
    for pattern in (_SINCE, _SELF_SINCE):
        for match in pattern.finditer(text):
            point = parse_chinese_point(match.group(1), today)
            yield since(point, today) if point else None, match.span()
    for match in _ROLLING.finditer(text):
        yield _rolling(match, today), match.span()
    for match in _TO_DATE.finditer(text):
        start = month_range(today.year, today.month if "月初" in match.group() else 1)
        yield since(start, today) if start else None, match.span()
    for match in _SINGLE.finditer(text):
        point = parse_chinese_point(match.group(1), today)
        yield settle(point, today) if point else None, match.span()


def parse_chinese_point(text: str, today: date) -> Point | None:
    """The day, month, year, weekday or relative period that `text` names; None when the calendar has no such day."""
    text = re.sub(r"[\s的]", "", text)
    if re.fullmatch(_ISO, text):
        return day_range(*(int(part) for part in re.split(r"[-/.]", text)))
    if re.fullmatch(_DAY_WORD, text):
        back = 3 if text.startswith("大前") else 2 if text.startswith("前") else 0 if text.startswith("今") else 1
        return shifted_period("day", back, today)
    if re.fullmatch(_AGO, text):
        return _ago(text, today)
    if text.endswith(("半年", "季度", "季")) or re.search(r"q[1-4]$", text):
        return _part_of_year(text, today)
    if "周" in text or "星期" in text or "礼拜" in text:
        return _week_point(text, today)
    return _calendar_point(text, today)


def _calendar_point(text: str, today: date) -> Point | None:
    """[year][month][day], each of which may be missing or relative."""
    year_text, rest = _split_year(text)
    year = _year(year_text, today) if year_text else None
    relative = re.match(_RELATIVE_MONTH, rest)
    if relative:
        found = shifted_period("month", 2 if "上上" in rest else 1 if "上" in rest else 0, today)
        day = re.search(rf"({_SMALL})[号日]$", rest)
        return day_range(found.start.year, found.start.month, _small(day.group(1))) if found and day else found
    parts = re.fullmatch(rf"(?:({_SMALL})月份?)?(?:({_SMALL})[号日])?", rest)
    if not parts:
        return None
    month, day = (_small(part) if part else None for part in parts.groups())
    if month is not None and not 1 <= month <= 12 or day is not None and not 1 <= day <= 31:
        return None
    if month is None and day is None:
        return year_range(year) if year else None
    if year is None or month is None:
        return Recurring(month=month, day=day)
    return day_range(year, month, day) if day else month_range(year, month)


def _week_point(text: str, today: date) -> Point | None:
    back = 2 if text.startswith("上上") else 1 if text.startswith("上") else 0
    if text.endswith("周末"):
        return shifted_period("weekend", back, today)
    weekday = re.search(r"(?:周|星期|礼拜)([一二三四五六日天])$", text)
    if not weekday:
        return shifted_period("week", back, today)
    number = _WEEKDAYS[weekday.group(1)]
    if text.startswith(("上", "这", "本", "今")):
        return Recurring(weekday=number).earliest(shifted_period("week", back, today).start)
    return Recurring(weekday=number)


def _part_of_year(text: str, today: date) -> Range | None:
    if text.startswith(("上个季", "上季", "上上")):
        return shifted_period("quarter", 2 if text.startswith("上上") else 1, today)
    if text.startswith(("这", "本季", "本个季")):
        return shifted_period("quarter", 0, today)
    year_text, rest = _split_year(text)
    year = _year(year_text, today) if year_text else today.year
    if rest.endswith("半年"):
        first = 1 if rest.startswith("上") else 3
        return joined(quarter_range(year, first), quarter_range(year, first + 1))
    digit = re.search(r"[一二三四1-4]", rest).group()
    return quarter_range(year, int(digit) if digit.isdigit() else CHINESE_DIGITS[digit])


def _ago(text: str, today: date) -> Range | None:
    number, unit = re.match(rf"({_NUMBER})个?(天|日|周|星期|礼拜|月|年)", text).groups()
    if number == "半":
        return rolling("month", 6, today) if unit == "年" else None
    count = parse_count(number)
    return shifted_period(_UNITS[unit], count, today) if count else None


def _rolling(match: re.Match, today: date) -> Range | None:
    number, half, unit = match.groups()
    if number == "半":
        return {"月": rolling("day", 15, today), "年": rolling("month", 6, today)}.get(unit)
    count = parse_count(number)
    if not count or half:
        return None
    return rolling("month", 12 * count + 6, today) if unit == "年半" else rolling(_UNITS[unit], count, today)


def _split_year(text: str) -> tuple[str, str]:
    match = re.match(rf"({_YEAR})度?", text)
    return (match.group(1), text[match.end() :]) if match else ("", text)


def _year(text: str, today: date) -> int:
    relative = {"今年": 0, "本年": 0, "去年": 1, "上年": 1, "旧年": 1, "前年": 2}
    if text in relative:
        return today.year - relative[text]
    return int("".join(str(CHINESE_DIGITS.get(character, character)) for character in text.rstrip("年").strip()))


def _small(text: str) -> int:
    return parse_count(text) or 0
