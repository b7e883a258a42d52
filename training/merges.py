"""Byte-pair merging, the training step that WordPiece and byte-level BPE have in common."""
import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator


def learn(spelled: list[list[str]], weight: list[int], join: Callable[[str, str], str]) -> Iterator[tuple[str, str, str]]:
    """Merge the most frequent pair, for ever: yields (left, right, merged). Changes `spelled`.

    Ties are broken by the pieces themselves, so the result is a function of the counts alone.
    """
    pairs: Counter[tuple[str, str]] = Counter()
    where: dict[tuple[str, str], set[int]] = defaultdict(set)
    for index, pieces in enumerate(spelled):
        for pair in zip(pieces, pieces[1:]):
            pairs[pair] += weight[index]
            where[pair].add(index)
    queue = [(-count, pair) for pair, count in pairs.items()]
    heapq.heapify(queue)
    while queue:
        count, pair = heapq.heappop(queue)
        if pairs[pair] != -count:  # the count fell since this entry was queued
            if pairs[pair] > 0:
                heapq.heappush(queue, (-pairs[pair], pair))
            continue
        left, right = pair
        merged = join(left, right)
        yield left, right, merged
        changed: set[tuple[str, str]] = set()
        for index in where.pop(pair):
            pieces, n = spelled[index], weight[index]
            for old in zip(pieces, pieces[1:]):
                pairs[old] -= n
            result: list[str] = []
            i = 0
            while i < len(pieces):
                if i + 1 < len(pieces) and pieces[i] == left and pieces[i + 1] == right:
                    result.append(merged)
                    i += 2
                else:
                    result.append(pieces[i])
                    i += 1
            spelled[index] = result
            for new in zip(result, result[1:]):
                pairs[new] += n
                where[new].add(index)
                changed.add(new)
        del pairs[pair]
        for new in changed:
            heapq.heappush(queue, (-pairs[new], new))
