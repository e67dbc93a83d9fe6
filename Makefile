# `make demo` and `make test` need Python 3.11 and nothing else.
PYTHON ?= python3.11
VENV ?= .venv
BIN := $(VENV)/bin
# Two workers: each test process uses the cores that are there.
JOBS ?= 2
EXTRAS ?= dev,ja,text

.PHONY: demo test test-slow test-beam lint bench clean

$(VENV)/installed: setup.cfg pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	@echo "Installing packages, TensorFlow among them: some minutes, about 3.5 GB"
	$(BIN)/pip install --quiet --config-settings editable_mode=compat \
	  --editable ".[$(EXTRAS)]"
	touch $@

demo: $(VENV)/installed
	$(BIN)/python run_classifier.py --task_name=table --data_dir=samples/reviews \
	  --model_dir=bert-ja-small --text_columns=text --label_column=label \
	  --do_train --do_eval --do_predict --max_seq_length=64 \
	  --learning_rate=1e-4 --num_train_epochs=10 --eval_steps=20 \
	  --output_dir=out/demo

# A worker that has done its own tests takes over some of the other's, until the end.
test: $(VENV)/installed
	$(BIN)/python -m pytest -m "not slow" -n $(JOBS) --dist worksteal tests

test-slow: $(VENV)/installed
	$(BIN)/python -m pytest -m slow -n $(JOBS) --dist worksteal tests

# Apache Beam wants older versions of what TensorFlow comes with: an environment apart.
test-beam:
	$(MAKE) VENV=.venv-beam EXTRAS=dev,ja,beam .venv-beam/installed
	.venv-beam/bin/python -m pytest tests/data/pretraining_beam_test.py

lint: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# With MODEL_DIR (a pre-trained model) and MRPC_DIR (its files) fine-tuning is timed too.
# Questions and pre-training text are made up, unless SQUAD_FILE (a SQuAD file or glob)
# and AOZORA_ARCHIVE (of Aozora Bunko's texts) name some.
bench: $(VENV)/installed
	mkdir -p out
	$(BIN)/python -m benchmarks.step_benchmark --output_file=out/step.json
	$(BIN)/python -m benchmarks.tokenizer_benchmark --output_file=out/tokenizer.json
	$(BIN)/python -m benchmarks.span_benchmark --output_file=out/spans.json \
	  $(if $(SQUAD_FILE),--train_file='$(SQUAD_FILE)')
	$(BIN)/python -m benchmarks.pretraining_data_benchmark \
	  --output_file=out/pretraining_data.json \
	  $(if $(AOZORA_ARCHIVE),--aozora_archive='$(AOZORA_ARCHIVE)')
	$(BIN)/python -m benchmarks.extraction_benchmark --output_file=out/extraction.json
	$(BIN)/python -m benchmarks.pair_benchmark --output_file=out/pairs.json
	test -z "$(MODEL_DIR)" || $(BIN)/python -m benchmarks.mrpc_benchmark \
	  --model_dir=$(MODEL_DIR) --data_dir=$(MRPC_DIR) --output_file=out/mrpc.json

clean:
	rm -rf $(VENV) .venv-beam out build *.egg-info
