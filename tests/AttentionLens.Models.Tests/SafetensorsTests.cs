using System.Buffers.Binary;
using System.Text;
using System.Text.Json.Nodes;
using CsCheck;

namespace AttentionLens.Models.Tests;

public sealed class SafetensorsTests
{
    [Fact]
    public void Reads_back_what_the_writer_wrote()
    {
        using TemporaryFolder folder = new();
        SafetensorsWriter writer = new();
        writer.Add("a", [2, 3], static values =>
        {
            for (int i = 0; i < values.Length; i++)
            {
                values[i] = i / 3f;
            }
        });
        writer.Add("ids", new[] { 5, -1, int.MaxValue });
        writer.Add("scalar", new Tensor([float.Epsilon], []));
        writer.Add("none", new Tensor([], [0, 4]));
        using (FileStream stream = File.Create(folder.File("x.safetensors")))
        {
            writer.WriteTo(stream);
        }

        using SafetensorsFile file = SafetensorsFile.Open(folder.File("x.safetensors"));
        Assert.Equal(["a", "ids", "none", "scalar"], file.Entries.Keys.Order());
        Assert.Equal([0, 1 / 3f, 2 / 3f, 1, 4 / 3f, 5 / 3f], file.ReadFloats("a"));
        Assert.Equal([2, 3], file.Entries["a"].Shape);
        Assert.Equal([5, -1, int.MaxValue], file.ReadIntegers("ids"));
        Assert.Equal([float.Epsilon], file.ReadFloats("scalar"));
        Assert.Empty(file.ReadFloats("none"));
        Assert.Throws<ArgumentException>(() => writer.Add("a", [1], static _ => { }));
    }

    [Theory]
    [InlineData("F16", "003c00c0ff7b0100", new[] { 1f, -2f, 65504f, 5.9604645e-8f })]
    [InlineData("BF16", "803f00c0493f0080", new[] { 1f, -2f, 0.78515625f, -0f })]
    [InlineData("F64", "000000000000f03f9a9999999999b93f", new[] { 1f, 0.1f })]
    [InlineData("F32", "0000803fcdcccc3d", new[] { 1f, 0.1f })]
    public void Widens_every_float_type(string type, string hex, float[] want)
    {
        byte[] data = Convert.FromHexString(hex);
        using TemporaryFolder folder = new();
        using SafetensorsFile file = Open(folder, $$$"""{"x":{"dtype":"{{{type}}}","shape":[{{{want.Length}}}],"data_offsets":[0,{{{data.Length}}}]}}""", data);
        Assert.Equal(want, file.ReadFloats("x"));
    }

    [Fact]
    public void Every_half_widens_as_the_runtime_widens_it()
    {
        byte[] data = new byte[2 * 65536];
        for (int i = 0; i < 65536; i++)
        {
            BinaryPrimitives.WriteUInt16LittleEndian(data.AsSpan(2 * i), (ushort)i);
        }

        using TemporaryFolder folder = new();
        using SafetensorsFile file = Open(folder, """{"x":{"dtype":"F16","shape":[65536],"data_offsets":[0,131072]}}""", data);
        float[] widened = file.ReadFloats("x");
        for (int i = 0; i < 65536; i++)
        {
            float want = (float)BitConverter.UInt16BitsToHalf((ushort)i);
            Assert.True(float.IsNaN(want) ? float.IsNaN(widened[i]) : BitConverter.SingleToInt32Bits(want) == BitConverter.SingleToInt32Bits(widened[i]), $"{i:x4}: {widened[i]}, not {want}");
        }
    }

    [Theory]
    [InlineData("""{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", 4, "lies at bytes 0 to 8 of 4; download it again")]
    [InlineData("""{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 8, "its tensors take 4 bytes but 8 follow")]
    [InlineData("""{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}""", 4, "'x' [2] of F32 needs 8 bytes but has 4")]
    [InlineData("""{"x":{"dtype":"F32","shape":[2147483647,2147483647,2147483647],"data_offsets":[0,4]}}""", 4, "of F32 needs")]
    [InlineData("""{"x":{"dtype":"F32","shape":[4294967296],"data_offsets":[0,4]}}""", 4, "'x' has a dimension of 4294967296")]
    [InlineData("""{"x":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}""", 4, "'x' has a size or offset that makes no sense")]
    [InlineData("""{"x":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}""", 4, "lies at bytes 4 to 0 of 4")]
    [InlineData("""{"x":{"dtype":"F32","shape":[1],"data_offsets":[0]}}""", 4, "'x' has 1 offsets instead of 2")]
    [InlineData("""{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"y":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 4, "tensors 'x' and 'y' overlap")]
    [InlineData("""{"x":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", 8, "4 bytes before tensor 'x' belong to no tensor")]
    [InlineData("""{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 4, "names tensor 'x' twice")]
    [InlineData("""{"x":{"dtype":"Q4_K","shape":[1],"data_offsets":[0,4]}}""", 4, "'x' has the unknown type 'Q4_K'")]
    [InlineData("""{"x":{"dtype":"F32","data_offsets":[0,4]}}""", 4, "'x' lacks its dtype, shape or offsets")]
    [InlineData("""{"x":7}""", 4, "its header is not valid JSON")]
    [InlineData("""[]""", 0, "its header is not valid JSON")]
    [InlineData("""{""", 0, "its header is not valid JSON")]
    [InlineData("""{"x":{"dtype":{"a":{"b":{"c":{"d":{"e":{"f":{"g":1}}}}}}}}}""", 0, "its header is not valid JSON")]
    public void Says_what_is_wrong_with_a_header(string header, int data, string message)
    {
        using TemporaryFolder folder = new();
        ModelException error = Assert.Throws<ModelException>(() => Open(folder, header, new byte[data]));
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
        Assert.Contains("x.safetensors", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(new byte[] { }, "has only 0 bytes")]
    [InlineData(new byte[] { 1, 2, 3 }, "has only 3 bytes")]
    [InlineData(new byte[] { 255, 255, 255, 255, 255, 255, 255, 255, 0 }, "its header would be 18446744073709551615 bytes long")]
    [InlineData(new byte[] { 100, 0, 0, 0, 0, 0, 0, 0, 123, 125 }, "its header of 100 bytes does not fit in 10 bytes")]
    public void Says_what_is_wrong_with_a_file(byte[] content, string message)
    {
        using TemporaryFolder folder = new();
        File.WriteAllBytes(folder.File("x.safetensors"), content);
        Assert.Contains(message, Assert.Throws<ModelException>(() => SafetensorsFile.Open(folder.File("x.safetensors"))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_truncation_is_noticed()
    {
        byte[] whole = File.ReadAllBytes(Path.Combine(Repository.Oracle("bert"), "expected_one.safetensors"));
        using TemporaryFolder folder = new();
        for (int length = 0; length < whole.Length; length += 13)
        {
            string path = folder.File($"{length}");
            File.WriteAllBytes(path, whole.AsSpan(0, length));
            Assert.Throws<ModelException>(() => SafetensorsFile.Open(path));
            File.Delete(path);
        }
    }

    /// <summary>Any damage to the header gives a file that can be read or one clear error; never another exception, never a read outside the file.</summary>
    [Fact]
    public void Damaged_headers_are_read_or_refused()
    {
        byte[] whole = File.ReadAllBytes(Path.Combine(Repository.Oracle("bert"), "expected_one.safetensors"));
        int header = (int)BinaryPrimitives.ReadUInt64LittleEndian(whole);
        using TemporaryFolder folder = new();
        Gen.Select(Gen.Int[0, header + 7], Gen.Byte).Array[1, 4].Sample(
            changes =>
            {
                byte[] damaged = [.. whole];
                foreach ((int at, byte value) in changes)
                {
                    damaged[at] = value;
                }

                string path = folder.File("damaged.safetensors");
                File.WriteAllBytes(path, damaged);
                ReadOrRefused(path);
            },
            iter: 1000,
            threads: 1);
    }

    public static TheoryData<string> Crashed => Crashes.Of("safetensors");

    [Theory]
    [MemberData(nameof(Crashed))]
    public void What_broke_the_reader_once_is_read_or_refused(string name) => ReadOrRefused(Crashes.File("safetensors", name));

    private static void ReadOrRefused(string path)
    {
        try
        {
            using SafetensorsFile file = SafetensorsFile.Open(path);
            foreach (SafetensorsEntry entry in file.Entries.Values)
            {
                _ = entry.Type is SafetensorsType.I64 ? file.ReadIntegers(entry.Name).Length : file.ReadFloats(entry.Name).Length;
            }
        }
        catch (ModelException error)
        {
            Assert.NotEmpty(error.Message);
        }
    }

    internal static void Write(string path, string header, ReadOnlySpan<byte> data)
    {
        byte[] text = Encoding.UTF8.GetBytes(header);
        byte[] length = new byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(length, (ulong)text.Length);
        File.WriteAllBytes(path, [.. length, .. text, .. data]);
    }

    private static SafetensorsFile Open(TemporaryFolder folder, string header, byte[] data)
    {
        string path = folder.File("x.safetensors");
        Write(path, header, data);
        return SafetensorsFile.Open(path);
    }
}

/// <summary>A fixture model whose configuration and tensors a test may change before it loads it.</summary>
internal sealed class EditableModel : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public EditableModel(string name)
    {
        Config = JsonNode.Parse(File.ReadAllBytes(System.IO.Path.Combine(Repository.Oracle(name), "config.json")))!.AsObject(); // the fixtures' configurations are objects
        byte[] bytes = File.ReadAllBytes(System.IO.Path.Combine(Repository.Oracle(name), "model.safetensors"));
        int header = (int)BinaryPrimitives.ReadUInt64LittleEndian(bytes);
        foreach ((string tensor, JsonNode? entry) in JsonNode.Parse(bytes.AsSpan(8, header))!.AsObject()) // as above
        {
            if (tensor != "__metadata__")
            {
                int[] offsets = [.. entry!["data_offsets"]!.AsArray().Select(static n => n!.GetValue<int>())]; // valid fixtures
                Tensors[tensor] = (entry["dtype"]!.GetValue<string>(), [.. entry["shape"]!.AsArray().Select(static n => n!.GetValue<int>())], bytes[(8 + header + offsets[0])..(8 + header + offsets[1])]);
            }
        }
    }

    public string Path => folder.Path;

    public JsonObject Config { get; }

    public SortedDictionary<string, (string Type, int[] Shape, byte[] Data)> Tensors { get; } = new(StringComparer.Ordinal);

    public void Save(params IReadOnlyList<(string File, Func<string, bool> Holds)> shards)
    {
        File.WriteAllText(folder.File("config.json"), Config.ToJsonString());
        foreach ((string file, Func<string, bool> holds) in shards.Count == 0 ? [("model.safetensors", static _ => true)] : shards)
        {
            JsonObject header = [];
            List<byte> data = [];
            foreach ((string name, (string type, int[] shape, byte[] bytes)) in Tensors.Where(pair => holds(pair.Key)))
            {
                header[name] = new JsonObject
                {
                    ["dtype"] = type,
                    ["shape"] = new JsonArray([.. shape.Select(static n => (JsonNode)n)]),
                    ["data_offsets"] = new JsonArray(data.Count, data.Count + bytes.Length),
                };
                data.AddRange(bytes);
            }

            SafetensorsTests.Write(folder.File(file), header.ToJsonString(), data.ToArray());
        }
    }

    public Model Load()
    {
        Save();
        return Model.Load(Path);
    }

    public string Refusal() => Assert.Throws<ModelException>(() => Load().Dispose()).Message;

    public void Dispose() => folder.Dispose();
}
