#!/usr/bin/env python3
"""Build the parallel corpus, English and one other language, from Debian packages.

    corpus_parallel.py [--language de|zh] [--work DIR] [--heldout 0.01] [--seed 8]

Pairs come from manuals that exist in both languages and from message catalogues:

    manuals    the same page in both languages, aligned by paragraph identifier where the format has
               them (LibreOffice), else where both pages have the same sequence of blocks
    gettext    .mo catalogues: the message and its translation
    packages   package descriptions, aligned by the checksum of the English original

Paragraphs with as many sentences on both sides are cut into sentence pairs. Writes to DIR:

    parallel-LANGUAGE.train.tsv, parallel-LANGUAGE.heldout.tsv   English, tab, translation
    parallel-LANGUAGE.sources.tsv                                source, licence, pairs, characters
"""
import argparse
import html
import re
import struct
from collections.abc import Iterator
from pathlib import Path

import corpus

Pair = tuple[str, str]

# ---------------------------------------------------------------------------------------------
# Readers: two files -> pairs of blocks

_PARAGRAPH_ID = re.compile(r'<(p|h\d)\b[^>]*\bid="([^"]+)"[^>]*>(.*?)</\1>', re.S)
_BLOCK = re.compile(r"<(p|h[1-6]|li|dt|dd|td|th|title|desc)\b[^>]*>(.*?)(?=<(?:/?(?:p|h[1-6]|li|dt|dd|td|th|title|desc|ul|ol|dl|div|section|note|tr|table))\b)", re.S | re.I)
_DROPPED = re.compile(r"<(script|style|pre|screen|code-block|synopsis|credit)\b.*?</\1\s*>|<!--.*?-->", re.S | re.I)


def _text(markup: str) -> str:
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", "", markup))).strip()


def by_identifier(english: str, other: str) -> Iterator[Pair]:
    left, right = ({name: _text(body) for _, name, body in _PARAGRAPH_ID.findall(page)} for page in (english, other))
    for name in left.keys() & right.keys():
        yield left[name], right[name]


def by_structure(english: str, other: str) -> Iterator[Pair]:
    left, right = ([(tag.lower(), _text(body)) for tag, body in _BLOCK.findall(_DROPPED.sub("", page))] for page in (english, other))
    left, right = ([block for block in blocks if block[1]] for blocks in (left, right))
    if [tag for tag, _ in left] == [tag for tag, _ in right]:
        for (_, a), (_, b) in zip(left, right):
            yield a, b


def read_catalogue(data: bytes) -> Iterator[Pair]:
    """GNU .mo: a table of originals and one of translations, each entry length and offset."""
    order = "<" if data[:4] == b"\xde\x12\x04\x95" else ">"
    count, originals, translations = struct.unpack_from(order + "3I", data, 8)
    for i in range(count):
        sides = []
        for table in (originals, translations):
            length, offset = struct.unpack_from(order + "2I", data, table + 8 * i)
            sides.append(data[offset:offset + length].split(b"\0")[0].decode("utf-8", "replace"))
        if sides[0]:
            # A context is put before the message and ends with EOT; an accelerator is marked with _ or &.
            source = sides[0].rpartition("\x04")[2]
            yield tuple(re.sub(r"\([_&]\w\)|[_&~](?=\w)", "", side) for side in (source, sides[1]))


def read_descriptions(work: Path, language: str) -> Iterator[Pair]:
    sides = []
    for code in ("en", language):
        found: dict[str, str] = {}
        for stanza in corpus.descriptions(work, code).split("\n\n"):
            mark = re.search(r"^Description-md5: (\w+)", stanza, re.M)
            _, _, body = stanza.partition(f"Description-{code}: ")
            if mark and body:
                found[mark[1]] = body
        sides.append(found)
    for mark in sides[0].keys() & sides[1].keys():
        left, right = ([re.sub(r"\s+", " ", part).strip() for part in re.split(r"\n \.\n|\n(?=  [-*+o] )", side[mark].replace("\n", "\n .\n", 1))]
                       for side in sides)
        if len(left) == len(right):
            yield from zip(left, right)


# ---------------------------------------------------------------------------------------------
# Sources: package of each language, how a path is renamed, reader, licence

MANUALS = {
    "de": [
        ("libreoffice-help-en-us", "libreoffice-help-de", r"help/en-US/", "help/de/", by_identifier, "MPL-2.0"),
        ("gimp-help-en", "gimp-help-de", r"help/en/", "help/de/", by_structure, "GFDL-1.2+"),
        ("gnome-user-docs", "gnome-user-docs", r"help/C/", "help/de/", by_structure, "CC-BY-SA-3.0"),
        ("debian-handbook", "debian-handbook", r"html/en-US/", "html/de-DE/", by_structure, "GPL-2+ or CC-BY-SA-3.0"),
        ("installation-guide-amd64", "installation-guide-amd64", r"/en/", "/de/", by_structure, "GPL-2+"),
        ("apache2-doc", "apache2-doc", r"manual/en/", "manual/de/", by_structure, "Apache-2.0"),
        ("debian-reference-en", "debian-reference-de", r"\.en\.html$", ".de.html", by_structure, "GPL-2+"),
    ],
    "zh": [
        ("libreoffice-help-en-us", "libreoffice-help-zh-cn", r"help/en-US/", "help/zh-CN/", by_identifier, "MPL-2.0"),
        ("gimp-help-en", "gimp-help-zh-cn", r"help/en/", "help/zh_CN/", by_structure, "GFDL-1.2+"),
        ("gnome-user-docs", "gnome-user-docs", r"help/C/", "help/zh_CN/", by_structure, "CC-BY-SA-3.0"),
        ("debian-handbook", "debian-handbook", r"html/en-US/", "html/zh-CN/", by_structure, "GPL-2+ or CC-BY-SA-3.0"),
        ("installation-guide-amd64", "installation-guide-amd64", r"/en/", "/zh_CN/", by_structure, "GPL-2+"),
    ],
}

CATALOGUES = [
    ("libreoffice-l10n-{}", "MPL-2.0"), ("gimp-data", "GPL-3+"), ("gnumeric-common", "GPL-2 or GPL-3"), ("evolution-common", "LGPL-3"),
    ("inkscape", "GPL-2+"), ("gnucash-common", "GPL-2+"), ("abiword-common", "GPL-2+"), ("audacity-data", "GPL-3+"), ("stellarium-data", "GPL-2+"),
    ("krita-l10n", "GPL-2+"), ("digikam-data", "GPL-2+"), ("kmymoney-common", "GPL-2+"), ("git", "GPL-2"), ("dpkg", "GPL-2+"), ("apt", "GPL-2+"),
    ("bash", "GPL-3+"), ("coreutils", "GPL-3+"), ("libgtk-3-common", "LGPL-2+"), ("nautilus-data", "GPL-3+"), ("gnome-control-center-data", "GPL-2+"),
    ("darktable", "GPL-3+"), ("poedit-common", "MIT"), ("vlc-l10n", "GPL-2+"), ("pidgin-data", "GPL-2+"),
    ("gramps", "GPL-2+"), ("anjuta-common", "GPL-2+"), ("geany-common", "GPL-2+"), ("freeciv-data", "GPL-2+"),
    ("wesnoth-1.16-data", "GPL-2+"), ("lyx-common", "GPL-2+"), ("kstars-data", "GPL-2+"), ("marble-data", "LGPL-2.1"),
]

# ---------------------------------------------------------------------------------------------
# Cleaning

_SENTENCE = {"de": re.compile(r"(?<=[.!?:])\s+(?=[\"'(„A-ZÄÖÜ])"), "zh": re.compile(r"(?<=[。！？])")}
_SENTENCE_EN = re.compile(r"(?<=[.!?:])\s+(?=[\"'(A-Z])")
_PLACEHOLDER = re.compile(r"%[-\w.$]*|\$\{?\w+\}?|\{\w*\}|<[^>]*>|https?:|\\\w|[|=#@^~_{}\[\]\\]")


def accept(english: str, other: str, language: str) -> bool:
    if not (4 <= len(english) <= 500 and 2 <= len(other) <= 600) or english == other:
        return False
    if _PLACEHOLDER.search(english) or _PLACEHOLDER.search(other):
        return False
    if sum(c.isalpha() for c in english) < 0.6 * len(english):
        return False
    if language == "zh":
        return any("\u4e00" <= c <= "\u9fff" for c in other) and 1.2 < len(english) / len(other) < 8
    # Untranslated paragraphs in a translated manual: count words that only English has.
    words = other.lower().split()
    if sum(word in ("the", "of", "and", "to", "is", "with") for word in words) > 0.1 * len(words):
        return False
    return 0.4 < len(english) / len(other) < 2.2


def pairs(blocks: Iterator[Pair], language: str) -> Iterator[Pair]:
    for english, other in blocks:
        english, other = (re.sub(r"\s+", " ", side.replace("\u00ad", "")).strip() for side in (english, other))
        left, right = _SENTENCE_EN.split(english), [s for s in _SENTENCE[language].split(other) if s]
        for a, b in zip(left, right) if len(left) == len(right) else [(english, other)]:
            if accept(a, b, language):
                yield a.strip(), b.strip()


def manuals(work: Path, package: str, twin: str, pattern: str, replacement: str, reader) -> Iterator[Pair]:
    left, right = (corpus.package_folder(work, name, npm=False) for name in (package, twin))
    for path in sorted(left.rglob("*")):
        name = str(path.relative_to(left))
        other = right / re.sub(pattern, replacement, name, count=1)
        if path.suffix in (".html", ".page") and re.search(pattern, name) and other != path and other.is_file():
            yield from reader(corpus.read_file(path), corpus.read_file(other))
        elif re.search(pattern, name) and path.name.endswith(".html.en"):  # Apache marks the language at the end
            other = path.with_name(path.name.removesuffix("en") + replacement.strip("/").split("/")[-1])
            if other.is_file():
                yield from reader(corpus.read_file(path), corpus.read_file(other))


def catalogues(work: Path, package: str, language: str) -> Iterator[Pair]:
    code = {"de": "de", "zh": "zh_CN"}[language]
    folder = corpus.package_folder(work, package, npm=False)
    for path in sorted(folder.rglob("*.mo")):
        if f"/{code}/" in str(path) or f"/{code.replace('_', '-')}/" in str(path):
            yield from read_catalogue(path.read_bytes())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--language", choices=sorted(MANUALS), default="de")
    parser.add_argument("--work", type=Path, default=Path(__file__).parent / "build")
    parser.add_argument("--heldout", type=float, default=0.01)
    parser.add_argument("--seed", type=int, default=8)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    work, language = options.work, options.language
    region = {"de": "de", "zh": "zh-cn"}[language]

    def sources() -> Iterator[tuple[str, str, Iterator[Pair]]]:
        for package, twin, pattern, replacement, reader, licence in MANUALS[language]:
            yield package, licence, manuals(work, package, twin, pattern, replacement, reader)
        for template, licence in CATALOGUES:
            package = template.format(region)
            yield package, licence, catalogues(work, package, language)
        if language == "de":
            yield "package-descriptions", "each package's own free licence", read_descriptions(work, language)

    seen: set[bytes] = set()
    rows = []
    stem = work / f"parallel-{language}"
    with open(f"{stem}.train.tsv", "w", encoding="utf-8") as train, open(f"{stem}.heldout.tsv", "w", encoding="utf-8") as heldout:
        for name, licence, blocks in sources():
            count = characters = 0
            try:
                for english, other in pairs(blocks, language):
                    mark = corpus.fingerprint(english)
                    if mark in seen or "\t" in english + other:
                        continue
                    seen.add(mark)
                    # Split by the English side, so that no source sentence is on both sides of the split.
                    out = heldout if corpus.held_out(mark.hex(), options.seed, options.heldout) else train
                    out.write(f"{english}\t{other}\n")
                    count += 1
                    characters += len(english)
            except corpus.subprocess.CalledProcessError:
                print(f"{name}: not to be had here, left out", flush=True)
                continue
            rows.append((name, licence, count, characters))
            print(f"{name:26} {count:8} pairs {characters / 1e6:8.2f} M English characters", flush=True)
    print(f"{'total':26} {sum(r[2] for r in rows):8} pairs {sum(r[3] for r in rows) / 1e6:8.2f} M English characters")
    with open(f"{stem}.sources.tsv", "w", encoding="utf-8") as out:
        out.write("source\tlicence\tpairs\tcharacters\n")
        for row in rows:
            out.write("\t".join(map(str, row)) + "\n")


if __name__ == "__main__":
    main()
