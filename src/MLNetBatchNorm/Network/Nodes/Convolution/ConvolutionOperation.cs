using System.Numerics.Tensors;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary>A convolution over a mini-batch of pictures, with the gradients of its kernels and of its input.</summary>
/// <remarks>
/// <para>Patches are multiplied by the kernel of all linear maps (<see cref="PatchPanels"/>, <see cref="MatrixMultiply"/>): an output is
/// one chain of fused multiply-adds over its window. The gradient of the kernels looks at the same patches again, which is cheaper than to
/// keep them; the gradient of the input is a convolution too.</para>
/// <para>Always managed code: the blocks are too small for a native library to pay.</para>
/// </remarks>
internal sealed class ConvolutionOperation : RowOperation
{
    private const int Width = PanelLayout.Width;

    private readonly ConvolutionNode _node;
    private readonly ConvolutionParameters _parameters;
    private readonly NodeInput _input;
    private readonly ParameterBlock _weights;
    private readonly ParameterBlock? _bias;
    private readonly bool _passesGradient;

    // [kernel rows x columns turned round x filters, channels]: the kernels of the convolution that gives the gradient of the input.
    private readonly AlignedBuffer? _turned;

    // The sums of each chunk of rows.
    private readonly AlignedBuffer[] _sums;
    private readonly AlignedBuffer[] _biasSums;
    private readonly object _gate = new();
    private WorkerMemory[] _memories = [];

    /// <summary>A layer from <paramref name="input"/> to <paramref name="output"/>.</summary>
    public ConvolutionOperation(
        ConvolutionNode node, ConvolutionParameters parameters, NodeInput input, PanelMatrix output, bool passesGradient)
        : base(output)
    {
        _node = node;
        _parameters = parameters;
        _input = input;
        _passesGradient = passesGradient;
        _weights = new ParameterBlock($"{node.Name}.weight", parameters.Weights, isWeight: true);
        _bias = parameters.Bias is null ? null : new ParameterBlock($"{node.Name}.bias", parameters.Bias, isWeight: false);
        Parameters = _bias is null ? [_weights] : [_weights, _bias];
        if (passesGradient)
            _turned = new AlignedBuffer(PanelLayout.Length(TurnedInputs, node.Inputs));
        _sums = SumsOf(_weights);
        _biasSums = _bias is null ? [] : SumsOf(_bias);
    }

    public override IReadOnlyList<ParameterBlock> Parameters { get; }

    public override long ScratchBytes => sizeof(float) * (long)_sums.Length * _parameters.Weights.Length;

    private int TurnedInputs => _parameters.KernelHeight * _parameters.KernelWidth * _node.Outputs;

    private PictureSource Source => _input switch
    {
        PanelInput map => PictureSource.Map(map.Values),
        PictureInput pictures => pictures.Source,
        _ => throw new InvalidOperationException($"A convolution does not read {_input.GetType().Name}."),
    };

    public override void Forward(int firstRow, int endRow, Worker worker) => MemoryOf(worker).Patches.Multiply(
        Source, firstRow * _node.Grid.Positions, endRow * _node.Grid.Positions, _parameters.Weights.Span,
        _bias is null ? default : _parameters.Bias!.Span, Output);

    public override void Backward(PanelMatrix gradient, PanelMatrix? inputGradient, int rows, Worker worker)
    {
        WorkerMemory memory = MemoryOf(worker);
        int positions = _node.Grid.Positions;
        (int firstChunk, int endChunk) = RowChunks.Chunks(worker);
        for (int chunk = firstChunk; chunk < endChunk; chunk++)
        {
            (int first, int end) = RowChunks.Rows(chunk, rows);
            if (first == end)
                continue;
            Span<float> sums = _sums[chunk].Span;
            sums.Clear();
            memory.Patches.AddWeightGradient(Source, first * positions, end * positions, gradient, sums);
            for (int panel = 0; panel < Output.Panels && _bias is not null; panel++)
            {
                int count = (end - first) * positions;
                ColumnStatistics.ColumnSums(
                    gradient.Rows(panel, first * positions, count), count, _biasSums[chunk].Span.Slice(panel * Width, Width));
            }
        }
        if (inputGradient is not null)
        {
            (int first, int end) = RowChunks.Share(rows, worker);
            int pixels = _node.Grid.Pixels;
            memory.GradientPatches!.Multiply(
                PictureSource.Map(gradient), first * pixels, end * pixels, _turned!.Span, default, inputGradient);
        }
    }

    public override void FinishGradients(int rows, Worker worker, IGradientConsumer consumer)
    {
        AddChunks(_weights, _sums, rows, worker, consumer);
        if (_bias is not null)
            AddChunks(_bias, _biasSums, rows, worker, consumer);
    }

    /// <summary>Turns the kernels round: <c>turned[(u, v, filter), channel] = weight[filter, channel, last - u, last - v]</c>.</summary>
    public override void Refresh(Worker worker)
    {
        if (_turned is null)
            return;
        int channels = _parameters.Channels, filters = _parameters.Filters, taps = _parameters.KernelHeight * _parameters.KernelWidth;
        int inputs = _parameters.Inputs, turnedInputs = TurnedInputs;
        ReadOnlySpan<float> weights = _parameters.Weights.Span;
        Span<float> turned = _turned.Span;
        (int firstFilter, int endFilter) = worker.Share(filters);
        for (int filter = firstFilter; filter < endFilter; filter++)
        {
            for (int tap = 0; tap < taps; tap++)
            {
                // A kernel turned round is its numbers from the last to the first.
                int from = PanelLayout.WeightIndex((taps - 1 - tap) * channels, filter, inputs);
                for (int channel = 0; channel < channels; channel++, from += Width)
                    turned[PanelLayout.WeightIndex(tap * filters + filter, channel, turnedInputs)] = weights[from];
            }
        }
    }

    private static AlignedBuffer[] SumsOf(ParameterBlock block) =>
        [.. Enumerable.Range(0, RowChunks.Count).Select(_ => new AlignedBuffer(block.Value.Length))];

    /// <summary>The worker's own share of a gradient, in whole lines of 16.</summary>
    private static void AddChunks(ParameterBlock block, AlignedBuffer[] sums, int rows, Worker worker, IGradientConsumer consumer)
    {
        (int firstLine, int endLine) = worker.Share(block.Value.Length / Width);
        int start = firstLine * Width, length = (endLine - firstLine) * Width;
        if (length == 0)
            return;
        Span<float> total = block.Gradient.Span.Slice(start, length);
        total.Clear();
        for (int chunk = 0; chunk < sums.Length; chunk++)
        {
            (int first, int end) = RowChunks.Rows(chunk, rows);
            if (first < end)
                TensorPrimitives.Add(total, sums[chunk].Span.Slice(start, length), total);
        }
        consumer.Consume(block, start, length);
    }

    /// <summary>A worker's own memory, made at its first step.</summary>
    private WorkerMemory MemoryOf(Worker worker)
    {
        WorkerMemory[] memories = Volatile.Read(ref _memories);
        if (memories.Length > worker.Index)
            return memories[worker.Index];
        lock (_gate)
        {
            memories = _memories;
            if (memories.Length <= worker.Index)
            {
                memories = [.. memories, .. Enumerable.Range(memories.Length, worker.Count - memories.Length).Select(_ => CreateMemory())];
                Volatile.Write(ref _memories, memories);
            }
            return memories[worker.Index];
        }
    }

    private WorkerMemory CreateMemory()
    {
        int rows = Output.RowCapacity / Output.Positions;
        return new WorkerMemory(
            new PatchPanels(_node.Grid, _node.Inputs, Output.RowCapacity),
            _passesGradient ? PatchPanels.ForInputGradient(_node.Grid, _node.Outputs, rows * _node.Grid.Pixels) : null);
    }

    private sealed record WorkerMemory(PatchPanels Patches, PatchPanels? GradientPatches);
}
