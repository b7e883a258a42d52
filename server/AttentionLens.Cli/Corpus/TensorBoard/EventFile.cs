using System.Buffers;
using System.Buffers.Binary;
using System.Numerics;
using System.Text;

namespace AttentionLens.Cli.Corpus.TensorBoard;

/// <summary>
/// A TensorBoard event file: records of an 8-byte length, its masked CRC-32C, an Event message, and its masked CRC-32C (TensorFlow's TFRecord and
/// event.proto, summary.proto, tensor.proto).
/// </summary>
internal sealed class EventFile
{
    private readonly Stream stream;
    private readonly double time;

    /// <param name="stream">Where records go.</param>
    /// <param name="time">Seconds since 1970, the wall time of every event.</param>
    public EventFile(Stream stream, double time)
    {
        (this.stream, this.time) = (stream, time);
        Record(Event(0).Text(3, "brain.Event:2"));
    }

    public void Scalar(long step, string tag, float value) => Value(step, new Message().Text(1, tag).Float(2, value));

    /// <param name="png">RGB.</param>
    public void Image(long step, string tag, int width, int height, byte[] png) =>
        Value(step, new Message().Text(1, tag).Part(4, new Message().Integer(1, height).Integer(2, width).Integer(3, 3).Bytes(4, png)));

    /// <param name="markdown">What the text dashboard shows.</param>
    public void Text(long step, string tag, string markdown)
    {
        const int StringType = 7;
        var plugin = new Message().Part(1, new Message().Text(1, "text"));
        var tensor = new Message().Integer(1, StringType).Part(2, new Message().Part(2, new Message().Integer(1, 1))).Text(8, markdown);
        Value(step, new Message().Text(1, tag).Part(9, plugin).Part(8, tensor));
    }

    private void Value(long step, Message value) => Record(Event(step).Part(5, new Message().Part(1, value)));

    private Message Event(long step) => new Message().Double(1, time).Integer(2, step);

    private void Record(Message message)
    {
        var data = message.ToArray();
        Span<byte> length = stackalloc byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(length, data.Length);
        stream.Write(length);
        Checksum(length);
        stream.Write(data);
        Checksum(data);
    }

    /// <summary>Rotated and moved, so that the checksum of data that holds checksums means something.</summary>
    private void Checksum(ReadOnlySpan<byte> data)
    {
        var crc = uint.MaxValue;
        foreach (var value in data)
        {
            crc = BitOperations.Crc32C(crc, value);
        }

        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, BitOperations.RotateRight(~crc, 15) + 0xA282EAD8);
        stream.Write(bytes);
    }

    /// <summary>A protocol buffer message, field by field (https://protobuf.dev/programming-guides/encoding).</summary>
    private sealed class Message
    {
        private readonly ArrayBufferWriter<byte> bytes = new();

        public byte[] ToArray() => bytes.WrittenSpan.ToArray();

        public Message Integer(int field, long value) => Key(field, 0).Number((ulong)value);

        public Message Double(int field, double value)
        {
            Key(field, 1);
            Span<byte> number = stackalloc byte[8];
            BinaryPrimitives.WriteDoubleLittleEndian(number, value);
            bytes.Write(number);
            return this;
        }

        public Message Float(int field, float value)
        {
            Key(field, 5);
            Span<byte> number = stackalloc byte[4];
            BinaryPrimitives.WriteSingleLittleEndian(number, value);
            bytes.Write(number);
            return this;
        }

        public Message Bytes(int field, byte[] value)
        {
            Key(field, 2).Number((ulong)value.Length);
            bytes.Write(value);
            return this;
        }

        public Message Text(int field, string value) => Bytes(field, Encoding.UTF8.GetBytes(value));

        public Message Part(int field, Message value) => Bytes(field, value.ToArray());

        private Message Key(int field, int wireType) => Number((ulong)((field << 3) | wireType));

        private Message Number(ulong value)
        {
            for (; value >= 0x80; value >>= 7)
            {
                bytes.Write([(byte)(value | 0x80)]);
            }

            bytes.Write([(byte)value]);
            return this;
        }
    }
}
