using System.Numerics.Tensors;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary>Weights and bias of one linear map <c>y = x W^T + b</c>, W being [outputs, inputs].</summary>
internal sealed class LinearParameters
{
    /// <summary>All zero.</summary>
    /// <param name="inputs">Columns read.</param>
    /// <param name="outputs">Columns written.</param>
    /// <param name="bias">Whether there is a bias.</param>
    /// <param name="compact">Whether fewer than sixteen outputs take no more memory than they need: for a network that is kept, not trained.</param>
    public LinearParameters(int inputs, int outputs, bool bias, bool compact = false)
    {
        Inputs = inputs;
        Outputs = outputs;
        Lanes = compact ? Math.Min(outputs, PanelLayout.Width) : PanelLayout.Width;
        int panels = PanelLayout.PanelCount(outputs);
        Weights = new AlignedBuffer((long)panels * inputs * Lanes);
        Bias = bias ? new AlignedBuffer(panels * PanelLayout.Width) : null;
    }

    private LinearParameters(LinearParameters shared, AlignedBuffer bias)
    {
        Inputs = shared.Inputs;
        Outputs = shared.Outputs;
        Lanes = shared.Lanes;
        Weights = shared.Weights;
        Bias = bias;
    }

    /// <summary>The same map over the same memory, with a bias of zeros where it has none; over memory of its own where no kernel takes it as it lies.</summary>
    public LinearParameters ToScore()
    {
        if (Lanes is 1 or PanelLayout.Width)
            return new LinearParameters(this, Bias ?? new AlignedBuffer(PanelLayout.PanelCount(Outputs) * PanelLayout.Width));
        var padded = new LinearParameters(Inputs, Outputs, bias: true);
        padded.CopyFrom(this);
        return padded;
    }

    /// <summary>Columns read.</summary>
    public int Inputs { get; }

    /// <summary>Columns written.</summary>
    public int Outputs { get; }

    /// <summary>Outputs of a panel: 16, or in a compact map as many as there are, if they are fewer.</summary>
    public int Lanes { get; }

    /// <summary>The weights in panels of 16 outputs, [panels][inputs][<see cref="Lanes"/>]; padding lanes are zero and stay zero.</summary>
    public AlignedBuffer Weights { get; }

    /// <summary>One number for each output, padded with zeros to whole panels; null where batch normalization follows directly.</summary>
    public AlignedBuffer? Bias { get; }

    /// <summary>Makes the map give <c>y / divisor</c>.</summary>
    public void DivideBy(double divisor)
    {
        TensorPrimitives.Multiply(Weights.Span, (float)(1 / divisor), Weights.Span);
        if (Bias is not null)
            TensorPrimitives.Multiply(Bias.Span, (float)(1 / divisor), Bias.Span);
    }

    /// <summary>Whether every weight and bias is a finite number.</summary>
    public bool IsFinite => Weights.IsFinite && Bias is not { IsFinite: false };

    /// <summary>The weight from one input to one output.</summary>
    public ref float Weight(int output, int input) => ref Weights.Span[WeightIndex(output, input)];

    /// <summary>Where in <see cref="Weights"/> a weight lies; those of the same output's other inputs follow each <see cref="Lanes"/> further.</summary>
    public int WeightIndex(int output, int input) => (output / PanelLayout.Width * Inputs + input) * Lanes + output % PanelLayout.Width;

    /// <summary>Takes over the numbers of a map of the same shape, compact or not.</summary>
    public void CopyFrom(LinearParameters source)
    {
        if (source.Lanes == Lanes)
        {
            source.Weights.Span.CopyTo(Weights.Span);
        }
        else
        {
            for (int output = 0; output < Outputs; output++)
            {
                for (int input = 0; input < Inputs; input++)
                    Weight(output, input) = source.Weight(output, input);
            }
        }

        source.Bias?.Span.CopyTo(Bias!.Span);
    }
}

/// <summary>Learned scale and shift, and the frozen statistics, of one batch normalization.</summary>
internal sealed class BatchNormalizationParameters
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
    /// <remarks>In double precision: a column with mean 1e6 and deviation 1 loses three percent of a deviation when its mean is rounded to float.</remarks>
    public double[] RunningMean { get; }

    /// <summary>Unbiased variance of each column used in prediction; not negative.</summary>
    public double[] RunningVariance { get; }

    /// <summary>Number of batches the running statistics have seen.</summary>
    public long BatchesTracked { get; set; }
}

/// <summary>Everything a network has learned, unfolded, in the form in which it is trained and saved.</summary>
internal sealed class NetworkParameters
{
    /// <summary>Zero weights, gamma as defined.</summary>
    /// <param name="definition">The shape.</param>
    /// <param name="compact">Whether narrow maps take no more memory than they need: for a network that is kept, not trained.</param>
    public NetworkParameters(NetworkDefinition definition, bool compact = false)
    {
        definition.Validate();
        Definition = definition;
        Linear = new LinearParameters[definition.LinearCount];
        BatchNormalization = new BatchNormalizationParameters?[definition.LinearCount];
        for (int layer = 0; layer < Linear.Length; layer++)
        {
            Linear[layer] = new LinearParameters(definition.InputsOf(layer), definition.OutputsOf(layer), definition.HasBias(layer), compact);
            int normalized = definition.NormalizedColumns(layer);
            BatchNormalization[layer] = normalized == 0 ? null : new BatchNormalizationParameters(normalized, definition.InitialGamma);
        }
    }

    /// <summary>The shape these parameters fill.</summary>
    public NetworkDefinition Definition { get; }

    /// <summary>The linear maps: hidden layers in order, then the output layer.</summary>
    public LinearParameters[] Linear { get; }

    /// <summary>The batch normalization that belongs to each linear map, or null: behind it with placements A and B, in front of it with C.</summary>
    public BatchNormalizationParameters?[] BatchNormalization { get; }

    /// <summary>Number of trained numbers: weights, biases, gammas and betas.</summary>
    public long ParameterCount => Definition.ParameterCount;

    /// <summary>A deep copy.</summary>
    public NetworkParameters Clone()
    {
        var copy = new NetworkParameters(Definition);
        copy.CopyFrom(this);
        return copy;
    }

    /// <summary>Takes over all values and statistics of a network of the same shape.</summary>
    public void CopyFrom(NetworkParameters source)
    {
        if (source.Linear.Length != Linear.Length)
            throw new ArgumentException($"The source has {source.Linear.Length} linear maps, this network {Linear.Length}.", nameof(source));
        for (int layer = 0; layer < Linear.Length; layer++)
        {
            Linear[layer].CopyFrom(source.Linear[layer]);
            if (BatchNormalization[layer] is { } target)
            {
                BatchNormalizationParameters from = source.BatchNormalization[layer]!;
                from.Gamma.Span.CopyTo(target.Gamma.Span);
                from.Beta.Span.CopyTo(target.Beta.Span);
                from.RunningMean.CopyTo(target.RunningMean, 0);
                from.RunningVariance.CopyTo(target.RunningVariance, 0);
                target.BatchesTracked = from.BatchesTracked;
            }
        }
    }

    /// <summary>Whether every weight, bias, gamma, beta and statistic is a finite number.</summary>
    public bool IsFinite()
    {
        if (!Linear.All(linear => linear.IsFinite))
            return false;
        foreach (BatchNormalizationParameters? normalization in BatchNormalization)
        {
            if (normalization is null)
                continue;
            if (!normalization.Gamma.IsFinite || !normalization.Beta.IsFinite)
                return false;
            if (!normalization.RunningMean.All(double.IsFinite) || !normalization.RunningVariance.All(double.IsFinite))
                return false;
        }
        return true;
    }
}
