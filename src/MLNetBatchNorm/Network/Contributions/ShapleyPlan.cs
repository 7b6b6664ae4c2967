using System.Numerics;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary>Which coalitions of players are scored, and what Shapley values follow from their scores.</summary>
/// <remarks>
/// <para>
/// The Shapley value of a player (Shapley 1953; Lundberg and Lee 2017, arXiv:1705.07874) is the mean, over all orders in which players can
/// come, of what it adds to those who are there. Up to <see cref="MostPlayersOfAll"/> players all coalitions are scored, one player's
/// coming or going after another (Gray's code), and the values are exact. Of more players orders are drawn, each together with its reverse
/// (antithetic sampling: Mitchell et al. 2022, arXiv:2104.12199): such a pair is exact wherever effects are those of one or two players,
/// because of two who matter together each is once the later one. Only what three and more do together is left to chance.
/// </para>
/// <para>The orders follow from the number of players alone, and sums are complete for every order: values add up to the score.</para>
/// </remarks>
internal sealed class ShapleyPlan
{
    /// <summary>Players up to which all coalitions are scored.</summary>
    public const int MostPlayersOfAll = 8;

    /// <summary>Coalitions of more players, as long as that makes no fewer than <see cref="FewestPairs"/> pairs of orders.</summary>
    private const int Coalitions = 256;

    /// <summary>Pairs of orders at least.</summary>
    private const int FewestPairs = 2;

    private int[] _orders = [];
    private ContributionStep[] _steps = [];
    private double[] _weights = [];
    private int _players;
    private int _pairs;
    private int _count;

    /// <summary>The coalitions, in the order in which they are scored; without that of nobody, and of orders without that of all.</summary>
    public ReadOnlySpan<ContributionStep> Steps => _steps.AsSpan(0, _count);

    private bool IsOfAll => _players <= MostPlayersOfAll;

    /// <summary>Makes the plan for so many players; it is kept until another number is asked for.</summary>
    public void Prepare(int players)
    {
        if (players == _players)
            return;
        _players = players;
        _count = 0;
        if (IsOfAll)
            PrepareAll();
        else
            PrepareOrders();
    }

    /// <summary>Values of all players, [players, outputs].</summary>
    /// <param name="nobody">Scores of the base, one for each output.</param>
    /// <param name="scores">Scores of the coalitions, [steps, outputs].</param>
    /// <param name="everybody">Scores of the row itself.</param>
    /// <param name="values">Room for the values.</param>
    public void Solve(ReadOnlySpan<double> nobody, ReadOnlySpan<double> scores, ReadOnlySpan<double> everybody, Span<double> values)
    {
        int outputs = nobody.Length;
        values = values[..(_players * outputs)];
        values.Clear();
        if (IsOfAll)
            SolveAll(nobody, scores, everybody, values);
        else
            SolveOrders(nobody, scores, everybody, values);
    }

    private void PrepareAll()
    {
        int coalitions = 1 << _players;
        Grow(ref _steps, coalitions);
        for (int i = 1; i < coalitions; i++)
        {
            int player = BitOperations.TrailingZeroCount(i);
            _steps[_count++] = new ContributionStep(player, Removes: (Gray(i) >> player & 1) == 0, FromBase: i == 1);
        }
        // The share of the orders in which a player comes when so many are there: s! (n - s - 1)! / n!.
        Grow(ref _weights, _players);
        for (int there = 0; there < _players; there++)
            _weights[there] = there == 0 ? 1.0 / _players : _weights[there - 1] * there / (_players - there);
    }

    private static int Gray(int i) => i ^ (i >> 1);

    private void SolveAll(ReadOnlySpan<double> nobody, ReadOnlySpan<double> scores, ReadOnlySpan<double> everybody, Span<double> values)
    {
        int outputs = nobody.Length, coalitions = 1 << _players;
        for (int i = 0; i < coalitions; i++)
        {
            int coalition = Gray(i), there = BitOperations.PopCount((uint)coalition);
            ReadOnlySpan<double> score = there == 0 ? nobody
                : there == _players ? everybody
                : scores.Slice((i - 1) * outputs, outputs);
            // A coalition's score counts for those who have come, and against those who have not.
            double came = there == 0 ? 0 : _weights[there - 1], notYet = there == _players ? 0 : -_weights[there];
            for (int player = 0; player < _players; player++)
            {
                double weight = (coalition >> player & 1) == 1 ? came : notYet;
                for (int o = 0; o < outputs; o++)
                    values[player * outputs + o] += weight * score[o];
            }
        }
    }

    private void PrepareOrders()
    {
        _pairs = Math.Max(FewestPairs, Coalitions / (2 * (_players - 1)));
        Grow(ref _orders, _pairs * _players);
        Grow(ref _steps, 2 * _pairs * (_players - 1));
        var random = new RandomStream((ulong)_players, RandomPurpose.ContributionOrders);
        for (int pair = 0; pair < _pairs; pair++)
        {
            Span<int> order = _orders.AsSpan(pair * _players, _players);
            for (int player = 0; player < _players; player++)
                order[player] = player;
            random.Shuffle(order);
            for (int i = 0; i < _players - 1; i++)
                _steps[_count++] = new ContributionStep(order[i], Removes: false, FromBase: i == 0);
            for (int i = 0; i < _players - 1; i++)
                _steps[_count++] = new ContributionStep(order[_players - 1 - i], Removes: false, FromBase: i == 0);
        }
    }

    private void SolveOrders(ReadOnlySpan<double> nobody, ReadOnlySpan<double> scores, ReadOnlySpan<double> everybody, Span<double> values)
    {
        int outputs = nobody.Length, step = 0;
        for (int pair = 0; pair < _pairs; pair++)
        {
            ReadOnlySpan<int> order = _orders.AsSpan(pair * _players, _players);
            for (int way = 0; way < 2; way++)
            {
                ReadOnlySpan<double> before = nobody;
                for (int i = 0; i < _players; i++)
                {
                    ReadOnlySpan<double> after = i == _players - 1 ? everybody : scores.Slice(step++ * outputs, outputs);
                    int player = way == 0 ? order[i] : order[_players - 1 - i];
                    for (int o = 0; o < outputs; o++)
                        values[player * outputs + o] += after[o] - before[o];
                    before = after;
                }
            }
        }
        foreach (ref double value in values)
            value /= 2 * _pairs;
    }

    private static void Grow<T>(ref T[] array, int needed)
    {
        if (array.Length < needed)
            array = new T[Math.Max(needed, 2 * array.Length)];
    }
}
