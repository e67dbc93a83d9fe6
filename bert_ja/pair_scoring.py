"""Scores of one text with many others, whose vectors are computed once.

N candidates, S positions, H hidden size, C classes; 1 of a task that gives a number.
"""

from collections.abc import Iterable

import numpy as np
import tensorflow as tf

from bert_ja import checkpoint, heads, model_files, two_tower
from bert_ja.encoding import encoder
from bert_ja.tasks import kinds

# Candidates compared at once; fewer where the vectors of all pieces are.
_TEXTS, _TEXTS_OF_PIECES = 4096, 64


class PairScorer:
  """A trained model of --pair_model=two_tower.

  scorer = PairScorer("out/pairs")
  candidates = scorer.encode(["東京駅", "京都の寺"])  # keep them: np.save
  scorer.score("寺を見る", candidates)  # float32 [2, C]

  Attributes:
    labels: names of the C classes; of numbers, their one name.
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
      model_dir: what `run_classifier.py --pair_model=two_tower` trained. Of an output
        directory the newest checkpoint is read; the best one has a directory of its
        own in it, best.
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
    # Models from before kinds were recorded have one class for a pair.
    self._kind = kinds.get(files.task.get("kind", "sentence"))(self.labels)
    self._kind.learned = files.task.get("learned", {})
    pair = two_tower.PairOptions(settings["combination"], settings["attention_size"])
    self._encoder = encoder.Encoder(
      model_dir,
      pooling="none" if pair.of_pieces else "mean",
      max_seq_length=settings["max_seq_length"],
      batch_size=batch_size,
      precision=precision,
      tokenizer=tokenizer,
    )
    # Of no text: reads the model, and tells how large vectors are.
    self._size = self._encoder.encode([], pooling="mean").shape[1]
    hidden_sizes = settings["mlp_layers"] if settings["head"] == "mlp" else ()
    self._head = two_tower.PairHead(
      self._size,
      len(self.labels),
      pair=pair,
      head=heads.HeadOptions(tuple(map(int, hidden_sizes))),
    )
    variables = checkpoint.named_variables(self._head)
    loaded = checkpoint.init_from_checkpoint(files.init_checkpoint, variables)
    missing = [name for name in variables if name not in loaded]
    if missing:
      raise ValueError(f"{files.init_checkpoint} lacks {missing[0]}")
    self._scores = tf.function(self._compared, reduce_retracing=True)

  def encode(self, texts: Iterable[str]) -> np.ndarray:
    """Vectors of texts, for `score`, in their order.

    Returns:
      float32 [N, H]; where texts are compared piece by piece [N, S, H], with zeros
      behind a text's last piece.

    Raises:
      ValueError: a text is no string; each one of a pair is encoded alone.
    """
    # The encoder says what is wrong with one text in place of a list.
    found = self._encoder.encode(texts if isinstance(texts, str) else _single(texts))
    if not self._head.pair.of_pieces:
      return found
    longest = max(map(len, found), default=0)
    padded = np.zeros([len(found), longest, self._size], np.float32)
    for row, values in zip(padded, found, strict=True):
      row[: len(values)] = values
    return padded

  def score(self, query: str, candidates: np.ndarray) -> np.ndarray:
    """What the task predicts of (query, candidate), the query being the first text.

    Args:
      query: a text.
      candidates: what `encode` gave, all or some of its rows.

    Returns:
      float32 [N, C]: probabilities of the classes, each for itself where a pair may have
      several; or numbers in the unit of the labels [N, 1].

    Raises:
      ValueError: the query is no string, or the candidates are no vectors of this model.
    """
    self._check_vectors(candidates)
    of_query = tf.constant(self.encode([query]))
    most = _TEXTS_OF_PIECES if self._head.pair.of_pieces else _TEXTS
    parts = [
      self._scores(
        of_query, tf.constant(candidates[start : start + most], tf.float32)
      ).numpy()
      for start in range(0, len(candidates), most)
    ]
    return np.concatenate([np.zeros([0, len(self.labels)], np.float32), *parts])

  def _check_vectors(self, candidates):
    sizes = "NSH" if self._head.pair.of_pieces else "NH"
    is_array = isinstance(candidates, np.ndarray) and candidates.dtype.kind == "f"
    if (
      is_array and candidates.ndim == len(sizes) and candidates.shape[-1] == self._size
    ):
      return
    found = type(candidates).__name__
    if isinstance(candidates, np.ndarray):
      found = f"{candidates.dtype} {list(candidates.shape)}"
    raise ValueError(
      f"candidates: expected the array that `encode` gives, float32 "
      f"[{', '.join(sizes)}] with H = {self._size}; found {found}"
    )

  def _compared(self, of_query, candidates):
    of_queries = tf.repeat(of_query, tf.shape(candidates)[0], axis=0)
    predictions = self._kind.predictions(self._head(of_queries, candidates), {})
    (scores,) = predictions.values()
    return tf.reshape(scores, [-1, len(self.labels)])


def _single(texts):
  for number, text in enumerate(texts):
    if not isinstance(text, str):
      raise ValueError(f"text {number}: expected a string, found {text!r:.60}")
    yield text
