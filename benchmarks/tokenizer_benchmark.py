"""Speed of the tokenizers, each against a baseline, on the same lines in one run.

  python -m benchmarks.tokenizer_benchmark
  python -m benchmarks.tokenizer_benchmark --livedoor_archive=ldcc-20140209.tar.gz \
    --vocab_file=vocab.txt --nodo_lower_case --output_file=speed.json

One thread. A round makes both tokenizers anew, so that all caches are empty, and times
a first pass over the lines and a second one, the baseline and then ours. A pass gives
tokens and ids of each line, ids alone where the case says so. Times are processor time
of the process, without waits for a busy machine. Rates are medians over the rounds;
"times_baseline" is the median of the rounds' own ratios.
"""

import collections
import dataclasses
import importlib
import operator
import os
import random
import shlex
import statistics
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from absl import flags

from benchmarks import plain_tokenizer
from bert_ja import front_ends, reporting, text_io, tokenization, vocabularies
from bert_ja.flags import command_line

FLAGS = flags.FLAGS

# Lines to one result for each, as they are asked for.
Process = Callable[[Sequence[str]], Iterable[Any]]

# Lines that a library takes in a call.
_BATCH = 1000
# Pieces of a model that is trained here.
_MODEL_SIZE = 4000


@dataclasses.dataclass(frozen=True)
class Source:
  """What tokenizers are made from.

  Attributes:
    vocab_file: word pieces, one a line.
    do_lower_case, strip_accents: as for the scripts, for `google`.
    model_file: SentencePiece model.
  """

  vocab_file: str
  do_lower_case: bool = True
  strip_accents: bool | None = None
  model_file: str | None = None

  @property
  def switches(self) -> dict[str, bool | None]:
    """The switches by name."""
    return {"do_lower_case": self.do_lower_case, "strip_accents": self.strip_accents}


@dataclasses.dataclass(frozen=True)
class Case:
  """One comparison.

  Attributes:
    name: ours / baseline.
    make_baseline: makes the baseline, with empty caches.
    make_ours: makes ours; a result of it starts with tokens and ids.
    baseline_ids: takes the ids from a result of the baseline, to compare them with
      ours; None where the baseline does only part of the work.
  """

  name: str
  make_baseline: Callable[[Source], Process]
  make_ours: Callable[[Source], Process]
  baseline_ids: Callable[[Any], Sequence[int]] | None = None


def make_plain(source: Source) -> Process:
  """The original's algorithm as it stands in `plain_tokenizer`."""
  vocab = tokenization.load_vocab(source.vocab_file)

  def process(lines):
    for line in lines:
      tokens = plain_tokenizer.tokenize(
        line,
        vocab,
        do_lower_case=source.do_lower_case,
        accents=source.strip_accents,
      )
      yield tokens, [vocab[token] for token in tokens]

  return process


def make_library(source: Source) -> Process:
  """The library `tokenizers`, its BERT steps, by `encode_batch`."""
  # Read by the library when it first works.
  os.environ.update(RAYON_NUM_THREADS="1", TOKENIZERS_PARALLELISM="false")
  try:
    import tokenizers
  except ImportError as error:
    raise ImportError(
      "the comparison with the library needs tokenizers: pip install tokenizers, or "
      "leave its case out of --cases"
    ) from error
  tokenizer = tokenizers.Tokenizer(
    tokenizers.models.WordPiece(
      tokenization.load_vocab(source.vocab_file),
      unk_token="[UNK]",
      max_input_chars_per_word=200,
    )
  )
  tokenizer.normalizer = tokenizers.normalizers.BertNormalizer(
    lowercase=source.do_lower_case, strip_accents=source.strip_accents
  )
  tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()

  def process(lines):
    for start in range(0, len(lines), _BATCH):
      yield from tokenizer.encode_batch(lines[start : start + _BATCH])

  return process


def make_mecab(dictionary: str) -> Callable[[Source], Process]:
  """MeCab alone: a line to a list of words."""

  def make(source):
    del source
    import MeCab

    path = importlib.import_module(dictionary).DICDIR
    tagger = MeCab.Tagger(shlex.join(["-r", os.devnull, "-d", path, "-Owakati"]))
    return lambda lines: (tagger.parse(line).split() for line in lines)

  return make


def make_sentencepiece(ids: bool) -> Callable[[Source], Process]:
  """The library sentencepiece alone: a line to pieces, or to ids."""

  def make(source):
    import sentencepiece

    processor = sentencepiece.SentencePieceProcessor(model_file=source.model_file)
    encode = processor.encode_as_ids if ids else processor.encode_as_pieces
    return lambda lines: map(encode, lines)

  return make


def make_google(source: Source) -> Process:
  """`FullTokenizer`: tokens and ids."""
  return _tokens_and_ids(_google(source))


def make_google_ids(source: Source) -> Process:
  """`FullTokenizer`: ids alone."""
  return _ids_alone(_google(source))


def make_google_offsets(source: Source) -> Process:
  """`FullTokenizer`: tokens, ids and spans."""
  return _tokens_ids_and_spans(_google(source))


def make_front_end(
  name: str, process: Callable[[Any], Process], **settings: Any
) -> Callable[[Source], Process]:
  """A front end by its name, and what is asked of its tokenizer."""

  def make(source):
    if front_ends.get(name).pieces == "sentencepiece":
      files = (f"{source.model_file}.vocab", source.model_file)
    else:
      files = (source.vocab_file,)
    tokenizer = front_ends.create(name, *files, settings=settings)
    return process(tokenizer)

  return make


def _google(source):
  return tokenization.FullTokenizer(source.vocab_file, **source.switches)


def _tokens_and_ids(tokenizer):
  def process(lines):
    for line in lines:
      tokens = tokenizer.tokenize(line)
      yield tokens, tokenizer.convert_tokens_to_ids(tokens)

  return process


def _ids_alone(tokenizer):
  return lambda lines: ((None, tokenizer.encode(line)) for line in lines)


def _tokens_ids_and_spans(tokenizer):
  def process(lines):
    for line in lines:
      tokens, spans = tokenizer.tokenize_with_offsets(line)
      yield tokens, tokenizer.convert_tokens_to_ids(tokens), spans

  return process


_second = operator.itemgetter(1)

_ids = operator.attrgetter("ids")

_IPADIC = {"mecab_kwargs": {"mecab_dic": "ipadic"}}
_UNIDIC = {"mecab_kwargs": {"mecab_dic": "unidic_lite"}}

# fmt: off
CASES = (
  Case("google / plain algorithm", make_plain, make_google, _second),
  Case("google ids / plain algorithm", make_plain, make_google_ids, _second),
  Case("google / tokenizers", make_library, make_google, _ids),
  Case("google ids / tokenizers", make_library, make_google_ids, _ids),
  Case("google offsets / google", make_google, make_google_offsets, _second),
  *(
    case
    for name, dictionary, settings in (
      ("tohoku", "ipadic", _IPADIC),
      ("tohoku", "unidic_lite", _UNIDIC),
      ("nict-bpe", "jumandic", {}),
    )
    for case in (
      Case(f"{name} / MeCab ({dictionary})", make_mecab(dictionary), make_front_end(name, _tokens_and_ids, **settings)),
      Case(f"{name} ids / MeCab ({dictionary})", make_mecab(dictionary), make_front_end(name, _ids_alone, **settings)),
      Case(f"{name} offsets / {name} ({dictionary})", make_front_end(name, _tokens_and_ids, **settings), make_front_end(name, _tokens_ids_and_spans, **settings), _second),
    )
  ),
  Case("bert-japanese / sentencepiece", make_sentencepiece(False), make_front_end("bert-japanese", _tokens_and_ids)),
  Case("bert-japanese ids / sentencepiece ids", make_sentencepiece(True), make_front_end("bert-japanese", _ids_alone)),
  Case("bert-japanese offsets / bert-japanese", make_front_end("bert-japanese", _tokens_and_ids), make_front_end("bert-japanese", _tokens_ids_and_spans), _second),
)
# fmt: on


def define_flags(flag_values=FLAGS):
  """Defines the benchmark's flags."""
  flags.DEFINE_string(
    "input_file", None, "Text, one line each; a generated one by default.", flag_values
  )
  flags.DEFINE_string(
    "livedoor_archive", None, "Take lines of this corpus instead.", flag_values
  )
  flags.DEFINE_string(
    "vocab_file", None, "Word pieces; made from the text by default.", flag_values
  )
  flags.DEFINE_string(
    "model_file",
    None,
    "SentencePiece model; trained on the text by default.",
    flag_values,
  )
  flags.DEFINE_bool("do_lower_case", True, "As for the scripts.", flag_values)
  flags.DEFINE_bool("strip_accents", None, "As do_lower_case by default.", flag_values)
  flags.DEFINE_list(
    "cases", None, "Names of cases, or their beginnings; all by default.", flag_values
  )
  flags.DEFINE_integer("max_lines", 20_000, "Lines to read.", 1, None, flag_values)
  flags.DEFINE_integer("rounds", 5, "Rounds a case.", 1, None, flag_values)
  flags.DEFINE_string("output_file", None, "JSON of the results.", flag_values)


def livedoor_lines(archive: str, max_lines: int, seed: int = 0) -> list[str]:
  """Titles and body lines of livedoor articles, in a shuffled order of articles."""
  with tarfile.open(archive) as files:
    articles = [
      files.extractfile(entry).read().decode("utf-8").split("\n")
      for entry in files
      if entry.name.endswith(".txt") and entry.name[-5].isdigit()
    ]
  random.Random(seed).shuffle(articles)
  # Address and time of an article come before its title.
  lines = [line for article in articles for line in article[2:] if line.strip()]
  return lines[:max_lines]


def generated_lines(count=4000, seed=1):
  """Lines of invented words, frequent ones first: half Latin, half Japanese script."""
  generator = random.Random(seed)

  def words(letters, lengths):
    return [
      "".join(generator.choices(letters, k=generator.choice(lengths)))
      for _ in range(8000)
    ]

  latin = words("abcdefghijklmnopqrstuvwxyz", range(2, 11))
  kana = words([chr(c) for c in range(0x3042, 0x3094)], range(1, 6))
  kanji = words([chr(c) for c in range(0x4E00, 0x5200)], range(1, 4))
  weights = [1 / (rank + 10) for rank in range(8000)]
  lines = []
  for _ in range(count // 2):
    chosen = generator.choices(latin, weights, k=24)
    lines.append(
      " ".join(chosen[:12]).capitalize() + ", " + " ".join(chosen[12:]) + "."
    )
    chosen = zip(
      generator.choices(kanji, weights, k=12),
      generator.choices(kana, weights, k=12),
      strict=True,
    )
    lines.append("".join(map("".join, chosen)) + "。")
  return lines


def derived_vocabulary(lines, switches, size=16_000):
  """The most frequent words, and every character alone and as a continuation."""
  basic = tokenization.BasicTokenizer(**switches)
  counts = collections.Counter(word for line in lines for word in basic.tokenize(line))
  characters = sorted(set("".join(counts)))
  tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *characters]
  tokens += [f"##{character}" for character in characters]
  return list(dict.fromkeys([*tokens, *(word for word, _ in counts.most_common(size))]))


def write_model(
  lines: Sequence[str], folder: str, model_file: str | None = None
) -> str:
  """Path of a SentencePiece model, with its vocabulary beside it at `<path>.vocab`.

  Args:
    lines: what it is trained on where `model_file` is None.
    folder: where the files go.
    model_file: a model to copy.
  """
  if model_file:
    with text_io.open_file(model_file, "rb") as reader:
      model = reader.read()
  else:
    trainer = vocabularies.SentencePieceTrainer(_MODEL_SIZE, character_coverage=1.0)
    model = trainer.train(line.lower() for line in lines)
  path = os.path.join(folder, "spiece.model")
  with text_io.written_whole(path, "wb") as writer:
    writer.write(model)
  text_io.write_text(f"{path}.vocab", vocabularies.sentence_piece_table(model))
  return path


def seconds(process: Process, lines: Sequence[str]) -> float:
  """Processor time of one pass that keeps no results."""
  started = time.process_time()
  collections.deque(process(lines), maxlen=0)
  return time.process_time() - started


def different_lines(case: Case, source: Source, lines: Sequence[str]) -> int | None:
  """Number of lines whose ids differ; None where the baseline gives no ids."""
  if case.baseline_ids is None:
    return None
  expected = map(case.baseline_ids, case.make_baseline(source)(lines))
  found = map(_second, case.make_ours(source)(lines))
  return sum(map(operator.ne, map(list, expected), map(list, found)))


def measure(
  case: Case, source: Source, lines: Sequence[str], rounds: int
) -> list[dict[str, Any]]:
  """Times one case.

  Returns:
    For the first and the second pass: {"case", "pass", "lines_per_second", "baseline"
    (its lines per second), "times_baseline", "different_lines"}.
  """
  passes = {"first": [], "second": []}
  for _ in range(rounds):
    baseline, ours = case.make_baseline(source), case.make_ours(source)
    for times in passes.values():
      times.append((seconds(baseline, lines), seconds(ours, lines)))
  different = different_lines(case, source, lines)
  return [
    {
      "case": case.name,
      "pass": name,
      "lines_per_second": len(lines) / statistics.median(own for _, own in times),
      "baseline": len(lines) / statistics.median(other for other, _ in times),
      "times_baseline": statistics.median(other / own for other, own in times),
      "different_lines": different,
    }
    for name, times in passes.items()
  ]


def chosen_cases(names: Sequence[str] | None) -> list[Case]:
  """The cases whose names start with one of `names`; all for None.

  Raises:
    ValueError: a name fits none.
  """
  for name in names or ():
    if not any(case.name.startswith(name) for case in CASES):
      raise ValueError(
        f"--cases={name} is none of {', '.join(case.name for case in CASES)}"
      )
  prefixes = "" if names is None else tuple(names)
  return [case for case in CASES if case.name.startswith(prefixes)]


def read_lines(flag_values: flags.FlagValues = FLAGS) -> list[str]:
  """The lines that the flags ask for.

  Raises:
    ValueError: there is none.
  """
  if flag_values.livedoor_archive:
    lines = livedoor_lines(flag_values.livedoor_archive, flag_values.max_lines)
  elif flag_values.input_file:
    lines = filter(str.strip, text_io.read_lines(flag_values.input_file))
  else:
    lines = generated_lines()
  lines = list(lines)[: flag_values.max_lines]
  if not lines:
    path = flag_values.livedoor_archive or flag_values.input_file
    raise ValueError(f"{path} holds no text; expected lines")
  return lines


def main(_):
  """Measures and prints."""
  lines = read_lines()
  source = Source("", FLAGS.do_lower_case, FLAGS.strip_accents)
  with tempfile.TemporaryDirectory() as folder:
    vocab_file = FLAGS.vocab_file
    if vocab_file is None:
      vocab_file = os.path.join(folder, "vocab.txt")
      tokens = derived_vocabulary(lines, source.switches)
      text_io.write_text(vocab_file, "\n".join(tokens))
    source = dataclasses.replace(source, vocab_file=vocab_file)
    cases = chosen_cases(FLAGS.cases)
    if any(case.name.startswith("bert-japanese") for case in cases):
      model_file = write_model(lines, folder, FLAGS.model_file)
      source = dataclasses.replace(source, model_file=model_file)
    rows = [row for case in cases for row in measure(case, source, lines, FLAGS.rounds)]
  print(
    reporting.format_table(
      [list(row.values()) for row in rows], list(rows[0]), digits=2
    )
  )
  if FLAGS.output_file:
    text_io.write_json(FLAGS.output_file, rows)


if __name__ == "__main__":
  define_flags()
  command_line.run(main)
