"""Fixtures that several test files share; nothing here imports TensorFlow."""

import logging as python_logging
import os
import pathlib

import numpy as np
import pytest
from absl import flags, logging

from tests import published_models

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


@pytest.fixture(scope="session")
def models(tmp_path_factory):
  """{front end: [directories]} of tiny models in the published layouts."""
  return published_models.write_all(str(tmp_path_factory.mktemp("models")))


@pytest.fixture
def jumanpp(tmp_path, monkeypatch):
  """A program that speaks Juman++'s output form, on PATH."""
  folder = published_models.install_jumanpp(str(tmp_path))
  monkeypatch.setenv("PATH", folder, prepend=os.pathsep)


@pytest.fixture
def vocab_file(tmp_path):
  """Function: pieces after the special ones -> path."""

  def write(*pieces, specials=published_models.SPECIALS, name="vocab.txt"):
    path = tmp_path / name
    path.write_text("\n".join((*specials, *pieces)) + "\n", encoding="utf-8")
    return str(path)

  return write


@pytest.fixture
def parse_flags(monkeypatch):
  """Function: program, arguments -> those that are no flags; its FLAGS have the rest."""

  def parse(program, *arguments):
    values = flags.FlagValues()
    program.define_flags(values)
    rest = values([program.__name__, *map(str, arguments)])
    monkeypatch.setattr(program, "FLAGS", values)
    return rest

  return parse


@pytest.fixture
def info_lines(caplog):
  """Function: () -> messages logged through absl, at INFO and above."""
  before = logging.get_verbosity()
  logging.set_verbosity(logging.INFO)
  caplog.set_level(python_logging.INFO)
  yield lambda: [record.getMessage() for record in caplog.records]
  logging.set_verbosity(before)
