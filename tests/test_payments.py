"""Transfers that arrive, and the demo gateway: each credit once, never paid by guessing."""

from __future__ import annotations

import datetime as dt
import threading
from typing import Any

import pytest

from config import Settings
from models import BankEntry, Invoice, Membership, OutboxMail, Payment, db
from services import banking, invoices, memberships, payments
from services.payments.demo import CHARGES, REFUSED, Demo
from tests.money_kit import NOW, TODAY, customer, join, log_in


@pytest.fixture
def made(settings: Any, connected: Any) -> Settings:
    result: Settings = settings()
    return result


@pytest.fixture
def invoice(made: Settings) -> Invoice:
    return join(made, customer(1000))[1]


def receive(made: Settings, amount: int, text: str, key: str = "b1", currency: str = "HUF") -> BankEntry:
    return banking.receive(made, key, TODAY, amount, currency, text, NOW)


def now(invoice: Invoice) -> Invoice:
    return Invoice.get_by_id(invoice.id)


def test_exact_transfer_pays(made: Settings, invoice: Invoice) -> None:
    entry = receive(made, 101_473, invoice.reference)
    assert (entry.verdict, entry.invoice) == ("paid", invoice)
    assert (now(invoice).status, now(invoice).paid, now(invoice).paid_on) == ("paid", 101_473, TODAY)
    assert Payment.get().key == "bank:b1"
    assert OutboxMail.get(OutboxMail.key == "received:b1")


def test_same_entry_again_changes_nothing(made: Settings, invoice: Invoice) -> None:
    first = receive(made, 101_473, invoice.reference)
    assert receive(made, 101_473, invoice.reference).id == first.id
    assert now(invoice).paid == 101_473
    assert Payment.select().count() == 1


def test_a_payment_key_is_booked_once(made: Settings, invoice: Invoice) -> None:
    for first in (True, False):
        with db.atomic():
            held = invoices.locked(invoice.id)
            assert invoices.record_payment(held, "transfer", 1_000, "k1", TODAY, NOW, "cli") is first
    assert now(invoice).paid == 1_000


def test_partial_then_rest(made: Settings, invoice: Invoice) -> None:
    assert receive(made, 100_000, invoice.reference).verdict == "partial"
    assert (now(invoice).status, now(invoice).rest) == ("open", 1_473)
    assert receive(made, 1_473, invoice.reference, key="b2").verdict == "paid"
    assert now(invoice).status == "paid"


def test_over_and_duplicate(made: Settings, invoice: Invoice) -> None:
    assert receive(made, 101_500, invoice.reference).verdict == "over"
    assert (now(invoice).status, now(invoice).paid, now(invoice).rest) == ("paid", 101_500, -27)
    assert receive(made, 101_473, invoice.reference, key="b2").verdict == "duplicate"
    assert now(invoice).paid == 101_500


@pytest.mark.parametrize(
    "text", ["", "membership fee, thank you", "RF00CPS2026000001", "CPS-2026-000099", "2026-000001"]
)
def test_unnamed_money_is_never_booked(made: Settings, invoice: Invoice, text: str) -> None:
    entry = receive(made, 101_473, text)
    assert (entry.verdict, entry.invoice) == ("review", None)
    assert now(invoice).status == "open"


def test_two_invoices_named_is_for_a_person(made: Settings, invoice: Invoice) -> None:
    _, second = join(made, customer(1000, email="b@example.com"))
    assert receive(made, 202_946, f"{invoice.number} and {second.number}").verdict == "review"
    assert now(invoice).paid == now(second).paid == 0


def test_other_currency_and_void_are_for_a_person(made: Settings, invoice: Invoice) -> None:
    assert receive(made, 101_473, invoice.reference, currency="EUR").verdict == "review"
    Invoice.update(status="void").where(Invoice.id == invoice.id).execute()
    assert receive(made, 101_473, invoice.reference, key="b2").verdict == "review"
    assert now(invoice).paid == 0


@pytest.mark.parametrize("amount", [0, -5])
def test_only_money_that_came_in(made: Settings, invoice: Invoice, amount: int) -> None:
    with pytest.raises(banking.NotACredit):
        receive(made, amount, invoice.reference)
    assert not BankEntry.select().exists()


@pytest.mark.parametrize(
    "written",
    [
        "{ref}",
        "{spaced}",
        "payment {lower} thanks",
        "/ROC/{ref}//URI/x",
        "{number}",
        "CPS 2026/1",
        "cps-2026-0001",
        "invoice CPS/2026/000001.",
    ],
)
def test_references_and_numbers_as_people_write_them(made: Settings, invoice: Invoice, written: str) -> None:
    ref = invoice.reference
    spaced = " ".join(ref[i : i + 4] for i in range(0, len(ref), 4))
    text = written.format(ref=ref, spaced=spaced, lower=ref.lower(), number=invoice.number)
    assert receive(made, 101_473, text).verdict == "paid"


@pytest.mark.parametrize("text", ["CPS-2026-0000011", "XCPS-2026-000001", "CPS-2026-000001A", "CPS2026"])
def test_a_longer_number_is_another_number(made: Settings, text: str) -> None:
    assert banking.numbers_in(text, "CPS") == set()


def test_reference_is_found_at_any_end() -> None:
    ref = invoices.rf_reference("CPS-2026-000123")
    assert ref in banking.references_in(f"xx{ref}5 thanks")


def test_money_brings_a_suspended_membership_back_at_once(made: Settings, invoice: Invoice) -> None:
    memberships.suspend(invoice.membership_id)
    receive(made, 1_000, invoice.reference)
    assert Membership.get().status == "suspended"
    receive(made, 100_473, invoice.reference, key="b2")
    assert Membership.get().status == "active"


def test_late_money_brings_a_cancelled_membership_back(made: Settings, invoice: Invoice) -> None:
    memberships.cancel(invoice.membership_id)
    assert receive(made, 101_472, invoice.reference, key="b1").verdict == "partial"
    assert Membership.get().status == "cancelled"
    assert receive(made, 1, invoice.reference, key="b2").verdict == "paid"
    assert Membership.get().status == "active"


def test_money_after_the_term_brings_nothing_back(made: Settings, invoice: Invoice) -> None:
    memberships.cancel(invoice.membership_id)
    Membership.update(ends_on=TODAY - dt.timedelta(days=1)).execute()
    assert receive(made, 101_473, invoice.reference).verdict == "paid"
    assert Membership.get().status == "cancelled"


@pytest.mark.parametrize("keys", [["b1"] * 4, ["b1", "b2", "b3", "b4"]])
def test_entries_on_threads(made: Settings, invoice: Invoice, keys: list[str]) -> None:
    errors: list[Exception] = []
    start = threading.Barrier(len(keys))

    def work(key: str) -> None:
        start.wait()
        try:
            receive(made, 101_473, invoice.reference, key=key)
        except Exception as error:
            errors.append(error)
        finally:
            db.close()

    threads = [threading.Thread(target=work, args=(key,)) for key in keys]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert now(invoice).paid == 101_473
    verdicts = sorted(entry.verdict for entry in BankEntry.select())
    assert verdicts == ["duplicate"] * (len(set(keys)) - 1) + ["paid"]


# --- the demo -------------------------------------------------------------------------------------------------------


def test_demo_gateway_is_for_demos_only(settings: Any) -> None:
    assert isinstance(payments.gateway(settings(demo=True)), Demo)
    assert payments.gateway(settings()) is None


def test_demo_gateway_repeats_itself_and_knows_only_its_own_refs() -> None:
    gateway = Demo("k" * 32)
    path = gateway.start_setup(owner="o1", email="a@example.com", back="/back", cancel="/cancel")
    setup = gateway.setup(path.removeprefix("/demo/card/"))
    assert setup is not None
    assert (setup.owner, setup.back, setup.cancel) == ("o1", "/back", "/cancel")
    for last4, outcome in CHARGES.items():
        ref = gateway.choose(setup, last4)
        method = gateway.finish_setup(ref)
        assert method is not None
        assert method == gateway.finish_setup(ref)
        assert (method.owner, method.last4) == ("o1", last4)
        asked = {"token": method.token, "amount": 1, "currency": "HUF", "key": "k-1", "invoice": "i"}
        assert gateway.charge(**asked) == gateway.charge(**asked)  # type: ignore[arg-type]
        assert gateway.charge(**asked).state == outcome.state  # type: ignore[arg-type]
        assert Demo("x" * 32).finish_setup(ref) is None
    assert gateway.finish_setup(gateway.choose(setup, REFUSED)) is None
    with pytest.raises(ValueError, match="demo card"):
        gateway.choose(setup, "9999")
    with pytest.raises(payments.BadSignature):
        gateway.event(b"{}", {})


def test_demo_transfer_pays_once_and_only_the_own_invoice(make_app: Any) -> None:
    app = make_app(demo=True)
    user = customer(1000)
    _, invoice = join(app.config["PORTAL"], user)
    browser = log_in(app.test_client(), user)
    url = f"/invoices/{invoice.number}/demo-transfer"
    stranger = log_in(app.test_client(), customer(1000, email="b@example.com"))
    assert stranger.post(url).status_code == 404
    assert browser.get(url).status_code == 303
    assert now(invoice).paid == 0
    assert [browser.post(url).status_code for _ in range(2)] == [303, 303]
    assert (now(invoice).status, now(invoice).paid) == ("paid", 101_473)
    assert BankEntry.select().count() == 1


def test_no_demo_transfer_outside_a_demo(client: Any, app: Any) -> None:
    user = customer(1000)
    _, invoice = join(app.config["PORTAL"], user)
    log_in(client, user)
    assert client.post(f"/invoices/{invoice.number}/demo-transfer").status_code == 404
    assert "demo-transfer" not in client.get(f"/invoices/{invoice.number}").text
