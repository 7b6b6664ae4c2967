using System.Text.Json;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Tests.Fixtures;

namespace MLNetBatchNorm.Tests.Golden;

/// <summary>Batch normalization folded into its neighbours: the weights that come out, and that predictions stay what they were.</summary>
[TestClass]
public sealed class FoldingTests
{
    private const string Kind = "folding";

    // Folding is done in double and rounded once: half a unit of float's last place, relative to the number itself.
    private const double WeightTolerance = 6.0e-8;

    // A network's outputs: the README's tolerance for a batch normalization in float32.
    private const double OutputTolerance = 1e-5;

    public TestContext TestContext { get; set; } = null!;

    public static IEnumerable<object[]> Files => FixtureFile.NamesOfKind(Kind);

    [TestMethod]
    [DynamicData(nameof(Files))]
    public void Fold_LayerByLayer_GivesTheFilesWeightsAndOutputs(string name)
    {
        FixtureFile file = FixtureFile.Read(name);
        Compare(file, FoldLayers(file)).AssertAgrees(name, TestContext);
    }

    /// <summary>
    /// The path of users' models: a whole network folded and scored, and the same network unfolded with frozen statistics.
    /// </summary>
    [TestMethod]
    [DynamicData(nameof(Files))]
    public void FoldedNetwork_GivesTheFilesWeightsAndOutputs(string name)
    {
        FixtureFile file = FixtureFile.Read(name);
        NetworkParameters parameters = WholeNetwork(file);
        FoldedNetwork folded = FoldedNetwork.Create(InputEncoder.Identity(parameters.Definition.Inputs), parameters);
        Comparison comparison = Compare(file, [.. folded.Members[0].Select(o => o.Parameters).OfType<LinearParameters>()]);
        double[][] unfolded = TrajectoryRun.FrozenOutputs(parameters, file.Root.Matrix("X").ToSingle());
        comparison.Relative("outputs_before", file["expected"].Matrix("outputs_before"), unfolded, OutputTolerance);
        comparison.AssertAgrees(name, TestContext);
    }

    [TestMethod]
    [DataRow("epsilon left out")]
    [DataRow("shift without the mean")]
    [DataRow("bias not scaled")]
    public void Fold_OneConventionWrong_IsNoticed(string wrong)
        => NegativeControl.MustBeNoticed(Kind, wrong, file => Compare(file, FoldLayers(file, wrong)));

    /// <summary>Folded weights, element by element, and the outputs and probabilities of a network that has nothing else.</summary>
    private static Comparison Compare(FixtureFile file, LinearParameters[] folded)
    {
        JsonElement expected = file["expected"], weights = expected.GetProperty("folded");
        var comparison = new Comparison();
        var plain = new NetworkParameters(new NetworkDefinition
        {
            Inputs = folded[0].Inputs,
            HiddenUnits = [.. folded[..^1].Select(l => l.Outputs)],
            Outputs = folded[^1].Outputs,
            Activation = NetworkState.SingleActivation(file["ops"]),
            Placement = BatchNormalizationPlacement.None,
        });
        CollectionAssert.AreEqual(NetworkState.Operations(file["folded_ops"]), NetworkState.Operations(plain.Definition));
        for (int layer = 0; layer < folded.Length; layer++)
        {
            folded[layer].Weights.Span.CopyTo(plain.Linear[layer].Weights.Span);
            folded[layer].Bias!.Span.CopyTo(plain.Linear[layer].Bias!.Span);
        }
        Dictionary<string, double[]> state = NetworkState.Read(plain);
        foreach (JsonProperty array in weights.EnumerateObject())
        {
            double[] numbers = array.Name.EndsWith("weight", StringComparison.Ordinal)
                ? [.. array.Value.Matrix().SelectMany(r => r)]
                : array.Value.Vector();
            // The absolute part is for sums that cancel: they are exact to double, of terms as large as the largest entry.
            comparison.Elementwise(array.Name, numbers, state[array.Name], WeightTolerance, 1e-12 * numbers.Max(Math.Abs));
        }

        float[][] x = file.Root.Matrix("X").ToSingle();
        var outputs = new float[x.Length * plain.Definition.Outputs];
        FoldedNetwork network = FoldedNetwork.Create(InputEncoder.Identity(plain.Definition.Inputs), plain);
        network.Score([.. x.SelectMany(r => r)], x.Length, outputs, network.CreateScratch());
        double[][] rows = Panels.Rows(outputs, plain.Definition.Outputs);
        comparison.Relative("outputs_after", expected.Matrix("outputs_after"), rows, OutputTolerance);
        comparison.Relative("outputs_before", expected.Matrix("outputs_before"), rows, OutputTolerance);
        if (expected.TryGetProperty("probabilities", out JsonElement probabilities))
        {
            double[][] ours = TrajectoryRun.ProbabilitiesOf(Trajectory.LossOf(file["task"].GetString()!), rows) ?? [];
            comparison.Relative("probabilities", probabilities.Matrix(), ours, OutputTolerance);
        }
        return comparison;
    }

    /// <summary>Every linear map of the file with the normalizations folded in that the file's list of operations puts beside it.</summary>
    private static LinearParameters[] FoldLayers(FixtureFile file, string? wrong = null)
    {
        JsonElement state = file["state"];
        JsonElement[] operations = [.. file["ops"].EnumerateArray()];
        bool following = file["fold_into"].GetString() == "following_linear";
        double epsilon = wrong == "epsilon left out" ? 1e-30 : file.Root.Number("eps");
        var folded = new List<LinearParameters>();
        BatchNormalizationParameters? before = null;
        for (int i = 0; i < operations.Length; i++)
        {
            string name = operations[i].GetProperty("name").GetString()!;
            if (operations[i].GetProperty("type").GetString() == "batchnorm" && following)
                before = Normalization(state, name, wrong);
            if (operations[i].GetProperty("type").GetString() != "linear")
                continue;

            BatchNormalizationParameters? behind = null;
            if (!following && i + 1 < operations.Length && operations[i + 1].GetProperty("type").GetString() == "batchnorm")
                behind = Normalization(state, operations[i + 1].GetProperty("name").GetString()!, wrong);
            double[][] weights = state.Matrix($"{name}.weight");
            var linear = new LinearParameters(weights[0].Length, weights.Length, operations[i].GetProperty("bias").GetBoolean());
            NetworkState.WriteWeights(weights, linear);
            if (linear.Bias is { } bias)
                state.Vector($"{name}.bias").ToSingle().CopyTo(bias.Span);
            var result = new LinearParameters(linear.Inputs, linear.Outputs, bias: true);
            Folding.Fold(linear, Affine(before, epsilon), Affine(behind, epsilon), result);
            if (wrong == "bias not scaled" && linear.Bias is { } unscaled)
                unscaled.Span.CopyTo(result.Bias!.Span);
            folded.Add(result);
            before = null;
        }
        return [.. folded];
    }

    /// <summary>
    /// The file as a network of ours. A bias in front of batch normalization, which ours leaves out, goes into the running mean:
    /// <c>(z + b) - mean = z - (mean - b)</c>.
    /// </summary>
    private static NetworkParameters WholeNetwork(FixtureFile file)
    {
        double[] sizes = file.Root.Vector("layer_sizes");
        string[] expected = NetworkState.Operations(file["ops"]);
        var definition = new NetworkDefinition
        {
            Inputs = (int)sizes[0],
            HiddenUnits = [.. sizes[1..^1].Select(s => (int)s)],
            Outputs = (int)sizes[^1],
            Activation = NetworkState.SingleActivation(file["ops"]),
            Placement = NetworkState.Placement(file["placement"].GetString()!),
            NormalizeOutputLayerInput = file["placement"].GetString() == "C"
                && expected.Any(o => o.StartsWith($"bn{sizes.Length - 1}(", StringComparison.Ordinal)),
            Epsilon = file.Root.Number("eps"),
        };
        bool beforeActivation = definition.Placement == BatchNormalizationPlacement.BeforeActivation;
        CollectionAssert.AreEqual(
            beforeActivation ? [.. expected.Select(WithoutHiddenBias)] : expected, NetworkState.Operations(definition));

        var parameters = new NetworkParameters(definition);
        JsonElement state = file["state"];
        NetworkState.Write(WithoutHiddenBiases(state, definition), parameters);
        for (int layer = 0; layer < definition.HiddenUnits.Length; layer++)
        {
            if (!beforeActivation || !state.TryGetProperty($"linear{layer + 1}.bias", out JsonElement bias))
                continue;
            double[] biases = bias.Vector(), mean = parameters.BatchNormalization[layer]!.RunningMean;
            for (int c = 0; c < mean.Length; c++)
                mean[c] -= biases[c];
        }
        return parameters;

        string WithoutHiddenBias(string operation) =>
            operation.StartsWith("linear", StringComparison.Ordinal) && operation != expected[^1]
                ? operation.Replace("True", "False", StringComparison.Ordinal)
                : operation;
    }

    private static JsonElement WithoutHiddenBiases(JsonElement state, NetworkDefinition definition)
    {
        var kept = state.EnumerateObject()
            .Where(p => !p.Name.EndsWith(".bias", StringComparison.Ordinal)
                || definition.Plan.Nodes.OfType<DenseNode>().Single(n => p.Name.StartsWith(n.Name + ".", StringComparison.Ordinal)).HasBias)
            .ToDictionary(p => p.Name, p => p.Value);
        return JsonSerializer.SerializeToElement(kept);
    }

    private static (double[] Scale, double[] Shift)? Affine(BatchNormalizationParameters? normalization, double epsilon)
    {
        if (normalization is null)
            return null;
        var settings = new NetworkDefinition { Inputs = normalization.Columns, HiddenUnits = [], Outputs = 1, Epsilon = epsilon };
        return new BatchNormNode(0, 0, normalization.Columns, settings).Affine(normalization);
    }

    private static BatchNormalizationParameters Normalization(JsonElement state, string name, string? wrong)
    {
        double[] gamma = state.Vector($"{name}.gamma");
        var normalization = new BatchNormalizationParameters(gamma.Length, 1);
        gamma.ToSingle().CopyTo(normalization.Gamma.Span);
        state.Vector($"{name}.beta").ToSingle().CopyTo(normalization.Beta.Span);
        if (wrong != "shift without the mean")
            state.Vector($"{name}.running_mean").CopyTo(normalization.RunningMean, 0);
        state.Vector($"{name}.running_var").CopyTo(normalization.RunningVariance, 0);
        return normalization;
    }
}
