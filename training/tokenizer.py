#!/usr/bin/env python3
"""Train a tokenizer on the built corpus and encode the corpus with it.

    tokenizer.py encoder [--work DIR] [--vocabulary 8192]

Writes DIR/encoder/ (tokenizer.json, vocab.txt, tokenizer_config.json, special_tokens_map.json) and the
encoded splits DIR/encoder/{train,heldout}.u16: ids, one separator after each paragraph.
"""
import argparse
import itertools
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy

import wordpiece


def encode_lines(job: tuple[list[str], Path]) -> bytes:
    lines, folder = job
    tokenizer = wordpiece.WordPiece.load(folder)
    return b"".join(numpy.array([*tokenizer.encode(line), wordpiece.SEP], dtype="<u2").tobytes() for line in lines)


def encode_file(text: Path, folder: Path, out: Path) -> int:
    with open(text, encoding="utf-8") as source, ProcessPoolExecutor() as pool, open(out, "wb") as target:
        lines = (line for line in source if line != "\n")
        jobs = ((list(batch), folder) for batch in iter(lambda: list(itertools.islice(lines, 20_000)), []))
        for encoded in pool.map(encode_lines, jobs):
            target.write(encoded)
        return target.tell() // 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", choices=["encoder"])
    parser.add_argument("--work", type=Path, default=Path(__file__).parent / "work")
    parser.add_argument("--vocabulary", type=int, default=8192)
    parser.add_argument("--positions", type=int, default=256)
    options = parser.parse_args()
    folder = options.work / options.model
    with open(options.work / "english.train.txt", encoding="utf-8") as lines:
        vocabulary = wordpiece.train(lines, options.vocabulary)
    wordpiece.WordPiece(vocabulary).save(folder, options.positions)
    for split in ("heldout", "train"):
        count = encode_file(options.work / f"english.{split}.txt", folder, folder / f"{split}.u16")
        print(f"{split}: {count} tokens", flush=True)


if __name__ == "__main__":
    main()
