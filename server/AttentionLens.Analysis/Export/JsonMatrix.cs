using System.Text.Json;

namespace AttentionLens.Analysis.Export;

/// <summary>Weights as JSON: an array of rows, each weight the shortest decimal that reads back as the same float32.</summary>
public static class JsonMatrix
{
    /// <param name="json">Stands where a value may be written.</param>
    /// <param name="matrix">[rows, columns], row by row.</param>
    /// <param name="columns">Of a row.</param>
    public static void Write(Utf8JsonWriter json, ReadOnlySpan<float> matrix, int columns)
    {
        ArgumentNullException.ThrowIfNull(json);
        json.WriteStartArray();
        for (var at = 0; at < matrix.Length; at += columns)
        {
            json.WriteStartArray();
            foreach (var weight in matrix.Slice(at, columns))
            {
                json.WriteNumberValue(weight);
            }

            json.WriteEndArray();
            // A page of a long text would otherwise lie in memory whole.
            if (json.BytesPending > 1 << 16)
            {
                json.Flush();
            }
        }

        json.WriteEndArray();
    }
}
