"""BertConfig: defaults, both dialects of its JSON, and what it refuses."""

import json

import pytest

from bert_ja import modeling

SIZES = {
  "vocab_size": 37,
  "hidden_size": 8,
  "num_hidden_layers": 2,
  "num_attention_heads": 2,
  "intermediate_size": 12,
  "max_position_embeddings": 16,
  "type_vocab_size": 3,
}


def tiny_config(**changes):
  return modeling.BertConfig(**{**SIZES, **changes})


class TestBertConfig:
  def test_defaults_are_the_originals(self):
    assert modeling.BertConfig(vocab_size=37).to_dict() == {
      "vocab_size": 37,
      "hidden_size": 768,
      "num_hidden_layers": 12,
      "num_attention_heads": 12,
      "intermediate_size": 3072,
      "hidden_act": "gelu",
      "hidden_dropout_prob": 0.1,
      "attention_probs_dropout_prob": 0.1,
      "max_position_embeddings": 512,
      "type_vocab_size": 16,
      "initializer_range": 0.02,
    }

  def test_unknown_keys_become_attributes_and_are_written_back(self):
    config = modeling.BertConfig.from_dict(
      {**SIZES, "directionality": "bidi", "pooler_size_per_head": 128}
    )
    assert config.directionality == "bidi"
    assert json.loads(config.to_json_string())["pooler_size_per_head"] == 128

  def test_json_has_sorted_keys_indent_two_and_a_final_newline(self):
    config = tiny_config(zebra=1, apple=[2])
    text = config.to_json_string()
    assert text == json.dumps(config.to_dict(), indent=2, sort_keys=True) + "\n"
    lines = text.splitlines()
    assert lines[1] == '  "apple": ['
    assert lines[-2] == '  "zebra": 1'

  def test_json_round_trip(self, tmp_path):
    config = tiny_config(hidden_act="relu", pooler_type="first_token")
    file = tmp_path / "bert_config.json"
    file.write_text(config.to_json_string(), encoding="utf-8")
    again = modeling.BertConfig.from_json_file(str(file))
    assert again.to_dict() == config.to_dict()

  def test_the_dictionary_is_a_copy(self):
    config = tiny_config(nested={"a": 1})
    config.to_dict()["nested"]["a"] = 2
    assert config.nested == {"a": 1}

  def test_type_vocab_size_of_an_original_config_is_16(self):
    assert modeling.BertConfig.from_dict({"vocab_size": 37}).type_vocab_size == 16

  @pytest.mark.parametrize(
    "mark",
    [
      {"model_type": "bert"},
      {"architectures": ["BertModel"]},
      {"transformers_version": "4.50.0"},
      {"torchscript": False},
    ],
  )
  def test_type_vocab_size_of_a_hugging_face_config_is_2(self, mark):
    config = modeling.BertConfig.from_dict({"vocab_size": 37, **mark})
    assert config.type_vocab_size == 2

  @pytest.mark.parametrize("stated", [{"hidden_act": "gelu"}, {}])
  def test_gelu_of_a_hugging_face_config_is_the_exact_form(self, stated):
    values = {"vocab_size": 37, "model_type": "bert", **stated}
    config = modeling.BertConfig.from_dict(values)
    assert config.hidden_act == "gelu_erf"
    assert modeling.BertConfig.from_dict(config.to_dict()).hidden_act == "gelu_erf"

  @pytest.mark.parametrize("name", ["gelu_new", "relu"])
  def test_another_activation_of_a_hugging_face_config_stays(self, name):
    values = {"vocab_size": 37, "model_type": "bert", "hidden_act": name}
    assert modeling.BertConfig.from_dict(values).hidden_act == name

  def test_layer_norm_epsilon_is_read_from_a_hugging_face_key(self):
    assert tiny_config().layer_norm_epsilon == 1e-12
    assert tiny_config(layer_norm_eps=1e-5).layer_norm_epsilon == 1e-5

  @pytest.mark.parametrize("prob", [None, 0, 0.5])
  def test_accepts_dropout_of_none_and_below_one(self, prob):
    assert tiny_config(hidden_dropout_prob=prob).hidden_dropout_prob == prob

  @pytest.mark.parametrize(
    ("changes", "message"),
    [
      (
        {"num_attention_heads": 3},
        "hidden_size 8 is not a multiple of num_attention_heads 3",
      ),
      (
        {"vocab_size": 0},
        r"vocab_size is 0; expected an integer of at least 1",
      ),
      ({"hidden_size": 8.0}, r"hidden_size is 8\.0; expected an integer"),
      ({"type_vocab_size": "2"}, r"type_vocab_size is '2'; expected an integer"),
      ({"hidden_dropout_prob": 1.0}, r"hidden_dropout_prob is 1\.0; .* \[0, 1\)"),
      ({"attention_probs_dropout_prob": -0.1}, r"attention_probs_dropout_prob is -0"),
      ({"hidden_act": "gelo"}, "hidden_act 'gelo' is not known; choose one of .*gelu"),
      ({"model_type": "albert"}, "model_type is 'albert'; only 'bert'"),
      (
        {"position_embedding_type": "relative_key"},
        "position_embedding_type is 'relative_key'; only 'absolute'",
      ),
    ],
  )
  def test_wrong_values_are_named(self, changes, message):
    with pytest.raises(ValueError, match=message):
      tiny_config(**changes)

  def test_a_missing_vocab_size_is_named_with_the_keys_that_came(self):
    with pytest.raises(ValueError, match=r"vocab_size is missing.*keys: hidden_size"):
      modeling.BertConfig.from_dict({"hidden_size": 8})

  @pytest.mark.parametrize(
    ("text", "message"),
    [
      ("[1, 2]", "expected a JSON object"),
      ('{"vocab_size": 0}', "vocab_size is 0"),
    ],
  )
  def test_errors_of_a_file_name_it(self, tmp_path, text, message):
    file = tmp_path / "wrong.json"
    file.write_text(text)
    with pytest.raises(ValueError, match=rf"wrong\.json: .*{message}"):
      modeling.BertConfig.from_json_file(str(file))
