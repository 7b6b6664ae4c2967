using System.Collections.Immutable;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using MLNetBatchNorm.Network;

namespace MLNetBatchNorm;

/// <summary>One input column while its statistics are learned.</summary>
internal sealed class BatchNormalizeFitting(IHost host, DataViewSchema.Column source, StreamingStatistics statistics)
{
    public DataViewSchema.Column Source { get; } = source;

    public ImmutableArray<double> Mean { get; private set; }

    public ImmutableArray<double> Variance { get; private set; }

    /// <summary>A delegate that takes the row on which the cursor stands.</summary>
    public Action MakeReader(DataViewRow row)
    {
        bool single = Source.Type.GetItemType().RawType == typeof(float);
        if (Source.Type is VectorDataViewType)
            return single ? VectorReader<float>(row) : VectorReader<double>(row);
        return single ? ScalarReader<float>(row) : ScalarReader<double>(row);
    }

    /// <summary>Turns what was read into <see cref="Mean"/> and <see cref="Variance"/>.</summary>
    public void Finish(IChannel channel, long rows)
    {
        int size = Source.Type.GetValueCount();
        var mean = new double[size];
        var variance = new double[size];
        int emptySlots = statistics.Finish(mean, variance);
        if (emptySlots > 0 && rows > 0)
        {
            channel.Warning(
                "Column '{0}': {1} of {2} slots have no value in {3} rows, only missing ones; they keep mean 0 and variance 1.",
                Source.Name, emptySlots, size, rows);
        }

        for (int slot = 0; slot < size; slot++)
        {
            if (!double.IsFinite(mean[slot]) || !double.IsFinite(variance[slot]))
            {
                throw host.Except(
                    $"The variance of {Describe(slot)} is too large for a number in double precision. "
                    + "Scale the column down, or remove what is not meant as a value.");
            }
        }

        Mean = [.. mean];
        Variance = [.. variance];
    }

    private Action VectorReader<T>(DataViewRow row) where T : System.Numerics.IFloatingPointIeee754<T>
    {
        int size = Source.Type.GetValueCount();
        ValueGetter<VBuffer<T>> getter = row.GetGetter<VBuffer<T>>(Source);
        VBuffer<T> value = default;
        return () =>
        {
            getter(ref value);
            if (value.Length != size)
            {
                throw host.Except(
                    $"Column '{Source.Name}' has {value.Length} slots in row {row.Position}; its type promises {size}. "
                    + "Correct the row, or the size declared for the column.");
            }

            int infinite = value.IsDense ? statistics.Add(value.GetValues()) : statistics.AddSparse(value.GetIndices(), value.GetValues());
            if (infinite >= 0)
                throw Infinite(value.GetItemOrDefault(infinite), infinite, row.Position);
        };
    }

    private Action ScalarReader<T>(DataViewRow row) where T : System.Numerics.IFloatingPointIeee754<T>
    {
        ValueGetter<T> getter = row.GetGetter<T>(Source);
        T value = T.Zero;
        return () =>
        {
            getter(ref value);
            if (statistics.Add(new ReadOnlySpan<T>(in value)) >= 0)
                throw Infinite(value, 0, row.Position);
        };
    }

    private Exception Infinite<T>(T value, int slot, long row) where T : System.Numerics.IFloatingPointIeee754<T>
        => host.Except(
            $"{Describe(slot)} is {(T.IsNegative(value) ? "-Infinity" : "Infinity")} in row {row} (the first is 0); "
            + "needed are finite numbers, or NaN for a missing value. Replace infinite values, for instance by NaN, before this step.");

    private string Describe(int slot)
    {
        if (Source.Type is not VectorDataViewType)
            return $"Column '{Source.Name}'";
        string name = "";
        if (Source.HasSlotNames())
        {
            VBuffer<ReadOnlyMemory<char>> names = default;
            Source.GetSlotNames(ref names);
            ReadOnlyMemory<char> text = names.GetItemOrDefault(slot);
            name = text.IsEmpty ? "" : $" ('{text}')";
        }

        return $"Slot {slot}{name} of column '{Source.Name}'";
    }
}
