namespace AttentionLens.Tokenization.Subwords;

/// <summary>The printable character that stands for each byte in byte-level vocabularies (GPT-2).</summary>
internal static class ByteAlphabet
{
    private static readonly char[] Characters = Build();
    private static readonly short[] Values = Invert();

    public static char Character(byte value) => Characters[value];

    /// <summary>The byte that a character stands for, or -1.</summary>
    public static int Byte(char character) => character < Values.Length ? Values[character] : -1;

    /// <summary>The bytes that a token spells; null when one of its characters stands for none.</summary>
    public static byte[]? Bytes(string spelling)
    {
        var bytes = new byte[spelling.Length];
        for (var i = 0; i < bytes.Length; i++)
        {
            var value = Byte(spelling[i]);
            if (value < 0)
                return null;
            bytes[i] = (byte)value;
        }
        return bytes;
    }

    private static char[] Build()
    {
        var result = new char[256];
        var next = 256;
        for (var b = 0; b < 256; b++)
        {
            var printable = b is (>= '!' and <= '~') or (>= 0xA1 and <= 0xAC) or >= 0xAE;
            result[b] = (char)(printable ? b : next++);
        }
        return result;
    }

    private static short[] Invert()
    {
        var result = new short[Characters.Max() + 1];
        Array.Fill(result, (short)-1);
        for (var b = 0; b < 256; b++)
            result[Characters[b]] = (short)b;
        return result;
    }
}
