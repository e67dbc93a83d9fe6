"""Texts that the tests of `bert_ja.ja` share."""

import itertools
import pathlib
import tarfile

import pytest
from hypothesis import strategies as st

SHARED = pathlib.Path(__file__).resolve().parents[2] / ".." / "shared"

# What normalization, segmenters and their libraries treat specially.
SPECIAL = (
  "aBzİΣσςßé\u0301\u0338=\t\n\r\x00\x0b\x0c\x1c\x85\xa0\u00ad\u200b\u2028\u3000\ufeff\ufffd"
  "#@\\▁<>´¨ﷺ㍿㌔…①ﬃﾊﾟｶﾞｳﾞﾜﾞﾟｱｯがパか\u3099\u309aは゛々ー、。「東京\uf900Ａ１％"
  "각\u1100\u1161\u11a8ﾡￂ\u0fb2\u0f80\u0f71\u09c7\u09be😀𠮷\U0002f800\U000e0100\U0001d15e"
  "\U0001133b\U00011347\U0001133e\ud800\udc00\udfff"
)
TEXTS = st.text(
  st.one_of(
    st.sampled_from(SPECIAL),
    st.sampled_from("あ亜 a"),
    st.characters(),
    st.characters(categories=["Mn", "Mc", "Cf", "Cs", "Lo", "So", "Zs"]),
  ),
  max_size=30,
)


def shared(name):
  """A file of real data, or a skipped test."""
  path = SHARED / name
  if not path.exists():
    pytest.skip(f"{name} is not on this machine")
  return path


def livedoor_lines(count):
  """The first lines of news articles that are not blank."""

  def lines():
    with tarfile.open(shared("data/livedoor/ldcc-20140209.tar.gz")) as archive:
      for entry in archive:
        if entry.name.endswith(".txt"):
          yield from archive.extractfile(entry).read().decode("utf-8").split("\n")

  return list(itertools.islice(filter(str.strip, lines()), count))


def check_spans(text, spans):
  """Spans never go back and lie in the text."""
  for (start, end), (next_start, next_end) in itertools.pairwise([(0, 0), *spans]):
    assert start <= next_start <= next_end
    assert end <= next_end <= len(text)


def in_contexts(code_points, form):
  """Texts of sixteen characters, each in the form's context."""
  contexts = map(form.format, map(chr, code_points))
  while text := "\u3000".join(itertools.islice(contexts, 16)):
    yield text
