using System.Text;

namespace AttentionLens.Corpora.Annotations;

/// <summary>A text file that appears whole or not at all: a disk that is full leaves what was there before, and no half of the new one.</summary>
internal static class WholeText
{
    public static void Write(string path, string content)
    {
        // What has no content loses none; devices and pipes, which a rename would replace, look so.
        var file = new FileInfo(path);
        if (file.Exists && (file.ResolveLinkTarget(returnFinalTarget: true) ?? file) is not FileInfo { Exists: true, Length: > 0 })
        {
            File.WriteAllText(path, content, new UTF8Encoding(false));
            return;
        }

        var temporary = $"{path}.{Guid.NewGuid():N}.tmp";
        try
        {
            File.WriteAllText(temporary, content, new UTF8Encoding(false));
            File.Move(temporary, path, overwrite: true);
        }
        finally
        {
            File.Delete(temporary);
        }
    }
}
