using System.Diagnostics;
using System.Globalization;

namespace AttentionLens.Kernels.Tests;

/// <summary>All other tests of this assembly again, in child processes that may use fewer instructions.</summary>
public sealed class InstructionSetTests
{
    private const string MostLanes = "ATTENTIONLENS_TEST_LANES";

    [Theory]
    [InlineData("DOTNET_EnableAVX512", 8)]
    [InlineData("DOTNET_EnableAVX2", 4)]
    [InlineData("DOTNET_EnableHWIntrinsic", 1)]
    public async Task The_suite_passes_without(string instructions, int lanes)
    {
        if (Environment.GetEnvironmentVariable(MostLanes) is not null)
        {
            return; // A child: Lanes_are_those_asked_for is its own test.
        }

        string dotnet = Environment.ProcessPath is { } path && Path.GetFileNameWithoutExtension(path) == "dotnet" ? path : "dotnet";
        var start = new ProcessStartInfo(dotnet, ["vstest", typeof(InstructionSetTests).Assembly.Location, $"--ResultsDirectory:{Path.GetTempPath()}"])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment[instructions] = "0";
        start.Environment[MostLanes] = lanes.ToString(CultureInfo.InvariantCulture);
        using Process child = Process.Start(start)!; // Null only with UseShellExecute.
        Task<string> errors = child.StandardError.ReadToEndAsync();
        string output = await child.StandardOutput.ReadToEndAsync() + await errors;
        await child.WaitForExitAsync();
        Assert.True(child.ExitCode == 0, $"With {instructions}=0:\n{output}");
        Assert.Contains("Passed", output, StringComparison.Ordinal);
    }

    [Fact]
    public void Lanes_are_those_asked_for()
    {
        int most = int.Parse(Environment.GetEnvironmentVariable(MostLanes) ?? "16", CultureInfo.InvariantCulture);
        Assert.InRange(MicroKernel.Lanes, 1, most);
        Assert.Equal(2 * MicroKernel.Lanes, MicroKernel.Columns);
    }
}
