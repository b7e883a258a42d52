using System.Diagnostics;
using System.Text.Json;
using AttentionLens.Kernels;
using AttentionLens.Models;

namespace AttentionLens.Benchmarks;

/// <summary>Our side of benchmarks/compare/compare.mjs: a JSON line on stdin asks, one on stdout answers, so that the peers can take turns.</summary>
internal static class Peer
{
    public static void Serve(string folder, int threads)
    {
        using var pool = new WorkerPool(threads);
        using Model model = Model.Load(folder);
        model.Pool = pool;
        Answer(json =>
        {
            json.WriteString("version", $".NET {Environment.Version}");
            json.WriteNumber("fma_gflops", Peak.GigaFlops(pool));
            json.WriteNumber("memory_gbs", Peak.GigaBytes(pool));
        });
        while (Console.ReadLine() is { } line)
        {
            using JsonDocument request = JsonDocument.Parse(line);
            if (request.RootElement.TryGetProperty("peaks", out _))
            {
                Answer(json =>
                {
                    json.WriteNumber("fma_gflops", Peak.GigaFlops(pool));
                    json.WriteNumber("memory_gbs", Peak.GigaBytes(pool));
                });
                continue;
            }

            int tokens = request.RootElement.GetProperty("tokens").GetInt32();
            var times = new double[request.RootElement.GetProperty("runs").GetInt32()];
            var input = new ModelInput { InputIds = [.. Enumerable.Range(0, tokens).Select(i => (int)((5 + i * 7919L) % model.Info.VocabularySize))] };
            AttentionTrace? trace = null;
            for (int i = 0; i < times.Length; i++)
            {
                long start = Stopwatch.GetTimestamp();
                trace = model.Forward(input);
                times[i] = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
            }

            var row = new float[tokens];
            trace?.Stacks[0].Row(0, 0, tokens - 1, row);
            Answer(json =>
            {
                json.WriteStartArray("times");
                Array.ForEach(times, json.WriteNumberValue);
                json.WriteEndArray();
                json.WriteStartArray("first");
                Array.ForEach(row[..Math.Min(4, tokens)], json.WriteNumberValue);
                json.WriteEndArray();
            });
        }
    }

    private static void Answer(Action<Utf8JsonWriter> write)
    {
        using var memory = new MemoryStream();
        using (var json = new Utf8JsonWriter(memory))
        {
            json.WriteStartObject();
            write(json);
            json.WriteEndObject();
        }

        Console.WriteLine(System.Text.Encoding.UTF8.GetString(memory.ToArray()));
    }
}
