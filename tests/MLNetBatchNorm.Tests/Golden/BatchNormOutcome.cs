using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Tests.Fixtures;

namespace MLNetBatchNorm.Tests.Golden;

/// <summary>How a batch normalization may be got wrong; the first is how it is done right.</summary>
internal enum BatchNormConvention
{
    AsWritten,
    BiasedRunningVariance,
    UnbiasedNormalization,
    MomentumOfTheOldValue,
    EpsilonOutsideTheRoot,
    OnePassVarianceInSingle,
    StatisticsWithoutGradient,
    FirstBatchNotCounted,
}

/// <summary>
/// Everything a file of kind bn_forward_backward asks for, as our layer makes it or as a plain restatement of the formulas does.
/// </summary>
internal sealed class BatchNormOutcome
{
    public required double[][] Y { get; init; }

    public required double[] BatchMean { get; init; }

    public required double[] BatchVariance { get; init; }

    public required double[][] InputGradient { get; init; }

    public required double[] GammaGradient { get; init; }

    public required double[] BetaGradient { get; init; }

    public required double[] RunningMean { get; init; }

    public required double[] RunningVariance { get; init; }

    public required double BatchesTracked { get; init; }

    public required double[][] EvaluationY { get; init; }

    /// <summary>One training step of the layer that networks are made of, then prediction with what it tracked.</summary>
    public static BatchNormOutcome OfLayer(FixtureFile file)
    {
        int columns = (int)file.Root.Number("C");
        double? momentum = file.Root.NumberOrNull("momentum_pytorch");
        var definition = new NetworkDefinition
        {
            Inputs = columns,
            HiddenUnits = [],
            Outputs = 1,
            Epsilon = file.Root.Number("eps"),
            RunningStatisticsMomentum = momentum ?? 0.1,
            Statistics = momentum is null ? BatchNormalizationStatistics.Cumulative : BatchNormalizationStatistics.RunningAverage,
        };
        var parameters =
            new BatchNormalizationParameters(columns, 1) { BatchesTracked = (long)file.Root.Number("num_batches_tracked_before") };
        file.Root.Vector("gamma").ToSingle().CopyTo(parameters.Gamma.Span);
        file.Root.Vector("beta").ToSingle().CopyTo(parameters.Beta.Span);
        file.Root.Vector("running_mean_before").CopyTo(parameters.RunningMean, 0);
        file.Root.Vector("running_var_before").CopyTo(parameters.RunningVariance, 0);

        var node = new BatchNormNode(0, 0, columns, definition);
        PanelMatrix input = Panels.Of(file.Root.Matrix("X"));
        var output = new PanelMatrix(input.RowCapacity, columns);
        var layer = new BatchNormLayer(node, parameters, input, output);
        layer.Forward(input.RowCapacity, 0, input.Panels);
        PanelMatrix gradient = Panels.Of(file.Root.Matrix("dY"));
        layer.Backward(gradient, input.RowCapacity, 0, input.Panels);

        PanelMatrix evaluated = Panels.Of(file.Root.Matrix("X_eval"));
        var evaluatedOutput = new PanelMatrix(evaluated.RowCapacity, columns);
        var frozen = new BatchNormLayer(node, parameters, evaluated, evaluatedOutput) { Policy = StatisticsPolicy.Frozen };
        frozen.Forward(evaluated.RowCapacity, 0, evaluated.Panels);

        (double[] mean, double[] variance) = Moments(input);
        return new BatchNormOutcome
        {
            Y = Panels.Rows(output),
            BatchMean = mean,
            BatchVariance = variance,
            InputGradient = Panels.Rows(gradient),
            GammaGradient = Panels.Vector(layer.Parameters[0].Gradient, columns),
            BetaGradient = Panels.Vector(layer.Parameters[1].Gradient, columns),
            RunningMean = parameters.RunningMean,
            RunningVariance = parameters.RunningVariance,
            BatchesTracked = parameters.BatchesTracked,
            EvaluationY = Panels.Rows(evaluatedOutput),
        };
    }

    /// <summary>The formulas of the fixtures' README in double precision, column by column, with one of them got wrong.</summary>
    public static BatchNormOutcome OfFormulas(FixtureFile file, BatchNormConvention convention)
    {
        double[][] x = file.Root.Matrix("X"), dy = file.Root.Matrix("dY"), evaluated = file.Root.Matrix("X_eval");
        double[] gamma = file.Root.Vector("gamma"), beta = file.Root.Vector("beta");
        double epsilon = file.Root.Number("eps");
        double seen = file.Root.Number("num_batches_tracked_before") + (convention == BatchNormConvention.FirstBatchNotCounted ? 0 : 1);
        double momentum = file.Root.NumberOrNull("momentum_pytorch") ?? 1 / Math.Max(1, seen);
        if (convention == BatchNormConvention.MomentumOfTheOldValue)
            momentum = 1 - momentum;
        int rows = x.Length, columns = gamma.Length;
        var outcome = new BatchNormOutcome
        {
            Y = NewRows(rows, columns),
            BatchMean = new double[columns],
            BatchVariance = new double[columns],
            InputGradient = NewRows(rows, columns),
            GammaGradient = new double[columns],
            BetaGradient = new double[columns],
            RunningMean = file.Root.Vector("running_mean_before"),
            RunningVariance = file.Root.Vector("running_var_before"),
            BatchesTracked = seen,
            EvaluationY = NewRows(evaluated.Length, columns),
        };
        for (int c = 0; c < columns; c++)
        {
            double mean = x.Average(r => r[c]);
            double variance = convention == BatchNormConvention.OnePassVarianceInSingle
                ? OnePassVariance(x, c)
                : x.Sum(r => (r[c] - mean) * (r[c] - mean)) / rows;
            double unbiased = variance * rows / (rows - 1);
            outcome.BatchMean[c] = mean;
            outcome.BatchVariance[c] = variance;
            double inverse = Inverse(convention == BatchNormConvention.UnbiasedNormalization ? unbiased : variance);

            double sum = dy.Sum(r => r[c]), product = 0;
            for (int r = 0; r < rows; r++)
            {
                double normalized = (x[r][c] - mean) * inverse;
                outcome.Y[r][c] = gamma[c] * normalized + beta[c];
                product += dy[r][c] * normalized;
            }
            outcome.BetaGradient[c] = sum;
            outcome.GammaGradient[c] = product;
            for (int r = 0; r < rows; r++)
            {
                double through = convention == BatchNormConvention.StatisticsWithoutGradient
                    ? 0
                    : sum / rows + (x[r][c] - mean) * inverse * product / rows;
                outcome.InputGradient[r][c] = gamma[c] * inverse * (dy[r][c] - through);
            }

            double tracked = convention == BatchNormConvention.BiasedRunningVariance ? variance : unbiased;
            outcome.RunningMean[c] = (1 - momentum) * outcome.RunningMean[c] + momentum * mean;
            outcome.RunningVariance[c] = (1 - momentum) * outcome.RunningVariance[c] + momentum * tracked;
            double frozen = Inverse(outcome.RunningVariance[c]);
            for (int r = 0; r < evaluated.Length; r++)
                outcome.EvaluationY[r][c] = gamma[c] * (evaluated[r][c] - outcome.RunningMean[c]) * frozen + beta[c];
        }
        return outcome;

        double Inverse(double variance)
            => convention == BatchNormConvention.EpsilonOutsideTheRoot
                ? 1 / (Math.Sqrt(variance) + epsilon)
                : 1 / Math.Sqrt(variance + epsilon);
    }

    private static (double[] Mean, double[] Variance) Moments(PanelMatrix input)
    {
        var mean = new double[input.Columns];
        var variance = new double[input.Columns];
        float[] pivot = new float[PanelLayout.Width], offset = new float[PanelLayout.Width], biased = new float[PanelLayout.Width];
        for (int c = 0; c < input.Columns; c++)
        {
            if (c % PanelLayout.Width == 0)
                ColumnStatistics.Moments(input.Rows(c / PanelLayout.Width, 0, input.RowCapacity), input.RowCapacity, pivot, offset, biased);
            mean[c] = (double)pivot[c % PanelLayout.Width] + offset[c % PanelLayout.Width];
            variance[c] = biased[c % PanelLayout.Width];
        }
        return (mean, variance);
    }

    private static double OnePassVariance(double[][] x, int column)
    {
        float sum = 0, squares = 0;
        foreach (double[] row in x)
        {
            sum += (float)row[column];
            squares += (float)row[column] * (float)row[column];
        }
        float mean = sum / x.Length;
        return squares / x.Length - mean * mean;
    }

    private static double[][] NewRows(int rows, int columns) => [.. Enumerable.Range(0, rows).Select(_ => new double[columns])];
}
