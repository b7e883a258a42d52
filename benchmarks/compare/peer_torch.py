"""The peer in PyTorch: BERT or GPT-2 as Hugging Face writes them (eager, attentions returned), weights from the same model.safetensors.

Started by compare.mjs with the thread count in OMP_NUM_THREADS; answers on stdout one JSON line for each line {"tokens": N} on stdin.
    peer_torch.py FOLDER                 serve
    peer_torch.py FOLDER --onnx FILE     export the graph with the attentions as outputs, for ONNX Runtime

Written from the architecture's description; torch only (Debian: python3-torch, with libopenblas0-openmp).
"""
import json
import os
import struct
import sys
import time
import warnings

import torch

warnings.filterwarnings("ignore")
torch.set_grad_enabled(False)
torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))


def tensors(folder):
    with open(os.path.join(folder, "model.safetensors"), "rb") as file:
        length = struct.unpack("<Q", file.read(8))[0]
        header = json.loads(file.read(length))
        data = bytearray(file.read())
    whole = torch.frombuffer(data, dtype=torch.float32)
    return {
        name: whole[entry["data_offsets"][0] // 4:entry["data_offsets"][1] // 4].reshape(entry["shape"])
        for name, entry in header.items() if name != "__metadata__"
    }


class Model(torch.nn.Module):
    """Both architectures; `decoder` decides where the norms stand and whether keys after the query are masked."""

    def __init__(self, folder):
        super().__init__()
        with open(os.path.join(folder, "config.json"), encoding="utf-8") as file:
            config = json.load(file)
        t = tensors(folder)
        self.decoder = config["model_type"] == "gpt2"
        self.heads = config["n_head"] if self.decoder else config["num_attention_heads"]
        self.eps = config["layer_norm_epsilon"] if self.decoder else config["layer_norm_eps"]
        self.activation = torch.nn.GELU(approximate="tanh" if self.decoder else "none")
        if self.decoder:
            self.words, self.positions, self.types = t["wte.weight"], t["wpe.weight"], None
            self.norms = (t["ln_f.weight"], t["ln_f.bias"])
        else:
            e = "embeddings."
            self.words, self.positions = t[e + "word_embeddings.weight"], t[e + "position_embeddings.weight"]
            self.types = t[e + "token_type_embeddings.weight"][0]
            self.norms = (t[e + "LayerNorm.weight"], t[e + "LayerNorm.bias"])
        self.width = int(self.words.shape[1])
        self.layers = []
        for i in range(config["n_layer"] if self.decoder else config["num_hidden_layers"]):
            if self.decoder:
                p = f"h.{i}."
                width = self.width
                qkv, bias = t[p + "attn.c_attn.weight"], t[p + "attn.c_attn.bias"]
                part = [(qkv[:, j * width:(j + 1) * width].t().contiguous(), bias[j * width:(j + 1) * width]) for j in range(3)]
                rest = [(t[p + n + ".weight"].t().contiguous(), t[p + n + ".bias"]) for n in ("attn.c_proj", "mlp.c_fc", "mlp.c_proj")]
                norms = [(t[p + n + ".weight"], t[p + n + ".bias"]) for n in ("ln_1", "ln_2")]
            else:
                p = f"encoder.layer.{i}."
                part = [(t[p + f"attention.self.{n}.weight"], t[p + f"attention.self.{n}.bias"]) for n in ("query", "key", "value")]
                rest = [(t[p + n + ".weight"], t[p + n + ".bias"]) for n in ("attention.output.dense", "intermediate.dense", "output.dense")]
                norms = [(t[p + n + ".weight"], t[p + n + ".bias"]) for n in ("attention.output.LayerNorm", "output.LayerNorm")]
            self.layers.append((part, rest, norms))

    def norm(self, x, weights):
        return torch.nn.functional.layer_norm(x, (self.width,), weights[0], weights[1], self.eps)

    def attend(self, x, part):
        linear = torch.nn.functional.linear
        n, width = x.shape[1], self.width
        q, k, v = (linear(x, w, b).view(1, n, self.heads, width // self.heads).transpose(1, 2) for w, b in part)
        scores = q @ k.transpose(-1, -2) / (width // self.heads) ** 0.5
        if self.decoder:
            scores = scores.masked_fill(torch.ones(n, n, dtype=torch.bool).triu(1), float("-inf"))
        weights = torch.softmax(scores, -1)
        return (weights @ v).transpose(1, 2).reshape(1, n, width), weights

    def forward(self, ids):
        linear = torch.nn.functional.linear
        x = self.words[ids] + self.positions[:ids.shape[1]]
        if not self.decoder:
            x = self.norm(x + self.types, self.norms)
        attentions = []
        for part, (out, up, down), (first, second) in self.layers:
            context, weights = self.attend(self.norm(x, first) if self.decoder else x, part)
            attentions.append(weights)
            x = linear(context, *out) + x
            if not self.decoder:
                x = self.norm(x, first)
            inner = self.activation(linear(self.norm(x, second) if self.decoder else x, *up))
            x = linear(inner, *down) + x
            if not self.decoder:
                x = self.norm(x, second)
        return (self.norm(x, self.norms) if self.decoder else x, *attentions)


def ids(model, tokens):
    return torch.tensor([[(5 + i * 7919) % model.words.shape[0] for i in range(tokens)]])


def sgemm_peak():
    """GFLOP/s of this BLAS on a square product, best of five: the practical peak beside which the models stand."""
    a, b = torch.rand(1536, 1536), torch.rand(1536, 1536)
    best = 1e9
    for _ in range(5):
        start = time.perf_counter()
        a @ b
        best = min(best, time.perf_counter() - start)
    return 2 * 1536 ** 3 / best / 1e9


def main():
    model = Model(sys.argv[1]).eval()
    if len(sys.argv) > 2:
        torch.onnx.export(
            model, (ids(model, 16),), sys.argv[3], opset_version=14, input_names=["input_ids"],
            output_names=["last"] + [f"attentions.{i}" for i in range(len(model.layers))], dynamic_axes={"input_ids": {1: "n"}})
        return
    print(json.dumps({"version": torch.__version__, "sgemm_gflops": sgemm_peak()}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        if request.get("sgemm"):
            print(json.dumps({"sgemm_gflops": sgemm_peak()}), flush=True)
            continue
        value = ids(model, request["tokens"])
        times = []
        for _ in range(request["runs"]):
            start = time.perf_counter()
            result = model(value)
            times.append((time.perf_counter() - start) * 1e3)
        print(json.dumps({"times": times, "first": result[1][0, 0, -1, :4].tolist()}), flush=True)


main()
