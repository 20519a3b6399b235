# Two commands do everything on a fresh machine: `make demo`, `make test`.
VENV   ?= .venv
PY      = $(VENV)/bin/python
PYTHON ?= python3

.PHONY: setup demo smoke test check system clean

setup: $(VENV)/.ready

# torch first and alone: an already installed torch keeps the resolver from choosing another build
$(VENV)/.ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check "torch==2.13.0"
	$(PY) -m pip install --quiet --disable-pip-version-check -e ".[dev]"
	touch $@

demo: setup
	$(VENV)/bin/openhorizon run demo

smoke: setup
	$(VENV)/bin/openhorizon run smoke

test: setup
	$(PY) -m pytest

check: setup
	$(VENV)/bin/ruff format --check src tests
	$(VENV)/bin/ruff check src tests
	$(VENV)/bin/pyright
	$(PY) -m pytest -x

# optional: the sandbox and a browser for the report's test (Debian, Ubuntu)
system:
	apt-get update -qq
	apt-get install -y -qq --no-install-recommends bubblewrap chromium

clean:
	rm -rf $(VENV) runs
