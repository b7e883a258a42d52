using System.CommandLine;
using AttentionLens.Cli.Corpus.TensorBoard;

namespace AttentionLens.Cli.Corpus;

/// <summary><c>corpus tensorboard</c>: a run as TensorBoard shows it.</summary>
internal static class TensorBoardCommand
{
    public static Command Create(Terminal terminal)
    {
        var run = new Argument<string>("RUN") { Description = "The folder of a finished run." };
        var output = new Option<string>("--out", "-o") { Description = "A folder for event and projector files: what tensorboard --logdir is given, or one below it.", HelpName = "FOLDER", Required = true };
        var texts = new Option<int>("--texts") { Description = "Texts whose heads are drawn, from the first.", DefaultValueFactory = _ => 4 };
        var points = new Option<int>("--points") { Description = "Tokens of the embedding projector, with a run that kept hidden states.", DefaultValueFactory = _ => 10_000 };
        var step = new Option<long>("--step") { Description = "Where on the axis of steps the run stands, such as the training step of its model.", DefaultValueFactory = _ => 0 };
        var command = new Command("tensorboard", "Write a run as event files for TensorBoard: scalars, images, texts, and its embedding projector.") { run, output, texts, points, step };
        command.SetWork((parsed, cancellation) =>
        {
            var from = RunFolder.Open(parsed.GetRequiredValue(run));
            using var bar = new Progress(terminal, "TensorBoard");
            new TensorBoardExport(from, Path.GetFullPath(parsed.GetRequiredValue(output)))
            {
                Texts = NotNegative(parsed.GetValue(texts), "--texts"),
                Points = NotNegative(parsed.GetValue(points), "--points"),
                Step = NotNegative(parsed.GetValue(step), "--step"),
            }.Write(bar, cancellation);
        });
        return command;
    }

    private static T NotNegative<T>(T value, string option)
        where T : System.Numerics.INumber<T> => T.IsNegative(value) ? throw new UsageException($"{option} must not be negative.") : value;
}
