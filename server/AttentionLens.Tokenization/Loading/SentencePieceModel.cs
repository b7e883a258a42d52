using System.Text;

namespace AttentionLens.Tokenization.Loading;

internal enum PieceKind
{
    Normal = 1,
    Unknown = 2,
    Control = 3,
    UserDefined = 4,
    Unused = 5,
    Byte = 6,
}

/// <summary>What a SentencePiece model file (protobuf, sentencepiece_model.proto) says.</summary>
internal sealed class SentencePieceModel
{
    private const int Varint = 0, Fixed64 = 1, Bytes = 2, Fixed32 = 5;

    public List<(string Text, float Score, PieceKind Kind)> Pieces { get; private init; } = [];

    /// <summary>1 = unigram, 2 = BPE, 3 = word, 4 = char.</summary>
    public int ModelType { get; private set; } = 1;

    public bool ByteFallback { get; private set; }

    public bool WhitespaceAsSuffix { get; private set; }

    public byte[] CharacterMap { get; private set; } = [];

    public bool AddDummyPrefix { get; private set; } = true;

    public bool RemoveExtraWhitespace { get; private set; } = true;

    public bool EscapeWhitespace { get; private set; } = true;

    /// <summary>A BPE model whose pieces come from elsewhere, such as a GGUF file.</summary>
    public static SentencePieceModel OfPairs(List<(string Text, float Score, PieceKind Kind)> pieces) => new() { Pieces = pieces, ModelType = 2 };

    /// <exception cref="TokenizerException">It is no SentencePiece model.</exception>
    public static SentencePieceModel Parse(ReadOnlySpan<byte> file)
    {
        var model = new SentencePieceModel();
        var reader = new Reader(file);
        while (reader.Next(out var field, out var type))
        {
            switch ((field, type))
            {
                case (1, Bytes):
                    model.ReadPiece(reader.Content());
                    break;
                case (2, Bytes):
                    model.ReadTrainer(reader.Content());
                    break;
                case (3, Bytes):
                    model.ReadNormalizer(reader.Content());
                    break;
                default:
                    reader.Skip(type);
                    break;
            }
        }
        return model.Pieces.Count > 0 ? model : throw Malformed();
    }

    private static TokenizerException Malformed() => new("The file is not a SentencePiece model.");

    private void ReadPiece(ReadOnlySpan<byte> message)
    {
        var (text, score, kind) = ("", 0f, PieceKind.Normal);
        var reader = new Reader(message);
        while (reader.Next(out var field, out var type))
        {
            switch ((field, type))
            {
                case (1, Bytes):
                    text = Encoding.UTF8.GetString(reader.Content());
                    break;
                case (2, Fixed32):
                    score = BitConverter.UInt32BitsToSingle(reader.Word());
                    break;
                case (3, Varint):
                    kind = (PieceKind)reader.Number();
                    break;
                default:
                    reader.Skip(type);
                    break;
            }
        }
        if (!float.IsFinite(score))
            throw new TokenizerException($"The SentencePiece model gives '{Subwords.Vocabulary.Shorten(text)}' a score that is no number.");
        Pieces.Add((text, score, kind));
    }

    private void ReadTrainer(ReadOnlySpan<byte> message)
    {
        var reader = new Reader(message);
        while (reader.Next(out var field, out var type))
        {
            switch ((field, type))
            {
                case (3, Varint):
                    ModelType = (int)reader.Number();
                    break;
                case (24, Varint):
                    WhitespaceAsSuffix = reader.Number() != 0;
                    break;
                case (35, Varint):
                    ByteFallback = reader.Number() != 0;
                    break;
                default:
                    reader.Skip(type);
                    break;
            }
        }
    }

    private void ReadNormalizer(ReadOnlySpan<byte> message)
    {
        var reader = new Reader(message);
        while (reader.Next(out var field, out var type))
        {
            switch ((field, type))
            {
                case (2, Bytes):
                    CharacterMap = reader.Content().ToArray();
                    break;
                case (3, Varint):
                    AddDummyPrefix = reader.Number() != 0;
                    break;
                case (4, Varint):
                    RemoveExtraWhitespace = reader.Number() != 0;
                    break;
                case (5, Varint):
                    EscapeWhitespace = reader.Number() != 0;
                    break;
                default:
                    reader.Skip(type);
                    break;
            }
        }
    }

    /// <summary>The wire format, every length checked.</summary>
    private ref struct Reader(ReadOnlySpan<byte> bytes)
    {
        private ReadOnlySpan<byte> rest = bytes;

        public bool Next(out int field, out int type)
        {
            (field, type) = (0, 0);
            if (rest.IsEmpty)
                return false;
            var key = Number();
            if (key is 0 or > uint.MaxValue)
                throw Malformed();
            field = (int)(key >> 3);
            type = (int)(key & 7);
            return true;
        }

        public ulong Number()
        {
            var value = 0UL;
            for (var shift = 0; shift < 64; shift += 7)
            {
                if (rest.IsEmpty)
                    break;
                var b = rest[0];
                rest = rest[1..];
                value |= (ulong)(b & 0x7F) << shift;
                if (b < 0x80)
                    return value;
            }
            throw Malformed();
        }

        public uint Word() => BitConverter.ToUInt32(Take(4));

        public ReadOnlySpan<byte> Content() => Take(Number());

        public void Skip(int type)
        {
            switch (type)
            {
                case Varint:
                    Number();
                    break;
                case Fixed64:
                    Take(8);
                    break;
                case Bytes:
                    Content();
                    break;
                case Fixed32:
                    Take(4);
                    break;
                default:
                    throw Malformed();
            }
        }

        private ReadOnlySpan<byte> Take(ulong count)
        {
            if (count > (ulong)rest.Length)
                throw Malformed();
            var taken = rest[..(int)count];
            rest = rest[(int)count..];
            return taken;
        }
    }
}
