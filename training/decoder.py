"""LLaMA as a causal language model in plain PyTorch; parameter names are Hugging Face's."""
import math

import torch
from torch import nn
from torch.nn import functional as F


class RmsNorm(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # Statistics in f32: under autocast the squares of a residual stream leave bf16's precision.
        y = x.float()
        return (y * torch.rsqrt(y.pow(2).mean(-1, keepdim=True) + 1e-5)).type_as(x) * self.weight


def rotary(length: int, size: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    frequency = 10000.0 ** (-torch.arange(0, size, 2, device=device) / size)
    angle = torch.arange(length, device=device)[:, None] * frequency
    angle = torch.cat([angle, angle], -1)
    return angle.cos(), angle.sin()


def rotate(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Rotate-half layout, as Hugging Face stores LLaMA."""
    a, b = x.chunk(2, -1)
    return x * cos + torch.cat([-b, a], -1) * sin


class SelfAttention(nn.Module):
    def __init__(self, width: int, heads: int):
        super().__init__()
        self.q_proj, self.k_proj, self.v_proj, self.o_proj = (nn.Linear(width, width, bias=False) for _ in range(4))
        self.heads = heads

    def forward(self, x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        split = lambda y: y.unflatten(-1, (self.heads, -1)).transpose(-2, -3)
        q, k, v = rotate(split(self.q_proj(x)), cos, sin), rotate(split(self.k_proj(x)), cos, sin), split(self.v_proj(x))
        scores = q @ k.to(q.dtype).transpose(-1, -2) / math.sqrt(q.shape[-1])
        weights = torch.softmax(scores.float().masked_fill(mask, -math.inf), -1)
        return self.o_proj((weights.to(v.dtype) @ v).transpose(-2, -3).flatten(-2)), weights


class Mlp(nn.Module):
    def __init__(self, width: int, inner: int):
        super().__init__()
        self.gate_proj, self.up_proj = (nn.Linear(width, inner, bias=False) for _ in range(2))
        self.down_proj = nn.Linear(inner, width, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, width: int, heads: int, inner: int):
        super().__init__()
        self.self_attn = SelfAttention(width, heads)
        self.mlp = Mlp(width, inner)
        self.input_layernorm, self.post_attention_layernorm = RmsNorm(width), RmsNorm(width)


class Llama(nn.Module):
    def __init__(self, config: dict):
        super().__init__()
        width = config["hidden_size"]
        self.embed_tokens = nn.Embedding(config["vocab_size"], width)
        self.layers = nn.ModuleList(Layer(width, config["num_attention_heads"], config["intermediate_size"])
                                    for _ in range(config["num_hidden_layers"]))
        self.norm = RmsNorm(width)


class LlamaForCausalLM(nn.Module):
    """Tied: `lm_head` is `model.embed_tokens`."""

    def __init__(self, config: dict):
        super().__init__()
        self.config = config
        self.model = Llama(config)
        with torch.no_grad():
            for name, p in self.named_parameters():
                if p.ndim == 2:
                    out = name.endswith(("o_proj.weight", "down_proj.weight"))
                    # Blocks start as the identity, so that depth costs nothing early on.
                    nn.init.zeros_(p) if out else nn.init.normal_(p, std=0.02 if "embed" in name else p.shape[1] ** -0.5)

    def forward(self, ids: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Logits [batch, tokens, vocabulary] and per layer the attention [batch, heads, tokens, tokens]."""
        size = self.config["hidden_size"] // self.config["num_attention_heads"]
        length = ids.shape[-1]
        cos, sin = rotary(length, size, ids.device)
        mask = torch.ones(length, length, dtype=torch.bool, device=ids.device).triu(1)
        x = self.model.embed_tokens(ids)
        attentions = []
        for layer in self.model.layers:
            mixed, weights = layer.self_attn(layer.input_layernorm(x), cos, sin, mask)
            x = x + mixed
            x = x + layer.mlp(layer.post_attention_layernorm(x))
            attentions.append(weights)
        return F.linear(self.model.norm(x), self.model.embed_tokens.weight), attentions
