"""Attention of one query over a list of keys, without a library."""

from math import exp, sqrt


def softmax(scores):
    """Positive weights that sum to one. The largest score is subtracted first, so that exp cannot overflow."""
    highest = max(scores)
    parts = [exp(score - highest) for score in scores]
    total = sum(parts)
    return [part / total for part in parts]


def attend(query, keys, values):
    # The scale keeps the scores of long vectors from growing with their length.
    scale = 1 / sqrt(len(query))
    weights = softmax([scale * sum(q * k for q, k in zip(query, key)) for key in keys])
    return [sum(w * value[i] for w, value in zip(weights, values)) for i in range(len(values[0]))]
