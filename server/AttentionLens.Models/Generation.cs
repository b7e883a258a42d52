namespace AttentionLens.Models;

/// <summary>What greedy generation produced.</summary>
/// <param name="Tokens">The new ids, the end token included where it came.</param>
/// <param name="Trace">
/// One pass worth of attention over prompt and continuation: the row of a token is the attention of the step that chose the token after it. The last
/// new token was never fed back, so it has no row.
/// </param>
/// <param name="Ended">The model ended the sequence itself; false = the limit was reached.</param>
public sealed record Generation(int[] Tokens, AttentionTrace Trace, bool Ended);

/// <summary>Greedy decoding with a cache: what the trace keeps of earlier rows is all that a new row needs.</summary>
internal sealed class Generator(Network network, ModelInfo info, ForwardPass pass, CancellationToken cancellation)
{
    public Generation Run(ModelInput input, int maxTokens, IProgress<int>? progress)
    {
        if (network.Head is not { Kind: HeadKind.CausalLanguage or HeadKind.Sequence2SequenceLanguage } head)
        {
            throw new ModelException($"{info.Name} has no head that predicts the next token, so it cannot continue a text.");
        }

        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(maxTokens);
        return network.Kind == ModelKind.Decoder ? Decoder(head, input, maxTokens, progress) : EncoderDecoder(head, input, maxTokens, progress);
    }

    private Generation Decoder(Head head, ModelInput input, int maxTokens, IProgress<int>? progress)
    {
        TokenEmbedding tokens = network.Tokens!; // a decoder has tokens and a stack
        StackDescription stack = network.Text!;
        pass.CheckTokens(input, tokens);
        int room = Limit(tokens, input.InputIds.Length, maxTokens);
        SequenceState state = pass.Start(input, input.InputIds.Length + room, growing: true);
        (int[] ids, bool ended) = Steps(head, stack, tokens, input.InputIds, state, room, progress);
        ModelInput whole = input with { InputIds = ids[..state.Rows], AttentionMask = Grow(input.AttentionMask, state.Rows) };
        return new Generation(ids[input.InputIds.Length..], new AttentionTrace(info, whole, [pass.Stack(stack, state)], []), ended);
    }

    private Generation EncoderDecoder(Head head, ModelInput input, int maxTokens, IProgress<int>? progress)
    {
        StackDescription encoder = network.Text!; // an encoder-decoder has both stacks and both embeddings
        StackDescription decoder = network.Decoder!;
        TokenEmbedding targets = network.DecoderTokens!;
        pass.CheckTokens(input, network.Tokens!);
        int[] start = input.DecoderInputIds ?? [network.DecoderStart ?? throw new ModelException($"{info.Name} names no decoder_start_token_id; give the target's first ids.")];
        pass.CheckIds(start, targets, "target");
        int room = Limit(targets, start.Length, maxTokens);
        SequenceState source = pass.Start(input, input.InputIds.Length, growing: false);
        SequenceState state = pass.StartDecoder(input, start.Length + room, growing: true);
        Scratch scratch = Scratch.Rent();
        try
        {
            pass.ReadSource(state, pass.RunText(encoder, network.Tokens!, [input.InputIds], [input.TokenTypeIds], [source], scratch)); // as above
        }
        finally
        {
            Scratch.Return(scratch);
        }

        (int[] ids, bool ended) = Steps(head, decoder, targets, start, state, room, progress);
        AttentionTrace trace = new(
            info,
            input with { DecoderInputIds = ids[..state.Rows] },
            [pass.Stack(encoder, source), pass.Stack(decoder, state), pass.CrossStack(decoder, state)],
            []);
        return new Generation(ids[start.Length..], trace, ended);
    }

    private (int[] Ids, bool Ended) Steps(Head head, StackDescription stack, TokenEmbedding tokens, int[] start, SequenceState state, int room, IProgress<int>? progress)
    {
        List<int> ids = [.. start];
        Scratch scratch = Scratch.Rent();
        try
        {
            for (int step = 0; step < room; step++)
            {
                cancellation.ThrowIfCancellationRequested();
                if (stack.Rotary is { } rotary && rotary.For(state.Rows) != rotary.For(ids.Count))
                {
                    // The text is now so long that all of its tokens turn by other frequencies: what is kept stands for none of them.
                    state.Rows = 0;
                }

                Span<float> x = pass.RunText(stack, tokens, [[.. ids]], [null], [state], scratch);
                Tensor logits = pass.Logits(head, [(x.Length / stack.Hidden) - 1], x, stack.Hidden);
                int next = Best(logits.Data);
                ids.Add(next);
                progress?.Report(next);
                if (network.EndTokens.Contains(next))
                {
                    return ([.. ids], true);
                }
            }

            return ([.. ids], false);
        }
        finally
        {
            Scratch.Return(scratch);
        }
    }

    /// <summary>The most likely token; padding is no text, so it is never chosen (unless the model ends its texts with it).</summary>
    private int Best(float[] scores)
    {
        int best = -1;
        for (int i = 0; i < scores.Length; i++)
        {
            bool allowed = i != network.PaddingId || network.EndTokens.Contains(i);
            best = allowed && (best < 0 || scores[i] > scores[best]) ? i : best;
        }

        return best;
    }

    private int Limit(TokenEmbedding tokens, int used, int wanted)
    {
        // The last new token needs no position: it is not fed back.
        int longest = Math.Min(tokens.MaxTokens, info.MaxPositions);
        int room = longest == int.MaxValue ? wanted : Math.Min(wanted, longest - used + 1);
        return room > 0 ? room : throw new ModelException($"The text already fills the {longest} positions of {info.Name}.");
    }

    private static int[]? Grow(int[]? mask, int length)
    {
        if (mask is null)
        {
            return null;
        }

        int[] grown = new int[length];
        grown.AsSpan().Fill(1);
        mask.CopyTo(grown, 0);
        return grown;
    }
}
