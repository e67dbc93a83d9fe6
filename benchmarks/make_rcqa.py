"""Makes a file in the form of the RCQA data from SQuAD files, for tests and examples.

  python -m benchmarks.make_rcqa --input_file='jaquad/train/*.json' \
    --output_file=made/all-v1.0.json.gz --num_questions=2000 --seed=1

The scores and dates are drawn at random, nobody gave them: a question's own context
scores 2 to 5, contexts of other articles 0 or 1. Figures from such a file say nothing
about the published data. The same seed and files give the same bytes.
"""

import gzip
import json
import os
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from absl import flags

from bert_ja import text_io
from bert_ja.flags import command_line

FLAGS = flags.FLAGS

_YEARS = (2007, 2008, 2009, 2010, 2011)
_YEAR_WEIGHTS = (3, 3, 1, 1, 1)  # two thirds are training questions
_MOST_DOCUMENTS = 5
_SHARE_WITHOUT_DOCUMENTS = 0.03
_SHARE_WITHOUT_RIGHT_ONE = 0.2


class Source(NamedTuple):
  """An answered question of a SQuAD file."""

  article: int
  context: str
  question: str
  answer: str


def define_flags(flag_values: flags.FlagValues = flags.FLAGS) -> None:
  """Defines the flags."""
  flags.DEFINE_list(
    "input_file",
    None,
    "SQuAD files; paths or globs, with commas between them.",
    flag_values=flag_values,
  )
  flags.DEFINE_string(
    "output_file", None, "JSON lines, compressed if it ends in .gz.", flag_values
  )
  flags.DEFINE_integer("num_questions", 1000, "Rows.", 1, flag_values=flag_values)
  flags.DEFINE_integer("seed", 1, "Of all that is drawn.", flag_values=flag_values)


def main(argv: Sequence[str]) -> None:
  """Writes the file."""
  del argv
  command_line.require(FLAGS, "input_file", "output_file")
  paths = [path for pattern in FLAGS.input_file for path in text_io.glob(pattern)]
  if not paths:
    raise ValueError(f"--input_file: no file matches {', '.join(FLAGS.input_file)}")
  rows = made_rows(read_sources(paths), FLAGS.num_questions, FLAGS.seed)
  text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
  data = text.encode("utf-8")
  if FLAGS.output_file.endswith(".gz"):
    data = gzip.compress(data, mtime=0)  # A time would make each file another one.
  text_io.makedirs(os.path.dirname(FLAGS.output_file) or ".")
  with text_io.written_whole(FLAGS.output_file, "wb") as writer:
    writer.write(data)


def read_sources(paths: Sequence[str]) -> list[Source]:
  """The answered questions of SQuAD files; of several answers the first."""
  articles = (article for path in paths for article in text_io.read_json(path)["data"])
  return [
    Source(number, paragraph["context"], row["question"], row["answers"][0]["text"])
    for number, article in enumerate(articles)
    for paragraph in article["paragraphs"]
    for row in paragraph["qas"]
    if row.get("answers")
  ]


def made_rows(
  sources: Sequence[Source], num_questions: int, seed: int
) -> Iterator[Mapping[str, Any]]:
  """Yields rows of the RCQA form.

  Args:
    sources: questions of two articles at least.
    num_questions: how many of them to take.
    seed: of what is drawn.

  Raises:
    ValueError: fewer questions or articles than needed.
  """
  if len(sources) < num_questions or len({source.article for source in sources}) < 2:
    raise ValueError(
      f"--num_questions={num_questions}: expected as many answered questions, of two "
      f"articles at least, found {len(sources)}; give more files or a smaller number"
    )
  chance = random.Random(seed)
  for number, source in enumerate(chance.sample(sources, num_questions)):
    yield {
      "qid": f"made-{number:06d}",
      "timestamp": _timestamp(chance),
      "question": source.question,
      "answer": source.answer,
      "documents": _documents(source, sources, chance),
    }


def _timestamp(chance):
  (year,) = chance.choices(_YEARS, _YEAR_WEIGHTS)
  return f"{year}/{chance.randint(1, 12):02d}/{chance.randint(1, 28):02d}"


def _documents(source, sources, chance):
  if chance.random() < _SHARE_WITHOUT_DOCUMENTS:
    return []
  count = chance.randint(1, _MOST_DOCUMENTS)
  documents = []
  if chance.random() >= _SHARE_WITHOUT_RIGHT_ONE:
    documents.append({"text": source.context, "score": chance.randint(2, 5)})
  while len(documents) < count:
    other = chance.choice(sources)
    if other.article != source.article:
      documents.append({"text": other.context, "score": chance.randint(0, 1)})
  chance.shuffle(documents)
  return documents


if __name__ == "__main__":
  define_flags()
  command_line.run(main)
