using MLNetBatchNorm.Formats;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary>Learned scale and shift, and the frozen statistics, of one batch normalization.</summary>
internal sealed class BatchNormalizationParameters : NodeParameters
{
    /// <summary>Gamma as given, beta 0, running mean 0, running variance 1: the state before the first batch.</summary>
    public BatchNormalizationParameters(int columns, double initialGamma)
    {
        Columns = columns;
        int padded = PanelLayout.PanelCount(columns) * PanelLayout.Width;
        Gamma = new AlignedBuffer(padded);
        Beta = new AlignedBuffer(padded);
        Gamma.Span[..columns].Fill((float)initialGamma);
        RunningMean = new double[columns];
        RunningVariance = new double[columns];
        RunningVariance.AsSpan().Fill(1);
    }

    /// <summary>Number of normalized columns.</summary>
    public int Columns { get; }

    /// <summary>Scale of each column, padded with zeros to whole panels.</summary>
    public AlignedBuffer Gamma { get; }

    /// <summary>Shift of each column, padded with zeros to whole panels.</summary>
    public AlignedBuffer Beta { get; }

    /// <summary>Mean of each column used in prediction.</summary>
    /// <remarks>
    /// In double precision: a column with mean 1e6 and deviation 1 loses three percent of a deviation when its mean is rounded to float.
    /// </remarks>
    public double[] RunningMean { get; }

    /// <summary>Unbiased variance of each column used in prediction; not negative.</summary>
    public double[] RunningVariance { get; }

    /// <summary>Number of batches the running statistics have seen.</summary>
    public long BatchesTracked { get; set; }

    public override bool IsFinite =>
        Gamma.IsFinite && Beta.IsFinite && Array.TrueForAll(RunningMean, double.IsFinite)
            && Array.TrueForAll(RunningVariance, double.IsFinite);

    public override void CopyFrom(NodeParameters other)
    {
        var source = (BatchNormalizationParameters)other;
        source.Gamma.Span.CopyTo(Gamma.Span);
        source.Beta.Span.CopyTo(Beta.Span);
        source.RunningMean.CopyTo(RunningMean, 0);
        source.RunningVariance.CopyTo(RunningVariance, 0);
        BatchesTracked = source.BatchesTracked;
    }

    /// <remarks>Statistics follow in the same way; the number of batches is that of the other.</remarks>
    public override void Approach(NodeParameters other, double share)
    {
        var target = (BatchNormalizationParameters)other;
        OptimizerKernels.Approach(Gamma.Span, target.Gamma.Span, (float)share);
        OptimizerKernels.Approach(Beta.Span, target.Beta.Span, (float)share);
        for (int column = 0; column < Columns; column++)
        {
            RunningMean[column] += share * (target.RunningMean[column] - RunningMean[column]);
            RunningVariance[column] += share * (target.RunningVariance[column] - RunningVariance[column]);
        }
        BatchesTracked = target.BatchesTracked;
    }

    /// <summary>Gamma, beta, means, variances, and the number of batches.</summary>
    public override void Write(BinaryWriter writer)
    {
        writer.WriteSingles(Gamma.Span[..Columns]);
        writer.WriteSingles(Beta.Span[..Columns]);
        foreach (double mean in RunningMean)
            writer.Write(mean);
        foreach (double variance in RunningVariance)
            writer.Write(variance);
        writer.Write(BatchesTracked);
    }

    public override void Read(BinaryReader reader, int layer)
    {
        reader.ReadSingles(Gamma.Span[..Columns], "gamma");
        reader.ReadSingles(Beta.Span[..Columns], "beta");
        for (int column = 0; column < Columns; column++)
            RunningMean[column] = reader.ReadNumber("running mean", _ => true, "finite");
        for (int column = 0; column < Columns; column++)
            RunningVariance[column] = reader.ReadNumber("running variance", value => value >= 0, "not negative");
        BatchesTracked = reader.ReadInt64();
        if (BatchesTracked < 0)
        {
            throw new NetworkFormatException(
                CheckedBytes.Text($"The number of batches tracked is {BatchesTracked}; it must not be negative."));
        }
    }
}
