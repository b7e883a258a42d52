using System.Text;
using AttentionLens.Corpora;

namespace AttentionLens.Benchmarks;

/// <summary>What reading a document of five megabytes as a whole costs by format: the price of the first question after an edit where a format cannot be read in parts.</summary>
internal static class Reading
{
    private const int Size = 5 << 20;
    private const string Sentence = "The keeper's daughter came back to the island, and the dog barked at the tower every night.";

    public static void Run()
    {
        Console.WriteLine("format        read ms   segments   in parts");
        Measure("a.txt", "", static _ => Sentence + "\n\n", "");
        Measure("a.jsonl", "", static i => $$"""{"id": {{i}}, "text": "{{Sentence}} caf\u00e9"}""" + "\n", "");
        Measure("a.json", "[", static i => $$"""{"id": {{i}}, "text": "{{Sentence}} caf\u00e9"},""" + "\n", "{}]");
        Measure("a.csv", "id,text,note\n", static i => $"{i},\"{Sentence}\",x\n", "");
        Measure("a.xml", "<TEI><text>", static _ => $"<p>{Sentence} <hi>Not</hi> &amp; more.</p>\n", "</text></TEI>");
        Measure("a.html", "<html><body>", static _ => $"<p>{Sentence} <em>Not</em> &amp; more.</p>\n", "</body></html>");
        Measure("a.md", "# Title\n\n", static _ => $"{Sentence} **Not** `code`.\n\n", "");
        Measure("a.conllu", "", static i => $"# sent_id = {i}\n1\tThe\tthe\tDET\tDT\t_\t2\tdet\t_\t_\n2\tdog\tdog\tNOUN\tNN\t_\t0\troot\t_\t_\n\n", "");
    }

    private static void Measure(string name, string opening, Func<int, string> item, string ending)
    {
        var text = new StringBuilder(opening);
        for (int i = 0; text.Length < Size; i++)
        {
            text.Append(item(i));
        }

        string document = text.Append(ending).ToString();
        DocumentReader reader = DocumentFormats.For(null, name);
        int segments = 0;
        double least = double.PositiveInfinity;
        for (int run = 0; run < 5; run++)
        {
            TimeSpan from = Environment.CpuUsage.TotalTime;
            segments = reader.Read(document).Segments.Count;
            least = Math.Min(least, (Environment.CpuUsage.TotalTime - from).TotalMilliseconds);
        }

        Console.WriteLine($"{Path.GetExtension(name),-12} {least,8:F0} {segments,10}   {(reader.Seam == Seam.None ? "no" : "yes")}");
    }
}
