using CsCheck;

namespace AttentionLens.Models.Tests.Onnx;

/// <summary>tests/fixtures/onnx/export.py makes the fixture from the weights of the oracle's BERT.</summary>
public sealed class OnnxTests
{
    private static string Fixture { get; } = Path.Combine(Repository.Root, "tests", "fixtures", "onnx", "bert");

    /// <summary>Tolerances as for the same weights in safetensors: they are stored as they are.</summary>
    [Theory]
    [InlineData("expected.safetensors")]
    [InlineData("expected_masked.safetensors")]
    [InlineData("expected_long.safetensors")]
    public void An_export_agrees_with_the_oracle(string file)
    {
        using Model model = Model.Load(Fixture);
        using SafetensorsFile expected = SafetensorsFile.Open(Path.Combine(Repository.Oracle("bert"), file));
        OracleErrors errors = OracleCase.Compare(model.Forward(OracleCase.Input(expected), Keep.All), expected, 5e-5f, 1e-5f);
        Assert.True(errors.Attention <= 5e-6f, $"attention is {errors.Attention:g3} off at {errors.AttentionAt}");
        Assert.True(errors.StateExcess <= 0, $"{errors.StateAt} is {errors.StateExcess:g3} beyond its tolerance");
    }

    [Fact]
    public void The_export_is_found_where_sentence_transformers_puts_it()
    {
        using TemporaryFolder folder = new();
        File.Copy(Path.Combine(Fixture, "config.json"), folder.File("config.json"));
        Directory.CreateDirectory(folder.File("onnx"));
        File.Copy(Path.Combine(Fixture, "model.onnx"), Path.Combine(folder.File("onnx"), "model.onnx"));
        using Model model = Model.Load(folder.Path);
        Assert.Equal("bert", model.Info.ModelType);
    }

    /// <summary>A transposed matrix gives the same values whatever run of them is asked for.</summary>
    [Fact]
    public void Any_part_of_a_transposed_matrix_is_read_right()
    {
        using OnnxFile export = OnnxFile.Open(Path.Combine(Fixture, "model.onnx"));
        using SafetensorsFile original = SafetensorsFile.Open(Path.Combine(Repository.Oracle("bert"), "model.safetensors"));
        const string Stored = "bert.encoder.layer.1.intermediate.dense.weight";
        float[] expected = original.ReadFloats(Stored);
        Gen.Select(Gen.Int[0, expected.Length - 1], Gen.Int[1, 500]).Sample((first, count) =>
        {
            float[] part = new float[Math.Min(count, expected.Length - first)];
            export.Read(Stored, first, part);
            return part.AsSpan().SequenceEqual(expected.AsSpan(first, part.Length));
        });
    }

    [Fact]
    public void A_graph_with_other_operations_is_refused_by_name()
    {
        using TemporaryFolder folder = new();
        byte[] bytes = File.ReadAllBytes(Path.Combine(Fixture, "model.onnx"));
        // An operation of the same length, as a quantised graph would have it.
        int at = bytes.AsSpan().IndexOf("\"\u0006MatMul"u8);
        Assert.True(at > 0);
        "QMatMu"u8.CopyTo(bytes.AsSpan(at + 2));
        File.WriteAllBytes(folder.File("model.onnx"), bytes);
        Assert.Contains("'QMatMu'", Assert.Throws<ModelException>(() => OnnxFile.Open(folder.File("model.onnx"))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Damaged_files_are_refused_or_read_and_never_crash()
    {
        using TemporaryFolder folder = new();
        byte[] whole = File.ReadAllBytes(Path.Combine(Fixture, "model.onnx"));
        string path = folder.File("model.onnx");
        Gen.Select(Gen.Select(Gen.Int[0, whole.Length - 1], Gen.Byte).Array[1, 8], Gen.Int[1, whole.Length]).Sample(
            (changes, length) =>
            {
                byte[] bytes = [.. whole.AsSpan(0, length)];
                foreach ((int at, byte value) in changes)
                {
                    if (at < bytes.Length)
                    {
                        bytes[at] = value;
                    }
                }

                File.WriteAllBytes(path, bytes);
                try
                {
                    using OnnxFile file = OnnxFile.Open(path);
                }
                catch (ModelException refused)
                {
                    Assert.NotEmpty(refused.Message);
                }
            },
            iter: 300,
            threads: 1);
    }
}
