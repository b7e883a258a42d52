#!/usr/bin/env python3
"""Train mini-encoder, a BERT masked language model, from the encoded corpus.

    train_encoder.py [--minutes 10] [--device cpu|cuda]            go on from the checkpoint
    train_encoder.py --decay-steps 300 --release ../models/mini-encoder
                                                                   decay from the checkpoint and publish

Each call goes on where the last one stopped; the checkpoint is in WORK/encoder/run.
"""
import argparse

import numpy
import torch
from torch.nn import functional as F

import loop
import wordpiece
from encoder import BertForMaskedLM
from tokenizer import POSITIONS

MASK_RATE = 0.3  # more than BERT's 15 %: a small model on few tokens learns faster from more targets


def configuration(options: argparse.Namespace) -> dict:
    return {
        "architectures": ["BertForMaskedLM"], "model_type": "bert", "vocab_size": options.vocabulary,
        "hidden_size": options.width, "num_hidden_layers": options.layers, "num_attention_heads": options.heads,
        "intermediate_size": 4 * options.width, "hidden_act": "gelu",
        "max_position_embeddings": POSITIONS["encoder"], "type_vocab_size": 2, "layer_norm_eps": 1e-12,
        "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "initializer_range": 0.02,
        "position_embedding_type": "absolute", "pad_token_id": wordpiece.PAD, "tie_word_embeddings": True,
        "torch_dtype": "float16",
    }


class Batches:
    """Windows of the token stream that start where a paragraph starts: [CLS] text [SEP] text ... [SEP]."""

    # Short windows are cheap and are what a line in an editor looks like; long ones train the far positions.
    LENGTHS = (32, 64, 128, 128, 256)

    def __init__(self, tokens: numpy.ndarray, vocabulary: int, tokens_a_step: int, seed: int):
        self.tokens = tokens
        self.starts = numpy.flatnonzero(tokens[:-max(self.LENGTHS)] == wordpiece.SEP) + 1
        self.vocabulary, self.tokens_a_step, self.seed = vocabulary, tokens_a_step, seed

    def __call__(self, step: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Masked ids [rows, length], flat indices of the masked places, and the ids that belong there."""
        random = numpy.random.default_rng((self.seed, step))
        length = self.LENGTHS[random.integers(len(self.LENGTHS))]
        rows = self.tokens_a_step // length
        start = random.choice(self.starts, rows)
        ids = numpy.empty((rows, length), dtype=numpy.int64)
        ids[:, 0], ids[:, -1] = wordpiece.CLS, wordpiece.SEP
        ids[:, 1:-1] = self.tokens[start[:, None] + numpy.arange(length - 2)]
        chosen = numpy.flatnonzero((random.random(ids.shape) < MASK_RATE) & (ids >= len(wordpiece.SPECIAL)))
        flat = ids.reshape(-1)
        targets = flat[chosen].copy()
        kind = random.random(len(chosen))
        flat[chosen[kind < 0.8]] = wordpiece.MASK
        swapped = chosen[kind > 0.9]
        flat[swapped] = random.integers(len(wordpiece.SPECIAL), self.vocabulary, len(swapped))
        return torch.from_numpy(ids), torch.from_numpy(chosen), torch.from_numpy(targets)


def main() -> None:
    options = loop.options(__doc__, layers=4, width=128, heads=4, tokens_a_step=2048).parse_args()
    folder = options.work / "encoder"
    options.vocabulary = len(wordpiece.WordPiece.load(folder).vocabulary)
    config = loop.configured(folder / "run", configuration, options)
    torch.manual_seed(options.seed)
    model = BertForMaskedLM(config).to(options.device)
    batches = Batches(numpy.fromfile(folder / "train.u16", dtype="<u2"), options.vocabulary, options.tokens_a_step, options.seed)

    def loss_of(step: int) -> torch.Tensor:
        ids, chosen, targets = (tensor.to(options.device, non_blocking=True) for tensor in batches(step))
        hidden, _ = model.hidden(ids)
        return F.cross_entropy(model.logits(hidden.flatten(0, 1)[chosen]).float(), targets)

    loop.run(model, config, loss_of, folder, options, corpus_tokens=len(batches.tokens))


if __name__ == "__main__":
    main()
