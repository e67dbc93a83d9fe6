"""flags.json: which flags are kept, and what several runs in one directory leave."""

import pytest
from absl import app, flags

from bert_ja.flags import run_record


@pytest.fixture
def record(tmp_path):
  """Function: arguments of a run -> what the directory's record then holds."""

  def run(*arguments):
    flag_values = flags.FlagValues()
    for act in run_record.ACTS:
      flags.DEFINE_bool(act, False, "", flag_values)
    flags.DEFINE_float("learning_rate", 5e-5, "", flag_values=flag_values)
    flags.DEFINE_list("text_columns", None, "", flag_values)
    flags.DEFINE_string("output_dir", None, "", flag_values)
    flag_values(["run", *arguments])
    run_record.write(str(tmp_path), flag_values)
    return run_record.read(str(tmp_path))

  return run


def test_given_flags_are_told_from_defaults(record):
  entry = record("--do_train", "--text_columns=本文,題")["do_train"]
  assert entry["given"] == {"do_train": True, "text_columns": ["本文", "題"]}
  assert entry["default"]["learning_rate"] == 5e-5


def test_a_default_that_is_written_out_is_given(record):
  assert record("--do_eval", "--learning_rate=5e-5")["do_eval"]["given"] == {
    "do_eval": True,
    "learning_rate": 5e-5,
  }


def test_a_value_that_a_program_sets_is_given(tmp_path):
  flag_values = flags.FlagValues()
  flags.DEFINE_bool("do_eval", True, "", flag_values)
  flags.DEFINE_integer("max_seq_length", 128, "", flag_values=flag_values)
  flag_values(["run"])
  flag_values.max_seq_length = 32
  run_record.write(str(tmp_path), flag_values)
  entry = run_record.read(str(tmp_path))["do_eval"]
  assert entry["given"] == {"max_seq_length": 32}


def test_flags_without_a_value_are_left_out(record):
  assert "output_dir" not in record("--do_train")["do_train"]["default"]


def test_a_later_run_replaces_what_it_does_alone(record):
  record("--do_train", "--do_eval", "--learning_rate=1")
  later = record("--do_eval", "--do_predict", "--learning_rate=2")
  rates = {act: entry["given"]["learning_rate"] for act, entry in later.items()}
  assert rates == {"do_train": 1, "do_eval": 2, "do_predict": 2}


def test_flags_of_absl_are_no_settings(tmp_path):
  flag_values = flags.FlagValues()
  flags.DEFINE_bool("do_train", True, "", flag_values)
  flags.DEFINE_flag(app.HelpFlag(), flag_values, module_name="absl.app")
  flag_values(["run"])
  run_record.write(str(tmp_path), flag_values)
  entry = run_record.read(str(tmp_path))["do_train"]
  assert {*entry["given"], *entry["default"]} == {"do_train"}


def test_without_a_file_nothing_is_recorded(tmp_path):
  assert run_record.read(str(tmp_path)) == {}


@pytest.mark.parametrize("text", ["[1]", '{"do_train": 1}', '{"do_train": {}}'])
def test_a_damaged_file(tmp_path, text):
  (tmp_path / "flags.json").write_text(text)
  with pytest.raises(ValueError, match=r"flags\.json: expected an object .* remove"):
    run_record.read(str(tmp_path))
