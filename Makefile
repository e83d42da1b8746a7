# The portal's commands. Needed: Python 3.11 or newer; `make demo` and `make test` bring the rest.
.DEFAULT_GOAL := help
.PHONY: help demo reset-demo setup check test test-postgres screenshots clean
PORT ?= 5000
PYTEST = .venv/bin/python -m pytest -n 2
export PORT PYTHON CHROMIUM

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | while IFS='|' read -r name what; do printf '%-20s %s\n' "$$name" "$$what"; done

demo: ## the portal with demo people, on http://127.0.0.1:5000 (PORT=8000: elsewhere)
	@tools/bootstrap.sh demo
	@tools/demo.sh

reset-demo: ## forget what was done in the demo, and start it over
	@tools/bootstrap.sh demo
	@tools/demo.sh --fresh

setup: ## for production: packages, then migrations and catalogues of the portal PORTAL_… describes
	@tools/bootstrap.sh demo
	@.venv/bin/flask setup

check: ## format, lint, types, templates
	@tools/bootstrap.sh test
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy .
	.venv/bin/djlint --quiet --lint templates

test: ## every test, the browser's too; T="-k tiers" for some
	@tools/bootstrap.sh test
	@CHROMIUM="$$(tools/chromium.sh)" && export CHROMIUM && $(PYTEST) $(T)

test-postgres: ## every test on a throw-away PostgreSQL
	@tools/bootstrap.sh test
	@CHROMIUM="$$(tools/chromium.sh)" && export CHROMIUM && tools/postgresql.sh $(PYTEST) $(T)

screenshots: ## take the README's pictures again
	@tools/bootstrap.sh test
	@CHROMIUM="$$(tools/chromium.sh)" && export CHROMIUM && .venv/bin/python tools/screenshots.py

clean: ## remove what can be made again; data under instance/ stays
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +
