using System.Runtime.InteropServices;
using AttentionLens.Tokenization.Unicode;

namespace AttentionLens.Tokenization.Patterns;

internal enum Operation : byte
{
    /// <summary>One code point of the set, then the next instruction.</summary>
    Set,

    /// <summary>As many of the set as there are, giving back one at a time.</summary>
    SetLoop,

    /// <summary>As many of the set as there are, giving none back.</summary>
    SetRun,

    /// <summary>First Target, then Other.</summary>
    Split,

    Jump,

    /// <summary>The program at Target must (not) match here; goes on at Other.</summary>
    Look,

    /// <summary>The program at Target takes its first way only; goes on at Other.</summary>
    Atomic,

    Anchor,

    Match,
}

/// <param name="Set">What is consumed; for a split, what Target can begin with (null = anything).</param>
/// <param name="Detail">Split: 1 when Other is tried only where Set fails. Look: 1 negative, plus code points to step back times 2. Anchor: the kind.</param>
internal sealed record Instruction(Operation Operation, CodePointSet? Set = null, int Target = 0, int Other = 0, int Detail = 0);

/// <summary>Compiles a parsed expression to instructions for <see cref="RegexPattern"/>.</summary>
internal sealed class RegexProgram
{
    /// <summary>Counted repetitions are written out; beyond this a pattern is not one of a tokenizer.</summary>
    private const int MostInstructions = 20_000;

    private readonly List<Instruction> instructions = [];
    private readonly Dictionary<string, CodePointSet> sets = [];

    private int emitted;

    private RegexProgram()
    {
    }

    /// <summary>Whether a loop can go round without consuming, so that only marking visited states ends it.</summary>
    public bool HasEmptyLoop { get; private set; }

    public Instruction[] Instructions => [.. instructions];

    /// <exception cref="TokenizerException">The pattern is malformed, unsupported or too large.</exception>
    public static RegexProgram Compile(RegexNode root)
    {
        var program = new RegexProgram();
        program.Emit(root);
        program.Add(new Instruction(Operation.Match));
        return program;
    }

    private static TokenizerException TooLarge() => new("A regular expression is too large once its repetitions are written out.");

    private int Here => instructions.Count;

    private int Add(Instruction instruction)
    {
        if (instructions.Count >= MostInstructions)
            throw TooLarge();
        instructions.Add(instruction);
        return instructions.Count - 1;
    }

    private CodePointSet SetOf(CodePointRanges ranges)
    {
        var array = ranges.ToArray();
        var key = new string(MemoryMarshal.Cast<int, char>(array));
        if (!sets.TryGetValue(key, out var set))
            sets.Add(key, set = new CodePointSet(array));
        return set;
    }

    private CodePointSet? FirstOf(RegexNode node) => node.IsNullable || StartsWithAssertion(node) ? null : SetOf(node.First);

    /// <summary>An assertion in front does not change what can be consumed first, so its set stays an upper bound.</summary>
    private static bool StartsWithAssertion(RegexNode node) => node.First.IsEmpty;

    private void Emit(RegexNode node)
    {
        if (++emitted > 50 * MostInstructions) // repetitions of nothing add no instructions, but take time
            throw TooLarge();
        switch (node)
        {
            case RegexNode.Set set:
                Add(new Instruction(Operation.Set, SetOf(set.Ranges)));
                break;
            case RegexNode.Concat concat:
                foreach (var item in concat.Items)
                    Emit(item);
                break;
            case RegexNode.Alternate alternate:
                EmitAlternate(alternate.Items);
                break;
            case RegexNode.Repeat repeat:
                EmitRepeat(repeat);
                break;
            case RegexNode.Atomic atomic:
                EmitSub(Operation.Atomic, atomic.Item, 0);
                break;
            case RegexNode.Look look:
                EmitLook(look);
                break;
            case RegexNode.Anchor anchor:
                Add(new Instruction(Operation.Anchor, Detail: (int)anchor.Kind));
                break;
            default:
                throw new InvalidOperationException($"No instruction for {node.GetType().Name}.");
        }
    }

    private void EmitAlternate(List<RegexNode> items)
    {
        var exits = new List<int>();
        for (var i = 0; i < items.Count - 1; i++)
        {
            var split = Add(new Instruction(Operation.Split));
            Emit(items[i]);
            exits.Add(Add(new Instruction(Operation.Jump)));
            instructions[split] = new Instruction(Operation.Split, FirstOf(items[i]), split + 1, Here);
        }
        Emit(items[^1]);
        foreach (var exit in exits)
            instructions[exit] = new Instruction(Operation.Jump, Target: Here);
    }

    private void EmitRepeat(RegexNode.Repeat repeat)
    {
        if (repeat.Kind == RepeatKind.Possessive)
        {
            if (repeat is { Item: RegexNode.Set set, Max: -1 })
            {
                for (var i = 0; i < repeat.Min; i++)
                    Emit(set);
                Add(new Instruction(Operation.SetRun, SetOf(set.Ranges)));
                return;
            }
            EmitSub(Operation.Atomic, repeat with { Kind = RepeatKind.Greedy }, 0);
            return;
        }
        for (var i = 0; i < repeat.Min; i++)
            Emit(repeat.Item);
        if (repeat.Max < 0)
            EmitLoop(repeat);
        else
            EmitOptional(repeat, repeat.Max - repeat.Min);
    }

    private void EmitLoop(RegexNode.Repeat repeat)
    {
        if (repeat is { Item: RegexNode.Set set, Kind: RepeatKind.Greedy })
        {
            Add(new Instruction(Operation.SetLoop, SetOf(set.Ranges)));
            return;
        }
        HasEmptyLoop |= repeat.Item.IsNullable;
        var split = Add(new Instruction(Operation.Split));
        Emit(repeat.Item);
        Add(new Instruction(Operation.Jump, Target: split));
        instructions[split] = Choice(repeat, split + 1, Here);
    }

    private void EmitOptional(RegexNode.Repeat repeat, int count)
    {
        var splits = new List<int>();
        for (var i = 0; i < count; i++)
        {
            splits.Add(Add(new Instruction(Operation.Split)));
            Emit(repeat.Item);
        }
        foreach (var split in splits)
            instructions[split] = Choice(repeat, split + 1, Here);
    }

    private Instruction Choice(RegexNode.Repeat repeat, int enter, int leave) => repeat.Kind == RepeatKind.Lazy
        ? new Instruction(Operation.Split, null, leave, enter)
        : new Instruction(Operation.Split, FirstOf(repeat.Item), enter, leave);

    private void EmitSub(Operation operation, RegexNode item, int detail)
    {
        var head = Add(new Instruction(operation));
        Emit(item);
        Add(new Instruction(Operation.Match));
        instructions[head] = new Instruction(operation, null, head + 1, Here, detail);
    }

    private void EmitLook(RegexNode.Look look)
    {
        var negative = look.Negative ? 1 : 0;
        if (!look.Behind)
        {
            EmitSub(Operation.Look, look.Item, negative);
            return;
        }
        // Alternatives of different lengths: (?<!a|bc) = neither, (?<=a|bc) = either.
        var items = look.Item is RegexNode.Alternate alternate ? alternate.Items : [look.Item];
        var exits = new List<int>();
        for (var i = 0; i < items.Count; i++)
        {
            var length = items[i].FixedLength
                ?? throw new TokenizerException("A regular expression looks behind for something of no fixed length, which is not supported.");
            var split = !look.Negative && i < items.Count - 1 ? Add(new Instruction(Operation.Split)) : -1;
            EmitSub(Operation.Look, items[i], negative + 2 * (length + 1));
            if (split < 0)
                continue;
            exits.Add(Add(new Instruction(Operation.Jump)));
            instructions[split] = new Instruction(Operation.Split, null, split + 1, Here);
        }
        foreach (var exit in exits)
            instructions[exit] = new Instruction(Operation.Jump, Target: Here);
    }
}
