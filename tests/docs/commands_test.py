"""Commands in the READMEs and documents: their programs and flags exist."""

import importlib
import pathlib
import re
import shlex

import pytest
from absl import flags

_ROOT = pathlib.Path(__file__).parents[2]
_PAGES = sorted(
  path.relative_to(_ROOT).as_posix()
  for path in (*_ROOT.glob("README*.md"), *(_ROOT / "docs").glob("*.md"))
)
_PROGRAM = re.compile(r"(?:^|[;|] *)(?:python (?:-m )?([\w.]+)|bert-ja ([\w-]+))")
_PLACEHOLDER = re.compile("--(\\w+)=[A-Z_]+")


def module_of(match):
  """Module of a program."""
  if match[2]:
    return f"bert_ja.commands.{match[2].replace('-', '_')}"
  return match[1].removesuffix(".py")


def arguments_of(text):
  """Words behind a program's name, up to what the shell takes for itself."""
  words = shlex.shlex(text, posix=True, punctuation_chars=True)
  words.whitespace_split = True
  found = []
  for word in words:
    if word[0] in "|&;<>":
      break
    found.append(word)
  # A redirection's number, and what a page leaves out.
  return [word for word in found if word not in ("2", "...")]


def commands_of(page):
  """(module, arguments) of each command in the blocks without a language."""
  text = (_ROOT / page).read_text(encoding="utf-8")
  blocks = re.findall(r"^ *```(\w*)\n(.*?)^ *```$", text, re.DOTALL | re.MULTILINE)
  shell = "\n".join(code for language, code in blocks if not language)
  for line in re.sub(r"\\\n\s*", "", shell).splitlines():
    for match in _PROGRAM.finditer(line.strip()):
      yield module_of(match), arguments_of(line.strip()[match.end() :])


def parse(module, arguments):
  """What is no flag; an error where a flag does not exist or has no such value."""
  program = importlib.import_module(module)
  flag_values = flags.FlagValues()
  program.define_flags(flag_values)
  # Of a value that the reader fills in, only the flag can be looked at.
  open_values = {word for word in arguments if _PLACEHOLDER.fullmatch(word)}
  for word in open_values:
    flag_values[_PLACEHOLDER.fullmatch(word)[1]]  # KeyError
  words = flag_values([module, *(w for w in arguments if w not in open_values)])[1:]
  return [] if getattr(program, "TAKES_ARGUMENTS", False) else words


@pytest.mark.parametrize("page", _PAGES)
def test_flags_of_commands_exist(page):
  for module, arguments in commands_of(page):
    assert parse(module, arguments) == [], (module, arguments)


def test_commands_are_found():
  modules = [module for page in _PAGES for module, _ in commands_of(page)]
  assert len(modules) > 60
  assert {"run_classifier", "run_squad", "bert_ja.commands.fill_mask"} <= set(modules)


@pytest.mark.parametrize(
  "argument", ["--max_sequence_length=3", "--max_seq_length=x", "--model=MODEL"]
)
def test_a_wrong_flag_is_found(argument):
  with pytest.raises((flags.Error, KeyError)):
    parse("run_classifier", [argument])


@pytest.mark.parametrize("page", ["README.md", "README.ja.md", "docs/training.md"])
def test_flags_in_sentences_exist(page):
  programs = ["run_squad", "run_pretraining", "create_pretraining_data"]
  programs += ["run_classifier", "extract_features"]
  programs += [
    f"bert_ja.commands.{path.stem}"
    for path in (_ROOT / "bert_ja" / "commands").glob("[a-z]*.py")
  ]
  known = {"help", "debug"}
  for program in programs:
    flag_values = flags.FlagValues()
    importlib.import_module(program).define_flags(flag_values)
    known |= {*flag_values}
  said = set(re.findall(r"--(\w+)", (_ROOT / page).read_text(encoding="utf-8")))
  assert len(said) > 20
  known |= {f"no{name}" for name in known} | {"logdir"}  # TensorBoard's
  assert said <= known
