"""Byte-level BPE as GPT-2 defines it, for the decoder (LLaMA layout) and the translator (Marian layout).

Every text can be spelled, so there is no unknown token, and decoding gives back exactly what was encoded.
"""
import json
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import merges

# GPT-2's pattern with Python's classes for \p{L} and \p{N}.
_PIECES = re.compile(r"'(?:s|t|re|ve|m|ll|d)| ?[^\W\d_]+| ?\d+| ?(?:[^\s\w]|_)+|\s+(?!\S)|\s+")


def _byte_names() -> list[str]:
    """GPT-2's printable name of every byte."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    names = {b: chr(b) for b in plain}
    for extra, b in enumerate(b for b in range(256) if b not in names):
        names[b] = chr(256 + extra)
    return [names[b] for b in range(256)]


BYTES = _byte_names()


def spell(piece: str) -> list[str]:
    return [BYTES[b] for b in piece.encode()]


def train(lines: Iterable[str], size: int, special: list[str], prefix_space: bool) -> "ByteBpe":
    counts: Counter[str] = Counter()
    for line in lines:
        counts.update(_PIECES.findall(" " + line if prefix_space else line))
    common = sorted((piece, n) for piece, n in counts.items() if n >= 2)
    vocabulary = special + sorted(BYTES)
    known = set(vocabulary)
    learned: list[tuple[str, str]] = []
    for left, right, merged in merges.learn([spell(p) for p, _ in common], [n for _, n in common], str.__add__):
        if len(vocabulary) >= size:
            break
        learned.append((left, right))
        if merged not in known:
            known.add(merged)
            vocabulary.append(merged)
    return ByteBpe(vocabulary, learned, special, prefix_space)


class ByteBpe:
    def __init__(self, vocabulary: list[str], learned: list[tuple[str, str]], special: list[str], prefix_space: bool):
        self.vocabulary, self.learned, self.special, self.prefix_space = vocabulary, learned, special, prefix_space
        self.ids = {token: i for i, token in enumerate(vocabulary)}
        self._ranks = {pair: rank for rank, pair in enumerate(learned)}
        self._cache: dict[str, list[int]] = {}
        self._values = {name: b for b, name in enumerate(BYTES)}

    @classmethod
    def load(cls, folder: Path) -> "ByteBpe":
        tokenizer = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
        ids = tokenizer["model"]["vocab"]
        return cls(sorted(ids, key=ids.__getitem__), [tuple(pair.split(" ")) for pair in tokenizer["model"]["merges"]],
                   [token["content"] for token in tokenizer["added_tokens"]], tokenizer["pre_tokenizer"]["add_prefix_space"])

    def encode(self, text: str) -> list[int]:
        """Ids without special tokens."""
        if self.prefix_space and not text.startswith(" "):
            text = " " + text
        ids: list[int] = []
        for piece in _PIECES.findall(text):
            found = self._cache.get(piece)
            if found is None:
                found = self._cache[piece] = self.encode_piece(piece)
            ids += found
        return ids

    def encode_piece(self, piece: str) -> list[int]:
        parts = spell(piece)
        while len(parts) > 1:
            rank, i = min((self._ranks.get(pair, len(self._ranks)), i) for i, pair in enumerate(zip(parts, parts[1:])))
            if rank == len(self._ranks):
                break
            parts[i:i + 2] = [parts[i] + parts[i + 1]]
        return [self.ids[part] for part in parts]

    def decode(self, ids: Iterable[int]) -> str:
        text = "".join(self.vocabulary[i] for i in ids if i >= len(self.special))
        return bytes(self._values[c] for c in text).decode("utf-8", "replace").removeprefix(" " if self.prefix_space else "")

    def save(self, folder: Path, model_max_length: int, template: list[str], names: dict[str, str], tokenizer_class: str) -> None:
        """`template`: the special tokens around the text, which is called `$A`."""
        folder.mkdir(parents=True, exist_ok=True)
        added = [{"id": i, "content": token, "single_word": False, "lstrip": False, "rstrip": False,
                  "normalized": False, "special": True} for i, token in enumerate(self.special)]

        def part(token: str, sequence: str) -> dict:
            kind = 0 if sequence == "A" else 1
            return {"Sequence": {"id": sequence, "type_id": kind}} if token == "$A" else {"SpecialToken": {"id": token, "type_id": kind}}

        single = [part(token, "A") for token in template]
        tokenizer = {
            "version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None,
            "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": self.prefix_space, "trim_offsets": True, "use_regex": True},
            "post_processor": {
                "type": "TemplateProcessing", "single": single, "pair": single + [part(token, "B") for token in template],
                "special_tokens": {token: {"id": token, "ids": [self.ids[token]], "tokens": [token]} for token in template if token != "$A"}},
            "decoder": {"type": "ByteLevel", "add_prefix_space": self.prefix_space, "trim_offsets": True, "use_regex": True},
            "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                      "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                      "vocab": self.ids, "merges": [" ".join(pair) for pair in self.learned]},
        }
        config = {"added_tokens_decoder": {str(t["id"]): {k: v for k, v in t.items() if k != "id"} for t in added},
                  "clean_up_tokenization_spaces": False, "model_max_length": model_max_length,
                  "tokenizer_class": tokenizer_class, **names}
        for name, content in (("tokenizer.json", tokenizer), ("tokenizer_config.json", config), ("special_tokens_map.json", names)):
            (folder / name).write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
