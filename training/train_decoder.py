#!/usr/bin/env python3
"""Train mini-decoder, a causal language model in LLaMA layout, from the encoded corpus.

    train_decoder.py [--minutes 10] [--device cpu|cuda]            go on from the checkpoint
    train_decoder.py --decay-steps 300 --release ../models/mini-decoder
                                                                   decay from the checkpoint and publish

Each call goes on where the last one stopped; the checkpoint is in WORK/decoder/run.
"""
import argparse
from pathlib import Path

import numpy
import torch
from torch.nn import functional as F

import loop
import tokenizer
from decoder import LlamaForCausalLM


def configuration(options: argparse.Namespace) -> dict:
    return {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": options.vocabulary,
        "hidden_size": options.width, "num_hidden_layers": options.layers, "num_attention_heads": options.heads,
        "num_key_value_heads": options.heads, "head_dim": options.width // options.heads,
        # Three matrices instead of two: 8/3 of the width costs what 4 times would; a multiple of 16 for SIMD.
        "intermediate_size": 16 * round(options.width * 8 / 3 / 16), "hidden_act": "silu",
        "max_position_embeddings": tokenizer.POSITIONS["decoder"], "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "rope_scaling": None,
        "attention_bias": False, "mlp_bias": False, "attention_dropout": 0.0, "initializer_range": 0.02,
        "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1, "tie_word_embeddings": True, "torch_dtype": "float16",
    }


class Batches:
    """Windows that start where a document or a paragraph starts, after <s>.

    One row in eight says its first tokens again and again. Copying from context (induction heads, Olsson et al. 2022)
    comes late in training, after more tokens than a CPU sees in hours; running text repeats itself too rarely to
    bring it sooner. The period is drawn for each row: with a fixed one a head could copy by position alone.
    """

    LENGTHS = (64, 128, 256, 256)
    REPEATING = 1 / 8
    SHORTEST_PERIOD = 8

    def __init__(self, tokens: numpy.ndarray, line_breaks: list[int], tokens_a_step: int, seed: int):
        self.tokens = tokens
        self.starts = numpy.flatnonzero(numpy.isin(tokens[:-max(self.LENGTHS)], [tokenizer.END_OF_TEXT, *line_breaks])) + 1
        self.tokens_a_step, self.seed = tokens_a_step, seed

    def __call__(self, step: int) -> torch.Tensor:
        random = numpy.random.default_rng((self.seed, step))
        length = self.LENGTHS[random.integers(len(self.LENGTHS))]
        start = random.choice(self.starts, self.tokens_a_step // length)
        ids = numpy.empty((len(start), length), dtype=numpy.int64)
        ids[:, 0] = tokenizer.END_OF_TEXT
        ids[:, 1:] = self.tokens[start[:, None] + numpy.arange(length - 1)]
        for row in ids[:, 1:]:
            if random.random() < self.REPEATING:
                row[:] = numpy.resize(row[:random.integers(self.SHORTEST_PERIOD, length // 2)], len(row))
        return torch.from_numpy(ids)


def main() -> None:
    parser = loop.options(__doc__, layers=4, width=128, heads=4, tokens_a_step=2048)
    options = parser.parse_args()
    folder = options.work / "decoder"
    trained = tokenizer.bpe.ByteBpe.load(folder)
    options.vocabulary = len(trained.vocabulary)
    config = loop.configured(folder / "run", configuration, options)
    torch.manual_seed(options.seed)
    model = LlamaForCausalLM(config).to(options.device)
    line_breaks = [i for i, token in enumerate(trained.vocabulary) if i >= len(trained.special) and "Ċ" in token]
    batches = Batches(numpy.fromfile(folder / "train.u16", dtype="<u2"), line_breaks, options.tokens_a_step, options.seed)

    def loss_of(step: int) -> torch.Tensor:
        ids = batches(step).to(options.device, non_blocking=True)
        logits, _ = model(ids[:, :-1])
        return F.cross_entropy(logits.flatten(0, 1).float(), ids[:, 1:].flatten())

    loop.run(model, config, loss_of, folder, options, corpus_tokens=len(batches.tokens))


if __name__ == "__main__":
    main()
