.DEFAULT_GOAL := help
.PHONY: help setup system demo test test-all test-fake-cuda test-pythons lint bench man may-release release clean

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 16

setup: system $(VENV)/done ## install everything: packages into .venv, ffmpeg into the system

$(VENV)/done: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

# ffmpeg itself, what OpenCV's wheel links to, and the part of Python that Debian packs apart.
SYSTEM := ffmpeg libgl1 libglib2.0-0 python3-venv

system:
	@if command -v ffmpeg >/dev/null && command -v ffprobe >/dev/null && $(PYTHON) -c 'import ensurepip' 2>/dev/null; then exit 0; fi; \
	if ! command -v apt-get >/dev/null; then \
		echo "ffmpeg is missing: install it (dnf install ffmpeg, brew install ffmpeg), then make setup again"; exit 1; \
	fi; \
	if [ "$$(id -u)" = 0 ]; then sudo=; else sudo=sudo; fi; \
	$$sudo apt-get update -qq && $$sudo apt-get install -y -qq --no-install-recommends $(SYSTEM) >/dev/null || \
		{ echo "could not install $(SYSTEM): install them, then make setup again"; exit 1; }

demo: setup ## make a short film, smooth it to 60 fps, score it against the truth
	$(RUN) -m benchmarks.demo

# One process a core, each with one thread: they would only wait for each other's.
PYTEST := OMP_NUM_THREADS=1 $(RUN) -m pytest -q -n auto --dist worksteal

test: setup ## run the tests (without the slow ones)
	$(PYTEST) -m "not slow"

test-all: setup ## run all tests
	$(PYTEST)

# A build with CUDA (5.5 GB) in an environment of its own, the rest from $(VENV): it needs no card.
FAKE_CUDA := tests/network/test_fake_cuda.py tests/benchmarks/test_fake_cuda_step.py

test-fake-cuda: .venv-cuda/done ## run network and training on CUDA tensors without values or card
	PYTHONPATH=src .venv-cuda/bin/python -m pytest -q -p no:cacheprovider $(FAKE_CUDA)

.venv-cuda/done: $(VENV)/done
	$(PYTHON) -m venv .venv-cuda
	.venv-cuda/bin/pip install --quiet --disable-pip-version-check torch==2.14.1
	ls -d $(abspath $(VENV))/lib/python*/site-packages >$$(ls -d .venv-cuda/lib/python*/site-packages)/filmcli.pth
	touch $@

# Without torch, which is gigabytes for each; what needs it is checked by mypy and ruff for 3.10.
PYTHONS := 3.10 3.11 3.12 3.13 3.14
LIGHT := click ffmpeg-python numpy opencv-python rich safetensors scenedetect hypothesis pytest
LIGHT_TESTS := tests/test_timing.py tests/test_release.py tests/test_man.py tests/survey/test_firstpass.py tests/survey/test_scenes.py tests/video/test_process.py tests/video/test_probe.py tests/video/test_sequence.py

test-pythons: $(PYTHONS:%=test-python-%) ## run what needs no torch in every Python from 3.10 on

test-python-%:
	@for python in python$* $(HOME)/.pyenv/versions/$*.*/bin/python; do \
		"$$python" -c '' 2>/dev/null && break; python=; \
	done; \
	if [ -z "$$python" ]; then echo "Python $* is not here: not tested"; exit 0; fi; \
	set -e; [ -x build/python$*/bin/pytest ] || { "$$python" -m venv build/python$*; \
		build/python$*/bin/pip install --quiet --disable-pip-version-check $(LIGHT); }; \
	build/python$*/bin/python --version; \
	build/python$*/bin/python -m compileall -q src; \
	OMP_NUM_THREADS=1 PYTHONPATH=$(CURDIR)/src build/python$*/bin/python -m pytest -q -p no:cacheprovider -m "not slow" $(LIGHT_TESTS)

lint: setup ## check style and types
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	printf '%s\n' linux darwin win32 | xargs -P 3 -I{} $(VENV)/bin/mypy --platform {} --cache-dir .mypy_cache/{}

bench: setup ## measure speed, memory and the cost around the network
	$(RUN) -m benchmarks.run

man: setup ## write manual pages: man -l build/man/filmcli.1
	$(RUN) docs/man.py build/man

VERSION = $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' src/filmcli/__init__.py)
DIST := build/dist

may-release: # before anything is built: it would be a release of what nobody can fetch again
	@refuse() { echo "no release: $$1" >&2; exit 1; }; \
	[ -z "$$(git status --porcelain)" ] || refuse "the tree holds changes; commit them first"; \
	! git rev-parse -q --verify refs/tags/v$(VERSION) >/dev/null || refuse "v$(VERSION) is tagged; raise __version__ in src/filmcli/__init__.py"; \
	grep -q '^## \[$(VERSION)\]' CHANGELOG.md || refuse "CHANGELOG.md does not tell of $(VERSION)"

release: may-release setup ## build sdist and wheel, check and install them, tag here; pushes nothing
	rm -rf $(DIST) build/bare
	$(RUN) -m build --outdir $(DIST) .
	$(RUN) -m twine check --strict $(DIST)/*
	$(PYTHON) -m venv build/bare
	build/bare/bin/pip install --quiet --disable-pip-version-check -c constraints.txt $(DIST)/*.whl
	build/bare/bin/filmcli --version | grep -F $(VERSION)
	git tag -a v$(VERSION) -m "filmcli $(VERSION)"

clean: ## remove what was built
	rm -rf $(VENV) .venv-cuda build demo .pytest_cache .mypy_cache .ruff_cache .hypothesis src/*.egg-info
