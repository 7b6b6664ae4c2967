using MLNetBatchNorm.Formats;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary>Kernels and bias of one convolution: weights [filters, channels, kernel rows, kernel columns].</summary>
internal sealed class ConvolutionParameters : NodeParameters
{
    /// <summary>All zero.</summary>
    public ConvolutionParameters(int channels, int filters, int kernelHeight, int kernelWidth, bool bias)
    {
        Channels = channels;
        Filters = filters;
        KernelHeight = kernelHeight;
        KernelWidth = kernelWidth;
        Weights = new AlignedBuffer(PanelLayout.Length(Inputs, filters));
        Bias = bias ? new AlignedBuffer(PanelLayout.PanelCount(filters) * PanelLayout.Width) : null;
    }

    /// <summary>Channels read.</summary>
    public int Channels { get; }

    /// <summary>Channels written.</summary>
    public int Filters { get; }

    /// <summary>Rows of a kernel.</summary>
    public int KernelHeight { get; }

    /// <summary>Columns of a kernel.</summary>
    public int KernelWidth { get; }

    /// <summary>Numbers that a filter reads at one position: those of <see cref="PatchPanels"/>.</summary>
    public int Inputs => KernelHeight * KernelWidth * Channels;

    /// <summary>
    /// The weights in panels of 16 filters, [panels][<see cref="Inputs"/>][16], an input being number
    /// <c>(row * KernelWidth + column) * Channels + channel</c>; padding lanes are zero and stay zero.
    /// </summary>
    public AlignedBuffer Weights { get; }

    /// <summary>One number for each filter, padded with zeros to whole panels; null where batch normalization follows directly.</summary>
    public AlignedBuffer? Bias { get; }

    public override bool IsFinite => Weights.IsFinite && Bias is not { IsFinite: false };

    /// <summary>One weight.</summary>
    public ref float Weight(int filter, int channel, int row, int column) =>
        ref Weights.Span[WeightIndex(filter, channel, row, column)];

    /// <summary>Where in <see cref="Weights"/> it lies.</summary>
    public int WeightIndex(int filter, int channel, int row, int column) =>
        PanelLayout.WeightIndex((row * KernelWidth + column) * Channels + channel, filter, Inputs);

    public override void CopyFrom(NodeParameters other)
    {
        var source = (ConvolutionParameters)other;
        source.Weights.Span.CopyTo(Weights.Span);
        source.Bias?.Span.CopyTo(Bias!.Span);
    }

    public override void Approach(NodeParameters other, double share)
    {
        var target = (ConvolutionParameters)other;
        OptimizerKernels.Approach(Weights.Span, target.Weights.Span, (float)share);
        if (Bias is not null)
            OptimizerKernels.Approach(Bias.Span, target.Bias!.Span, (float)share);
    }

    /// <summary>Weights filter by filter, [filters, channels, kernel rows, kernel columns]; whether there is a bias; the bias.</summary>
    public override void Write(BinaryWriter writer)
    {
        float[] kernel = new float[Inputs];
        for (int filter = 0; filter < Filters; filter++)
        {
            CopyKernel(filter, kernel);
            writer.WriteSingles(kernel);
        }
        writer.WriteFlag(Bias is not null);
        if (Bias is not null)
            writer.WriteSingles(Bias.Span[..Filters]);
    }

    /// <summary>One filter's weights, [channels, kernel rows, kernel columns].</summary>
    public void CopyKernel(int filter, Span<float> kernel)
    {
        int i = 0;
        for (int channel = 0; channel < Channels; channel++)
        {
            for (int row = 0; row < KernelHeight; row++)
            {
                for (int column = 0; column < KernelWidth; column++)
                    kernel[i++] = Weight(filter, channel, row, column);
            }
        }
    }

    public override void Read(BinaryReader reader, int layer)
    {
        float[] kernel = new float[KernelHeight * KernelWidth];
        for (int filter = 0; filter < Filters; filter++)
        {
            for (int channel = 0; channel < Channels; channel++)
            {
                reader.ReadSingles(kernel, "weight");
                for (int i = 0; i < kernel.Length; i++)
                    Weight(filter, channel, i / KernelWidth, i % KernelWidth) = kernel[i];
            }
        }

        bool hasBias = reader.ReadFlag("flag of a bias");
        if (hasBias != Bias is not null)
        {
            throw new NetworkFormatException(CheckedBytes.Text(
                $"Convolution {layer} {(hasBias ? "has a bias its placement forbids" : "lacks the bias its placement demands")}."));
        }
        if (Bias is not null)
            reader.ReadSingles(Bias.Span[..Filters], "bias");
    }
}
