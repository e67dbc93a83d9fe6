"""How a script ends: status, one line or a traceback, and what reaches the screen."""

import os
import pathlib
import subprocess
import sys

import pytest
from absl import flags

from bert_ja.flags import command_line

_ROOT = str(pathlib.Path(__file__).parents[2])

SCRIPT = """
from absl import flags, logging
from bert_ja.flags import command_line, data_flags, task_flags

def main(arguments):
{body}

data_flags.define(flags.FLAGS)
task_flags.define(flags.FLAGS)
{definitions}
command_line.run(main)
"""


@pytest.fixture
def run_script(tmp_path):
  """Function: body of `main`, arguments -> the ended process."""

  def run_script(body, *arguments, definitions=""):
    path = tmp_path / "tool.py"
    body = "\n".join(f"  {line}" for line in body.splitlines())
    path.write_text(SCRIPT.format(body=body, definitions=definitions))
    return subprocess.run(
      [sys.executable, str(path), *arguments],
      env={**os.environ, "PYTHONPATH": f"{_ROOT}:{tmp_path}"},
      capture_output=True,
      text=True,
      check=False,
    )

  return run_script


class TestStatus:
  @pytest.mark.parametrize(("body", "status"), [("pass", 0), ("return 3", 3)])
  def test_it_is_what_main_returns(self, run_script, body, status):
    result = run_script(body)
    assert (result.returncode, result.stderr) == (status, "")


class TestWrongFlags:
  def test_a_word_that_is_no_flag_is_refused(self, run_script):
    result = run_script("pass", "--data_dir=d", "do_train")
    assert result.returncode == 2
    assert result.stderr == "tool.py: 'do_train' is no flag; write --name=value\n"

  def test_a_misspelt_one_gets_a_near_match(self, run_script):
    """Contract A-3."""
    result = run_script("print('ran')", "--data_dri=x")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == (
      "tool.py: Unknown command line flag 'data_dri'. Did you mean: data_dir ?\n"
    )

  def test_a_wrong_value_is_one_line(self, run_script):
    result = run_script("print('ran')", "--max_seq_length=2")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("tool.py: flag --max_seq_length=2: ")
    assert result.stderr.count("\n") == 1

  def test_a_missing_one_is_named(self, run_script):
    definitions = 'flags.mark_flag_as_required("data_dir")'
    result = run_script("print('ran')", definitions=definitions)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("tool.py: flag --data_dir=None: ")


class TestErrors:
  @pytest.mark.parametrize(
    ("error", "line"),
    [
      ('ValueError("the length is 3;\\n  lower it")', "the length is 3; lower it"),
      ("ValueError()", "ValueError"),
      ('FileNotFoundError(2, "No such file", "a.tsv")', "[Errno 2] No such file: 'a."),
      ('NotImplementedError("no test set")', "no test set"),
      ('ImportError("pip install it")', "pip install it"),
    ],
  )
  def test_what_a_caller_can_mend_is_one_line(self, run_script, error, line):
    result = run_script(f"raise {error}")
    assert result.returncode == 1
    assert result.stderr.startswith(f"tool.py: {line}")
    assert result.stderr.count("\n") == 1

  @pytest.mark.parametrize(
    ("definition", "value"), [("string", "none.txt"), ("list", "a.txt,none.txt")]
  )
  def test_a_missing_file_is_told_with_its_flag(self, run_script, definition, value):
    result = run_script(
      'open("none.txt")',
      f"--source={value}",
      definitions=f'flags.DEFINE_{definition}("source", None, "")',
    )
    assert (result.returncode, result.stderr) == (
      1,
      "tool.py: --source: none.txt does not exist; give a path that does\n",
    )

  def test_a_full_disk_says_what_to_do(self, run_script):
    result = run_script('raise OSError(28, "No space left", "x")')
    assert (result.returncode, result.stderr) == (
      1,
      "tool.py: x: no space (No space left); make some and give the same command again\n",
    )

  def test_what_tensorflow_found_wrong_is_one_line(self, run_script, tmp_path):
    (tmp_path / "tensorflow.py").write_text(
      "class errors:\n  class OpError(Exception): pass\n"
    )
    body = 'import tensorflow\nraise tensorflow.errors.OpError("damaged record")'
    result = run_script(body)
    assert (result.returncode, result.stderr) == (1, "tool.py: damaged record\n")

  def test_debug_shows_where_it_was_raised(self, run_script):
    result = run_script('raise ValueError("the length is 3")', "--debug")
    assert result.returncode == 1
    assert "in main\n    raise ValueError" in result.stderr
    assert result.stderr.endswith("ValueError: the length is 3\n")

  def test_a_fault_of_the_program_keeps_its_traceback(self, run_script):
    result = run_script('{}["length"]')
    assert result.returncode == 1
    assert 'in main\n    {}["length"]' in result.stderr
    assert result.stderr.endswith("KeyError: 'length'\n")

  @pytest.mark.parametrize(
    ("error", "line"),
    [
      ("KeyboardInterrupt", "interrupted"),
      ('KeyboardInterrupt("Stopped at step 5")', "Stopped at step 5"),
    ],
  )
  def test_an_interruption_has_the_shells_status(self, run_script, error, line):
    result = run_script(f"raise {error}")
    assert (result.returncode, result.stderr) == (130, f"tool.py: {line}\n")


def test_log_lines_are_the_messages_alone(run_script):
  result = run_script('logging.info("step = %d", 5)')
  assert result.stderr == "step = 5\n"


class TestImportTensorflow:
  def test_its_notes_stay_off_the_screen(self, run_script, tmp_path):
    (tmp_path / "tensorflow.py").write_text(
      "import os\nos.write(2, b'note\\n')\nlevel = os.environ['TF_CPP_MIN_LOG_LEVEL']\n"
    )
    body = (
      "import os, sys\n"
      "command_line.import_tensorflow()\n"
      "os.write(2, b'after\\n')\n"
      "print(sys.modules['tensorflow'].level)"
    )
    result = run_script(body)
    assert (result.stderr, result.stdout) == ("after\n", "3\n")

  def test_its_failure_is_seen(self, run_script, tmp_path):
    (tmp_path / "tensorflow.py").write_text("raise ImportError('no such library')\n")
    result = run_script("command_line.import_tensorflow()")
    assert (result.returncode, result.stderr) == (1, "tool.py: no such library\n")


class TestRequire:
  @pytest.fixture
  def flag_values(self):
    flag_values = flags.FlagValues()
    for name in ("one", "two"):
      flags.DEFINE_string(name, None, f"What {name} is.", flag_values)
    return flag_values

  def test_given_flags_pass(self, flag_values):
    flag_values(["script", "--one=", "--two=b"])
    command_line.require(flag_values, "one", "two")

  def test_a_missing_one_is_explained(self, flag_values):
    flag_values(["script", "--one=a"])
    with pytest.raises(ValueError, match="--two is required: What two is."):
      command_line.require(flag_values, "one", "two")


def test_debug_is_a_flag_of_the_object_it_is_given():
  flag_values = flags.FlagValues()
  command_line.define_debug(flag_values)
  flag_values(["script"])
  assert flag_values.debug is False


def test_importing_the_groups_defines_no_flag():
  code = (
    "import importlib, pkgutil, sys\n"
    "from absl import app, flags, logging\n"
    "import bert_ja.flags as groups\n"
    "before = set(flags.FLAGS)\n"
    "names = [module.name for module in pkgutil.iter_modules(groups.__path__)]\n"
    "for name in names: importlib.import_module(f'bert_ja.flags.{name}')\n"
    "assert len(names) >= 7\n"
    "sys.exit(str(set(flags.FLAGS) - before))\n"
  )
  result = subprocess.run(
    [sys.executable, "-c", code], cwd=_ROOT, capture_output=True, text=True, check=False
  )
  assert result.stderr == "set()\n"
