"""The pages: HTTP only. Parse, call one service, choose a page."""

from __future__ import annotations

from flask import Flask


def register(app: Flask, demo: bool) -> None:
    """Blueprints in reading order; the demo's exist only in a demo."""
    from views import account, billing, errors, products, site, tiers

    for module in (site, account, products, tiers, billing):
        app.register_blueprint(module.bp)
    if demo:
        from views import demo as demo_views
        from views import demo_card

        app.register_blueprint(demo_views.bp)
        app.register_blueprint(demo_card.bp)
    errors.install(app)
