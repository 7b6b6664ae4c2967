using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Network;

namespace MLNetBatchNorm.Tests.Network;

/// <summary>What each placement comes to, node by node; what the nodes compute is tested by gradients and golden networks.</summary>
[TestClass]
public sealed class PlanTests
{
    [TestMethod]
    [DataRow(BatchNormalizationPlacement.None, false, "linear1+b hidden1 linear2+b hidden2 linear3+b")]
    [DataRow(BatchNormalizationPlacement.BeforeActivation, false, "linear1 bn1 hidden1 linear2 bn2 hidden2 linear3+b")]
    [DataRow(BatchNormalizationPlacement.AfterActivation, false, "linear1+b hidden1 bn1 linear2+b hidden2 bn2 linear3+b")]
    [DataRow(BatchNormalizationPlacement.LayerInput, false, "bn1 linear1+b hidden1 bn2 linear2+b hidden2 linear3+b")]
    [DataRow(BatchNormalizationPlacement.LayerInput, true, "bn1 linear1+b hidden1 bn2 linear2+b hidden2 bn3 linear3+b")]
    public void Nodes_StandWhereThePlacementSays(BatchNormalizationPlacement placement, bool outputToo, string expected)
    {
        NetworkDefinition definition = Definition(placement, outputToo);

        Assert.AreEqual(expected, Text(definition.Plan.Nodes));
        CollectionAssert.AreEqual(
            Enumerable.Range(0, definition.Plan.Nodes.Count).ToArray(), definition.Plan.Nodes.Select(n => n.Index).ToArray());
        for (int i = 1; i < definition.Plan.Nodes.Count; i++)
        {
            Assert.AreEqual(
                definition.Plan.Nodes[i - 1].Outputs, definition.Plan.Nodes[i].Inputs, "A node reads what the one before it writes.");
        }
        Assert.AreEqual(placement != BatchNormalizationPlacement.LayerInput, definition.Plan.StartsWithLinear);
        Assert.AreEqual(placement == BatchNormalizationPlacement.LayerInput, Plan.NormalizesInput(placement));
    }

    /// <summary>
    /// Channels of a map are in panels of 16; a picture is rows as they come where a convolution reads it, and a map where it is
    /// normalized.
    /// </summary>
    [TestMethod]
    [DataRow(BatchNormalizationPlacement.BeforeActivation, 9 * 9 * 3)]
    [DataRow(BatchNormalizationPlacement.LayerInput, 9 * 9 * 16)]
    public void LargestMap_OfPictures_CountsWhatIsInMemory(BatchNormalizationPlacement placement, int expected)
    {
        var convolution = new ConvolutionDefinition { Filters = 5, KernelHeight = 3, KernelWidth = 3, StrideY = 3, StrideX = 3 };
        NetworkDefinition definition = new NetworkDefinition
        {
            Inputs = 243, HiddenUnits = [4], Outputs = 1, Placement = placement,
        }.With(new MapShape(9, 9, 3), PixelOrder.Planar, [convolution], averagesPixels: false);
        Assert.AreEqual(expected, definition.LargestMap);
    }

    [TestMethod]
    [DataRow(BatchNormalizationPlacement.BeforeActivation, "linear1 bn1 hidden1 dropout1 linear2 bn2 hidden2 dropout2 linear3+b")]
    [DataRow(BatchNormalizationPlacement.AfterActivation, "linear1+b hidden1 bn1 dropout1 linear2+b hidden2 bn2 dropout2 linear3+b")]
    [DataRow(BatchNormalizationPlacement.LayerInput, "bn1 linear1+b hidden1 dropout1 bn2 linear2+b hidden2 dropout2 linear3+b")]
    public void Nodes_WithDropout_EndEveryHiddenLayer(BatchNormalizationPlacement placement, string expected) =>
        Assert.AreEqual(expected, Text(Definition(placement, dropout: 0.5).Plan.Nodes));

    [TestMethod]
    public void Nodes_OfALinearModel_AreOneMap()
    {
        foreach (BatchNormalizationPlacement placement in Enum.GetValues<BatchNormalizationPlacement>())
        {
            var definition = new NetworkDefinition { Inputs = 3, HiddenUnits = [], Outputs = 2, Placement = placement, DropoutRate = 0.5 };
            Assert.AreEqual("linear1+b", Text(definition.Plan.Nodes));
        }
    }

    [TestMethod]
    public void Nodes_OfAPlacementThatIsNone_Throw()
    {
        BatchNormalizationPlacement unknown = Enum.GetValues<BatchNormalizationPlacement>().Max() + 1;

        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => Definition(unknown).Plan);
    }

    /// <summary>
    /// One wait for each layer: every linear map starts a stage, and a batch normalization takes the activation behind it with it.
    /// </summary>
    [TestMethod]
    [DataRow(BatchNormalizationPlacement.None, "linear1+b hidden1 dropout1 | linear2+b hidden2 dropout2 | linear3+b")]
    [DataRow(BatchNormalizationPlacement.BeforeActivation, "linear1 bn1(hidden1) dropout1 | linear2 bn2(hidden2) dropout2 | linear3+b")]
    [DataRow(BatchNormalizationPlacement.AfterActivation, "linear1+b hidden1 bn1 dropout1 | linear2+b hidden2 bn2 dropout2 | linear3+b")]
    [DataRow(BatchNormalizationPlacement.LayerInput, "bn1 | linear1+b hidden1 dropout1 bn2 | linear2+b hidden2 dropout2 | linear3+b")]
    public void Stages_EndWhereTheNextNodeReadsMoreThanItsOwnColumns(BatchNormalizationPlacement placement, string expected)
    {
        IReadOnlyList<PlanStage> stages = Definition(placement, dropout: 0.5).Plan.Stages();

        Assert.AreEqual(expected, string.Join(" | ", stages.Select(s => Text(s.Nodes))));
        Assert.IsTrue(stages.SkipLast(1).All(s => s.Split == NodeScope.Columns));
        Assert.AreEqual(NodeScope.Rows, stages[^1].Split, "The loss reads whole rows.");
    }

    /// <summary>What is left in prediction: nothing but maps and activations, unless the first map is shared.</summary>
    [TestMethod]
    [DataRow(BatchNormalizationPlacement.None, false, "linear1+b hidden1 linear2+b hidden2 linear3+b")]
    [DataRow(BatchNormalizationPlacement.BeforeActivation, false, "linear1 hidden1 linear2 hidden2 linear3+b")]
    [DataRow(BatchNormalizationPlacement.AfterActivation, false, "linear1+b hidden1 linear2+b hidden2 linear3+b")]
    [DataRow(BatchNormalizationPlacement.LayerInput, false, "linear1+b hidden1 linear2+b hidden2 linear3+b")]
    [DataRow(BatchNormalizationPlacement.BeforeActivation, true, "linear1 bn1(hidden1) linear2 hidden2 linear3+b")]
    [DataRow(BatchNormalizationPlacement.AfterActivation, true, "linear1+b hidden1 linear2+b hidden2 linear3+b")]
    public void Fold_LeavesMapsAndActivations(BatchNormalizationPlacement placement, bool shares, string expected)
    {
        NetworkParameters parameters = Generated.Network(Definition(placement, dropout: 0.5), 1);

        FoldedNetwork folded = FoldedNetwork.Create(InputEncoder.Identity(4), parameters, shares);

        Assert.AreEqual(expected, Text(folded.Members[0].Select(o => o.Node)));
        Assert.AreEqual(
            shares, ReferenceEquals(((LinearParameters)folded.Members[0][0].Parameters!).Weights, parameters.Linear[0].Weights));
    }

    private static NetworkDefinition Definition(BatchNormalizationPlacement placement, bool outputToo = false, double dropout = 0) => new()
    {
        Inputs = 4,
        HiddenUnits = [18, 5],
        Outputs = 2,
        Placement = placement,
        NormalizeOutputLayerInput = outputToo,
        DropoutRate = dropout,
    };

    private static string Text(IEnumerable<Node> nodes) => string.Join(' ', nodes.Select(node => node switch
    {
        DenseNode { HasBias: true } => $"{node.Name}+b",
        BatchNormNode { Activation: { } activation } => $"{node.Name}({activation.Name})",
        _ => node.Name,
    }));
}
