"""Fixtures that several test files share; nothing here imports TensorFlow."""

import pathlib

import numpy as np
import pytest

_TESTS = pathlib.Path(__file__).parent


class GoldenModel:
  """Stored numbers of the original for a tiny model; see golden/README.md."""

  directory = _TESTS / "golden" / "model"
  config_file = str(directory / "bert_config.json")
  init_checkpoint = str(directory / "bert_model.ckpt")
  finetuned_checkpoint = str(directory / "finetuned.ckpt-12")

  def arrays(self, name):
    """{array name: array} of one `.npz` file."""
    with np.load(self.directory / f"{name}.npz") as stored:
      return dict(stored)

  def variable_shapes(self):
    """[(name, shape)] in the order of the original's graph."""
    lines = (self.directory / "variable_names.txt").read_text().splitlines()
    pairs = [line.split("\t") for line in lines]
    return [(name, tuple(map(int, size.split("x")))) for name, size in pairs]


@pytest.fixture(scope="session")
def golden_model():
  return GoldenModel()


@pytest.fixture(scope="session")
def shared_golden():
  """Directory of all stored outputs of the original, texts included."""
  directory = _TESTS.parents[1] / "shared" / "golden"
  if not directory.is_dir():
    pytest.skip("the original's stored outputs are not on this machine")
  return directory
