"""The environment is read once, typed, and refused with one sentence that names the variable."""

from __future__ import annotations

from pathlib import Path

import pytest

import config

GOOD = {
    "PORTAL_BASE_URL": "https://portal.example.hu",
    "PORTAL_SECRET_KEY": "k" * 32,
    "PORTAL_SMTP_URL": "smtp+starttls://me:p%40ss@mail.example.hu:2525",
}


def test_a_production_environment_is_read() -> None:
    made = config.load(GOOD)
    assert made.smtp == config.Smtp("mail.example.hu", 2525, "starttls", "me", "p@ss")
    assert (made.market.code, made.demo, made.secure, made.proxies) == ("hu", False, True, 0)
    assert made.database.startswith("sqlite:///")


@pytest.mark.parametrize(
    ("url", "port", "security"),
    [("smtp://h", 25, "none"), ("smtp+starttls://h", 587, "starttls"), ("smtps://h", 465, "tls")],
)
def test_mail_servers_have_their_usual_ports(url: str, port: int, security: str) -> None:
    server = config.load({**GOOD, "PORTAL_SMTP_URL": url}).smtp
    assert server is not None
    assert (server.port, server.security) == (port, security)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORTAL_SECRET_KEY", ""),
        ("PORTAL_SECRET_KEY", "k" * 31),
        ("PORTAL_BASE_URL", ""),
        ("PORTAL_BASE_URL", "portal.example.hu"),
        ("PORTAL_BASE_URL", "https://portal.example.hu/path"),
        ("PORTAL_BASE_URL", "http://portal.example.hu"),
        ("PORTAL_SMTP_URL", ""),
        ("PORTAL_SMTP_URL", "mail.example.hu"),
        ("PORTAL_SMTP_URL", "smtp://mail.example.hu:99999"),
        ("PORTAL_DEMO", "yes"),
        ("PORTAL_PROXIES", "many"),
        ("PORTAL_PROXIES", "-1"),
        ("PORTAL_DEBUG", "1"),
    ],
)
def test_nonsense_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(config.ConfigError, match=rf"^{name} [^\n]+$"):
        config.load({**GOOD, name: value})


def test_a_secret_can_come_from_a_file(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("f" * 40 + "\n", "utf-8")
    environ = {name: value for name, value in GOOD.items() if name != "PORTAL_SECRET_KEY"}
    assert config.load({**environ, "PORTAL_SECRET_KEY_FILE": str(key)}).secret_key == "f" * 40
    with pytest.raises(config.ConfigError, match="keep one"):
        config.load({**GOOD, "PORTAL_SECRET_KEY_FILE": str(key)})
    with pytest.raises(config.ConfigError, match="cannot be read"):
        config.load({**environ, "PORTAL_SECRET_KEY_FILE": str(tmp_path / "none")})


def test_the_portal_ends_with_one_sentence_if_it_cannot_start(monkeypatch: pytest.MonkeyPatch) -> None:
    from app import create_app

    for name in config.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SystemExit, match=r"^The portal does not start\. PORTAL_[^\n]+$"):
        create_app()
