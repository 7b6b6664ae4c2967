using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Data;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Objectives;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm.Tests.Training;

/// <summary>What an ensemble says of mini-batches, and a network that learns it instead of labels.</summary>
[TestClass]
public sealed class LessonsTests
{
    private const int Inputs = 7;
    private const int Outputs = 3;
    private const int Rows = 41;
    private const int Batch = 16;

    /// <summary>
    /// Of every row the score of the networks' mean, whichever worker asks for which part of a batch, in the first epoch and in those in
    /// which it is remembered; other networks say something else.
    /// </summary>
    [TestMethod]
    [DataRow(nameof(KnownObjectives.SoftmaxCrossEntropy), false)]
    [DataRow(nameof(KnownObjectives.SoftmaxCrossEntropy), true)]
    [DataRow(nameof(KnownObjectives.SquaredError), false)]
    [DataRow(nameof(KnownObjectives.Poisson), false)]
    [DataRow(nameof(KnownObjectives.BinaryCrossEntropy), true)]
    public void Fill_Rows_IsTheScoreOfTheMean(string loss, bool sparse)
    {
        Objective objective = KnownObjectives.Named(loss);
        var settings = new TrainingSettings { Objective = objective };
        NetworkParameters[] networks = [.. new ulong[] { 1, 2, 3 }.Select(seed => Generated.Network(Definition(), seed))];
        EncodedRows data = sparse
            ? Generated.SparseData(objective, Rows, Inputs, Outputs, 1)
            : Generated.Data(objective, Rows, Inputs, Outputs, 1, weighted: true);
        var encoder = InputEncoder.Identity(Inputs);
        var lessons = new Lessons(new Teacher(encoder, networks), settings, data, Batch, workers: 2);
        FoldedNetwork folded = FoldedNetwork.Create(encoder, networks);
        float[] raw = new float[Inputs], expected = new float[Outputs];
        int differences = 0;
        for (int epoch = 1; epoch <= 3; epoch++)
        {
            data.Source.BeginEpoch(5, epoch, shuffle: true);
            for (int first = 0; first < Rows; first += Batch)
            {
                int count = Math.Min(Batch, Rows - first), half = count / 3;
                data.Source.Prepare(first, count);
                lessons.Fill(1, first, half, count, default, 0);
                lessons.Fill(0, first, 0, half, default, 0);
                for (int row = 0; row < count; row++)
                {
                    RowRun run = data.Source.Run(first + row, 1);
                    Array.Clear(raw);
                    if (run.Table.Sparse is { } entries)
                    {
                        float[] values = entries.Values(run.Rows[0]).ToArray();
                        foreach ((int entry, int slot) in entries.Indices(run.Rows[0]).ToArray().Index())
                            raw[slot] = values[entry];
                    }
                    else
                    {
                        run.Table.Features(run.Rows[0]).CopyTo(raw);
                    }

                    folded.Score(raw, 1, expected, folded.CreateScratch(1), objective.LinkOf(null));
                    float[] said = lessons.Targets.Slice(row * Outputs, Outputs).ToArray();
                    // Of sparse rows the first layer is not folded, which rounds otherwise.
                    for (int k = 0; k < Outputs; k++)
                        Assert.AreEqual(expected[k], said[k], sparse ? 1e-6f * MathF.Abs(expected[k]) : 0, $"epoch {epoch}");
                    folded.Score(raw, 1, expected, folded.CreateScratch(1), objective.LinkOf(null), member: 1);
                    differences += expected.Zip(said).Count(pair => MathF.Abs(pair.First - pair.Second) > 1e-4f);
                }
            }
        }

        Assert.IsGreaterThan(Rows * Outputs, differences, "One network instead of their mean would have passed.");
    }

    /// <summary>Pictures that are moved and mirrored are spoken of as the learning network sees them, in each epoch anew.</summary>
    [TestMethod]
    public void Fill_ChangedPictures_SpeaksOfThePicturesThatAreLearned()
    {
        NetworkDefinition definition = OfPictures();
        NetworkParameters[] networks = [Generated.Network(definition, 1), Generated.Network(definition, 2)];
        var settings = new TrainingSettings
        {
            Objective = KnownObjectives.SoftmaxCrossEntropy, RandomShift = 2, RandomHorizontalFlip = true,
        };
        var changes = new PictureChanges(2, true);
        EncodedRows data = Generated.Data(settings.Objective, Rows, definition.Inputs, Outputs, 1);
        var lessons = new Lessons(
            new Teacher(InputEncoder.Identity(definition.Inputs), networks), settings, data, Batch, workers: 1);
        FoldedNetwork folded = FoldedNetwork.Create(InputEncoder.Identity(definition.Inputs), networks);
        ScoringScratch scratch = folded.CreateScratch(1);
        var learner = new FeedForwardNetwork(Generated.Network(definition, 3), Batch);
        var seen = (PictureInput)learner.Input;
        int changed = 0;
        foreach (ulong key in new ulong[] { 7, 8 })
        {
            lessons.Fill(0, 5, 0, Batch, changes, key);
            seen.Change(changes, key);
            seen.Fill(data, 5, 0, Batch);
            float[] expected = new float[Outputs], unchanged = new float[Outputs];
            for (int row = 0; row < Batch; row++)
            {
                folded.Score(seen.Row(row).ToArray(), 1, expected, scratch, OutputLink.Softmax);
                float[] said = lessons.Targets.Slice(row * Outputs, Outputs).ToArray();
                CollectionAssert.AreEqual(expected, said);
                RowRun run = data.Source.Run(5 + row, 1);
                folded.Score(run.Table.Features(run.Rows[0]).ToArray(), 1, unchanged, scratch, OutputLink.Softmax);
                changed += unchanged[0] != said[0] ? 1 : 0;
            }
        }

        Assert.IsGreaterThan(Batch, changed, "Pictures as they are would have passed.");
    }

    /// <summary>What is learned has nothing to do with the labels, for every loss, and comes close to what is said.</summary>
    [TestMethod]
    [DataRow(nameof(KnownObjectives.SoftmaxCrossEntropy))]
    [DataRow(nameof(KnownObjectives.BinaryCrossEntropy))]
    [DataRow(nameof(KnownObjectives.SquaredError))]
    [DataRow(nameof(KnownObjectives.Huber))]
    [DataRow(nameof(KnownObjectives.Poisson))]
    [DataRow(nameof(KnownObjectives.Tweedie))]
    [DataRow(nameof(KnownObjectives.Quantile))]
    public void Train_Taught_LearnsWhatIsSaidAndNoLabel(string loss)
    {
        Objective objective = KnownObjectives.Named(loss);
        TrainingSettings settings = Taught(objective) with { BatchSize = 50, MaximumEpochs = 60, LearningRate = 0.02 };
        double[][] rows = Generated.Rows(400, Inputs, 1);
        string[] learned = new string[2];
        for (ulong labels = 0; labels < 2; labels++)
        {
            double[][] targets = Generated.Targets(objective, rows, Outputs, 3 + labels);
            NetworkParameters parameters = Generated.Network(Definition(), 9);
            float before = Distance(parameters, settings, rows);
            TrainingLoop.Train(
                parameters, new EncodedRows(Generated.Table(rows, targets)), null, settings, null, CancellationToken.None);
            Assert.IsLessThan(before / 3, Distance(parameters, settings, rows), loss);
            // Totals that are balanced are those of the labels.
            if (objective.PredictsLogarithm)
                parameters.Linear[^1].Bias!.Span.Clear();
            learned[labels] = Generated.Hash(parameters);
        }

        Assert.AreEqual(learned[0], learned[1]);
    }

    /// <summary>Of several targets all are taught, of a row with few labels as much as of one that has them all.</summary>
    [TestMethod]
    [DataRow(nameof(KnownObjectives.SquaredError), false)]
    [DataRow(nameof(KnownObjectives.SquaredError), true)]
    [DataRow(nameof(KnownObjectives.BinaryCrossEntropy), false)]
    public void Train_SeveralTargetsSomeMissing_LearnsAsMuchOfEveryRow(string loss, bool weighted)
    {
        Objective objective = KnownObjectives.Named(loss);
        double[][] rows = Generated.Rows(200, Inputs, 1), targets = Generated.Targets(objective, rows, Outputs, 3);
        double[][] few = [.. targets.Select((row, r) => row.Select((target, k) => r % 2 == 0 && k != r % Outputs ? double.NaN : target))
            .Select(row => row.ToArray())];
        TrainingSettings taught = Taught(objective) with
        {
            TargetWeights = [1, 2, 0.5f], BatchSize = 50, MaximumEpochs = 3, LearningRate = 0.02,
        };
        string Train(double[][] labels, TrainingSettings settings)
        {
            NetworkParameters parameters = Generated.Network(Definition(), 9);
            var data = new EncodedRows(Generated.Table(rows, labels, weighted ? Generated.Weights(rows.Length, 4) : null));
            TrainingLoop.Train(parameters, data, null, settings, null, CancellationToken.None);
            return Generated.Hash(parameters);
        }

        Assert.AreEqual(Train(targets, taught), Train(few, taught));
        Assert.AreNotEqual(Train(targets, taught), Train(targets, taught with { TargetWeights = [1, 1, 1] }), "What targets count for");
    }

    /// <summary>Whoever of a team speaks of which rows, the network that learns has the same bits.</summary>
    [TestMethod]
    [DataRow("dense")]
    [DataRow("sparse")]
    [DataRow("streamed")]
    [DataRow("moved pictures")]
    public void Train_TaughtByATeam_SameBitsForAnyNumberOfThreads(string form)
    {
        Objective objective = KnownObjectives.SoftmaxCrossEntropy;
        NetworkDefinition definition = form == "moved pictures" ? OfPictures() : Definition();
        string Train(int threads, ulong teacher = 1)
        {
            using FileRows? file = form == "streamed" ? InAFile(objective) : null;
            using StreamedRows? stream = file?.Read(RowPart.All, largestBatch: 97);
            EncodedRows data = stream is not null ? new EncodedRows(stream, InputEncoder.Identity(Inputs))
                : form == "sparse" ? Generated.SparseData(objective, 300, Inputs, Outputs, 1)
                : Generated.Data(objective, 300, definition.Inputs, Outputs, 1);
            TrainingSettings settings = Taught(objective, definition, teacher) with
            {
                BatchSize = 96, MaximumEpochs = 3, LearningRate = 0.01, RandomShift = form == "moved pictures" ? 1 : 0,
            };
            Assert.AreEqual(form is "dense" or "sparse" ? 300 : null, Lessons.Remembers(settings, data, Outputs));
            NetworkParameters parameters = Generated.Network(definition, 9);
            using var team = new WorkerTeam(threads);
            TrainingLoop.Train(team, parameters, data, null, settings, null, CancellationToken.None);
            return Generated.Hash(parameters);
        }

        string one = Train(1);
        Assert.AreEqual(one, Train(2));
        Assert.AreEqual(one, Train(3));
        Assert.AreNotEqual(one, Train(3, teacher: 5), "Other teachers would have gone unnoticed.");
    }

    /// <summary>More rows than the smallest budget allows in memory.</summary>
    private static FileRows InAFile(Objective objective)
    {
        const int Count = 32_000;
        var collector = new RowCollector(
            new RowShape(Inputs, 1, false, false), 1 << 20, () => SpillFile.Create(Path.GetTempPath()), seed: 1);
        double[][] rows = Generated.Rows(Count, Inputs, 1), targets = Generated.Targets(objective, rows, Outputs, 1);
        for (int row = 0; row < Count; row++)
            collector.Add([.. rows[row].Select(value => (float)value)], [(float)targets[row][0]], 1);
        return (FileRows)collector.Complete();
    }

    /// <summary>Mean distance between what the teacher and a network say of rows.</summary>
    private static float Distance(NetworkParameters parameters, TrainingSettings settings, double[][] rows)
    {
        var encoder = InputEncoder.Identity(Inputs);
        float[] raw = [.. rows.SelectMany(row => row.Select(value => (float)value))];
        float[] said = new float[rows.Length * Outputs], learned = new float[said.Length];
        FoldedNetwork teacher = settings.Teacher!.Fold(new RowShape(Inputs, 1, false, false));
        FoldedNetwork network = FoldedNetwork.Create(encoder, parameters);
        teacher.Score(raw, rows.Length, said, teacher.CreateScratch(), settings.Objective.LinkOf(null));
        network.Score(raw, rows.Length, learned, network.CreateScratch(), settings.Objective.LinkOf(null));
        // Logarithms are balanced by one number for each output in the end, which the shape of the rest does not notice.
        float[] ratios = [.. Enumerable.Range(0, Outputs).Select(
            k => settings.Objective.PredictsLogarithm ? (float)(Total(said, k) / Total(learned, k)) : 1)];
        return said.Select((value, i) => MathF.Abs(value - ratios[i % Outputs] * learned[i])).Average();

        static double Total(float[] values, int output) => values.Where((_, i) => i % Outputs == output).Sum(value => (double)value);
    }

    private static TrainingSettings Taught(Objective objective) => Taught(objective, Definition(), 1);

    private static TrainingSettings Taught(Objective objective, NetworkDefinition definition, ulong seed) => new()
    {
        Objective = objective, Optimizer = new AdamWOptimizer(),
        Teacher = new Teacher(
            InputEncoder.Identity(definition.Inputs), [Generated.Network(definition, seed), Generated.Network(definition, seed + 1)]),
    };

    private static NetworkDefinition OfPictures() => new()
    {
        Inputs = 40, Picture = new MapShape(4, 5, 2),
        Convolutions = [new ConvolutionDefinition { Filters = 6, KernelHeight = 3, KernelWidth = 3 }],
        HiddenUnits = [8], Outputs = Outputs,
    };

    private static NetworkDefinition Definition() => new() { Inputs = Inputs, HiddenUnits = [24, 12], Outputs = Outputs };
}
