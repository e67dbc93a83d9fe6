"""Model directories of three layouts, and a description that is found again."""

import json
import pathlib

import numpy as np
import pytest
import safetensors.numpy

from bert_ja import checkpoint, model_files

CONFIG = {"vocab_size": 5, "hidden_size": 8, "hidden_act": "gelu"}


class Config:
  """Has what write_description needs of a BertConfig."""

  def to_json_string(self):
    return json.dumps(CONFIG, indent=2, sort_keys=True) + "\n"


def write(folder, name, value=""):
  text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
  (folder / name).write_text(text, encoding="utf-8")
  return str(folder / name)


def write_checkpoint(folder, name):
  checkpoint.save(str(folder / name), {"bert/a": np.ones([2], np.float32)})
  return str(folder / name)


class TestFind:
  @pytest.mark.parametrize("name", ["bert_model.ckpt", "model.ckpt-1400000"])
  def test_an_archive_of_tf1(self, tmp_path, name):
    config = write(tmp_path, "bert_config.json", CONFIG)
    vocabulary = write(tmp_path, "vocab.txt", "[PAD]\n")
    prefix = write_checkpoint(tmp_path, name)
    write(tmp_path, f"{name}.meta", "graph")
    assert model_files.find(str(tmp_path)) == model_files.ModelFiles(
      str(tmp_path), prefix, config, vocabulary, {}, {}
    )

  def test_a_hugging_face_directory(self, tmp_path):
    settings = {"do_lower_case": False, "strip_accents": None, "never_split": None}
    config = write(tmp_path, "config.json", {**CONFIG, "architectures": ["BertModel"]})
    vocabulary = write(tmp_path, "vocab.txt", "[PAD]\n")
    write(tmp_path, "tokenizer_config.json", settings)
    write(tmp_path, "pytorch_model.bin")
    weights = str(tmp_path / "model.safetensors")
    safetensors.numpy.save_file({"x": np.ones(2)}, weights)
    assert model_files.find(str(tmp_path)) == model_files.ModelFiles(
      str(tmp_path), weights, config, vocabulary, settings, {}
    )

  def test_weights_of_torch_are_found_without_safetensors(self, tmp_path):
    write(tmp_path, "config.json", CONFIG)
    weights = write(tmp_path, "pytorch_model.bin")
    assert model_files.find(str(tmp_path)).init_checkpoint == weights

  @pytest.mark.parametrize("kind", ["Sequence", "Token"])
  def test_labels_of_a_hugging_face_classifier(self, tmp_path, kind):
    names = {"10": "k", "2": "c", "0": "a", "1": "b"}
    config = {"architectures": [f"BertFor{kind}Classification"], "id2label": names}
    write(tmp_path, "config.json", config)
    assert model_files.find(str(tmp_path)).task == {"labels": ["a", "b", "c", "k"]}

  def test_an_encoder_has_no_labels(self, tmp_path):
    names = {"0": "LABEL_0", "1": "LABEL_1"}
    config = {"architectures": ["BertForMaskedLM"], "id2label": names}
    write(tmp_path, "config.json", config)
    assert model_files.find(str(tmp_path)).task == {}

  def test_the_newest_training_checkpoint_is_taken(self, tmp_path):
    write(tmp_path, "bert_config.json", CONFIG)
    for step in (9, 10):
      checkpoint.save_step(str(tmp_path), step, {"a": np.ones(2)}, keep=5)
    found = model_files.find(str(tmp_path)).init_checkpoint
    assert found == str(tmp_path / "model.ckpt-10")

  def test_a_prefix_stands_for_its_directory(self, tmp_path):
    config = write(tmp_path, "bert_config.json", CONFIG)
    prefix = write_checkpoint(tmp_path, "one.ckpt")
    write_checkpoint(tmp_path, "two.ckpt")
    files = model_files.find(prefix)
    assert (files.directory, files.init_checkpoint) == (str(tmp_path), prefix)
    assert files.config_file == config

  def test_weights_and_vocabulary_may_be_missing(self, tmp_path):
    config = write(tmp_path, "bert_config.json", CONFIG)
    assert model_files.find(str(tmp_path)) == model_files.ModelFiles(
      str(tmp_path), None, config, None, {}, {}
    )

  def test_a_sentence_piece_archive_needs_no_configuration(self, tmp_path):
    """Contract B-28."""
    model = write(tmp_path, "wiki-ja.model")
    vocabulary = write(tmp_path, "wiki-ja.vocab", "<unk>\t0\n")
    prefix = write_checkpoint(tmp_path, "model.ckpt-1400000")
    assert model_files.find(str(tmp_path)) == model_files.ModelFiles(
      str(tmp_path), prefix, None, vocabulary, {}, {}, model
    )

  def test_a_vocabulary_made_for_bert_is_taken_first(self, tmp_path):
    write(tmp_path, "bert_config.json", CONFIG)
    write(tmp_path, "spm.model")
    write(tmp_path, "spm.vocab")
    made = write(tmp_path, "spm.vocab.to.bert")
    assert model_files.find(str(tmp_path)).vocab_file == made

  def test_two_models_are_one_too_many(self, tmp_path):
    write(tmp_path, "a.model")
    write(tmp_path, "b.model")
    with pytest.raises(ValueError, match=r"2 files \*.model \(a.model, b.model\)"):
      model_files.find(str(tmp_path))

  def test_what_is_given_is_not_looked_for(self, tmp_path):
    write(tmp_path, "a.model")
    write(tmp_path, "b.model")
    write(tmp_path, "spm.vocab", "<unk>\n")
    found = model_files.find(str(tmp_path), given=("model_file",))
    assert found.model_file is None and found.vocab_file.endswith("spm.vocab")

  def test_a_vocabulary_is_a_model_where_the_configuration_is_given(self, tmp_path):
    write(tmp_path, "vocab.txt", "[PAD]\n")
    found = model_files.find(str(tmp_path), given=("config_file",))
    assert found.vocab_file == str(tmp_path / "vocab.txt")
    with pytest.raises(ValueError, match="it holds no configuration"):
      model_files.find(str(tmp_path))

  def test_beside_word_pieces_a_model_is_something_else(self, tmp_path):
    write(tmp_path, "config.json", CONFIG)
    write(tmp_path, "vocab.txt", "[PAD]\n")
    write(tmp_path, "x.model")
    assert model_files.find(str(tmp_path)).model_file is None

  def test_a_vocabulary_alone_is_enough_for_a_tokenizer(self, tmp_path):
    vocabulary = write(tmp_path, "vocab.txt", "[PAD]\n")
    assert model_files.find(str(tmp_path), weights=False).vocab_file == vocabulary

  def test_weights_are_left_out_where_they_are_not_wanted(self, tmp_path):
    write(tmp_path, "bert_config.json", CONFIG)
    write_checkpoint(tmp_path, "bert_model.ckpt")
    assert model_files.find(str(tmp_path), weights=False).init_checkpoint is None

  def test_no_configuration_names_what_was_looked_for(self, tmp_path):
    write(tmp_path, "vocab.txt")
    expected = (
      f"{tmp_path} is no model directory: it holds no configuration "
      r"\(looked for bert_config.json and config.json\)"
    )
    with pytest.raises(ValueError, match=expected):
      model_files.find(str(tmp_path))

  def test_a_path_to_nothing_is_said(self, tmp_path):
    with pytest.raises(ValueError, match="nothing.ckpt does not exist; give a model's"):
      model_files.find(str(tmp_path / "nothing.ckpt"))

  def test_settings_that_are_no_object_are_refused(self, tmp_path):
    write(tmp_path, "bert_config.json", CONFIG)
    write(tmp_path, "tokenizer_config.json", [1])
    with pytest.raises(
      ValueError, match="config.json: expected a JSON object, .* list"
    ):
      model_files.find(str(tmp_path))

  def test_a_damaged_json_file_is_named(self, tmp_path):
    write(tmp_path, "bert_config.json", CONFIG)
    write(tmp_path, "task.json", '{"labels": [')
    with pytest.raises(ValueError, match="task.json, line 1, column .*not JSON"):
      model_files.find(str(tmp_path))


class TestWriteDescription:
  def write(self, folder, vocab_file, task):
    settings = {"do_lower_case": False, "strip_accents": True}
    model_files.write_description(str(folder), Config(), vocab_file, settings, task)
    return settings

  def test_find_gives_everything_back(self, tmp_path):
    vocabulary = write(tmp_path, "日本語.vocab", "[PAD]\r\n日本\n")
    task = {"labels": ["悪い", "良い"], "max_seq_length": 64, "task_name": "reviews"}
    output = tmp_path / "out"
    settings = self.write(output, vocabulary, task)
    prefix = checkpoint.save_step(str(output), 8, {"a": np.ones(2)}, keep=5)
    files = model_files.find(str(output))
    assert files == model_files.ModelFiles(
      directory=str(output),
      init_checkpoint=prefix,
      config_file=str(output / "bert_config.json"),
      vocab_file=str(output / "vocab.txt"),
      tokenizer_settings=settings,
      task=task,
    )
    assert json.loads((output / "bert_config.json").read_text()) == CONFIG
    copied = (output / "vocab.txt").read_bytes()
    assert copied == pathlib.Path(vocabulary).read_bytes()

  def test_a_model_described_again_keeps_its_vocabulary(self, tmp_path):
    vocabulary = write(tmp_path, "vocab.txt", "[PAD]\n語\n")
    self.write(tmp_path, vocabulary, {})
    assert (tmp_path / "vocab.txt").read_text(encoding="utf-8") == "[PAD]\n語\n"

  def test_a_model_without_vocabulary(self, tmp_path):
    self.write(tmp_path, None, {})
    assert model_files.find(str(tmp_path)).vocab_file is None

  def test_a_value_that_is_not_json_leaves_the_old_file(self, tmp_path):
    self.write(tmp_path, None, {"labels": ["a"]})
    with pytest.raises(TypeError):
      self.write(tmp_path, None, {"labels": object()})
    assert model_files.find(str(tmp_path)).task == {"labels": ["a"]}
    assert not list(tmp_path.glob("*.tmp-*"))
