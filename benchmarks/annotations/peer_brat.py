"""brat's side of brat.mjs: every document of a folder opened, and saved with one label changed, by brat's own server/src/annotation.py.

    peer_brat.py BRAT_CHECKOUT FOLDER RUNS

Prints a JSON object: milliseconds for the whole folder, one number a run. Its parser is used as its comment on programmatic use says, without the web server.
"""
import codecs
import glob
import json
import os
import sys
import time

checkout, folder, runs = sys.argv[1], sys.argv[2], int(sys.argv[3])
sys.path.insert(0, os.path.join(checkout, "server", "src"))
# Not the server's own modules, which its file tries first: they want a configured installation.
sys.modules["common"] = None

import annotation

# Python 3.11 took the mode "U" away, which brat opens its files with.
annotation.open_textfile = lambda name, mode="r": codecs.open(name, mode.replace("U", ""), encoding="utf8")

documents = sorted(path[: -len(".ann")] for path in glob.glob(os.path.join(folder, "*.ann")))
changes = 0


def open_all():
    opened = [annotation.TextAnnotations(document) for document in documents]
    for document in opened:
        assert not document.failed_lines, document.failed_lines[:3]
    return opened


def save_all(opened):
    global changes
    for document in opened:
        changes += 1
        next(document.get_textbounds()).type = f"L{changes % 7}"
        document.save()


def timed(action):
    for _ in range(3):
        action()
    times = []
    for _ in range(runs):
        begin = time.perf_counter()
        action()
        times.append((time.perf_counter() - begin) * 1000)
    return times


opening = timed(open_all)
opened = open_all()
print(json.dumps({"open": opening, "save": timed(lambda: save_all(opened)), "python": sys.version.split()[0]}))
