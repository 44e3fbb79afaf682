from __future__ import annotations

from datetime import datetime, timezone
from zoneinfo import ZoneInfo

import pytest

from bot.shared.errors import SettingsError
from bot.shared.hours import OfficeHours


def test_opening_follows_the_local_clock_also_in_summer():
    hours = OfficeHours.parse("Mon-Fri 09:00-18:00, Sat 10:00-14:00", "Europe/London")
    for at, is_open in [
        (datetime(2026, 1, 5, 9, 0, tzinfo=timezone.utc), True),  # a Monday in winter
        (datetime(2026, 1, 5, 8, 59, tzinfo=timezone.utc), False),
        (datetime(2026, 1, 5, 18, 0, tzinfo=timezone.utc), False),
        (datetime(2026, 7, 6, 8, 0, tzinfo=timezone.utc), True),  # 09:00 in London
        (datetime(2026, 7, 6, 17, 30, tzinfo=timezone.utc), False),
        (datetime(2026, 7, 4, 10, 0, tzinfo=timezone.utc), True),  # Saturday
        (datetime(2026, 7, 5, 12, 0, tzinfo=timezone.utc), False),  # Sunday
        (datetime(2026, 7, 6, 17, 30, tzinfo=ZoneInfo("Asia/Hong_Kong")), True),
    ]:
        assert hours.is_open(at) is is_open, at
    with pytest.raises(ValueError):
        hours.is_open(datetime(2026, 1, 5, 9, 0))


def test_hours_in_words():
    hours = OfficeHours.parse("Mon-Fri 9:00-18:00, Sat 10:00-14:00", "Asia/Hong_Kong")
    assert hours.describe("en") == "Monday to Friday, 09:00–18:00; Saturday, 10:00–14:00 (Hong Kong time)"
    assert hours.describe("zh") == "周一至周五 09:00–18:00；周六 10:00–14:00（香港时间）"


def test_day_and_night():
    hours = OfficeHours.parse("mon-sun 00:00-24:00", "UTC")
    assert hours.is_open(datetime(2026, 1, 4, 23, 59, tzinfo=timezone.utc))


@pytest.mark.parametrize(
    "text",
    ["", "Mon", "Mon-Fri", "Mon-Fri 9-18", "Fri-Mon 09:00-18:00", "Mon 18:00-09:00", "Mon 09:00-25:00",
     "Mon 09:61-18:00", "Xyz 09:00-18:00", "Mon-Xyz 09:00-18:00", "Mon 09:00-09:00", "Mon-Fri 09:00-18:00,"],
)
def test_unreadable_hours_are_refused(text):
    with pytest.raises(SettingsError):
        OfficeHours.parse(text, "UTC")


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../etc/passwd"])
def test_unknown_time_zones_are_refused(zone):
    with pytest.raises(SettingsError):
        OfficeHours.parse("Mon 09:00-18:00", zone)
