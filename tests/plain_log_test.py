"""Logs as another process shows them: this one's belong to pytest."""

import subprocess
import sys

import pytest

_PROGRAM = """
from absl import flags, logging
from bert_ja import plain_log
flags.FLAGS.mark_as_parsed()
plain_log.start({})
logging.info('made')
logging.warning('海')
"""


@pytest.mark.parametrize(
  ("verbosity", "lines"), [("", ["made", "海"]), ("logging.WARNING", ["海"])]
)
def test_lines_are_the_messages_alone(verbosity, lines):
  run = subprocess.run(
    [sys.executable, "-X", "utf8", "-c", _PROGRAM.format(verbosity)],
    capture_output=True,
    check=True,
  )
  assert run.stderr.decode().splitlines() == lines
