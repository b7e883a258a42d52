#!/usr/bin/env python3
"""Train mini-encoder, a BERT masked language model, from the encoded corpus.

    train_encoder.py [--minutes 10] [--device cpu|cuda]            go on from the checkpoint
    train_encoder.py --decay-steps 300 --release ../models/mini-encoder
                                                                   decay from the checkpoint and publish

Each call goes on where the last one stopped; the checkpoint is in WORK/encoder/run.
"""
import argparse
import json
import os
import shutil
from pathlib import Path

import numpy
import torch
from torch.nn import functional as F

import loop
import wordpiece
from encoder import BertForMaskedLM

TOKENIZER_FILES = ("tokenizer.json", "vocab.txt", "tokenizer_config.json", "special_tokens_map.json")


def configuration(vocabulary: int, layers: int, width: int, heads: int, positions: int) -> dict:
    return {
        "architectures": ["BertForMaskedLM"], "model_type": "bert", "vocab_size": vocabulary,
        "hidden_size": width, "num_hidden_layers": layers, "num_attention_heads": heads, "intermediate_size": 4 * width,
        "hidden_act": "gelu", "max_position_embeddings": positions, "type_vocab_size": 2, "layer_norm_eps": 1e-12,
        "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "initializer_range": 0.02,
        "position_embedding_type": "absolute", "pad_token_id": wordpiece.PAD, "tie_word_embeddings": True,
        "torch_dtype": "float16",
    }


class Batches:
    """Windows of the token stream that start where a paragraph starts: [CLS] text [SEP] text ... [SEP]."""

    # Short windows are cheap and are what a line in an editor looks like; long ones train the far positions.
    LENGTHS = (32, 64, 128, 128, 256)

    def __init__(self, tokens: numpy.ndarray, vocabulary: int, tokens_a_step: int, mask_rate: float, seed: int):
        self.tokens = tokens
        self.starts = numpy.flatnonzero(tokens[:-max(self.LENGTHS)] == wordpiece.SEP) + 1
        self.vocabulary, self.tokens_a_step, self.mask_rate, self.seed = vocabulary, tokens_a_step, mask_rate, seed

    def __call__(self, step: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Masked ids [rows, length], flat indices of the masked places, and the ids that belong there."""
        random = numpy.random.default_rng((self.seed, step))
        length = self.LENGTHS[random.integers(len(self.LENGTHS))]
        rows = self.tokens_a_step // length
        start = random.choice(self.starts, rows)
        ids = numpy.empty((rows, length), dtype=numpy.int64)
        ids[:, 0], ids[:, -1] = wordpiece.CLS, wordpiece.SEP
        ids[:, 1:-1] = self.tokens[start[:, None] + numpy.arange(length - 2)]
        chosen = numpy.flatnonzero((random.random(ids.shape) < self.mask_rate) & (ids >= len(wordpiece.SPECIAL)))
        flat = ids.reshape(-1)
        targets = flat[chosen].copy()
        kind = random.random(len(chosen))
        flat[chosen[kind < 0.8]] = wordpiece.MASK
        swapped = chosen[kind > 0.9]
        flat[swapped] = random.integers(len(wordpiece.SPECIAL), self.vocabulary, len(swapped))
        return torch.from_numpy(ids), torch.from_numpy(chosen), torch.from_numpy(targets)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path(__file__).parent / "work")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--max-steps", type=int, default=10**9)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--positions", type=int, default=256)
    parser.add_argument("--tokens-a-step", type=int, default=4096)
    parser.add_argument("--mask-rate", type=float, default=0.3)
    parser.add_argument("--matrix-rate", type=float, default=0.01)
    parser.add_argument("--other-rate", type=float, default=2e-3)
    parser.add_argument("--weight-decay", type=float, default=0.1)
    parser.add_argument("--warmup", type=int, default=200)
    parser.add_argument("--save-minutes", type=float, default=3)
    parser.add_argument("--decay-steps", type=int, default=0)
    parser.add_argument("--release", type=Path)
    parser.add_argument("--seed", type=int, default=8)
    options = parser.parse_args()

    folder = options.work / "encoder"
    vocabulary = len(wordpiece.WordPiece.load(folder).vocabulary)
    run = folder / "run"
    run.mkdir(parents=True, exist_ok=True)
    described = run / "config.json"
    if described.exists():  # the checkpoint's own shape wins over the options
        config = json.loads(described.read_text())
    else:
        config = configuration(vocabulary, options.layers, options.width, options.heads, options.positions)
        described.write_text(json.dumps(config, indent=2) + "\n")

    torch.manual_seed(options.seed)
    model = BertForMaskedLM(config).to(options.device)
    batches = Batches(numpy.fromfile(folder / "train.u16", dtype="<u2"), vocabulary, options.tokens_a_step, options.mask_rate, options.seed)
    optimiser = loop.Optimiser(model, options.matrix_rate, options.other_rate, options.weight_decay)

    def loss_of(step: int) -> torch.Tensor:
        ids, chosen, targets = (tensor.to(options.device, non_blocking=True) for tensor in batches(step))
        hidden, _ = model.hidden(ids)
        return F.cross_entropy(model.logits(hidden.flatten(0, 1)[chosen]).float(), targets)

    step = loop.train(model, loss_of, optimiser, run, minutes=options.minutes, warmup=options.warmup,
                      tokens_a_step=options.tokens_a_step, save_minutes=options.save_minutes,
                      max_steps=options.max_steps, decay_steps=options.decay_steps, device=options.device)
    if options.release:
        publish(model, config, folder, options.release)
        record = {"steps": step, "decay_steps": options.decay_steps, "tokens": step * options.tokens_a_step,
                  "tokens_a_step": options.tokens_a_step, "mask_rate": options.mask_rate, "device": options.device,
                  "matrix_rate": options.matrix_rate, "other_rate": options.other_rate, "seed": options.seed,
                  "corpus_tokens": len(batches.tokens)}
        (folder / "release.json").write_text(json.dumps(record, indent=2) + "\n")
        print(f"{options.release}: {step} steps, {record['tokens'] / 1e6:.1f} M tokens")


def publish(model: BertForMaskedLM, config: dict, tokenizer: Path, release: Path) -> None:
    release.mkdir(parents=True, exist_ok=True)
    for name in TOKENIZER_FILES:
        shutil.copyfile(tokenizer / name, release / name)
    (release / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    partial = release / "model.safetensors.partial"
    loop.write_safetensors(partial, model.state_dict().items())
    os.replace(partial, release / "model.safetensors")


if __name__ == "__main__":
    main()
