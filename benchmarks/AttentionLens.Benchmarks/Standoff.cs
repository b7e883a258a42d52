using System.Diagnostics;
using System.Globalization;
using AttentionLens.Corpora.Annotations;
using AttentionLens.Corpora.Annotations.Formats;

namespace AttentionLens.Benchmarks;

/// <summary>
/// Our side of benchmarks/annotations/brat.mjs: every document of a folder opened, and saved with one label changed, as brat's files and as sidecars. A JSON
/// object on stdout: milliseconds for the whole folder, one number a run.
/// </summary>
internal static class Standoff
{
    public static void Run(string folder, int runs)
    {
        AnnotationFormat brat = AnnotationFormat.Of("brat");
        string[] files = [.. Directory.GetFiles(folder, "*.ann").Order(StringComparer.Ordinal)];
        List<AnnotatedDocument> documents = [.. files.Select(Open)];
        string[] texts = [.. files.Select(static file => Path.ChangeExtension(file, ".txt"))];
        for (int i = 0; i < files.Length; i++)
        {
            AnnotationStore.Add(new SidecarName(texts[i], null), documents[i].Text, documents[i].Annotations);
        }

        int changes = 0;
        Dictionary<string, double[]> times = new()
        {
            ["open"] = Time(() => Array.ForEach(files, file => Open(file))),
            ["save"] = Time(() =>
            {
                for (int i = 0; i < files.Length; i++)
                {
                    documents[i] = documents[i] with { Annotations = documents[i].Annotations.SetItem(0, Changed(documents[i].Annotations[0])) };
                    brat.Export([documents[i]], files[i], static _ => { });
                }
            }),
            ["openSidecar"] = Time(() => Array.ForEach(texts, text =>
            {
                using SidecarFile sidecar = SidecarFile.Open(text + ".al.jsonl");
                Anchoring.Place(File.ReadAllText(text), [.. sidecar.Annotations.Values]);
            })),
        };
        (SidecarFile File, string Text, IReadOnlyList<Annotation> Placed)[] open =
        [
            .. texts.Select(path =>
            {
                SidecarFile sidecar = SidecarFile.Open(path + ".al.jsonl");
                string text = File.ReadAllText(path);
                return (sidecar, text, Anchoring.Place(text, [.. sidecar.Annotations.Values]));
            }),
        ];
        times["saveSidecar"] = Time(() =>
        {
            for (int i = 0; i < open.Length; i++)
            {
                Annotation[] placed = [.. open[i].Placed];
                placed[0] = Changed(placed[0]);
                open[i].Placed = placed;
                open[i].File.Change([placed[0]], []);
                open[i].File.Save(open[i].Text, placed);
            }
        });
        Console.WriteLine($"{{{string.Join(", ", times.Select(static pair => $"\"{pair.Key}\": [{string.Join(", ", pair.Value.Select(static t => t.ToString("0.###", CultureInfo.InvariantCulture)))}]"))}}}");
        Array.ForEach(open, static entry => entry.File.Dispose());

        AnnotatedDocument Open(string file) => brat.Import(file, static loss => throw new InvalidDataException(loss.Message)).Single();

        Annotation Changed(Annotation a) => a with { Label = $"L{++changes % 7}" };

        double[] Time(Action action)
        {
            for (int i = 0; i < 3; i++)
            {
                action();
            }

            return
            [
                .. Enumerable.Range(0, runs).Select(_ =>
                {
                    long start = Stopwatch.GetTimestamp();
                    action();
                    return Stopwatch.GetElapsedTime(start).TotalMilliseconds;
                }),
            ];
        }
    }
}
