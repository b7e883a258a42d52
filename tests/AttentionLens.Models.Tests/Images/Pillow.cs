using System.Diagnostics;

namespace AttentionLens.Models.Tests;

/// <summary>pillow.py, where a python3 with Pillow and NumPy is there.</summary>
internal static class Pillow
{
    public static bool Run(IEnumerable<string> arguments)
    {
        string script = Path.Combine(Repository.Root, "tests", "AttentionLens.Models.Tests", "Images", "pillow.py");
        foreach (string python in new[] { "/usr/bin/python3", "python3" })
        {
            try
            {
                using Process process = Process.Start(new ProcessStartInfo(python, [script, .. arguments]) { RedirectStandardError = true })!; // Start returns a process where it does not throw
                string errors = process.StandardError.ReadToEnd();
                process.WaitForExit();
                if (process.ExitCode == 0)
                {
                    return true;
                }

                Assert.Contains("ModuleNotFoundError", errors, StringComparison.Ordinal);
            }
            catch (System.ComponentModel.Win32Exception)
            {
                // The next one, if there is one.
            }
        }

        return false;
    }
}
