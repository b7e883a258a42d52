using AttentionLens.Kernels;
using AttentionLens.Tokenization;

namespace AttentionLens.Models;

/// <summary>A loaded model. <see cref="Forward(ModelInput, Keep, CancellationToken)"/> and <see cref="ForwardBatch"/> may be called from several threads at once.</summary>
public sealed class Model : IDisposable
{
    private readonly ModelSource source;
    private readonly Weights weights;
    private readonly Network network;
    private readonly int[] separators;
    private readonly TransposedWeights transposed = new();
    private readonly Lock closing = new();
    private int running;
    private bool disposed;

    private Model(ModelSource source, Weights weights, Network network, ModelInfo info, Tokenizer? tokenizer, int[] separators)
    {
        this.source = source;
        this.weights = weights;
        this.network = network;
        this.separators = separators;
        Info = info;
        Tokenizer = tokenizer;
    }

    public ModelInfo Info { get; }

    internal Network Network => network;

    /// <summary>The folder's tokenizer; null when it has none that can be used (<see cref="TokenizerProblem"/>): token ids still run.</summary>
    public Tokenizer? Tokenizer { get; }

    /// <summary>Why there is no <see cref="Tokenizer"/>, for the user; null when there is one or the model reads no text.</summary>
    public string? TokenizerProblem { get; private init; }

    /// <summary>How an image becomes the model's <see cref="ModelInput.Pixels"/>; null when it sees none or <see cref="ImageProblem"/> says why not.</summary>
    public ImageProcessor? ImageProcessor { get; private init; }

    /// <summary>Why there is no <see cref="ImageProcessor"/>, for the user; null when there is one or the model sees no images.</summary>
    public string? ImageProblem { get; private init; }

    /// <summary>The threads that passes share; <see cref="WorkerPool.Shared"/> unless set. Passes and traces begun before keep the pool they had.</summary>
    public WorkerPool Pool { get; set; } = WorkerPool.Shared;

    /// <summary>Loads a folder in the Hugging Face layout or a GGUF file; progress runs from 0 to 1.</summary>
    /// <exception cref="ModelException">Missing, damaged or unsupported; the message says which and what to do.</exception>
    public static Model Load(string path, IProgress<double>? progress = null, CancellationToken cancellation = default)
    {
        ModelSource source = ModelSource.Open(path);
        Weights weights = new(source.Checkpoint, progress, cancellation);
        try
        {
            ModelConfig config = source.Config;
            Network network = source.Architecture(config, weights);
            progress?.Report(1);
            (Tokenizer? tokenizer, string? problem) = network.Text is null ? (null, null) : source.FindTokenizer();
            (ImageProcessor? processor, string? imageProblem) =
                network.Image is { } image ? FindImageProcessor(source.Path, config.Text("model_type"), image.Channels) : (null, null);
            int?[] separators = [config.OptionalInteger("sep_token_id"), tokenizer?.Special.Sep, tokenizer?.Special.Eos, .. network.EndTokens];
            return new Model(source, weights, network, Describe(source, network), tokenizer, [.. separators.OfType<int>().Distinct()])
            {
                TokenizerProblem = problem,
                ImageProcessor = processor,
                ImageProblem = imageProblem,
            };
        }
        catch
        {
            weights.Release();
            source.Dispose();
            throw;
        }
    }

    /// <summary>Only the tokenizer of a model, which need not have weights.</summary>
    /// <exception cref="ModelException">There is none.</exception>
    /// <exception cref="TokenizerException">It cannot be used.</exception>
    public static Tokenizer LoadTokenizer(string path)
    {
        if (ModelSource.GgufPath(path) is { } file)
        {
            using GgufModel model = GgufModel.Open(file);
            return model.ReadTokenizer();
        }

        return Tokenizer.Exists(path)
            ? Tokenizer.Load(path)
            : throw new ModelException($"'{path}' holds no tokenizer (tokenizer.json, vocab.txt, vocab.json with merges.txt, or spiece.model).");
    }

    /// <summary>One pass over the input.</summary>
    /// <exception cref="ModelException">The input does not fit the model (an id outside the vocabulary, longer than the window, ...).</exception>
    /// <exception cref="OperationCanceledException">Cancelled; checked per layer and per block of rows.</exception>
    public AttentionTrace Forward(ModelInput input, Keep keep = Keep.Attention, CancellationToken cancellation = default) =>
        ForwardBatch([input], keep, cancellation)[0];

    /// <summary>Several inputs in one pass: the linear maps see all their rows at once, which pays off for short texts. Results are those of separate passes.</summary>
    /// <inheritdoc cref="Forward(ModelInput, Keep, CancellationToken)" path="/exception"/>
    public IReadOnlyList<AttentionTrace> ForwardBatch(IReadOnlyList<ModelInput> inputs, Keep keep = Keep.Attention, CancellationToken cancellation = default)
    {
        cancellation.ThrowIfCancellationRequested();
        Enter();
        try
        {
            return inputs.Count == 0 ? [] : Pass(keep, cancellation).Run(inputs);
        }
        finally
        {
            Leave();
        }
    }

    /// <summary>
    /// A pass over an edited text. A decoder computes only from the first changed token on and takes the rest from <paramref name="previous"/>
    /// (kept with <see cref="Keep.Values"/> by this model); any other case is a whole pass. The result is that of <see cref="Forward(ModelInput, Keep, CancellationToken)"/>.
    /// </summary>
    /// <inheritdoc cref="Forward(ModelInput, Keep, CancellationToken)" path="/exception"/>
    public AttentionTrace Forward(ModelInput input, AttentionTrace previous, Keep keep = Keep.Values, CancellationToken cancellation = default)
    {
        Enter();
        try
        {
            return Pass(keep, cancellation).Continue(input, previous);
        }
        finally
        {
            Leave();
        }
    }

    /// <summary>
    /// A pass over a text of any length: where it is longer than the model's window, overlapping windows stand for it (see <see cref="Windowing"/>
    /// and <see cref="AttentionTrace.Windows"/>), shown as one sequence.
    /// </summary>
    /// <inheritdoc cref="Forward(ModelInput, Keep, CancellationToken)" path="/exception"/>
    public AttentionTrace ForwardLong(ModelInput input, Windowing windowing, Keep keep = Keep.Attention, CancellationToken cancellation = default)
    {
        int length = Math.Min(windowing.Length ?? Info.MaxPositions, Info.MaxPositions);
        return input.InputIds.Length <= length
            ? Forward(input, keep, cancellation)
            : Windows.Run(this, input, windowing with { Length = length }, keep, cancellation);
    }

    /// <summary>
    /// Continues a text (decoder) or writes the target of a source (encoder-decoder) greedily, keeping the attention of every step.
    /// </summary>
    /// <param name="input">The prompt, or the source; <c>DecoderInputIds</c> may begin the target.</param>
    /// <param name="maxTokens">At most so many new tokens; the model's window may end it sooner.</param>
    /// <param name="keep">Hidden states and values of the trace; logits are not kept.</param>
    /// <param name="progress">Receives each new token.</param>
    /// <param name="cancellation">Checked per layer of every step.</param>
    /// <exception cref="ModelException">The model has no language-model head, or the input does not fit.</exception>
    public Generation Generate(ModelInput input, int maxTokens, Keep keep = Keep.Attention, IProgress<int>? progress = null, CancellationToken cancellation = default)
    {
        Enter();
        try
        {
            return new Generator(network, Info, Pass(keep, cancellation), cancellation).Run(input, maxTokens, progress);
        }
        finally
        {
            Leave();
        }
    }

    /// <summary>
    /// The derivative of a prediction by the embedding output and by every attention weight. Costs about three forward passes and, while it
    /// runs, one head's queries x keys.
    /// </summary>
    /// <param name="input">As for <see cref="Forward(ModelInput, Keep, CancellationToken)"/>.</param>
    /// <param name="target">y = sum of weighted logits.</param>
    /// <param name="attention">Sees each head's weights and dy by them; last layer first, cross-attention of a layer before its self-attention, decoder before encoder.</param>
    /// <param name="embeddings">Stands in for hidden state 0 [n, hidden] (integrated gradients); null = the input's own.</param>
    /// <param name="decoderEmbeddings">The same for the decoder of an encoder-decoder.</param>
    /// <param name="cancellation">Checked per layer.</param>
    /// <exception cref="ModelException">The model has no head, or has parts without derivative here (Longformer, CLIP); or see <see cref="Forward(ModelInput, Keep, CancellationToken)"/>.</exception>
    public GradientResult Gradient(
        ModelInput input,
        IReadOnlyList<LogitTerm> target,
        AttentionGradientSink? attention = null,
        float[]? embeddings = null,
        float[]? decoderEmbeddings = null,
        CancellationToken cancellation = default)
    {
        Enter();
        try
        {
            return new GradientPass(network, Info, transposed, Pool, cancellation).Run(input, target, attention, embeddings, decoderEmbeddings);
        }
        finally
        {
            Leave();
        }
    }

    /// <summary>
    /// The logit lens (nostalgebraist 2020): what the head would say if the model ended after some block. The state goes through the stack's final norm
    /// and the head. Scores [rows * outputs]; of a head that scores the whole input, of its one row.
    /// </summary>
    /// <param name="trace">A pass of this model that kept <see cref="Keep.HiddenStates"/>.</param>
    /// <param name="state">0 = the embeddings, i = after block i - 1.</param>
    /// <param name="rows">Positions of the text, or of the target of an encoder-decoder.</param>
    /// <exception cref="ModelException">The model has no head.</exception>
    public float[] Lens(AttentionTrace trace, int state, int[] rows)
    {
        StackDescription stack = network.Decoder ?? network.Text ?? network.Vision!; // every network has one of them
        Head head = network.Head ?? throw new ModelException($"{Info.Name} has no head, so there is nothing to read off its layers.");
        AttentionStack kept = trace.Stack(stack.Kind) ?? throw new ArgumentException("The trace is not one of this model.", nameof(trace));
        Enter();
        try
        {
            float[] x = kept.HiddenState(state).ToArray();
            if (stack.FinalNorm is { } norm && (state < stack.Blocks.Length || !stack.FinalNormInHidden))
            {
                StackRunner.Apply(norm, x, x.Length / stack.Hidden, x, Pool);
            }

            return Pass(Keep.Logits, CancellationToken.None).Logits(head, rows, x, stack.Hidden).Data;
        }
        finally
        {
            Leave();
        }
    }

    /// <summary>What a block does with the sum of self-attention and residual: adds the output projection's bias, and normalises where the norm comes after.</summary>
    /// <exception cref="ArgumentException">No such attention or layer.</exception>
    public ResidualMap Residual(AttentionKind kind, int layer)
    {
        (StackDescription stack, Block block) = Find(kind, layer);
        Norm? norm = stack.Norms == NormPlace.After ? block.SelfNorm : null;
        return new ResidualMap(
            block.Self.Output.Bias.Length == 0 ? new float[stack.Hidden] : block.Self.Output.Bias,
            norm is null ? null : Array.ConvertAll(norm.Weight, w => w + norm.Offset),
            norm?.Bias,
            norm?.Epsilon ?? 0);
    }

    /// <summary>A block's output [rows, hidden] from its input [rows, hidden] and what its self-attention mixed from the values [rows, heads * head size].</summary>
    /// <exception cref="ModelException">The block has cross-attention as well.</exception>
    public float[] FinishBlock(AttentionKind kind, int layer, ReadOnlySpan<float> input, ReadOnlySpan<float> context)
    {
        (StackDescription stack, Block block) = Find(kind, layer);
        if (block.Cross is not null)
        {
            throw new ModelException("A block with cross-attention cannot be finished from its self-attention alone.");
        }

        Enter();
        try
        {
            return BlockTail.Run(stack, block, input, context, Pool);
        }
        finally
        {
            Leave();
        }
    }

    private (StackDescription Stack, Block Block) Find(AttentionKind kind, int layer)
    {
        StackDescription? stack = kind == AttentionKind.Vision ? network.Vision : network.Text?.Kind == kind ? network.Text : network.Decoder;
        return stack is not null && kind != AttentionKind.Cross && (uint)layer < (uint)stack.Blocks.Length
            ? (stack, stack.Blocks[layer])
            : throw new ArgumentException($"{Info.Name} has no {kind} self-attention with layer {layer}.", nameof(layer));
    }

    /// <summary>The rows of the last hidden state that the head reads for an input (of the decoder in an encoder-decoder); empty without a head.</summary>
    public int[] OutputRows(ModelInput input)
    {
        int[] ids = network.Decoder is null ? input.InputIds : input.DecoderInputIds ?? [network.DecoderStart ?? 0];
        return network.Head is { } head ? Pass(Keep.Logits, CancellationToken.None).RowsOf(head, input, ids, ids.Length) : [];
    }

    /// <summary>
    /// The part of a layer's output projection that reads one head, [head size, hidden size] row-major and without bias: a head adds
    /// (sum over keys of weight * value) times this matrix to the residual stream.
    /// </summary>
    /// <exception cref="ArgumentException">The model has no attention of this kind, or no such layer or head.</exception>
    public float[] HeadOutput(AttentionKind kind, int layer, int head)
    {
        StackDescription? stack = kind switch
        {
            AttentionKind.Vision => network.Vision,
            AttentionKind.Cross => network.Decoder,
            _ => network.Text?.Kind == kind ? network.Text : network.Decoder,
        };
        if (stack is null || (uint)layer >= (uint)stack.Blocks.Length || (uint)head >= (uint)stack.Heads
            || (kind == AttentionKind.Cross ? stack.Blocks[layer].Cross : stack.Blocks[layer].Self) is not { } attention)
        {
            throw new ArgumentException($"{Info.Name} has no {kind} attention with layer {layer} and head {head}.", nameof(layer));
        }

        Enter();
        try
        {
            // The weights are packed for the kernel; a product with unit vectors reads them back exactly.
            int context = stack.Heads * stack.HeadSize;
            float[] units = new float[stack.HeadSize * context];
            for (int i = 0; i < stack.HeadSize; i++)
            {
                units[(i * context) + (head * stack.HeadSize) + i] = 1;
            }

            float[] output = new float[stack.HeadSize * stack.Hidden];
            MatMul.Multiply(units, stack.HeadSize, context, attention.Output.Weight, [], Activation.None, [], 0, output, stack.Hidden, Pool);
            return output;
        }
        finally
        {
            Leave();
        }
    }

    /// <summary>Reads every stored value once, used or not.</summary>
    /// <exception cref="ModelException">A tensor holds values that are no finite numbers, or cannot be read.</exception>
    internal void ReadEverything(IProgress<double>? progress, CancellationToken cancellation)
    {
        Enter();
        try
        {
            source.Checkpoint.ReadEverything(progress, cancellation);
        }
        finally
        {
            Leave();
        }
    }

    /// <summary>Frees the weights, once passes under way have ended.</summary>
    public void Dispose()
    {
        lock (closing)
        {
            if (disposed)
            {
                return;
            }

            disposed = true;
            if (running > 0)
            {
                return;
            }
        }

        Free();
    }

    private ForwardPass Pass(Keep keep, CancellationToken cancellation) => new(network, Info, separators, Pool, keep, cancellation);

    private void Enter()
    {
        lock (closing)
        {
            ObjectDisposedException.ThrowIf(disposed, this);
            running++;
        }
    }

    private void Leave()
    {
        lock (closing)
        {
            running--;
            if (!disposed || running > 0)
            {
                return;
            }
        }

        Free();
    }

    private void Free()
    {
        transposed.Dispose();
        weights.Release();
        source.Dispose();
    }

    private static ModelInfo Describe(ModelSource source, Network network)
    {
        StackDescription first = network.Text ?? network.Vision!; // every network has one of them
        StackDescription? second = network.Decoder ?? (network.Text is null ? null : network.Vision);
        return new ModelInfo
        {
            Name = source.Name,
            Folder = source.Path,
            ModelType = source.Config.Text("model_type"),
            Kind = network.Kind,
            Layers = first.Blocks.Length,
            Heads = first.Heads,
            DecoderLayers = second?.Blocks.Length ?? 0,
            DecoderHeads = second?.Heads ?? 0,
            HiddenSize = first.Hidden,
            VocabularySize = network.Tokens?.Vocabulary ?? 0,
            MaxPositions = network.MaxPositions,
            Parameters = source.Checkpoint.Parameters,
            WeightBytes = source.Checkpoint.Bytes,
            Fingerprint = source.Fingerprint(),
            Head = network.Contrast is null ? network.Head?.Kind ?? HeadKind.None : HeadKind.Contrastive,
            Labels = network.Head?.Kind is HeadKind.SequenceClassification or HeadKind.TokenClassification ? source.Config.Labels() : [],
            Patches = network.Image is { } image ? new PatchGrid(image.Side, image.Side, image.PatchSize) : null,
            DecoderStartToken = network.DecoderStart,
            EndTokens = network.EndTokens,
        };
    }

    private static (ImageProcessor? Processor, string? Problem) FindImageProcessor(string folder, string modelType, int channels)
    {
        try
        {
            return (ImageProcessor.Load(folder, modelType, channels), null);
        }
        catch (ModelException error)
        {
            return (null, error.Message);
        }
    }
}
