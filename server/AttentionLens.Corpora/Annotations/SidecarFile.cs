using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace AttentionLens.Corpora.Annotations;

/// <summary>
/// One sidecar on disk, safe against crashes and against other writers. Every operation is appended to a journal and flushed before it
/// counts; <see cref="Save"/> then rewrites the sidecar (temporary file in the same folder, flush, read back, atomic rename) and removes the
/// journal. What another window or git wrote meanwhile is merged by id against what was last read, never overwritten.
/// </summary>
/// <remarks>
/// A journal belongs to one session, which holds it locked; one that a dead session left behind is replayed by the next session that
/// opens the file. Not thread-safe: the document's own queue calls it.
/// </remarks>
public sealed class SidecarFile : IDisposable
{
    private readonly string _path;
    private readonly Dictionary<string, Operation> _pending = [];
    private readonly List<FileStream> _takenOver = [];
    private FileStream? _journal;
    private Sidecar _base;

    private SidecarFile(string path, Sidecar @base)
    {
        _path = path;
        _base = @base;
        Annotations = @base.Annotations.ToImmutableDictionary(a => a.Id);
    }

    /// <summary>A put, or a removal where <paramref name="Annotation"/> is null.</summary>
    private sealed record Operation(string Id, Annotation? Annotation, DateTimeOffset Time);

    /// <summary>What this session knows: the file as last read, with its own operations on top. Positions are not filled in.</summary>
    public ImmutableDictionary<string, Annotation> Annotations { get; private set; }

    public ImmutableArray<SidecarProblem> Problems => _base.Problems;

    /// <summary>Opens (without creating) the sidecar at <paramref name="path"/> and takes over what crashed sessions journalled for it.</summary>
    /// <exception cref="SidecarException">The file cannot be read.</exception>
    public static SidecarFile Open(string path)
    {
        path = Path.GetFullPath(path);
        var file = new SidecarFile(path, Guard(path, () => Read(path)));
        try
        {
            Guard(path, file.TakeOver);
        }
        catch
        {
            file.Dispose();
            throw;
        }

        return file;
    }

    /// <exception cref="SidecarException">The journal cannot be written (disk full, folder read-only): the operation did not happen.</exception>
    public void Put(Annotation annotation) => Change([annotation], []);

    /// <inheritdoc cref="Put"/>
    public void Remove(string id) => Change([], [id]);

    /// <summary>Several operations as one: a single flush, and after a crash all of them or those before the line that was cut off.</summary>
    /// <remarks>
    /// A change never bears an earlier time than what it changes, whatever the clock says, which may have been put back, or run behind that of who
    /// wrote the file: by their times it is decided after a crash whether a journal is newer than the sidecar.
    /// </remarks>
    /// <inheritdoc cref="Put"/>
    public void Change(IEnumerable<Annotation> put, IEnumerable<string> removed)
    {
        var now = DateTimeOffset.UtcNow;
        Do(
        [
            .. put.Select(a => Known(a.Id) is { } known && !(a.Time >= known) ? a with { Time = known } : a).Select(a => new Operation(a.Id, a, a.Time ?? now)),
            .. removed.Select(id => new Operation(id, null, Known(id) is { } known && known > now ? known : now)),
        ]);

        DateTimeOffset? Known(string id) => Annotations.GetValueOrDefault(id)?.Time;
    }

    /// <summary>
    /// Writes all operations into the sidecar, whose records are ordered by their place in <paramref name="text"/>.
    /// <paramref name="live"/> are the annotations of the open document with anchors described for that same text.
    /// </summary>
    /// <exception cref="SidecarException">Nothing was replaced; the journal still holds every operation.</exception>
    public void Save(string text, IReadOnlyCollection<Annotation> live)
    {
        Change(live.Where(a => Annotations.TryGetValue(a.Id, out var known) && Sidecar.Write(known) != Sidecar.Write(a)), []);
        Guard(_path, () =>
        {
            using var held = Lock();
            var merged = Ordered(Merge(Read(_path)), text, live);
            var content = merged.Format();
            if (!File.Exists(_path) ? !merged.Annotations.IsEmpty : File.ReadAllText(_path) != content) Replace(content);
            Settle(merged);
            EndJournal();
            return true;
        });
    }

    /// <summary>Takes in what another writer made of the file.</summary>
    /// <exception cref="SidecarException">The file cannot be read; what is known stays as it was.</exception>
    public void Reload() => Guard(_path, () =>
    {
        var disk = Read(_path);
        Annotations = Merge(disk).Annotations.ToImmutableDictionary(a => a.Id);
        _base = disk;
        return true;
    });

    /// <summary>Ends the session. Operations that were not saved stay in the journal for the next one.</summary>
    public void Dispose()
    {
        var name = _journal?.Name;
        _journal?.Dispose();
        if (name is not null && _pending.Count == 0) File.Delete(name);
        _journal = null;
        foreach (var taken in _takenOver) taken.Dispose();
        _takenOver.Clear();
    }

    private void Do(Operation[] operations)
    {
        if (operations.Length == 0) return;
        Guard(_path, () =>
        {
            _journal ??= NewJournal();
            var end = _journal.Length;
            try
            {
                _journal.Seek(end, SeekOrigin.Begin);
                _journal.Write(Encoding.UTF8.GetBytes(string.Concat(operations.Select(Line))));
                _journal.Flush(flushToDisk: true);
            }
            catch (Exception e) when (IsIo(e))
            {
                // Half a line on a full disk must not swallow the next one.
                _journal.SetLength(end);
                throw;
            }

            return true;
        });
        foreach (var operation in operations) Apply(operation);
    }

    private FileStream NewJournal()
    {
        for (var attempt = 0; ; attempt++)
        {
            try
            {
                return new FileStream($"{_path}.{Guid.NewGuid():N}.journal", FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None, 1);
            }
            catch (IOException) when (attempt < 3)
            {
                // Between its creation and its lock another session may have looked into it for a dead one's.
            }
        }
    }

    private void Apply(Operation operation)
    {
        _pending[operation.Id] = operation;
        Annotations = operation.Annotation is { } a ? Annotations.SetItem(a.Id, a) : Annotations.Remove(operation.Id);
    }

    /// <summary>The file's records with our operations on top; where both sides changed one annotation, the later change wins.</summary>
    private Sidecar Merge(Sidecar disk)
    {
        var before = _base.Annotations.ToDictionary(a => a.Id);
        var result = disk.Annotations.ToDictionary(a => a.Id);
        foreach (var ours in _pending.Values)
        {
            var theirs = result.GetValueOrDefault(ours.Id);
            var theyChanged = theirs is not null && (!before.TryGetValue(ours.Id, out var old) || Sidecar.Write(theirs) != Sidecar.Write(old));
            if (theyChanged && theirs?.Time > ours.Time) continue;
            if (ours.Annotation is { } a) result[a.Id] = a;
            else result.Remove(ours.Id);
        }

        return disk with { Annotations = [.. result.Values] };
    }

    /// <summary>Gives every record its place in the text, which alone decides the order of lines; what a record says is left as it is.</summary>
    private static Sidecar Ordered(Sidecar sidecar, string text, IReadOnlyCollection<Annotation> live)
    {
        var known = live.ToDictionary(a => a.Id);
        var strangers = sidecar.Annotations.Where(a => !known.ContainsKey(a.Id)).ToArray();
        var places = Anchoring.Place(text, strangers).Concat(live).ToDictionary(a => a.Id, a => a.Fragments);
        return sidecar with { Annotations = [.. sidecar.Annotations.Select(a => a with { Fragments = places[a.Id] })] };
    }

    private void Settle(Sidecar merged)
    {
        _pending.Clear();
        _base = merged;
        Annotations = merged.Annotations.ToImmutableDictionary(a => a.Id);
    }

    private void EndJournal()
    {
        if (_journal is { } journal)
        {
            // Not kept for the next operation: a file that nobody needs is noise beside the document, and git would offer to add it.
            journal.Dispose();
            File.Delete(journal.Name);
            _journal = null;
        }

        foreach (var taken in _takenOver)
        {
            // Closed first: Windows deletes no open file.
            taken.Dispose();
            File.Delete(taken.Name);
        }

        _takenOver.Clear();
    }

    private bool TakeOver()
    {
        var folder = Path.GetDirectoryName(_path) ?? ".";
        if (!Directory.Exists(folder)) return false;
        foreach (var left in Directory.GetFiles(folder, Path.GetFileName(_path) + ".*.journal").Order(StringComparer.Ordinal))
        {
            // A session leaves no links: this one came with the folder, and leads who knows where.
            if (new FileInfo(left).LinkTarget is not null) continue;
            FileStream journal;
            try
            {
                // A living session holds its journal exclusively; opening it fails then. This session holds what it takes over in the same way,
                // or two would replay one journal, the second over what the user did since.
                journal = new FileStream(left, FileMode.Open, FileAccess.ReadWrite, FileShare.None);
            }
            catch (IOException)
            {
                continue;
            }

            _takenOver.Add(journal);
            foreach (var operation in Operations(SmallFile.ReadText(journal, Sidecar.MaxBytes, Encoding.UTF8)))
            {
                // The dead session may have saved after journalling, and others after it.
                if (Annotations.GetValueOrDefault(operation.Id)?.Time > operation.Time) continue;
                Apply(operation);
            }
        }

        return true;
    }

    private static string Line(Operation o) =>
        o.Annotation is { } a ? Sidecar.Write(a) + "\n" : $$"""{"delete":"{{JsonEncodedText.Encode(o.Id)}}","time":"{{o.Time.UtcDateTime:O}}"}""" + "\n";

    /// <summary>A line cut off by the crash is the operation that was in flight: it is the only one lost.</summary>
    private static IEnumerable<Operation> Operations(string journal)
    {
        foreach (var line in journal.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            if (Deleted(line) is { } deleted) yield return deleted;
            else foreach (var a in Sidecar.Parse(line).Annotations) yield return new Operation(a.Id, a, a.Time ?? DateTimeOffset.MinValue);
        }
    }

    private static Operation? Deleted(string line)
    {
        try
        {
            using var json = JsonDocument.Parse(line);
            return json.RootElement.ValueKind == JsonValueKind.Object && json.RootElement.TryGetProperty("delete", out var id) && id.GetString() is { } name
                ? new Operation(name, null, json.RootElement.TryGetProperty("time", out var t) && t.TryGetDateTimeOffset(out var time) ? time : DateTimeOffset.MinValue)
                : null;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return null;
        }
    }

    private static Sidecar Read(string path) => File.Exists(path) ? Sidecar.Read(path) : Sidecar.Empty;

    /// <summary>Outside the corpus folder, so that no lock file shows up in it or in git.</summary>
    private FileStream Lock()
    {
        var name = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(_path)).AsSpan(0, 12));
        var deadline = Environment.TickCount64 + 5_000;
        while (true)
        {
            try
            {
                return new FileStream(Path.Combine(Path.GetTempPath(), $"attention-lens-{name}.lock"), FileMode.OpenOrCreate, FileAccess.Write, FileShare.None);
            }
            catch (IOException) when (Environment.TickCount64 < deadline)
            {
                Thread.Sleep(10);
            }
        }
    }

    private void Replace(string content)
    {
        if (File.Exists(_path) && new FileInfo(_path).IsReadOnly) throw new UnauthorizedAccessException("the file is read-only");
        // A session that was killed here left its copy behind. Under the lock nobody else has one.
        foreach (var left in Directory.GetFiles(Path.GetDirectoryName(_path) ?? ".", Path.GetFileName(_path) + ".*.tmp")) File.Delete(left);
        var temporary = $"{_path}.{Guid.NewGuid():N}.tmp";
        try
        {
            using (var stream = new FileStream(temporary, FileMode.CreateNew, FileAccess.Write, FileShare.None))
            {
                stream.Write(Encoding.UTF8.GetBytes(content));
                stream.Flush(flushToDisk: true);
            }

            if (File.ReadAllText(temporary, Encoding.UTF8) != content) throw new IOException("what was written did not read back the same");
            File.Move(temporary, _path, overwrite: true);
        }
        finally
        {
            File.Delete(temporary);
        }
    }

    private static T Guard<T>(string path, Func<T> action)
    {
        try
        {
            return action();
        }
        catch (Exception e) when (IsIo(e))
        {
            throw new SidecarException(
                $"The annotations in {Path.GetFileName(path)} could not be read or written, and nothing in it was changed: {e.Message.TrimEnd('.')}.", e);
        }
    }

    /// <summary>A file that grows beyond what the system allows comes as an argument out of range.</summary>
    private static bool IsIo(Exception e) => e is IOException or UnauthorizedAccessException or ArgumentOutOfRangeException { ParamName: "value" };
}
