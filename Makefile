# Two commands: `make run` shows edged at work, `make test` tests it. Each sets up what is missing first.
.DEFAULT_GOAL := help
BIN := .venv/bin
DATA ?= ../shared/data
.PHONY: help setup setup-train setup-test run test test-all check bad-input bench model-wake-en model-sounds clean

help:      ## what there is to type
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*##/make \1 #/' | column -t -s '#'
setup:     ## set up what is missing: Debian packages, .venv, pinned Python packages
	@packaging/setup.sh
setup-train: ## the same, and TensorFlow: for `edged train` and `edged optimise`
	@packaging/setup.sh train
setup-test:
	@packaging/setup.sh train test
run: setup ## hear a sample, classify it, publish to a private broker, print what a subscriber gets
	@$(BIN)/edged demo
test: setup ## the tests, in minutes
	@$(BIN)/python -m pytest -m 'not slow' $(PYTEST)
test-all: setup-test ## the slow suites
	@$(BIN)/python -m pytest -m slow $(PYTEST)
check: setup ## ruff, mypy, layers
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/python -m pytest -q tests/test_layers.py
bench: setup ## what the whole road costs beside the bare loop: CPU, memory, start, latency; 5 minutes
	@$(BIN)/python packaging/bench_road.py $(BENCH)
model-wake-en: setup-train ## train the default model `wake-en` anew and cross-validate it; an hour or two
	@packaging/make_wake_en.sh $(or $(DATASET),../shared/data)
model-sounds: setup-train ## train the default model `sounds` anew, fold by fold; an hour
	@$(BIN)/python packaging/make_sounds.py $(DATA) build/sounds
bad-input: setup ## make every mistake that edged knows, and print what it says to each
	@PYTHONPATH=tests $(BIN)/python -m bad_input $(BAD_INPUT)
clean:     ## remove what setup and the tools made in this folder
	rm -rf .venv build *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
