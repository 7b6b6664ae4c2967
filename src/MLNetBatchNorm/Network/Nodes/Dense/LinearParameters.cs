using System.Numerics.Tensors;
using MLNetBatchNorm.Formats;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary>Weights and bias of one linear map <c>y = x W^T + b</c>, W being [outputs, inputs].</summary>
internal sealed class LinearParameters : NodeParameters
{
    /// <summary>All zero.</summary>
    /// <param name="inputs">Columns read.</param>
    /// <param name="outputs">Columns written.</param>
    /// <param name="bias">Whether there is a bias.</param>
    /// <param name="compact">
    /// Whether fewer than sixteen outputs take no more memory than they need: for a network that is kept, not trained.
    /// </param>
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
        Projections = shared.Projections;
        Weights = shared.Weights;
        Bias = bias;
    }

    /// <summary>
    /// The same map over the same memory, with a bias of zeros where it has none; over memory
    /// of its own where no kernel takes it as it lies.
    /// </summary>
    public LinearParameters ToScore()
    {
        if (Lanes is 1 or PanelLayout.Width)
            return new LinearParameters(this, Bias ?? new AlignedBuffer(PanelLayout.PanelCount(Outputs) * PanelLayout.Width));
        var padded = new LinearParameters(Inputs, Outputs, bias: true)
        {
            Projections = [.. Projections.Select(each => new LinearParameters(each.Inputs, each.Outputs, bias: false))],
        };
        padded.CopyFrom(this);
        return padded;
    }

    /// <summary>Columns read, those of a projection once for each number it gives.</summary>
    public int Inputs { get; }

    /// <summary>What projects further columns to the last inputs, one behind the other.</summary>
    public LinearParameters[] Projections { get; init; } = [];

    /// <summary>Of a projection, the probability that an entry of its input is left out in training.</summary>
    public float EntryDropout { get; init; }

    /// <summary>Inputs that no projection makes: the first ones.</summary>
    public int DirectInputs => Inputs - Projections.Sum(each => each.Outputs);

    /// <summary>Columns read, projected ones each by itself.</summary>
    public int Columns => DirectInputs + Projections.Sum(each => each.Inputs);

    /// <summary>What a column counts for in an output, through the projection if it is projected.</summary>
    public float WeightOfColumn(int output, int column)
    {
        int firstUnit = DirectInputs;
        if (column < firstUnit)
            return Weight(output, column);
        column -= firstUnit;
        int number = 0;
        for (; column >= Projections[number].Inputs; number++)
        {
            column -= Projections[number].Inputs;
            firstUnit += Projections[number].Outputs;
        }
        double sum = 0;
        for (int unit = 0; unit < Projections[number].Outputs; unit++)
            sum += (double)Weight(output, firstUnit + unit) * Projections[number].Weight(unit, column);
        return (float)sum;
    }

    /// <summary>Columns written.</summary>
    public int Outputs { get; }

    /// <summary>Outputs of a panel: 16, or in a compact map as many as there are, if they are fewer.</summary>
    public int Lanes { get; }

    /// <summary>The weights in panels of 16 outputs, [panels][inputs][<see cref="Lanes"/>]; padding lanes are zero and stay zero.</summary>
    public AlignedBuffer Weights { get; }

    /// <summary>One number for each output, padded with zeros to whole panels; null where batch normalization follows directly.</summary>
    public AlignedBuffer? Bias { get; }

    /// <summary>Makes the map give 0.</summary>
    public void Clear()
    {
        Weights.Span.Clear();
        Bias?.Span.Clear();
    }

    /// <summary>Makes a map with a bias give <c>factor y + shift</c>, in double precision, rounded once.</summary>
    public void Rescale(double factor, double shift)
    {
        foreach (ref float weight in Weights.Span)
            weight = (float)(weight * factor);
        foreach (ref float bias in Bias!.Span[..Outputs])
            bias = (float)(bias * factor + shift);
    }

    /// <summary>Whether one output is the same whatever comes in.</summary>
    public bool IsConstant(int output)
    {
        for (int input = 0; input < Inputs; input++)
        {
            if (Weight(output, input) != 0)
                return false;
        }

        return true;
    }

    /// <summary>Makes one output of a map with a bias <c>factor y + shift</c>, in double precision, rounded once.</summary>
    public void Rescale(int output, double factor, double shift)
    {
        for (int input = 0; input < Inputs; input++)
            Weight(output, input) = (float)(Weight(output, input) * factor);
        ref float bias = ref Bias!.Span[output];
        bias = (float)(bias * factor + shift);
    }

    /// <summary>Makes the map give <c>y / divisor</c>.</summary>
    public void DivideBy(double divisor)
    {
        TensorPrimitives.Multiply(Weights.Span, (float)(1 / divisor), Weights.Span);
        if (Bias is not null)
            TensorPrimitives.Multiply(Bias.Span, (float)(1 / divisor), Bias.Span);
    }

    public override bool IsFinite =>
        Weights.IsFinite && Bias is not { IsFinite: false } && Array.TrueForAll(Projections, each => each.IsFinite);

    /// <summary>The weight from one input to one output.</summary>
    public ref float Weight(int output, int input) => ref Weights.Span[WeightIndex(output, input)];

    /// <summary>
    /// Where in <see cref="Weights"/> a weight lies; those of the same output's other inputs follow each <see cref="Lanes"/> further.
    /// </summary>
    public int WeightIndex(int output, int input) => (output / PanelLayout.Width * Inputs + input) * Lanes + output % PanelLayout.Width;

    /// <summary>Takes over the numbers of a map of the same shape, compact or not.</summary>
    public override void CopyFrom(NodeParameters other)
    {
        var source = (LinearParameters)other;
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
        for (int i = 0; i < Projections.Length; i++)
            Projections[i].CopyFrom(source.Projections[i]);
    }

    public override void Approach(NodeParameters other, double share)
    {
        var target = (LinearParameters)other;
        OptimizerKernels.Approach(Weights.Span, target.Weights.Span, (float)share);
        if (Bias is not null)
            OptimizerKernels.Approach(Bias.Span, target.Bias!.Span, (float)share);
        for (int i = 0; i < Projections.Length; i++)
            Projections[i].Approach(target.Projections[i], share);
    }

    /// <summary>Weights row by row, [outputs, inputs]; whether there is a bias; the bias; each projection in the same way.</summary>
    public override void Write(BinaryWriter writer)
    {
        float[] row = new float[Inputs];
        for (int output = 0; output < Outputs; output++)
        {
            for (int input = 0; input < row.Length; input++)
                row[input] = Weight(output, input);
            writer.WriteSingles(row);
        }

        WriteBias(writer);
        foreach (LinearParameters projection in Projections)
            projection.Write(writer);
    }

    /// <summary>As <see cref="Write"/>, with weights in the form of <see cref="HalfWeights"/>.</summary>
    public void WriteHalf(BinaryWriter writer)
    {
        HalfWeights.Write(writer, this);
        WriteBias(writer);
        foreach (LinearParameters projection in Projections)
            projection.WriteHalf(writer);
    }

    public override void Read(BinaryReader reader, int layer)
    {
        Span<float> part = stackalloc float[1024];
        for (int output = 0; output < Outputs; output++)
        {
            for (int first = 0; first < Inputs; first += part.Length)
            {
                Span<float> weights = part[..Math.Min(part.Length, Inputs - first)];
                reader.ReadSingles(weights, "weight");
                for (int i = 0; i < weights.Length; i++)
                    Weight(output, first + i) = weights[i];
            }
        }

        ReadBias(reader, layer);
        foreach (LinearParameters projection in Projections)
            projection.Read(reader, layer);
    }

    /// <summary>Reads what <see cref="WriteHalf"/> has written.</summary>
    /// <inheritdoc cref="Read"/>
    public void ReadHalf(BinaryReader reader, int layer)
    {
        HalfWeights.Read(reader, this);
        ReadBias(reader, layer);
        foreach (LinearParameters projection in Projections)
            projection.ReadHalf(reader, layer);
    }

    private void WriteBias(BinaryWriter writer)
    {
        writer.WriteFlag(Bias is not null);
        if (Bias is not null)
            writer.WriteSingles(Bias.Span[..Outputs]);
    }

    private void ReadBias(BinaryReader reader, int layer)
    {
        bool hasBias = reader.ReadFlag("flag of a bias");
        if (hasBias != Bias is not null)
        {
            throw new NetworkFormatException(
                CheckedBytes.Text(
                    $"Linear map {layer} {(hasBias ? "has a bias its placement forbids" : "lacks the bias its placement demands")}."));
        }
        if (Bias is not null)
            reader.ReadSingles(Bias.Span[..Outputs], "bias");
    }
}
