"""WordPiece as BERT defines it: normaliser, pre-tokeniser, longest-match encoder, and a trainer.

Only what the training scripts need, with no dependency: the Debian and npm registries hold no
Python `tokenizers`. The files written are those of the Hugging Face layout.
"""
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import merges

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
PAD, UNK, CLS, SEP, MASK = range(5)
_PREFIX = "##"
_MAX_WORD = 100

# BertPreTokenizer: punctuation is every ASCII symbol and every Unicode category P*.
_ASCII_PIECES = re.compile(r"[^\W_]+|[^\s\w]|_")
_CJK = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002a6df\U0002a700-\U0002ceaf\U0002f800-\U0002fa1f]")


def normalise(text: str) -> str:
    """BertNormalizer with clean_text, handle_chinese_chars, strip_accents and lowercase all on."""
    if text.isascii():
        return text.lower()
    text = _CJK.sub(r" \g<0> ", text)
    text = "".join(" " if c.isspace() else c for c in text
                   if c.isspace() or c not in "\0\ufffd" and not unicodedata.category(c).startswith("C"))
    text = "".join(c for c in unicodedata.normalize("NFD", text) if unicodedata.category(c) != "Mn")
    return text.lower()


def words(text: str) -> Iterator[str]:
    text = normalise(text)
    if text.isascii():
        yield from _ASCII_PIECES.findall(text)
        return
    for run in text.split():
        held = ""
        for c in run:
            if not c.isalnum() and (c.isascii() or unicodedata.category(c).startswith("P")):
                if held:
                    yield held
                yield c
                held = ""
            else:
                held += c
        if held:
            yield held


def train(lines: Iterable[str], size: int, min_character: int = 50) -> list[str]:
    """A vocabulary of `size` entries: specials, characters, then pieces merged by pair frequency.

    Merging the most frequent pair is what Hugging Face's WordPieceTrainer does too (it trains BPE and
    marks what continues a word).
    """
    counts: Counter[str] = Counter()
    for line in lines:
        counts.update(words(line))
    characters: Counter[str] = Counter()
    for word, count in counts.items():
        for c in word:
            characters[c] += count
    kept = {c for c, count in characters.items() if count >= min_character}
    vocabulary = SPECIAL + sorted(kept)
    vocabulary += sorted({_PREFIX + c for word in counts for c in word[1:] if c in kept})
    known = set(vocabulary)

    spelled: list[list[str]] = []
    weight: list[int] = []
    for word, count in sorted(counts.items()):
        if count >= 2 and len(word) <= _MAX_WORD and all(c in kept for c in word):
            spelled.append([word[0], *(_PREFIX + c for c in word[1:])])
            weight.append(count)
    for _, _, merged in merges.learn(spelled, weight, lambda left, right: left + right.removeprefix(_PREFIX)):
        if len(vocabulary) >= size:
            break
        if merged not in known:
            known.add(merged)
            vocabulary.append(merged)
    return vocabulary


class WordPiece:
    def __init__(self, vocabulary: list[str]):
        self.vocabulary = vocabulary
        self.ids = {token: i for i, token in enumerate(vocabulary)}
        self._cache: dict[str, list[int]] = {}

    @classmethod
    def load(cls, folder: Path) -> "WordPiece":
        return cls((folder / "vocab.txt").read_text(encoding="utf-8").split("\n")[:-1])

    def encode(self, text: str) -> list[int]:
        """Ids without [CLS] and [SEP]."""
        ids: list[int] = []
        for word in words(text):
            found = self._cache.get(word)
            if found is None:
                found = self._cache[word] = self._encode_word(word)
            ids += found
        return ids

    def _encode_word(self, word: str) -> list[int]:
        if len(word) > _MAX_WORD:
            return [UNK]
        ids: list[int] = []
        start = 0
        while start < len(word):
            for end in range(len(word), start, -1):
                piece = self.ids.get((_PREFIX if start else "") + word[start:end])
                if piece is not None:
                    break
            else:
                return [UNK]
            ids.append(piece)
            start = end
        return ids

    def save(self, folder: Path, model_max_length: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "vocab.txt").write_text("".join(token + "\n" for token in self.vocabulary), encoding="utf-8")
        special = [{"id": i, "content": token, "single_word": False, "lstrip": False, "rstrip": False,
                    "normalized": False, "special": True} for i, token in enumerate(SPECIAL)]
        one = lambda name, kind: {name: {"id": kind[0], "type_id": kind[1]}}
        tokenizer = {
            "version": "1.0", "truncation": None, "padding": None, "added_tokens": special,
            "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True,
                           "strip_accents": None, "lowercase": True},
            "pre_tokenizer": {"type": "BertPreTokenizer"},
            "post_processor": {
                "type": "TemplateProcessing",
                "single": [one("SpecialToken", ("[CLS]", 0)), one("Sequence", ("A", 0)), one("SpecialToken", ("[SEP]", 0))],
                "pair": [one("SpecialToken", ("[CLS]", 0)), one("Sequence", ("A", 0)), one("SpecialToken", ("[SEP]", 0)),
                         one("Sequence", ("B", 1)), one("SpecialToken", ("[SEP]", 1))],
                "special_tokens": {"[CLS]": {"id": "[CLS]", "ids": [CLS], "tokens": ["[CLS]"]},
                                   "[SEP]": {"id": "[SEP]", "ids": [SEP], "tokens": ["[SEP]"]}}},
            "decoder": {"type": "WordPiece", "prefix": _PREFIX, "cleanup": True},
            "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": _PREFIX,
                      "max_input_chars_per_word": _MAX_WORD, "vocab": self.ids},
        }
        names = {"unk_token": "[UNK]", "sep_token": "[SEP]", "pad_token": "[PAD]", "cls_token": "[CLS]", "mask_token": "[MASK]"}
        config = {
            "added_tokens_decoder": {str(t["id"]): {k: v for k, v in t.items() if k != "id"} for t in special},
            "clean_up_tokenization_spaces": True, "do_lower_case": True, "model_max_length": model_max_length,
            "strip_accents": None, "tokenize_chinese_chars": True, "tokenizer_class": "BertTokenizer", **names}
        for name, content in (("tokenizer.json", tokenizer), ("tokenizer_config.json", config), ("special_tokens_map.json", names)):
            (folder / name).write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
