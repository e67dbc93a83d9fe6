"""Twenty documents in the form of the RCQA data, with all that is hard in them."""

import gzip
import json
import pathlib

from bert_ja.tasks import rcqa

# (qid, timestamp, question, answer, [(text, score)]): twenty documents.
ROWS = (
  (
    "駅-01",
    "2007/12/31 23:59:59",
    "ラーメン 屋は\u3000どこにある？",
    "駅前",
    [
      ("店は駅前にある。駅前には　バスも止まる。", 5),
      ("駅\n前の店は、休みだった。", 2),
      ("店は駅▁前から移った。駅前はさびしい。", 3),
      ("店は駅前にない。", 1),
      ("駅の前に店がある。", 4),
    ],
  ),
  (
    "02",
    "2008-01-02T10:00:00",
    "ｶﾗｵｹはＣＤより Cheap？",
    "ｶﾗｵｹ Box",
    [
      ("ＢＯＸのｶﾗｵｹ Boxは安い。", 2),
      ("カラオケ\u3000BOX は\n高い。ｶﾗｵｹ\u3000Boxも。", 5),
      ("▁ｶﾗ ▁ｵｹBox▁", 3),
      ("ピアノを弾いた。", 0),
    ],
  ),
  ("none", "2009/01/01", "文書のない質問？", "なし", []),
  (
    "03",
    "2009/1/1",
    "会議は何階で始まる？",
    "三階",
    [
      ("明日の会議は三階の部屋で始まります。三階は広い。", 4),
      ("\u3000会議は\u3000三\u3000階\u3000です。\n", 2.5),
      ("会議はない。", 0),
    ],
  ),
  (
    "0004",
    "2009-12-31",
    "何を食べた？",
    "\u3000パン\n",
    [("朝はﾊﾟﾝ、昼もパンを食べた。", 2), ("パ ンとハ゜ン", 2), ("", 0)],
  ),
  (
    "05",
    "2010/01/01 00:00:00",
    "Who sleeps?",
    "The DOG",
    [
      ("The dog and the cat. The DOG sleeps.", 3),
      ("the\u3000dog, Ｔｈｅ　ＤＯＧ", 2),
      ("A cat.", 1),
    ],
  ),
  (
    "06",
    "2011-05-05",
    "答えは？",
    " ▁\u3000",
    [("▁ ▁", 5), ("犬は庭で寝ています。", 2)],
  ),
)


def write(path, rows=ROWS, compress=True):
  """Writes a file in the form of the data; returns its path."""
  names = ("qid", "timestamp", "question", "answer", "documents")
  lines = []
  for row in rows:
    values = dict(zip(names, row, strict=True), competition="made")
    documents = [{"title": "x", "text": t, "score": s} for t, s in row[-1]]
    lines.append(json.dumps({**values, "documents": documents}) + "\n")
  data = "".join(lines).encode()
  path.write_bytes(gzip.compress(data) if compress else data)
  return str(path)


def read(output_dir, suffix):
  paths = rcqa.output_files(str(output_dir), suffix)
  return {
    split: json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    for split, path in paths.items()
  }
