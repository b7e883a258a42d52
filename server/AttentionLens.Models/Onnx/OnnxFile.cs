using System.Security.Cryptography;
using System.Text;

namespace AttentionLens.Models;

/// <summary>
/// The weights of an ONNX export (https://onnx.ai/onnx/repo-docs/IR.html), under the names they had before it: exporters keep the names of most
/// parameters but store a linear map as an unnamed, transposed matrix, which is known by the named bias that is added to its product. The graph
/// itself is not run: config.json says what it computes, and a graph with any other kind of operation is refused by name.
/// </summary>
internal sealed class OnnxFile : IWeightFile
{
    /// <summary>What exports of encoders as trained consist of. Quantised and fused graphs have other operations, and other weights.</summary>
    private static readonly HashSet<string> KnownOperations = new(StringComparer.Ordinal)
    {
        "Add", "And", "Cast", "CastLike", "Concat", "Constant", "ConstantOfShape", "CumSum", "Div", "Dropout", "Equal", "Erf", "Expand", "Flatten",
        "Gather", "Gelu", "Gemm", "Identity", "IsNaN", "LayerNormalization", "Less", "MatMul", "Max", "Min", "Mul", "Neg", "Not", "NonZero", "Or", "Pow", "Range",
        "ReduceMean", "ReduceProd", "Relu", "Reshape", "ScatterND", "Shape", "Sigmoid", "Slice", "Softmax", "Split", "Sqrt", "Squeeze", "Sub", "Tanh", "Tile",
        "Transpose", "Trilu", "Unsqueeze", "Where",
    };

    private readonly List<MappedFile> files;
    private readonly Dictionary<string, Entry> entries;
    private readonly Dictionary<string, StoredTensor> tensors;

    private OnnxFile(List<MappedFile> files, Dictionary<string, Entry> entries)
    {
        this.files = files;
        this.entries = entries;
        tensors = entries.ToDictionary(
            static pair => pair.Key,
            static pair => new StoredTensor(pair.Value.Transposed ? [pair.Value.Shape[1], pair.Value.Shape[0]] : pair.Value.Shape, true),
            StringComparer.Ordinal);
    }

    public long Length => files.Sum(static file => file.Length);

    public IReadOnlyDictionary<string, StoredTensor> Tensors => tensors;

    /// <exception cref="ModelException">Not an ONNX file, or one whose graph is not a known export.</exception>
    public static OnnxFile Open(string path)
    {
        string name = System.IO.Path.GetFileName(path);
        List<MappedFile> files = [];
        try
        {
            files.Add(Map(path));
            Graph graph = new(name);
            graph.ReadModel(new Message(files[0], 0, files[0].Length, name));
            return new OnnxFile(files, graph.Weights(path, files));
        }
        catch (Exception error)
        {
            files.ForEach(static file => file.Dispose());
            if (error is IOException or UnauthorizedAccessException)
            {
                throw new ModelException($"{name} cannot be read: {error.Message}");
            }

            throw;
        }
    }

    public void Read(string name, long first, Span<float> destination)
    {
        Entry entry = entries[name];
        ArgumentOutOfRangeException.ThrowIfNegative(first);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(destination.Length, tensors[name].Count - first);
        if (!entry.Transposed)
        {
            entry.Read(first, destination);
            return;
        }

        // Asked for row by row, stored column by column: whole stored rows are read once for as many of ours as the call wants.
        (int inputs, int outputs) = (entry.Shape[0], entry.Shape[1]);
        long firstRow = first / inputs;
        int rows = (int)(((first + destination.Length - 1) / inputs) - firstRow + 1);
        float[] strip = System.Buffers.ArrayPool<float>.Shared.Rent(rows);
        for (int column = 0; column < inputs; column++)
        {
            entry.Read(((long)column * outputs) + firstRow, strip.AsSpan(0, rows));
            for (int row = 0; row < rows; row++)
            {
                long at = ((firstRow + row) * inputs) + column - first;
                if (at >= 0 && at < destination.Length)
                {
                    destination[(int)at] = strip[row];
                }
            }
        }

        System.Buffers.ArrayPool<float>.Shared.Return(strip);
    }

    public void AppendTo(IncrementalHash hash) => files.ForEach(file => file.AppendTo(hash, 0));

    public void Dispose() => files.ForEach(static file => file.Dispose());

    private static MappedFile Map(string path)
    {
        using FileStream stream = new(path, FileMode.Open, FileAccess.Read, FileShare.Read);
        return stream.Length > 0 ? new MappedFile(stream) : throw new ModelException($"{System.IO.Path.GetFileName(path)} is empty.");
    }

    /// <param name="Shape">As stored.</param>
    /// <param name="Type">TensorProto's data type: 1 float, 10 float16, 11 double, 16 bfloat16.</param>
    private sealed record Entry(MappedFile File, long Start, int[] Shape, int Type, bool Transposed)
    {
        public static int Size(int type) => type switch { 1 => 4, 10 or 16 => 2, 11 => 8, _ => 0 };

        public void Read(long first, Span<float> destination)
        {
            ReadOnlySpan<byte> bytes = File.Bytes(Start + (first * Size(Type)), checked(destination.Length * Size(Type)));
            switch (Type)
            {
                case 1:
                    bytes.CopyTo(System.Runtime.InteropServices.MemoryMarshal.AsBytes(destination));
                    break;
                case 10:
                    Widening.Half(bytes, destination);
                    break;
                case 11:
                    Widening.Double(bytes, destination);
                    break;
                default:
                    Widening.Brain(bytes, destination);
                    break;
            }
        }
    }

    private sealed record Initializer(string Name, int[] Shape, int Type, long Start, long Bytes, string? Location, long Offset, long Length);

    private sealed record Node(string Operation, string[] Inputs, string[] Outputs);

    private sealed class Graph(string file)
    {
        private readonly List<Initializer> initializers = [];
        private readonly List<Node> nodes = [];
        private bool any;

        public void ReadModel(Message message)
        {
            while (message.Next(out int field, out int type))
            {
                if ((field, type) == (7, Message.Bytes))
                {
                    any = true;
                    ReadGraph(message.Content());
                }
                else
                {
                    message.Skip(type);
                }
            }

            if (!any)
            {
                throw message.Damaged();
            }
        }

        public Dictionary<string, Entry> Weights(string path, List<MappedFile> files)
        {
            foreach (Node node in nodes)
            {
                if (!KnownOperations.Contains(node.Operation))
                {
                    throw new ModelException($"{file} has the operation '{node.Operation}', so it is a quantised, fused or unknown graph, whose weights are not read; use the plain export (model.onnx) or the model's safetensors.");
                }
            }

            Dictionary<string, MappedFile> mapped = new(StringComparer.Ordinal);
            Dictionary<string, string> renamed = Linears();
            Dictionary<string, Entry> entries = new(StringComparer.Ordinal);
            foreach (Initializer tensor in initializers)
            {
                if (Entry.Size(tensor.Type) == 0)
                {
                    continue; // shapes and indices of the graph
                }

                (MappedFile home, long start, long bytes) = tensor.Location is null
                    ? (files[0], tensor.Start, tensor.Bytes)
                    : (External(tensor), tensor.Offset, tensor.Length);
                Int128 needed = tensor.Shape.Aggregate((Int128)Entry.Size(tensor.Type), static (product, size) => product * size);
                if (needed != bytes || start < 0 || start > home.Length - bytes)
                {
                    throw new ModelException($"{file} is truncated or damaged: tensor '{tensor.Name}' {Shapes.Text(tensor.Shape)} needs {needed} bytes but has {bytes}.");
                }

                bool transposed = renamed.TryGetValue(tensor.Name, out string? name);
                entries.TryAdd(Plain(name ?? tensor.Name), new Entry(home, start, tensor.Shape, tensor.Type, transposed));
            }

            return entries;

            MappedFile External(Initializer tensor)
            {
                string location = tensor.Location!; // only asked where there is one
                if (location.Length == 0 || location != System.IO.Path.GetFileName(location) || location is "." or "..")
                {
                    throw new ModelException($"{file} places tensor '{tensor.Name}' in '{location}', which is no file name.");
                }

                if (!mapped.TryGetValue(location, out MappedFile? data))
                {
                    string place = System.IO.Path.Combine(System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(path))!, location); // a file has a folder
                    if (!File.Exists(place))
                    {
                        throw new ModelException($"The model is incomplete: {file} keeps its weights in '{location}', which is not beside it; download it.");
                    }

                    data = Map(place);
                    mapped.Add(location, data);
                    files.Add(data);
                }

                return data;
            }
        }

        /// <summary>Unnamed matrices by the bias that is added to their product: from MatMul_42 to encoder.layer.0.attention.self.query.weight.</summary>
        private Dictionary<string, string> Linears()
        {
            Dictionary<string, Initializer> stored = new(StringComparer.Ordinal);
            initializers.ForEach(tensor => stored.TryAdd(tensor.Name, tensor));
            Dictionary<string, Node> products = new(StringComparer.Ordinal);
            foreach (Node node in nodes)
            {
                if (node is { Operation: "MatMul", Inputs: [_, var matrix], Outputs: [var output] }
                    && stored.TryGetValue(matrix, out Initializer? tensor) && tensor.Shape.Length == 2)
                {
                    products.TryAdd(output, node);
                }
            }

            Dictionary<string, string> names = new(StringComparer.Ordinal);
            foreach (Node node in nodes)
            {
                if (node is not { Operation: "Add", Inputs: [var left, var right] })
                {
                    continue;
                }

                (string bias, string product) = stored.ContainsKey(left) ? (left, right) : (right, left);
                if (bias.EndsWith(".bias", StringComparison.Ordinal) && stored.ContainsKey(bias) && products.TryGetValue(product, out Node? linear))
                {
                    names.TryAdd(linear.Inputs[1], bias[..^".bias".Length] + ".weight");
                }
            }

            return names;
        }

        /// <summary>Sentence-transformers puts its own modules around the model.</summary>
        private static string Plain(string name)
        {
            foreach (string wrapper in (ReadOnlySpan<string>)["0.auto_model.", "auto_model."])
            {
                if (name.StartsWith(wrapper, StringComparison.Ordinal))
                {
                    return name[wrapper.Length..];
                }
            }

            return name;
        }

        private void ReadGraph(Message message)
        {
            while (message.Next(out int field, out int type))
            {
                switch ((field, type))
                {
                    case (1, Message.Bytes):
                        nodes.Add(ReadNode(message.Content()));
                        break;
                    case (5, Message.Bytes):
                        initializers.Add(ReadTensor(message.Content()));
                        break;
                    default:
                        message.Skip(type);
                        break;
                }
            }
        }

        private static Node ReadNode(Message message)
        {
            List<string> inputs = [];
            List<string> outputs = [];
            string operation = "";
            while (message.Next(out int field, out int type))
            {
                switch ((field, type))
                {
                    case (1, Message.Bytes):
                        inputs.Add(message.Text());
                        break;
                    case (2, Message.Bytes):
                        outputs.Add(message.Text());
                        break;
                    case (4, Message.Bytes):
                        operation = message.Text();
                        break;
                    default:
                        message.Skip(type);
                        break;
                }
            }

            return new Node(operation, [.. inputs], [.. outputs]);
        }

        private static Initializer ReadTensor(Message message)
        {
            List<int> shape = [];
            string name = "";
            int elements = 0;
            long start = 0;
            long bytes = 0;
            string? location = null;
            long offset = 0;
            long length = 0;
            while (message.Next(out int field, out int type))
            {
                switch ((field, type))
                {
                    case (1, Message.Varint):
                        shape.Add(Dimension(message));
                        break;
                    case (1, Message.Bytes):
                        for (Message packed = message.Content(); packed.Any;)
                        {
                            shape.Add(Dimension(packed));
                        }

                        break;
                    case (2, Message.Varint):
                        elements = (int)Math.Min(message.Number(), 1000);
                        break;
                    case (4, Message.Bytes): // float_data
                    case (9, Message.Bytes): // raw_data
                        (start, bytes) = message.Range();
                        break;
                    case (8, Message.Bytes):
                        name = message.Text();
                        break;
                    case (13, Message.Bytes):
                        (string key, string value) = ReadPair(message.Content());
                        switch (key)
                        {
                            case "location":
                                location = value;
                                break;
                            case "offset":
                                _ = long.TryParse(value, out offset);
                                break;
                            case "length":
                                _ = long.TryParse(value, out length);
                                break;
                        }

                        break;
                    default:
                        message.Skip(type);
                        break;
                }
            }

            return new Initializer(name, [.. shape], elements, start, bytes, location, offset, length);
        }

        private static int Dimension(Message message) => message.Number() is var size and <= int.MaxValue ? (int)size : throw message.Damaged();

        private static (string Key, string Value) ReadPair(Message message)
        {
            string key = "";
            string value = "";
            while (message.Next(out int field, out int type))
            {
                switch ((field, type))
                {
                    case (1, Message.Bytes):
                        key = message.Text();
                        break;
                    case (2, Message.Bytes):
                        value = message.Text();
                        break;
                    default:
                        message.Skip(type);
                        break;
                }
            }

            return (key, value);
        }
    }

    /// <summary>A protobuf message in a mapped file, which may be larger than a span; every length is checked.</summary>
    private sealed class Message(MappedFile file, long start, long end, string name)
    {
        public const int Varint = 0;
        public const int Fixed64 = 1;
        public const int Bytes = 2;
        public const int Fixed32 = 5;

        /// <summary>Names and shapes; more is no name.</summary>
        private const long MaxText = 1 << 16;

        private long at = start;

        public bool Any => at < end;

        public ModelException Damaged() => new($"{name} is no ONNX file, or it is damaged at byte {at}; download it again.");

        public bool Next(out int field, out int type)
        {
            (field, type) = (0, 0);
            if (!Any)
            {
                return false;
            }

            ulong key = Number();
            if (key is 0 or > uint.MaxValue)
            {
                throw Damaged();
            }

            (field, type) = ((int)(key >> 3), (int)(key & 7));
            return true;
        }

        public ulong Number()
        {
            ulong value = 0;
            for (int shift = 0; shift < 64; shift += 7)
            {
                if (!Any)
                {
                    break;
                }

                byte next = file.Bytes(at++, 1)[0];
                value |= (ulong)(next & 0x7f) << shift;
                if (next < 0x80)
                {
                    return value;
                }
            }

            throw Damaged();
        }

        public (long Start, long Bytes) Range()
        {
            ulong length = Number();
            if (length > (ulong)(end - at))
            {
                throw Damaged();
            }

            long from = at;
            at += (long)length;
            return (from, (long)length);
        }

        public Message Content()
        {
            (long from, long bytes) = Range();
            return new Message(file, from, from + bytes, name);
        }

        public string Text()
        {
            (long from, long bytes) = Range();
            return bytes <= MaxText ? Encoding.UTF8.GetString(file.Bytes(from, (int)bytes)) : throw Damaged();
        }

        public void Skip(int type)
        {
            switch (type)
            {
                case Varint:
                    Number();
                    break;
                case Fixed64:
                    Advance(8);
                    break;
                case Bytes:
                    Range();
                    break;
                case Fixed32:
                    Advance(4);
                    break;
                default:
                    throw Damaged();
            }
        }

        private void Advance(int count)
        {
            if (count > end - at)
            {
                throw Damaged();
            }

            at += count;
        }
    }
}
