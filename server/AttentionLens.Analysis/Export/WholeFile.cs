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

        if (IsInPlace(path))
        {
            using var device = new FileStream(path, FileMode.Open, FileAccess.Write);
            try
            {
                write(device);
                device.Flush();
            }
            catch
            {
                if (device.CanSeek && device.Length > 0)
                {
                    device.SetLength(0);
                }

                throw;
            }

            return;
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

    /// <summary>
    /// A device or pipe would be replaced by a rename: whoever may write /dev would lose /dev/null. Outside of Windows they look like files without
    /// content, and what has none loses none when it is written where it is; /dev/stdout leads to a pipe, which has no path.
    /// </summary>
    private static bool IsInPlace(string path)
    {
        var file = new FileInfo(path);
        return file.Exists && (OperatingSystem.IsWindows()
            ? (file.Attributes & FileAttributes.Device) != 0
            : (file.ResolveLinkTarget(returnFinalTarget: true) ?? file) is not FileInfo { Exists: true, Length: > 0 });
    }
}
