using AttentionLens.Tokenization.Unicode;

namespace AttentionLens.Tokenization.Patterns;

/// <summary>
/// A regular expression on code points with the leftmost-first choice of Oniguruma. .NET's own engine works on UTF-16 units,
/// to which a letter beyond the BMP is no letter, and does not bound the time of a hostile pattern.
/// </summary>
/// <remarks>
/// Backtracking, of which the patterns of real tokenizers do little. A search that takes suspiciously many steps begins to
/// mark each failed (instruction, position), which makes it linear; what still is not (look-arounds that scan far inside
/// loops) ends with a clear error.
/// </remarks>
internal sealed class RegexPattern : TextPattern
{
    private const long LargestMemo = 1L << 31; // bits: 256 MB

    private static readonly CodePointSet Words = new(CodePointRanges.WordOutsideClass.ToArray());

    private readonly string pattern;
    private readonly Instruction[] program;
    private readonly bool hasEmptyLoop;
    private readonly CodePointSet? first;

    /// <exception cref="TokenizerException">The pattern is malformed, unsupported or too large.</exception>
    public RegexPattern(string pattern)
    {
        this.pattern = pattern;
        var node = RegexParser.Parse(pattern);
        var compiled = RegexProgram.Compile(node);
        program = compiled.Instructions;
        hasEmptyLoop = compiled.HasEmptyLoop;
        if (!node.IsNullable && !node.First.IsEmpty)
            first = new CodePointSet(node.First.ToArray());
    }

    public override void Find(ReadOnlySpan<char> text, List<Match> matches, CancellationToken cancellation)
    {
        var run = new Run(this, text, cancellation);
        var previousEnd = -1;
        for (var at = 0; at <= text.Length;)
        {
            if (first is not null)
            {
                while (at < text.Length && !first.Contains(CodePoints.At(text, at)))
                    at += LengthAt(text, at);
                if (at == text.Length)
                    return;
            }
            var end = run.MatchAt(at);
            if (end > at)
            {
                matches.Add(new Match(at, end));
                previousEnd = at = end;
                continue;
            }
            if (end == at && end != previousEnd)
            {
                matches.Add(new Match(at, at));
                previousEnd = at;
            }
            at += at < text.Length ? LengthAt(text, at) : 1;
        }
    }

    private static int LengthAt(ReadOnlySpan<char> text, int at) => char.IsHighSurrogate(text[at]) ? 2 : 1;

    private ref struct Run
    {
        private const int NoMatch = -1;
        private const int Restart = -2;

        private readonly RegexPattern owner;
        private readonly Instruction[] program;
        private readonly ReadOnlySpan<char> text;
        private readonly CancellationToken cancellation;
        private readonly long limit;
        private long steps;
        private long softLimit;

        /// <summary>Ways not yet tried: instruction, and positions from low (excluded) to high to step back through.</summary>
        private (int Pc, int Low, int High)[] stack = new (int, int, int)[64];
        private int depth;

        /// <summary>Failed (instruction, position) pairs from memoStart on; null until the search turns slow.</summary>
        private ulong[]? memo;
        private int memoStart;

        public Run(RegexPattern owner, ReadOnlySpan<char> text, CancellationToken cancellation)
        {
            this.owner = owner;
            this.text = text;
            this.cancellation = cancellation;
            program = owner.program;
            limit = (200L + program.Length) * text.Length + 10_000_000;
            if (owner.hasEmptyLoop)
                StartMemo(0);
        }

        private readonly long Columns => text.Length - memoStart + 1L;

        /// <summary>The end of the match that starts here, or -1.</summary>
        public int MatchAt(int start)
        {
            softLimit = memo is null ? 100_000 + 64L * start : long.MaxValue;
            depth = 0;
            var end = Execute(0, start, isMain: true);
            if (end == Restart)
            {
                StartMemo(start);
                softLimit = long.MaxValue;
                depth = 0;
                end = Execute(0, start, isMain: true);
            }
            // The states of the successful way are marked too. Those before its end are never asked about again.
            if (end >= 0 && memo is not null)
            {
                for (var pc = 0; pc < program.Length; pc++)
                {
                    var bit = pc * Columns + end - memoStart;
                    memo[bit >> 6] &= ~(1UL << (int)(bit & 63));
                }
            }
            return end;
        }

        private void StartMemo(int start)
        {
            memoStart = start;
            var bits = program.Length * Columns;
            memo = bits <= LargestMemo ? new ulong[(bits >> 6) + 1] : null;
        }

        private readonly bool WasSeen(int pc, int position)
        {
            var bit = pc * Columns + position - memoStart;
            ref var word = ref memo![bit >> 6]; // only called with a memo
            var mask = 1UL << (int)(bit & 63);
            if ((word & mask) != 0)
                return true;
            word |= mask;
            return false;
        }

        private int Execute(int pc, int position, bool isMain)
        {
            var floor = depth;
            var marks = isMain && memo is not null;
            while (true)
            {
                if (++steps > softLimit)
                    return Restart;
                if ((steps & 0xFFFF) == 0)
                    CheckEffort();
                var failed = marks && WasSeen(pc, position);
                var instruction = program[pc];
                if (!failed)
                {
                    switch (instruction.Operation)
                    {
                        case Operation.Set:
                            if (!TryConsume(instruction.Set, ref position))
                                failed = true;
                            else
                                pc++;
                            break;
                        case Operation.SetLoop:
                            if (marks)
                            {
                                // One round at a time, so that every state on the way is marked.
                                var before = position;
                                if (TryConsume(instruction.Set, ref position))
                                    Push(pc + 1, before, before);
                                else
                                    pc++;
                                break;
                            }
                            var low = position;
                            while (TryConsume(instruction.Set, ref position))
                            {
                            }
                            pc++;
                            if (position > low && program[pc].Operation != Operation.Match)
                                Push(pc, low, position);
                            break;
                        case Operation.SetRun:
                            while (TryConsume(instruction.Set, ref position))
                            {
                            }
                            pc++;
                            break;
                        case Operation.Split:
                            if (instruction.Set is { } possible && !StartsWith(possible, position))
                            {
                                pc = instruction.Other;
                                break;
                            }
                            Push(instruction.Other, position, position);
                            pc = instruction.Target;
                            break;
                        case Operation.Jump:
                            pc = instruction.Target;
                            break;
                        case Operation.Look:
                            var holds = Look(instruction, position);
                            if (holds == Restart)
                                return Restart;
                            failed = holds == NoMatch;
                            pc = instruction.Other;
                            break;
                        case Operation.Atomic:
                            var end = Execute(instruction.Target, position, isMain: false);
                            if (end == Restart)
                                return Restart;
                            failed = end == NoMatch;
                            position = end;
                            pc = instruction.Other;
                            break;
                        case Operation.Anchor:
                            failed = !Holds((AnchorKind)instruction.Detail, position);
                            pc++;
                            break;
                        case Operation.Match:
                            depth = floor;
                            return position;
                    }
                }
                if (!failed)
                    continue;
                if (depth == floor)
                    return NoMatch;
                (pc, var first, position) = stack[--depth];
                if (position > first)
                {
                    position -= char.IsLowSurrogate(text[position - 1]) ? 2 : 1;
                    if (position > first)
                        Push(pc, first, position);
                }
            }
        }

        private readonly bool TryConsume(CodePointSet? set, ref int position)
        {
            if (position >= text.Length)
                return false;
            var c = text[position];
            if (!char.IsHighSurrogate(c))
            {
                if (!set!.Contains(c)) // these instructions always have a set
                    return false;
                position++;
                return true;
            }
            if (!set!.Contains(char.ConvertToUtf32(c, text[position + 1]))) // as above; text holds no lone surrogates
                return false;
            position += 2;
            return true;
        }

        private readonly bool StartsWith(CodePointSet set, int position) => TryConsume(set, ref position);

        private void Push(int pc, int low, int high)
        {
            if (depth == stack.Length)
                Array.Resize(ref stack, depth * 2);
            stack[depth++] = (pc, low, high);
        }

        /// <summary>Any end when the look-around holds, else -1.</summary>
        private int Look(Instruction instruction, int position)
        {
            var from = position;
            var reachable = true;
            for (var back = (instruction.Detail >> 1) - 1; back > 0 && reachable; back--)
            {
                reachable = from > 0;
                from -= from > 1 && char.IsLowSurrogate(text[from - 1]) ? 2 : 1;
            }
            var end = reachable ? Execute(instruction.Target, from, isMain: false) : NoMatch;
            if (end == Restart)
                return Restart;
            var negative = (instruction.Detail & 1) != 0;
            return end >= 0 != negative ? position : NoMatch;
        }

        private readonly bool Holds(AnchorKind kind, int position) => kind switch
        {
            AnchorKind.LineStart => position == 0 || (text[position - 1] == '\n' && position < text.Length),
            AnchorKind.LineEnd => position == text.Length || text[position] == '\n',
            AnchorKind.TextStart => position == 0,
            AnchorKind.TextEnd => position == text.Length,
            AnchorKind.TextEndBeforeNewline => position == text.Length || (position == text.Length - 1 && text[position] == '\n'),
            AnchorKind.WordBoundary => IsBoundary(position),
            _ => !IsBoundary(position),
        };

        private readonly bool IsBoundary(int position)
        {
            var before = position > 0 && Words.Contains(CodePoints.Before(text, position));
            var after = position < text.Length && Words.Contains(CodePoints.At(text, position));
            return before != after;
        }

        private readonly void CheckEffort()
        {
            cancellation.ThrowIfCancellationRequested();
            if (steps > limit)
                throw new TokenizerException(
                    $"The tokenizer's regular expression '{Subwords.Vocabulary.Shorten(owner.pattern)}' takes too long on this text.");
        }
    }
}
