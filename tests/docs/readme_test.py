"""Both READMEs: the same commands, and all documents are named."""

import pathlib
import re

import pytest

_ROOT = pathlib.Path(__file__).parents[2]
_NAMES = ("README.md", "README.ja.md")


def text_of(name):
  return (_ROOT / name).read_text(encoding="utf-8")


def commands(name):
  """Lines of the blocks without a language, less what is said behind a #."""
  blocks = re.findall(r"^```(\w*)\n(.*?)^```$", text_of(name), re.DOTALL | re.MULTILINE)
  lines = "".join(code for language, code in blocks if not language).splitlines()
  return [line.partition("#")[0].rstrip() for line in lines]


def test_both_have_the_same_commands():
  english, japanese = map(commands, _NAMES)
  assert len(english) > 50
  assert english == japanese


def test_both_have_as_many_sections():
  english, japanese = (re.findall("^## ", text_of(n), re.MULTILINE) for n in _NAMES)
  assert len(english) == len(japanese)


@pytest.mark.parametrize("name", _NAMES)
def test_each_document_is_named(name):
  linked = set(re.findall(r"\]\(docs/([^)#]+)", text_of(name)))
  assert linked == {path.name for path in (_ROOT / "docs").glob("*.md")}


@pytest.mark.parametrize("name", _NAMES)
def test_each_command_of_bert_ja_is_named(name):
  there = {path.stem for path in (_ROOT / "bert_ja" / "commands").glob("[a-z]*.py")}
  said = {
    word.replace("-", "_") for word in re.findall("bert-ja ([a-z_-]+)", text_of(name))
  }
  assert there <= said
