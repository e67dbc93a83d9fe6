"""Public names that are imported when first used."""

import sys

import pytest

from bert_ja import lazy


@pytest.fixture
def package(tmp_path, monkeypatch):
  """`__getattr__` of a module whose name `Answer` lives in a module not yet loaded."""
  (tmp_path / "lazily_loaded_answers.py").write_text("Answer = object()\n")
  monkeypatch.syspath_prepend(str(tmp_path))
  yield lazy.names("shop", {"Answer": "lazily_loaded_answers"})
  sys.modules.pop("lazily_loaded_answers", None)


class TestNames:
  def test_nothing_is_imported_before_a_name_is_used(self, package):
    assert "lazily_loaded_answers" not in sys.modules

  def test_a_name_is_taken_from_its_module(self, package):
    answer = package("Answer")
    assert answer is sys.modules["lazily_loaded_answers"].Answer
    assert package("Answer") is answer

  @pytest.mark.parametrize("name", ["Question", "__path__"])
  def test_an_unknown_name_is_an_attribute_error(self, package, name):
    with pytest.raises(
      AttributeError, match=f"module 'shop' has no attribute '{name}'"
    ):
      package(name)

  def test_a_name_that_the_module_lacks_is_an_attribute_error(self, package):
    broken = lazy.names("shop", {"Missing": "lazily_loaded_answers"})
    with pytest.raises(AttributeError, match="Missing"):
      broken("Missing")
