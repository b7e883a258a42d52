#!/usr/bin/env python3
"""Measure a published mini-decoder on the held-out split and write its model card.

    evaluate_decoder.py ../models/mini-decoder [--work DIR] [--card]

Figures, from the published f16 weights:

    perplexity   per token, on windows of held-out documents
    kneser-ney   of an interpolated Kneser-Ney 5-gram model of the training split, on the same tokens
    previous     of the head that does it best, the mean weight on the token just left of the query
    induction    of the head that does it best, on a random sequence said twice: the mean weight, in the second
                 half, on the token that followed the query's first appearance
"""
import argparse
import json
import math
from pathlib import Path

import numpy
import torch

import bpe
import loop
import tokenizer
from decoder import LlamaForCausalLM

LENGTH, BATCH = 128, 16


class KneserNey:
    """Interpolated Kneser-Ney with one discount per order, n1 / (n1 + 2 n2) (Chen and Goodman 1998)."""

    def __init__(self, tokens: numpy.ndarray, vocabulary: int, order: int = 5):
        self.vocabulary = vocabulary
        tokens = tokens.astype(numpy.int64)
        self.codes: list[numpy.ndarray] = []  # sorted codes per order; the rank in them names the n-gram
        count = len(tokens)
        names = numpy.zeros(count, dtype=numpy.int64)  # of the (n-1)-gram that starts at each place
        ranks = []
        for n in range(1, order + 1):
            codes = names[:count - n + 1] * vocabulary + tokens[n - 1:]
            known, names, occurrences = numpy.unique(codes, return_inverse=True, return_counts=True)
            self.codes.append(known)
            ranks.append((names, occurrences))
        self.levels = []
        for n in range(1, order + 1):
            names, occurrences = ranks[n - 1]
            if n < order:
                # Lower orders count the different words that an n-gram follows, not how often it occurs.
                longer, _ = ranks[n]
                first = numpy.unique(longer, return_index=True)[1]
                counts = numpy.bincount(names[1:][first], minlength=len(occurrences)).astype(float)
            else:
                counts = occurrences.astype(float)
            once, twice = (counts == 1).sum(), (counts == 2).sum()
            discount = once / (once + 2 * twice) if once else 0.0
            history = self.codes[n - 1] // vocabulary
            contexts = len(self.codes[n - 2]) if n > 1 else 1
            self.levels.append((counts, discount, numpy.bincount(history, counts, contexts),
                                numpy.bincount(history, (counts > 0).astype(float), contexts)))

    def find(self, n: int, codes: numpy.ndarray) -> numpy.ndarray:
        """Ranks of n-grams, -1 where never seen."""
        at = numpy.searchsorted(self.codes[n - 1], codes).clip(max=len(self.codes[n - 1]) - 1)
        return numpy.where((codes >= 0) & (self.codes[n - 1][at] == codes), at, -1)

    def probabilities(self, windows: numpy.ndarray) -> numpy.ndarray:
        """P(last token | the tokens before it) for each row; a row has `order` tokens."""
        order = windows.shape[1]
        result = numpy.full(len(windows), 1 / self.vocabulary)
        for n in range(1, order + 1):
            context = numpy.zeros(len(windows), dtype=numpy.int64)
            for k in range(1, n):
                context = self.find(k, numpy.where(context < 0, -1, context * self.vocabulary + windows[:, order - n + k - 1]))
            gram = self.find(n, numpy.where(context < 0, -1, context * self.vocabulary + windows[:, -1]))
            counts, discount, totals, kinds = self.levels[n - 1]
            total = numpy.where(context < 0, 0, totals[context])
            with numpy.errstate(divide="ignore", invalid="ignore"):
                direct = numpy.where(gram < 0, 0, (counts[gram] - discount).clip(min=0)) / total
                mass = discount * numpy.where(context < 0, 0, kinds[context]) / total
            result = numpy.where(total > 0, direct + mass * result, result)
        return result


@torch.no_grad()
def measure(release: Path, work: Path, windows: int, seed: int) -> dict:
    config = json.loads((release / "config.json").read_text())
    model = LlamaForCausalLM(config).eval()
    model.load_state_dict(loop.read_safetensors(release / "model.safetensors"))
    heldout = numpy.fromfile(work / "decoder" / "heldout.u16", dtype="<u2").astype(numpy.int64)
    random = numpy.random.default_rng(seed)
    starts = random.choice(len(heldout) - LENGTH, windows, replace=False)
    ids = numpy.concatenate([numpy.full((windows, 1), tokenizer.END_OF_TEXT), heldout[starts[:, None] + numpy.arange(LENGTH)]], 1)
    losses, left = [], []
    for begin in range(0, windows, BATCH):
        batch = torch.from_numpy(ids[begin:begin + BATCH])
        logits, attentions = model(batch[:, :-1])
        losses.append(torch.nn.functional.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten(), reduction="none").view(len(batch), -1))
        left.append(torch.stack(attentions, 1).diagonal(-1, -2, -1)[..., 1:].mean(-1).double().mean(0))
    # The first four tokens of a window have no whole 5-gram: both models are judged on the rest.
    loss = torch.cat(losses)[:, 4:].double().mean()
    model_of_counts = KneserNey(numpy.fromfile(work / "decoder" / "train.u16", dtype="<u2"), config["vocab_size"])
    grams = numpy.lib.stride_tricks.sliding_window_view(ids[:, 1:], 5, axis=1).reshape(-1, 5)
    result = {"perplexity": math.exp(loss), "kneser_ney": float(numpy.exp(-numpy.log(model_of_counts.probabilities(grams)).mean())),
              "places": len(grams)}

    half = 48
    said = random.integers(len(tokenizer.DECODER_SPECIAL) + 256, config["vocab_size"], (16, half))
    _, attentions = model(torch.from_numpy(numpy.concatenate([numpy.full((16, 1), tokenizer.END_OF_TEXT), said, said], 1)))
    # Query at 1 + half + i, its first appearance at 1 + i, what followed it at 2 + i.
    induction = torch.stack(attentions, 1).diagonal(1 - half, -2, -1)[..., 2:].mean(-1).double().mean(0)
    for name, mean in (("previous", torch.stack(left).mean(0)), ("induction", induction)):
        layer, head = divmod(int(mean.argmax()), mean.shape[1])
        result[name] = {"weight": float(mean.max()), "layer": layer, "head": head}
    return result


@torch.no_grad()
def continued(release: Path, prompt: str, count: int) -> str:
    """The prompt and its most likely continuation."""
    model = LlamaForCausalLM(json.loads((release / "config.json").read_text())).eval()
    model.load_state_dict(loop.read_safetensors(release / "model.safetensors"))
    spelling = bpe.ByteBpe.load(release)
    ids = [tokenizer.END_OF_TEXT, *spelling.encode(prompt)]
    for _ in range(count):
        logits, _ = model(torch.tensor([ids]))
        ids.append(int(logits[0, -1].argmax()))
    return spelling.decode(ids)


CARD = """---
language: en
library_name: transformers
pipeline_tag: text-generation
---
# mini-decoder

A small causal language model for English in LLaMA layout, trained from nothing by AttentionLens so that the editor shows real causal attention with no download. It is meant for looking at attention, not for writing.

| | |
| --- | --- |
| layout | `LlamaForCausalLM`, {layers} layers, {heads} heads, {width} wide, gated feed-forward {inner}, RMSNorm, rotary positions, tied embeddings |
| tokenizer | byte-level BPE, {vocabulary} entries |
| longest input | {positions} tokens; trained on windows of up to 256 |
| weights | {parameters:.2f} M parameters, f16, {megabytes:.1f} MB |
| trained | {tokens:.1f} M tokens ({steps} steps of {tokens_a_step}, the last {decay_steps} with falling rate) on {device}; {passes:.2f} passes over the corpus |

## Figures

Measured on the published f16 weights by `training/evaluate_decoder.py`, on {places} tokens of held-out documents.

| | |
| --- | --- |
| perplexity per token | {perplexity:.1f} |
| perplexity of an interpolated Kneser-Ney 5-gram on the same tokens | {kneser_ney:.1f} |
| best previous-token head: mean weight on the left neighbour | {previous[weight]:.2f} (layer {previous[layer]}, head {previous[head]}, counted from 0) |
| best induction head, on a random sequence said twice | {induction[weight]:.2f} (layer {induction[layer]}, head {induction[head]}) |

## Data

{characters:.0f} M characters of English prose after removing duplicate paragraphs, from packages of the Debian and npm registries; 1 % of the documents are held out.

| source | licence | M characters |
| --- | --- | --- |
{sources}

## Recipe

`training/README.md` rebuilds it with a seed: `corpus.py`, `tokenizer.py decoder`, `train_decoder.py`. Windows of 64 to 256 tokens that start at a paragraph, one row in eight made of its own first tokens said again and again (so that copying heads come early), Muon on the matrices (rate {matrix_rate}) and Adam on the rest (rate {other_rate}), no dropout.

## Limits

English only, from old literature and speeches, dictionary glosses and technical manuals. What it writes is not to be believed, and repeats the views of its sources.
{note}"""


def card(release: Path, work: Path, result: dict) -> str:
    return CARD.format(
        **loop.card_facts(release, work / "decoder", work / "english.sources.tsv"), **result,
        note="" if result["perplexity"] < result["kneser_ney"] else
        "\nIts perplexity is not yet below the 5-gram's: the training was short. `train_decoder.py` goes on from where it stopped.\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("release", type=Path)
    parser.add_argument("--work", type=Path, default=Path(__file__).parent / "build")
    parser.add_argument("--windows", type=int, default=400)
    parser.add_argument("--seed", type=int, default=8)
    parser.add_argument("--card", action="store_true", help="also write README.md into the model's folder")
    parser.add_argument("--prompt", help="only continue this text")
    options = parser.parse_args()
    if options.prompt is not None:
        print(continued(options.release, options.prompt, 40))
        return
    result = measure(options.release, options.work, options.windows, options.seed)
    print(json.dumps(result, indent=2))
    if options.card:
        (options.release / "README.md").write_text(card(options.release, options.work, result), encoding="utf-8")


if __name__ == "__main__":
    main()
