"""The page: well formed, complete in itself, with the numbers it was given."""

import dataclasses
import html.parser
import re

import pytest

from bert_ja.reports import report_files, report_page, report_rows

_VOID = {"meta", "br", "hr", "img", "link", "input"}
NASTY = '<script>alert("1")</script> & \'</p>'


class Page(html.parser.HTMLParser):
  """Checks nesting; keeps tags, attributes, texts, and numbers with what is shown."""

  def __init__(self, text):
    super().__init__()
    self.open, self.tags, self.texts, self.attributes = [], [], [], []
    self.numbers, self.inside_paragraphs = [], set()
    self.feed(text)
    self.close()
    assert self.open == []

  def handle_starttag(self, tag, attrs):
    self.tags.append(tag)
    self.attributes += attrs
    if any(name == "p" for name, _ in self.open):
      self.inside_paragraphs.add(tag)
    if tag not in _VOID:
      self.open.append((tag, dict(attrs)))

  def handle_startendtag(self, tag, attrs):
    self.handle_starttag(tag, attrs)
    if tag not in _VOID:
      self.open.pop()

  def handle_endtag(self, tag):
    assert self.open.pop()[0] == tag

  def handle_data(self, data):
    if self.open and self.open[-1][0] == "style":
      return
    self.texts.append(data)
    if self.open and self.open[-1][0] == "data":
      self.numbers.append((self.open[-1][1]["value"], data))

  @property
  def text(self):
    return "".join(self.texts)


def create_run(**changes):
  labelled = report_rows.Labelled(
    "dev-3",
    ["駅前の店。"],
    "良い",
    "悪い",
    False,
    [("良い", 0.125, True), ("悪い", 0.875, False)],
  )
  dev = report_files.Split(
    name="dev",
    scores={"accuracy": 2 / 3, "matthews_correlation": -0.123456, "global_step": 30},
    labels=[["良い", "0.5000", "0.2500", "0.3333", "8"]],
    confusion=report_files.Confusion(["良い", "悪い"], [[3, 1], [0, 7]]),
    hardest=[labelled],
    num_rows=11,
  )
  run = report_files.Run(
    name="reviews",
    kind="one class for a text",
    settings=[report_files.Settings("training", {"seed": 5}, {"debug": False})],
    config={"hidden_size": 8},
    parameters=12345,
    panels=[("loss", [report_files.Line("train", [10, 20], [0.9, 0.5])])],
    splits=[dev],
    headlines=["accuracy"],
    notes=[],
  )
  return dataclasses.replace(run, **changes)


def with_hardest(*rows):
  split = dataclasses.replace(create_run().splits[0], hardest=list(rows))
  return create_run(splits=[split])


@pytest.fixture
def page():
  return Page(report_page.render(create_run()))


def test_all_sections_are_there(page):
  for title in (
    "Scores",
    "Learning curve",
    "Labels",
    "Confusion matrix",
    "Hardest of the dev set",
    "Settings",
  ):
    assert title in page.texts


def test_a_page_needs_nothing_from_elsewhere():
  text = report_page.render(create_run())
  assert "://" not in text
  page = Page(text)
  assert not {"script", "link", "iframe", "img"} & set(page.tags)
  assert not {"src", "href"} & {name for name, _ in page.attributes}
  assert not re.search(r"@import|url\(", text)


def test_each_score_is_shown_rounded_and_kept_exactly(page):
  for name, value in create_run().splits[0].scores.items():
    shown = dict(page.numbers)[repr(value)]
    assert float(shown) == pytest.approx(value, abs=5e-5), name


def test_counts_of_the_matrix_are_in_its_order(page):
  start = page.texts.index("Confusion matrix")
  before = sum(len(text) > 0 for text in page.texts[:start])
  shown = [text for text in page.texts[before:] if re.fullmatch(r"\d+", text)]
  assert shown[:4] == ["3", "1", "0", "7"]


@pytest.mark.parametrize(
  ("names", "head"),
  [
    (["良い", "悪い"], ["0 良い", "1 悪い"]),
    (["長い名前の種類"] * 5, ["0", "1", "2", "3", "4"]),
  ],
)
def test_long_names_of_a_matrix_stay_at_its_rows(names, head):
  confusion = report_files.Confusion(names, [[1] * len(names)] * len(names))
  split = report_files.Split("dev", {"accuracy": 0.5}, confusion=confusion)
  text = report_page.render(create_run(splits=[split]))
  table = text.partition('<table class="matrix">')[2].partition("</table>")[0]
  above, _, rows = table.partition("</thead>")
  assert re.findall(r"<th[^>]*>([^<]+)</th>", above) == head
  numbered = [f"{number} {name}" for number, name in enumerate(names)]
  assert re.findall(r"<th[^>]*>([^<]+)</th>", rows) == numbered


@pytest.mark.parametrize(("count", "is_wide"), [(3, False), (9, True)])
def test_wide_matrices_stand_below_each_other(count, is_wide):
  names = [f"種類{n}" for n in range(count)]
  confusion = report_files.Confusion(names, [[1] * count] * count)
  splits = [
    report_files.Split(name, {"accuracy": 0.5}, confusion=confusion)
    for name in ("dev", "test")
  ]
  text = report_page.render(create_run(splits=splits))
  section = text.partition("<h2>Confusion matrix</h2>")[2].partition("</section>")[0]
  assert ('class="pair"' not in section) == is_wide


def test_halves_of_characters_do_not_end_the_page():
  """JSON can write them, UTF-8 cannot."""
  row = report_rows.Labelled("1", ["朝\ud83d夜"], "a", "b", False, [])
  text = report_page.render(with_hardest(row))
  assert "朝?夜" in text.encode("utf-8").decode("utf-8")


def test_steps_of_older_files_are_whole():
  split = report_files.Split("dev", {"accuracy": 0.5, "global_step": 343.0})
  page = Page(report_page.render(create_run(splits=[split])))
  assert "after step 343" in page.text and "343.0" not in page.text


def test_shades_are_parts_of_a_row(page):
  shades = [v for k, v in page.attributes if k == "style" and "--share" in v]
  assert shades == ["--share:45%", "--share:15%", "--share:0%", "--share:60%"]


def test_both_answers_have_their_probability(page):
  numbers = dict(page.numbers)
  assert (numbers["0.125"], numbers["0.875"]) == ("0.1250", "0.8750")
  assert ("class", "wrong") in page.attributes and ("class", "right") in page.attributes


def test_japanese_texts_get_japanese_letters(page):
  assert ("lang", "ja") in page.attributes
  english = report_rows.Labelled("1", ["a shop"], "good", "bad", False, [])
  run = with_hardest(english)
  split = dataclasses.replace(run.splits[0], labels=[], confusion=None)
  page = Page(report_page.render(dataclasses.replace(run, splits=[split])))
  assert ("lang", "ja") not in page.attributes


@pytest.mark.parametrize(
  "run",
  [
    create_run(name=NASTY, notes=[NASTY], config={NASTY: NASTY}),
    create_run(settings=[report_files.Settings(NASTY, {"a": NASTY}, {NASTY: [NASTY]})]),
    with_hardest(
      report_rows.Labelled(NASTY, [NASTY], NASTY, "x", False, [(NASTY, 0.5, True)])
    ),
    with_hardest(
      report_rows.Tagged(
        NASTY, [(NASTY, NASTY, "O", 0.5), (NASTY, NASTY, NASTY, None)], 1
      )
    ),
    with_hardest(
      report_rows.Answered(
        NASTY, NASTY, [(NASTY, ""), (NASTY, "right")], NASTY, NASTY, 0.0, 0.5, None
      )
    ),
  ],
)
def test_texts_are_escaped(run):
  page = Page(report_page.render(run))
  assert "script" not in page.tags
  assert NASTY in page.text


def test_wrong_tags_are_told_from_right_ones():
  words = [
    ("京都", "B-地名", "B-地名", 0.75),
    ("へ", "O", "O", 0.5),
    ("田中", "B-人名", "B-地名", None),
  ]
  page = Page(report_page.render(with_hardest(report_rows.Tagged("a", words, 1))))
  classes = [v for k, v in page.attributes if k == "class" and v.startswith("word ")]
  assert classes == ["word tag-right", "word tag-wrong"]
  assert "B-地名, not B-人名" in page.texts
  assert "a · 1 of 3 tags wrong" in page.texts


def test_wrong_tags_have_their_probabilities():
  words = [("京都", "O", "O", 0.25), ("田中", "B-人名", "B-地名", 0.875)]
  page = Page(report_page.render(with_hardest(report_rows.Tagged("a", words, 1))))
  assert "B-地名 0.8750, not B-人名" in page.text
  assert ("0.25", "0.2500") not in page.numbers


def test_answers_are_marked_in_their_context():
  context = [(None, ""), ("朝と", ""), ("夜", "right"), ("の", ""), ("昼", "predicted")]
  row = report_rows.Answered("q", "いつ", context, "夜", "", 0.25, 0.5, None)
  page = Page(report_page.render(with_hardest(row)))
  assert [v for k, v in page.attributes if v in ("right", "predicted")].count(
    "predicted"
  )
  assert " … 朝と夜の昼" in page.text
  assert "predicted: (none)" in page.text
  assert ("0.25", "0.2500") in page.numbers


def test_a_long_text_is_folded_and_whole():
  text = "長い文。" * 200
  row = report_rows.Labelled("1", [text], "a", "b", False, [])
  page = Page(report_page.render(with_hardest(row)))
  assert "details" in page.tags
  assert "details" not in page.inside_paragraphs
  assert page.text.replace("… all", "").replace(" ", "").count(text) == 1


def test_percents_have_two_decimals():
  split = report_files.Split("dev", {"exact_match": 66.66666, "total": 12.0})
  page = Page(report_page.render(create_run(splits=[split])))
  assert ("66.66666", "66.67") in page.numbers
  assert ("12", "12") in page.numbers


def test_an_empty_run_is_a_page():
  run = create_run(settings=[], config={}, parameters=None, panels=[], splits=[])
  page = Page(report_page.render(run))
  assert "Scores" not in page.texts and "Settings" not in page.texts
