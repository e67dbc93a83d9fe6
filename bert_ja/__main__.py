"""`bert-ja COMMAND [--flags]`, the same as `python -m bert_ja COMMAND [--flags]`."""

import ast
import difflib
import importlib
import os
import sys
from collections.abc import Sequence

from absl import flags

if not __package__:
  # Started by its path, Python looks for modules in this directory, and not above it.
  sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

from bert_ja.flags import command_line

_COMMANDS_DIRECTORY = os.path.join(os.path.dirname(__file__), "commands")


def commands(directory: str = _COMMANDS_DIRECTORY) -> dict[str, str]:
  """{command: first line of its docstring}, without importing the commands."""
  found = {}
  for file_name in sorted(os.listdir(directory)):
    name, suffix = os.path.splitext(file_name)
    if suffix == ".py" and not name.startswith("_"):
      with open(os.path.join(directory, file_name), encoding="utf-8") as reader:
        documentation = ast.get_docstring(ast.parse(reader.read())) or ""
      found[name.replace("_", "-")] = documentation.partition("\n")[0]
  return found


def listing(known: dict[str, str]) -> str:
  """What `bert-ja --help` prints."""
  width = max(map(len, known), default=0)
  lines = [f"  {name:{width}}  {line}" for name, line in known.items()]
  return "\n".join(
    [
      "usage: bert-ja COMMAND [--flags]",
      "",
      *lines,
      "",
      "`bert-ja COMMAND --help` lists a command's flags.",
    ]
  )


def main(argv: Sequence[str] | None = None) -> int | None:
  """Runs one command; returns a status where none was run."""
  arguments = list(sys.argv if argv is None else argv)[1:]
  known = commands()
  if not arguments or arguments[0] in ("-h", "--help", "-help", "help"):
    print(listing(known))
    return 0
  name = arguments[0].replace("_", "-")
  if name not in known:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    print(
      f"bert-ja: no command {arguments[0]!r}; {hint}(known: {', '.join(known)})",
      file=sys.stderr,
    )
    return 2
  return _run(name, arguments[1:])


def _run(name, arguments):
  command = importlib.import_module(f"bert_ja.commands.{name.replace('-', '_')}")
  # absl's --help shows the flags of sys.argv[0] and the docstring of `__main__`, and
  # error lines start with sys.argv[0]: for the user, the command is the program.
  sys.argv = [f"bert-ja {name}", *arguments]
  sys.modules["__main__"].__doc__ = command.__doc__
  before = set(flags.FLAGS)
  command.define_flags(flags.FLAGS)
  for flag in sorted(set(flags.FLAGS) - before):
    flags.FLAGS.register_key_flag_for_module(sys.argv[0], flags.FLAGS[flag])
  takes_arguments = getattr(command, "TAKES_ARGUMENTS", False)
  command_line.run(command.main, sys.argv, takes_arguments)


if __name__ == "__main__":
  sys.exit(main())
