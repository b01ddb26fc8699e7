# Everything the project can do. `make` alone lists it.
# Needs Python 3.11 or newer (with venv) and make; all else is installed into .venv from locked versions.

PYTHON ?= python3

ifeq ($(OS),Windows_NT)
VENV := .venv/Scripts/python.exe
else
VENV := .venv/bin/python
endif

# Nothing outside this folder decides what runs here: no packages or settings of the user, no other Python's folders.
export PYTHONNOUSERSITE := 1
unexport PYTHONPATH
unexport PYTHONHOME
unexport PYTHONSTARTUP
unexport MATPLOTLIBRC
export MPLCONFIGDIR := $(CURDIR)/.venv/matplotlib
export MYPY_CACHE_DIR := $(CURDIR)/.venv/mypy
export IPYTHONDIR := $(CURDIR)/.venv/ipython
# After a matrix product, OpenBLAS keeps its threads spinning, ready for the next one, for tens of milliseconds, and
# so takes the cores from what else is computed meanwhile. 2^20 ticks of the clock, under a millisecond, will do.
export OPENBLAS_THREAD_TIMEOUT ?= 20
# The C library (glibc; others ignore this) gives the memory of large arrays back to the system as soon as they are
# freed, and the next arrays pay for getting it again, page by page. It may keep 256 MB. 32 MB is the most it accepts
# as the size from which an array gets pages of its own.
export MALLOC_TRIM_THRESHOLD_ ?= 268435456
export MALLOC_MMAP_THRESHOLD_ ?= 33554432
ifeq ($(strip $(HOME)),)
export HOME := $(CURDIR)/.venv/home
endif

# A Makefile cannot be parallel here: the targets share .venv and _build.
.NOTPARALLEL:
.DEFAULT_GOAL := help

.PHONY: help
help: ## List the targets
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1@\2/p' Makefile | awk -F@ '{ printf "%-23s %s\n", $$1, $$2 }'

# --- read and play ----------------------------------------------------------------------------------------------------

.PHONY: book
book: .environment-book ## Build the site into _build/html, warnings are errors
	@$(VENV) tools/site_build.py

.PHONY: serve
serve: book ## Build the site and serve it on this machine (PORT=8000)
	@$(VENV) -m http.server --bind 127.0.0.1 --directory _build/html $(or $(PORT),8000)

.PHONY: lab
lab: .environment-book ## Open a copy of the chapters in JupyterLab, on this machine (FRESH=1: a new one; ARGS=...)
	@$(VENV) tools/lab.py $(if $(FRESH),--fresh) $(ARGS)

.PHONY: full
full: .environment-book ## Run one notebook at full scale, hours: make full NB=chapters/06_lstm.ipynb
	@test -n "$(NB)" || { echo "name a notebook: make full NB=chapters/01_neural_network_review.ipynb"; exit 1; }
	@BOOK_SCALE=full $(VENV) tools/notebooks.py execute --into _build/full "$(NB)"

# --- check ------------------------------------------------------------------------------------------------------------

.PHONY: test
test: test-unit test-notebooks ## Unit tests, then every notebook compared strictly with its stored outputs

.PHONY: test-unit
test-unit: .environment-test ## Unit tests, and the rules every notebook keeps (ARGS="-k words")
	@$(VENV) -m pytest tests --ignore=tests/site -n 2 $(ARGS)

.PHONY: test-notebooks
test-notebooks: .environment-test ## Every notebook again, every output compared (NB=one.ipynb)
	@$(VENV) tools/compare.py $(if $(NB),"$(NB)")

.PHONY: test-mirror
test-mirror: .environment-test ## What needs the classic texts, which no package brings (BOOK_DATA_MIRROR=their folder)
	@$(VENV) -m pytest tests --ignore=tests/site -m mirror -v $(ARGS)

.PHONY: test-site
test-site: .environment-test book ## The built site in Chromium: links, figures that move, contrast, phone width
	@$(VENV) -m pytest tests/site -n 2 $(ARGS)

.PHONY: test-edits
test-edits: .environment-test ## What a reader does: numbers changed, cells run twice, all again (hours; ARGS="--sample 3")
	@$(VENV) -m tests.edits $(if $(NB),"$(NB)") $(ARGS)

.PHONY: reproduce
reproduce: .environment-test ## Every notebook as three processors and 1 or 2 threads compute it (SETTINGS=Haswell:1,Zen:2)
	@$(VENV) tools/compare.py --settings "$(or $(SETTINGS),all)" $(if $(NB),"$(NB)")

.PHONY: bench
bench: .environment-bench ## The book's code beside PyTorch, gensim and tokenizers (ARGS="--json lstm")
	@$(VENV) -m benchmarks $(ARGS)

# On a machine with a GPU, with the Python that has CuPy there: nothing is installed, .venv plays no part.
.PHONY: test-gpu bench-gpu
test-gpu bench-gpu: export PYTHONNOUSERSITE :=
test-gpu: ## Layers, models and training steps on a GPU, against this processor (PYTHON=one with CuPy; ARGS=LSTM)
	@$(PYTHON) -m tests.gpu $(ARGS)

bench-gpu: ## Training steps on a GPU beside PyTorch's on the same one (PYTHON=one with CuPy and PyTorch; ARGS=lstm)
	@$(PYTHON) -m benchmarks._gpu $(ARGS)

.PHONY: lint
lint: .environment-test ## Style and types of the code, the style sheets, scripts and workflows, normal form of the notebooks
	@$(VENV) -m ruff check --no-cache .
	@$(VENV) -m ruff format --no-cache --check .
	@$(VENV) -m mypy
	@$(VENV) tools/lint_static.py
	@$(VENV) tools/notebooks.py check

.PHONY: format
format: .environment-test ## Lay the code out as make lint wants it
	@$(VENV) -m ruff check --no-cache --fix .
	@$(VENV) -m ruff format --no-cache .

# --- write ------------------------------------------------------------------------------------------------------------

.PHONY: golden
golden: .environment-bench ## What PyTorch computes for the layers, and the page that shows it (NAME=LSTM for one layer)
	@$(VENV) -m tests.golden.make_golden $(NAME)
	@$(VENV) tools/notebooks.py execute chapters/layer_catalogue.ipynb

.PHONY: notebooks
notebooks: .environment-book ## Run all notebooks and store their outputs (NB=one.ipynb)
	@$(VENV) tools/notebooks.py execute $(if $(NB),"$(NB)")

.PHONY: author
author: .environment-author ## Install what authors use beyond the tests: uv, which writes the locks

.PHONY: lock
lock: .environment-author ## Write the locks anew from pyproject.toml (ARGS=--upgrade for newer versions)
	@$(VENV) tools/lock.py $(ARGS)

.PHONY: clean
clean: ## Remove .venv and everything that was built; data/cache stays
	@rm -rf .venv .venv.lock .venv-old _build build *.egg-info .ruff_cache .mypy_cache .pytest_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Takes a moment when .venv is right, and a minute or two when it has to be made.
.PHONY: .environment-book .environment-test .environment-bench .environment-author
.environment-book .environment-test .environment-bench .environment-author:
	@$(PYTHON) -I tools/environment.py $(patsubst .environment-%,%,$@)
