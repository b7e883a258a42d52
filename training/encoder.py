"""BERT as a masked language model in plain PyTorch; parameter names are Hugging Face's."""
import math

import torch
from torch import nn
from torch.nn import functional as F


class SelfAttention(nn.Module):
    def __init__(self, width: int, heads: int):
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.heads = heads

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        split = lambda y: y.unflatten(-1, (self.heads, -1)).transpose(-2, -3)
        q, k, v = split(self.query(x)), split(self.key(x)), split(self.value(x))
        weights = torch.softmax(q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1]), -1)
        return (weights @ v).transpose(-2, -3).flatten(-2), weights


class DenseNorm(nn.Module):
    """Dense, residual, LayerNorm: BERT's `output` blocks."""

    def __init__(self, inner: int, width: int):
        super().__init__()
        self.dense = nn.Linear(inner, width)
        self.LayerNorm = nn.LayerNorm(width, eps=1e-12)

    def forward(self, y: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return self.LayerNorm(x + self.dense(y))


class Attention(nn.Module):
    def __init__(self, width: int, heads: int):
        super().__init__()
        self.add_module("self", SelfAttention(width, heads))
        self.output = DenseNorm(width, width)


class Dense(nn.Module):
    def __init__(self, width: int, inner: int):
        super().__init__()
        self.dense = nn.Linear(width, inner)


class Layer(nn.Module):
    def __init__(self, width: int, heads: int, inner: int):
        super().__init__()
        self.attention = Attention(width, heads)
        self.intermediate = Dense(width, inner)
        self.output = DenseNorm(inner, width)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        mixed, weights = getattr(self.attention, "self")(x)
        x = self.attention.output(mixed, x)
        return self.output(F.gelu(self.intermediate.dense(x)), x), weights


class Embeddings(nn.Module):
    def __init__(self, vocabulary: int, positions: int, width: int):
        super().__init__()
        self.word_embeddings = nn.Embedding(vocabulary, width)
        self.position_embeddings = nn.Embedding(positions, width)
        self.token_type_embeddings = nn.Embedding(2, width)
        self.LayerNorm = nn.LayerNorm(width, eps=1e-12)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x = self.word_embeddings(ids) + self.position_embeddings.weight[:ids.shape[-1]] + self.token_type_embeddings.weight[0]
        return self.LayerNorm(x)


class Encoder(nn.Module):
    def __init__(self, layers: int, width: int, heads: int, inner: int):
        super().__init__()
        self.layer = nn.ModuleList(Layer(width, heads, inner) for _ in range(layers))


class Bert(nn.Module):
    def __init__(self, config: dict):
        super().__init__()
        width = config["hidden_size"]
        self.embeddings = Embeddings(config["vocab_size"], config["max_position_embeddings"], width)
        self.encoder = Encoder(config["num_hidden_layers"], width, config["num_attention_heads"], config["intermediate_size"])


class Transform(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.dense = nn.Linear(width, width)
        self.LayerNorm = nn.LayerNorm(width, eps=1e-12)


class Predictions(nn.Module):
    def __init__(self, width: int, vocabulary: int):
        super().__init__()
        self.transform = Transform(width)
        self.bias = nn.Parameter(torch.zeros(vocabulary))


class Heads(nn.Module):
    def __init__(self, width: int, vocabulary: int):
        super().__init__()
        self.predictions = Predictions(width, vocabulary)


class BertForMaskedLM(nn.Module):
    def __init__(self, config: dict):
        super().__init__()
        self.config = config
        self.bert = Bert(config)
        self.cls = Heads(config["hidden_size"], config["vocab_size"])
        self._initialise()

    @torch.no_grad()
    def _initialise(self) -> None:
        for name, p in self.named_parameters():
            if p.ndim == 2 and "embeddings" not in name:
                # BERT's 0.02 suits a width of 768. At 128 it leaves every head uniform for thousands of steps.
                nn.init.normal_(p, std=p.shape[1] ** -0.5)
            elif p.ndim == 2:
                nn.init.normal_(p, std=0.02)
            elif name.endswith("dense.bias") or "LayerNorm" not in name:
                nn.init.zeros_(p)
        # Sinusoids make "one to the left" a rotation of the position. Two heads of the first layer start out
        # as that rotation, one each way: a short training then spends nothing on finding the neighbours,
        # which takes thousands of steps from random weights. Everything is trained freely afterwards.
        table = self.bert.embeddings.position_embeddings.weight
        count, width = table.shape
        frequency = 2.0 * 200.0 ** (-torch.arange(width // 2) / (width // 2))
        angle = torch.arange(count)[:, None] * frequency
        table[:, 0::2], table[:, 1::2] = 0.02 * math.sqrt(2) * angle.sin(), 0.02 * math.sqrt(2) * angle.cos()
        attention = getattr(self.bert.encoder.layer[0].attention, "self")
        size = width // attention.heads
        for head, offset in ((0, -1), (1, 1)):
            rows = slice(head * size, (head + 1) * size)
            query, key = attention.query.weight[rows], attention.key.weight[rows]
            query.zero_()
            key.zero_()
            for i in range(0, size, 2):
                turn = float(offset * frequency[i // 2])
                # sin(a + t) = sin a cos t + cos a sin t, and likewise the cosine: the query asks for angle + turn.
                query[i, i], query[i, i + 1] = 2 * math.cos(turn), 2 * math.sin(turn)
                query[i + 1, i], query[i + 1, i + 1] = -2 * math.sin(turn), 2 * math.cos(turn)
                key[i, i] = key[i + 1, i + 1] = 2

    def hidden(self, ids: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Last hidden state [batch, tokens, width] and per layer the attention [batch, heads, tokens, tokens]."""
        x = self.bert.embeddings(ids)
        attentions = []
        for layer in self.bert.encoder.layer:
            x, weights = layer(x)
            attentions.append(weights)
        return x, attentions

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        head = self.cls.predictions
        x = head.transform.LayerNorm(F.gelu(head.transform.dense(x)))
        return F.linear(x, self.bert.embeddings.word_embeddings.weight, head.bias)
