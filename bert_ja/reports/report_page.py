"""A run as one HTML page that needs no other file and no network."""

import html
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from bert_ja import label_reports, reporting
from bert_ja.reports import report_chart, report_files, report_rows, report_style

_KANA = re.compile("[\u3041-\u30ff]")
_LONG = 320  # characters of a text after which the rest is folded away
_MOST_TILES = 4
_SHORT_TABLE = 8
_SHORT_HEAD = 30  # letters of all labels that have room above a matrix
_WIDE_MATRIX = 6  # labels from which on matrices stand below each other
# Whole numbers that an evaluation writes as floats, too.
_COUNTS = ("total", "global_step", "HasAns_total", "NoAns_total")


def render(run: report_files.Run) -> str:
  """The page; all texts are escaped."""
  language = ' lang="ja"' if _is_japanese(run) else ""
  title = _text(run.name)
  body = [
    f"<header><h1{language}>{title}</h1>{_lead(run)}</header>",
    _tiles(run),
    *(f'<p class="note">{_text(note)}</p>' for note in run.notes),
    _section("Scores", _scores(run)),
    _section("Learning curve", _curves(run)),
    _section("Labels", _labels(run), language),
    _section("Confusion matrix", _matrices(run), language),
    *(_hardest(split, language) for split in run.splits),
    _section("Settings", _settings(run)),
  ]
  return (
    '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    f"<title>{title}</title>\n<style>{report_style.CSS}</style>\n</head>\n<body>\n<main>\n"
    + "\n".join(filter(None, body))
    + "\n<footer>Written by bert-ja report.</footer>\n</main>\n</body>\n</html>\n"
  )


def _text(value):
  # A JSON file may hold halves of characters, which no page can.
  return html.escape(str(value).encode(errors="replace").decode())


def _is_japanese(run):
  """Whether its texts need Japanese shapes of characters that Chinese has too."""
  texts = [cell for split in run.splits for row in split.labels for cell in row[:1]]
  # The tuples' own texts hold all that a row shows.
  texts += [str(row) for split in run.splits for row in split.hardest]
  return any(map(_KANA.search, texts))


def _section(title, content, attributes=""):
  if not content:
    return ""
  return f"<section{attributes}><h2>{title}</h2>\n{content}\n</section>"


def _number(value, digits=4):
  """A number as it is read, which keeps the exact one."""
  shown = str(value) if isinstance(value, int) else f"{value:.{digits}f}"
  return f'<data value="{value!r}">{shown}</data>'


def _table(head, rows, numbers_from=1):
  """Rows of HTML cells; the first is the row's name, those from a place on numbers."""
  ranges = range(len(head))
  kinds = [' class="number"' if k >= numbers_from else "" for k in ranges]
  header = "".join(f"<th{kinds[k]}>{head[k]}</th>" for k in ranges)
  lines = []
  for first, *rest in rows:
    cells = (f"<td{kinds[k]}>{cell}</td>" for k, cell in enumerate(rest, 1))
    lines.append(f'<tr><th scope="row">{first}</th>{"".join(cells)}</tr>')
  return (
    f'<div class="scroll"><table><thead><tr>{header}</tr></thead>'
    f"<tbody>{''.join(lines)}</tbody></table></div>"
  )


def _side_by_side(parts):
  content = _stacked(parts)
  return content and f'<div class="pair">{content}</div>'


def _stacked(parts):
  return "".join(f"<div>{part}</div>" for part in parts)


# --- Head and scores ----------------------------------------------------------------


def _lead(run):
  parts = [_text(run.kind)]
  if run.parameters is not None:
    parts.append(f"{_parameters(run.parameters)} parameters")
  step = next((s.scores["global_step"] for s in run.splits if _has_step(s)), None)
  if step is not None:
    parts.append(f"after step {_whole('global_step', step)}")
  return f'<p class="lead">{" · ".join(filter(None, parts))}</p>'


def _parameters(count):
  return f'<data value="{count}">{count:,}</data>'


def _has_step(split):
  return "global_step" in split.scores


def _tiles(run):
  tiles = []
  for split in run.splits:
    names = [name for name in run.headlines if name in split.scores]
    tiles += [
      f'<div class="tile"><span class="soft">{_text(_words(name))}, {split.name}</span>'
      f"{_number(split.scores[name], _digits(split))}</div>"
      for name in names[: max(_MOST_TILES // len(run.splits), 2)]
    ]
  return f'<div class="tiles">{"".join(tiles)}</div>' if tiles else ""


def _digits(split):
  """Of scores: percents have two behind the point."""
  return 2 if any(name.endswith("exact_match") for name in split.scores) else 4


def _words(name):
  return name.replace("_", " ")


def _scores(run):
  splits = [split for split in run.splits if split.scores]
  names = dict.fromkeys(
    [name for name in run.headlines if any(name in s.scores for s in splits)]
    + sorted(name for split in splits for name in split.scores)
  )
  rows = [
    (
      _text(_words(name)),
      *(
        _number(_whole(name, split.scores[name]), _digits(split))
        if name in split.scores
        else ""
        for split in splits
      ),
    )
    for name in names
  ]
  head = ["", *(split.name for split in splits)]
  # Two columns where there are many and the page is wide.
  half = len(rows) if len(rows) <= _SHORT_TABLE else (len(rows) + 1) // 2
  return _side_by_side(
    _table(head, part) for part in (rows[:half], rows[half:]) if part
  )


def _whole(name, value):
  return int(value) if name in _COUNTS else value


def _curves(run):
  figures = []
  for title, lines in run.panels:
    picture = report_chart.line_chart(lines)
    names = "".join(
      f'<span class="line{number % report_chart.NUM_COLORS}">'
      f"<b>{_text(_words(line.label))}</b></span>"
      for number, line in enumerate(lines)
    )
    if picture:
      legend = f'<p class="legend">{names}</p>'
      figures.append(f"<h3>{title}</h3>{picture}{legend}")
  return _side_by_side(figures)


def _labels(run):
  tables = []
  for split in run.splits:
    if split.labels:
      head = ["", *label_reports.LABEL_COLUMNS[1:]]
      rows = [[_text(cell) for cell in row] for row in split.labels]
      tables.append(f"<h3>{split.name}</h3>{_table(head, rows)}")
  return _side_by_side(tables)


def _matrices(run):
  tables = [
    f"<h3>{split.name}</h3>{_matrix(split.confusion)}"
    for split in run.splits
    if split.confusion
  ]
  hint = "Rows are true labels, columns predicted ones; shade is the part of the row."
  most = max((len(s.confusion.names) for s in run.splits if s.confusion), default=0)
  arranged = (_stacked if most >= _WIDE_MATRIX else _side_by_side)(tables)
  return tables and f'<p class="soft">{hint}</p>{arranged}'


def _matrix(confusion):
  names = [f"{number} {name}" for number, name in enumerate(confusion.names)]
  # As in confusion_matrix.txt, long names stay at the rows.
  is_short = reporting.display_width("".join(names)) <= _SHORT_HEAD
  above = names if is_short else range(len(names))
  head = "".join(f'<th class="number">{_text(name)}</th>' for name in above)
  lines = []
  for row, name in enumerate(names):
    counts = confusion.counts[row]
    total = max(sum(counts), 1)
    cells = "".join(
      f'<td class="{"hit" if row == column else "miss"}"'
      f' style="--share:{60 * count / total:.0f}%">{_number(count)}</td>'
      for column, count in enumerate(counts)
    )
    lines.append(f'<tr><th scope="row">{_text(name)}</th>{cells}</tr>')
  return (
    '<div class="scroll"><table class="matrix"><thead><tr><th></th>'
    f"{head}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
  )


# --- Examples -----------------------------------------------------------------------


def _hardest(split, language):
  if not split.hardest:
    return ""
  show, hint = {
    report_rows.Labelled: (_labelled, ""),
    report_rows.Tagged: (_tagged, " Wrong tags have their probabilities."),
    report_rows.Answered: (_answered, ""),
  }[type(split.hardest[0])]
  items = "\n".join(f"<li>{show(row)}</li>" for row in split.hardest)
  count = f"{len(split.hardest)} of {split.num_rows}"
  return _section(
    f"Hardest of the {split.name} set",
    f'<p class="soft">{count} rows, the hardest first.{hint}</p>\n'
    f'<ol class="rows">\n{items}\n</ol>',
    language,
  )


def _folded(text):
  """A text; of a long one the rest opens on a click."""
  if len(text) <= _LONG:
    return _text(text)
  return (
    f"{_text(text[:_LONG])}<details class='long'><summary>… all</summary> "
    f"{_text(text[_LONG:])}</details>"
  )


def _verdict(right, predicted, is_right):
  """Both answers, in the colours of right and wrong."""
  mark = "right" if is_right else "wrong"
  return (
    f'<div class="answers"><span>right: <b class="right">{_text(right)}</b></span>'
    f'<span>predicted: <b class="{mark}">{_text(predicted)}</b></span></div>'
  )


def _labelled(row):
  texts = "".join(f'<div class="text">{_folded(text)}</div>' for text in row.texts)
  bars = "".join(_bar(*cells) for cells in row.probabilities)
  table = f'<table class="bars"><tbody>{bars}</tbody></table>' if bars else ""
  verdict = _verdict(row.right, row.predicted, row.is_right)
  return f'<span class="id">{_text(row.id)}</span>{texts}{verdict}{table}'


def _bar(name, value, is_right):
  mark = "right" if is_right else "wrong"
  return (
    f'<tr class="{mark}"><th scope="row">{_text(name)}</th>'
    f'<td class="number">{_number(value)}</td>'
    f'<td><span class="bar" style="width:{max(100 * value, 0.5):.1f}%"></span></td></tr>'
  )


def _tagged(row):
  words = "".join(_word(*cells) for cells in row.words)
  count = f"{row.wrong} of {len(row.words)} tags wrong"
  return (
    f'<span class="id">{_text(row.id)} · {count}</span><div class="words">{words}</div>'
  )


def _word(word, right, predicted, probability):
  if right != predicted:
    sureness = "" if probability is None else f" {_number(float(probability))}"
    tags = f"{_text(predicted)}{sureness}, not {_text(right)}"
    return f'<span class="word tag-wrong">{_text(word)}<small>{tags}</small></span>'
  if right == "O":
    return f'<span class="word">{_text(word)}</span>'
  return (
    f'<span class="word tag-right">{_text(word)}<small>{_text(right)}</small></span>'
  )


def _answered(row):
  context = "".join(
    " … "
    if text is None
    else f'<mark class="{mark}">{_text(text)}</mark>'
    if mark
    else _text(text)
    for text, mark in row.context
  )
  question = (
    f'<div class="text"><b>{_text(row.question)}</b></div>' if row.question else ""
  )
  shown = f'<div class="text">{context}</div>' if context else ""
  scores = [f"F1 of characters {_number(row.score)}"]
  for name, value in (
    ("of the prediction", row.probability),
    ("of the right answer", row.right_probability),
  ):
    if value is not None:
      scores.append(f"probability {name} {_number(float(value))}")
  return (
    f'<span class="id">{_text(row.id)}</span>{question}{shown}'
    + _verdict(row.right or "(none)", row.predicted or "(none)", row.score == 1)
    + f'<span class="id">{" · ".join(scores)}</span>'
  )


# --- Settings -----------------------------------------------------------------------


def _settings(run):
  parts = []
  for settings in run.settings:
    parts.append(f"<h3>Flags of {_text(settings.title)}</h3>{_values(settings.given)}")
    if settings.default:
      parts.append(
        f"<details><summary>{len(settings.default)} flags with their default values"
        f"</summary>{_values(settings.default)}</details>"
      )
  if run.config:
    parts.append(f"<h3>Configuration of the encoder</h3>{_values(run.config)}")
  return "".join(parts)


def _values(values: Mapping[str, Any] | Sequence):
  rows = [
    (f"<code>{_text(name)}</code>", f"<code>{_text(_plain(value))}</code>")
    for name, value in sorted(values.items())
  ]
  return _table(["", ""], rows, numbers_from=2)


def _plain(value):
  """A flag's value as it is given."""
  if isinstance(value, list) and all(isinstance(item, str) for item in value):
    return ",".join(value)
  return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
