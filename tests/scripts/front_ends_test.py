"""Every front end through the whole of `run_classifier.py`, from a directory's name on."""

import json
import os

import pytest

from tests import published_models
from tests.scripts import runs

pytestmark = pytest.mark.slow  # Ten trainings.

_ROWS = [
  ("駅前の店でラーメンを食べた。", "yes"),
  ("スープがぬるくて残念だった。", "no"),
  ("店員さんの笑顔がとても良かった！", "yes"),
  ("がっかりした。ﾊﾟﾝも固い。", "no"),
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
  """{directory of the model: (front end, output directory, log)} of all eight."""
  root = str(tmp_path_factory.mktemp("front_ends"))
  data_dir = _write_data(os.path.join(root, "data"))
  models = published_models.write_all(os.path.join(root, "models"))
  cases = [(name, path) for name, paths in models.items() for path in paths]
  # The other two have no archive of their own.
  cases += [("google", cases[0][1]), ("pretokenized", cases[0][1])]
  jobs = []
  for index, (name, model_dir) in enumerate(cases):
    output_dir = os.path.join(root, f"out{index}")
    arguments = [
      "--task_name=table",
      f"--data_dir={data_dir}",
      f"--model_dir={model_dir}",
      f"--output_dir={output_dir}",
      "--do_train",
      "--do_eval",
      "--do_predict",
      "--max_seq_length=24",
      "--train_batch_size=4",
      "--num_train_epochs=3",
    ]
    if name in ("google", "pretokenized"):
      arguments.append(f"--tokenizer={name}")
    jobs.append(arguments)
  path = published_models.install_jumanpp(root) + os.pathsep + os.environ["PATH"]
  logs = runs.logs_of_many(jobs, PATH=path)
  return [
    (name, os.path.join(root, f"out{index}"), logs[index])
    for index, (name, _) in enumerate(cases)
  ]


def _write_data(directory):
  os.makedirs(directory)
  for name in ("train", "dev", "test"):
    with open(os.path.join(directory, f"{name}.csv"), "w", encoding="utf-8") as writer:
      writer.write("text,label\n")
      writer.writelines(f"{text},{label}\n" for text, label in _ROWS * 2)
  return directory


def test_the_directory_is_enough(trained):
  for name, _, log in trained:
    assert f"Tokenizer: {name} (" in log


def test_the_published_weights_are_read(trained):
  for name, _, log in trained:
    assert "bert/embeddings/word_embeddings:0" in log, name
    assert log.count("*INIT_FROM_CKPT*") == 23, name  # 5 + 16 + 2, not the head's.


def test_each_trains_and_predicts(trained):
  for name, output_dir, _ in trained:
    with open(os.path.join(output_dir, "eval_results.txt")) as reader:
      assert "global_step = 6\n" in reader.read(), name
    with open(os.path.join(output_dir, "test_results.tsv")) as reader:
      assert len(reader.readlines()) == 8, name


def test_what_was_trained_names_its_front_end(trained):
  for name, output_dir, _ in trained:
    with open(os.path.join(output_dir, "tokenizer_config.json")) as reader:
      assert json.load(reader)["tokenizer"] == name
