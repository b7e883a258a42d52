"""What every training script shares: optimiser, schedule, resumable checkpoints, safetensors."""
import argparse
import json
import os
import shutil
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy
import torch


TOKENIZER_FILES = ("tokenizer.json", "vocab.txt", "tokenizer_config.json", "special_tokens_map.json")


def options(description: str, *, layers: int, width: int, heads: int, tokens_a_step: int) -> argparse.ArgumentParser:
    """The options that every training script has; the model's shape matters in the first call only."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path(__file__).parent / "build")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--max-steps", type=int, default=10**9)
    parser.add_argument("--layers", type=int, default=layers)
    parser.add_argument("--width", type=int, default=width)
    parser.add_argument("--heads", type=int, default=heads)
    parser.add_argument("--tokens-a-step", type=int, default=tokens_a_step)
    parser.add_argument("--matrix-rate", type=float, default=0.01)
    parser.add_argument("--other-rate", type=float, default=2e-3)
    parser.add_argument("--weight-decay", type=float, default=0.02)
    parser.add_argument("--warmup", type=int, default=200)
    parser.add_argument("--save-minutes", type=float, default=3)
    parser.add_argument("--decay-steps", type=int, default=0)
    parser.add_argument("--release", type=Path)
    parser.add_argument("--seed", type=int, default=8)
    return parser


def configured(run_folder: Path, make: Callable[[argparse.Namespace], dict], chosen: argparse.Namespace) -> dict:
    """The model's config.json: the checkpoint's own where there is one, else made from the options."""
    run_folder.mkdir(parents=True, exist_ok=True)
    described = run_folder / "config.json"
    if not described.exists():
        described.write_text(json.dumps(make(chosen), indent=2) + "\n")
    return json.loads(described.read_text())


def run(model: torch.nn.Module, config: dict, loss_of: Callable[[int], torch.Tensor], folder: Path,
        chosen: argparse.Namespace, corpus_tokens: int) -> None:
    """Train as the options say and publish where they ask for it."""
    optimiser = Optimiser(model, chosen.matrix_rate, chosen.other_rate, chosen.weight_decay)
    step = train(model, loss_of, optimiser, folder / "run", minutes=chosen.minutes, warmup=chosen.warmup,
                 tokens_a_step=chosen.tokens_a_step, save_minutes=chosen.save_minutes, max_steps=chosen.max_steps,
                 decay_steps=chosen.decay_steps, device=chosen.device)
    if not chosen.release:
        return
    publish(model, config, folder, chosen.release)
    record = {name: getattr(chosen, name) for name in
              ("decay_steps", "tokens_a_step", "matrix_rate", "other_rate", "weight_decay", "seed", "device")}
    record |= {"steps": step, "tokens": step * chosen.tokens_a_step, "corpus_tokens": corpus_tokens}
    (folder / "release.json").write_text(json.dumps(record, indent=2) + "\n")
    print(f"{chosen.release}: {step} steps, {record['tokens'] / 1e6:.1f} M tokens")


def publish(model: torch.nn.Module, config: dict, tokenizer: Path, release: Path) -> None:
    """A complete Hugging Face folder but for the card, which the evaluation writes."""
    release.mkdir(parents=True, exist_ok=True)
    for name in TOKENIZER_FILES:
        if (tokenizer / name).exists():
            shutil.copyfile(tokenizer / name, release / name)
    (release / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    partial = release / "model.safetensors.partial"
    write_safetensors(partial, model.state_dict().items())
    os.replace(partial, release / "model.safetensors")


class Optimiser:
    """Muon for the matrices inside the blocks, AdamW for embeddings, norms and biases.

    Muon (momentum orthogonalised by a Newton-Schulz iteration) reaches the same loss in clearly fewer
    tokens than AdamW alone on matrices, and tokens are what a CPU has too few of. Matrices of equal shape
    are orthogonalised as one batch.
    """

    def __init__(self, model: torch.nn.Module, matrix_rate: float, other_rate: float, weight_decay: float):
        named = [(n, p) for n, p in model.named_parameters()]
        inner = [p for n, p in named if p.ndim == 2 and "embed" not in n and "lm_head" not in n and "shared" not in n]
        chosen = {id(p) for p in inner}
        self.shapes: dict[torch.Size, list[torch.nn.Parameter]] = {}
        for p in inner:
            self.shapes.setdefault(p.shape, []).append(p)
        self.momenta = [torch.zeros(len(ps), *shape, device=ps[0].device) for shape, ps in self.shapes.items()]
        self.matrix_rate, self.other_rate, self.weight_decay = matrix_rate, other_rate, weight_decay
        rest = [p for _, p in named if id(p) not in chosen]
        self.adam = torch.optim.AdamW(rest, lr=other_rate, betas=(0.9, 0.98), eps=1e-8, weight_decay=0.0)
        self.parameters = [p for _, p in named]

    @torch.no_grad()
    def step(self, factor: float, momentum: float = 0.95) -> None:
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        for group in self.adam.param_groups:
            group["lr"] = self.other_rate * factor
        self.adam.step()
        rate = self.matrix_rate * factor
        for (shape, ps), held in zip(self.shapes.items(), self.momenta):
            gradient = torch.stack([p.grad for p in ps])
            held.mul_(momentum).add_(gradient, alpha=1 - momentum)
            update = orthogonalise(torch.lerp(gradient, held, momentum))
            scale = max(1.0, shape[0] / shape[1]) ** 0.5
            for p, u in zip(ps, update):
                p.mul_(1 - rate * self.weight_decay).add_(u.to(p.dtype), alpha=-rate * scale)
        for p in self.parameters:
            p.grad = None

    def state(self) -> dict:
        return {"adam": self.adam.state_dict(), "momenta": self.momenta}

    def load(self, state: dict) -> None:
        self.adam.load_state_dict(state["adam"])
        for held, saved in zip(self.momenta, state["momenta"]):
            held.copy_(saved)


def orthogonalise(x: torch.Tensor) -> torch.Tensor:
    """Newton-Schulz iteration of order five (coefficients of K. Jordan's Muon) on a batch of matrices."""
    wide = x.shape[-2] > x.shape[-1]
    if wide:
        x = x.transpose(-1, -2)
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(5):
        gram = x @ x.transpose(-1, -2)
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return x.transpose(-1, -2) if wide else x


def train(model: torch.nn.Module, loss_of: Callable[[int], torch.Tensor], optimiser: Optimiser, run: Path, *,
          minutes: float, warmup: int, tokens_a_step: int, save_minutes: float, max_steps: int,
          decay_steps: int = 0, device: str = "cpu") -> int:
    """Train from the newest checkpoint in `run` until the time or the steps are used up.

    Warm-up, then a constant rate, so that training can stop at any moment. With `decay_steps` nothing is
    saved: the rate falls linearly to zero over that many steps from the checkpoint, which gives the weights
    to publish, while the constant-rate checkpoint stays for going on. Returns the steps behind the weights.
    """
    run.mkdir(parents=True, exist_ok=True)
    checkpoint = run / "checkpoint.pt"
    step = 0
    if checkpoint.exists():
        saved = torch.load(checkpoint, map_location=device)
        model.load_state_dict(saved["model"])
        optimiser.load(saved["optimiser"])
        step = saved["step"]
        print(f"going on from step {step}", flush=True)
    first, began, saved_at = step, time.monotonic(), time.monotonic()
    stop = step + decay_steps if decay_steps else max_steps
    mean: torch.Tensor | float = 0.0
    counted = 0
    while step < stop and (decay_steps or time.monotonic() - began < 60 * minutes):
        with torch.autocast(device_type=device, dtype=torch.bfloat16, enabled=device == "cuda"):
            loss = loss_of(step)
        loss.backward()
        factor = 1 - (step - first) / decay_steps if decay_steps else 1.0
        optimiser.step(min(1.0, (step + 1) / warmup) * factor)
        step += 1
        mean = mean + loss.detach()
        counted += 1
        if step % 50 == 0:
            value = float(mean) / counted
            rate = (step - first) * tokens_a_step / (time.monotonic() - began)
            print(f"{time.strftime('%H:%M:%S')} step {step:6} loss {value:.4f}  {step * tokens_a_step / 1e6:.2f} M tokens  {rate:.0f} tokens/s", flush=True)
            if value != value:
                raise SystemExit("the loss is not a number: lower the learning rates and go on from the checkpoint")
            mean, counted = 0.0, 0
        if not decay_steps and time.monotonic() - saved_at > 60 * save_minutes:
            save(checkpoint, model, optimiser, step)
            saved_at = time.monotonic()
    if not decay_steps and step > first:
        save(checkpoint, model, optimiser, step)
    return step


def save(path: Path, model: torch.nn.Module, optimiser: Optimiser, step: int) -> None:
    """Atomic: a checkpoint cut short by a stopped machine never replaces a whole one."""
    partial = path.with_suffix(".partial")
    torch.save({"model": model.state_dict(), "optimiser": optimiser.state(), "step": step}, partial)
    os.replace(partial, path)


def write_safetensors(path: Path, tensors: Iterable[tuple[str, torch.Tensor]]) -> int:
    """Write f16 tensors in the safetensors layout; returns the bytes written."""
    header: dict[str, dict] = {"__metadata__": {"format": "pt"}}
    blobs = []
    offset = 0
    for name, tensor in sorted(tensors, key=lambda item: item[0]):
        blob = tensor.detach().to("cpu", torch.float16).contiguous().numpy().astype("<f2").tobytes()
        header[name] = {"dtype": "F16", "shape": list(tensor.shape), "data_offsets": [offset, offset + len(blob)]}
        blobs.append(blob)
        offset += len(blob)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as out:
        out.write(len(text).to_bytes(8, "little") + text + b"".join(blobs))
    return path.stat().st_size


def card_facts(release: Path, folder: Path, sources: Path) -> dict:
    """What every model card says: the shape, the size, the training and the table of sources."""
    config = json.loads((release / "config.json").read_text())
    record = json.loads((folder / "release.json").read_text())
    rows = [line.split("\t") for line in sources.read_text().splitlines()[1:]]
    weights = release / "model.safetensors"
    return {
        "layers": config["num_hidden_layers"], "vocabulary": config["vocab_size"], "positions": config["max_position_embeddings"],
        "heads": config.get("num_attention_heads") or config["encoder_attention_heads"],
        "width": config.get("hidden_size") or config["d_model"],
        "inner": config.get("intermediate_size") or config["encoder_ffn_dim"],
        "parameters": sum(t.numel() for t in read_safetensors(weights).values()) / 1e6,
        "megabytes": weights.stat().st_size / 1e6,
        "tokens": record["tokens"] / 1e6, "steps": record["steps"], "tokens_a_step": record["tokens_a_step"],
        "decay_steps": record["decay_steps"], "passes": record["tokens"] / record["corpus_tokens"],
        "device": {"cpu": "one core of a CPU", "cuda": "one GPU"}[record["device"]],
        "matrix_rate": record["matrix_rate"], "other_rate": record["other_rate"],
        "characters": sum(int(row[-1]) for row in rows) / 1e6,
        "sources": "\n".join(f"| {row[0]} | {row[1]} | {int(row[-1]) / 1e6:.2f} |" for row in rows if int(row[-1])),
    }


def read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    """Read back f16 tensors as f32, for evaluating exactly what is published."""
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + size])
    header.pop("__metadata__", None)
    return {name: torch.from_numpy(numpy.frombuffer(data, dtype="<f2", count=(end - begin) // 2, offset=8 + size + begin)
                                   .reshape(entry["shape"]).astype(numpy.float32))
            for name, entry in header.items() for begin, end in [entry["data_offsets"]]}
