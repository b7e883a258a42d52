using AttentionLens.Kernels;

namespace AttentionLens.Models;

/// <summary>One pass of a network over a batch of inputs: checks them, embeds, runs the stacks, evaluates the head, builds the traces.</summary>
internal sealed class ForwardPass(Network network, ModelInfo info, int[] separatorIds, WorkerPool pool, Keep keep, CancellationToken cancellation)
{
    private bool KeepValues => keep.HasFlag(Keep.Values);

    private bool KeepReceived => keep.HasFlag(Keep.Received);

    private bool KeepHidden => keep.HasFlag(Keep.HiddenStates);

    public AttentionTrace[] Run(IReadOnlyList<ModelInput> inputs) => network.Kind switch
    {
        ModelKind.Encoder or ModelKind.Decoder => Text(inputs),
        ModelKind.EncoderDecoder => EncoderDecoder(inputs),
        ModelKind.Vision => [.. inputs.Select(Vision)],
        _ => [.. inputs.Select(TextVision)],
    };

    /// <summary>A fresh state for the input of the first stack.</summary>
    public SequenceState Start(ModelInput input, int capacity, bool growing)
    {
        StackDescription stack = network.Text!; // asked only of networks with a text stack
        LongformerState? global = stack.Blocks.Length > 0 && stack.Blocks[0].Self.Global is not null ? Longformer(input, stack) : null;
        return new SequenceState(stack, capacity, Mask(input, capacity), Separators(input.InputIds), KeepValues || growing, KeepHidden, KeepReceived)
        {
            Global = global,
            Forced = Forced(stack, stack.Kind, input, growing),
        };
    }

    /// <summary>Rows that come one at a time have no mean of what came before: it is not kept.</summary>
    private static ForcedHeads? Forced(StackDescription stack, AttentionKind kind, ModelInput input, bool growing)
    {
        ForcedHeads? forced = ForcedHeads.Of(stack, kind, input.Interventions);
        return growing && forced is not null && forced.Any(HeadEffect.Mean)
            ? throw new ModelException("A text cannot be continued with a head forced to its mean; set it to zero or uniform.")
            : forced;
    }

    /// <summary>
    /// A decoder's pass over a text whose beginning has been passed before: rows before the first changed token are taken from
    /// <paramref name="previous"/>, because no row depends on what follows it. Falls back to a whole pass where the previous trace kept too little.
    /// </summary>
    public AttentionTrace Continue(ModelInput input, AttentionTrace previous)
    {
        int same = Reusable(input, previous);
        if (same == 0)
        {
            return Run([input])[0];
        }

        StackDescription stack = network.Text!; // Reusable says 0 for anything but a decoder
        CheckTokens(input, network.Tokens!); // as above
        SequenceState state = Start(input, input.InputIds.Length, growing: true);
        state.CopyPrefix((LayerStack)previous.Stacks[0], same);
        Scratch scratch = Scratch.Rent();
        try
        {
            Span<float> x = RunText(stack, network.Tokens!, [input.InputIds], [input.TokenTypeIds], [state], scratch); // as above
            Dictionary<string, Tensor> outputs = [];
            if (keep.HasFlag(Keep.Logits) && network.Head is { Rows: HeadRows.All } head)
            {
                int[] rows = [.. Enumerable.Range(0, x.Length / stack.Hidden)];
                Tensor fresh = Logits(head, rows, x, stack.Hidden);
                Tensor old = previous.Logits!; // Reusable has checked
                int width = fresh.Shape[^1];
                outputs["logits"] = new Tensor([.. old.Data.AsSpan(0, same * width), .. fresh.Data], [input.InputIds.Length, width]);
            }

            return new AttentionTrace(info, input, [Stack(stack, state)], outputs);
        }
        finally
        {
            Scratch.Return(scratch);
        }
    }

    /// <summary>How many rows of a previous trace stand for rows of this input; at least the last row is always computed.</summary>
    private int Reusable(ModelInput input, AttentionTrace previous)
    {
        if (network.Kind != ModelKind.Decoder
            || previous.Model.Fingerprint != info.Fingerprint
            || input.AttentionMask is not null
            || input.Interventions is not null
            || previous.Input.Interventions is not null
            || previous.Input.AttentionMask is not null
            || previous.Stacks[0] is not LayerStack { HasValues: true }
            || network.Text!.Rotary is { } rotary && rotary.For(input.InputIds.Length) != rotary.For(previous.Input.InputIds.Length) // Kind says so
            || (KeepHidden && previous.Stacks[0].HiddenStates == 0))
        {
            return 0;
        }

        if (keep.HasFlag(Keep.Logits) && network.Head is { } head
            && (head.Rows != HeadRows.All || input.LogitPositions is not null || previous.Input.LogitPositions is not null || previous.Logits is null))
        {
            return 0;
        }

        int same = input.InputIds.AsSpan().CommonPrefixLength(previous.Input.InputIds);
        return Math.Min(Math.Min(same, previous.Stacks[0].Queries), input.InputIds.Length - 1);
    }

    private AttentionTrace[] Text(IReadOnlyList<ModelInput> inputs)
    {
        StackDescription stack = network.Text!; // Kind says so
        SequenceState[] states = [.. inputs.Select(input =>
        {
            CheckTokens(input, network.Tokens!); // with Text comes Tokens
            return Start(input, input.InputIds.Length, growing: false);
        })];
        Scratch scratch = Scratch.Rent();
        try
        {
            Span<float> x = RunText(stack, network.Tokens!, [.. inputs.Select(static i => i.InputIds)], [.. inputs.Select(static i => i.TokenTypeIds)], states, scratch); // as above
            AttentionTrace[] traces = new AttentionTrace[inputs.Count];
            int row = 0;
            for (int i = 0; i < traces.Length; i++)
            {
                int rows = inputs[i].InputIds.Length;
                Dictionary<string, Tensor> outputs = [];
                Evaluate(inputs[i], inputs[i].InputIds, x.Slice(row * stack.Hidden, rows * stack.Hidden), stack.Hidden, outputs);
                traces[i] = new AttentionTrace(info, inputs[i], [Stack(stack, states[i])], outputs);
                row += rows;
            }

            return traces;
        }
        finally
        {
            Scratch.Return(scratch);
        }
    }

    private AttentionTrace[] EncoderDecoder(IReadOnlyList<ModelInput> inputs)
    {
        StackDescription encoder = network.Text!; // an encoder-decoder has both stacks and both embeddings
        StackDescription decoder = network.Decoder!;
        TokenEmbedding targets = network.DecoderTokens!;
        Scratch scratch = Scratch.Rent();
        Scratch decoderScratch = Scratch.Rent();
        try
        {
            SequenceState[] sources = new SequenceState[inputs.Count];
            int[][] targetIds = new int[inputs.Count][];
            SequenceState[] states = new SequenceState[inputs.Count];
            for (int i = 0; i < inputs.Count; i++)
            {
                CheckTokens(inputs[i], network.Tokens!); // as above
                targetIds[i] = inputs[i].DecoderInputIds ?? [network.DecoderStart ?? throw new ModelException($"{info.Name} names no decoder_start_token_id; give the target's ids.")];
                CheckIds(targetIds[i], targets, "target");
                sources[i] = Start(inputs[i], inputs[i].InputIds.Length, growing: false);
                states[i] = StartDecoder(inputs[i], targetIds[i].Length, growing: false);
            }

            Span<float> encoded = RunText(encoder, network.Tokens!, [.. inputs.Select(static i => i.InputIds)], [.. inputs.Select(static i => i.TokenTypeIds)], sources, scratch); // as above
            int row = 0;
            for (int i = 0; i < inputs.Count; i++)
            {
                int rows = inputs[i].InputIds.Length;
                ReadSource(states[i], encoded.Slice(row * encoder.Hidden, rows * encoder.Hidden));
                row += rows;
            }

            Span<float> x = RunText(decoder, targets, targetIds, new int[inputs.Count][], states, decoderScratch);
            AttentionTrace[] traces = new AttentionTrace[inputs.Count];
            row = 0;
            for (int i = 0; i < traces.Length; i++)
            {
                int rows = targetIds[i].Length;
                Dictionary<string, Tensor> outputs = [];
                Evaluate(inputs[i], targetIds[i], x.Slice(row * decoder.Hidden, rows * decoder.Hidden), decoder.Hidden, outputs);
                traces[i] = new AttentionTrace(info, inputs[i] with { DecoderInputIds = targetIds[i] }, [Stack(encoder, sources[i]), Stack(decoder, states[i]), CrossStack(decoder, states[i])], outputs);
                row += rows;
            }

            return traces;
        }
        finally
        {
            Scratch.Return(scratch);
            Scratch.Return(decoderScratch);
        }
    }

    private AttentionTrace Vision(ModelInput input)
    {
        StackDescription stack = network.Vision!; // Kind says so
        Scratch scratch = Scratch.Rent();
        try
        {
            Dictionary<string, Tensor> outputs = [];
            SequenceState state = RunVision(input, scratch, out ReadOnlySpan<float> x);
            Evaluate(input, [], x, stack.Hidden, outputs);
            if (KeepHidden)
            {
                outputs["last_hidden_state"] = new Tensor(x.ToArray(), [state.Rows, stack.Hidden]);
            }

            return new AttentionTrace(info, input, [Stack(stack, state)], outputs);
        }
        finally
        {
            Scratch.Return(scratch);
        }
    }

    private AttentionTrace TextVision(ModelInput input)
    {
        StackDescription text = network.Text!; // Kind says so
        StackDescription vision = network.Vision!;
        Contrast contrast = network.Contrast!;
        if (input.InputIds.Length == 0 && input.Pixels is null)
        {
            throw new ModelException($"{info.Name} compares a text with an image: give at least one of them.");
        }

        Scratch scratch = Scratch.Rent();
        try
        {
            List<AttentionStack> stacks = [];
            Dictionary<string, Tensor> outputs = [];
            float[]? textEmbedding = null;
            float[]? imageEmbedding = null;
            if (input.InputIds.Length > 0)
            {
                CheckTokens(input, network.Tokens!); // as above
                SequenceState state = Start(input, input.InputIds.Length, growing: false);
                ReadOnlySpan<float> x = RunText(text, network.Tokens!, [input.InputIds], [null], [state], scratch); // as above
                stacks.Add(Stack(text, state));
                textEmbedding = Project(contrast.Text, x.Slice(EndOfText(input.InputIds, contrast.EndOfText) * text.Hidden, text.Hidden));
            }

            if (input.Pixels is not null)
            {
                SequenceState state = RunVision(input, scratch, out ReadOnlySpan<float> x);
                stacks.Add(Stack(vision, state));
                imageEmbedding = Project(contrast.Image, x[..vision.Hidden]);
            }

            if (keep.HasFlag(Keep.Logits))
            {
                if (textEmbedding is not null)
                {
                    outputs["text_embeds"] = new Tensor(textEmbedding, [textEmbedding.Length]);
                }

                if (imageEmbedding is not null)
                {
                    outputs["image_embeds"] = new Tensor(imageEmbedding, [imageEmbedding.Length]);
                }

                if (textEmbedding is not null && imageEmbedding is not null)
                {
                    outputs["logits"] = new Tensor([MathF.Exp(contrast.LogitScale) * Vectors.Dot(textEmbedding, imageEmbedding)], [1]);
                }
            }

            return new AttentionTrace(info, input, stacks, outputs);
        }
        finally
        {
            Scratch.Return(scratch);
        }
    }

    /// <summary>Embeds the rows that are not done yet and runs the stack; the last hidden state of those rows stays in the scratch.</summary>
    public Span<float> RunText(StackDescription stack, TokenEmbedding embedding, int[][] ids, int[]?[] types, SequenceState[] states, Scratch scratch)
    {
        int[] counts = new int[states.Length];
        int rows = 0;
        for (int i = 0; i < counts.Length; i++)
        {
            counts[i] = ids[i].Length - states[i].Rows;
            rows += counts[i];
        }

        Span<float> x = scratch.Hidden((long)rows * stack.Hidden);
        int row = 0;
        for (int i = 0; i < counts.Length; i++)
        {
            Embedder.Tokens(embedding, ids[i], types[i] ?? [], states[i].Rows, x.Slice(row * stack.Hidden, counts[i] * stack.Hidden), pool);
            row += counts[i];
        }

        new StackRunner(stack, states, scratch, pool, cancellation).Run(counts);
        return x;
    }

    public SequenceState StartDecoder(ModelInput input, int capacity, bool growing)
    {
        StackDescription decoder = network.Decoder!; // asked only of encoder-decoders
        return new SequenceState(decoder, capacity, null, [], KeepValues || growing, KeepHidden, KeepReceived)
        {
            Cross = new CrossState(decoder, capacity, input.InputIds.Length, Mask(input, input.InputIds.Length), Separators(input.InputIds), KeepReceived)
            {
                Forced = Forced(decoder, AttentionKind.Cross, input, growing),
            },
            Forced = Forced(decoder, AttentionKind.Decoder, input, growing),
        };
    }

    /// <summary>Keys and values of every cross-attention, from the encoder's output.</summary>
    public void ReadSource(SequenceState state, ReadOnlySpan<float> encoded)
    {
        StackDescription decoder = network.Decoder!; // asked only of encoder-decoders
        CrossState cross = state.Cross!; // StartDecoder made it
        for (int layer = 0; layer < decoder.Blocks.Length; layer++)
        {
            cancellation.ThrowIfCancellationRequested();
            Attention attention = decoder.Blocks[layer].Cross!; // every block of such a decoder has it
            StackRunner.Apply(attention.Key!, encoded, cross.SourceRows, Activation.None, cross.Keys[layer], pool); // cross-attention has a key map of its own
            StackRunner.Apply(attention.Value, encoded, cross.SourceRows, Activation.None, cross.Values[layer], pool);
        }
    }

    public LayerStack Stack(StackDescription stack, SequenceState state) => new(
        stack.Kind,
        [.. Enumerable.Range(0, stack.Blocks.Length).Select(state.Layer)],
        state.Rows,
        state.Rows,
        state.Hidden,
        stack.Hidden,
        state.SeparatorPositions,
        pool);

    public LayerStack CrossStack(StackDescription stack, SequenceState state)
    {
        CrossState cross = state.Cross!; // StartDecoder made it
        return new LayerStack(
            AttentionKind.Cross,
            [.. Enumerable.Range(0, stack.Blocks.Length).Select(layer => cross.Layer(layer, state.Rows, KeepValues))],
            state.Rows,
            cross.SourceRows,
            [],
            stack.Hidden,
            cross.SeparatorPositions,
            pool);
    }

    /// <summary>The head on the last hidden state [ids, hidden] of one input.</summary>
    public void Evaluate(ModelInput input, int[] ids, ReadOnlySpan<float> x, int hidden, Dictionary<string, Tensor> outputs)
    {
        if (!keep.HasFlag(Keep.Logits) || network.Head is not { } head)
        {
            return;
        }

        int total = x.Length / hidden;
        int[] rows = RowsOf(head, input, ids, total);
        foreach (int row in rows)
        {
            if ((uint)row >= (uint)total)
            {
                throw new ModelException($"Logits were asked for at position {row}, but there are only {total} positions.");
            }
        }

        Tensor logits = Logits(head, rows, x, hidden);
        outputs["logits"] = logits;
        if (head.Kind == HeadKind.QuestionAnswering)
        {
            outputs["start_logits"] = new Tensor([.. Enumerable.Range(0, rows.Length).Select(i => logits.Data[2 * i])], [rows.Length]);
            outputs["end_logits"] = new Tensor([.. Enumerable.Range(0, rows.Length).Select(i => logits.Data[(2 * i) + 1])], [rows.Length]);
        }
    }

    /// <summary>The rows of the last hidden state that a head reads.</summary>
    public int[] RowsOf(Head head, ModelInput input, int[] ids, int total) => head.Rows switch
    {
        HeadRows.All => input.LogitPositions ?? [.. Enumerable.Range(0, total)],
        HeadRows.First => [0],
        HeadRows.LastEnd => [Math.Max(0, Array.FindLastIndex(ids, id => network.EndTokens.Contains(id)))],
        _ => [Math.Max(0, Array.FindLastIndex(ids, id => id != network.PaddingId))],
    };

    /// <summary>Scores of the head at some rows of the last hidden state.</summary>
    public Tensor Logits(Head head, int[] rows, ReadOnlySpan<float> x, int hidden)
    {
        Linear output = head.Output.Value;
        if ((long)rows.Length * output.Outputs > Array.MaxLength)
        {
            throw new ModelException($"Scores of {rows.Length} positions over {output.Outputs} words do not fit into one array; ask for fewer positions.");
        }

        float[] data = GC.AllocateUninitializedArray<float>(rows.Length * output.Outputs);
        Scratch scratch = Scratch.Rent();
        try
        {
            // In blocks: the states between the steps stay small, and cancelling takes effect inside a long text times a large vocabulary.
            const int Block = 384;
            for (int first = 0; first < rows.Length; first += Block)
            {
                cancellation.ThrowIfCancellationRequested();
                int count = Math.Min(Block, rows.Length - first);
                Span<float> current = scratch.Normed((long)Block * hidden)[..(count * hidden)];
                for (int i = 0; i < count; i++)
                {
                    x.Slice(rows[first + i] * hidden, hidden).CopyTo(current[(i * hidden)..]);
                }

                for (int s = 0; s < head.Steps.Length; s++)
                {
                    HeadStep step = head.Steps[s];
                    int size = Block * step.Linear.Outputs;
                    Span<float> next = (s % 2 == 0 ? scratch.Inner(size) : scratch.Gate(size))[..(count * step.Linear.Outputs)];
                    StackRunner.Apply(step.Linear, current, count, step.Activation, next, pool);
                    if (step.Norm is { } norm)
                    {
                        StackRunner.Apply(norm, next, count, next, pool);
                    }

                    current = next;
                }

                StackRunner.Apply(output, current, count, Activation.None, data.AsSpan(first * output.Outputs, count * output.Outputs), pool);
            }
        }
        finally
        {
            Scratch.Return(scratch);
        }

        if (head.Scale != 1)
        {
            foreach (ref float value in data.AsSpan())
            {
                value *= head.Scale;
            }
        }

        return new Tensor(data, head.Kind switch
        {
            HeadKind.SequenceClassification => [output.Outputs],
            HeadKind.Discriminator => [rows.Length],
            _ => [rows.Length, output.Outputs],
        });
    }

    /// <summary>Refuses ids, types and masks that do not fit, with a sentence that says why.</summary>
    public void CheckTokens(ModelInput input, TokenEmbedding embedding)
    {
        CheckIds(input.InputIds, embedding, "text");
        int count = input.InputIds.Length;
        CheckLength(input.AttentionMask, count, "attention_mask");
        CheckLength(input.GlobalAttentionMask, count, "global_attention_mask");
        CheckLength(input.TokenTypeIds, count, "token_type_ids");
        if (embedding.Types is { } types && input.TokenTypeIds is { } typeIds)
        {
            int known = types.Length / embedding.Width;
            foreach (int type in typeIds)
            {
                if ((uint)type >= (uint)known)
                {
                    throw new ModelException($"Token type {type} is not one of the {known} that {info.Name} knows.");
                }
            }
        }
    }

    public void CheckIds(int[] ids, TokenEmbedding embedding, string what)
    {
        if (ids.Length == 0)
        {
            throw new ModelException($"The {what} has no tokens.");
        }

        if (ids.Length > embedding.MaxTokens)
        {
            throw new ModelException($"The {what} has {ids.Length} tokens, but {info.Name} reads at most {embedding.MaxTokens}.");
        }

        foreach (int id in ids)
        {
            if ((uint)id >= (uint)embedding.Vocabulary)
            {
                throw new ModelException($"Token id {id} is outside the vocabulary of {info.Name} (0 to {embedding.Vocabulary - 1}).");
            }
        }
    }

    private static void CheckLength(int[]? values, int count, string name)
    {
        if (values is not null && values.Length != count)
        {
            throw new ModelException($"{name} has {values.Length} entries for {count} tokens.");
        }
    }

    /// <summary>The input's mask, with the rows that generation will add visible.</summary>
    private static int[]? Mask(ModelInput input, int capacity)
    {
        if (input.AttentionMask is not { } mask || mask.Length >= capacity)
        {
            return input.AttentionMask;
        }

        int[] grown = new int[capacity];
        grown.AsSpan(mask.Length).Fill(1);
        mask.CopyTo(grown, 0);
        return grown;
    }

    private int[] Separators(int[] ids) => [.. Enumerable.Range(0, ids.Length).Where(i => separatorIds.Contains(ids[i]))];

    private static LongformerState Longformer(ModelInput input, StackDescription stack)
    {
        float[]? keyBias = SequenceState.KeyBias(input.AttentionMask);
        int[] global = input.GlobalAttentionMask is { } mask
            ? [.. Enumerable.Range(0, mask.Length).Where(i => mask[i] != 0 && (keyBias is null || !float.IsNegativeInfinity(keyBias[i])))]
            : [];
        return new LongformerState(input.InputIds.Length, global, keyBias, stack.Blocks.Length);
    }

    private SequenceState RunVision(ModelInput input, Scratch scratch, out ReadOnlySpan<float> x)
    {
        ImageEmbedding image = network.Image!; // asked only of networks that see
        StackDescription stack = network.Vision!;
        PixelValues pixels = input.Pixels ?? throw new ModelException($"{info.Name} looks at images: give pixel values.");
        if (pixels.Channels != image.Channels || pixels.Height != image.ImageSize || pixels.Width != image.ImageSize || pixels.Data.Length != pixels.Channels * pixels.Height * pixels.Width)
        {
            throw new ModelException($"{info.Name} takes images of {image.Channels} x {image.ImageSize} x {image.ImageSize}, not {pixels.Channels} x {pixels.Height} x {pixels.Width}.");
        }

        SequenceState state = new(stack, image.Tokens, null, [], KeepValues, KeepHidden, KeepReceived) { Forced = Forced(stack, AttentionKind.Vision, input, growing: false) };
        Span<float> hidden = scratch.Hidden((long)image.Tokens * stack.Hidden);
        Embedder.Image(image, pixels, hidden, pool);
        new StackRunner(stack, [state], scratch, pool, cancellation).Run([image.Tokens]);
        x = hidden;
        return state;
    }

    /// <summary>CLIP pools the text at its end token; configurations from before that was configurable say id 2 and mean the largest id.</summary>
    private static int EndOfText(int[] ids, int endOfText) => endOfText == 2
        ? Array.IndexOf(ids, ids.Max())
        : Math.Max(0, Array.IndexOf(ids, endOfText));

    private float[] Project(Linear map, ReadOnlySpan<float> pooled)
    {
        float[] result = new float[map.Outputs];
        StackRunner.Apply(map, pooled, 1, Activation.None, result, pool);
        float scale = 1 / MathF.Sqrt(Vectors.Dot(result, result));
        foreach (ref float value in result.AsSpan())
        {
            value *= scale;
        }

        return result;
    }
}
