"""Office hours: when people answer, told to customers who wait for one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bot.shared.errors import SettingsError

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY_NAMES = {
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "zh": ("周一", "周二", "周三", "周四", "周五", "周六", "周日"),
}
_SPAN = re.compile(r"([a-z]{3})(?:\s*-\s*([a-z]{3}))?\s+(\d\d?):(\d\d)\s*-\s*(\d\d?):(\d\d)")
_DAY_MINUTES = 24 * 60


# Cities that name the time zones of banks with Chinese-speaking customers; another keeps its English name.
_CHINESE_CITIES = {
    "London": "伦敦", "Hong Kong": "香港", "Shanghai": "北京", "Singapore": "新加坡", "Taipei": "台北", "Macau": "澳门",
    "Tokyo": "东京", "Sydney": "悉尼", "New York": "纽约", "Los Angeles": "洛杉矶", "Paris": "巴黎", "Berlin": "柏林",
    "Toronto": "多伦多", "Vancouver": "温哥华",
}  # fmt: skip


@dataclass(frozen=True)
class _Span:
    first_day: int
    last_day: int
    opens: int  # minutes after midnight
    closes: int


@dataclass(frozen=True)
class OfficeHours:
    """Weekly hours in one time zone, for instance `Mon-Fri 09:00-18:00, Sat 10:00-14:00`."""

    spans: tuple[_Span, ...]
    timezone: str

    @classmethod
    def parse(cls, text: str, timezone: str) -> OfficeHours:
        """Reads comma-separated `Day[-Day] HH:MM-HH:MM` spans. Raises SettingsError for anything else."""
        try:
            ZoneInfo(timezone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise SettingsError(f"time zone {timezone!r} is not known on this machine") from error
        return cls(tuple(_parse_span(part) for part in text.split(",")), timezone)

    def is_open(self, at: datetime) -> bool:
        """Whether people answer at `at`, which must carry a time zone."""
        if at.tzinfo is None:
            raise ValueError("is_open needs a datetime with a time zone")
        local = at.astimezone(ZoneInfo(self.timezone))
        minute = local.hour * 60 + local.minute
        return any(
            span.first_day <= local.weekday() <= span.last_day and span.opens <= minute < span.closes
            for span in self.spans
        )

    def describe(self, language: str) -> str:
        """The hours in words, for instance "Monday to Friday, 09:00–18:00 (London time)"; `language` is en or zh."""
        names = _DAY_NAMES[language]
        city = self.timezone.split("/")[-1].replace("_", " ")
        parts = []
        for span in self.spans:
            days = names[span.first_day]
            if span.last_day != span.first_day:
                days += (" to " if language == "en" else "至") + names[span.last_day]
            gap = ", " if language == "en" else " "
            parts.append(f"{days}{gap}{_clock(span.opens)}–{_clock(span.closes)}")
        if language == "en":
            return "; ".join(parts) + f" ({city} time)"
        return "；".join(parts) + f"（{_CHINESE_CITIES.get(city, city + ' ')}时间）"


def _parse_span(text: str) -> _Span:
    match = _SPAN.fullmatch(text.strip().lower())
    if not match or match[1] not in _DAYS or (match[2] or match[1]) not in _DAYS:
        raise SettingsError(f"office hours {text.strip()!r}: expected for instance Mon-Fri 09:00-18:00")
    first, last = _DAYS.index(match[1]), _DAYS.index(match[2] or match[1])
    opens, closes = int(match[3]) * 60 + int(match[4]), int(match[5]) * 60 + int(match[6])
    if first > last or not opens < closes <= _DAY_MINUTES or int(match[4]) > 59 or int(match[6]) > 59:
        raise SettingsError(f"office hours {text.strip()!r}: days and times must run forward within one week and day")
    return _Span(first, last, opens, closes)


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"
