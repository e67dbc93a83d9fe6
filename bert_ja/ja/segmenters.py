"""Japanese text to words: white space, MeCab, Juman++.

A word holds no white space, and words stand in the text in their order. Segmenters
pickle; a program or library behind one is started again where it is unpickled. One
object serves one thread.
"""

import contextlib
import importlib
import os
import re
import selectors
import shlex
import shutil
import subprocess
import time
import weakref
from collections.abc import Iterable, Iterator
from typing import Protocol

Span = tuple[int, int]
"""Character offsets of a word, end exclusive."""


class Segmenter(Protocol):
  """What the classes of this module are."""

  def split(self, text: str) -> list[str]:
    """Words of a text."""

  def split_with_spans(self, text: str) -> tuple[list[str], list[Span]]:
    """(words, one span for each): text[start:end] is the word."""


class Whitespace:
  """Words of text that is segmented already: whatever stands between white space."""

  def __repr__(self):
    return "Whitespace()"

  def split(self, text: str) -> list[str]:
    """Words of a text."""
    return text.split()

  def split_with_spans(self, text: str) -> tuple[list[str], list[Span]]:
    """(words, their spans)."""
    return text.split(), [match.span() for match in _WORD.finditer(text)]


_WORD = re.compile(r"\S+")


class _Analyser:
  """Words by a morphological analyser that cannot take every text.

  Subclasses set `_LONGEST` (characters that the analyser gets at once), `_UNSAFE` (a
  pattern of single characters that it must not see) and `_analyse`.
  """

  def split(self, text: str) -> list[str]:
    """Words of a text."""
    if len(text) > self._LONGEST or self._UNSAFE.search(text):
      return self.split_with_spans(text)[0]
    return self._analyse(text)

  def split_with_spans(self, text: str) -> tuple[list[str], list[Span]]:
    """(words, one span for each): text[start:end] is the word."""
    clean = self._UNSAFE.sub(_stand_in, text)
    words = []
    for part in _parts(clean, self._LONGEST):
      words += self._analyse(part)
    spans = _locate(words, clean)
    if clean != text:
      words = [text[start:end] for start, end in spans]
    return words, spans

  def _analyse(self, text):
    """Words of a text that is safe and short enough."""
    raise NotImplementedError


class Mecab(_Analyser):
  """MeCab by mecab-python3, with a dictionary that is named: /etc/mecabrc plays no part.

  NUL counts as white space, since MeCab stops there. A text of more than 4,096
  characters is cut behind the last 。 or line end that fits, else behind a space, else
  anywhere: MeCab refuses very long texts and its time grows with the square of a run
  of equal letters. (Articles cut so gave the same words as whole ones.)
  """

  # Far below what overflows MeCab's numbers: 65,535 bytes a word, 2 ** 31 total cost.
  _LONGEST = 4096
  _UNSAFE = re.compile("[\0\ud800-\udfff]")
  _MODULES = {
    "ipadic": "ipadic",
    "jumandic": "jumandic",
    "unidic-lite": "unidic_lite",
  }

  def __init__(self, dictionary: str):
    """Loads a dictionary.

    Args:
      dictionary: ipadic, jumandic or unidic-lite, as PyPI has them, or the path of a
        directory with a compiled UTF-8 dictionary.

    Raises:
      ImportError: mecab-python3 or the named dictionary is not installed.
      ValueError: no such dictionary, a damaged one, or one that is not UTF-8.
    """
    package = dictionary if dictionary in self._MODULES else "a dictionary"
    try:
      import MeCab

      path = dictionary
      if dictionary in self._MODULES:
        path = importlib.import_module(self._MODULES[dictionary]).DICDIR
    except ImportError as error:
      raise ImportError(
        f'--tokenizer needs mecab-python3 and {package}: pip install "bert_ja[ja]"'
      ) from error
    if not os.path.isfile(os.path.join(path, "sys.dic")):
      raise ValueError(
        f"MeCab dictionary {dictionary!r}: expected {', '.join(self._MODULES)} or a "
        "directory with sys.dic; compile one with mecab-dict-index"
      )
    arguments = ["-r", os.devnull, "-d", path, "-Owakati"]
    try:
      self._tagger = MeCab.Tagger(shlex.join(arguments))
    except RuntimeError:
      raise ValueError(
        f"MeCab dictionary {dictionary!r}: MeCab cannot read the files in {path}; "
        "compile them again with mecab-dict-index"
      ) from None
    charset = self._tagger.dictionary_info().charset
    if charset.lower() not in ("utf-8", "utf8"):
      raise ValueError(
        f"MeCab dictionary {dictionary!r}: expected one in UTF-8, found {charset}; "
        "compile it with mecab-dict-index -t utf-8"
      )
    self.dictionary = dictionary

  def __reduce__(self):
    return Mecab, (self.dictionary,)

  def __repr__(self):
    return f"Mecab({self.dictionary!r})"

  def _analyse(self, text):
    output = self._tagger.parse(text)  # The plainest output is the fastest.
    try:
      output.encode()  # The fastest way to find bytes that are no character.
    except UnicodeEncodeError:
      output = _mend(output)
    if _OTHER_SPACE.search(text):
      return output.split()  # Drops words that are white space, such as U+3000.
    words = output.split(" ")  # Takes a third less time.
    del words[-1]  # The line's end.
    return words


# White space that MeCab may take for a word, or for a part of one.
_OTHER_SPACE = re.compile(r"[^\S ]")


# mecab-python3 gives bytes that are no UTF-8 as these.
_BROKEN = re.compile("[\udc80-\udcff][ \udc80-\udcff]*")


def _mend(output):
  """Puts word ends within a character behind it.

  jumandic has a word of で and two thirds of any hiragana.
  """
  output = _BROKEN.sub(lambda match: match[0].replace(" ", "") + " ", output)
  return output.encode("utf-8", "surrogateescape").decode("utf-8")


class Jumanpp(_Analyser):
  """The program Juman++, version 1 or 2, as a child process that answers line by line.

  It is started for the first text, and again where it has died or after a fork. White
  space but U+3000 reaches it as spaces, NUL too. A text of more than 1,000 characters
  is cut as in `Mecab`: version 2 takes 4,096 bytes.
  """

  _LONGEST = 1000
  _UNSAFE = re.compile(r"[^\S \u3000]|[\0\ud800-\udfff]")

  def __init__(self, command: str = "jumanpp", timeout_seconds: float = 60):
    """Looks for the program.

    Args:
      command: name or path, and options if any, as in a shell.
      timeout_seconds: how long to wait for the answer to a line; the first includes
        the time to load the model.

    Raises:
      FileNotFoundError: there is no such program.
    """
    if not shutil.which(shlex.split(command)[0]):
      raise FileNotFoundError(
        f"--tokenizer needs the program Juman++, but {command!r} was not found: install "
        "it from https://github.com/ku-nlp/jumanpp (it is no Python package) and put it "
        "on PATH"
      )
    self.command = command
    self.timeout_seconds = timeout_seconds
    self._child = None

  def __reduce__(self):
    return Jumanpp, (self.command, self.timeout_seconds)

  def __repr__(self):
    return f"Jumanpp({self.command!r})"

  def close(self) -> None:
    """Ends the child process; the next text starts another."""
    if self._child:
      self._child.close()
      self._child = None

  def _analyse(self, text):
    if not text or text.isspace():
      return []
    # A line that starts with # would be a comment; white space before changes no word.
    line = f" {text}" if text.startswith("#") else text
    words = " ".join(_surfaces(self._ask(line))).split()
    if "".join(words) != "".join(text.split()):
      raise ChildProcessError(
        f"{self.command!r} was expected to give the words of {_start(text)} and gave "
        f"{_start(' '.join(words))}; try it by hand and see --tokenizer for others"
      )
    return words

  def _ask(self, line):
    if self._child and self._child.owner != os.getpid():
      self._child = None  # The parent process goes on using it.
    while True:
      is_new = not self._child
      if is_new:
        self._child = _Child(self.command)
      try:
        return self._child.ask(line, self.timeout_seconds)
      except TimeoutError:
        self.close()
        raise ChildProcessError(
          f"{self.command!r} gave no answer within {self.timeout_seconds:g} seconds "
          f"for {_start(line)}; try it by hand with this text"
        ) from None
      except (EOFError, BrokenPipeError):
        status = self._child.close(grace_seconds=1)
        self._child = None
        if is_new:  # One that has served before may have been ended from outside.
          raise ChildProcessError(
            f"{self.command!r} ended with status {status} at {_start(line)}; its own "
            "message stands above, if it gave one; try it by hand with this text"
          ) from None


class _Child:
  """A process that answers each line with lines, the last of which is EOS.

  Attributes:
    owner: id of the process that started it.
  """

  def __init__(self, command):
    self.owner = os.getpid()
    self._process = subprocess.Popen(
      shlex.split(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    self._selector = selectors.DefaultSelector()
    self._selector.register(self._process.stdout, selectors.EVENT_READ)
    self._end = weakref.finalize(
      self, _end_process, self._process, self._selector, self.owner
    )

  def ask(self, line, timeout_seconds):
    """Lines of the answer without EOS.

    Raises:
      TimeoutError: no whole answer in this time; close the child.
      EOFError, BrokenPipeError: it has ended.
    """
    deadline = time.monotonic() + timeout_seconds
    # One request at a time, and shorter than a pipe's buffer: this never waits.
    self._process.stdin.write(f"{line}\n".encode())
    self._process.stdin.flush()
    answer = bytearray(b"\n")
    while not answer.endswith(b"\nEOS\n"):
      if not self._selector.select(max(0.0, deadline - time.monotonic())):
        raise TimeoutError
      received = os.read(self._process.stdout.fileno(), 1 << 16)
      if not received:
        raise EOFError
      answer += received
    return answer.decode("utf-8", "replace").split("\n")[1:-2]

  def close(self, grace_seconds=0):
    """Ends the process and returns its status: its own if it ends within the grace."""
    with contextlib.suppress(subprocess.TimeoutExpired):
      self._process.wait(grace_seconds)
    self._end()
    return self._process.returncode


def _end_process(process, selector, owner):
  if owner != os.getpid():  # After a fork it belongs to the parent.
    return
  selector.close()
  process.kill()
  process.wait()
  process.stdout.close()
  with contextlib.suppress(OSError):  # What was not sent is lost.
    process.stdin.close()


# A line of another analysis of the word before is @ and that analysis. The word @
# itself has @ as surface, reading and base form, then a part of speech.
_ALTERNATIVE = re.compile("@ (?!@ @ (?!@ ))")


def _surfaces(lines):
  r"""First fields of Juman++'s lines; that of a space is `\ `."""
  for line in lines:
    if not _ALTERNATIVE.match(line) and not line.startswith("\\  "):
      yield line.split(" ", 1)[0]


def _stand_in(match):
  """White space for what counts as such; of surrogates, what decoders put for them."""
  return "\ufffd" if "\ud800" <= match[0] <= "\udfff" else " "


def _parts(text: str, longest: int) -> Iterator[str]:
  """Cuts a text into parts of at most `longest` characters."""
  start = 0
  while len(text) - start > longest:
    limit = start + longest
    for marks in ("。\n", " \u3000"):
      cut = max(text.rfind(mark, start, limit) for mark in marks) + 1
      if cut:
        break
    else:
      cut = limit
    yield text[start:cut]
    start = cut
  yield text[start:]


def _locate(words: Iterable[str], text: str) -> list[Span]:
  """Spans of words that stand in the text in this order."""
  spans, end = [], 0
  for word in words:
    start = text.index(word, end)
    end = start + len(word)
    spans.append((start, end))
  return spans


def _start(text):
  return repr(text if len(text) <= 30 else text[:30] + "...")
