"""Hugging Face files: names and layouts both ways, types, damage, and no running code.

The names and shapes in golden/hugging_face_names.json are those that transformers
5.23 wrote for a model of each class (2 layers, hidden size 8, intermediate 12,
vocabulary 17, 9 positions, 2 types, 5 labels).
"""

import json
import os
import pathlib
import pickle
import subprocess
import sys

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st

from bert_ja import checkpoint, hugging_face

NAMES = json.loads(
  (pathlib.Path(__file__).parent / "golden" / "hugging_face_names.json").read_text()
)
HEADS = {
  "BertModel": {},
  "BertForPreTraining": {
    "cls/predictions/transform/dense/kernel": [8, 8],
    "cls/predictions/transform/dense/bias": [8],
    "cls/predictions/transform/LayerNorm/gamma": [8],
    "cls/predictions/transform/LayerNorm/beta": [8],
    "cls/predictions/output_bias": [17],
    "cls/seq_relationship/output_weights": [2, 8],
    "cls/seq_relationship/output_bias": [2],
  },
  "BertForMaskedLM": {
    "cls/predictions/transform/dense/kernel": [8, 8],
    "cls/predictions/transform/dense/bias": [8],
    "cls/predictions/transform/LayerNorm/gamma": [8],
    "cls/predictions/transform/LayerNorm/beta": [8],
    "cls/predictions/output_bias": [17],
  },
  "BertForNextSentencePrediction": {
    "cls/seq_relationship/output_weights": [2, 8],
    "cls/seq_relationship/output_bias": [2],
  },
  "BertForSequenceClassification": {"output_weights": [5, 8], "output_bias": [5]},
  "BertForTokenClassification": {"output_weights": [5, 8], "output_bias": [5]},
  "BertForMultipleChoice": {"output_weights": [1, 8], "output_bias": [1]},
  "BertForQuestionAnswering": {
    "cls/squad/output_weights": [5, 8],
    "cls/squad/output_bias": [5],
  },
}
WITHOUT_POOLER = (
  "BertForMaskedLM",
  "BertForTokenClassification",
  "BertForQuestionAnswering",
)
CONFIG = {"hidden_act": "gelu", "hidden_size": 8}


def encoder_shapes(pooler=True):
  """The TF1 names and shapes of contract A-42, written out."""
  shapes = {
    "bert/embeddings/word_embeddings": [17, 8],
    "bert/embeddings/token_type_embeddings": [2, 8],
    "bert/embeddings/position_embeddings": [9, 8],
    "bert/embeddings/LayerNorm/gamma": [8],
    "bert/embeddings/LayerNorm/beta": [8],
  }
  for i in range(2):
    layer = f"bert/encoder/layer_{i}"
    for scope, sizes in (
      ("attention/self/query", [8, 8]),
      ("attention/self/key", [8, 8]),
      ("attention/self/value", [8, 8]),
      ("attention/output/dense", [8, 8]),
      ("intermediate/dense", [8, 12]),
      ("output/dense", [12, 8]),
    ):
      shapes[f"{layer}/{scope}/kernel"] = sizes
      shapes[f"{layer}/{scope}/bias"] = sizes[1:]
    for scope in ("attention/output/LayerNorm", "output/LayerNorm"):
      shapes[f"{layer}/{scope}/gamma"] = shapes[f"{layer}/{scope}/beta"] = [8]
  if pooler:
    shapes["bert/pooler/dense/kernel"] = [8, 8]
    shapes["bert/pooler/dense/bias"] = [8]
  return shapes


def random_state(architecture):
  rng = np.random.default_rng(3)
  return {
    name: rng.normal(size=shape).astype(np.float32)
    for name, shape in NAMES[architecture].items()
  }


def write_safetensors(folder, tensors):
  path = folder / "model.safetensors"
  safetensors.numpy.save_file(tensors, path)
  return str(path)


def config_of(folder):
  return json.loads((folder / "config.json").read_text())


class TestNames:
  @pytest.mark.parametrize("architecture", sorted(NAMES))
  def test_a_model_of_transformers_has_the_names_and_shapes_of_tf1(
    self, tmp_path, architecture
  ):
    path = write_safetensors(tmp_path, random_state(architecture))
    expected = encoder_shapes(pooler=architecture not in WITHOUT_POOLER)
    expected.update(HEADS[architecture])
    assert hugging_face.Reader(path).shapes == expected

  @pytest.mark.parametrize("architecture", sorted(NAMES))
  def test_written_names_and_values_are_those_of_transformers(
    self, tmp_path, architecture
  ):
    state = random_state(architecture)
    reader = hugging_face.Reader(write_safetensors(tmp_path, state))
    arrays = {name: reader.tensor(name) for name in reader.shapes}
    config = {**CONFIG, "architectures": [architecture]}
    hugging_face.save(str(tmp_path / "out"), arrays, config)
    written = safetensors.numpy.load_file(tmp_path / "out" / "model.safetensors")
    assert written.keys() == state.keys()
    for name, value in state.items():
      np.testing.assert_array_equal(written[name], value, err_msg=name)
    assert config_of(tmp_path / "out")["architectures"] == [architecture]

  @given(st.integers(0, 1000), st.sampled_from(["attention/self/key", "output/dense"]))
  def test_layer_numbers_go_there_and_back(self, layer, scope):
    name = f"bert/encoder/layer_{layer}/{scope}/kernel"
    other, turned = hugging_face.to_hugging_face_name(name)
    assert (
      other == f"bert.encoder.layer.{layer}.{scope.replace('/', '.')}.weight" and turned
    )
    assert hugging_face.to_tf1_name(other) == (name, True)

  @pytest.mark.parametrize(
    "name",
    [
      "embeddings.position_ids",
      "bert.embeddings.position_ids",
      "cls.predictions.decoder.weight",
      "cls.predictions.decoder.bias",
      "bert.encoder.layer.0.attention.self.distance_embedding.weight",
    ],
  )
  def test_buffers_and_tied_weights_have_no_name(self, name):
    assert hugging_face.to_tf1_name(name) is None

  @pytest.mark.parametrize("name", ["global_step", "bert/pooler/dense/kernel/adam_m"])
  def test_training_state_has_no_name(self, name):
    assert hugging_face.to_hugging_face_name(name) is None

  @pytest.mark.parametrize("prefix", ["", "bert."])
  @pytest.mark.parametrize("scale, offset", [("weight", "bias"), ("gamma", "beta")])
  def test_old_and_new_names_of_layer_norm(self, prefix, scale, offset):
    scope = f"{prefix}encoder.layer.10.output.LayerNorm"
    target = "bert/encoder/layer_10/output/LayerNorm"
    assert hugging_face.to_tf1_name(f"{scope}.{scale}") == (f"{target}/gamma", False)
    assert hugging_face.to_tf1_name(f"{scope}.{offset}") == (f"{target}/beta", False)


class TestReader:
  def test_kernels_are_turned_and_embeddings_are_not(self, tmp_path):
    kernel = np.arange(6, dtype=np.float32).reshape(2, 3)
    path = write_safetensors(
      tmp_path,
      {"pooler.dense.weight": kernel, "embeddings.word_embeddings.weight": kernel},
    )
    reader = checkpoint.open_checkpoint(path)
    assert reader.shapes["bert/pooler/dense/kernel"] == [3, 2]
    np.testing.assert_array_equal(reader.tensor("bert/pooler/dense/kernel"), kernel.T)
    np.testing.assert_array_equal(
      reader.tensor("bert/embeddings/word_embeddings"), kernel
    )

  def test_a_directory_is_read_by_its_weight_file(self, tmp_path):
    path = write_safetensors(tmp_path, random_state("BertModel"))
    assert checkpoint.open_checkpoint(str(tmp_path)).path == path

  @pytest.mark.parametrize("stored", ["F16", "BF16"])
  def test_sixteen_bit_floats_come_as_float32(self, tmp_path, stored):
    # 1.5 and -2.0 in both formats, written by hand from their bit patterns.
    bits = {"F16": [0x3E00, 0xC000], "BF16": [0x3FC0, 0xC000]}[stored]
    header = {
      "pooler.dense.bias": {"dtype": stored, "shape": [2], "data_offsets": [0, 4]}
    }
    text = json.dumps(header).encode()
    path = tmp_path / "model.safetensors"
    data = np.array(bits, "<u2").tobytes()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    value = hugging_face.Reader(str(path)).tensor("bert/pooler/dense/bias")
    assert value.dtype == np.float32
    assert value.tolist() == [1.5, -2.0]

  def test_bfloat16_needs_no_tensorflow(self, tmp_path):
    header = {
      "pooler.dense.bias": {"dtype": "BF16", "shape": [1], "data_offsets": [0, 2]}
    }
    text = json.dumps(header).encode()
    path = tmp_path / "model.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"\xc0\x3f")
    code = (
      "import sys; from bert_ja import hugging_face;"
      f"r = hugging_face.Reader({str(path)!r});"
      "print(r.tensor('bert/pooler/dense/bias'), 'tensorflow' in sys.modules)"
    )
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.stdout == "[1.5] False\n"

  @pytest.mark.parametrize("size", [0, 5, 300, -4])
  def test_a_cut_file_is_named(self, tmp_path, size):
    path = write_safetensors(tmp_path, random_state("BertModel"))
    data = pathlib.Path(path).read_bytes()
    pathlib.Path(path).write_bytes(data[:size])
    with pytest.raises(ValueError, match="model.safetensors is damaged"):
      hugging_face.Reader(path)

  def test_a_missing_file_is_named(self, tmp_path):
    with pytest.raises(FileNotFoundError, match="none.safetensors does not exist"):
      hugging_face.Reader(str(tmp_path / "none.safetensors"))

  def test_a_file_without_a_bert_is_refused(self, tmp_path):
    path = write_safetensors(tmp_path, {"wte.weight": np.ones(2, np.float32)})
    with pytest.raises(ValueError, match="no tensor of a BERT model.*found wte.weight"):
      hugging_face.Reader(path)


class RunsCode:
  """An object whose unpickling would create a file."""

  def __init__(self, path):
    self.path = path

  def __reduce__(self):
    return pathlib.Path.touch, (pathlib.Path(self.path),)


class TestTorchFile:
  @pytest.fixture
  def torch(self):
    return pytest.importorskip("torch")

  @pytest.fixture(params=[True, False], ids=["zip", "before 1.6"])
  def write(self, request, torch, tmp_path):
    def write(value):
      path = tmp_path / "pytorch_model.bin"
      torch.save(value, path, _use_new_zipfile_serialization=request.param)
      return str(path)

    return write

  def test_it_reads_as_the_safetensors_do(self, torch, write, tmp_path):
    state = random_state("BertForPreTraining")
    path = write({name: torch.tensor(value) for name, value in state.items()})
    reader = hugging_face.Reader(path)
    other = hugging_face.Reader(write_safetensors(tmp_path, state))
    assert reader.shapes == other.shapes
    for name in reader.shapes:
      np.testing.assert_array_equal(reader.tensor(name), other.tensor(name))

  def test_a_directory_prefers_safetensors(self, torch, write, tmp_path):
    state = random_state("BertModel")
    write({name: torch.tensor(value) for name, value in state.items()})
    assert checkpoint.open_checkpoint(str(tmp_path)).path.endswith(".bin")
    write_safetensors(tmp_path, state)
    assert checkpoint.open_checkpoint(str(tmp_path)).path.endswith(".safetensors")

  def test_sixteen_bit_floats_come_as_float32(self, torch, write):
    bias = torch.tensor([1.5, -2.0], dtype=torch.bfloat16)
    reader = hugging_face.Reader(write({"pooler.dense.bias": bias}))
    value = reader.tensor("bert/pooler/dense/bias")
    assert value.dtype == np.float32
    assert value.tolist() == [1.5, -2.0]

  def test_code_in_the_file_is_not_run(self, write, tmp_path):
    marker = tmp_path / "ran"
    path = write({"pooler.dense.bias": RunsCode(str(marker))})
    with pytest.raises(ValueError, match="objects that are not tensors; .* run code"):
      hugging_face.Reader(path)
    assert not marker.exists()

  def test_a_plain_pickle_is_not_run(self, torch, tmp_path):
    path, marker = tmp_path / "pytorch_model.bin", tmp_path / "ran"
    path.write_bytes(pickle.dumps(RunsCode(str(marker)), protocol=2))
    with pytest.raises(ValueError, match="pytorch_model.bin is damaged"):
      hugging_face.Reader(str(path))
    assert not marker.exists()

  @pytest.mark.parametrize("part", [0.0, 0.5, 0.9])
  def test_a_cut_file_is_named(self, torch, write, part):
    path = write({"pooler.dense.bias": torch.zeros(100)})
    os.truncate(path, int(os.path.getsize(path) * part))
    with pytest.raises(ValueError, match="pytorch_model.bin is damaged"):
      hugging_face.Reader(path)

  def test_something_else_than_a_state_dict_is_refused(self, torch, write):
    path = write([torch.zeros(2)])
    with pytest.raises(
      ValueError, match="expected a state_dict of tensors, found list"
    ):
      hugging_face.Reader(path)

  def test_without_torch_the_extra_is_named(self, monkeypatch, tmp_path):
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "torch", None)
    expected = r'pytorch_model.bin needs torch .*: pip install "bert_ja\[torch\]"$'
    with pytest.raises(ImportError, match=expected):
      checkpoint.open_checkpoint(str(tmp_path))

  def test_a_torch_that_can_be_led_to_run_code_is_refused(self, monkeypatch, tmp_path):
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    old = type(sys)("torch")
    old.__version__ = "2.5.1+cpu"
    monkeypatch.setitem(sys.modules, "torch", old)
    with pytest.raises(ImportError, match=r"needs torch 2.6 .*\(found 2.5.1\+cpu\)"):
      checkpoint.open_checkpoint(str(tmp_path))


class TestSave:
  def save(self, folder, names=(), config=CONFIG):
    arrays = {
      "bert/pooler/dense/bias": np.zeros(8, np.float32),
      **{name: np.zeros([3, 8], np.float32) for name in names},
    }
    written = hugging_face.save(str(folder), arrays, config)
    return written, config_of(folder)

  def test_training_state_is_left_out(self, tmp_path):
    slot = "bert/pooler/dense/bias/adam_m"
    written, _ = self.save(tmp_path, [slot, "global_step"])
    assert written == ["bert/pooler/dense/bias"]

  def test_the_file_says_which_layout_it_has(self, tmp_path):
    self.save(tmp_path)
    with safetensors.safe_open(tmp_path / "model.safetensors", "np") as reader:
      assert reader.metadata() == {"format": "pt"}
      assert list(reader.keys()) == ["pooler.dense.bias"]

  @pytest.mark.parametrize(
    "ours, theirs",
    [
      ("gelu", "gelu_new"),
      ("GELU", "gelu_new"),
      ("gelu_tanh", "gelu_new"),
      ("gelu_pytorch_tanh", "gelu_new"),
      ("gelu_new", "gelu_new"),
      ("gelu_erf", "gelu"),
      ("relu", "relu"),
      ("tanh", "tanh"),
      ("linear", "linear"),
      (None, "linear"),
      ("", "linear"),
    ],
  )
  def test_activations_keep_their_meaning(self, tmp_path, ours, theirs):
    _, config = self.save(tmp_path, config={"hidden_act": ours})
    assert config["hidden_act"] == theirs

  def test_the_model_type_is_said(self, tmp_path):
    assert self.save(tmp_path)[1]["model_type"] == "bert"

  @pytest.mark.parametrize(
    "stated, expected",
    [
      ([], "BertForSequenceClassification"),
      (["BertModel"], "BertForSequenceClassification"),
      (["BertForTokenClassification"], "BertForTokenClassification"),
    ],
  )
  def test_a_classifier_is_told_by_its_tensors(self, tmp_path, stated, expected):
    config = {**CONFIG, "architectures": stated}
    _, config = self.save(tmp_path, ["output_weights", "output_bias"], config)
    assert config["architectures"] == [expected]

  def test_labels_are_kept_where_their_number_fits(self, tmp_path):
    names = {"0": "no", "1": "yes", "2": "both"}
    config = {**CONFIG, "id2label": names}
    _, config = self.save(tmp_path, ["output_weights", "output_bias"], config)
    assert config["id2label"] == names
    assert config["label2id"] == {"no": 0, "yes": 1, "both": 2}

  def test_labels_of_another_number_are_replaced(self, tmp_path):
    config = {**CONFIG, "id2label": {"0": "no"}, "label2id": {"no": 0}}
    _, config = self.save(tmp_path, ["output_weights", "output_bias"], config)
    assert config["id2label"] == {"0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2"}
    assert config["label2id"] == {"LABEL_0": 0, "LABEL_1": 1, "LABEL_2": 2}

  def test_arrays_of_another_model_are_refused(self, tmp_path):
    with pytest.raises(ValueError, match="belongs to a BERT model; .* got cnn/kernel"):
      hugging_face.save(str(tmp_path), {"cnn/kernel": np.ones(2)}, CONFIG)

  @pytest.mark.parametrize("name", ["mlp/hidden_0/bias", "two_tower/output_bias"])
  def test_a_head_that_no_class_there_has_is_refused(self, tmp_path, name):
    arrays = {"bert/pooler/dense/bias": np.ones(2), name: np.ones(2)}
    arrays |= {"output_weights": np.ones([3, 2]), "output_bias": np.ones(3)}
    with pytest.raises(ValueError, match=f"{name} has no counterpart"):
      hugging_face.save(str(tmp_path / "out"), arrays, CONFIG)
    assert not (tmp_path / "out").exists()
