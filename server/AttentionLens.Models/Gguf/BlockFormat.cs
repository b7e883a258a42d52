using System.Buffers.Binary;

namespace AttentionLens.Models;

/// <summary>
/// How ggml stores a run of values: single floats, or quantised blocks that share scales (layouts as in ggml-common.h). Dequantised values equal
/// those of ggml's own <c>to_float</c> up to the order of two multiplications.
/// </summary>
internal sealed class BlockFormat
{
    /// <summary>Values of the largest block.</summary>
    public const int LargestBlock = 256;

    private static readonly Dictionary<uint, BlockFormat> Known = new()
    {
        [0] = new(1, 4, static (source, values) => source.CopyTo(System.Runtime.InteropServices.MemoryMarshal.AsBytes(values))),
        [1] = new(1, 2, Widening.Half),
        [2] = new(32, 18, Q4_0),
        [3] = new(32, 20, Q4_1),
        [6] = new(32, 22, Q5_0),
        [7] = new(32, 24, Q5_1),
        [8] = new(32, 34, Q8_0),
        [10] = new(256, 84, Q2K),
        [11] = new(256, 110, Q3K),
        [12] = new(256, 144, Q4K),
        [13] = new(256, 176, Q5K),
        [14] = new(256, 210, Q6K),
        [28] = new(1, 8, Widening.Double),
        [30] = new(1, 2, Widening.Brain),
    };

    private readonly BlockReader read;

    private BlockFormat(int values, int bytes, BlockReader read)
    {
        BlockValues = values;
        BlockBytes = bytes;
        this.read = read;
    }

    /// <summary>Reads whole blocks; quantised formats are given one at a time.</summary>
    private delegate void BlockReader(ReadOnlySpan<byte> source, Span<float> values);

    public int BlockValues { get; }

    public int BlockBytes { get; }

    /// <summary>Null for a format that is not read here.</summary>
    public static BlockFormat? Find(uint type) => Known.GetValueOrDefault(type);

    public static string NameOf(uint type) => type switch
    {
        9 => "Q8_1",
        15 => "Q8_K",
        >= 16 and <= 23 or 29 => "IQ (importance-matrix quantisation)",
        >= 24 and <= 27 => "integers",
        34 or 35 => "ternary (TQ)",
        39 => "MXFP4",
        _ => $"type {type}",
    };

    /// <summary>Any number of whole blocks.</summary>
    public void Dequantize(ReadOnlySpan<byte> source, Span<float> values)
    {
        if (BlockValues == 1)
        {
            read(source, values);
            return;
        }

        for (; !values.IsEmpty; source = source[BlockBytes..], values = values[BlockValues..])
        {
            read(source[..BlockBytes], values[..BlockValues]);
        }
    }

    private static void Q4_0(ReadOnlySpan<byte> source, Span<float> values)
    {
        float scale = Widening.Half(source);
        for (int i = 0; i < 16; i++)
        {
            values[i] = ((source[2 + i] & 15) - 8) * scale;
            values[i + 16] = ((source[2 + i] >> 4) - 8) * scale;
        }
    }

    private static void Q4_1(ReadOnlySpan<byte> source, Span<float> values)
    {
        float scale = Widening.Half(source);
        float least = Widening.Half(source[2..]);
        for (int i = 0; i < 16; i++)
        {
            values[i] = ((source[4 + i] & 15) * scale) + least;
            values[i + 16] = ((source[4 + i] >> 4) * scale) + least;
        }
    }

    private static void Q5_0(ReadOnlySpan<byte> source, Span<float> values)
    {
        float scale = Widening.Half(source);
        uint fifth = BinaryPrimitives.ReadUInt32LittleEndian(source[2..]);
        for (int i = 0; i < 16; i++)
        {
            values[i] = ((source[6 + i] & 15 | (int)(fifth >> i & 1) << 4) - 16) * scale;
            values[i + 16] = ((source[6 + i] >> 4 | (int)(fifth >> (i + 16) & 1) << 4) - 16) * scale;
        }
    }

    private static void Q5_1(ReadOnlySpan<byte> source, Span<float> values)
    {
        float scale = Widening.Half(source);
        float least = Widening.Half(source[2..]);
        uint fifth = BinaryPrimitives.ReadUInt32LittleEndian(source[4..]);
        for (int i = 0; i < 16; i++)
        {
            values[i] = ((source[8 + i] & 15 | (int)(fifth >> i & 1) << 4) * scale) + least;
            values[i + 16] = ((source[8 + i] >> 4 | (int)(fifth >> (i + 16) & 1) << 4) * scale) + least;
        }
    }

    private static void Q8_0(ReadOnlySpan<byte> source, Span<float> values)
    {
        float scale = Widening.Half(source);
        for (int i = 0; i < 32; i++)
        {
            values[i] = (sbyte)source[2 + i] * scale;
        }
    }

    /// <summary>16 groups of 16, each with a 4-bit scale and a 4-bit minimum; 2 bits a value.</summary>
    private static void Q2K(ReadOnlySpan<byte> source, Span<float> values)
    {
        ReadOnlySpan<byte> scales = source[..16];
        ReadOnlySpan<byte> quants = source[16..80];
        float scale = Widening.Half(source[80..]);
        float least = Widening.Half(source[82..]);
        for (int i = 0; i < 256; i++)
        {
            byte group = scales[i / 16];
            int quant = quants[(i / 128 * 32) + (i % 32)] >> (i % 128 / 32 * 2) & 3;
            values[i] = (scale * (group & 15) * quant) - (least * (group >> 4));
        }
    }

    /// <summary>16 groups of 16, each with a signed 6-bit scale; 2 bits a value and a third one kept apart.</summary>
    private static void Q3K(ReadOnlySpan<byte> source, Span<float> values)
    {
        ReadOnlySpan<byte> high = source[..32];
        ReadOnlySpan<byte> quants = source[32..96];
        ReadOnlySpan<byte> packed = source[96..108];
        float scale = Widening.Half(source[108..]);
        for (int i = 0; i < 256; i++)
        {
            int group = i / 16;
            int low = group < 8 ? packed[group] & 15 : packed[group - 8] >> 4;
            int six = low | (packed[8 + (group % 4)] >> (group / 4 * 2) & 3) << 4;
            int quant = quants[(i / 128 * 32) + (i % 32)] >> (i % 128 / 32 * 2) & 3;
            int third = high[i % 32] >> (i / 32) & 1;
            values[i] = scale * (six - 32) * (quant - (third == 0 ? 4 : 0));
        }
    }

    /// <summary>8 groups of 32, each with a 6-bit scale and a 6-bit minimum; 4 bits a value.</summary>
    private static void Q4K(ReadOnlySpan<byte> source, Span<float> values)
    {
        float scale = Widening.Half(source);
        float least = Widening.Half(source[2..]);
        ReadOnlySpan<byte> quants = source[16..];
        for (int group = 0; group < 8; group++)
        {
            (int d, int m) = ScaleAndLeast(source[4..16], group);
            float groupScale = scale * d;
            float groupLeast = least * m;
            for (int i = 0; i < 32; i++)
            {
                int quant = quants[(group / 2 * 32) + i] >> (group % 2 * 4) & 15;
                values[(group * 32) + i] = (groupScale * quant) - groupLeast;
            }
        }
    }

    /// <summary>As <see cref="Q4K"/>, with a fifth bit of each value kept apart.</summary>
    private static void Q5K(ReadOnlySpan<byte> source, Span<float> values)
    {
        float scale = Widening.Half(source);
        float least = Widening.Half(source[2..]);
        ReadOnlySpan<byte> fifth = source[16..48];
        ReadOnlySpan<byte> quants = source[48..];
        for (int group = 0; group < 8; group++)
        {
            (int d, int m) = ScaleAndLeast(source[4..16], group);
            float groupScale = scale * d;
            float groupLeast = least * m;
            for (int i = 0; i < 32; i++)
            {
                int quant = quants[(group / 2 * 32) + i] >> (group % 2 * 4) & 15 | (fifth[i] >> group & 1) << 4;
                values[(group * 32) + i] = (groupScale * quant) - groupLeast;
            }
        }
    }

    /// <summary>16 groups of 16, each with a signed 8-bit scale; 4 bits a value and two more kept apart.</summary>
    private static void Q6K(ReadOnlySpan<byte> source, Span<float> values)
    {
        ReadOnlySpan<byte> low = source[..128];
        ReadOnlySpan<byte> high = source[128..192];
        ReadOnlySpan<byte> scales = source[192..208];
        float scale = Widening.Half(source[208..]);
        for (int i = 0; i < 256; i++)
        {
            int half = i / 128;
            int quarter = i % 128 / 32;
            int at = i % 32;
            int four = low[(half * 64) + (quarter % 2 * 32) + at] >> (quarter / 2 * 4) & 15;
            int two = high[(half * 32) + at] >> (quarter * 2) & 3;
            values[i] = scale * (sbyte)scales[i / 16] * ((four | two << 4) - 32);
        }
    }

    /// <summary>The 6-bit scale and minimum of one of eight groups, packed into twelve bytes.</summary>
    private static (int Scale, int Least) ScaleAndLeast(ReadOnlySpan<byte> packed, int group) => group < 4
        ? (packed[group] & 63, packed[group + 4] & 63)
        : (packed[group + 4] & 15 | packed[group - 4] >> 6 << 4, packed[group + 4] >> 4 | packed[group] >> 6 << 4);
}
