# The common things, bare: `make quickstart`, `make test`. Everything lands in .venv.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
DATA ?= data/studio
MINUTES ?= 150
SCENES ?= 26000
JOBS ?= 2  # processes that run tests
FLAGS ?=  # of the training of the diffusion model
CLIP := generators/weights/studio_clip
export OMP_NUM_THREADS ?= 2
# Threads that wait for each other sleep instead of spinning: on a busy machine that is several times faster.
export OMP_WAIT_POLICY ?= passive

.PHONY: quickstart test slow lint docs scenes signs train-autoencoder train-fine train-clip train-ldm train-control \
  train-upscale train-memorizer train-baselines train-digits calibrate simulations soak bench suites reference memorized clean

quickstart: $(READY)  ## drive the built-in model over the quick suite, score the pictures, write the report
	$(BIN)/audit run --suite quick --generator builtin:ldm --guidance 1,3,6 --steps 10,25 --replicates 2 --out runs/quickstart

test: $(READY)  ## everything that ends within minutes, JOBS files at a time
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(JOBS) --dist loadfile -m "not slow and not gpu"

slow: $(READY)  ## the proofs that take longer
	$(BIN)/python -m pytest -q -m "slow"

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(READY)  ## pages that are generated from the code
	PYTHONPATH=. $(BIN)/python docs/build.py

# uv resolves in seconds what pip resolves in minutes. Two of our libraries ask for two builds of OpenCV that share one
# folder; the headless one must be written last, for it needs no display libraries.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, found " + sys.version)'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q uv -c constraints.txt
	$(BIN)/uv pip install -q --python $(BIN)/python -c constraints.txt -e '.[studio,dev]'
	$(BIN)/uv pip install -q --python $(BIN)/python -c constraints.txt --no-deps --reinstall opencv-python-headless
	touch $(READY)

# Training, from nothing: scenes -> autoencoder -> feature model -> diffusion model -> reference. Each step resumes.
scenes: $(READY)
	$(BIN)/python -m generators.studio.dataset --out $(DATA) --scenes $(SCENES) --held-out 2000 --size 128 --workers 2

signs: $(READY)  ## more signs, for the diffusion model to spell by
	$(BIN)/python -m generators.studio.dataset --out $(DATA)/signs --scenes 44000 --held-out 1000 --size 128 --workers 2 --families signs

train-autoencoder: scenes
	$(BIN)/python -m generators.train.autoencoder --data $(DATA) --out $(DATA)/autoencoder

train-fine: scenes
	$(BIN)/python -m generators.train.autoencoder --data $(DATA) --out $(DATA)/fine --factor 4

train-clip: scenes
	$(BIN)/python -m generators.train.clip --data $(DATA) --out $(CLIP) --minutes 20

train-ldm: train-autoencoder
	$(BIN)/python -m generators.train.ldm --data $(DATA) --autoencoder $(DATA)/autoencoder/vae --out $(DATA)/ldm --clip $(CLIP) --minutes $(MINUTES) $(FLAGS)
	$(BIN)/python -m generators.train.card --data $(DATA) --model $(DATA)/ldm/folder --out generators/weights/ldm

# The branch fits the model it was trained with, so it is trained again after each train-ldm.
train-control:
	$(BIN)/python -m generators.train.control --data $(DATA) --start generators/weights/ldm --out $(DATA)/control
	$(BIN)/python -m generators.train.card --data $(DATA) --model $(DATA)/control/controlnet --out generators/weights/ldm/controlnet

train-upscale: train-fine
	$(BIN)/python -m generators.train.upscale --data $(DATA) --autoencoder $(DATA)/fine/vae --out $(DATA)/upscale --clip $(CLIP)
	$(BIN)/python -m generators.train.card --data $(DATA) --model $(DATA)/upscale/folder --out generators/weights/upscale

train-memorizer: train-autoencoder
	$(BIN)/python -m generators.train.memorizer --data $(DATA) --autoencoder $(DATA)/autoencoder/vae --out $(DATA)/memorizer --clip $(CLIP)
	$(BIN)/python -m generators.train.card --data $(DATA) --model $(DATA)/memorizer/folder --out generators/weights/memorizer

train-baselines: scenes
	for model in gan vae pixel; do \
	  $(BIN)/python -m generators.train.$$model --data $(DATA) --out $(DATA)/$$model --clip $(CLIP) && \
	  $(BIN)/python -m generators.train.card --data $(DATA) --model $(DATA)/$$model/folder --out generators/weights/$$model || exit 1; \
	done

train-digits: $(READY)  ## the network that counts fingers
	$(BIN)/python -m audit.train.digit_scenes --out $(DATA)/digits --hands 5500 --backgrounds 1000
	$(BIN)/python -m audit.train.digits --data $(DATA)/digits --out $(DATA)/digits/net

calibrate: $(READY)  ## measure every detector on planted defects and write the cards that ship
	$(BIN)/audit calibrate --out audit/cards

simulations: $(READY)  ## every interval's coverage, the gate's false alarms and power, against what is committed
	$(BIN)/python benchmarks/validity/coverage.py --check
	$(BIN)/python benchmarks/validity/gate.py --check

soak: $(READY)  ## kills, full disks, damaged files, scorers that hang, Ctrl-C: tried and survived
	$(BIN)/python benchmarks/soak.py

bench: $(READY)  ## every speed against its peers, with its goal beside it
	$(BIN)/python -W ignore benchmarks/bench.py

suites: scenes  ## the built-in suites for tasks, and the counts of the training scenes' attributes
	$(BIN)/python -m generators.studio.task_suites --data $(DATA) --out audit/suites/builtin
	$(BIN)/python -m audit.ceilings --suites audit/suites/builtin
	$(BIN)/python -m generators.train.attributes --data $(DATA) --out audit/references

reference: train-clip
	$(BIN)/python -m audit.references --data $(DATA) --out audit/references/studio-held-out.npz

memorized:  ## the reference that audits of memorization compare with: the scenes that the memorizing sibling was shown
	$(BIN)/python -m audit.memorized --shown generators/weights/memorizer/shown.jsonl \
	  --out audit/references/studio-memorized.npz

clean:
	rm -rf .venv build dist *.egg-info
