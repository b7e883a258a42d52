using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using AttentionLens.Cli.Text;
using AttentionLens.Models;
using AttentionLens.Tokenization;

namespace AttentionLens.Cli;

/// <summary><c>tokenize</c>: the tokens of a text with their places in it.</summary>
internal static class TokenizeCommand
{
    public static Command Create(Terminal terminal)
    {
        var input = new TextInput(terminal);
        var pair = new Option<string?>("--pair") { Description = "A second text.", HelpName = "TEXT" };
        var model = AttendCommand.ModelOption();
        var format = AttendCommand.FormatOption(["table", "json"]);
        var output = new Option<string?>("--output", "-o") { Description = "Write the result to a file.", HelpName = "FILE" };
        var lines = new Option<bool>("--lines")
        {
            Description = "The text is many: a JSON string on each line. The result has one line for each: [[id, start, end], ...].",
        };
        var command = new Command("tokenize", "Show the tokens of a text and where each stands in it.")
        {
            input.Text, input.File, pair, model, format, output, lines,
        };
        command.SetWork((parsed, cancellation) =>
        {
            var text = input.Read(parsed) ?? throw new UsageException("There is nothing to read: give TEXT or -f FILE.");
            var tokenizer = Model.LoadTokenizer(ModelLocator.Resolve(parsed.GetValue(model)));
            if (parsed.GetValue(lines))
            {
                OutputFile.Write(terminal, parsed.GetValue(output), stream => WriteLines(tokenizer, text, stream, cancellation));
                return;
            }

            var tokens = tokenizer.Encode(text, parsed.GetValue(pair), cancellation: cancellation).Tokens;
            OutputFile.Write(terminal, parsed.GetValue(output), stream =>
            {
                if (parsed.GetValue(format) == "json")
                {
                    WriteJson(tokens, stream);
                }
                else
                {
                    WriteTable(tokens, stream);
                }
            });
        });
        return command;
    }

    private static void WriteLines(Tokenizer tokenizer, string text, Stream stream, CancellationToken cancellation)
    {
        using var writer = new StreamWriter(stream, new UTF8Encoding(false), leaveOpen: true) { NewLine = "\n" };
        var number = 0;
        foreach (var line in text.AsSpan().EnumerateLines())
        {
            number++;
            var tokens = tokenizer.Encode(JsonString.Read(line, number), cancellation: cancellation).Tokens;
            writer.Write('[');
            for (var i = 0; i < tokens.Length; i++)
            {
                writer.Write(string.Create(CultureInfo.InvariantCulture, $"{(i > 0 ? "," : "")}[{tokens[i].Id},{tokens[i].Start},{tokens[i].End}]"));
            }

            writer.WriteLine(']');
        }
    }

    private static void WriteJson(Token[] tokens, Stream stream)
    {
        // One token a line: a diff of two tokenizations can be read.
        using var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, SkipValidation = true });
        stream.Write(tokens.Length == 0 ? "["u8 : "[\n"u8);
        for (var i = 0; i < tokens.Length; i++)
        {
            var token = tokens[i];
            json.WriteStartObject();
            json.WriteNumber("id", token.Id);
            json.WriteString("text", token.Text);
            json.WriteNumber("start", token.Start);
            json.WriteNumber("end", token.End);
            json.WriteBoolean("special", token.Special);
            json.WriteEndObject();
            json.Flush();
            json.Reset();
            stream.Write(i == tokens.Length - 1 ? "\n"u8 : ",\n"u8);
        }

        stream.Write("]\n"u8);
    }

    private static void WriteTable(Token[] tokens, Stream stream)
    {
        using var writer = new StreamWriter(stream, new UTF8Encoding(false), leaveOpen: true) { NewLine = "\n" };
        var texts = tokens.Select(t => DisplayText.Clean(t.Text)).ToArray();
        var width = Math.Clamp(texts.Select(DisplayText.Width).DefaultIfEmpty(0).Max(), 5, 40);
        writer.WriteLine($"{"#",5}  {DisplayText.Fit("token", width)} {"id",7} {"start",7} {"end",7}");
        for (var i = 0; i < tokens.Length; i++)
        {
            var place = tokens[i].Special
                ? "special"
                : string.Create(CultureInfo.InvariantCulture, $"{tokens[i].Start,7} {tokens[i].End,7}{(tokens[i].Sequence == 1 ? "  pair" : "")}");
            writer.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{i,5}  {DisplayText.Fit(texts[i], width)} {tokens[i].Id,7} {place}"));
        }
    }
}
