using System.IO.Compression;
using System.Text;
using AttentionLens.Analysis.Import;
using AttentionLens.Models;

namespace AttentionLens.Analysis.Tests;

/// <summary>Attention of other programs, damaged: a trace or one clear sentence, and never more memory than the file gives reason for.</summary>
public sealed class AttentionFileTests : IDisposable
{
    private const int Trials = 400;

    private readonly string folder = Directory.CreateTempSubdirectory("attention-lens-foreign-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Theory]
    [InlineData("a.npz")]
    [InlineData("a.safetensors")]
    [InlineData("bertviz.json")]
    [InlineData("own.json")]
    public void ADamagedFileIsReadOrRefused(string name)
    {
        var whole = Make(name);
        var path = Path.Combine(folder, name);
        File.WriteAllBytes(path, whole);
        Assert.NotEmpty(AttentionFile.Read(path).Tokens);
        var random = new Random(15);
        var read = 0;
        for (var trial = 0; trial < Trials; trial++)
        {
            byte[] damaged = random.Next(5) == 0 ? whole[..random.Next(whole.Length)] : [.. whole];
            for (var changes = random.Next(1, 4); changes > 0 && damaged.Length > 0; changes--)
            {
                // Headers stand at the start and the end of these files.
                var at = random.Next(3) switch { 0 => random.Next(Math.Min(200, damaged.Length)), 1 => damaged.Length - 1 - random.Next(Math.Min(200, damaged.Length)), _ => random.Next(damaged.Length) };
                damaged[at] = random.Next(2) == 0 ? (byte)random.Next(256) : (byte)"0129[]{}\",:'()-<e\\"[random.Next(18)];
            }

            File.WriteAllBytes(path, damaged);
            read += ReadOrRefused(path) ? 1 : 0;
        }

        Assert.True(read > Trials / 20, $"{read} of {Trials} were read: the damage is too great to test anything");
    }

    public static TheoryData<string> Crashed => Crashes.Of("attention");

    [Theory]
    [MemberData(nameof(Crashed))]
    public void WhatBrokeAReaderOnceIsReadOrRefused(string name) => ReadOrRefused(Crashes.File("attention", name));

    private static bool ReadOrRefused(string path)
    {
        try
        {
            var file = AttentionFile.Read(path);
            Assert.Equal(file.Trace.Stacks.Count, file.Tokens.Count);
            return true;
        }
        catch (ModelException error)
        {
            Assert.EndsWith(".", error.Message, StringComparison.Ordinal);
            return false;
        }
    }

    private static byte[] Make(string name)
    {
        float[] weights = [0.25f, 0.75f, 1, 0, 0.5f, 0.5f, 0.125f, 0.875f];
        using var bytes = new MemoryStream();
        switch (name)
        {
            case "a.npz":
                using (var archive = new ZipArchive(bytes, ZipArchiveMode.Create, leaveOpen: true))
                {
                    Add(archive, "attentions", "<f4", "(1, 2, 2, 2)", [.. weights.SelectMany(BitConverter.GetBytes)]);
                    Add(archive, "tokens", "<U3", "(2,)", Encoding.UTF32.GetBytes("a\0\0b<c"));
                }

                break;
            case "a.safetensors":
                var writer = new SafetensorsWriter();
                writer.Add("attentions.0", [2, 2, 2], values => weights.CopyTo(values));
                writer.WriteTo(bytes);
                break;
            case "bertviz.json":
                bytes.Write("""{"attention": [{"name": "All", "attn": [[[[0.25, 0.75], [1, 0]]], [[[0.5, 0.5], [0.125, 0.875]]]], "left_text": ["a", "😀"], "right_text": ["a", "b"], "include_layers": [0, 1]}]}"""u8);
                break;
            default:
                bytes.Write("""{"stacks": [{"kind": "encoder", "queries": [{"text": "a token of many words, so that some of the damage does no harm"}, {"text": "and another of as many, with an 😀"}], "layers": [{"layer": 0, "heads": [{"rows": [[0.25, 0.75], [1, 0]]}]}]}]}"""u8);
                break;
        }

        return bytes.ToArray();
    }

    /// <summary>Not packed, so that the damage reaches what is inside.</summary>
    private static void Add(ZipArchive archive, string name, string type, string shape, byte[] data)
    {
        using var entry = archive.CreateEntry(name + ".npy", CompressionLevel.NoCompression).Open();
        var header = $"{{'descr': '{type}', 'fortran_order': False, 'shape': {shape}, }}\n";
        entry.Write([0x93, .. "NUMPY"u8, 1, 0, (byte)header.Length, 0, .. Encoding.ASCII.GetBytes(header), .. data]);
    }
}
