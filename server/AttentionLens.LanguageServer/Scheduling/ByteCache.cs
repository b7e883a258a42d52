namespace AttentionLens.LanguageServer.Scheduling;

/// <summary>A cache bounded in bytes; the least recently used goes first. The newest entry stays even when it alone is over the bound.</summary>
internal sealed class ByteCache<TKey, TValue>(long limit)
    where TKey : notnull
{
    private readonly Lock gate = new();
    private readonly Dictionary<TKey, LinkedListNode<Entry>> index = [];
    private readonly LinkedList<Entry> order = new();
    private long limit = limit;

    private readonly record struct Entry(TKey Key, TValue Value, long Bytes);

    public long Bytes { get; private set; }

    public int Count
    {
        get
        {
            lock (gate)
                return index.Count;
        }
    }

    public bool TryGet(TKey key, out TValue value)
    {
        lock (gate)
        {
            if (!index.TryGetValue(key, out LinkedListNode<Entry>? node))
            {
                value = default!; // not read by the caller on false
                return false;
            }
            order.Remove(node);
            order.AddFirst(node);
            value = node.Value.Value;
            return true;
        }
    }

    public void Add(TKey key, TValue value, long bytes)
    {
        lock (gate)
        {
            if (index.Remove(key, out LinkedListNode<Entry>? old))
                Drop(old);
            index[key] = order.AddFirst(new Entry(key, value, bytes));
            Bytes += bytes;
            Trim();
        }
    }

    /// <summary>Changes the bound, in bytes.</summary>
    public void Resize(long bytes)
    {
        lock (gate)
        {
            limit = bytes;
            Trim();
        }
    }

    public void Clear()
    {
        lock (gate)
        {
            index.Clear();
            order.Clear();
            Bytes = 0;
        }
    }

    private void Trim()
    {
        while (Bytes > limit && order.Count > 1 && order.Last is { } last)
        {
            index.Remove(last.Value.Key);
            Drop(last);
        }
    }

    private void Drop(LinkedListNode<Entry> node)
    {
        order.Remove(node);
        Bytes -= node.Value.Bytes;
    }
}
