"""Log-in sessions: a row per log-in, so that log-out and a password change end them on the server (server.md c6)."""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets

from peewee import JOIN

from models import Account, Compiled, LoginSession, User, columns, made_of

IDLE = dt.timedelta(hours=12)
ABSOLUTE = dt.timedelta(days=14)
SEEN_EVERY = dt.timedelta(minutes=5)  # how often a visit is written down: reading pages must not mean writing rows


def digest(token: str) -> str:
    """What is stored of a secret token."""
    return hashlib.sha256(token.encode()).hexdigest()


def start(user: User, user_agent: str, now: dt.datetime) -> User:
    """A new log-in with a new token; the user carries it as `session.token` for the cookie."""
    token = secrets.token_urlsafe(32)
    user.session = LoginSession.create(
        token_hash=digest(token), user=user, user_agent=user_agent[:200], created_at=now, seen_at=now
    )
    user.session.token = token
    return user


def load(token: str, now: dt.datetime) -> User | None:
    """The user of a token with the account, in one query; None once timed out, logged out or disabled."""
    rows = LOGIN.rows(digest(token), now - IDLE, now - ABSOLUTE)
    if not rows:
        return None
    session, user, account = made_of(rows[0], LoginSession, User, Account)
    session.token = token
    user.session = session
    if account:
        user.account = account
    loaded: User = user
    return loaded


LOGIN = Compiled(
    lambda token_hash, seen_after, created_after: (
        LoginSession.select(*columns(LoginSession, User, Account))
        .join(User)
        .join(Account, JOIN.LEFT_OUTER)
        .where(
            LoginSession.token_hash == token_hash,
            LoginSession.seen_at > seen_after,
            LoginSession.created_at > created_after,
            User.disabled_at.is_null(),
        )
    )
)


def seen(session: LoginSession, now: dt.datetime) -> None:
    """Note that the session is in use, at most every five minutes."""
    if now - session.seen_at >= SEEN_EVERY:
        LoginSession.update(seen_at=now).where(LoginSession.id == session.id).execute()


def end(session: LoginSession) -> None:
    LoginSession.delete().where(LoginSession.id == session.id).execute()


def end_all(user: User, keep: LoginSession | None = None) -> int:
    """End the user's sessions, all or all but one; returns how many."""
    query = LoginSession.delete().where(LoginSession.user == user)
    return int((query.where(LoginSession.id != keep.id) if keep else query).execute())


def prune(now: dt.datetime) -> int:
    """Delete what has timed out; returns how many."""
    return int(
        LoginSession.delete()
        .where((LoginSession.seen_at <= now - IDLE) | (LoginSession.created_at <= now - ABSOLUTE))
        .execute()
    )
