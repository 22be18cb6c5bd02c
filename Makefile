# One command from a bare machine (python3 >= 3.11 and make) to a result.
#   make demo   train WGAN-GP on the embedded digits and sample it       make test   the tests
#   make lint   linter, type checker, import contract
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV   ?= .venv
BIN    := $(VENV)/bin
# uv does not read pip's configuration: hand it pip's find-links, so that a local torch wheel is seen.
FIND_LINKS := $(or $(PIP_FIND_LINKS),$(shell $(PYTHON) -m pip config get global.find-links 2>/dev/null))
UV := $(if $(FIND_LINKS),UV_FIND_LINKS="$(FIND_LINKS)",) $(BIN)/uv pip install -q --compile-bytecode --python $(BIN)/python -c constraints.txt

.PHONY: demo test lint clean
demo: $(VENV)/.core
	$(BIN)/ganvas train wgan-gp-digits
test: $(VENV)/.test
	$(BIN)/python -m pytest -n 2
lint: $(VENV)/.lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
clean:
	rm -rf $(VENV)

$(BIN)/uv:
	$(PYTHON) -m venv $(VENV) && $(BIN)/python -m pip install -q --disable-pip-version-check uv
$(VENV)/.core: pyproject.toml constraints.txt | $(BIN)/uv
	$(UV) -e . && touch $@
$(VENV)/.test: pyproject.toml constraints.txt | $(BIN)/uv
	$(UV) -e ".[test]" && touch $@
$(VENV)/.lint: pyproject.toml constraints.txt | $(BIN)/uv
	$(UV) -e ".[test,lint]" && touch $@
