namespace MLNetBatchNorm.Tests.Distribution;

/// <summary>
/// Runs trainings as a cluster would, in this process: everything goes through bytes, and each training is lost now and then and goes on
/// from its state or begins anew.
/// </summary>
internal sealed class BytesRunner : TrainingRunner
{
    /// <summary>Epochs after which each training is lost, once; 0: none is.</summary>
    public int LostAfter { get; init; }

    /// <summary>Whether a training that was lost goes on from its state.</summary>
    public bool KeepsStates { get; init; }

    /// <summary>Whether what a training had to tell before it was lost is lost as well.</summary>
    public bool LosesNews { get; init; }

    /// <summary>Whether rows are read where they are, without bytes.</summary>
    public bool SharesRows { get; init; }

    /// <summary>Number of threads of a training.</summary>
    public int Threads { get; init; } = 1;

    /// <summary>Changes bytes on their way, which are named.</summary>
    public Func<string, byte[], byte[]> OnTheWay { get; init; } = (_, bytes) => bytes;

    /// <summary>Number of trainings that were run.</summary>
    public int Trainings { get; private set; }

    /// <summary>Number of blocks of the last rows.</summary>
    public int Blocks { get; private set; }

    public override void Run(FitTrainings trainings, CancellationToken cancellation)
    {
        using TrainingRows rows = SharesRows ? trainings.ShareRows() : Copy(trainings);
        Blocks = rows.NumberOfBlocks;
        // Backward, because nothing may depend on the order.
        for (int training = trainings.Count - 1; training >= 0; training--)
        {
            if (trainings.HasEnded(training))
                continue;
            Trainings++;
            byte[] bytes = OnTheWay("training", trainings.GetTraining(training));
            byte[]? state = LostAfter > 0 ? RunUntilLost(rows, bytes, training, trainings, cancellation) : null;
            int number = training;
            new TrainingWorker(rows, bytes)
            {
                Report = news => trainings.Receive(number, OnTheWay("news", news)), NumberOfThreads = Threads,
                ReadState = KeepsStates ? _ => state : null,
            }.Run(cancellation);
        }
    }

    private TrainingRows Copy(FitTrainings trainings)
    {
        var rows = TrainingRows.Begin(OnTheWay("header", trainings.GetRowsHeader()), Path.GetTempPath());
        try
        {
            for (int block = 0; block < trainings.NumberOfRowBlocks; block++)
                rows.Add(OnTheWay("block", trainings.GetRowBlock(block)));
            if (!rows.IsComplete)
                throw new InvalidOperationException("All blocks have been added, and some are missing.");
            return rows;
        }
        catch
        {
            rows.Dispose();
            throw;
        }
    }

    private byte[]? RunUntilLost(TrainingRows rows, byte[] bytes, int training, FitTrainings trainings, CancellationToken cancellation)
    {
        using var lost = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        byte[]? state = null;
        int epochs = 0;
        var worker = new TrainingWorker(rows, bytes)
        {
            Report = news =>
            {
                if (!LosesNews)
                    trainings.Receive(training, news);
            },
            NumberOfThreads = Threads,
            IsStateWanted = () => true,
            KeepState = kept =>
            {
                state = kept;
                if (++epochs == LostAfter)
                    lost.Cancel();
            },
        };
        try
        {
            worker.Run(lost.Token);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
        }

        return state;
    }
}
