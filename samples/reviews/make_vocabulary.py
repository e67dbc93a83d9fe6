"""Makes vocab.txt from train.csv, and sets its size in bert_config.json.

    python samples/reviews/make_vocabulary.py

The tokenizer puts spaces around every kanji and punctuation mark, so only runs of kana,
Latin letters and digits form pieces of several characters. These come from merging the
most frequent neighbours in the runs of train.csv.
"""

import collections
import csv
import json
import pathlib
import re

HERE = pathlib.Path(__file__).parent
SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
MARKS = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~、。，．・：；？！…‥～〜「」『』（）【】《》〈〉“”‘’％＆＋－＝／￥♪☆★※→"
LATIN = (
  "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ０１２３４５６７８９"
)
KANA = "".join(map(chr, [*range(0x3041, 0x3097), *range(0x30A1, 0x30FB)])) + "ー々"
# Learnt in the first three years of school.
COMMON_KANJI = (
  "一右雨円王音下火花貝学気九休玉金空月犬見五口校左三山子四糸字耳七車手十出女小上森"
  "人水正生青夕石赤千川先早草足村大男竹中虫町天田土二日入年白八百文木本名目立力林六"
  "引羽雲園遠何科夏家歌画回会海絵外角楽活間丸岩顔汽記帰弓牛魚京強教近兄形計元言原戸"
  "古午後語工公広交光考行高黄合谷国黒今才細作算止市矢姉思紙寺自時室社弱首秋週春書少"
  "場色食心新親図数西声星晴切雪船線前組走多太体台地池知茶昼長鳥朝直通弟店点電刀冬当"
  "東答頭同道読内南肉馬売買麦半番父風分聞米歩母方北毎妹万明鳴毛門夜野友用曜来里理話"
  "悪安暗医委意育員院飲運泳駅央横屋温化荷界開階寒感漢館岸起期客究急級宮球去橋業曲局"
  "銀区苦具君係軽血決研県庫湖向幸港号根祭皿仕死使始指歯詩次事持式実写者主守取酒受州"
  "拾終習集住重宿所暑助昭消商章勝乗植申身神真深進世整昔全相送想息速族他打対待代第題"
  "炭短談着注柱丁帳調追定庭笛鉄転都度投豆島湯登等動童農波配倍箱畑発反坂板皮悲美鼻筆"
  "氷表秒病品負部服福物平返勉放味命面問役薬由油有遊予羊洋葉陽様落流旅両緑礼列練路和"
)
KANJI = "[\u3400-\u4dbf\u4e00-\u9fff]"
LEAST_COUNT = 4  # a merge seen less often than this teaches a model nothing


def read_texts(name):
  with open(HERE / name, encoding="utf-8", newline="") as reader:
    return [row["text"].lower() for row in csv.DictReader(reader)]


def merged_pieces(runs):
  """Pieces made by merging the most frequent pair of neighbours again and again.

  Args:
    runs: {run: count}.

  Returns:
    Pieces of two characters and more in the order of merging; `##` in front of those
    that continue a run.
  """
  split = {run: [run[0], *("##" + c for c in run[1:])] for run in runs}
  pieces = []
  while True:
    pairs = collections.Counter()
    for run, parts in split.items():
      for pair in zip(parts, parts[1:], strict=False):
        pairs[pair] += runs[run]
    if not pairs:
      return pieces
    # The smaller text wins among equals, so that the file can be made again.
    (left, right), count = min(pairs.items(), key=lambda item: (-item[1], item[0]))
    if count < LEAST_COUNT:
      return pieces
    pieces.append(left + right.removeprefix("##"))
    split = {run: merged(parts, left, right) for run, parts in split.items()}


def merged(parts, left, right):
  result = []
  for part in parts:
    if result and (result[-1], part) == (left, right):
      result[-1] = left + right.removeprefix("##")
    else:
      result.append(part)
  return result


def main():
  texts = read_texts("train.csv")
  word = f"[{LATIN}{KANA}]+"
  runs = collections.Counter(run for text in texts for run in re.findall(word, text))
  kanji = sorted(set(re.findall(KANJI, "".join(texts))) | set(COMMON_KANJI))
  characters = [*LATIN, *KANA, *kanji]
  # Front ends that split by words have kanji inside pieces, so these get `##` too.
  continued = ["##" + character for character in characters]
  entries = [*SPECIALS, *MARKS, *characters, *continued, *merged_pieces(runs)]
  entries = list(dict.fromkeys(entries))
  (HERE / "vocab.txt").write_text("\n".join(entries) + "\n", encoding="utf-8")
  config_file = HERE / "bert_config.json"
  config = json.loads(config_file.read_text(encoding="utf-8"))
  config["vocab_size"] = len(entries)
  config_file.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
  main()
