"""What every training script shares: optimiser, schedule, resumable checkpoints, safetensors."""
import json
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy
import torch


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


def read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    """Read back f16 tensors as f32, for evaluating exactly what is published."""
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + size])
    header.pop("__metadata__", None)
    return {name: torch.from_numpy(numpy.frombuffer(data, dtype="<f2", count=(end - begin) // 2, offset=8 + size + begin)
                                   .reshape(entry["shape"]).astype(numpy.float32))
            for name, entry in header.items() for begin, end in [entry["data_offsets"]]}
