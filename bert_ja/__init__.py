"""BERT for Japanese on TensorFlow 2.

The names below are imported when first used, so `import bert_ja` is cheap.
"""

from bert_ja import lazy

__version__ = "0.1.0"

__getattr__ = lazy.names(
  __name__,
  {
    "AdamWeightDecayOptimizer": "bert_ja.optimization",
    "BertConfig": "bert_ja.modeling",
    "BertModel": "bert_ja.modeling",
    "Encoder": "bert_ja.encoding.encoder",
    "Estimator": "bert_ja.estimator",
    "FullTokenizer": "bert_ja.tokenization",
    "InputExample": "bert_ja.tasks.base",
    "MaskFiller": "bert_ja.mask_filling",
    "ModelSpec": "bert_ja.run_config",
    "PairScorer": "bert_ja.pair_scoring",
    "RunConfig": "bert_ja.run_config",
    "create_optimizer": "bert_ja.optimization",
    "init_from_checkpoint": "bert_ja.checkpoint",
  },
)
