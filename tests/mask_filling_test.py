"""Fillers for [MASK]: ids of every front end, the original's numbers, a trained toy."""

import json

import numpy as np
import pytest
import sentencepiece
import tensorflow as tf

from bert_ja import (
  checkpoint,
  front_end_choice,
  front_ends,
  hugging_face,
  mask_filling,
  model_files,
  modeling,
  optimization,
  pretraining_heads,
)
from tests import published_models

ANIMALS = {"犬": "ワン", "猫": "ニャー", "牛": "モー", "鳩": "ポッポ"}
WORDS = (*ANIMALS, *ANIMALS.values(), "は", "と", "鳴く", "##よ", "[unused1]", "。")


def tiny_config(**changes):
  sizes = {
    "vocab_size": 40,
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 12,
    "max_position_embeddings": 32,
    "type_vocab_size": 2,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
  }
  return modeling.BertConfig(**{**sizes, **changes})


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
  """Pieces with spaces between them."""
  path = tmp_path_factory.mktemp("vocabulary") / "vocab.txt"
  pieces = [*published_models.SPECIALS, *WORDS]
  path.write_text("".join(f"{piece}\n" for piece in pieces), encoding="utf-8")
  return front_ends.create("pretokenized", str(path))


@pytest.fixture(scope="module")
def model():
  model = pretraining_heads.PretrainingModel(
    tiny_config(initializer_range=0.5), next_sentence=False
  )
  draw = np.random.default_rng(5)
  for variable in checkpoint.named_variables(model).values():
    variable.assign_add(draw.normal(0, 0.2, variable.shape).astype(np.float32))
  return model


@pytest.fixture(scope="module")
def filler(model, tokenizer):
  return mask_filling.MaskFiller(model, tokenizer, 16)


def log_softmax(x):
  x = np.asarray(x, np.float64)
  return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))


class TestProbabilities:
  def test_are_the_originals(self, golden_model, vocab_file):
    """Rows of different lengths, padded here to another length than there."""
    config = modeling.BertConfig.from_json_file(golden_model.config_file)
    model = mask_filling.load_model(config, golden_model.init_checkpoint)
    inputs = golden_model.arrays("inputs")
    expected = golden_model.arrays("pretraining_outputs")["masked_lm_log_probs"]

    class WithSegments:
      """The model on two segments; the stored numbers are of such rows."""

      bert = model.bert

      def __call__(self, features):
        segments = np.zeros_like(features["input_ids"])
        segments[:5, :24] = inputs["segment_ids"]
        return model({**features, "segment_ids": segments})

    pieces = [f"w{i}" for i in range(config.vocab_size - 5)]
    tokenizer = front_ends.create("pretokenized", vocab_file(*pieces))
    filler = mask_filling.MaskFiller(WithSegments(), tokenizer)
    positions = inputs["masked_lm_positions"]
    rows = [
      mask_filling.Row([""] * 5, ids[: mask.sum()].tolist(), places.tolist())
      for ids, mask, places in zip(
        inputs["input_ids"], inputs["input_mask"], positions, strict=True
      )
    ]
    found = filler._best(rows, config.vocab_size)
    fillers = [fillers for masks in found for fillers in masks]
    assert len(fillers) == len(expected) == 20
    for of_mask, log_probs in zip(fillers, expected, strict=True):
      assert len(of_mask) == len(pieces)
      ids = [tokenizer.vocab[x.piece] for x in of_mask]
      probabilities = [x.probability for x in of_mask]
      assert probabilities == sorted(probabilities, reverse=True)
      np.testing.assert_allclose(
        probabilities, np.exp(log_probs[ids]), rtol=2e-4, atol=1e-7
      )

  def test_do_not_depend_on_the_texts_beside(self, filler, model, tokenizer):
    texts = [
      "[MASK] は ワン",
      "犬 は [MASK] と [MASK] 。",
      "[MASK]",
      "猫 [MASK] と 牛 は",
    ]
    for result in filler.fill(texts * 9):
      ids = [
        2,
        *(4 if w == "[MASK]" else tokenizer.vocab[w] for w in result.text.split()),
      ]
      ids = np.int32([[*ids, 3]])
      places = np.flatnonzero(ids == 4)[np.newaxis]
      features = {"input_ids": ids, "input_mask": np.ones_like(ids)}
      features |= {"segment_ids": 0 * ids, "masked_lm_positions": places}
      expected = log_softmax(model(features).masked_lm_logits)
      assert len(result.masks) == len(expected)
      for of_mask, log_probs in zip(result.masks, expected, strict=True):
        found = [x.probability for x in of_mask]
        chosen = [tokenizer.vocab[x.piece] for x in of_mask]
        np.testing.assert_allclose(found, np.exp(log_probs[chosen]), rtol=1e-4)

  def test_results_have_the_order_of_the_texts(self, filler):
    texts = [f"{'は ' * (7 * i % 11)}[MASK]" for i in range(50)]
    texts[3] = texts[20] = " \u3000"
    expected = [text for text in texts if text.strip()]
    results = filler.fill(texts, num_together=20)
    assert [result.text for result in results] == expected

  def test_names_of_no_text_are_not_offered(self, filler):
    [result] = filler.fill(["[MASK]"], top_k=100)
    pieces = [x.piece for x in result.masks[0]]
    # The table has more rows than there are pieces; those are not offered either.
    assert sorted(pieces) == sorted(w for w in WORDS if w != "[unused1]")


class TestTexts:
  @pytest.mark.parametrize(
    ("before", "piece", "after", "text"),
    [
      ("彼は", "町", "で", "彼は町で"),
      ("He is ", "play", "##", "He is play##"),
      ("play ", "##ing", " now", "playing now"),
      ("", "##ing", "", "ing"),
      ("", "##", "", "##"),
      ("", "▁町", "で", "町で"),
      ("彼は", "▁町", "で", "彼は 町で"),
      ("彼は ", "▁町", "で", "彼は 町で"),
    ],
  )
  def test_a_piece_in_its_place(self, before, piece, after, text):
    assert mask_filling.put_between(before, piece, after) == text

  def test_other_masks_stay(self, filler):
    [result] = filler.fill(["犬 [MASK] と [MASK]"], top_k=1)
    first, second = (fillers[0] for fillers in result.masks)
    assert first.text == mask_filling.put_between("犬 ", first.piece, " と [MASK]")
    assert second.text == mask_filling.put_between("犬 [MASK] と ", second.piece, "")

  def test_without_a_mask_the_message_names_the_place(self, filler):
    results = filler.fill(["[MASK]", "", "犬 は [mask]"], place="a.txt, line ")
    with pytest.raises(
      ValueError, match=r"a\.txt, line 3: expected \[MASK\] .*\[mask\]"
    ):
      list(results)


class TestWindows:
  # With --max_seq_length=16 there is room for 14 pieces.
  @pytest.mark.parametrize("place", [0, 3, 20, 36, 39])
  def test_a_long_text_is_cut_around_the_mask(self, filler, place):
    pieces = [WORDS[i % 8] for i in range(40)]
    pieces[place] = "[MASK]"
    row = filler.row(" ".join(pieces))
    assert len(row.ids) == 16
    assert (row.ids[0], row.ids[-1]) == (2, 3)
    [position] = row.positions
    # Seven pieces on each side, but where the text begins or ends.
    start = min(max(place - 7, 0), 40 - 14)
    assert position == place - start + 1
    vocab = [*published_models.SPECIALS, *WORDS]
    assert [vocab[i] for i in row.ids[1:-1]] == pieces[start : start + 14]

  def test_all_masks_are_in_it(self, filler):
    row = filler.row("は " * 9 + "[MASK]" + " は" * 12 + " [MASK]" + " は" * 9)
    assert [row.ids[i] for i in row.positions] == [4, 4]
    assert row.positions == [1, 14]

  def test_masks_too_far_apart(self, filler):
    with pytest.raises(ValueError, match="line 7: its masks are 15 pieces apart"):
      filler.row("[MASK]" + " は" * 13 + " [MASK]", "line 7")


def pieces_of(tokenizer, text):
  """Pieces as ids say them, without [CLS] and [SEP]."""
  model = pretraining_heads.PretrainingModel(
    tiny_config(vocab_size=len(tokenizer.vocab)), next_sentence=False
  )
  row = mask_filling.MaskFiller(model, tokenizer).row(text)
  pieces = tokenizer.convert_ids_to_tokens(row.ids)
  assert [pieces[i] for i in row.positions] == ["[MASK]"] * text.count("[MASK]")
  return pieces[1:-1]


class TestFrontEnds:
  @pytest.mark.parametrize("name", front_ends.FRONT_ENDS)
  def test_each_keeps_the_mask(self, models, jumanpp, name):
    if name in models:
      files = model_files.find(models[name][0], weights=False)
      choice = front_end_choice.choose(files)
      assert choice.name == name
      arguments = files.vocab_file, files.model_file, choice.settings
    else:
      arguments = (f"{models['tohoku'][0]}/vocab.txt",)
    tokenizer = front_ends.create(name, *arguments)
    # Capitals, brackets and spaces are what a front end could take away.
    first, *others = pieces_of(tokenizer, "店 [MASK]ラーメンを[MASK][MASK]た。")
    assert first in ("店", "▁", "[UNK]")
    assert others.count("[MASK]") == 3
    middle = others.index("[MASK]")
    assert others[middle + 1] in ("ラーメン", "ラ", "▁", "[UNK]")
    last = len(others) - 1 - others[::-1].index("[MASK]")
    assert others[last - 1] == "[MASK]"
    assert last < len(others) - 1

  def test_words_end_at_the_mask(self, models):
    vocab_file = f"{models['tohoku'][0]}/vocab.txt"
    tokenizer = front_ends.create("tohoku", vocab_file)
    # 良かった is 良 ##かっ ##た in one piece of text.
    assert pieces_of(tokenizer, "が[MASK]た") == ["が", "[MASK]", "た"]

  @pytest.mark.parametrize("name", ["bert-japanese", "hottosns"])
  def test_no_space_appears_behind_a_mask(self, models, name):
    """A part that is split by itself begins with ▁."""
    files = model_files.find(models[name][0], weights=False)
    tokenizer = front_ends.create(name, files.vocab_file, files.model_file)
    assert pieces_of(tokenizer, "店で[MASK]を")[-2:] == ["[MASK]", "を"]
    assert pieces_of(tokenizer, "店で[MASK] を")[-2:] in (
      ["[MASK]", "▁を"],
      ["▁", "を"],
    )

  @pytest.mark.parametrize("byte_fallback", [False, True])
  def test_unknown_neighbours_do_not_swallow_a_mask(self, tmp_path, byte_fallback):
    sentencepiece.SentencePieceTrainer.Train(
      sentence_iterator=iter(published_models.SENTENCES * 4),
      model_prefix=str(tmp_path / "model"),
      vocab_size=380 if byte_fallback else 90,
      hard_vocab_limit=False,
      minloglevel=2,
      control_symbols="[PAD],[CLS],[SEP],[MASK]",
      byte_fallback=byte_fallback,
    )
    paths = [str(tmp_path / f"model.{x}") for x in ("vocab", "model")]
    tokenizer = front_ends.create("bert-japanese", *paths)
    found = pieces_of(tokenizer, "鯨[MASK]象[MASK][MASK]\U0010fffd鯨")
    unknown = "<unk>"
    if byte_fallback:
      found = [unknown if piece.startswith("<0x") else piece for piece in found]
      found = [
        p for i, p in enumerate(found) if [p] != found[i - 1 : i] or p != unknown
      ]
    found.remove("▁")
    assert found == [
      unknown,
      "[MASK]",
      unknown,
      "[MASK]",
      "[MASK]",
      unknown,
    ]


class TestModels:
  def test_one_without_the_head_is_refused(self, golden_model, tmp_path):
    config = modeling.BertConfig.from_json_file(golden_model.config_file)
    with pytest.raises(
      ValueError, match="lacks cls/predictions/transform/dense/kernel"
    ):
      mask_filling.load_model(config, golden_model.finetuned_checkpoint)

  def test_hugging_faces_names_give_the_same(self, model, tokenizer, tmp_path):
    arrays = {
      name: variable.numpy()
      for name, variable in checkpoint.named_variables(model).items()
    }
    hugging_face.save(str(tmp_path), arrays, tiny_config().to_dict())
    stored = json.loads((tmp_path / "config.json").read_text())
    assert stored["architectures"] == ["BertForMaskedLM"]
    config = modeling.BertConfig.from_json_file(str(tmp_path / "config.json"))
    loaded = mask_filling.load_model(config, str(tmp_path))
    first, second = (
      list(mask_filling.MaskFiller(m, tokenizer).fill(["犬 は [MASK] と"]))
      for m in (model, loaded)
    )
    assert first == second

  def test_a_vocabulary_without_the_mask(self, model, vocab_file):
    path = vocab_file("犬", specials=published_models.SPECIALS[:-1])
    tokenizer = front_ends.create("pretokenized", path)
    with pytest.raises(ValueError, match=r"no \[MASK\] among its 5 pieces"):
      mask_filling.MaskFiller(model, tokenizer)

  def test_one_that_learnt_sounds_knows_them(self, tokenizer):
    model = pretraining_heads.PretrainingModel(
      tiny_config(initializer_range=0.3), 1, next_sentence=False
    )
    variables = checkpoint.named_variables(model)
    rows = [f"{animal} は {sound} と 鳴く 。" for animal, sound in ANIMALS.items()]
    ids = np.int32([[2, *map(tokenizer.vocab.get, row.split()), 3] for row in rows])
    labels, masked = ids[:, 3:4], ids.copy()
    masked[:, 3] = 4
    features = {
      "input_ids": masked,
      "input_mask": np.ones_like(ids),
      "segment_ids": np.zeros_like(ids),
      "masked_lm_positions": np.full_like(labels, 3),
      "masked_lm_ids": labels,
      "masked_lm_weights": np.ones_like(labels, np.float32),
    }
    features = pretraining_heads.add_prediction_scale(features)
    optimizer = optimization.create_optimizer(0.01, 150, 10)
    optimizer.build(variables)

    @tf.function
    def step():
      with tf.GradientTape() as tape:
        loss = tf.reduce_mean(pretraining_heads.row_losses(model(features), features))
      gradients = tape.gradient(loss, list(variables.values()))
      optimizer.apply_gradients(gradients, variables)

    for _ in range(150):
      step()
    filler = mask_filling.MaskFiller(model, tokenizer)
    results = filler.fill([f"{animal} は [MASK] と 鳴く 。" for animal in ANIMALS])
    best = [result.masks[0][0] for result in results]
    assert [x.piece for x in best] == list(ANIMALS.values())
    assert [x.text for x in best] == rows
    assert min(x.probability for x in best) > 0.5
