"""`predictions.tsv` of made rows, as runs leave it."""

import numpy as np

from bert_ja.tasks import base, sentence


def write_classes(directory, ids, texts, labels, probabilities, names):
  """One class for a row.

  Args:
    directory: where the file goes.
    ids: [R].
    texts: [R] tuples of one or two.
    labels: [R] places in `names`, None where one is not known; None without labels.
    probabilities: float [R, C].
    names: C labels.
  """
  known = [None] * len(texts) if labels is None else labels
  examples = [
    base.InputExample(guid, *row, label=None if label is None else names[label])
    for guid, row, label in zip(ids, texts, known, strict=True)
  ]
  outputs = {"probabilities": np.asarray(probabilities)}
  sentence.Sentence(names).write_rows(
    str(directory), examples, outputs, labels_known=labels is not None
  )
