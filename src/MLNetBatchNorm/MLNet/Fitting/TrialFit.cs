using System.Globalization;
using System.Runtime.ExceptionServices;
using Microsoft.ML.Runtime;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm;

/// <summary>
/// Tries the configurations of a plan, gives up those that judge badly early, and chooses what the others count for in the model.
/// </summary>
/// <remarks>
/// <para>A candidate is a configuration whose networks, one for each part of the rows that is set aside, have all been trained. It is
/// judged by what each network says of half of the rows that it set aside; the other half has chosen its epoch.</para>
/// <para>Successive halving (Jamieson and Talwalkar 2016, arXiv:1502.07943) over networks: all trials train the first, the better half the
/// second, the better half of these all others. Every training goes through a full cycle of the learning rate, inside of which ranks
/// mislead, and what is trained for a rung is not thrown away in the next. Where a network judges on few rows, the first rung has more of
/// them.</para>
/// <para>All of it follows from the plan and from what trainings come to, each a function of its value, so that it does not matter where
/// they run, and an interrupted search finds its way again by the checkpoints of those that have ended.</para>
/// </remarks>
internal sealed class TrialFit
{
    /// <summary>More rows do not tell configurations apart any better than the luck of their networks does.</summary>
    private const int MostJudgedRows = 20_000;

    /// <summary>Rows on which a trial may be given up. An effort by itself tries nothing with fewer.</summary>
    private const int EnoughJudgedRows = 300;

    private readonly IChannel _channel;
    private readonly FitPlan _plan;
    private readonly FitRows _rows;
    private readonly ITrainingRunner _runner;
    private readonly ITrainingStore? _store;
    private readonly FitObserver _observer;
    private readonly int _threads;
    private readonly int _members;
    private readonly int _kept;
    private readonly bool _measuresErrors;

    // Of each trial, of each of its networks.
    private readonly NetworkMember?[][] _networks;
    private readonly float[]?[][] _said;
    private readonly JudgedRows?[] _judged;
    private readonly int[] _trained;
    private readonly double?[] _scores;
    private readonly bool[] _hasDiverged;

    /// <param name="host">The trainer's host.</param>
    /// <param name="channel">The log.</param>
    /// <param name="options">Whose progress handler is told.</param>
    /// <param name="plan">A plan with trials.</param>
    /// <param name="rows">The rows.</param>
    /// <param name="runner">Runs trainings.</param>
    /// <param name="store">Where these are kept and found again; may be null.</param>
    /// <param name="threads">Threads that may be used here; without influence on the result.</param>
    /// <param name="measuresErrors">Whether half of the rows that would judge are left for prediction intervals.</param>
    public TrialFit(
        IHost host, IChannel channel, BatchNormNetworkOptions options, FitPlan plan, FitRows rows, ITrainingRunner runner,
        ITrainingStore? store, int threads, bool measuresErrors)
    {
        (_channel, _plan, _rows, _runner, _store, _threads) = (channel, plan, rows, runner, store, threads);
        _measuresErrors = measuresErrors;
        _members = plan.Chosen.Members;
        _kept = TrialDrawing.KeptTrials(options, plan.Trials[0]);
        int trials = plan.Trials.Count;
        _networks = [.. Enumerable.Range(0, trials).Select(_ => new NetworkMember?[_members])];
        _said = [.. Enumerable.Range(0, trials).Select(_ => new float[]?[_members])];
        _judged = new JudgedRows?[_members];
        _trained = new int[trials];
        _scores = new double?[trials];
        _hasDiverged = new bool[trials];
        _observer = new FitObserver(
            host, channel, options, plan, rows, (training, network) => _networks[training.Number.Trial][training.Number.Member] = network);
    }

    /// <summary>A trial that is in the model: its trainings, their networks, and what their mean counts for.</summary>
    public sealed record Part(int Trial, FitPlan Plan, NetworkTraining[] Trainings, NetworkMember[] Networks, double Weight);

    /// <summary>What was tried, once all is done.</summary>
    public IReadOnlyList<BatchNormNetworkTrial> Trials { get; private set; } = [];

    /// <summary>Whether there are rows that judge: enough of them, or any at all.</summary>
    public bool CanJudge(bool wantsEnough, CancellationToken cancellation) =>
        Rows(FirstRung(cancellation), cancellation) >= (wantsEnough ? EnoughJudgedRows : 1);

    /// <summary>Tries all, and gives the trials that are in the model, that of the largest weight first.</summary>
    /// <exception cref="TrainingDivergedException">The training of trial 0 diverged; of another trial it is given up.</exception>
    public IReadOnlyList<Part> Run(CancellationToken cancellation)
    {
        int trials = _plan.Trials.Count;
        _observer.Begin();
        var active = Enumerable.Range(0, trials).ToList();
        int done = 0;
        while (done < _members)
        {
            int end = done == 0 ? FirstRung(cancellation) : Math.Min(_members, 2 * done);
            Train(active, done, end, cancellation);
            active.RemoveAll(trial => _hasDiverged[trial]);
            Score(active, done, end, cancellation);
            Judge(active, end);
            done = end;
            if (done < _members)
                GiveUp(active, Survivors(active.Count));
        }

        // Where all were trained, because a network judges on few rows, the worse ones are left out of the choice all the same.
        if (active.Count > MostCandidates)
            GiveUp(active, MostCandidates);

        double[] weights = Select(active, cancellation);
        Trials = [.. _plan.Trials.Select((plan, trial) =>
            plan.Describe(trial, _trained[trial], _scores[trial], active.IndexOf(trial) is >= 0 and int i ? weights[i] : 0))];
        _channel.Info(MessageSensitivity.None, Text(
            $"The model is of {weights.Count(weight => weight > 0)} of {trials} trials: {string.Join(", ", active
                .Select((trial, i) => (trial, weights[i])).Where(pair => pair.Item2 > 0).OrderByDescending(pair => pair.Item2)
                .Select(pair => Text($"trial {pair.trial + 1} with weight {pair.Item2:F3}")))}."));
        return
        [
            .. Enumerable.Range(0, active.Count).Where(i => weights[i] > 0).OrderByDescending(i => weights[i]).Select(i => new Part(
                active[i], _plan.Trials[active[i]], [.. Enumerable.Range(0, _members).Select(member => TrainingOf(active[i], member))],
                [.. _networks[active[i]].Select(network => network!)], weights[i])),
        ];
    }

    private NetworkTraining TrainingOf(int trial, int member) => _plan.Trials[trial].TrainingOn(
        _rows, new TrainingNumber(trial * _members + member, _members, Restarts: 0, _plan.Trials.Count));

    /// <summary>Networks of the first rung: enough to judge by, doubled as rungs are.</summary>
    private int FirstRung(CancellationToken cancellation)
    {
        int networks = 1;
        while (networks < _members && Rows(networks, cancellation) < EnoughJudgedRows)
            networks = Math.Min(_members, 2 * networks);
        return networks;
    }

    /// <summary>Rows that so many networks judge on.</summary>
    private int Rows(int networks, CancellationToken cancellation)
    {
        int most = MostJudgedRows / (_rows.HasValidation ? 1 : _members);
        for (int member = 0; member < networks; member++)
        {
            // Of validation rows that were given all networks have the same.
            _judged[member] ??= member > 0 && _rows.HasValidation
                ? _judged[0]
                : new JudgedRows(TrainingOf(0, member), most, _measuresErrors, cancellation);
        }

        return _rows.HasValidation ? _judged[0]!.Count : _judged.Take(networks).Sum(rows => rows!.Count);
    }

    /// <summary>Trains networks [first, end) of all trials that are left; one that diverges is given up, and the others go on.</summary>
    private void Train(List<int> active, int first, int end, CancellationToken cancellation)
    {
        while (true)
        {
            NetworkTraining[] missing =
            [
                .. active.Where(trial => !_hasDiverged[trial]).SelectMany(trial => Enumerable.Range(first, end - first)
                    .Where(member => _networks[trial][member] is null).Select(member => TrainingOf(trial, member))),
            ];
            if (missing.Length == 0)
                return;
            _observer.Announce(missing, LaterEpochs(active.Count, end));
            try
            {
                _runner.Run(missing, _observer, _store, cancellation);
            }
            catch (TrainingDivergedException e) when (e.Number is { Trial: > 0 } number)
            {
                _hasDiverged[number.Trial] = true;
                _channel.Info(MessageSensitivity.None, Text($"Trial {number.Trial + 1} diverged and is given up: {e.Message}"));
            }
        }
    }

    /// <summary>Epochs of the rungs behind this one, for the time left: trials that go on are not known yet.</summary>
    private double LaterEpochs(int active, int done)
    {
        double networks = 0;
        for (int end = done; end < _members;)
        {
            active = Survivors(active);
            int next = Math.Min(_members, 2 * end);
            networks += active * (next - end);
            end = next;
        }

        return networks * _plan.Trials.Average(plan => plan.Chosen.Epochs);
    }

    private int Survivors(int active) => Math.Min(active, Math.Max((active + 1) / 2, FewestCandidates));

    /// <summary>With one left, the choice would be made beforehand: the first trial is not given up.</summary>
    private int FewestCandidates => Math.Max(2, MostTrialsInModel);

    /// <summary>A trial brings all of its networks, and the model has a limit of these.</summary>
    private int MostTrialsInModel => Math.Max(1, _plan.MostNetworks / _members);

    /// <summary>
    /// Trials among which the model is chosen: a quarter of all, as two rungs leave. Caruana, Munson and Niculescu-Mizil 2006 ("Getting the
    /// most out of ensemble selection", section 3.1) leave worse models out beforehand too, so that few rows are less overfitted.
    /// </summary>
    private int MostCandidates => Math.Max((_plan.Trials.Count + 3) / 4, Math.Min(_plan.Trials.Count, FewestCandidates));

    private void Score(List<int> active, int first, int end, CancellationToken cancellation)
    {
        Rows(end, cancellation);
        (int Trial, int Member)[] all =
            [.. active.SelectMany(trial => Enumerable.Range(first, end - first).Select(member => (trial, member)))];
        var parallel = new ParallelOptions { MaxDegreeOfParallelism = _threads, CancellationToken = cancellation };
        var faults = new ExceptionDispatchInfo?[all.Length];
        Parallel.For(0, all.Length, parallel, i =>
        {
            (int trial, int member) = all[i];
            try
            {
                _said[trial][member] = _judged[member]!.Score(
                    TrainingOf(trial, member), _networks[trial][member]!.Parameters, cancellation);
            }
            catch (Exception e)
            {
                faults[i] = ExceptionDispatchInfo.Capture(e);
            }
        });
        Array.Find(faults, fault => fault is not null)?.Throw();
    }

    /// <summary>The loss of each trial on the rows that its networks so far judge on.</summary>
    private void Judge(List<int> active, int networks)
    {
        MixtureLoss loss = LossOf(networks);
        float[] rowLoss = new float[loss.Rows];
        foreach (int trial in active)
        {
            loss.Compute(SaidOf(trial, networks), rowLoss);
            _scores[trial] = _rows.Target.RestoreLoss(loss.Mean(rowLoss)) is var score && double.IsFinite(score) ? score : null;
            _trained[trial] = networks;
        }

        int best = active.MinBy(Rank);
        (_observer.BestTrial, _observer.BestTrialScore) = (best, _scores[best]);
    }

    private (double Score, int Trial) Rank(int trial) => (_scores[trial] ?? double.PositiveInfinity, trial);

    /// <summary>
    /// The better half goes on, and always the first trials, as long as there is room for another; what the others have trained is
    /// forgotten.
    /// </summary>
    private void GiveUp(List<int> active, int survivors)
    {
        int certain = Math.Min(_kept, survivors - 1);
        int[] kept = [.. active.OrderBy(trial => trial < certain ? (double.NegativeInfinity, trial) : Rank(trial)).Take(survivors)];
        int best = _observer.BestTrial!.Value;
        _channel.Info(MessageSensitivity.None, Text(
            $"{kept.Length} of {active.Count} trials go on; the best so far is trial {best + 1}, with loss {_scores[best]:G6}."));
        foreach (int trial in active.Except(kept))
        {
            Array.Clear(_networks[trial]);
            Array.Clear(_said[trial]);
        }

        active.RemoveAll(trial => !kept.Contains(trial));
    }

    private double[] Select(List<int> active, CancellationToken cancellation)
    {
        ulong[] hashes = _rows.HasValidation ? _judged[0]!.Hashes : [.. _judged.SelectMany(rows => rows!.Hashes)];
        return GreedySelection.Select(
            LossOf(_members), [.. active.Select(trial => SaidOf(trial, _members))], hashes, MostTrialsInModel, cancellation);
    }

    private MixtureLoss LossOf(int networks)
    {
        JudgedRows[] judged = [.. _judged.Take(_rows.HasValidation ? 1 : networks).Select(rows => rows!)];
        return new MixtureLoss(
            _plan.Trials[0].Settings, [.. judged.SelectMany(rows => rows.Targets)], [.. judged.SelectMany(rows => rows.Weights)],
            _plan.Definition.Outputs);
    }

    /// <summary>What the first networks of a trial say: each of its own rows, or of the rows that all judge on their mean.</summary>
    private float[] SaidOf(int trial, int networks)
    {
        if (!_rows.HasValidation)
            return [.. _said[trial].Take(networks).SelectMany(said => said!)];
        float[] mean = new float[_said[trial][0]!.Length];
        for (int member = 0; member < networks; member++)
            System.Numerics.Tensors.TensorPrimitives.Add(mean, _said[trial][member]!, mean);
        System.Numerics.Tensors.TensorPrimitives.Divide(mean, networks, mean);
        return mean;
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
