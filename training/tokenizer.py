#!/usr/bin/env python3
"""Train a model's tokenizer on the built corpus and encode the corpus with it.

    tokenizer.py encoder|decoder|translator [--work DIR] [--vocabulary 8192]

Writes DIR/MODEL/ (tokenizer.json and its companions) and the encoded splits beside them:

    encoder      {train,heldout}.u16   WordPiece ids, [SEP] after each paragraph
    decoder      {train,heldout}.u16   byte-level BPE ids, <s> before each document, a line break after each paragraph
    translator   {train,heldout}.npz   byte-level BPE ids of both sides, each ended by </s>, with offsets
"""
import argparse
import itertools
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy

import bpe
import wordpiece

POSITIONS = {"encoder": 256, "decoder": 512, "translator": 512}
DECODER_SPECIAL = ["<s>", "</s>"]
TRANSLATOR_SPECIAL = ["</s>", "<pad>"]
END_OF_TEXT = 0  # the first special token of each: `<s>` starts a document, `</s>` ends a sentence


def encoder_lines(job: tuple[list[str], Path]) -> list[list[int]]:
    lines, folder = job
    tokenizer = wordpiece.WordPiece.load(folder)
    return [[*tokenizer.encode(line), wordpiece.SEP] for line in lines if line != "\n"]


def decoder_lines(job: tuple[list[str], Path]) -> list[list[int]]:
    lines, folder = job
    tokenizer = bpe.ByteBpe.load(folder)
    return [[END_OF_TEXT] if line == "\n" else tokenizer.encode(line) for line in lines]


def translator_lines(job: tuple[list[str], Path]) -> list[list[int]]:
    lines, folder = job
    tokenizer = bpe.ByteBpe.load(folder)
    return [[*tokenizer.encode(side), END_OF_TEXT] for line in lines for side in line.rstrip("\n").split("\t")]


def encoded(text: Path, folder: Path, encode: Callable[[tuple[list[str], Path]], list[list[int]]]) -> Iterator[list[int]]:
    with open(text, encoding="utf-8") as lines, ProcessPoolExecutor() as pool:
        jobs = ((list(batch), folder) for batch in iter(lambda: list(itertools.islice(lines, 20_000)), []))
        for batch in pool.map(encode, jobs):
            yield from batch


def write_stream(sequences: Iterable[list[int]], out: Path) -> int:
    with open(out, "wb") as target:
        for sequence in sequences:
            target.write(numpy.array(sequence, dtype="<u2").tobytes())
        return target.tell() // 2


def write_pairs(sequences: Iterable[list[int]], out: Path) -> int:
    """Sequences 2i and 2i+1 are the two sides of pair i; `offsets` has one entry more than there are sequences."""
    held = list(sequences)
    offsets = numpy.cumsum([0, *map(len, held)])
    numpy.savez(out, ids=numpy.array(list(itertools.chain.from_iterable(held)), dtype="<u2"), offsets=offsets)
    return int(offsets[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", choices=sorted(POSITIONS))
    parser.add_argument("--work", type=Path, default=Path(__file__).parent / "build")
    parser.add_argument("--vocabulary", type=int, default=8192)
    parser.add_argument("--language", default="de", help="the translator's target language")
    options = parser.parse_args()
    work, folder, positions = options.work, options.work / options.model, POSITIONS[options.model]

    stem = work / (f"parallel-{options.language}" if options.model == "translator" else "english")
    suffix = "tsv" if options.model == "translator" else "txt"
    with open(f"{stem}.train.{suffix}", encoding="utf-8") as lines:
        if options.model == "encoder":
            wordpiece.WordPiece(wordpiece.train(lines, options.vocabulary)).save(folder, positions)
        elif options.model == "decoder":
            bpe.train(lines, options.vocabulary, DECODER_SPECIAL, prefix_space=False).save(
                folder, positions, ["<s>", "$A"], {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "</s>"}, "PreTrainedTokenizerFast")
        else:
            sides = (side for line in lines for side in line.rstrip("\n").split("\t"))
            bpe.train(sides, options.vocabulary, TRANSLATOR_SPECIAL, prefix_space=True).save(
                folder, positions, ["$A", "</s>"], {"eos_token": "</s>", "pad_token": "<pad>"}, "PreTrainedTokenizerFast")

    encode = {"encoder": encoder_lines, "decoder": decoder_lines, "translator": translator_lines}[options.model]
    for split in ("heldout", "train"):
        sequences = encoded(Path(f"{stem}.{split}.{suffix}"), folder, encode)
        if options.model == "translator":
            count = write_pairs(sequences, folder / f"{split}.npz")
        else:
            count = write_stream(sequences, folder / f"{split}.u16")
        print(f"{split}: {count} tokens", flush=True)


if __name__ == "__main__":
    main()
