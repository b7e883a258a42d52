#!/usr/bin/env python3
"""Measure a published mini-translator on the held-out split and write its model card.

    evaluate_translator.py ../models/mini-translator [--work DIR] [--card]

Figures, from the published f16 weights and greedy decoding:

    chrf         character n-gram F2 score of the translations (n = 1..6, spaces left out), 0 to 100
    dictionary   of word-by-word translation with the first entry of the Ding dictionary (package trans-de-en)
    alignment    F1 of word links against alignment-de.tsv: each German word is linked to the English word that its
                 tokens attend to most, in the layer and head that do it best
    diagonal     F1 of linking by relative position alone
"""
import argparse
import json
import re
from collections import Counter
from pathlib import Path

import numpy
import torch

import bpe
import corpus
import loop
from translator import END, PAD, MarianMTModel


def chrf(hypotheses: list[str], references: list[str], longest: int = 6, beta: float = 2.0) -> float:
    """Corpus chrF (Popovic 2015): precision and recall averaged over the orders."""
    scores = []
    for n in range(1, longest + 1):
        same = said = wanted = 0
        for hypothesis, reference in zip(hypotheses, references):
            a, b = (Counter(s[i:i + n] for i in range(len(s) - n + 1)) for s in (hypothesis.replace(" ", ""), reference.replace(" ", "")))
            same += sum((a & b).values())
            said += sum(a.values())
            wanted += sum(b.values())
        scores.append((same / max(said, 1), same / max(wanted, 1)))
    precision, recall = numpy.mean(scores, 0)
    return 100 * (1 + beta**2) * precision * recall / max(beta**2 * precision + recall, 1e-9)


def dictionary(work: Path) -> dict[str, str]:
    """English word -> German word, from the Ding list: `deutsch {m}; ... | ... :: english; ... | ...`."""
    folder = corpus.package_folder(work, "trans-de-en", npm=False)
    plain = lambda entry: re.sub(r"\s*[{(\[</].*$", "", entry).strip()
    found: dict[str, str] = {}
    for line in corpus.read_file(next(folder.rglob("de-en"))).split("\n"):
        german, sep, english = line.partition(" :: ")
        for a, b in zip(german.split("|"), english.split("|")) if sep else ():
            first = plain(a.split(";")[0])
            for word in map(plain, b.split(";")):
                word = word.removeprefix("to ").lower()
                if first and word and " " not in word and " " not in first:
                    found.setdefault(word, first)
    return found


def word_by_word(text: str, words: dict[str, str]) -> str:
    return re.sub(r"[A-Za-z]+", lambda m: words.get(m[0].lower(), m[0]), text)


def link_score(links: list[set], truth: list[set]) -> float:
    right = sum(len(a & b) for a, b in zip(links, truth))
    return 2 * right / (sum(map(len, links)) + sum(map(len, truth)))


def spelled_words(spelling: bpe.ByteBpe, words: list[str]) -> tuple[list[int], list[int]]:
    """Ids of the words and, for each id, the word it belongs to."""
    ids, owners = [], []
    for i, word in enumerate(words):
        # Punctuation is written without a space before it.
        piece = spelling.encode(word) if word[0].isalnum() else spelling.encode_piece(word)
        ids += piece
        owners += [i] * len(piece)
    return ids, owners


@torch.no_grad()
def alignment(model: MarianMTModel, spelling: bpe.ByteBpe, table: Path) -> dict:
    rows = [line.rstrip("\n").split("\t") for line in table.open(encoding="utf-8") if not line.startswith("#")]
    truth = [{tuple(map(int, link.split("-"))) for link in links.split()} for _, _, links in rows]
    found: dict[tuple[int, int], list[set]] = {}
    diagonal = []
    for english, german, _ in rows:
        left, right = english.split(), german.split()
        source, source_owner = spelled_words(spelling, left)
        target, target_owner = spelled_words(spelling, right)
        memory, mask = model.encode(torch.tensor([[*source, END]]))
        # Row t of cross-attention belongs to the token that is predicted there, not to the one fed in.
        _, attentions = model.decode(torch.tensor([[PAD, *target[:-1]]]), memory, mask)
        for layer, weights in enumerate(attentions):
            for head, matrix in enumerate(weights[0].numpy()):
                shares = numpy.zeros((len(right), len(left)))
                for t, owner in enumerate(target_owner):
                    numpy.add.at(shares[owner], source_owner, matrix[t, :len(source)])
                found.setdefault((layer, head), []).append({(int(shares[j].argmax()), j) for j in range(len(right))})
        diagonal.append({(min(len(left) - 1, round(j * (len(left) - 1) / max(1, len(right) - 1))), j) for j in range(len(right))})
    scores = {place: link_score(links, truth) for place, links in found.items()}
    (layer, head), best = max(scores.items(), key=lambda item: item[1])
    return {"alignment": {"f1": best, "layer": layer, "head": head}, "diagonal": link_score(diagonal, truth), "aligned": len(rows)}


def measure(release: Path, work: Path, language: str, sentences: int) -> dict:
    model = MarianMTModel(json.loads((release / "config.json").read_text())).eval()
    model.load_state_dict(loop.read_safetensors(release / "model.safetensors"))
    spelling = bpe.ByteBpe.load(release)
    lines = (work / f"parallel-{language}.heldout.tsv").read_text(encoding="utf-8").splitlines()
    # Sentences, not menu entries; in an order that does not depend on the source.
    pairs = sorted((line.split("\t") for line in lines if 6 <= len(line.split("\t")[0].split()) <= 40),
                   key=lambda pair: corpus.fingerprint(pair[0]))[:sentences]
    hypotheses = []
    for begin in range(0, len(pairs), 16):
        rows = [[*spelling.encode(english), END] for english, _ in pairs[begin:begin + 16]]
        padded = torch.full((len(rows), max(map(len, rows))), PAD)
        for i, row in enumerate(rows):
            padded[i, :len(row)] = torch.tensor(row)
        hypotheses += [spelling.decode(ids) for ids in model.translate(padded)]
    references = [german for _, german in pairs]
    result = {"chrf": chrf(hypotheses, references), "sentences": len(pairs),
              "examples": list(zip([english for english, _ in pairs[:5]], hypotheses[:5]))}
    if language == "de":
        words = dictionary(work)
        result["dictionary"] = chrf([word_by_word(english, words) for english, _ in pairs], references)
        result |= alignment(model, spelling, Path(__file__).parent / "alignment-de.tsv")
    return result


CARD = """---
language: [en, de]
library_name: transformers
pipeline_tag: translation
---
# mini-translator

A small English-to-German translation model in Marian layout, trained from nothing by AttentionLens so that the editor shows real cross-attention with no download. It is meant for looking at attention; its world is software manuals.

| | |
| --- | --- |
| layout | `MarianMTModel`, {layers} encoder and {layers} decoder layers, {heads} heads, {width} wide, feed-forward {inner}, SiLU, post-LayerNorm, sinusoidal positions, shared embeddings |
| tokenizer | byte-level BPE in `tokenizer.json`, {vocabulary} entries, one for both languages |
| weights | {parameters:.2f} M parameters, f16, {megabytes:.1f} MB |
| trained | about {tokens:.1f} M tokens ({steps} steps of {tokens_a_step}, padding included, the last {decay_steps} with falling rate) on {device} |

## Figures

Measured on the published f16 weights by `training/evaluate_translator.py`, greedy decoding, {sentences} held-out sentences.

| | |
| --- | --- |
| chrF | {chrf:.1f} |
| chrF of word-by-word translation with a dictionary | {dictionary:.1f} |
| word alignment from cross-attention, F1 on {aligned} hand-checked pairs | {alignment[f1]:.2f} (layer {alignment[layer]}, head {alignment[head]}, chosen on these pairs) |
| word alignment by the diagonal, F1 | {diagonal:.2f} |

## Data

{characters:.1f} M English characters of pairs from the manuals, message catalogues and package descriptions that Debian packages hold in both languages; 1 % of the pairs are held out.

| source | licence | M English characters |
| --- | --- | --- |
{sources}

## Limits

Short sentences of software manuals and user interfaces; other text is translated badly. English to German only.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("release", type=Path)
    parser.add_argument("--work", type=Path, default=Path(__file__).parent / "build")
    parser.add_argument("--language", default="de")
    parser.add_argument("--sentences", type=int, default=500)
    parser.add_argument("--card", action="store_true", help="also write README.md into the model's folder (German only)")
    options = parser.parse_args()
    result = measure(options.release, options.work, options.language, options.sentences)
    print(json.dumps(result, indent=2, ensure_ascii=False))
    if options.card:
        facts = loop.card_facts(options.release, options.work / "translator", options.work / "parallel-de.sources.tsv")
        (options.release / "README.md").write_text(CARD.format(**facts, **result), encoding="utf-8")


if __name__ == "__main__":
    main()
