"""Converting a model there and back, and what is refused."""

import json
import pathlib

import numpy as np
import pytest
import safetensors.numpy
from absl.testing import flagsaver

from bert_ja import checkpoint, model_files
from bert_ja.commands import convert

GOLDEN = pathlib.Path(__file__).parents[3] / "shared" / "golden" / "model"
needs_golden = pytest.mark.skipif(
  not GOLDEN.is_dir(), reason="the original's checkpoints are not on this machine"
)
CONFIG = {
  "vocab_size": 4,
  "hidden_size": 6,
  "num_hidden_layers": 1,
  "num_attention_heads": 2,
  "intermediate_size": 5,
  "hidden_act": "gelu",
  "max_position_embeddings": 7,
  "type_vocab_size": 2,
  "directionality": "bidi",
}


@pytest.fixture(scope="module", autouse=True)
def command_flags():
  """The command's flags, taken away again for the sake of other tests."""
  before = set(convert.FLAGS)
  convert.define_flags(convert.FLAGS)
  convert.FLAGS.mark_as_parsed()
  yield
  for name in set(convert.FLAGS) - before:
    delattr(convert.FLAGS, name)


def run(source, output, layout, **flags):
  with flagsaver.flagsaver(
    input=str(source), output=str(output), format=layout, **flags
  ):
    convert.main(["convert"])


def arrays(seed=1, head=True):
  rng = np.random.default_rng(seed)
  shapes = {
    "bert/embeddings/word_embeddings": [4, 6],
    "bert/encoder/layer_0/intermediate/dense/kernel": [6, 5],
    "bert/encoder/layer_0/output/LayerNorm/gamma": [6],
  }
  if head:
    shapes.update({"output_weights": [3, 6], "output_bias": [3]})
  return {n: rng.normal(size=s).astype(np.float32) for n, s in shapes.items()}


def write_model(folder, values, vocabulary="[PAD]\n[UNK]\nthe\nA\n", task=None):
  """An archive of TF1 at `folder`."""
  checkpoint.save(str(folder / "bert_model.ckpt"), values)
  (folder / "bert_config.json").write_text(json.dumps(CONFIG))
  (folder / "vocab.txt").write_text(vocabulary)
  if task is not None:
    (folder / "task.json").write_text(json.dumps(task))
  return folder


def read(path):
  reader = checkpoint.open_checkpoint(str(path))
  return {name: reader.tensor(name) for name in reader.shapes}


def assert_same(left, right):
  assert left.keys() == right.keys()
  for name, value in left.items():
    np.testing.assert_array_equal(value, right[name], err_msg=name)


class TestConvert:
  def test_there_and_back_gives_the_same_model(self, tmp_path):
    values, task = arrays(), {"kind": "token", "labels": ["O", "B", "I"]}
    (tmp_path / "first").mkdir()
    first = write_model(tmp_path / "first", values, task=task)
    run(first, tmp_path / "second", "huggingface")
    run(tmp_path / "second", tmp_path / "third", "tf1")
    files = model_files.find(str(tmp_path / "third"))
    assert_same(read(files.init_checkpoint), values)
    assert files.task == task
    config = json.loads(pathlib.Path(files.config_file).read_text())
    # The tanh form of GELU keeps its meaning under the name it has in both layouts.
    expected = {**CONFIG, "hidden_act": "gelu_new"}
    assert expected.items() <= config.items()
    assert pathlib.Path(files.vocab_file).read_text() == "[PAD]\n[UNK]\nthe\nA\n"

  def test_the_hugging_face_layout_knows_the_task(self, tmp_path):
    task = {"kind": "token", "labels": ["O", "B", "I"]}
    write_model(tmp_path, arrays(), task=task)
    run(tmp_path, tmp_path / "out", "huggingface")
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["architectures"] == ["BertForTokenClassification"]
    assert config["id2label"] == {"0": "O", "1": "B", "2": "I"}
    assert config["hidden_act"] == "gelu_new"

  def test_the_kernel_is_turned(self, tmp_path):
    values = arrays(head=False)
    write_model(tmp_path, values)
    run(tmp_path, tmp_path / "out", "huggingface")
    stored = safetensors.numpy.load_file(tmp_path / "out" / "model.safetensors")
    np.testing.assert_array_equal(
      stored["encoder.layer.0.intermediate.dense.weight"],
      values["bert/encoder/layer_0/intermediate/dense/kernel"].T,
    )

  def test_gelu_of_hugging_face_becomes_the_erf_form(self, tmp_path):
    write_model(tmp_path, arrays())
    run(tmp_path, tmp_path / "second", "huggingface")
    path = tmp_path / "second" / "config.json"
    config = {**json.loads(path.read_text()), "hidden_act": "gelu"}
    path.write_text(json.dumps(config))
    run(tmp_path / "second", tmp_path / "third", "tf1")
    written = json.loads((tmp_path / "third" / "bert_config.json").read_text())
    assert written["hidden_act"] == "gelu_erf"

  def test_half_the_precision_is_stored_in_either_layout(self, tmp_path):
    write_model(tmp_path, arrays())
    run(tmp_path, tmp_path / "tf1", "tf1", dtype="float16")
    run(tmp_path, tmp_path / "hf", "huggingface", dtype="float16")
    stored = read(tmp_path / "tf1" / "bert_model.ckpt")
    assert_same(stored, {n: v.astype(np.float16) for n, v in arrays().items()})
    in_hf = safetensors.numpy.load_file(tmp_path / "hf" / "model.safetensors")
    for value in (*stored.values(), *in_hf.values()):
      assert value.dtype == np.float16
    # Both are read as weights of any type.
    run(tmp_path / "hf", tmp_path / "back", "tf1")
    assert_same(read(tmp_path / "back" / "bert_model.ckpt"), stored)

  def test_weights_that_the_type_cannot_hold_are_an_error(self, tmp_path):
    write_model(tmp_path, {**arrays(), "output_bias": np.array([1e6, 0, 0], "f4")})
    with pytest.raises(ValueError, match="--dtype=float16: output_bias .* 1e\\+06"):
      run(tmp_path, tmp_path / "out", "tf1", dtype="float16")
    assert not (tmp_path / "out").exists()

  @pytest.mark.parametrize("layout", ["tf1", "huggingface"])
  def test_positions_that_were_not_trained_repeat_those_that_were(
    self, tmp_path, layout
  ):
    name = "bert/embeddings/position_embeddings"
    positions = np.arange(42, dtype=np.float32).reshape(7, 6)
    slots = {f"{name}/adam_m": positions + 50} if layout == "tf1" else {}
    write_model(tmp_path, {**arrays(), name: positions, **slots})
    run(tmp_path, tmp_path / "out", layout, trained_positions=3)
    files = model_files.find(str(tmp_path / "out"))
    stored = read(files.init_checkpoint)
    order = [0, 1, 2, 0, 1, 2, 0]
    assert_same(
      stored,
      {**arrays(), name: positions[order]}
      | {slot: value[order] for slot, value in slots.items()},
    )

  def test_more_trained_positions_than_there_are_is_an_error(self, tmp_path):
    name = "bert/embeddings/position_embeddings"
    write_model(tmp_path, {**arrays(), name: np.zeros([7, 6], "f4")})
    with pytest.raises(ValueError, match="--trained_positions=8: .* has 7 positions"):
      run(tmp_path, tmp_path / "out", "tf1", trained_positions=8)
    assert not (tmp_path / "out").exists()

  def test_what_was_written_is_printed(self, tmp_path, capsys):
    write_model(tmp_path, arrays())
    run(tmp_path, tmp_path / "out", "tf1")
    printed = capsys.readouterr().out
    assert printed == f"{tmp_path}/out/bert_model.ckpt: 5 variables, 81 parameters\n"

  @pytest.mark.parametrize("strip, step_stays", [(True, False), (False, True)])
  def test_stripping_drops_training_state(self, tmp_path, capsys, strip, step_stays):
    state = {
      "global_step": np.int64(5),
      "output_bias/adam_m": np.zeros(3, np.float32),
      "output_bias/adam_v": np.zeros(3, np.float32),
      "loss_scale/current": np.float32(1),
    }
    write_model(tmp_path, {**arrays(), **state})
    run(tmp_path, tmp_path / "out", "tf1", strip_optimizer=strip)
    expected = {**arrays(), **(state if step_stays else {})}
    assert_same(read(tmp_path / "out"), expected)
    assert ("4 left out, such as " in capsys.readouterr().out) == strip

  @needs_golden
  def test_a_finetuned_model_of_the_original(self, tmp_path):
    prefix = GOLDEN / "finetuned.ckpt-12"
    run(prefix, tmp_path / "second", "huggingface")
    run(tmp_path / "second", tmp_path / "third", "tf1")
    original = {
      name: value
      for name, value in read(prefix).items()
      if not name.endswith(("adam_m", "adam_v", "global_step"))
    }
    assert len(original) == 41
    assert_same(read(tmp_path / "third"), original)
    config = json.loads((tmp_path / "second" / "config.json").read_text())
    assert config["architectures"] == ["BertForSequenceClassification"]
    assert len(config["id2label"]) == 3

  @pytest.mark.parametrize(
    "vocabulary, lower", [("[PAD]\n[UNK]\nthe\nか\n", True), ("[PAD]\nThe\n", False)]
  )
  def test_case_is_read_from_the_vocabulary(self, tmp_path, vocabulary, lower):
    write_model(tmp_path, arrays(), vocabulary)
    run(tmp_path, tmp_path / "out", "huggingface")
    settings = model_files.find(str(tmp_path / "out")).tokenizer_settings
    name = "google" if lower else "multilingual-cased"
    assert settings == {"do_lower_case": lower, "tokenizer": name}

  def test_stated_settings_travel_unchanged(self, tmp_path):
    write_model(tmp_path, arrays())
    stated = {"do_lower_case": True, "tokenize_chinese_chars": False, "other": 1}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(stated))
    for layout in ("huggingface", "tf1"):
      run(tmp_path, tmp_path / layout, layout)
      files = model_files.find(str(tmp_path / layout))
      assert files.tokenizer_settings == {**stated, "tokenizer": "google"}


class TestRefused:
  def test_an_output_that_is_not_empty(self, tmp_path):
    write_model(tmp_path, arrays())
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    expected = r"out is not empty \(it holds mine.txt\); .* add --overwrite"
    with pytest.raises(ValueError, match=expected):
      run(tmp_path, tmp_path / "out", "tf1")
    run(tmp_path, tmp_path / "out", "tf1", overwrite=True)
    assert (tmp_path / "out" / "mine.txt").read_text() == "mine"

  def test_overwriting_the_input(self, tmp_path):
    write_model(tmp_path, arrays())
    with pytest.raises(ValueError, match="is the directory of the input"):
      run(tmp_path / "bert_model.ckpt", f"{tmp_path}/.", "tf1", overwrite=True)

  @pytest.mark.parametrize(
    "first, second", [("tf1", "huggingface"), ("huggingface", "tf1")]
  )
  def test_two_layouts_in_one_directory(self, tmp_path, first, second):
    write_model(tmp_path, arrays())
    run(tmp_path, tmp_path / "out", first)
    with pytest.raises(ValueError, match="holds weights in the other layout"):
      run(tmp_path, tmp_path / "out", second, overwrite=True)

  def test_an_input_without_weights(self, tmp_path):
    (tmp_path / "bert_config.json").write_text(json.dumps(CONFIG))
    with pytest.raises(ValueError, match=f"--input={tmp_path} holds no weights"):
      run(tmp_path, tmp_path / "out", "tf1")
