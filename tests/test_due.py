"""The days after an order: charged exactly once and never early, reminded once, suspended, cancelled, expired."""

from __future__ import annotations

import datetime as dt
import threading
from typing import Any

import pytest

from config import Settings
from models import ALL, Invoice, Lease, Membership, Order, OutboxMail, Payment, User, db
from services import banking, due, invoices, mail, orders, payments
from services import clock as portal_clock
from services.payments import Outcome, charging
from tests.money_kit import BILLING, DUE, NOW, TODAY, Bank, account_of, bank, customer, join

__all__ = ["bank"]
SOFT = Outcome("declined", code="insufficient_funds", retry=True)
HARD = Outcome("declined", code="stolen_card")


class KilledError(BaseException):
    """Stands for SIGKILL: nothing may catch it."""


@pytest.fixture
def made(settings: Any, connected: Any, clock: Any, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings, with mail that stays in the outbox."""
    monkeypatch.setattr(mail, "deliver", lambda _settings, _now: {"sent": 0})
    result: Settings = settings()
    return result


def day(after_due: int) -> dt.date:
    return DUE + dt.timedelta(days=after_due)


def run(made: Settings, after_due: int, **options: Any) -> dict[str, Any]:
    return due.run(made, day(after_due), NOW, **options)


def mails(prefix: str) -> list[str]:
    return [row.key for row in OutboxMail.select().where(OutboxMail.key.startswith(prefix)).order_by(OutboxMail.id)]


def dump() -> dict[str, list[Any]]:
    return {model.__name__: sorted(model.select().tuples(), key=repr) for model in ALL}


# --- cards ----------------------------------------------------------------------------------------------------------


def test_card_is_charged_on_the_due_date_and_not_before(made: Settings, bank: Bank) -> None:
    membership, invoice = join(made, customer(1000), method="card")
    assert membership.status == "active"  # usable at once, before anything is paid
    for before in (-29, -7, -1):
        assert "charged" not in run(made, before)
    assert bank.debits == []
    assert run(made, 0)["charged"] == 1
    assert bank.debits == [(f"{invoice.number}-1", 101_473, "HUF")]
    paid = Invoice.get()
    assert (paid.status, paid.paid, paid.paid_on) == ("paid", 101_473, DUE)
    for later in (0, 0, 1, 14, 60):
        assert "charged" not in run(made, later)
    assert len(bank.debits) == 1
    assert mails("charged:") == [f"charged:{invoice.number}-1"]


def test_missed_days_charge_once(made: Settings, bank: Bank) -> None:
    join(made, customer(1000), method="card")
    assert run(made, 5)["charged"] == 1
    assert len(bank.debits) == 1


def test_killed_between_debit_and_record(made: Settings, bank: Bank) -> None:
    _, invoice = join(made, customer(1000), method="card")

    def kill() -> None:
        raise KilledError

    bank.on_charge = kill
    for _ in range(3):
        with pytest.raises(KilledError):
            run(made, 0)
        assert (Payment.get().state, Invoice.get().status) == ("sent", "open")
    bank.on_charge = lambda: None
    assert run(made, 1)["charged"] == 1
    assert bank.debits == [(f"{invoice.number}-1", 101_473, "HUF")]
    assert Payment.select().count() == 1


def test_killed_before_the_gateway_is_asked(made: Settings, bank: Bank) -> None:
    _, invoice = join(made, customer(1000), method="card")
    assert charging.intend(bank, invoice.id, DUE, NOW)
    assert bank.debits == []
    assert run(made, 0)["charged"] == 1
    assert len(bank.debits) == 1


def test_no_answer_repeats_the_same_key(made: Settings, bank: Bank) -> None:
    _, invoice = join(made, customer(1000), method="card")
    bank.answers = [Outcome("unknown"), Outcome("unknown")]
    assert run(made, 0)["unknown"] == 1
    assert run(made, 0)["unknown"] == 1
    assert Membership.get().status == "active"
    assert run(made, 0)["charged"] == 1
    assert bank.debits == [(f"{invoice.number}-1", 101_473, "HUF")]


def test_intent_is_committed_before_the_gateway_is_asked(made: Settings, bank: Bank) -> None:
    join(made, customer(1000), method="card")
    seen: list[tuple[bool, str]] = []
    bank.on_charge = lambda: seen.append((db.in_transaction(), Payment.get().state))
    run(made, 0)
    assert seen == [(False, "sent")]
    with db.atomic(), pytest.raises(RuntimeError):
        charging.intend(bank, 1, DUE, NOW)


def test_parallel_runs_charge_once(made: Settings, bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(due, "hold", lambda _run: True)  # as if the lease were not there
    for n in range(8):
        join(made, customer(1000, email=f"u{n}@example.com"), method="card")
    errors: list[BaseException] = []
    start = threading.Barrier(4)

    def work() -> None:
        start.wait()
        try:
            summary = run(made, 0)
            assert "failed" not in summary
        except BaseException as error:
            errors.append(error)
        finally:
            db.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert len(bank.debits) == 8
    assert Payment.select().count() == 8
    assert {(row.paid, row.status) for row in Invoice.select()} == {(101_473, "paid")}


def test_soft_decline_is_tried_three_times_more_then_a_transfer_is_asked_for(made: Settings, bank: Bank) -> None:
    _, invoice = join(made, customer(1000), method="card")
    bank.answers = [SOFT] * 9
    declined = [after for after in range(14) if run(made, after).get("declined")]
    assert declined == [0, 1, 4, 9]
    assert [row.key for row in Payment.select().order_by(Payment.id)] == [f"{invoice.number}-{n}" for n in (1, 2, 3, 4)]
    assert Invoice.get().method == "transfer"
    assert len(mails("declined:")) == 4
    assert bank.debits == []


def test_a_card_given_up_is_dunned_from_that_day(made: Settings, bank: Bank) -> None:
    join(made, customer(1000), method="card")
    bank.answers = [SOFT] * 9
    happened: dict[str, list[int]] = {}
    for after in range(70):
        summary = run(made, after)
        for what in ("reminded", "suspended", "cancelled"):
            happened.setdefault(what, []).extend([after] if summary.get(what) else [])
    assert happened == {"reminded": [10, 16, 23], "suspended": [23], "cancelled": [69]}  # given up on the 9th day


def test_a_card_that_fails_late_is_not_cancelled_in_the_same_run(made: Settings, bank: Bank) -> None:
    join(made, customer(1000), method="card")
    bank.answers = [HARD]
    summary = run(made, 61)
    assert (summary["declined"], "cancelled" in summary, "suspended" in summary) == (1, False, False)


def test_a_decline_of_an_invoice_paid_meanwhile_asks_for_nothing(made: Settings, bank: Bank) -> None:
    _, invoice = join(made, customer(1000), method="card")
    bank.answers = [HARD]

    def pay() -> None:
        banking.receive(made, "k", DUE, invoice.gross, "HUF", invoice.reference, NOW)

    bank.on_charge = pay
    run(made, 0)
    assert (Invoice.get().status, Invoice.get().method) == ("paid", "card")
    assert mails("declined:") == []


def test_mail_is_leased_from_the_moment_it_is_taken_up(
    settings: Any, connected: Any, clock: Any, bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = settings()
    join(made, customer(1000), method="card")
    bank.on_charge = lambda: clock.forward(seconds=90)  # longer than a lease
    second: list[Any] = []

    def connect(*_: Any) -> Any:
        second.extend(mail.claim(portal_clock.now(), 100))
        raise OSError("no server")

    monkeypatch.setattr(mail, "connect", connect)
    due.run(made, DUE, portal_clock.now())
    assert second == []


def test_nobody_joins_again_on_an_unpaid_invoice(made: Settings, bank: Bank) -> None:
    user = customer(1000)
    _, invoice = join(made, user)
    run(made, 14)
    run(made, 60)
    with pytest.raises(invoices.InvoiceOpen):
        join(made, user)
    banking.receive(made, "late", day(61), invoice.gross, "HUF", invoice.reference, NOW)
    assert Membership.get().status == "active"


def test_soft_decline_may_turn(made: Settings, bank: Bank) -> None:
    _, invoice = join(made, customer(1000), method="card")
    bank.answers = [SOFT]
    run(made, 0)
    assert charging.next_try(Invoice.get()) == day(1)
    assert run(made, 0).get("charged") is None
    assert run(made, 1)["charged"] == 1
    assert bank.debits == [(f"{invoice.number}-2", 101_473, "HUF")]


@pytest.mark.parametrize("answer", [HARD, Outcome("action", "pi", "authentication_required")])
def test_hard_decline_is_not_tried_again(made: Settings, bank: Bank, answer: Outcome) -> None:
    join(made, customer(1000), method="card")
    bank.answers = [answer]
    assert run(made, 0)["declined"] == 1
    for after in range(1, 12):
        run(made, after)
    assert Payment.select().count() == 1
    assert Invoice.get().method == "transfer"
    assert charging.next_try(Invoice.get()) is None


def test_pending_waits_for_the_gateway(made: Settings, bank: Bank) -> None:
    join(made, customer(1000), method="card")
    bank.answers = [Outcome("pending", "pi")]
    assert run(made, 0)["pending"] == 1
    for after in (1, 14, 60):
        run(made, after)
    assert (Invoice.get().status, Membership.get().status) == ("open", "active")
    payment = Payment.get()
    for _ in range(2):  # the event comes twice
        charging.settle(made, payment.id, Outcome("paid", "pi"), day(2))
    assert (Invoice.get().status, Invoice.get().paid) == ("paid", 101_473)


def test_transfer_before_the_due_date_spares_the_card(made: Settings, bank: Bank) -> None:
    _, invoice = join(made, customer(1000), method="card")
    banking.receive(made, "b1", TODAY, 101_473, "HUF", invoice.reference, NOW)
    assert "charged" not in run(made, 0)
    assert bank.debits == []


def test_partial_transfer_leaves_the_rest_to_the_card(made: Settings, bank: Bank) -> None:
    _, invoice = join(made, customer(1000), method="card")
    banking.receive(made, "b1", TODAY, 100_000, "HUF", invoice.reference, NOW)
    run(made, 0)
    assert bank.debits == [(f"{invoice.number}-1", 1_473, "HUF")]
    assert Invoice.get().status == "paid"


def test_unanswered_charge_on_a_paid_invoice_is_for_a_person(made: Settings, bank: Bank) -> None:
    _, invoice = join(made, customer(1000), method="card")
    bank.answers = [Outcome("unknown")]
    run(made, 0)
    banking.receive(made, "b1", DUE, 101_473, "HUF", invoice.reference, NOW)
    assert run(made, 1)["unclear"] == 1
    assert bank.debits == []


def test_card_of_another_gateway_is_for_a_person(made: Settings, bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    join(made, customer(1000), method="card")
    monkeypatch.setattr(payments, "gateway", lambda _settings: None)
    assert run(made, 20)["unclear"] == 1
    assert Membership.get().status == "active"
    monkeypatch.setattr(payments, "gateway", lambda _settings: Bank(name="other"))
    assert run(made, 20)["unclear"] == 1
    assert not Payment.select().exists()


def test_one_failure_does_not_stop_the_others(made: Settings, bank: Bank, caplog: pytest.LogCaptureFixture) -> None:
    for n in range(3):
        join(made, customer(1000, email=f"u{n}@example.com"), method="card")
    calls = iter([0, 1, 2])

    def second_fails() -> None:
        if next(calls, 9) == 1:
            raise ZeroDivisionError

    bank.on_charge = second_fails
    summary = run(made, 0)
    assert (summary["charged"], summary["failed"]) == (2, 1)
    assert run(made, 0)["charged"] == 1
    assert len(bank.debits) == 3


# --- late transfers -------------------------------------------------------------------------------------------------


def test_timeline_of_a_transfer_that_never_comes(made: Settings, bank: Bank) -> None:
    _, invoice = join(made, customer(1000))
    happened = {
        after: found
        for after in range(-30, 70)
        if (found := {name for name in run(made, after) if name in ("reminded", "suspended", "cancelled", "expired")})
    }
    assert happened == {1: {"reminded"}, 7: {"reminded"}, 14: {"reminded", "suspended"}, 60: {"cancelled"}}
    assert mails("reminder:") == [f"reminder:{invoice.number}:{days}" for days in (1, 7, 14)]
    assert mails("suspended:") == [f"suspended:{invoice.number}"]
    assert mails("cancelled:") == [f"cancelled:{invoice.number}"]
    assert (Membership.get().status, Invoice.get().status) == ("cancelled", "open")


def test_reminders_go_out_once_however_often_it_runs(made: Settings, bank: Bank) -> None:
    join(made, customer(1000))
    for after in (1, 1, 2, 2, 7, 7, 8, 14, 14, 15):
        run(made, after)
    assert len(mails("reminder:")) == 3


def test_a_jump_reminds_once_and_then_suspends(made: Settings, bank: Bank) -> None:
    _, invoice = join(made, customer(1000))
    summary = run(made, 20)
    assert (summary["reminded"], summary["suspended"]) == (1, 1)
    assert mails("reminder:") == [f"reminder:{invoice.number}:14"]


def test_a_longer_jump_only_cancels(made: Settings, bank: Bank) -> None:
    join(made, customer(1000))
    summary = run(made, 61)
    assert summary["cancelled"] == 1
    assert not mails("reminder:")
    assert not mails("suspended:")


def test_suspended_then_paid_is_active_and_left_alone(made: Settings, bank: Bank) -> None:
    _, invoice = join(made, customer(1000))
    run(made, 14)
    assert Membership.get().status == "suspended"
    banking.receive(made, "b1", day(15), 101_473, "HUF", invoice.reference, NOW)
    assert Membership.get().status == "active"
    for after in (15, 30, 61):
        run(made, after)
    assert Membership.get().status == "active"
    assert len(mails("reminder:")) == 1


def test_membership_expires_after_its_last_day(made: Settings, bank: Bank) -> None:
    membership, invoice = join(made, customer(1000))
    banking.receive(made, "b1", TODAY, 101_473, "HUF", invoice.reference, NOW)
    assert "expired" not in due.run(made, membership.ends_on, NOW)
    assert due.run(made, membership.ends_on + dt.timedelta(days=1), NOW)["expired"] == 1
    assert Membership.get().status == "expired"
    again, _ = join(made, User.get(), today=membership.ends_on + dt.timedelta(days=1))
    assert again.old_number == membership.number


def test_disabled_user_gets_no_mail(made: Settings, bank: Bank) -> None:
    join(made, customer(1000))
    User.update(disabled_at=NOW).execute()
    run(made, 14)
    assert Membership.get().status == "suspended"
    assert not mails("suspended:")


# --- the run itself -------------------------------------------------------------------------------------------------


def test_dry_run_writes_nothing_and_tells_what_is_due(made: Settings, bank: Bank) -> None:
    join(made, customer(1000), method="card")
    join(made, customer(1000, email="b@example.com"))
    before = dump()
    summary = run(made, 14, dry_run=True)
    assert dump() == before
    assert (summary["charge"], summary["remind"], summary["suspend"], summary["cancel"]) == (1, 1, 1, 0)
    assert bank.debits == []


def test_only_one_runner(made: Settings, bank: Bank, clock: Any) -> None:
    join(made, customer(1000), method="card")
    Lease.create(name="due", holder="other", until=NOW + dt.timedelta(minutes=5))
    assert run(made, 0)["busy"]
    assert bank.debits == []
    clock.forward(minutes=6)  # the other one was killed
    assert run(made, 0)["charged"] == 1
    assert not Lease.select().exists()


def test_lost_lease_stops_the_run(made: Settings, bank: Bank) -> None:
    for n in range(3):
        join(made, customer(1000, email=f"u{n}@example.com"), method="card")

    def taken_over() -> None:
        Lease.update(holder="other", until=NOW + dt.timedelta(hours=1)).execute()

    bank.on_charge = taken_over
    run(made, 0)
    assert len(bank.debits) == 1
    assert Lease.get().holder == "other"


def test_old_drafts_are_pruned(made: Settings, bank: Bank) -> None:
    orders.draft(account_of(customer(1000)), "gold", "transfer", "HU", BILLING, NOW - dt.timedelta(days=31))
    assert run(made, 0)["orders_pruned"] == 1
    assert not Order.select().exists()


def test_euro_market_is_charged_in_cents(settings: Any, made: Settings, bank: Bank) -> None:
    euro = settings("at")
    join(euro, customer(1000, country="AT"), method="card", country="AT")
    due.run(euro, DUE, NOW)
    assert [(amount, currency) for _, amount, currency in bank.debits] == [(24_000, "EUR")]
    assert invoices.of(account_of(User.get()))[0].status == "paid"
