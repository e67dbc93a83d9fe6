#!/usr/bin/env bash
# Makes the model that comes with the package: about four and a half hours on two cores.
#
#   benchmarks/bert_ja_small.sh DATA WORK
#
# DATA holds aozora/aozora_sample.tar.gz, jaquad/{train,dev}/*.json and
# livedoor/ldcc-20140209.tar.gz; the model is WORK/bert-ja-small. A run that was ended
# goes on where it stopped when it is started again.
set -euo pipefail
data=$1 work=$2
root=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-$root/.venv/bin/python}
bert_ja() { "$python" -m bert_ja "$@"; }

# --- Text: the articles that livedoor's task is developed and tested on stay out ------

mkdir -p "$work/text" "$work/held_out"
bert_ja livedoor --archive="$data/livedoor/ldcc-20140209.tar.gz" --output_dir="$work/livedoor"
bert_ja corpus --format=aozora --input="$data/aozora/aozora_sample.tar.gz" \
  --output_file="$work/text/aozora.txt" --num_files=6 --min_characters=200
bert_ja corpus --format=table --input="$work/livedoor/train.tsv" \
  --output_file="$work/text/livedoor.txt" --num_files=2
bert_ja corpus --format=squad --input="$data/jaquad/train/*.json" \
  --output_file="$work/text/jaquad.txt"
bert_ja corpus --format=squad --input="$data/jaquad/dev/*.json" \
  --output_file="$work/held_out/jaquad.txt"

# --- Vocabulary and configuration -----------------------------------------------------

if ! test -e "$work/vocabulary/tokenizer_config.json"; then
  bert_ja vocabulary --kind=sentencepiece --input_file="$work/text/*.txt" \
    --vocab_size=14000 --max_sentences=400000 --output_dir="$work/vocabulary"
fi
cp "$root/benchmarks/configs/bert_ja_small.json" "$work/vocabulary/bert_config.json"

# --- Records --------------------------------------------------------------------------

records() { # name, length, predictions, passes, shards, text; more flags
  "$python" "$root/create_pretraining_data.py" --model_dir="$work/vocabulary" \
    --output_file="$work/records/$1_$2.tfrecord" --max_seq_length="$2" \
    --max_predictions_per_seq="$3" --dupe_factor="$4" --num_shards="$5" \
    --input_file="$6" --num_workers=2 "${@:7}"
}
modern="$work/text/livedoor*.txt,$work/text/jaquad.txt"
for shape in "32 5 1 2" "128 20 2 5" "512 77 1 2"; do
  read -r length predictions old_passes modern_passes <<< "$shape"
  # Modern text is the smaller part of the corpus, and what the model is used on.
  records aozora "$length" "$predictions" "$old_passes" 6 "$work/text/aozora*.txt" \
    --nostatic_masking
  records modern "$length" "$predictions" "$modern_passes" 3 "$modern" --nostatic_masking
  records held_out "$length" "$predictions" 1 1 "$work/held_out/*.txt"
done

# --- Training on all text: 8,192 pieces a step ----------------------------------------

phase() { # directory of weights or of a vocabulary, output, length, predictions, batch; more
  "$python" "$root/run_pretraining.py" --model_dir="$work/$1" --output_dir="$work/$2" \
    --do_train --dynamic_masking \
    --input_file="$work/records/${texts:-*}_$3-*.tfrecord" \
    --eval_file="$work/records/held_out_$3.tfrecord" --max_seq_length="$3" \
    --max_predictions_per_seq="$4" --train_batch_size="$5" --eval_batch_size="$5" \
    --max_eval_steps=$((2560 / $5)) --eval_steps=200 --save_checkpoints_steps=200 \
    --keep_checkpoint_max=2 --precision=bfloat16 --seed=1 "${@:6}"
}
at_first="--random_init --learning_rate=5e-4 --num_warmup_steps=400"
phase vocabulary model 32 5 256 $at_first --num_train_steps="${STEPS_32:-1600}" \
  --lr_schedule=constant
phase vocabulary model 128 20 64 $at_first --num_train_steps="${STEPS_128:-6600}"
# Positions from 128 on begin with the vectors of the first 128, not with random numbers.
bert_ja convert --input="$work/model" --output="$work/start_512" --format=tf1 \
  --strip_optimizer --trained_positions=128 --overwrite
phase start_512 model_512 512 77 16 --num_train_steps="${STEPS_512:-500}" \
  --learning_rate=3e-4 --num_warmup_steps=50
# The first positions, and next sentences, once more: the rate falls from 2e-4 to 0.
phase start_512 model_512 128 20 64 --num_train_steps="${STEPS_LAST:-1000}" \
  --learning_rate=4e-4 --num_warmup_steps=50

# --- Training on modern text, without dropout: eight passes are too few to overfit ----

sed 's/dropout_prob": 0.1/dropout_prob": 0.0/' "$work/vocabulary/bert_config.json" \
  > "$work/no_dropout.json"
texts=modern
phase model_512 model_modern 128 20 32 --num_train_steps="${STEPS_MODERN:-9000}" \
  --learning_rate=3e-4 --num_warmup_steps=400 --bert_config_file="$work/no_dropout.json"
phase model_modern model_last 512 77 16 --num_train_steps="${STEPS_MODERN_512:-300}" \
  --learning_rate=1.5e-4 --num_warmup_steps=50 --bert_config_file="$work/no_dropout.json"

# --- The model as it is shipped, with the dropout that fine-tuning wants --------------

bert_ja convert --input="$work/model_last" --output="$work/bert-ja-small" --format=tf1 \
  --strip_optimizer --dtype=float16 --overwrite
cp "$work/vocabulary/bert_config.json" "$work/bert-ja-small/"
cp "$work/model/learning_curve".* "$work/bert-ja-small/"
for phase in 512 modern last; do
  for suffix in csv png; do
    cp "$work/model_$phase/learning_curve.$suffix" \
      "$work/bert-ja-small/learning_curve_$phase.$suffix"
  done
done
