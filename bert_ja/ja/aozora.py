"""Aozora Bunko's texts: what the author wrote, without the archive's mark-up.

A text is: title and author, a blank line, often a block between two rules that explains
the mark-up, the body, and a colophon that starts with 底本.
"""

import re

# The archive's texts are cp932; its mirrors also give them in UTF-8. Japanese text in
# cp932 is never valid UTF-8, so that is tried first.
_ENCODINGS = ("utf-8-sig", "cp932")
# NUL of UTF-16, ESC of ISO-2022-JP, and bytes that cp932 leaves free.
_STRANGE = re.compile("[\0\x1b\uf8f0-\uf8f3]")
_NARROW_KANA = re.compile("[｡-ﾟ]")
_LOOKED_AT = 2000
_MISSING = "〓"  # printers' mark for a character that they do not have

_RULE = re.compile(r"-{10,}")
_COLOPHON = re.compile("底本[：:「]|［＃本文終わり］")
_MOST_TITLE_LINES = 10

# A note may quote a character that is a note itself.
_NOTE = "［＃(?:[^［］]|［[^［］]*］)*］"
_MARK_UP = re.compile(f"※({_NOTE})|{_NOTE}|《[^《》]*》|｜|／″＼|／＼")
_REPEATS = {"／＼": "〳〵", "／″＼": "〴〵"}  # vertical text's marks in two halves
_CODE_POINT = re.compile(r"U\+([0-9A-Fa-f]{4,6})")
_KANJI = re.compile(r"第[34]水準([12])-(\d{1,2})-(\d{1,2})")
# Volume, page and line in the book look the same as plane, row and cell, but only
# characters other than kanji, in the first rows, are given without their level.
_OTHER = re.compile(
  r"^［＃[^「]*(?:「.」)?[^「]*、(1)-(1[0-3]|0?[1-9])-(\d{1,2})(?:[、］]|$)"
)
_DIGITS = str.maketrans("０１２３４５６７８９", "0123456789")


def decode(data: bytes, name: str) -> str:
  """The text of a file.

  Args:
    data: its bytes, cp932 or UTF-8.
    name: what messages call it.

  Raises:
    ValueError: it is neither.
  """
  for encoding in _ENCODINGS:
    try:
      text = data.decode(encoding)
    except UnicodeDecodeError as error:
      fault = error
      continue
    # cp932 has a character for almost any byte, so EUC-JP becomes narrow kana.
    start = text[:_LOOKED_AT]
    if not _STRANGE.search(text) and 3 * len(_NARROW_KANA.findall(start)) <= len(start):
      return text
    raise _other_encoding(name, f"text such as {start[:20]!r}")
  line = data.count(b"\n", 0, fault.start) + 1
  raise _other_encoding(f"{name}, line {line}", f"byte 0x{data[fault.start]:02x}")


def _other_encoding(place, found):
  return ValueError(
    f"{place}: expected cp932 or UTF-8, found {found}; convert the file, for example "
    "with iconv -f EUC-JP -t UTF-8"
  )


def body(text: str) -> list[str]:
  """The lines between header and colophon, without mark-up; none is blank."""
  lines = [line.strip() for line in text.splitlines()]
  start = _after_header(lines)
  end = next((k for k in range(start, len(lines)) if _COLOPHON.match(lines[k])), None)
  return [line for line in map(_plain_line, lines[start:end]) if line]


def _after_header(lines):
  start = next((k for k, line in enumerate(lines[:_MOST_TITLE_LINES]) if not line), 0)
  while start < len(lines) and not lines[start]:
    start += 1
  if start < len(lines) and _RULE.fullmatch(lines[start]):
    rules = (k for k in range(start + 1, len(lines)) if _RULE.fullmatch(lines[k]))
    start = next(rules, start) + 1
  return start


def plain(line: str) -> str:
  """A line without ruby and notes, with the characters that notes name.

  ※［＃...］ stands for a character that cp932 lacks; it becomes the character if the
  note gives its code point, or plane, row and cell of JIS X 0213, and 〓 if not.
  """
  return _MARK_UP.sub(_replacement, line)


def _plain_line(line):
  return plain(line).strip()


def _replacement(match):
  if match[1]:
    return _named_character(match[1].translate(_DIGITS)) or _MISSING
  return _REPEATS.get(match[0], "")


def _named_character(note):
  """The character that a note names, or None."""
  if place := _KANJI.search(note) or _OTHER.search(note):
    return _jis_character(*map(int, place.groups()))
  if point := _CODE_POINT.search(note):
    value = int(point[1], 16)
    if value <= 0x10FFFF and not 0xD800 <= value <= 0xDFFF:
      return chr(value)
  return None


def _jis_character(plane, row, cell):
  """A character of JIS X 0213, which may be two code points; None if there is none."""
  if not (1 <= row <= 94 and 1 <= cell <= 94):
    return None
  data = bytes([0xA0 + row, 0xA0 + cell])
  try:
    return (data if plane == 1 else b"\x8f" + data).decode("euc_jis_2004")
  except UnicodeDecodeError:
    return None
