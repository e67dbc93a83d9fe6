"""The model that comes with the package: its files fit each other, and it has learnt."""

import os

import pytest

from bert_ja import (
  checkpoint,
  front_end_choice,
  front_ends,
  mask_filling,
  model_files,
  modeling,
  pretraining_heads,
  shipped_models,
)

NAME = "bert-ja-small"
DIRECTORY = shipped_models.resolve(NAME)


@pytest.fixture(scope="module")
def files():
  return model_files.find(DIRECTORY)


@pytest.fixture(scope="module")
def config(files):
  return modeling.BertConfig.from_json_file(files.config_file)


@pytest.fixture(scope="module")
def tokenizer(files):
  choice = front_end_choice.choose(files)
  return front_ends.create(
    choice.name, files.vocab_file, files.model_file, choice.settings
  )


@pytest.fixture(scope="module")
def filler(files, config, tokenizer):
  model = mask_filling.load_model(config, files.init_checkpoint)
  return mask_filling.MaskFiller(model, tokenizer)


def test_its_name_is_known():
  assert NAME in shipped_models.names()


def test_it_takes_16_megabytes_at_most():
  sizes = [os.path.getsize(os.path.join(DIRECTORY, n)) for n in os.listdir(DIRECTORY)]
  assert sum(sizes) <= 16_000_000


def test_it_has_a_card_and_a_learning_curve():
  names = {"README.md", "learning_curve.csv", "learning_curve.png"}
  assert names <= set(os.listdir(DIRECTORY))


def test_its_checkpoint_fills_all_variables_of_pre_training(files, config):
  variables = checkpoint.named_variables(pretraining_heads.PretrainingModel(config))
  found = checkpoint.init_from_checkpoint(files.init_checkpoint, variables)
  assert set(found) == set(variables)


def test_the_table_has_a_row_for_each_piece(tokenizer, config):
  assert len(tokenizer.vocab) == config.vocab_size


@pytest.mark.parametrize(
  ("text", "expected"),
  [
    ("映画「青い鳥」が来月[MASK]される。", "公開"),
    ("彼は大学を[MASK]した。", "卒業"),
    ("父と[MASK]が一緒に暮らしている。", "母"),
    ("[MASK]へ行って魚を食べた。", "海"),
  ],
)
def test_it_finds_the_word_that_people_would(filler, text, expected):
  (filled,) = filler.fill([text], top_k=10)
  assert expected in [candidate.piece for candidate in filled.masks[0]]
