using System.Text.Json;
using MLNetBatchNorm.Data;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Objectives;
using MLNetBatchNorm.Tests.Fixtures;
using MLNetBatchNorm.Training;
using LossKernels = MLNetBatchNorm.Kernels.Losses;

namespace MLNetBatchNorm.Tests.Golden;

/// <summary>A trajectory as our training runs it, with the step, network and optimizer that users' models are trained with.</summary>
internal sealed class TrajectoryRun
{
    private TrajectoryRun(NetworkParameters parameters) => Parameters = parameters;

    /// <summary>Parameters and statistics after the last step.</summary>
    public NetworkParameters Parameters { get; }

    public List<double> Losses { get; } = [];

    /// <summary>What each operation wrote in the first forward pass, by its name.</summary>
    public Dictionary<string, double[][]> FirstOutputs { get; private set; } = [];

    public Dictionary<string, double[]> FirstGradients { get; private set; } = [];

    public Dictionary<string, double[]> FirstState { get; private set; } = [];

    public Dictionary<string, double[]> FinalState { get; private set; } = [];

    /// <summary>Outputs for eval_X of the network with frozen statistics, layer by layer.</summary>
    public double[][] Unfolded { get; private set; } = [];

    /// <summary>The same of the folded network that scores for users.</summary>
    public double[][] Folded { get; private set; } = [];

    /// <summary>Softmax or sigmoid of <see cref="Folded"/>; null for regression.</summary>
    public double[][]? Probabilities { get; private set; }

    public static TrajectoryRun Of(Trajectory trajectory)
    {
        NetworkDefinition definition = trajectory.Definition;
        var parameters = new NetworkParameters(definition);
        NetworkState.Write(trajectory.File["initial"], parameters);
        (EncodedRows data, int[] ends) = trajectory.Rows();
        int capacity = ends.Select((end, i) => end - (i == 0 ? 0 : ends[i - 1])).Max();
        var run = new TrajectoryRun(parameters) { FirstOutputs = ForwardOutputs(parameters.Clone(), data, ends[0], trajectory) };

        using var team = new WorkerTeam(trajectory.Threads);
        var network = new FeedForwardNetwork(parameters, capacity);
        TrainingSettings settings = trajectory.Settings;
        var step = new TrainingStep(settings, data, network, OptimizerState.Create(settings.Optimizer, network.Parameters), team);
        for (int i = 0; i < ends.Length; i++)
        {
            int first = i == 0 ? 0 : ends[i - 1];
            (double loss, double weight) = step.Run(first, ends[i] - first, trajectory.Rates[i], dropoutKey: 0);
            run.Losses.Add(loss / weight);
            if (i == 0)
            {
                run.FirstGradients = NetworkState.Gradients(network, parameters);
                run.FirstState = NetworkState.Read(parameters);
            }
        }
        run.FinalState = NetworkState.Read(parameters);
        run.Evaluate(trajectory);
        return run;
    }

    /// <summary>Everything that a file expects, at the tolerance it names.</summary>
    public Comparison Compare(Trajectory trajectory)
    {
        JsonElement expected = trajectory.File["expected"];
        double tolerance = trajectory.Tolerance;
        var comparison = new Comparison();
        foreach (JsonProperty output in expected.GetProperty("step1_op_outputs").EnumerateObject())
        {
            if (FirstOutputs.TryGetValue(output.Name, out double[][]? ours))
                comparison.Relative(
                    $"step1_op_outputs {output.Name}", output.Value.Flat(), [.. ours.SelectMany(r => r)], tolerance,
                    Trajectory.SmallestScale);
            else
                comparison.Absolute($"step1_op_outputs {output.Name} (we have none)", [0], [], 0);
        }
        NetworkState.Compare(comparison, "step1_gradients", expected.GetProperty("step1_gradients"), FirstGradients, tolerance);
        NetworkState.Compare(comparison, "state_after_step1", expected.GetProperty("state_after_step1"), FirstState, tolerance);
        NetworkState.Compare(comparison, "state_final", expected.GetProperty("state_final"), FinalState, tolerance);
        comparison.Relative("losses", expected.Vector("losses"), Losses, tolerance, Trajectory.SmallestScale);
        comparison.Relative("eval_outputs folded", expected.Matrix("eval_outputs"), Folded, tolerance, Trajectory.SmallestScale);
        comparison.Relative("eval_outputs unfolded", expected.Matrix("eval_outputs"), Unfolded, tolerance, Trajectory.SmallestScale);
        if (expected.TryGetProperty("eval_probabilities", out JsonElement probabilities))
            comparison.Relative("eval_probabilities", probabilities.Matrix(), Probabilities ?? [], tolerance, Trajectory.SmallestScale);
        return comparison;
    }

    /// <summary>
    /// One forward pass in training mode on parameters of its own, because afterwards the step has changed gamma and beta.
    /// </summary>
    private static Dictionary<string, double[][]> ForwardOutputs(
        NetworkParameters parameters, EncodedRows data, int rows, Trajectory trajectory)
    {
        var network = new FeedForwardNetwork(parameters, rows);
        TrainingSettings settings = trajectory.Settings;
        using var team = new WorkerTeam(1);
        new TrainingStep(settings, data, network, OptimizerState.Create(settings.Optimizer, network.Parameters), team).RunForward(0, rows);

        var outputs = new Dictionary<string, double[][]>();
        int linear = 0, normalization = trajectory.Placement == BatchNormalizationPlacement.LayerInput ? 0 : -1;
        foreach (object operation in network.Operations)
        {
            switch (operation)
            {
                case ConvolutionOperation convolution:
                    outputs[$"conv{++linear}"] = Panels.Rows(convolution.Output);
                    break;
                case PoolingLayer pooling:
                    outputs[$"pool{linear}"] = Panels.Rows(pooling.Output);
                    break;
                case FlattenLayer flatten:
                    outputs["flatten"] = Panels.Rows(flatten.Output);
                    break;
                case MeanLayer mean:
                    outputs["gap"] = Panels.Rows(mean.Output);
                    break;
                case DenseLayer dense:
                    outputs[$"linear{++linear}"] = Panels.Rows(dense.Output);
                    break;
                case ActivationLayer activation:
                    outputs[$"act{linear}"] = Panels.Rows(activation.Output);
                    break;
                case BatchNormLayer layer:
                    // In front of a linear map a normalization has that map's number, behind it also.
                    int number = normalization >= 0 ? ++normalization : linear;
                    var normalized = new PanelMatrix(layer.Input.RowCapacity, layer.Input.Columns) { Positions = layer.Input.Positions };
                    layer.CopyNormalized(layer.Input.RowCapacity, normalized);
                    outputs[$"bn{number}"] = Panels.Rows(normalized);
                    if (layer is PooledBatchNormLayer)
                        outputs[$"pool{linear}"] = Panels.Rows(layer.Output);
                    if (layer.Activation is not null)
                    {
                        layer.CopyNormalized(layer.Input.RowCapacity, normalized, layer.Activation);
                        outputs[$"act{number}"] = Panels.Rows(layer is PooledBatchNormLayer ? normalized : layer.Output);
                    }
                    break;
                default:
                    throw new InvalidOperationException($"Unknown operation {operation.GetType().Name}.");
            }
        }
        return outputs;
    }

    private void Evaluate(Trajectory trajectory)
    {
        float[][] rows = [.. trajectory.File["eval_X"].EnumerateArray().Select(row => row.Flat().ToSingle())];
        NetworkDefinition definition = Parameters.Definition;
        Unfolded = FrozenOutputs(Parameters, rows);

        FoldedNetwork folded = FoldedNetwork.Create(InputEncoder.Identity(definition.Inputs), Parameters);
        var outputs = new float[rows.Length * definition.Outputs];
        folded.Score([.. rows.SelectMany(r => r)], rows.Length, outputs, folded.CreateScratch());
        Folded = Panels.Rows(outputs, definition.Outputs);
        Probabilities = ProbabilitiesOf(trajectory.Loss, Folded);
    }

    /// <summary>Outputs in prediction mode, every operation by itself and nothing folded.</summary>
    public static double[][] FrozenOutputs(NetworkParameters parameters, float[][] rows)
    {
        var table = new TrainingTable(parameters.Definition.Inputs, 0, weighted: false);
        foreach (float[] row in rows)
            table.Add(row, [], 1);
        var network = new FeedForwardNetwork(parameters, rows.Length);
        foreach (BatchNormLayer layer in network.Normalizations)
            layer.Policy = StatisticsPolicy.Frozen;
        var settings = new TrainingSettings { Objective = KnownObjectives.SquaredError };
        using var team = new WorkerTeam(1);
        new TrainingStep(settings, new EncodedRows(table), network, OptimizerState.Create(settings.Optimizer, network.Parameters), team)
            .RunForward(0, rows.Length);
        return Panels.Rows(network.Output);
    }

    public static double[][]? ProbabilitiesOf(Objective loss, double[][] outputs)
    {
        PanelMatrix logits = Panels.Of(outputs);
        var probabilities = new float[outputs.Length * logits.Columns];
        if (loss is SoftmaxCrossEntropy)
            LossKernels.Softmax(logits.Span, logits.RowCapacity, logits.Columns, probabilities, 0, outputs.Length);
        else if (loss is BinaryCrossEntropy)
            LossKernels.Sigmoid(logits.Span, logits.RowCapacity, logits.Columns, probabilities, 0, outputs.Length);
        else
            return null;
        return Panels.Rows(probabilities, logits.Columns);
    }
}
