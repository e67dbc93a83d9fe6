"""The sample corpus is whole: its files fit each other."""

import csv
import json
import pathlib
import shutil
import subprocess
import sys
import unicodedata

import pytest

REVIEWS = pathlib.Path(__file__).parents[1] / "samples" / "reviews"


def read_rows(name):
  with open(REVIEWS / f"{name}.csv", encoding="utf-8", newline="") as reader:
    return list(csv.DictReader(reader))


@pytest.mark.parametrize(("name", "size"), [("train", 320), ("dev", 80), ("test", 80)])
def test_each_file_is_half_positive_half_negative(name, size):
  labels = [row["label"] for row in read_rows(name)]
  assert labels.count("positive") == labels.count("negative") == size // 2


def test_no_sentence_occurs_twice():
  texts = [row["text"] for name in ("train", "dev", "test") for row in read_rows(name)]
  assert len(texts) == len(set(texts)) == 480
  assert all(8 <= len(text) <= 60 for text in texts)


def test_config_has_the_size_of_the_vocabulary():
  entries = (REVIEWS / "vocab.txt").read_text(encoding="utf-8").splitlines()
  config = json.loads((REVIEWS / "bert_config.json").read_text())
  assert config["vocab_size"] == len(entries) == len(set(entries))
  assert entries[:5] == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def test_vocabulary_covers_the_training_sentences():
  entries = set((REVIEWS / "vocab.txt").read_text(encoding="utf-8").splitlines())
  for row in read_rows("train"):
    for character in row["text"].lower():
      assert character in entries
      category = unicodedata.category(character)
      assert category[0] == "P" or "##" + character in entries


def test_script_makes_the_same_vocabulary_again(tmp_path):
  for name in ("train.csv", "bert_config.json", "make_vocabulary.py"):
    shutil.copy(REVIEWS / name, tmp_path / name)
  subprocess.run([sys.executable, tmp_path / "make_vocabulary.py"], check=True)
  for name in ("vocab.txt", "bert_config.json"):
    assert (tmp_path / name).read_bytes() == (REVIEWS / name).read_bytes()
