"""Mail: written into the outbox with the fact it tells of, delivered afterwards, retried, never lost (server.md d1).

Owns the outbox, the mail templates and SMTP. It decides for nobody whether a mail is due: callers queue, inside their
own transaction. SMTP cannot deliver exactly once; a mail may come twice after a cut connection, always under the same
Message-ID.
"""

from __future__ import annotations

import datetime as dt
import random
import re
import smtplib
import ssl
import time
from email.message import EmailMessage
from email.policy import SMTP as POLICY
from email.utils import format_datetime, make_msgid, parseaddr
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit

from email_validator import EmailNotValidError, validate_email
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

import i18n
from config import Settings, Smtp
from models import OutboxMail, db
from services import audit, clock

FOLDER = Path(__file__).parent.parent / "templates" / "mail"
TIMEOUT = 10  # seconds for each answer of the mail server
LEASE = dt.timedelta(seconds=60)  # after a kill, claimed mails are free again
STARTS_WITHIN = 20.0  # seconds; a mail begun later could outlive the lease: four answers of ten seconds
FIRST_PAUSE, LONGEST_PAUSE = 30, 6 * 3600  # seconds
TRIES = 12  # within about 15 hours

Counts = dict[str, int]


# --- writing --------------------------------------------------------------------------------------------------------


def dead() -> list[OutboxMail]:
    """The latest hundred mails that were given up, newest first: an operator must look at them."""
    query = OutboxMail.select().where(OutboxMail.dead_at.is_null(False)).order_by(OutboxMail.id.desc())
    return list(query.limit(100))


def revive(now: dt.datetime) -> int:
    """Give every dead mail another row of tries, once the cause was mended; returns how many."""
    again = OutboxMail.update(dead_at=None, attempts=0, due_at=now, leased_until=None)
    return int(again.where(OutboxMail.dead_at.is_null(False)).execute())


def prune(before: dt.datetime) -> int:
    """Forget mails that were sent or given up before an instant; returns how many."""
    done = OutboxMail.sent_at.is_null(False) | OutboxMail.dead_at.is_null(False)
    return int(OutboxMail.delete().where(done, OutboxMail.created_at < before).execute())


def queue(settings: Settings, key: str, name: str, to: str, language: str, **context: object) -> None:
    """Write the mail `templates/mail/<name>` for `to` into the outbox; a key that is there already changes nothing.

    Raises RuntimeError outside a transaction (a mail must not outlive what it tells of), ValueError for an address that
    is none, jinja2.UndefinedError if `context` lacks what the template names.
    """
    if not db.in_transaction():
        raise RuntimeError(f"mail {name} must be queued inside a transaction")
    wire_address(to)
    subject, text, html = render(settings, name, language, **context)
    now = clock.now()
    OutboxMail.insert(
        key=key,
        name=name,
        recipient=to,
        language=language,
        subject=subject,
        text=text,
        html=html,
        message_id=make_msgid(domain=urlsplit(settings.base_url).hostname),
        created_at=now,
        due_at=now,
    ).on_conflict(action="nothing", conflict_target=[OutboxMail.key]).execute()  # not OR IGNORE: that hides CHECKs too


def render(settings: Settings, name: str, language: str, **context: object) -> tuple[str, str, str]:
    """Subject (one line), text and HTML of a mail in `language`."""
    known = {
        **context,
        "language": language,
        "market": settings.market,
        "base_url": settings.base_url,
        "demo": settings.demo,
    }
    parts = ("subject.txt", "body.txt", "body.html")
    with i18n.speaking(language):
        subject, text, html = (environment().get_template(f"{name}/{part}").render(known) for part in parts)
    return one_line(subject), re.sub(r"\n{3,}", "\n\n", text).strip() + "\n", html.strip() + "\n"


@lru_cache
def environment() -> Environment:
    """The mails' own Jinja: no page, no request, nothing undefined."""
    made = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=select_autoescape(("html",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    i18n.install(made)
    return made


def one_line(text: str) -> str:
    """Without line breaks, control characters and double blanks: what may stand in a header (server.md c7.17)."""
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())


def wire_address(address: str) -> str:
    """The address as servers take it: `név@árvíz.hu` has its domain in ASCII. Raises ValueError if it is none."""
    try:
        found = validate_email(address, check_deliverability=False, test_environment=True)
    except EmailNotValidError as error:
        raise ValueError(f"{address!r} is not an e-mail address") from error
    return found.ascii_email or found.normalized


# --- delivering -----------------------------------------------------------------------------------------------------


def deliver(settings: Settings, now: dt.datetime, limit: int = 100) -> Counts:
    """Send what is due, at most `limit` mails; returns how many were sent, will be retried, are dead.

    Safe in parallel and when killed: mails are claimed for a minute. A demo without a mail server has its mailbox page:
    there every mail counts as sent. `now` is the real instant.
    """
    counts: Counts = {"sent": 0, "retried": 0, "dead": 0}
    mails = claim(now, limit)
    if not mails:
        return counts
    if settings.smtp is None:
        for mail in mails:
            counts[mark_sent(mail, now)] += 1
        return counts
    started = time.monotonic()
    try:
        server = connect(settings.smtp, urlsplit(settings.base_url).hostname or "localhost")
    except (OSError, smtplib.SMTPException) as error:  # also a refused log-in: no fault of any mail
        for mail in mails:
            counts[retry(mail, now, str(error))] += 1
        return counts
    try:
        while mails and time.monotonic() - started < STARTS_WITHIN:
            mail = mails.pop(0)
            outcome, lost = send(server, settings.mail_from, mail, now)
            counts[outcome] += 1
            if lost:
                break
    finally:
        close(server)
        release(mails)
    return counts


def claim(now: dt.datetime, limit: int) -> list[OutboxMail]:
    """Lease what is due, oldest first. One statement, whose condition a second worker finds no longer true."""
    free = (
        OutboxMail.sent_at.is_null()
        & OutboxMail.dead_at.is_null()
        & (OutboxMail.due_at <= now)
        & (OutboxMail.leased_until.is_null() | (OutboxMail.leased_until <= now))
    )
    if not OutboxMail.select().where(free).exists():  # the worker asks every second: reading must not become writing
        return []
    with db.atomic():
        due = [row.id for row in OutboxMail.select(OutboxMail.id).where(free).order_by(OutboxMail.id).limit(limit)]
        claimed = OutboxMail.update(leased_until=now + LEASE).where(OutboxMail.id.in_(due), free).returning(OutboxMail)
        return sorted(claimed, key=lambda mail: mail.id)


def release(mails: list[OutboxMail]) -> None:
    """Give back what was claimed and not tried."""
    if mails:
        ids = [mail.id for mail in mails]
        OutboxMail.update(leased_until=None).where(OutboxMail.id.in_(ids), OutboxMail.sent_at.is_null()).execute()


def connect(smtp: Smtp, own_name: str) -> smtplib.SMTP:
    """A connection to the mail server, encrypted and logged in as the settings say; never less than they say."""
    secure = ssl.create_default_context()
    if smtp.security == "tls":
        server: smtplib.SMTP = smtplib.SMTP_SSL(smtp.host, smtp.port, own_name, timeout=TIMEOUT, context=secure)
    else:
        server = smtplib.SMTP(smtp.host, smtp.port, own_name, timeout=TIMEOUT)
    try:
        server.ehlo_or_helo_if_needed()  # here, so that a refused greeting is never taken for a refused mail
        if smtp.security == "starttls":
            server.starttls(context=secure)
        if smtp.user:
            server.login(smtp.user, smtp.password)
    except BaseException:
        server.close()
        raise
    return server


def send(server: smtplib.SMTP, sender: str, mail: OutboxMail, now: dt.datetime) -> tuple[str, bool]:
    """Hand over one mail; what became of it, and whether the connection is lost."""
    try:
        server.send_message(compose(mail, sender), parseaddr(sender)[1], [wire_address(mail.recipient)])
    except smtplib.SMTPRecipientsRefused as refusal:
        ((code, answer),) = refusal.recipients.values()
        return refused(mail, now, code, answer)
    except smtplib.SMTPSenderRefused as refusal:  # our settings are wrong: time for a person to put them right
        return retry(mail, now, reason(refusal.smtp_code, refusal.smtp_error)), refusal.smtp_code == 421
    except smtplib.SMTPDataError as refusal:
        return refused(mail, now, refusal.smtp_code, refusal.smtp_error)
    except (smtplib.SMTPNotSupportedError, ValueError) as error:  # an address that this server cannot write to
        return bury(mail, now, str(error)), False
    except (OSError, smtplib.SMTPException) as error:
        return retry(mail, now, str(error)), True
    note(mail, sent_at=now, error="", text="", html="")  # the links in it are nobody's business any more
    return "sent", False


def compose(mail: OutboxMail, sender: str) -> EmailMessage:
    """The message, the same bytes on every try but for the boundary. The policy refuses line breaks in any header."""
    message = EmailMessage(policy=POLICY)
    message["From"] = sender
    message["To"] = wire_address(mail.recipient)
    message["Subject"] = mail.subject
    message["Date"] = format_datetime(mail.created_at.replace(tzinfo=dt.UTC))
    message["Message-ID"] = mail.message_id
    message["Content-Language"] = mail.language
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers, please
    message.set_content(mail.text, cte="quoted-printable")
    message.add_alternative(mail.html, subtype="html", cte="quoted-printable")
    return message


def close(server: smtplib.SMTP) -> None:
    try:
        server.quit()
    except (OSError, smtplib.SMTPException):
        server.close()


# --- what became of it ----------------------------------------------------------------------------------------------


def note(mail: OutboxMail, **fields: object) -> None:
    """Write down a try and free the mail."""
    OutboxMail.update(attempts=mail.attempts + 1, leased_until=None, **fields).where(
        OutboxMail.id == mail.id, OutboxMail.sent_at.is_null()
    ).execute()


def mark_sent(mail: OutboxMail, now: dt.datetime) -> str:
    note(mail, sent_at=now, error="")
    return "sent"


def refused(mail: OutboxMail, now: dt.datetime, code: int, answer: bytes | str) -> tuple[str, bool]:
    """5xx is the server's last word on this mail; anything else is worth another try."""
    if code // 100 == 5:
        return bury(mail, now, reason(code, answer)), False
    return retry(mail, now, reason(code, answer)), code == 421


def retry(mail: OutboxMail, now: dt.datetime, why: str) -> str:
    """Try again after a pause that doubles each time; dead after TRIES."""
    tries = mail.attempts + 1
    if tries >= TRIES:
        return bury(mail, now, why)
    note(mail, due_at=now + dt.timedelta(seconds=pause(tries)), error=one_line(why)[:500])
    return "retried"


def pause(tries: int) -> int:
    """Seconds until the next try: 30 × 2ⁿ and up to a fifth less, so that a returning server is not stormed."""
    full = min(FIRST_PAUSE * 2 ** (tries - 1), LONGEST_PAUSE)
    return random.randint(full * 4 // 5, full)  # noqa: S311  no secret


def bury(mail: OutboxMail, now: dt.datetime, why: str) -> str:
    """Give up; the audit log tells the operator. No address in there: it cannot be erased."""
    with db.atomic():
        note(mail, dead_at=now, error=one_line(why)[:500])
        audit.record("mail", "mail.dead", f"mail {mail.id}", name=mail.name, tries=mail.attempts + 1)
    return "dead"


def reason(code: int, answer: bytes | str) -> str:
    """What the server said, as text."""
    text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
    return f"{code} {text}"
