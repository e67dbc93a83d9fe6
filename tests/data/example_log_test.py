"""Lines of an example, as they stand in a log."""

import pytest

from bert_ja.data import example_log


def test_a_line_a_value_and_spaces_between_the_parts_of_one(info_lines):
  example_log.log_example(
    [("guid", "dev-1"), ("tokens", ["海", "##辺"]), ("id", 3), ("tags", ())]
  )
  assert info_lines() == [
    "*** Example ***",
    "guid: dev-1",
    "tokens: 海 ##辺",
    "id: 3",
    "tags: ",
  ]


@pytest.mark.parametrize(
  ("tokens", "warns"),
  [
    (["[UNK]"] * 3 + ["海"] * 9, True),
    (["[UNK]"] * 3 + ["海"] * 13, False),  # less than a fifth
    (["[UNK]"] * 2, False),  # too few to tell
    (["<unk>", "a"] * 3, True),
  ],
)
def test_many_unknown_pieces_are_told(tokens, warns, caplog):
  example_log.log_example([("tokens", iter(tokens))])
  messages = [row.getMessage() for row in caplog.records if row.levelname == "WARNING"]
  assert len(messages) == warns
  assert all("--vocab_file" in message for message in messages)
