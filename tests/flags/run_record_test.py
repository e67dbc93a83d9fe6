"""flags.json: which flags are kept, and what several runs in one directory leave."""

import pytest
from absl import flags

from bert_ja.flags import run_record


@pytest.fixture
def record(tmp_path):
  """Function: arguments of a run -> what the directory's record then holds."""

  def run(acts, *arguments, **facts):
    flag_values = flags.FlagValues()
    flags.DEFINE_bool("do_train", False, "", flag_values)
    flags.DEFINE_float("learning_rate", 5e-5, "", flag_values=flag_values)
    flags.DEFINE_list("text_columns", None, "", flag_values)
    flags.DEFINE_string("output_dir", None, "", flag_values)
    flag_values(["run", *arguments])
    run_record.write(str(tmp_path), acts, flag_values, facts)
    return run_record.read(str(tmp_path))

  return run


def test_given_flags_are_told_from_defaults(record):
  entry = record(["do_train"], "--do_train", "--text_columns=本文,題")["do_train"]
  assert entry["given"] == {"do_train": True, "text_columns": ["本文", "題"]}
  assert entry["default"]["learning_rate"] == 5e-5


def test_a_default_that_is_written_out_is_given(record):
  entry = record(["do_eval"], "--learning_rate=5e-5")["do_eval"]
  assert entry["given"] == {"learning_rate": 5e-5}


def test_a_value_that_a_program_sets_is_given(tmp_path):
  flag_values = flags.FlagValues()
  flags.DEFINE_bool("do_eval", True, "", flag_values)
  flags.DEFINE_integer("max_seq_length", 128, "", flag_values=flag_values)
  flag_values(["run"])
  flag_values.max_seq_length = 32
  run_record.write(str(tmp_path), ["do_eval"], flag_values)
  entry = run_record.read(str(tmp_path))["do_eval"]
  assert entry["given"] == {"max_seq_length": 32}


def test_flags_without_a_value_are_left_out(record):
  assert "output_dir" not in record(["do_train"])["do_train"]["default"]


def test_a_later_run_replaces_what_it_does_alone(record):
  record(["do_train", "do_eval"], "--learning_rate=1")
  later = record(["do_eval", "do_predict"], "--learning_rate=2")
  rates = {act: entry["given"]["learning_rate"] for act, entry in later.items()}
  assert rates == {"do_train": 1, "do_eval": 2, "do_predict": 2}


def test_an_entry_has_what_else_is_told(record):
  entry = record(["do_eval"], kind="multi_label")["do_eval"]
  assert entry["kind"] == "multi_label"


@pytest.mark.parametrize(
  ("module", "is_kept"),
  [
    ("absl.logging", False),
    ("tensorflow.x", False),
    ("bert_jargon", False),
    ("bert_ja.flags.model_flags", True),
  ],
)
def test_flags_of_other_packages_are_no_settings(tmp_path, module, is_kept):
  flag_values = flags.FlagValues()
  # That of the script, whose name may be anything.
  flags.DEFINE_bool("do_train", True, "", flag_values)
  other = flags.Flag(
    flags.FloatParser(), flags.ArgumentSerializer(), "delta_threshold", 0.5, ""
  )
  flags.DEFINE_flag(other, flag_values, module_name=module)
  flag_values(["run"])
  run_record.write(str(tmp_path), ["do_train"], flag_values)
  entry = run_record.read(str(tmp_path))["do_train"]
  names = {*entry["given"], *entry["default"]}
  assert names == {"do_train"} | ({"delta_threshold"} if is_kept else set())


def test_without_a_file_nothing_is_recorded(tmp_path):
  assert run_record.read(str(tmp_path)) == {}


@pytest.mark.parametrize("text", ["[1]", '{"do_train": 1}', '{"do_train": {}}'])
def test_a_damaged_file(tmp_path, text):
  (tmp_path / "flags.json").write_text(text)
  with pytest.raises(ValueError, match=r"flags\.json: expected an object .* remove"):
    run_record.read(str(tmp_path))
