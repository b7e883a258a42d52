namespace AttentionLens.Models.Tests;

/// <summary>
/// Every architecture against values computed in float64 by an independent implementation, itself compared with Hugging Face's. Tolerances:
/// correct float32 code was measured within 2.3e-6 (attention) and 2e-5 (states); the nearest wrong code (tanh for erf GELU) is 4e-4 off.
/// </summary>
public sealed class OracleTests
{
    private const float AttentionTolerance = 5e-6f;
    private const float StateTolerance = 5e-5f;
    private const float StateRelative = 1e-5f;

    public static TheoryData<string, string> Cases()
    {
        TheoryData<string, string> cases = [];
        foreach (string folder in Directory.EnumerateDirectories(Repository.Oracle("")).Order(StringComparer.Ordinal))
        {
            string model = Path.GetFileName(folder);
            if (!File.Exists(Path.Combine(folder, "config.json")))
            {
                continue;
            }

            foreach (string file in Directory.EnumerateFiles(folder, "expected*.safetensors").Order(StringComparer.Ordinal))
            {
                cases.Add(model, Path.GetFileName(file));
            }
        }

        return cases;
    }

    [Fact]
    public void All_architectures_are_there() => Assert.Equal(25, Cases().Select(static row => row[0]).Distinct().Count());

    [Theory]
    [MemberData(nameof(Cases))]
    public void Agrees_with_the_oracle(string model, string file)
    {
        using Model loaded = Model.Load(Repository.Oracle(model));
        using SafetensorsFile expected = SafetensorsFile.Open(Path.Combine(Repository.Oracle(model), file));
        AttentionTrace trace = loaded.Forward(OracleCase.Input(expected), Keep.All);
        OracleErrors errors = OracleCase.Compare(trace, expected, StateTolerance, StateRelative);
        Assert.True(errors.Attention <= AttentionTolerance, $"attention is {errors.Attention:g3} off at {errors.AttentionAt}");
        Assert.True(errors.StateExcess <= 0, $"{errors.StateAt} is {errors.StateExcess:g3} beyond its tolerance");
        Assert.True(errors.Compared >= 2, "nothing was compared");
    }
}
