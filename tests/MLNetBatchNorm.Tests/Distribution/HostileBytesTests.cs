using Microsoft.ML;
using MLNetBatchNorm.Data;
using MLNetBatchNorm.Distribution;
using MLNetBatchNorm.Formats;
using MLNetBatchNorm.Training;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Tests.MLNet;

namespace MLNetBatchNorm.Tests.Distribution;

/// <summary>What comes from another process is refused where it is not what that process should have sent.</summary>
[TestClass]
public sealed class HostileBytesTests
{
    // Rows with a category, and not one of the kinds of networks.
    private const string Categories = "Categories";

    private readonly MLContext _context = new(1);

    public static IEnumerable<object[]> Parts =>
    [
        ["header", NetworkKind.Multiclass.ToString(), 1000], ["block", NetworkKind.Multiclass.ToString(), 1000],
        ["block", NetworkKind.Binary.ToString(), 300], ["training", NetworkKind.Regression.ToString(), 1500],
        ["news", NetworkKind.Regression.ToString(), 400],
        ["header", Categories, 1500], ["block", Categories, 500], ["training", Categories, 1000],
    ];

    /// <summary>
    /// Mutated bytes either do no harm or end in the documented exceptions, and never take more memory than some times the bytes.
    /// </summary>
    [TestMethod]
    [DynamicData(nameof(Parts))]
    public void Read_MutatedBytes_EndAsDocumented(string part, string kindName, int inputs)
    {
        Captured sent = kindName == Categories ? CaptureCategories() : Capture(Enum.Parse<NetworkKind>(kindName));
        var random = new Random(5);
        int read = 0, refused = 0;
        long most = 0;
        for (int input = 0; input < inputs; input++)
        {
            byte[] mutated = Mutated(sent.Parts[part][random.Next(sent.Parts[part].Count)], random);
            long before = GC.GetAllocatedBytesForCurrentThread();
            try
            {
                sent.Read(part, mutated);
                read++;
            }
            catch (InvalidDataException)
            {
                refused++;
            }
            catch (InvalidOperationException e) when (part == "news")
            {
                Assert.Contains("failed where it was trained", e.Message);
                read++;
            }

            most = Math.Max(most, GC.GetAllocatedBytesForCurrentThread() - before);
        }

        Assert.IsGreaterThan(inputs / 20, refused);
        Assert.IsLessThan(64L << 20, most, "bytes were allocated for one input");
        // The mutations get far: whole messages with another number in them are among them.
        Assert.IsGreaterThan(0, read, part);
    }

    [TestMethod]
    public void Begin_OtherVersion_NamesBoth()
    {
        Captured sent = Capture(NetworkKind.Regression);
        byte[] other = [.. sent.Parts["header"][0]];
        other[8] ^= 1;
        var thrown = Assert.ThrowsExactly<InvalidDataException>(() => TrainingRows.Begin(other, Path.GetTempPath()).Dispose());
        Assert.Contains(FitTrainings.LibraryVersion, thrown.Message);
        Assert.Contains("Run the same version everywhere", thrown.Message);
    }

    [TestMethod]
    public void Run_TrainingOfOtherRows_IsRefused()
    {
        Captured regression = Capture(NetworkKind.Regression), multiclass = Capture(NetworkKind.Multiclass);
        using TrainingRows rows = regression.Rows();
        var thrown = Assert.ThrowsExactly<InvalidDataException>(
            () => new TrainingWorker(rows, multiclass.Parts["training"][0]) { Report = _ => { } });
        Assert.Contains("objective", thrown.Message);
    }

    /// <summary>A note that is neither information nor a warning nor an error has no place in a log.</summary>
    [TestMethod]
    public void ReadNote_OfAKindThatThereIsNot_IsRefused()
    {
        byte[] news = NewsFormat.Note(new TrainingNote(TrainingNoteKind.Error, "full"));
        Assert.AreEqual(new TrainingNote(TrainingNoteKind.Error, "full"), Read(news));
        news[1] = 3;
        Assert.Contains("kind of note has number 3", Assert.ThrowsExactly<NetworkFormatException>(() => Read(news)).Message);

        static TrainingNote Read(byte[] news)
        {
            using var reader = new BinaryReader(new MemoryStream(news));
            Assert.AreEqual(NewsKind.Note, NewsFormat.KindOf(reader));
            return NewsFormat.ReadNote(reader);
        }
    }

    /// <summary>A category's number is a place in arrays: it is looked at before it is one.</summary>
    [TestMethod]
    [DataRow(6f)]
    [DataRow(-2f)]
    [DataRow(0.5f)]
    [DataRow(float.PositiveInfinity)]
    public void Add_CategoryThatThereIsNot_IsRefused(float number)
    {
        Captured sent = CaptureCategories();
        byte[] block = [.. sent.Parts["block"][0]];
        // The length in front, and one number before the category, of the first row.
        Span<byte> place = block.AsSpan(sizeof(int) + RowBlockWriter.HeaderBytes + sizeof(float), sizeof(float));
        Assert.AreEqual(1f, BitConverter.ToSingle(place));
        BitConverter.TryWriteBytes(place, 5f);
        AddTo(sent, block);
        BitConverter.TryWriteBytes(place, number);
        var thrown = Assert.ThrowsExactly<InvalidDataException>(() => AddTo(sent, block));
        Assert.Contains("of the 5 of range 0", thrown.Message);

        static void AddTo(Captured sent, byte[] block)
        {
            using var rows = TrainingRows.Begin(sent.Parts["header"][0], Path.GetTempPath());
            rows.Add(block);
            Assert.IsTrue(rows.IsComplete);
        }
    }

    [TestMethod]
    public void Key_IsOfTheTrainingAndItsRows_SharedOrNot()
    {
        Captured sent = Capture(NetworkKind.Regression);
        using TrainingRows rows = sent.Rows(), again = sent.Rows();
        string[] keys = [.. sent.Parts["training"].Select(training => new TrainingWorker(rows, training) { Report = _ => { } }.Key)];
        Assert.HasCount(2, keys.Distinct());
        Assert.AreEqual(keys[0], new TrainingWorker(again, sent.Parts["training"][0]) { Report = _ => { } }.Key);
        Assert.AreEqual(keys[0], sent.SharedKey);
    }

    private static byte[] Mutated(byte[] bytes, Random random)
    {
        byte[] mutated = [.. bytes];
        for (int change = random.Next(1, 4); change > 0; change--)
        {
            int at = random.Next(mutated.Length);
            switch (random.Next(4))
            {
                case 0:
                    mutated[at] = (byte)random.Next(256);
                    break;
                case 1:
                    mutated[at] ^= (byte)(1 << random.Next(8));
                    break;
                case 2 when at + 4 <= mutated.Length:
                    int[] numbers = [int.MaxValue, int.MinValue, -1, 0, 1 << 24, 1 << 20, 3];
                    BitConverter.TryWriteBytes(mutated.AsSpan(at), numbers[random.Next(numbers.Length)]);
                    break;
                default:
                    mutated = random.Next(4) == 0 ? mutated[..Math.Max(1, at)] : mutated;
                    break;
            }
        }

        return mutated;
    }

    private Captured Capture(NetworkKind kind)
    {
        var captured = new Captured();
        NetworkExamples.Quick(_context, kind, options =>
        {
            options.TrainingRunner = captured;
            options.NumberOfEnsembleMembers = 2;
        }).Fit(NetworkExamples.View(_context, kind, NetworkExamples.Rows(90)));
        return captured;
    }

    private Captured CaptureCategories()
    {
        var captured = new Captured();
        OneHotRows.Trainer(_context, captured).Fit(OneHotRows.View(_context, 90));
        return captured;
    }

    /// <summary>Keeps everything that goes one way or the other, and reads any of it again.</summary>
    private sealed class Captured : TrainingRunner
    {
        private FitTrainings? _trainings;

        public Dictionary<string, List<byte[]>> Parts { get; } = new()
        {
            ["header"] = [], ["block"] = [], ["training"] = [], ["news"] = [],
        };

        public string SharedKey { get; private set; } = "";

        public override void Run(FitTrainings trainings, CancellationToken cancellation)
        {
            _trainings = trainings;
            using (TrainingRows shared = trainings.ShareRows())
                SharedKey = new TrainingWorker(shared, trainings.GetTraining(0)) { Report = _ => { } }.Key;
            new BytesRunner
            {
                OnTheWay = (name, bytes) =>
                {
                    Parts[name].Insert(0, bytes);
                    return bytes;
                },
            }.Run(trainings, cancellation);
        }

        public TrainingRows Rows()
        {
            var rows = TrainingRows.Begin(Parts["header"][0], Path.GetTempPath());
            rows.Add(Parts["block"][0]);
            return rows;
        }

        public void Read(string part, byte[] bytes)
        {
            switch (part)
            {
                case "header":
                    using (TrainingRows rows = TrainingRows.Begin(bytes, Path.GetTempPath()))
                        rows.Add(Parts["block"][0]);
                    break;
                case "block":
                    using (var rows = TrainingRows.Begin(Parts["header"][0], Path.GetTempPath()))
                        rows.Add(bytes);
                    break;
                case "training":
                    using (TrainingRows rows = Rows())
                        _ = new TrainingWorker(rows, bytes) { Report = _ => { } };
                    break;
                default:
                    // A Fit of its own for each, because what has ended is not told again.
                    new FitTrainings(_trainings!.Trainings, new Deaf(), null).Receive(0, bytes);
                    break;
            }
        }
    }

    private sealed class Deaf : MLNetBatchNorm.Training.ITrainingsObserver
    {
        public void Started(MLNetBatchNorm.Training.NetworkTraining training, int rows, int validationRows)
        {
        }

        public void EpochEnded(MLNetBatchNorm.Training.NetworkTraining training, EpochRecord record, int bestEpoch, int maximumEpochs)
        {
        }

        public void Noted(MLNetBatchNorm.Training.NetworkTraining training, MLNetBatchNorm.Training.TrainingNote note)
        {
        }

        public void Ended(MLNetBatchNorm.Training.NetworkTraining training, MLNetBatchNorm.Training.NetworkMember result)
        {
        }
    }
}
