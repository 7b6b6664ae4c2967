using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Tests.Distribution;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm.Tests.MLNet.Trainers;

/// <summary>Pictures that are moved and mirrored while they are trained on.</summary>
[TestClass]
public sealed class PictureChangesTests
{
    private const int Height = 3, Width = 4, Channels = 2;

    /// <summary>
    /// Every change is one of those that the definition allows, all of them come up, and the two orders of numbers see the same.
    /// </summary>
    [TestMethod]
    [DataRow(0, true)]
    [DataRow(1, false)]
    [DataRow(2, true)]
    public void Apply_AnyKey_IsAMoveOrItsMirrorImage(int shift, bool flips)
    {
        float[] planar = [.. Enumerable.Range(1, Height * Width * Channels).Select(i => (float)i)];
        var seen = new HashSet<string>();
        var allowed = new Dictionary<string, string>();
        for (int down = -shift; down <= shift; down++)
        {
            for (int right = -shift; right <= shift; right++)
            {
                foreach (bool mirrored in flips ? new[] { false, true } : [false])
                    allowed[string.Join(" ", Naive(planar, down, right, mirrored))] = $"{down} {right} {mirrored}";
            }
        }
        var changes = new PictureChanges(shift, flips);
        for (ulong key = 0; key < 2_000; key++)
        {
            var moved = new float[planar.Length];
            changes.Apply(new RandomStream(key, 7), planar, Height, Width, Channels, PixelOrder.Planar, moved);
            Assert.IsTrue(allowed.TryGetValue(string.Join(" ", moved), out string? change), string.Join(" ", moved));
            seen.Add(change);
            var interleaved = new float[planar.Length];
            changes.Apply(
                new RandomStream(key, 7), Interleave(planar), Height, Width, Channels, PixelOrder.Interleaved, interleaved);
            CollectionAssert.AreEqual(Interleave(moved), interleaved);
        }
        // Moves of two pixels can look alike at an edge; those that differ have all been seen.
        Assert.HasCount(allowed.Count, seen);
    }

    /// <summary>Along each side, and so together, staying is the most likely move, and larger ones are rarer.</summary>
    [TestMethod]
    [DataRow(1)]
    [DataRow(3)]
    public void Apply_Moves_AreTheRarerTheLarger(int shift)
    {
        const int Side = 16, Draws = 40_000, At = 8 * Side + 8;
        var counts = new Dictionary<(int Down, int Right), int>();
        float[] picture = new float[Side * Side], moved = new float[picture.Length];
        picture[At] = 1;
        for (ulong key = 0; key < Draws; key++)
        {
            new PictureChanges(shift, false).Apply(new RandomStream(key, 3), picture, Side, Side, 1, PixelOrder.Planar, moved);
            int at = Array.IndexOf(moved, 1);
            (int Down, int Right) move = (at / Side - 8, at % Side - 8);
            counts[move] = counts.GetValueOrDefault(move) + 1;
        }
        double Chance(int move) => (shift + 1 - Math.Abs(move)) / Math.Pow(shift + 1, 2);
        for (int down = -shift; down <= shift; down++)
        {
            for (int right = -shift; right <= shift; right++)
            {
                double expected = Draws * Chance(down) * Chance(right);
                // Five deviations.
                Assert.AreEqual(expected, counts.GetValueOrDefault((down, right)), 5 * Math.Sqrt(expected), $"{down} {right}");
            }
        }
    }

    /// <summary>A signal is moved along its only side.</summary>
    [TestMethod]
    public void Apply_OneRow_MovesSideways()
    {
        float[] signal = [1, 2, 3, 4, 5];
        var seen = new HashSet<string>();
        for (ulong key = 0; key < 200; key++)
        {
            var moved = new float[signal.Length];
            new PictureChanges(1, false).Apply(new RandomStream(key, 0), signal, 1, signal.Length, 1, PixelOrder.Planar, moved);
            seen.Add(string.Concat(moved));
        }
        CollectionAssert.AreEquivalent(new[] { "11234", "12345", "23455" }, seen.ToArray());
    }

    /// <summary>
    /// They change the model, also where the first node is a normalization; neither threads nor the order of numbers nor who trains do.
    /// </summary>
    [TestMethod]
    [DataRow(BatchNormalizationPlacement.BeforeActivation)]
    [DataRow(BatchNormalizationPlacement.LayerInput)]
    public void Fit_ChangedPictures_SameBitsForThreads(BatchNormalizationPlacement placement)
    {
        var context = new MLContext(1);
        float[] Train(int threads, int shift, bool flips, bool interleaved = false, TrainingRunner? runner = null)
        {
            IDataView view = Picture.View(context, NetworkKind.Multiclass, Picture.Rows(100, interleaved: interleaved));
            return Scores(NetworkExamples.Quick(context, NetworkKind.Multiclass, options =>
            {
                Picture.Shape(options);
                options.InputShape = new ImageShape(Picture.Height, Picture.Width, Picture.Channels)
                {
                    Order = interleaved ? PixelOrder.Interleaved : PixelOrder.Planar,
                };
                options.Placement = placement;
                options.NumberOfThreads = threads;
                options.TrainingRunner = runner;
                (options.RandomShift, options.RandomHorizontalFlip) = (shift, flips);
            }).Fit(view).Transform(view));
        }

        float[] moved = Train(1, 1, flips: true);
        CollectionAssert.AreEqual(moved, Train(3, 1, flips: true));
        CollectionAssert.AreEqual(moved, Train(2, 1, flips: true, interleaved: true));
        CollectionAssert.AreEqual(moved, Train(1, 1, flips: true, runner: new BytesRunner()));
        CollectionAssert.AreNotEqual(moved, Train(1, 1, flips: false));
        CollectionAssert.AreNotEqual(moved, Train(1, 0, flips: true));
        CollectionAssert.AreNotEqual(Train(1, 0, flips: false), Train(1, 0, flips: true));
    }

    /// <summary>The last fifth of the epochs, of each rung, and of several the last at least, sees pictures as they are.</summary>
    [TestMethod]
    [DataRow(1, 1)]
    [DataRow(2, 1)]
    [DataRow(4, 3)]
    [DataRow(5, 4)]
    [DataRow(11, 9)]
    [DataRow(24, 20)]
    public void ChangesPictures_EndsBeforeTheLastFifth(int epochs, int changed)
    {
        var settings = new TrainingSettings { Objective = KnownObjectives.SoftmaxCrossEntropy, MaximumEpochs = epochs, Rungs = 2 };
        for (int epoch = 1; epoch <= settings.EpochsOfAllRungs; epoch++)
            Assert.AreEqual((epoch - 1) % epochs < changed, settings.ChangesPictures(epoch), $"{epoch}");
    }

    /// <summary>What they are for: a picture whose place was never trained on.</summary>
    [TestMethod]
    public void Fit_MovedPictures_KnowsPlacesItHasNotSeen()
    {
        var context = new MLContext(1);
        // A row of pixels is bright in the middle columns, or a column: the test pictures have them one pixel to the side and below.
        IDataView View(int place)
        {
            var random = new Random(place);
            return Picture.View(context, NetworkKind.Binary, [.. Enumerable.Range(0, 240).Select(n =>
            {
                bool isUpright = n % 2 == 0;
                var pixels = new float[Picture.Channels * Picture.Height * Picture.Width];
                for (int i = 0; i < pixels.Length; i++)
                {
                    int y = i / Picture.Width % Picture.Height, x = i % Picture.Width;
                    bool isOn = isUpright ? x == place && Math.Abs(y - place) < 3 : y == place && Math.Abs(x - place) < 3;
                    pixels[i] = (isOn ? 1 : 0) + random.NextSingle();
                }
                return new Picture { Features = pixels, IsUpright = isUpright };
            })]);
        }

        double Loss(int shift)
        {
            ITransformer model = NetworkExamples.Quick(context, NetworkKind.Binary, options =>
            {
                Picture.Shape(options);
                options.MaximumNumberOfEpochs = 30;
                options.RandomShift = shift;
            }).Fit(View(4));
            return context.BinaryClassification.Evaluate(model.Transform(View(5))).LogLoss;
        }

        double still = Loss(0), moved = Loss(2);
        Assert.IsLessThan(0.2, moved);
        Assert.IsGreaterThan(2 * moved, still);
    }

    private static float[] Naive(float[] planar, int down, int right, bool mirrored)
    {
        var moved = new float[planar.Length];
        for (int c = 0; c < Channels; c++)
        {
            for (int y = 0; y < Height; y++)
            {
                for (int x = 0; x < Width; x++)
                {
                    int fromY = Math.Clamp(y - down, 0, Height - 1), fromX = Math.Clamp(x - right, 0, Width - 1);
                    moved[(c * Height + y) * Width + x] = planar[(c * Height + fromY) * Width + (mirrored ? Width - 1 - fromX : fromX)];
                }
            }
        }
        return moved;
    }

    private static float[] Interleave(float[] planar) =>
        [.. Enumerable.Range(0, planar.Length).Select(i => planar[i % Channels * Height * Width + i / Channels])];

    private static float[] Scores(IDataView scored) =>
        [.. scored.GetColumn<VBuffer<float>>("Score").SelectMany(row => row.DenseValues())];
}
