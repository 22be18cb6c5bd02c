# One command from a bare machine (python3 >= 3.11 and make) to a result.
#   make demo   sample a model that ships, then train one on the embedded digits       make test   the tests
#   make lint   linter, type checker, import contract
#   make mutants   break one line after another and see the tests notice (hours; SAMPLE=20: minutes)
#   make test-portable   the numeric tests as on lesser processors, with one thread and with two
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV   ?= .venv
BIN    := $(VENV)/bin
# uv does not read pip's configuration: hand it pip's find-links, so that a local torch wheel is seen.
FIND_LINKS := $(or $(PIP_FIND_LINKS),$(shell $(PYTHON) -m pip config get global.find-links 2>/dev/null))
UV := $(if $(FIND_LINKS),UV_FIND_LINKS="$(FIND_LINKS)",) $(BIN)/uv pip install -q --compile-bytecode --python $(BIN)/python -c constraints.txt

.PHONY: web demo test lint mutants test-portable test-default test-avx2 clean
demo: $(VENV)/.core
	$(BIN)/ganvas sample biggan-digits -n 64 --out runs/shipped.png
	$(BIN)/ganvas train wgan-gp-digits-quick
test: $(VENV)/.test web
	$(BIN)/python -m pytest -n 2
lint: $(VENV)/.lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
# Less of them: SAMPLE=20 SEED=1, or ONLY=ganvas/data
mutants: $(VENV)/.test
	$(BIN)/python tests/mutants/run.py $(if $(ONLY),--only $(ONLY)) $(if $(SAMPLE),--sample $(SAMPLE)) $(if $(SEED),--seed $(SEED))
# Kernels round differently with the width of a processor's registers and the number of threads; what the tests ask for
# must not depend on either. Less: make test-avx2 THREADS=2 NUMERIC=tests/ops
NUMERIC := $(wildcard tests/nets tests/ops tests/papers tests/metrics tests/features)
THREADS := 1 2
test-portable: test-default test-avx2
test-default: ISA = ATEN_CPU_CAPABILITY=default
test-avx2: ISA = ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2
test-default test-avx2: $(VENV)/.test
	for n in $(THREADS); do \
	  $(ISA) OMP_NUM_THREADS=$$n TEST_THREADS=$$n $(BIN)/python -m pytest $(NUMERIC) || exit 1; \
	done
clean:
	rm -rf $(VENV)

# ONNX Runtime for browsers, for the test of examples/browser; without npm or a network that test says so and does not run.
WEB := onnxruntime-web-1.23.2
WEB_SHA256 := 0b8707d7efab9a2bea63564d66cad79e897cfd0bd627e5ae000488ffc1c45c7d
web: | $(BIN)/uv
	@[ -f $(VENV)/web/ort.wasm.min.mjs ] || { mkdir -p $(VENV)/web && cd $(VENV)/web && \
	  npm pack --silent --fetch-retries=0 --fetch-timeout=60000 onnxruntime-web@$(WEB:onnxruntime-web-%=%) >/dev/null 2>&1 && \
	  echo "$(WEB_SHA256)  $(WEB).tgz" | sha256sum -c --status && \
	  tar xzf $(WEB).tgz --strip-components=2 package/dist/ort-wasm-simd-threaded.mjs \
	    package/dist/ort-wasm-simd-threaded.wasm package/dist/ort.wasm.min.mjs; } || \
	  echo "NO ONNX RUNTIME FOR BROWSERS (npm pack $(WEB)): the test of examples/browser will not run"
	@rm -f $(VENV)/web/*.tgz

$(BIN)/uv:
	$(PYTHON) -m venv $(VENV) && $(BIN)/python -m pip install -q --disable-pip-version-check uv
$(VENV)/.core: pyproject.toml constraints.txt | $(BIN)/uv
	$(UV) -e . && touch $@
$(VENV)/.test: pyproject.toml constraints.txt | $(BIN)/uv
	$(UV) -e ".[test]" && touch $@
$(VENV)/.lint: pyproject.toml constraints.txt | $(BIN)/uv
	$(UV) -e ".[test,lint]" && touch $@
