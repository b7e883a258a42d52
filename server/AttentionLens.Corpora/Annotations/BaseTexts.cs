using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;

namespace AttentionLens.Corpora.Annotations;

/// <summary>
/// The texts that sidecars were last written for, kept in the user's cache. With it a document that was edited elsewhere while it was closed is
/// compared with what it was, which places nearly everything without a doubt; by quotes alone every label on a changed line has to be reviewed.
/// </summary>
/// <remarks>A cache: what is missing, too old or cannot be written costs a review, never a label. Entries are found by the path of the sidecar and
/// hold only for the very content it had, because a sidecar that git has changed speaks of another text.</remarks>
public sealed class BaseTexts(string folder)
{
    private const int MaxLength = 16 << 20;
    private const int MaxEntries = 1_000;
    private const int DigestLength = 32;

    /// <summary><c>attention-lens/base-texts</c> where the system keeps caches of this user.</summary>
    public static string DefaultFolder => Path.Combine(
        OperatingSystem.IsWindows() || OperatingSystem.IsMacOS()
            ? Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData)
            : Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { Length: > 0 } cache ? cache
            : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache"),
        "attention-lens", "base-texts");

    /// <summary>The sidecar as it is on disk now speaks of <paramref name="text"/>.</summary>
    public void Keep(string sidecar, string text)
    {
        if (text.Length > MaxLength) return;
        try
        {
            Directory.CreateDirectory(folder);
            var entry = Entry(sidecar);
            var temporary = $"{entry}.{Guid.NewGuid():N}.tmp";
            using (var stream = File.Create(temporary))
            {
                stream.Write(SHA256.HashData(File.ReadAllBytes(sidecar)));
                using var packed = new BrotliStream(stream, CompressionLevel.Fastest);
                packed.Write(Encoding.UTF8.GetBytes(text));
            }

            File.Move(temporary, entry, overwrite: true);
            Prune();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // No cache, no harm.
        }
    }

    /// <summary>The text that the sidecar as it is on disk was written for; null when that is not known.</summary>
    public string? Find(string sidecar)
    {
        try
        {
            var entry = Entry(sidecar);
            if (!File.Exists(entry) || !File.Exists(sidecar)) return null;
            using var stream = File.OpenRead(entry);
            var digest = new byte[DigestLength];
            stream.ReadExactly(digest);
            if (!digest.AsSpan().SequenceEqual(SHA256.HashData(File.ReadAllBytes(sidecar)))) return null;
            using var reader = new StreamReader(new BrotliStream(stream, CompressionMode.Decompress), new UTF8Encoding(false));
            // Bounded: the cache is a file that anything may have written.
            var text = new StringBuilder();
            var block = new char[1 << 16];
            for (int read; text.Length <= MaxLength && (read = reader.Read(block)) > 0;) text.Append(block, 0, read);
            return text.Length > MaxLength ? null : text.ToString();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or InvalidDataException)
        {
            return null;
        }
    }

    private string Entry(string sidecar) =>
        Path.Combine(folder, Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(Path.GetFullPath(sidecar))).AsSpan(0, 16)));

    private void Prune()
    {
        var entries = new DirectoryInfo(folder).GetFiles();
        if (entries.Length <= MaxEntries) return;
        foreach (var old in entries.OrderBy(e => e.LastWriteTimeUtc).Take(entries.Length - MaxEntries)) old.Delete();
    }
}
