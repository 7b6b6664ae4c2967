using System.Runtime.InteropServices;
using System.Security.Cryptography;
using MLNetBatchNorm.Data;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Objectives;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm.Tests;

/// <summary>
/// Small data sets and networks from a seed, unlike each other in every column, row and array, so that nothing mixed up stays hidden.
/// </summary>
internal static class Generated
{
    private const ulong RowPurpose = 9000;
    private const ulong TargetPurpose = 9001;
    private const ulong WeightPurpose = 9002;
    private const ulong ParameterPurpose = 9003;

    /// <summary>Rows whose columns have means from -3 to 3 and deviations from 0.5 on.</summary>
    public static double[][] Rows(int rows, int columns, ulong seed)
    {
        var random = new RandomStream(seed, RowPurpose);
        var result = new double[rows][];
        for (int r = 0; r < rows; r++)
        {
            result[r] = new double[columns];
            for (int c = 0; c < columns; c++)
                result[r][c] = (float)(c % 7 - 3 + (0.5 + c % 4) * Bell(ref random));
        }
        return result;
    }

    /// <summary>
    /// A target for each row that depends on it, with some noise: a class number, zeros and ones with
    /// a soft value here and there, or real numbers.
    /// </summary>
    public static double[][] Targets(Objective loss, double[][] rows, int outputs, ulong seed)
    {
        var random = new RandomStream(seed, TargetPurpose);
        var result = new double[rows.Length][];
        for (int r = 0; r < rows.Length; r++)
        {
            double signal = Math.Sin(rows[r][0]) + 0.3 * rows[r][^1];
            if (loss is SoftmaxCrossEntropy)
            {
                result[r] = [(int)(Math.Abs(signal) * 2 + random.NextDouble()) % outputs];
                continue;
            }
            result[r] = new double[outputs];
            for (int k = 0; k < outputs; k++)
            {
                double value = signal * (k + 1) + 0.3 * Bell(ref random);
                result[r][k] = loss switch
                {
                    BinaryCrossEntropy => r % 5 == 4 ? 0.25 : value > 0 ? 1 : 0,
                    // Some are 0, which a deviance treats by itself.
                    LogLinkLoss => (float)Math.Max(0, value),
                    _ => (float)value,
                };
            }
        }
        return result;
    }

    /// <summary>Weights between 0.25 and 3, every sixth 0.</summary>
    public static double[] Weights(int rows, ulong seed)
    {
        var random = new RandomStream(seed, WeightPurpose);
        var result = new double[rows];
        for (int r = 0; r < rows; r++)
            result[r] = r % 6 == 5 ? 0 : (float)(0.25 + 2.75 * random.NextDouble());
        return result;
    }

    /// <summary>The three above as a table.</summary>
    public static TrainingTable Table(double[][] rows, double[][] targets, double[]? weights = null)
    {
        var table = new TrainingTable(rows[0].Length, targets[0].Length, weights is not null);
        for (int r = 0; r < rows.Length; r++)
            table.Add([.. rows[r].Select(v => (float)v)], [.. targets[r].Select(v => (float)v)], (float)(weights?[r] ?? 1));
        return table;
    }

    /// <summary>The table that rows are in, where they are in memory.</summary>
    public static TrainingTable TableInMemory(this EncodedRows rows) => ((TableRows)rows.Source).Table;

    /// <summary>Rows and targets from one seed.</summary>
    public static EncodedRows Data(Objective loss, int rows, int inputs, int outputs, ulong seed, bool weighted = false)
    {
        double[][] x = Rows(rows, inputs, seed);
        return new EncodedRows(Table(x, Targets(loss, x, outputs, seed), weighted ? Weights(rows, seed) : null));
    }

    /// <summary>
    /// The same rows and targets as <see cref="Data"/>, with about three quarters of the entries left out of a sparse table.
    /// </summary>
    public static EncodedRows SparseData(Objective loss, int rows, int inputs, int outputs, ulong seed)
    {
        double[][] x = Rows(rows, inputs, seed), y = Targets(loss, x, outputs, seed);
        TrainingTable table = TrainingTable.CreateSparse(inputs, y[0].Length, weighted: false);
        for (int r = 0; r < rows; r++)
        {
            int[] kept = [.. Enumerable.Range(0, inputs).Where(c => (c * 7 + r * 3) % 11 < 3)];
            table.AddSparse(kept, [.. kept.Select(c => (float)x[r][c])], [.. y[r].Select(v => (float)v)], 1);
        }
        return new EncodedRows(table);
    }

    /// <summary>Initial weights, and biases, gammas and betas that are not all 0 or 1.</summary>
    public static NetworkParameters Network(NetworkDefinition definition, ulong seed)
    {
        NetworkParameters parameters = Initialization.Create(definition, seed);
        var random = new RandomStream(seed, ParameterPurpose);
        for (int layer = 0; layer < definition.LayerCount; layer++)
        {
            if (parameters.LinearOf(layer) is { Bias: { } bias } linear)
                Fill(bias.Span[..linear.Outputs], 0, ref random);
            foreach (ConvolutionParameters convolution in parameters.OthersOf(layer).OfType<ConvolutionParameters>())
            {
                if (convolution.Bias is { } shift)
                    Fill(shift.Span[..convolution.Filters], 0, ref random);
            }
            if (parameters.BatchNormalization[layer] is { } normalization)
            {
                Fill(normalization.Gamma.Span[..normalization.Columns], 1, ref random);
                Fill(normalization.Beta.Span[..normalization.Columns], 0, ref random);
            }
        }
        return parameters;
    }

    /// <summary>SHA-256 of all bytes that training makes: weights, biases, gammas, betas, statistics and counts.</summary>
    public static string Hash(NetworkParameters parameters)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        for (int layer = 0; layer < parameters.Definition.LayerCount; layer++)
        {
            if (parameters.LinearOf(layer) is { } linear)
            {
                // As the trained one lies, whether it does or not.
                var padded = new LinearParameters(linear.Inputs, linear.Outputs, linear.Bias is not null);
                padded.CopyFrom(linear);
                hash.AppendData(MemoryMarshal.AsBytes(padded.Weights.Span));
                if (linear.Bias is { } bias)
                    hash.AppendData(MemoryMarshal.AsBytes(bias.Span));
            }
            foreach (ConvolutionParameters convolution in parameters.OthersOf(layer).OfType<ConvolutionParameters>())
            {
                hash.AppendData(MemoryMarshal.AsBytes(convolution.Weights.Span));
                if (convolution.Bias is { } shift)
                    hash.AppendData(MemoryMarshal.AsBytes(shift.Span));
            }
            if (parameters.BatchNormalization[layer] is not { } normalization)
                continue;
            hash.AppendData(MemoryMarshal.AsBytes(normalization.Gamma.Span));
            hash.AppendData(MemoryMarshal.AsBytes(normalization.Beta.Span));
            hash.AppendData(MemoryMarshal.AsBytes(normalization.RunningMean.AsSpan()));
            hash.AppendData(MemoryMarshal.AsBytes(normalization.RunningVariance.AsSpan()));
            hash.AppendData(BitConverter.GetBytes(normalization.BatchesTracked));
        }
        return Convert.ToHexString(hash.GetHashAndReset());
    }

    /// <summary>What an epoch came to.</summary>
    public static EpochRecord Epoch(int epoch, double rate, double trainingLoss, double? validationLoss, double? metric = null) => new()
    {
        Epoch = epoch, LearningRate = rate, TrainingLoss = trainingLoss, ValidationLoss = validationLoss, ValidationMetric = metric,
    };

    /// <summary>
    /// Nearly normal, with deviation 1: the sum of twelve uniform numbers needs no logarithm, whose last bit differs between systems.
    /// </summary>
    private static double Bell(ref RandomStream random)
    {
        double sum = -6;
        for (int i = 0; i < 12; i++)
            sum += random.NextDouble();
        return sum;
    }

    private static void Fill(Span<float> values, double around, ref RandomStream random)
    {
        foreach (ref float value in values)
            value = (float)(around + 0.3 * Bell(ref random));
    }
}
