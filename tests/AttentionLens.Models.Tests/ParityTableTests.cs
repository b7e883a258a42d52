using System.Globalization;
using System.Text;

namespace AttentionLens.Models.Tests;

/// <summary>The table of docs/engine.md: measured here, written where ATTENTIONLENS_PARITY names a file, and complete in the page.</summary>
public sealed class ParityTableTests
{
    [Fact]
    public void The_page_has_a_row_for_every_fixture_and_its_figures_hold()
    {
        StringBuilder table = new("| fixture | architecture | cases | attention, largest error | states and logits, largest error |\n|---|---|---:|---:|---:|\n");
        string page = File.ReadAllText(Path.Combine(Repository.Root, "docs", "engine.md"));
        foreach (IGrouping<string, string> cases in OracleTests.Cases().GroupBy(static row => (string)row[0], static row => (string)row[1]))
        {
            using Model model = Model.Load(Repository.Oracle(cases.Key));
            float attention = 0;
            float state = 0;
            foreach (string file in cases)
            {
                using SafetensorsFile expected = SafetensorsFile.Open(Path.Combine(Repository.Oracle(cases.Key), file));
                OracleErrors errors = OracleCase.Compare(model.Forward(OracleCase.Input(expected), Keep.All), expected, 0, 0);
                attention = Math.Max(attention, errors.Attention);
                state = Math.Max(state, errors.State);
            }

            table.AppendLine(CultureInfo.InvariantCulture, $"| {cases.Key} | {model.Info.ModelType} | {cases.Count()} | {attention:0.0e-0} | {state:0.0e-0} |");
            Assert.Contains($"| {cases.Key} | {model.Info.ModelType} | {cases.Count()} |", page, StringComparison.Ordinal);
            Assert.InRange(attention, 0, 5e-6f);
        }

        if (Environment.GetEnvironmentVariable("ATTENTIONLENS_PARITY") is { Length: > 0 } path)
        {
            File.WriteAllText(path, table.ToString());
        }
    }
}
