using Microsoft.ML;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Tests.MLNet;

namespace MLNetBatchNorm.Onnx.Tests;

/// <summary>Networks of pictures give in ONNX Runtime what they give in ML.NET.</summary>
[TestClass]
public sealed class PictureExportTests
{
    [TestMethod]
    [DataRow(BatchNormalizationPlacement.None)]
    [DataRow(BatchNormalizationPlacement.BeforeActivation)]
    [DataRow(BatchNormalizationPlacement.AfterActivation)]
    [DataRow(BatchNormalizationPlacement.LayerInput)]
    public void Export_Pictures_AgreesWithModel(BatchNormalizationPlacement placement)
    {
        var context = new MLContext(1);
        bool interleaved = placement == BatchNormalizationPlacement.AfterActivation;
        foreach (bool averages in new[] { false, true })
        {
            NetworkKind kind = averages ? NetworkKind.Regression : NetworkKind.Multiclass;
            ITransformer transformer = NetworkExamples.Quick(context, kind, options =>
            {
                Picture.Shape(options);
                options.InputShape = new ImageShape(Picture.Height, Picture.Width, Picture.Channels)
                {
                    Order = interleaved ? PixelOrder.Interleaved : PixelOrder.Planar,
                };
                options.Convolutions![1].Stride = 2;
                options.Convolutions[1].Padding = averages ? 0 : null;
                options.Placement = placement;
                options.GlobalAveragePooling = averages;
                options.NumberOfEnsembleMembers = averages ? 2 : 1;
            }).Fit(Picture.View(context, kind, Picture.Rows(100, interleaved: interleaved)));
            float[][] rows = [.. Picture.Rows(10, seed: 3, interleaved).Select(row => row.Features)];
            foreach (bool fold in new[] { true, false })
            {
                OnnxModel model = OnnxModel.Of(context, transformer, opSet: 13, fold);
                Assert.AreEqual(averages ? 4 : 2, model.Operations.Count(o => o == "Conv"));
                Assert.AreEqual(averages ? 2 : 0, model.Operations.Count(o => o == "GlobalAveragePool"));
                Parity.Check(model, context, transformer, rows, $"averages {averages}, fold {fold}");
            }
        }
    }

    /// <summary>Signals and pictures of unlike sides, with the layers that their shape chooses.</summary>
    [TestMethod]
    [DataRow(1, 90, 2, PixelOrder.Interleaved)]
    [DataRow(180, 1, 1, PixelOrder.Planar)]
    [DataRow(5, 36, 1, PixelOrder.Planar)]
    [DataRow(20, 3, 3, PixelOrder.Interleaved)]
    public void Export_ShapeAlone_AgreesWithModel(int height, int width, int channels, PixelOrder order)
    {
        var context = new MLContext(1);
        foreach (NetworkKind kind in Enum.GetValues<NetworkKind>())
        {
            ITransformer transformer = NetworkExamples.Quick(context, kind, options =>
            {
                options.InputShape = new ImageShape(height, width, channels) { Order = order };
                options.MaximumNumberOfEpochs = 2;
            }).Fit(Picture.View(context, kind, OfOneScale(60, seed: 1)));
            float[][] rows = [.. OfOneScale(10, seed: 3).Select(row => row.Features)];
            Parity.Check(OnnxModel.Of(context, transformer, opSet: 13, fold: true), context, transformer, rows, $"{kind}");
        }
    }

    /// <summary>Pictures whose numbers may stand in any shape: those of both channels alike.</summary>
    private static List<Picture> OfOneScale(int count, int seed)
    {
        List<Picture> rows = Picture.Rows(count, seed);
        foreach (Picture row in rows)
            row.Features = [.. row.Features.Select(value => value > 900 ? (value - 1000) / 7 : value)];
        return rows;
    }

    /// <summary>A pipeline that ends in a network of pictures, through ML.NET's own converter.</summary>
    [TestMethod]
    [DataRow(PixelOrder.Planar, 9)]
    [DataRow(PixelOrder.Interleaved, 12)]
    public void Convert_PipelineOfPictures_AgreesWithModel(PixelOrder order, int opSet)
    {
        var context = new MLContext(1);
        bool interleaved = order == PixelOrder.Interleaved;
        foreach (NetworkKind kind in Enum.GetValues<NetworkKind>())
        {
            ITransformer model = context.Transforms.NormalizeMinMax("Features").Append(NetworkExamples.Quick(context, kind, options =>
            {
                Picture.Shape(options);
                options.InputShape = new ImageShape(Picture.Height, Picture.Width, Picture.Channels) { Order = order };
                options.NumberOfEnsembleMembers = 2;
            })).Fit(Picture.View(context, kind, Picture.Rows(100, interleaved: interleaved)));
            IDataView rows = Parity.View(context, [.. Picture.Rows(10, seed: 3, interleaved).Select(row => row.Features)]);
            ConvertedPipeline converted = ConvertedPipeline.Of(context, model, rows, opSet);
            Assert.AreEqual(4, converted.Model.Operations.Count(o => o == "Conv"));
            foreach (bool oneByOne in new[] { false, true })
            {
                if (Parity.Difference(converted.Run(rows, oneByOne), model.Transform(rows)) is { } difference)
                    Assert.Fail($"{kind}, one by one {oneByOne}: {difference}");
            }
        }
    }
}
