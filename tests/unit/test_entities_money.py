"""Amounts and currencies in both languages, and the numbers that are neither."""

from datetime import date

import pytest

from nlu_models.entities import extract
from nlu_models.entities.numerals import canonical, parse_chinese, parse_count, parse_english

TODAY = date(2026, 10, 15)  # a Thursday


def found(text: str) -> list[tuple[str, str, str]]:
    return [(entity.type, entity.raw, entity.value) for entity in extract(text, TODAY)]


@pytest.mark.parametrize(
    ("text", "raw", "value"),
    [
        ("1,200.50", "1,200.50", "1200.50"),
        ("about 75.5 would do", "75.5", "75.50"),
        ("200.00 please", "200.00", "200"),
        ("send 500 to Anna", "500", "500"),
        ("1k", "1k", "1000"),
        ("send 1.5k to Bob", "1.5k", "1500"),
        ("borrow 30 grand", "30 grand", "30000"),
        ("2 hundred", "2 hundred", "200"),
        ("two hundred and fifty", "two hundred and fifty", "250"),
        ("one thousand two hundred", "one thousand two hundred", "1200"),
        ("fifteen hundred to mum", "fifteen hundred", "1500"),
        ("two and a half thousand", "two and a half thousand", "2500"),
        ("a couple of hundred", "a couple of hundred", "200"),
        ("half a million", "half a million", "500000"),
        ("a hundred and twenty-five", "a hundred and twenty-five", "125"),
        ("send ten to Anna", "ten", "10"),
        ("一千二", "一千二", "1200"),
        ("转两万五给他", "两万五", "25000"),
        ("一百零五", "一百零五", "105"),
        ("一万零五百", "一万零五百", "10500"),
        ("两千五百万", "两千五百万", "25000000"),
        ("1.2万", "1.2万", "12000"),
        ("1万2", "1万2", "12000"),
        ("1万2千", "1万2千", "12000"),
        ("3千500", "3千500", "3500"),
        ("一点五万", "一点五万", "15000"),
        ("借2w周转", "2w", "20000"),
        ("三块五", "三块五", "3.50"),
        ("付两块五毛", "两块五毛", "2.50"),
        ("给他转５００", "５００", "500"),
        ("１，２００．５０", "１，２００．５０", "1200.50"),
        ("從活期轉兩萬", "兩萬", "20000"),
    ],
)
def test_amount(text, raw, value):
    assert [entity for entity in found(text) if entity[0] == "amount"] == [("amount", raw, value)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("£1,200.50", [("currency", "£", "GBP"), ("amount", "1,200.50", "1200.50")]),
        ("¥1,200.50", [("currency", "¥", "CNY"), ("amount", "1,200.50", "1200.50")]),
        ("￥５００", [("currency", "￥", "CNY"), ("amount", "５００", "500")]),
        ("JP¥500", [("currency", "JP¥", "JPY"), ("amount", "500", "500")]),
        ("HK$2,000", [("currency", "HK$", "HKD"), ("amount", "2,000", "2000")]),
        ("$1.2m", [("currency", "$", "USD"), ("amount", "1.2m", "1200000")]),
        ("€50", [("currency", "€", "EUR"), ("amount", "50", "50")]),
        ("GBP100", [("currency", "GBP", "GBP"), ("amount", "100", "100")]),
        ("100usd", [("amount", "100", "100"), ("currency", "usd", "USD")]),
        ("5 Hong Kong dollars", [("amount", "5", "5"), ("currency", "Hong Kong dollars", "HKD")]),
        ("ten pounds", [("amount", "ten", "10"), ("currency", "pounds", "GBP")]),
        ("28 quid", [("amount", "28", "28"), ("currency", "quid", "GBP")]),
        ("50p", [("amount", "50", "0.50"), ("currency", "p", "GBP")]),
        ("三千块", [("amount", "三千", "3000"), ("currency", "块", "CNY")]),
        ("付一块钱", [("amount", "一", "1"), ("currency", "块钱", "CNY")]),
        ("八百蚊", [("amount", "八百", "800"), ("currency", "蚊", "HKD")]),
        ("500块港币", [("amount", "500", "500"), ("currency", "块港币", "HKD")]),
        ("2000人民币", [("amount", "2000", "2000"), ("currency", "人民币", "CNY")]),
        ("5000日元", [("amount", "5000", "5000"), ("currency", "日元", "JPY")]),
        ("一英镑等于几块", [("amount", "一", "1"), ("currency", "英镑", "GBP"), ("currency", "块", "CNY")]),
        ("美金兑港纸", [("currency", "美金", "USD"), ("currency", "港纸", "HKD")]),
        ("pound against the euro", [("currency", "pound", "GBP"), ("currency", "euro", "EUR")]),
        ("RMB to swiss francs", [("currency", "RMB", "CNY"), ("currency", "swiss francs", "CHF")]),
        ("a £30 charge", [("currency", "£", "GBP"), ("amount", "30", "30")]),
        ("转500，200给他", [("amount", "500", "500"), ("amount", "200", "200")]),
    ],
)
def test_amount_with_currency(text, expected):
    assert found(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "my last 10 transactions", "the last five card payments", "I have 3 accounts and 2 cards", "24/7",
        "at 6:30", "5pm",
        "5%", "a hundred percent", "that one please", "one more thing", "wanna talk 2 someone", "thanks a million",
        "my code is 482913", "sort code 20-00-00", "account 12345678", "+44 20 7946 0999",
        "call 07700900123", "rate 1.234",
        "50,20", "twenty twenty five", "one two three", "what's 17 times 23", "I won", "try again",
        "最近十笔", "第三次", "验证码482913", "十分感谢", "千万别转", "万一丢了",
        "一百分", "百分之五", "我们一块去", "四五个人",
        "17乘以23", "一下", "元旦快乐", "二十岁", "两张卡",
    ],
)
def test_no_money(text):
    assert [entity for entity in found(text) if entity[0] in ("amount", "currency")] == []


@pytest.mark.parametrize("text", ["fifty and", "five fifty", "nineteen ninety nine", "hundred and hundred"])
def test_english_words_that_are_no_number(text):
    assert parse_english(text) is None


@pytest.mark.parametrize("text", ["一二三四", "四五百", "万", "一百三千", "三五"])
def test_chinese_numerals_that_are_no_number(text):
    assert parse_chinese(text) is None


@pytest.mark.parametrize(
    ("text", "count"), [("7", 7), ("seven", 7), ("七", 7), ("两", 2), ("三十", 30),
    ("a few", 3), ("半", None), ("99999", None)]
)
def test_count(text, count):
    assert parse_count(text) == count


def test_every_whole_number_survives_being_written_in_chinese():
    digits = "零一二三四五六七八九"
    for number in [*range(11, 100), 101, 110, 112, 120, 999, 1001, 1010, 1100, 1234, 9999]:
        written, zero = "", False
        for unit, name in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
            digit = number // unit % 10
            if digit:
                written += ("零" if zero else "") + digits[digit] + name
                zero = False
            elif written:
                zero = True
        assert canonical(parse_chinese(written)) == str(number), written
