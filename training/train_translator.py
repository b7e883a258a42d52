#!/usr/bin/env python3
"""Train mini-translator, an encoder-decoder in Marian layout, from the encoded parallel corpus.

    train_translator.py [--minutes 10] [--device cpu|cuda]         go on from the checkpoint
    train_translator.py --decay-steps 300 --release ../models/mini-translator
                                                                   decay from the checkpoint and publish

Each call goes on where the last one stopped; the checkpoint is in WORK/translator/run.
"""
import argparse

import numpy
import torch
from torch.nn import functional as F

import loop
import tokenizer
from translator import DROPOUT, PAD, MarianMTModel

LONGEST = 128


def configuration(options: argparse.Namespace) -> dict:
    return {
        "architectures": ["MarianMTModel"], "model_type": "marian", "is_encoder_decoder": True,
        "vocab_size": options.vocabulary, "decoder_vocab_size": options.vocabulary, "d_model": options.width,
        "encoder_layers": options.layers, "decoder_layers": options.layers, "num_hidden_layers": options.layers,
        "encoder_attention_heads": options.heads, "decoder_attention_heads": options.heads,
        "encoder_ffn_dim": 4 * options.width, "decoder_ffn_dim": 4 * options.width, "activation_function": "swish",
        "max_position_embeddings": tokenizer.POSITIONS["translator"], "scale_embedding": True, "static_position_embeddings": True,
        "normalize_before": False, "normalize_embedding": False, "add_final_layer_norm": False,
        "share_encoder_decoder_embeddings": True, "tie_word_embeddings": True, "dropout": DROPOUT, "attention_dropout": 0.0,
        "activation_dropout": 0.0, "init_std": 0.02, "eos_token_id": 0, "forced_eos_token_id": 0, "pad_token_id": PAD,
        "decoder_start_token_id": PAD, "torch_dtype": "float16",
    }


class Batches:
    """Pairs of about equal length, as many as fill the step; every row is padded at its end."""

    def __init__(self, archive: "numpy.lib.npyio.NpzFile", tokens_a_step: int, seed: int):
        self.ids, self.offsets = archive["ids"].astype(numpy.int64), archive["offsets"]
        lengths = numpy.diff(self.offsets).reshape(-1, 2)
        longest = lengths.max(1)
        self.order = numpy.flatnonzero(longest <= LONGEST)
        self.order = self.order[numpy.lexsort((lengths[self.order, 0], longest[self.order]))]
        self.longest = longest[self.order]
        self.tokens_a_step, self.seed = tokens_a_step, seed

    def side(self, pairs: numpy.ndarray, which: int) -> torch.Tensor:
        rows = [self.ids[self.offsets[2 * i + which]:self.offsets[2 * i + which + 1]] for i in pairs]
        padded = numpy.full((len(rows), max(map(len, rows))), PAD, dtype=numpy.int64)
        for row, ids in zip(padded, rows):
            row[:len(ids)] = ids
        return torch.from_numpy(padded)

    def __call__(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        random = numpy.random.default_rng((self.seed, step))
        at = int(random.integers(len(self.order)))
        # A random place in the order by length. The step's pairs are drawn from three times as many around it,
        # or pairs of equal length would always meet in the same batch.
        count = max(1, self.tokens_a_step // (2 * int(self.longest[at])))
        first = max(0, min(at, len(self.order) - 3 * count))
        near = self.order[first:first + 3 * count]
        chosen = random.choice(near, min(count, len(near)), replace=False)
        return self.side(chosen, 0), self.side(chosen, 1)


def main() -> None:
    options = loop.options(__doc__, layers=3, width=128, heads=4, tokens_a_step=2048).parse_args()
    folder = options.work / "translator"
    options.vocabulary = len(tokenizer.bpe.ByteBpe.load(folder).vocabulary)
    config = loop.configured(folder / "run", configuration, options)
    torch.manual_seed(options.seed)
    model = MarianMTModel(config).to(options.device)
    batches = Batches(numpy.load(folder / "train.npz"), options.tokens_a_step, options.seed)

    def loss_of(step: int) -> torch.Tensor:
        source, target = (ids.to(options.device, non_blocking=True) for ids in batches(step))
        memory, mask = model.encode(source)
        logits, _ = model.decode(F.pad(target[:, :-1], (1, 0), value=PAD), memory, mask)
        return F.cross_entropy(logits.flatten(0, 1).float(), target.flatten(), ignore_index=PAD, label_smoothing=0.1)

    loop.run(model, config, loss_of, folder, options, corpus_tokens=len(batches.ids))


if __name__ == "__main__":
    main()
