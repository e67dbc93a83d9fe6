"""The encoder from Python: scikit-learn's conventions, and other libraries' vectors."""

import json
import pickle

import numpy as np
import pytest
from sklearn import base, linear_model, model_selection, pipeline

import bert_ja
from bert_ja.encoding import encoder, vectors
from tests import vector_model

TEXTS = vector_model.texts(24)


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory):
  return str(vector_model.write(tmp_path_factory.mktemp("model")))


@pytest.fixture(scope="module")
def encoded_by(model_dir):
  """An encoder that has read its model."""
  made = bert_ja.Encoder(model_dir, max_seq_length=20)
  made.encode(["w1"])
  return made


class TestEncode:
  def test_gives_one_vector_a_text_in_their_order(self, encoded_by):
    found = encoded_by.encode(TEXTS)
    assert (found.shape, found.dtype) == ((24, 6), np.float32)
    for text, vector in zip(TEXTS[:5], found, strict=False):
      [expected] = encoded_by.encode([text])
      np.testing.assert_allclose(vector, expected, atol=1e-5)

  def test_options_of_a_call_replace_the_objects(self, model_dir, encoded_by):
    changes = {"pooling": "max", "layers": [0, 2], "normalize": True, "batch_size": 3}
    other = bert_ja.Encoder(model_dir, max_seq_length=20, **changes)
    expected = other.transform(TEXTS)
    assert expected.shape == (24, 12)
    np.testing.assert_allclose(encoded_by.encode(TEXTS, **changes), expected, atol=1e-6)
    assert encoded_by.encode(TEXTS).shape == (24, 6)

  def test_without_pooling_gives_arrays_of_pieces(self, encoded_by):
    found = encoded_by.encode(["w1 w2", "", "w3"], pooling="none", layers=(-1, 0))
    assert [values.shape for values in found] == [(4, 12), (2, 12), (3, 12)]
    means = encoded_by.encode(["w1 w2", "", "w3"], layers=(-1, 0))
    expected = [values.mean(axis=0) for values in found]
    np.testing.assert_allclose(means, expected, atol=1e-5)

  def test_no_texts(self, encoded_by):
    assert encoded_by.encode([]).shape == (0, 6)
    assert encoded_by.encode([], pooling="none") == []

  def test_lists_of_two_are_pairs(self, encoded_by):
    expected = encoded_by.encode([("w1", "w2")])
    np.testing.assert_array_equal(encoded_by.encode([["w1", "w2"]]), expected)
    assert np.abs(expected - encoded_by.encode(["w1 w2"])).max() > 1e-3

  def test_the_length_is_what_the_model_has_at_most(self, model_dir):
    long = "w1 " * 60
    made = bert_ja.Encoder(model_dir)
    [found] = made.encode([long], pooling="none")
    assert len(found) == 40

  @pytest.mark.parametrize(
    ("texts", "message"),
    [
      ("w1 w2", "expected a list of texts, found one: 'w1 w2'"),
      (["w1", None], "text 1: expected a string or a pair of strings, found None"),
      ([("w1", 2)], r"text 0: .* found \('w1', 2\)"),
      ([["w1", "w2", "w3"]], "text 0: expected"),
    ],
  )
  def test_what_is_no_text(self, encoded_by, texts, message):
    with pytest.raises(ValueError, match=message):
      encoded_by.encode(texts)

  def test_an_unknown_option(self, encoded_by):
    with pytest.raises(
      ValueError, match="no option 'pool'; expected .*pooling, layers"
    ):
      encoded_by.encode(["w1"], pool="mean")


class TestTransformer:
  def test_clones_and_settings(self, model_dir):
    made = bert_ja.Encoder(model_dir, pooling="cls", layers=(0,), batch_size=7)
    copy = base.clone(made)
    assert copy.get_params() == made.get_params()
    assert copy.get_params()["batch_size"] == 7
    copy.set_params(pooling="max", layers=(-1, -2))
    assert copy.encode(["w1"]).shape == (1, 12)
    assert made.pooling == "cls"

  def test_a_changed_model_is_read(self, model_dir, tmp_path, encoded_by):
    made = bert_ja.Encoder(model_dir, max_seq_length=20)
    before = made.encode(TEXTS)
    made.set_params(precision="bfloat16")
    assert 1e-4 < np.abs(made.encode(TEXTS) - before).max() < 0.3
    made.set_params(model_dir=str(tmp_path))
    with pytest.raises(ValueError, match=r"no model directory"):
      made.encode(TEXTS)

  def test_in_a_pipeline(self, model_dir):
    texts = [f"w{i % 8}" for i in range(32)]
    labels = [i % 8 < 4 for i in range(32)]
    steps = pipeline.make_pipeline(
      bert_ja.Encoder(model_dir, layers=(0, 1, 2), max_seq_length=8),
      linear_model.LogisticRegression(C=100, max_iter=1000),
    )
    search = model_selection.GridSearchCV(
      steps, {"encoder__pooling": ["mean", "cls"]}, cv=2
    )
    search.fit(np.array(texts), labels)
    assert search.score(texts, labels) == 1

  def test_a_stored_object_holds_no_weights(self, encoded_by):
    data = pickle.dumps(encoded_by)
    assert len(data) < 2000
    found = pickle.loads(data).encode(TEXTS[:4])
    np.testing.assert_array_equal(found, encoded_by.encode(TEXTS[:4]))


class TestLoad:
  def test_without_weights(self, tmp_path):
    directory = vector_model.write(tmp_path)
    for path in directory.glob("model.ckpt*"):
      path.unlink()
    with pytest.raises(ValueError, match="holds no weights; give a pre-trained model"):
      encoder.load(str(directory))

  def test_another_front_end(self, model_dir):
    found = encoder.load(model_dir, tokenizer="google")
    assert type(found.tokenizer).__name__ == "FullTokenizer"

  @pytest.mark.parametrize("name", ["tohoku", "bert-japanese", "hottosns"])
  def test_published_layouts(self, models, name):
    made = bert_ja.Encoder(models[name][0], max_seq_length=16)
    assert made.encode(["店でラーメンを食べた。", ""]).shape == (2, 64)


def test_options_and_arguments_have_the_same_defaults():
  ours = vectors.Options()
  made = bert_ja.Encoder("x")
  for name in ("pooling", "layers", "layer_combination", "normalize", "long_text"):
    assert getattr(made, name) == getattr(ours, name)


def test_vectors_are_those_of_transformers(tmp_path):
  """Mean over real pieces, then L2, as sentence-transformers does: exact GELU."""
  torch = pytest.importorskip("torch")
  transformers = pytest.importorskip("transformers")
  config = transformers.BertConfig(
    vocab_size=45,
    hidden_size=24,
    num_hidden_layers=3,
    num_attention_heads=4,
    intermediate_size=36,
    max_position_embeddings=32,
    initializer_range=0.3,
  )
  torch.manual_seed(3)
  theirs = transformers.BertModel(config).eval()
  theirs.save_pretrained(tmp_path)
  pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *vector_model.WORDS]
  (tmp_path / "vocab.txt").write_text("\n".join(pieces) + "\n")
  (tmp_path / "tokenizer_config.json").write_text(json.dumps({"tokenizer": "google"}))
  found = bert_ja.Encoder(str(tmp_path), normalize=True, max_seq_length=32).encode(
    TEXTS
  )
  words = {word: number for number, word in enumerate(pieces)}
  for text, vector in zip(TEXTS, found, strict=True):
    text_a, text_b = (text, None) if isinstance(text, str) else text
    row = [2, *(words[word] for word in text_a.split()), 3]
    types = [0] * len(row)
    if text_b:
      row += [*(words[word] for word in text_b.split()), 3]
      types += [1] * (len(row) - len(types))
    if len(row) > 32:
      continue
    with torch.no_grad():
      outputs = theirs(torch.tensor([row]), token_type_ids=torch.tensor([types]))
    mean = outputs.last_hidden_state[0].mean(dim=0)
    expected = torch.nn.functional.normalize(mean, dim=0).numpy()
    np.testing.assert_allclose(vector, expected, atol=1e-5)
