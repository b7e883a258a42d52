namespace AttentionLens.Models;

/// <summary>A loaded model. <see cref="Forward"/> may be called from several threads at once.</summary>
public sealed class Model : IDisposable
{
    private Model(ModelInfo info) => Info = info;

    public ModelInfo Info { get; }

    /// <summary>Loads a folder in the Hugging Face layout; progress runs from 0 to 1.</summary>
    /// <exception cref="ModelException">Missing, damaged or unsupported; the message says which and what to do.</exception>
    public static Model Load(string folder, IProgress<double>? progress = null, CancellationToken cancellation = default) =>
        throw new ModelException($"The model folder '{folder}' does not exist.");

    /// <summary>One pass over the input.</summary>
    /// <exception cref="ModelException">The input does not fit the model (an id outside the vocabulary, longer than the window, ...).</exception>
    /// <exception cref="OperationCanceledException">Cancelled; checked per layer and per block of rows.</exception>
    public AttentionTrace Forward(ModelInput input, Keep keep = Keep.Attention, CancellationToken cancellation = default) =>
        throw new ModelException($"{Info.Name} cannot run.");

    public void Dispose()
    {
    }
}
