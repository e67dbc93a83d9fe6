"""Models that come with the package are found by their names."""

import pytest

from bert_ja import shipped_models


@pytest.fixture
def folder(tmp_path, monkeypatch):
  models = tmp_path / "models"
  (models / "bert-ja-tiny").mkdir(parents=True)
  monkeypatch.setattr(shipped_models, "_FOLDER", str(models))
  monkeypatch.chdir(tmp_path)
  return models


def test_a_name_stands_for_the_directory(folder):
  assert shipped_models.names() == ["bert-ja-tiny"]
  assert shipped_models.resolve("bert-ja-tiny") == str(folder / "bert-ja-tiny")


@pytest.mark.parametrize("path", ["elsewhere", "./bert-ja-tiny", "gs://bucket/model"])
def test_other_paths_stay(folder, path):
  assert shipped_models.resolve(path) == path


def test_what_exists_under_the_name_comes_first(folder, tmp_path):
  (tmp_path / "bert-ja-tiny").mkdir()
  assert shipped_models.resolve("bert-ja-tiny") == "bert-ja-tiny"


def test_a_package_without_models_has_no_names(folder, monkeypatch):
  monkeypatch.setattr(shipped_models, "_FOLDER", str(folder / "missing"))
  assert shipped_models.names() == []
