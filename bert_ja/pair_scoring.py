"""Scores of one text with many others, whose vectors are computed once.

N candidates, S positions, H hidden size, C classes.
"""

from collections.abc import Iterable

import numpy as np
import tensorflow as tf

from bert_ja import checkpoint, encoder, heads, model_files, two_tower, vectors

# Candidates compared at once; fewer where the vectors of all pieces are.
_TEXTS, _TEXTS_OF_PIECES = 4096, 64


class PairScorer:
  """A trained model of --pair_model=two_tower.

  scorer = PairScorer("out/pairs")
  candidates = scorer.encode(["東京駅", "京都の寺"])  # keep them: np.save
  scorer.score("寺を見る", candidates)  # float32 [2, C]

  Attributes:
    labels: names of the C classes.
  """

  def __init__(
    self,
    model_dir: str,
    batch_size: int = 32,
    precision: str = "float32",
    tokenizer: str | None = None,
  ):
    """Reads the model.

    Args:
      model_dir: what `run_classifier.py --pair_model=two_tower` trained.
      batch_size: texts encoded at once.
      precision: of the encoder: float32, bfloat16 or float16.
      tokenizer: a front end's name; by default the model's files tell.

    Raises:
      ValueError: the directory holds no such model.
    """
    files = model_files.find(model_dir)
    settings = files.task.get("flags", {})
    if settings.get("pair_model") != "two_tower":
      raise ValueError(
        f"{model_dir} holds no model of two towers: train one with run_classifier.py "
        "--pair_model=two_tower"
      )
    self.labels = list(files.task["labels"])
    self._encoder = encoder.load(model_dir, precision, tokenizer)
    hidden_sizes = settings["mlp_layers"] if settings["head"] == "mlp" else ()
    self._head = two_tower.PairHead(
      self._encoder.config.hidden_size,
      len(self.labels),
      pair=two_tower.PairOptions(settings["combination"], settings["attention_size"]),
      head=heads.HeadOptions(tuple(map(int, hidden_sizes))),
    )
    variables = checkpoint.named_variables(self._head)
    loaded = checkpoint.init_from_checkpoint(files.init_checkpoint, variables)
    missing = [name for name in variables if name not in loaded]
    if missing:
      raise ValueError(f"{files.init_checkpoint} lacks {missing[0]}")
    self._options = vectors.Options(
      pooling="none" if self._head.pair.of_pieces else "mean",
      max_seq_length=settings["max_seq_length"],
      batch_size=batch_size,
    )
    self._probabilities = tf.function(self._compared, reduce_retracing=True)

  def encode(self, texts: Iterable[str]) -> np.ndarray:
    """Vectors of texts, for `score`, in their order.

    Returns:
      float32 [N, H]; where texts are compared piece by piece [N, S, H], with zeros
      behind a text's last piece.
    """
    if isinstance(texts, str):
      raise ValueError(f"expected a list of texts, found one: {texts[:40]!r}")
    blocks = [block for _, block in self._encoder.blocks(texts, self._options)]
    size = self._encoder.config.hidden_size
    if not self._head.pair.of_pieces:
      return np.concatenate(
        [np.zeros([0, size], np.float32), *(b.values for b in blocks)]
      )
    pieces = [values[:, 0] for block in blocks for values in block.of_texts()]
    padded = np.zeros([len(pieces), max(map(len, pieces), default=0), size], np.float32)
    for row, values in zip(padded, pieces, strict=True):
      row[: len(values)] = values
    return padded

  def score(self, query: str, candidates: np.ndarray) -> np.ndarray:
    """Probabilities of the classes of (query, candidate), the query being the first text.

    Args:
      query: a text.
      candidates: what `encode` gave, all or some of its rows.

    Returns:
      float32 [N, C].
    """
    of_query = tf.constant(self.encode([query]))
    most = _TEXTS_OF_PIECES if self._head.pair.of_pieces else _TEXTS
    parts = [
      self._probabilities(
        of_query, tf.constant(candidates[start : start + most])
      ).numpy()
      for start in range(0, len(candidates), most)
    ]
    return np.concatenate([np.zeros([0, len(self.labels)], np.float32), *parts])

  def _compared(self, of_query, candidates):
    of_queries = tf.repeat(of_query, tf.shape(candidates)[0], axis=0)
    return tf.nn.softmax(self._head(of_queries, candidates))
