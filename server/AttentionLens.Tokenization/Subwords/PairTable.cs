using System.Numerics;

namespace AttentionLens.Tokenization.Subwords;

/// <summary>A pair of ints to a pair of ints: open addressing, for the inner loops where Dictionary costs too much.</summary>
internal sealed class PairTable
{
    private const ulong Free = ulong.MaxValue;

    private ulong[] keys;
    private (int, int)[] values;
    private int shift;
    private int count;

    public PairTable(int capacity)
    {
        keys = [];
        values = [];
        Allocate(BitOperations.RoundUpToPowerOf2((uint)Math.Max(16, capacity * 2)));
    }

    /// <summary>Adds or replaces.</summary>
    public void Set(int a, int b, int first, int second)
    {
        if (++count * 2L > keys.Length)
            Grow();
        Put(Key(a, b), (first, second));
    }

    public bool TryGet(int a, int b, out int first, out int second)
    {
        var key = Key(a, b);
        for (var at = Slot(key); ; at = (at + 1) & (keys.Length - 1))
        {
            var found = keys[at];
            if (found == key)
            {
                (first, second) = values[at];
                return true;
            }
            if (found == Free)
            {
                (first, second) = (0, 0);
                return false;
            }
        }
    }

    private static ulong Key(int a, int b) => (ulong)(uint)a << 32 | (uint)b;

    private int Slot(ulong key) => (int)(key * 0x9E3779B97F4A7C15UL >> shift);

    private void Put(ulong key, (int, int) value)
    {
        var at = Slot(key);
        while (keys[at] != key && keys[at] != Free)
            at = (at + 1) & (keys.Length - 1);
        keys[at] = key;
        values[at] = value;
    }

    private void Grow()
    {
        var (oldKeys, oldValues) = (keys, values);
        Allocate((uint)oldKeys.Length * 2);
        for (var i = 0; i < oldKeys.Length; i++)
        {
            if (oldKeys[i] != Free)
                Put(oldKeys[i], oldValues[i]);
        }
    }

    private void Allocate(uint size)
    {
        keys = new ulong[size];
        values = new (int, int)[size];
        Array.Fill(keys, Free);
        shift = 64 - BitOperations.Log2(size);
    }
}
