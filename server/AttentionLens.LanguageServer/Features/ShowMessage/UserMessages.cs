using AttentionLens.LanguageServer.Features.Attention;
using AttentionLens.LanguageServer.JsonRpc;
using AttentionLens.LanguageServer.Protocol;
using AttentionLens.Models;
using AttentionLens.Tokenization;

namespace AttentionLens.LanguageServer.Features.ShowMessage;

/// <summary>
/// <c>window/showMessage</c>: what has gone wrong when the user can mend it, and how; once until it is mended. All else is said where it was
/// asked for (the status of an answer, the hover) and in the log.
/// </summary>
internal sealed class UserMessages(JsonRpcConnection connection)
{
    private readonly Lock gate = new();
    private string? said;

    /// <summary>False for a client that tells its user itself what answers and statuses say: twice would be once too many.</summary>
    public bool Wanted { get; set; } = true;

    /// <summary>The model has not been loaded.</summary>
    public void LoadFailed(Exception failure)
    {
        if (failure is OutOfMemoryException)
            NoMemory(failure);
        else if (failure is ModelMissingException)
            Say($"{ModelHost.Explain(failure)} Put it there, or name another one in the setting \"model\"; it is looked for again with the next question.");
        else if (failure is ModelException or TokenizerException or IOException or UnauthorizedAccessException)
            Say($"{ModelHost.Explain(failure)} Name another model in the setting \"model\", or mend this one; it is read again with the next question.");
        // Who cancelled a load knows it, and nobody can mend a defect of this program in the editor.
    }

    public void NoMemory(Exception failure) => Say(ModelHost.Explain(failure));

    /// <summary>A model is there: what goes wrong from here on is news.</summary>
    public void Mended()
    {
        lock (gate)
            said = null;
    }

    private void Say(string message)
    {
        if (!Wanted)
            return;
        lock (gate)
        {
            if (said == message)
                return;
            said = message;
        }
        connection.Notify("window/showMessage", new MessageParams(1, $"AttentionLens: {message}"), LspJson.Default.MessageParams);
    }
}
