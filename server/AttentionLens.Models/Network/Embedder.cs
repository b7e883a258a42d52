using System.Buffers;
using AttentionLens.Kernels;

namespace AttentionLens.Models;

/// <summary>From ids or pixels to the first hidden state.</summary>
internal static class Embedder
{
    /// <summary>Embeds tokens <paramref name="first"/> .. of one input into <paramref name="result"/> [tokens, hidden]. Ids have been checked.</summary>
    public static void Tokens(TokenEmbedding embedding, ReadOnlySpan<int> ids, ReadOnlySpan<int> types, int first, Span<float> result, WorkerPool pool)
    {
        int count = ids.Length - first;
        int width = embedding.Width;
        float[]? rented = embedding.Projection is null ? null : ArrayPool<float>.Shared.Rent(count * width);
        Span<float> rows = rented is null ? result : rented.AsSpan(0, count * width);
        int seen = 0;
        for (int i = 0; i < ids.Length; i++)
        {
            int position = i + embedding.PositionOffset;
            if (embedding.PaddingId is { } padding)
            {
                // RoBERTa: cumsum(id != padding) * (id != padding) + padding.
                position = ids[i] == padding ? padding : padding + ++seen;
            }

            if (i < first)
            {
                continue;
            }

            Span<float> row = rows.Slice((i - first) * width, width);
            embedding.Table.AsSpan(ids[i] * width, width).CopyTo(row);
            if (embedding.Scale != 1)
            {
                foreach (ref float value in row)
                {
                    value *= embedding.Scale;
                }
            }

            if (embedding.Positions is { } positions)
            {
                Vectors.AddScaled(positions.AsSpan(position * width, width), 1, row);
            }

            if (embedding.Types is { } table)
            {
                Vectors.AddScaled(table.AsSpan((types.IsEmpty ? 0 : types[i]) * width, width), 1, row);
            }
        }

        if (embedding.Norm is { } norm)
        {
            StackRunner.Apply(norm, rows, count, rows, pool);
        }

        if (embedding.Projection is { } projection)
        {
            StackRunner.Apply(projection, rows, count, Activation.None, result, pool);
        }

        if (rented is not null)
        {
            ArrayPool<float>.Shared.Return(rented);
        }
    }

    /// <summary>The class token and one row for each patch into <paramref name="result"/> [tokens, hidden].</summary>
    public static void Image(ImageEmbedding embedding, PixelValues pixels, Span<float> result, WorkerPool pool)
    {
        int hidden = embedding.ClassToken.Length;
        int size = embedding.PatchSize;
        int inputs = embedding.Channels * size * size;
        int patches = embedding.Tokens - 1;
        float[] rented = ArrayPool<float>.Shared.Rent(patches * inputs);
        Span<float> columns = rented.AsSpan(0, patches * inputs);
        for (int patch = 0; patch < patches; patch++)
        {
            int top = patch / embedding.Side * size;
            int left = patch % embedding.Side * size;
            for (int channel = 0; channel < embedding.Channels; channel++)
            {
                for (int y = 0; y < size; y++)
                {
                    pixels.Data.AsSpan((((channel * pixels.Height) + top + y) * pixels.Width) + left, size)
                        .CopyTo(columns.Slice((patch * inputs) + (((channel * size) + y) * size), size));
                }
            }
        }

        embedding.ClassToken.CopyTo(result);
        StackRunner.Apply(embedding.Patch, columns, patches, Activation.None, result[hidden..], pool);
        ArrayPool<float>.Shared.Return(rented);
        Vectors.AddScaled(embedding.Positions, 1, result[..(embedding.Tokens * hidden)]);
        if (embedding.Norm is { } norm)
        {
            StackRunner.Apply(norm, result, embedding.Tokens, result, pool);
        }
    }
}
