"""The bank on SQLite and on a real PostgreSQL: same rules, same exact amounts."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from decimal import Decimal

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import insert, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError, StatementError

from actions.bank.migrations import VERSION_TABLE, migrate
from actions.bank.models import OWN_MOVES, DateRange
from actions.bank.seed import demo_logins, seed
from actions.bank.seed_people import CUSTOMERS
from actions.bank.service import BankService
from actions.bank.tables import accounts, card_events, cards, customers, metadata, transactions
from bot.shared.database import open_engine
from bot.shared.errors import InvalidInputError, NotFoundError, StorageError
from tests.conftest import fresh_postgres_url
from tests.support.account_world import FAST_HASHER, TODAY

DEMO1, DEMO2, DEMO3, DEMO4, DEMO5 = (f"C10000{number}" for number in range(1, 6))


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def engine(request, tmp_path_factory):
    """The demo bank, written once for this module; each test uses customers of its own where it writes."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('bank') / 'bank.db'}"
    else:
        url = fresh_postgres_url(request.getfixturevalue("postgres_server"))
    engine = open_engine(url)
    migrate(engine)
    assert seed(engine, TODAY, hasher=FAST_HASHER)
    yield engine
    engine.dispose()


@pytest.fixture
def bank(engine) -> BankService:
    return BankService(engine, "Europe/London", hasher=FAST_HASHER)


@pytest.fixture
def empty_engine(database_url):
    engine = open_engine(database_url)
    yield engine
    engine.dispose()


def events_of(engine, customer_id: str) -> list:
    with engine.connect() as connection:
        query = select(card_events).where(card_events.c.customer_id == customer_id).order_by(card_events.c.id)
        return connection.execute(query).all()


# --- schema ---


def test_migrations_make_exactly_the_tables(engine):
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "version_table": VERSION_TABLE})
        ours = {*metadata.tables, VERSION_TABLE}
        differences = compare_metadata(context, metadata)
        found = set(connection.dialect.get_table_names(connection))
    assert differences == []
    assert found == ours


def test_two_processes_may_migrate_at_once_and_again(empty_engine):
    with ThreadPoolExecutor(3) as pool:
        for migration in [pool.submit(migrate, empty_engine) for _ in range(3)]:
            migration.result()
    with empty_engine.connect() as connection:
        assert connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).all() == [("0001",)]


def test_amounts_are_exact_to_the_last_cent(empty_engine):
    migrate(empty_engine)
    largest = Decimal("9999999999999999.99")
    opened = datetime(2026, 1, 1, tzinfo=timezone.utc)
    with empty_engine.begin() as connection:
        connection.execute(
            insert(customers).values(
                id="C1", login_name="one", display_name_en="One", display_name_zh="一", created_at=opened
            )
        )
        connection.execute(
            insert(accounts).values(
                id="A1", customer_id="C1", type="current", currency="GBP", name_en="A", name_zh="甲",
                opening_balance=Decimal("0.00"), opened_at=opened,
            )
        )  # fmt: skip
        booking = {"account_id": "A1", "booked_at": opened, "currency": "GBP", "type": "salary"}
        names = {"description_en": "Pay", "description_zh": "工资"}
        for amount in (largest, Decimal("-0.01"), Decimal("0.1"), Decimal("0.2")):
            connection.execute(insert(transactions).values(**booking, **names, amount=amount))
    bank = BankService(empty_engine)
    # 0.1 + 0.2 is 0.30 here, not what floats make of it
    with empty_engine.connect() as connection:
        small = connection.execute(
            select(transactions.c.amount).where(transactions.c.amount < Decimal("1.00")).order_by(transactions.c.amount)
        )
        assert [row.amount for row in small] == [Decimal("-0.01"), Decimal("0.10"), Decimal("0.20")]
    assert bank.balances("C1")[0].amount == largest + Decimal("0.29")
    for wrong in (0.1, Decimal("0.001")):
        with pytest.raises(StatementError), empty_engine.begin() as connection:
            connection.execute(insert(transactions).values(**booking, **names, amount=wrong))


def test_card_cannot_hang_on_another_customers_account(engine):
    with pytest.raises(IntegrityError), engine.begin() as connection:
        connection.execute(
            insert(cards).values(
                id="X", customer_id=DEMO2, account_id=f"{DEMO1}-1", kind="debit", last_four="0001", status="active"
            )
        )


# --- demo bank ---


def test_seed_never_writes_over_a_bank(engine, bank):
    bank.lock_card("C100025", "3925")
    before = bank.transactions("C100025").total
    assert seed(engine, hasher=FAST_HASHER) is False
    assert [card.status for card in bank.cards("C100025")] == ["locked"]
    assert bank.transactions("C100025").total == before


def test_seed_is_the_bank_that_was_promised(bank):
    assert len(CUSTOMERS) == 25
    assert {account.currency for person in CUSTOMERS for account in person.accounts} == {"GBP", "HKD", "CNY"}
    assert [card.last_four for card in bank.cards(DEMO1)] == ["4821", "7350"]
    assert [card.last_four for card in bank.cards(DEMO2)] == ["2096"]
    assert [(card.last_four, card.status) for card in bank.cards(DEMO3)] == [("6614", "locked")]
    assert bank.cards(DEMO5) == []
    assert [balance.type for balance in bank.balances(DEMO1)] == ["current", "savings", "credit_card"]
    page = bank.transactions(DEMO1, limit=1)
    assert page.total > 300
    assert page.items[0].booked_at.date() < TODAY


def test_demo_passwords_are_found(bank):
    assert demo_logins(bank) == ["demo1", "demo2", "demo3", "demo4", "demo5"]


# --- login ---


@pytest.mark.parametrize(
    ("login", "password", "customer_id"),
    [
        ("demo1", "demo1-pass", DEMO1),
        (" Demo1 ", "demo1-pass", DEMO1),
        ("demo1", "demo2-pass", None),
        ("demo1", "", None),
        ("customer06", "customer06-pass", None),  # no password was ever set
        ("nobody", "demo1-pass", None),
        ("", "", None),
        ("demo1\x00", "demo1-pass", None),
        ("demo1' OR '1'='1", "x", None),
        ("\ud800", "\ud800", None),
        ("demo1", "x" * 5000, None),
    ],
)
def test_login(bank, login, password, customer_id):
    assert bank.verify_login(login, password) == customer_id


def test_a_customer_is_found_by_login_and_by_id(bank):
    found = bank.customer_with_login(" Demo1 ")
    assert found is not None and found.id == DEMO1 and found.name_en and found.name_zh
    assert bank.customer(DEMO1) == found
    assert bank.customer("C999999") is None
    assert bank.customer_with_login("nobody") is None


# --- reading ---


def test_balance_is_the_opening_balance_and_every_booking(engine, bank):
    with engine.connect() as connection:
        for person in CUSTOMERS[:5]:
            for balance in bank.balances(person.id):
                opening = connection.execute(
                    select(accounts.c.opening_balance).where(accounts.c.id == balance.account_id)
                ).scalar_one()
                booked = connection.execute(
                    select(transactions.c.amount).where(transactions.c.account_id == balance.account_id)
                ).scalars()
                assert balance.amount == opening + sum(booked, Decimal("0.00"))


def test_available_credit_is_what_the_limit_leaves(bank):
    card = next(balance for balance in bank.balances(DEMO1) if balance.type == "credit_card")
    assert card.available_credit == Decimal("3000.00") + card.amount


def test_everyone_sees_their_own_and_nothing_else(engine, bank):
    with engine.connect() as connection:
        everything = connection.execute(select(transactions.c.id)).scalars().all()
    seen: list[int] = []
    for person in CUSTOMERS:
        offset: int | None = 0
        while offset is not None:
            page = bank.transactions(person.id, limit=100, offset=offset)
            seen += [item.id for item in page.items]
            offset = page.next_offset
    assert sorted(seen) == sorted(everything)  # each exactly once
    assert bank.balances("C999999") == []
    assert bank.cards("C999999") == []
    assert bank.transactions("C999999").items == ()


def test_pages_are_newest_first_and_do_not_overlap(bank):
    first, second = bank.transactions(DEMO1), bank.transactions(DEMO1, offset=10)
    times = [item.booked_at for item in first.items + second.items]
    assert times == sorted(times, reverse=True)
    assert len({item.id for item in first.items + second.items}) == 20
    assert bank.transactions(DEMO1, offset=first.total).next_offset is None


def test_filters_and_spending(bank):
    days = DateRange.parse("2026-10-01/2026-10-31")
    page = bank.transactions(DEMO1, "current", days, limit=100)
    assert page.total == len(page.items) > 0
    assert {item.account_type for item in page.items} == {"current"}
    assert all(days.start <= item.booked_at.date() <= days.end for item in page.items)
    assert any(item.type in OWN_MOVES and item.amount < 0 for item in page.items)
    assert page.spent == {"GBP": sum((item.spent for item in page.items), Decimal("0.00"))}
    assert page.spent["GBP"] < sum(-item.amount for item in page.items if item.amount < 0)
    assert bank.transactions(DEMO1, "loan", days).items == ()


def test_a_day_is_the_customers_day_not_utcs(engine, bank):
    """23:30 UTC on 30 June is already July in London."""
    late = datetime(2026, 6, 30, 23, 30, tzinfo=timezone.utc)
    with engine.begin() as connection:
        connection.execute(
            insert(transactions).values(
                account_id="C100024-1", booked_at=late, amount=Decimal("-1.23"), currency="GBP", type="fee",
                description_en="Late", description_zh="夜间",
            )
        )  # fmt: skip

    def found(days: str) -> bool:
        page = bank.transactions("C100024", None, DateRange.parse(days), limit=100)
        return late in [item.booked_at for item in page.items]

    assert found("2026-07-01/2026-07-01")
    assert not found("2026-06-01/2026-06-30")


@pytest.mark.parametrize("wrong", [{"limit": 0}, {"limit": 101}, {"offset": -1}, {"account_type": "gold"}])
def test_nonsense_is_refused(bank, wrong):
    with pytest.raises(InvalidInputError):
        bank.transactions(DEMO1, **wrong)


# --- cards ---


def test_lock_and_unlock_say_whether_anything_changed(engine, bank):
    first = bank.lock_card(DEMO2, "2096", conversation_id="c_test")
    again = bank.lock_card(DEMO2, "2096")
    assert (first.changed, first.card.status) == (True, "locked")
    assert (again.changed, again.card.status) == (False, "locked")
    assert bank.unlock_card(DEMO2, "2096").changed is True
    assert bank.unlock_card(DEMO2, "2096").changed is False
    recorded = [(event.status_before, event.status_after, event.conversation_id) for event in events_of(engine, DEMO2)]
    assert recorded == [("active", "locked", "c_test"), ("locked", "active", None)]


def test_eight_at_once_change_it_once(engine, bank):
    with ThreadPoolExecutor(8) as pool:
        changes = [pool.submit(bank.lock_card, "C100008", "3296") for _ in range(8)]
    assert sorted(change.result().changed for change in changes) == [False] * 7 + [True]
    assert len(events_of(engine, "C100008")) == 1


@pytest.mark.parametrize("last_four", ["4821", "9999", "", "12345", "４８２１", "48\x0021", "____"])
def test_nobody_locks_a_card_that_is_not_theirs(bank, last_four):
    with pytest.raises(NotFoundError):
        bank.lock_card(DEMO4, last_four)
    assert {card.status for card in bank.cards(DEMO1)} == {"active"}


def test_two_customers_may_have_the_same_last_four(engine, bank):
    twin = {"id": "twin", "customer_id": "C100010", "account_id": "C100010-1", "kind": "debit", "status": "active"}
    with engine.begin() as connection:
        connection.execute(insert(cards).values(**twin, last_four="3777"))  # C100021's card ends so too
    assert bank.lock_card("C100010", "3777").card.id == "twin"
    assert {card.last_four: card.status for card in bank.cards("C100021")} == {"3777": "active", "9113": "active"}


def test_without_its_record_a_change_does_not_happen(engine):
    broken_clock = BankService(engine, clock=lambda: datetime(2026, 1, 1))  # a time without a zone is refused
    with pytest.raises(StatementError):
        broken_clock.lock_card("C100016", "3592")
    assert [card.status for card in broken_clock.cards("C100016")] == ["active"]
    assert events_of(engine, "C100016") == []


def test_the_record_is_append_only(engine, bank):
    bank.lock_card("C100020", "3740")
    for statement in ("UPDATE card_events SET status_after = 'active'", "DELETE FROM card_events"):
        with pytest.raises(DBAPIError, match="append-only"), engine.begin() as connection:
            connection.execute(text(statement))
    assert len(events_of(engine, "C100020")) == 1


# --- failure ---


def test_a_database_that_is_not_there_is_a_storage_error(empty_engine):
    bank = BankService(empty_engine, hasher=FAST_HASHER)  # no tables
    for call in (
        lambda: bank.balances(DEMO1),
        lambda: bank.transactions(DEMO1),
        lambda: bank.cards(DEMO1),
        lambda: bank.lock_card(DEMO1, "4821"),
        lambda: bank.verify_login("demo1", "demo1-pass"),
    ):
        with pytest.raises(StorageError):
            call()


def test_an_unreachable_server_is_a_storage_error(tmp_path):
    bank = BankService(open_engine(f"postgresql://postgres@/bank?host={tmp_path}"))
    with pytest.raises(StorageError):
        bank.ping()
