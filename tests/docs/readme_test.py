"""Both READMEs: the same commands and outputs; what they name is there."""

import ast
import functools
import pathlib
import re

import pytest

_ROOT = pathlib.Path(__file__).parents[2]
_NAMES = ("README.md", "README.ja.md")
_MOST_LINES = 300


def text_of(name):
  return (_ROOT / name).read_text(encoding="utf-8")


def blocks(name, language):
  """Lines of the blocks of a language, less what is said behind a #."""
  found = re.findall(r"^```(\w*)\n(.*?)^```$", text_of(name), re.DOTALL | re.MULTILINE)
  lines = "".join(code for named, code in found if named == language).splitlines()
  return [re.sub(r"(^|\s)# .*", "", line).rstrip() for line in lines]


def anchors(path):
  """Anchors of a page's headings, as they are made of Latin ones."""
  headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
  words = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
  return {word.replace(" ", "-") for word in words}


@pytest.mark.parametrize("language", ["", "text", "python"])
def test_both_have_the_same_blocks(language):
  english, japanese = (blocks(name, language) for name in _NAMES)
  assert len(english) > 5
  assert english == japanese


@pytest.mark.parametrize("pattern", ["^##+ ", r"^\|", "^- "])
def test_both_have_as_many_sections_rows_and_items(pattern):
  english, japanese = (re.findall(pattern, text_of(n), re.MULTILINE) for n in _NAMES)
  assert len(english) == len(japanese) > 5


@pytest.mark.parametrize("name", _NAMES)
def test_one_sitting_is_enough(name):
  assert len(text_of(name).splitlines()) <= _MOST_LINES


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


@pytest.mark.parametrize("page", [*_ROOT.glob("README*.md"), *_ROOT.glob("docs/*.md")])
def test_links_lead_somewhere(page):
  targets = re.findall(r"\]\((?!https?:)([^)]*)\)", page.read_text(encoding="utf-8"))
  for target in targets:
    file, _, anchor = target.partition("#")
    path = page.parent / file if file else page
    assert path.exists(), target
    # Anchors of Japanese headings are left to the eye.
    if anchor.isascii() and anchor:
      assert anchor in anchors(path), target


@functools.cache
def messages_of_the_program():
  """Texts in the code, with … in the place of their values."""
  found = []
  for path in (_ROOT / "bert_ja").rglob("*.py"):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
      if isinstance(node, ast.JoinedStr):
        parts = [getattr(part, "value", None) for part in node.values]
        found.append("".join(p if isinstance(p, str) else "…" for p in parts))
      elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        found.append(re.sub(r"%[sdr]", "…", node.value))
  return found


@pytest.mark.parametrize("name", _NAMES)
def test_quoted_messages_are_the_program_s(name):
  quoted = re.findall(r"^- \*\*`([^`]*)`", text_of(name), re.MULTILINE)
  assert len(quoted) > 5
  said = messages_of_the_program()
  for message in quoted:
    for part in filter(None, map(str.strip, message.split("…"))):
      assert any(part in text for text in said), message
