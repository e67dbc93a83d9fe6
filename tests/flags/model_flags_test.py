"""A model from flags and a directory: which of them has the last word."""

import json
import types

import pytest
import tensorflow as tf
from absl import flags

from bert_ja import checkpoint, model_files
from bert_ja.flags import model_flags, task_flags, tokenizer_flags


@pytest.fixture
def model_dir(tmp_path):
  """A trained model's directory: config, vocabulary, settings, weights and a task."""
  directory = tmp_path / "model"
  directory.mkdir()
  recorded = {"task_name": "table", "max_seq_length": 48, "text_columns": ["a", "b"]}
  (directory / "bert_config.json").write_text("{}")
  (directory / "vocab.txt").write_text("[CLS]\n[SEP]\n[UNK]\n")
  (directory / "tokenizer_config.json").write_text('{"do_lower_case": false}')
  (directory / "task.json").write_text(
    json.dumps({"labels": ["no", "yes"], "flags": recorded})
  )
  (directory / "model.safetensors").write_text("")
  return str(directory)


class TestDefine:
  def test_defaults(self, own_values):
    """Contract A-7."""
    assert own_values(model_flags) == {
      "bert_config_file": None,
      "init_checkpoint": None,
      "model_dir": None,
      "random_init": False,
      "output_dir": None,
      "precision": "float32",
    }

  def test_an_unknown_precision_names_those_there_are(self, parse):
    message = "precision=int8: value should be one of <float32|bfloat16|float16>"
    with pytest.raises(flags.IllegalFlagValueError) as error:
      parse("--precision=int8")
    assert message in str(error.value)


class TestResolve:
  def test_flags_alone_describe_a_model(self, parse):
    files = model_flags.resolve(
      parse("--bert_config_file=c.json", "--init_checkpoint=w", "--vocab_file=v.txt")
    )
    assert files == model_files.ModelFiles("", "w", "c.json", "v.txt", {}, {})

  def test_a_directory_alone_describes_a_model(self, parse, model_dir):
    files = model_flags.resolve(parse(f"--model_dir={model_dir}"))
    assert files == model_files.find(model_dir)
    assert files.init_checkpoint == f"{model_dir}/model.safetensors"
    assert files.vocab_file == f"{model_dir}/vocab.txt"

  @pytest.mark.parametrize(
    ("flag", "field"),
    [
      ("bert_config_file", "config_file"),
      ("init_checkpoint", "init_checkpoint"),
      ("vocab_file", "vocab_file"),
    ],
  )
  def test_a_given_flag_replaces_one_part_of_the_directory(
    self, parse, model_dir, flag, field
  ):
    files = model_flags.resolve(parse(f"--model_dir={model_dir}", f"--{flag}=mine"))
    in_directory = vars(model_files.find(model_dir))
    assert vars(files) == {**in_directory, field: "mine"}

  def test_random_init_leaves_the_weights_only(self, parse, model_dir):
    files = model_flags.resolve(parse(f"--model_dir={model_dir}", "--random_init"))
    in_directory = vars(model_files.find(model_dir))
    assert vars(files) == {**in_directory, "init_checkpoint": None}

  def test_random_init_and_a_checkpoint_are_refused_together(self, parse, model_dir):
    flag_values = parse(
      f"--model_dir={model_dir}", "--random_init", "--init_checkpoint=c"
    )
    with pytest.raises(ValueError, match="exclude each other"):
      model_flags.resolve(flag_values)

  def test_a_script_may_have_no_vocabulary(self, parse, model_dir):
    flag_values = parse(f"--model_dir={model_dir}", groups=(model_flags,))
    files = model_flags.resolve(flag_values)
    assert files.vocab_file == f"{model_dir}/vocab.txt"

  def test_without_a_configuration_both_ways_to_give_one_are_named(self, parse):
    message = "the model is not known: give --bert_config_file, or --model_dir with a "
    with pytest.raises(ValueError, match=message):
      model_flags.resolve(parse("--vocab_file=v.txt"))


class TestLoadConfig:
  def test_a_configuration_needs_no_vocabulary(self, tmp_path):
    path = tmp_path / "config.json"
    path.write_text('{"vocab_size": 37}')
    files = model_files.ModelFiles("", None, str(path), None, {}, {})
    assert model_flags.load_config(files).vocab_size == 37

  def test_without_one_the_files_tell_the_family(self):
    named = {"tokenizer": "bert-japanese"}
    files = model_files.ModelFiles("", None, None, "wiki-ja.vocab", named, {})
    assert model_flags.load_config(files).vocab_size == 32000

  def test_a_family_that_is_given_is_not_looked_for(self):
    files = model_files.ModelFiles("", None, None, None, {"tokenizer": "google"}, {})
    assert model_flags.load_config(files, "bert-japanese").vocab_size == 32000


class TestRecordedFlags:
  def test_those_not_given_take_their_recorded_values(self, parse, model_dir):
    flag_values = parse(f"--model_dir={model_dir}")
    model_flags.resolve(flag_values)
    assert flag_values.task_name == "table"
    assert flag_values.max_seq_length == 48
    assert flag_values.text_columns == ["a", "b"]

  def test_a_given_flag_stays_even_if_it_equals_the_default(self, parse, model_dir):
    flag_values = parse(f"--model_dir={model_dir}", "--max_seq_length=128")
    model_flags.resolve(flag_values)
    assert flag_values.max_seq_length == 128
    assert flag_values.task_name == "table"

  def test_training_takes_its_own(self, parse, model_dir):
    """A model of another task or length is a start like any other."""
    flag_values = parse(f"--model_dir={model_dir}", "--do_train")
    model_flags.resolve(flag_values)
    assert (flag_values.task_name, flag_values.max_seq_length) == (None, 128)

  def test_those_of_a_model_in_the_output_directory_count_more(
    self, parse, model_dir, tmp_path
  ):
    (tmp_path / "task.json").write_text('{"flags": {"max_seq_length": 32}}')
    checkpoint.save_step(str(tmp_path), 1, {"a": tf.Variable(1.0)}, 1)
    flag_values = parse(f"--model_dir={model_dir}", f"--output_dir={tmp_path}")
    model_flags.resolve(flag_values)
    assert flag_values.max_seq_length == 32

  def test_without_a_directory_the_defaults_stay(self, parse):
    flag_values = parse("--bert_config_file=c.json")
    model_flags.resolve(flag_values)
    assert (flag_values.task_name, flag_values.max_seq_length) == (None, 128)

  def test_those_that_the_script_lacks_are_passed_over(self, parse, model_dir):
    groups = (model_flags, tokenizer_flags)
    flag_values = parse(f"--model_dir={model_dir}", groups=groups)
    model_flags.resolve(flag_values)
    assert "task_name" not in flag_values

  def test_what_a_training_records_is_what_its_model_brings(self, parse, tmp_path):
    trained = parse(
      "--task_name=table",
      "--max_seq_length=64",
      "--text_columns=q,a",
      "--label_column=kind",
      "--id_column=id",
      "--xnli_language=de",
    )
    config = types.SimpleNamespace(to_json_string=lambda: "{}")
    recorded = {"flags": task_flags.recorded(trained)}
    model_files.write_description(str(tmp_path), config, None, {}, recorded)
    applied = parse(f"--model_dir={tmp_path}")
    model_flags.resolve(applied)
    assert task_flags.recorded(applied) == task_flags.recorded(trained)


class TestCheckLength:
  _files = types.SimpleNamespace(config_file="c.json")
  _config = types.SimpleNamespace(max_position_embeddings=20)

  def test_as_long_as_the_positions_is_fine(self):
    model_flags.check_length(20, self._config, self._files)

  def test_longer_names_both_numbers_and_the_file(self):
    """Contract A-15."""
    message = (
      "--max_seq_length=21 is longer than the 20 positions of c.json; lower the flag "
      "or use a model with more positions"
    )
    with pytest.raises(ValueError, match=message):
      model_flags.check_length(21, self._config, self._files)
