using System.Collections.Concurrent;
using AttentionLens.Models;

namespace AttentionLens.Analysis;

/// <summary>
/// Attention flow (Abnar and Zuidema, ACL 2020, section 3): the layers as a network of pipes. Node (l, i) is position i after
/// layer l, (0, j) input token j; the pipe from (l + 1, i) to (l, j) has the capacity A'_l[i, j] = (A_l + I)[i, j] / 2, A_l being the
/// mean over heads. The weight of j for i is the maximum flow from (l, i) to (0, j), exact on that graph.
/// Shape: one [n, n] matrix per layer; each weight is at most 1, a row is no distribution (its flows are n separate
/// problems). Cost: a row is n maximum flows by Dinic's algorithm over up to layers · n² pipes, on all cores; rows are computed
/// when asked for and kept.
/// </summary>
public sealed class FlowView : AttentionView
{
    /// <summary>The graph of a 12 layer model holds 12 · n² pipes, each row is n flows: beyond this it takes minutes.</summary>
    public const int MaxTokens = 256;

    private readonly AttentionView _view;
    private readonly float[][] _capacities;
    private readonly ConcurrentDictionary<(int Layer, int Query), float[]> _rows = [];

    /// <param name="view">Self-attention.</param>
    /// <param name="cancellation">Checked per layer.</param>
    /// <exception cref="MethodException">Too long, or not self-attention.</exception>
    public FlowView(AttentionView view, CancellationToken cancellation = default)
    {
        if (view.Queries > MaxTokens)
        {
            throw new MethodException($"Attention flow takes too long beyond {MaxTokens} tokens (here {view.Queries}); choose a shorter text, or rollout, which approximates it.");
        }

        _view = view;
        _capacities = new float[view.Layers][];
        for (var layer = 0; layer < view.Layers; layer++)
        {
            _capacities[layer] = new float[view.Queries * view.Keys];
            Rollout.WithResidual(view, layer, _capacities[layer], cancellation);
        }
    }

    public override AttentionKind Kind => _view.Kind;

    public override int Layers => _view.Layers;

    public override int Heads => 1;

    public override int Queries => _view.Queries;

    public override int Keys => _view.Keys;

    public override bool Causal => _view.Causal;

    public override long Bytes => (long)Layers * Queries * Keys * sizeof(float);

    public override void Row(int layer, int head, int query, Span<float> row, CancellationToken cancellation = default)
    {
        if (!_rows.TryGetValue((layer, query), out var flows))
        {
            // Two callers may compute the same row at once; they get the same numbers.
            flows = new float[Keys];
            Parallel.For(
                0,
                Keys,
                new ParallelOptions { CancellationToken = cancellation },
                () => new LayeredNetwork(_capacities.AsSpan(0, layer + 1), Queries),
                (key, _, network) =>
                {
                    flows[key] = (float)network.MaxFlow(query, key);
                    return network;
                },
                static _ => { });
            _rows[(layer, query)] = flows;
        }

        flows.CopyTo(row);
    }
}

/// <summary>
/// Dinic's algorithm on a network of complete layers: level L (the top) holds the source, level 0 the sink. Residual
/// capacities are dense: down[l][i, j] from (l + 1, i) to (l, j), up[l][i, j] back.
/// </summary>
internal sealed class LayeredNetwork
{
    // Capacities are float32 attention weights: less than this is rounding.
    private const double Nothing = 1e-9;

    private readonly int _n;
    private readonly double[][] _capacities;
    private readonly double[][] _down;
    private readonly double[][] _up;
    private readonly int[] _distance;
    private readonly int[] _next;
    private readonly int[] _queue;
    private readonly int[] _path;

    public LayeredNetwork(ReadOnlySpan<float[]> capacities, int n)
    {
        _n = n;
        _capacities = new double[capacities.Length][];
        _down = new double[capacities.Length][];
        _up = new double[capacities.Length][];
        for (var l = 0; l < capacities.Length; l++)
        {
            _capacities[l] = Array.ConvertAll(capacities[l], c => (double)c);
            _down[l] = new double[n * n];
            _up[l] = new double[n * n];
        }

        var nodes = (capacities.Length + 1) * n;
        (_distance, _next, _queue, _path) = (new int[nodes], new int[nodes], new int[nodes], new int[nodes + 1]);
    }

    /// <summary>The maximum flow from top position <paramref name="from"/> to bottom position <paramref name="to"/>.</summary>
    public double MaxFlow(int from, int to)
    {
        for (var l = 0; l < _capacities.Length; l++)
        {
            _capacities[l].CopyTo(_down[l], 0);
            Array.Clear(_up[l]);
        }

        var source = (_capacities.Length * _n) + from;
        var flow = 0.0;
        while (Measure(source, to))
        {
            Array.Clear(_next);
            for (double pushed; (pushed = Push(source, to)) > 0;)
            {
                flow += pushed;
            }
        }

        return flow;
    }

    /// <summary>Breadth-first distances in the residual graph; false when the sink is out of reach.</summary>
    private bool Measure(int source, int sink)
    {
        Array.Fill(_distance, -1);
        _distance[source] = 0;
        _queue[0] = source;
        for (int head = 0, tail = 1; head < tail; head++)
        {
            var node = _queue[head];
            for (var edge = 0; edge < 2 * _n; edge++)
            {
                var target = Target(node, edge);
                if (target >= 0 && _distance[target] < 0 && Residual(node, edge) > Nothing)
                {
                    _distance[target] = _distance[node] + 1;
                    if (target == sink)
                    {
                        return true;
                    }

                    _queue[tail++] = target;
                }
            }
        }

        return false;
    }

    /// <summary>Pushes flow along one shortest path; 0 when none is left. Without recursion: paths may be long.</summary>
    private double Push(int source, int sink)
    {
        var length = 0;
        _path[0] = source;
        while (_path[length] != sink)
        {
            var node = _path[length];
            var moved = false;
            for (; _next[node] < 2 * _n; _next[node]++)
            {
                var target = Target(node, _next[node]);
                if (target >= 0 && _distance[target] == _distance[node] + 1 && Residual(node, _next[node]) > Nothing)
                {
                    _path[++length] = target;
                    moved = true;
                    break;
                }
            }

            if (!moved)
            {
                if (length == 0)
                {
                    return 0;
                }

                _next[_path[--length]]++;
            }
        }

        var least = double.PositiveInfinity;
        for (var i = 0; i < length; i++)
        {
            least = Math.Min(least, Residual(_path[i], _next[_path[i]]));
        }

        for (var i = 0; i < length; i++)
        {
            var (node, edge) = (_path[i], _next[_path[i]]);
            var (level, position) = (node / _n, node % _n);
            if (edge < _n)
            {
                _down[level - 1][(position * _n) + edge] -= least;
                _up[level - 1][(position * _n) + edge] += least;
            }
            else
            {
                _up[level][((edge - _n) * _n) + position] -= least;
                _down[level][((edge - _n) * _n) + position] += least;
            }
        }

        return least;
    }

    /// <summary>Edges 0..n-1 lead down a level, n..2n-1 back up.</summary>
    private int Target(int node, int edge)
    {
        var level = node / _n;
        return edge < _n
            ? level == 0 ? -1 : ((level - 1) * _n) + edge
            : level == _capacities.Length ? -1 : ((level + 1) * _n) + edge - _n;
    }

    private double Residual(int node, int edge)
    {
        var (level, position) = (node / _n, node % _n);
        return edge < _n ? _down[level - 1][(position * _n) + edge] : _up[level][((edge - _n) * _n) + position];
    }
}
