"""`bert-ja COMMAND`: the list of commands, near matches, and help of one command."""

import subprocess
import sys

import pytest

from bert_ja import __main__ as program


def run(*arguments):
  return subprocess.run(
    [sys.executable, "-m", "bert_ja", *arguments],
    capture_output=True,
    text=True,
    check=False,
  )


class TestCommands:
  def test_names_and_first_docstring_lines(self, tmp_path):
    (tmp_path / "fill_mask.py").write_text('"""Fill the gap.\n\nMore words.\n"""\n')
    (tmp_path / "bare.py").write_text("raise SystemExit('imported')\n")
    (tmp_path / "__init__.py").write_text('"""Not a command."""\n')
    (tmp_path / "notes.txt").write_text("not a command")
    found = program.commands(str(tmp_path))
    assert found == {"bare": "", "fill-mask": "Fill the gap."}

  def test_every_command_says_what_it_does(self):
    assert all(line.strip() for line in program.commands().values())

  def test_the_listing_has_one_aligned_line_each(self):
    text = program.listing({"a": "First.", "long-name": "Second."})
    assert "  a          First.\n  long-name  Second.\n" in text


class TestMain:
  @pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"], ["help"]])
  def test_without_a_command_it_lists_them(self, capsys, arguments):
    assert program.main(["bert-ja", *arguments]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "usage: bert-ja COMMAND [--flags]"
    assert any(line.startswith("  convert ") for line in lines)

  def test_an_unknown_command_gets_a_near_match_and_status_2(self, capsys):
    assert program.main(["bert-ja", "convrt"]) == 2
    error = capsys.readouterr().err
    assert error.startswith(
      "bert-ja: no command 'convrt'; did you mean 'convert'? (known: "
    )

  def test_without_a_near_match_the_commands_are_named(self, capsys):
    assert program.main(["bert-ja", "xyzzy"]) == 2
    error = capsys.readouterr().err
    assert "did you mean" not in error
    assert "convert" in error

  def test_listing_loads_no_tensorflow(self):
    code = (
      "import sys; from bert_ja import __main__ as m; m.main(['bert-ja']);"
      "sys.exit('tensorflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


class TestProcess:
  def test_help_of_a_command_lists_its_flags(self):
    result = run("convert", "--help")
    assert "Convert a model between" in result.stdout
    assert "--[no]strip_optimizer" in result.stdout
    assert "--logtostderr" not in result.stdout

  def test_a_misspelt_flag_is_one_line_with_a_near_match_and_status_2(self):
    result = run("convert", "--inptu=x")
    assert result.returncode == 2
    assert result.stderr.startswith("bert-ja convert: ")
    assert "Did you mean: input" in result.stderr

  def test_a_missing_flag_is_named(self):
    result = run("convert", "--input=x", "--output=y")
    assert result.returncode == 1
    assert "--format is required" in result.stderr

  def test_the_status_of_no_such_command(self):
    assert run("no_such_command").returncode == 2
