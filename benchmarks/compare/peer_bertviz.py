"""The peer in BertViz: head_view and model_view as HTML, from attentions that are there already.

    peer_bertviz.py BERTVIZ_CHECKOUT ATTENTION.npz VIEW OUT.html

Prints one JSON line: seconds from the arrays to the file, and the peak memory of the process in MB. Needs torch, numpy and IPython (Debian:
python3-torch, python3-ipython).
"""
import json
import resource
import sys
import time

checkout, source, view, target = sys.argv[1:]
sys.path.insert(0, checkout)

import numpy
import torch
from bertviz import head_view, model_view

arrays = numpy.load(source)
names = sorted((name for name in arrays.files if arrays[name].ndim == 3), key=lambda name: [int(part) for part in name.split(".") if part.isdigit()])
attention = [torch.from_numpy(arrays[name])[None] for name in names]
count = attention[0].shape[-1]
tokens = [f"t{index}" for index in range(count)]
begin = time.perf_counter()
page = {"head_view": head_view, "model_view": model_view}[view](attention, tokens, html_action="return")
with open(target, "w", encoding="utf-8") as file:
    file.write(page.data)
seconds = time.perf_counter() - begin
print(json.dumps({"seconds": seconds, "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "layers": len(attention), "heads": attention[0].shape[1]}))
