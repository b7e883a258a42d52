namespace AttentionLens.Analysis.Export;

/// <summary>A file that appears whole or not at all.</summary>
public static class WholeFile
{
    /// <exception cref="ExportException">There is no such folder, or the path names one.</exception>
    public static void Write(string path, Action<Stream> write)
    {
        var folder = Path.GetDirectoryName(Path.GetFullPath(path));
        if (!Directory.Exists(folder))
        {
            throw new ExportException($"The folder '{folder}' does not exist.");
        }

        if (Directory.Exists(path))
        {
            throw new ExportException($"'{path}' is a folder; name a file.");
        }

        var temporary = Path.Combine(folder, $".{Path.GetFileName(path)}.{Guid.NewGuid():N}.tmp");
        try
        {
            using (var stream = new FileStream(temporary, FileMode.CreateNew, FileAccess.Write, FileShare.None, 1 << 16))
            {
                write(stream);
            }

            File.Move(temporary, path, overwrite: true);
        }
        finally
        {
            File.Delete(temporary);
        }
    }
}
