"""Marian as a translation model in plain PyTorch; parameter names are Hugging Face's."""
import math

import torch
from torch import nn
from torch.nn import functional as F

END, PAD = 0, 1
DROPOUT = 0.1


def sinusoids(length: int, width: int, device: torch.device) -> torch.Tensor:
    """Marian's table: the sines in the first half, the cosines in the second."""
    angle = torch.arange(length, device=device)[:, None] / 10000 ** (torch.arange(width // 2, device=device) * 2 / width)
    return torch.cat([angle.sin(), angle.cos()], -1)


class Attention(nn.Module):
    def __init__(self, width: int, heads: int):
        super().__init__()
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (nn.Linear(width, width) for _ in range(4))
        self.heads = heads

    def forward(self, x: torch.Tensor, memory: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """`mask` is true where a key may not be seen, and broadcasts to [batch, heads, queries, keys]."""
        split = lambda y: y.unflatten(-1, (self.heads, -1)).transpose(-2, -3)
        q, k, v = split(self.q_proj(x)), split(self.k_proj(memory)), split(self.v_proj(memory))
        scores = (q @ k.transpose(-1, -2)).float() / math.sqrt(q.shape[-1])
        weights = torch.softmax(scores.masked_fill(mask, -math.inf), -1)
        return self.out_proj((weights.to(v.dtype) @ v).transpose(-2, -3).flatten(-2)), weights


class Layer(nn.Module):
    def __init__(self, width: int, heads: int, inner: int, cross: bool):
        super().__init__()
        self.self_attn, self.self_attn_layer_norm = Attention(width, heads), nn.LayerNorm(width)
        if cross:
            self.encoder_attn, self.encoder_attn_layer_norm = Attention(width, heads), nn.LayerNorm(width)
        self.fc1, self.fc2 = nn.Linear(width, inner), nn.Linear(inner, width)
        self.final_layer_norm = nn.LayerNorm(width)

    def forward(self, x: torch.Tensor, mask: torch.Tensor, memory: torch.Tensor | None = None,
                memory_mask: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        drop = lambda y: F.dropout(y, DROPOUT, self.training)
        y, weights = self.self_attn(x, x, mask)
        x = self.self_attn_layer_norm(x + drop(y))
        if memory is not None:
            y, weights = self.encoder_attn(x, memory, memory_mask)
            x = self.encoder_attn_layer_norm(x + drop(y))
        return self.final_layer_norm(x + drop(self.fc2(F.silu(self.fc1(x))))), weights


class Stack(nn.Module):
    def __init__(self, layers: int, width: int, heads: int, inner: int, cross: bool):
        super().__init__()
        self.layers = nn.ModuleList(Layer(width, heads, inner, cross) for _ in range(layers))


class Model(nn.Module):
    def __init__(self, config: dict):
        super().__init__()
        width = config["d_model"]
        self.shared = nn.Embedding(config["vocab_size"], width)
        self.encoder = Stack(config["encoder_layers"], width, config["encoder_attention_heads"], config["encoder_ffn_dim"], cross=False)
        self.decoder = Stack(config["decoder_layers"], width, config["decoder_attention_heads"], config["decoder_ffn_dim"], cross=True)


class MarianMTModel(nn.Module):
    def __init__(self, config: dict):
        super().__init__()
        self.config = config
        self.model = Model(config)
        self.final_logits_bias = nn.Parameter(torch.zeros(1, config["vocab_size"]))
        with torch.no_grad():
            for name, p in self.model.named_parameters():
                if p.ndim == 2:
                    nn.init.normal_(p, std=p.shape[1] ** -0.5)
                elif "layer_norm" not in name:
                    nn.init.zeros_(p)

    def _embed(self, ids: torch.Tensor) -> torch.Tensor:
        width = self.config["d_model"]
        x = self.model.shared(ids) * math.sqrt(width) + sinusoids(ids.shape[-1], width, ids.device)
        return F.dropout(x, DROPOUT, self.training)

    def encode(self, source: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Encoder states and the mask of what is padding."""
        mask = (source == PAD)[:, None, None]
        x = self._embed(source)
        for layer in self.model.encoder.layers:
            x, _ = layer(x, mask)
        return x, mask

    def decode(self, target: torch.Tensor, memory: torch.Tensor, memory_mask: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Logits [batch, targets, vocabulary] and per layer the cross-attention [batch, heads, targets, sources]."""
        length = target.shape[-1]
        # Padding needs no mask here: it comes after every real token, where a causal query never looks.
        mask = torch.ones(length, length, dtype=torch.bool, device=target.device).triu(1)
        x = self._embed(target)
        attentions = []
        for layer in self.model.decoder.layers:
            x, weights = layer(x, mask, memory, memory_mask)
            attentions.append(weights)
        return F.linear(x, self.model.shared.weight) + self.final_logits_bias, attentions

    @torch.no_grad()
    def translate(self, source: torch.Tensor) -> list[list[int]]:
        """Greedy translation of padded rows: ids without the leading pad and the closing end."""
        memory, mask = self.encode(source)
        target = torch.full((len(source), 1), PAD, device=source.device)
        done = torch.zeros(len(source), dtype=torch.bool, device=source.device)
        for _ in range(2 * source.shape[1] + 10):
            logits, _ = self.decode(target, memory, mask)
            logits[:, -1, PAD] = -math.inf
            following = logits[:, -1].argmax(-1).masked_fill(done, END)
            target = torch.cat([target, following[:, None]], 1)
            done |= following == END
            if done.all():
                break
        return [row[:row.index(END)] if END in row else row for row in target[:, 1:].tolist()]
