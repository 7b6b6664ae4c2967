using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Objectives;
using MLNetBatchNorm.Tests.Golden;
using MLNetBatchNorm.Training;
using MLNetBatchNorm.Tests.Kernels;

namespace MLNetBatchNorm.Tests.Gradients;

/// <summary>
/// The network written down plainly in double precision: rows as arrays, sums as sums, no gradient. What it gives is what our layers must
/// give, and central differences of its loss are what their gradients must be.
/// </summary>
internal sealed class ReferenceNetwork
{
    private readonly NetworkDefinition _definition;

    /// <summary>A network with the parameters of ours.</summary>
    public ReferenceNetwork(NetworkParameters parameters)
    {
        _definition = parameters.Definition;
        Arrays = NetworkState.Read(parameters);
    }

    /// <summary>Parameters and statistics by name, weights [out][in] row by row; may be changed.</summary>
    public Dictionary<string, double[]> Arrays { get; }

    /// <summary>For each hidden layer what dropout multiplies each of its outputs with; null: no dropout.</summary>
    public double[][][]? DropoutFactors { get; set; }

    /// <summary>
    /// How near to a kink of an activation or of Huber's loss any number came: a difference across a kink is no derivative.
    /// </summary>
    public double NearestKink { get; private set; } = double.PositiveInfinity;

    /// <summary>What each normalization read in the last forward pass, by its name.</summary>
    public Dictionary<string, double[][]> NormalizationInputs { get; } = [];

    /// <summary>What it wrote, before the activation.</summary>
    public Dictionary<string, double[][]> NormalizationOutputs { get; } = [];

    /// <summary>Names of the normalizations in the order in which rows meet them.</summary>
    public IEnumerable<string> Normalizations =>
        Enumerable.Range(0, _definition.LayerCount).Select(l => $"bn{l + 1}").Where(name => Arrays.ContainsKey($"{name}.gamma"));

    /// <summary>Outputs of all rows; with statistics of the (virtual) batches, or with the frozen ones.</summary>
    public double[][] Forward(double[][] rows, bool training)
    {
        double[][] x = rows;
        int convolutions = _definition.Convolutions.Length;
        for (int layer = 0; layer < convolutions; layer++)
            x = Convolve(layer, x, training);
        if (convolutions > 0 && _definition.AveragesPixels)
            x = [.. x.Select(row => row.Chunk(_definition.MapOf(convolutions).Pixels).Select(channel => channel.Average()).ToArray())];
        for (int layer = convolutions; layer < _definition.LayerCount; layer++)
        {
            bool hidden = layer < _definition.LayerCount - 1;
            if (_definition.Placement == BatchNormalizationPlacement.LayerInput)
                x = Normalize(layer, x, training);
            x = Linear(layer, x);
            if (!hidden)
                break;
            if (_definition.Placement == BatchNormalizationPlacement.BeforeActivation)
                x = Normalize(layer, x, training);
            x = [.. x.Select(row => row.Select(Activate).ToArray())];
            if (_definition.Placement == BatchNormalizationPlacement.AfterActivation)
                x = Normalize(layer, x, training);
            if (DropoutFactors is { } factors)
                x = [.. x.Select((row, r) => row.Select((v, c) => v * factors[layer][r][c]).ToArray())];
        }
        return x;
    }

    /// <summary>Weighted mean loss of the rows in training mode. A class number is the only target of its row.</summary>
    public double Loss(double[][] rows, double[][] targets, double[]? weights, TrainingSettings settings)
    {
        double[][] outputs = Forward(rows, training: true);
        double sum = 0, total = 0;
        for (int r = 0; r < rows.Length; r++)
        {
            double weight = weights?[r] ?? 1;
            if (settings.TargetWeights is { } ofTarget)
            {
                // Every target that is there counts for its weight and the row's.
                foreach (int k in Enumerable.Range(0, ofTarget.Length).Where(k => !double.IsNaN(targets[r][k])))
                {
                    sum += weight * ofTarget[k] * RowLoss([outputs[r][k]], [targets[r][k]], settings);
                    total += weight * ofTarget[k];
                }
                continue;
            }
            sum += weight * RowLoss(outputs[r], targets[r], settings);
            total += weight;
        }
        return sum / total;
    }

    /// <summary>Where each (virtual) batch of some rows begins and ends; a remainder of one row joins the batch before it.</summary>
    public static List<(int Begin, int End)> Batches(int rows, int size, bool joinsOneRow = true)
    {
        var batches = new List<(int Begin, int End)>();
        for (int begin = 0; begin < rows; begin += size == 0 ? rows : size)
            batches.Add((begin, size == 0 ? rows : Math.Min(rows, begin + size)));
        if (joinsOneRow && batches.Count > 1 && batches[^1].End - batches[^1].Begin == 1)
        {
            batches[^2] = (batches[^2].Begin, rows);
            batches.RemoveAt(batches.Count - 1);
        }
        return batches;
    }

    /// <summary>A convolutional layer; a map is [channel, row, column].</summary>
    private double[][] Convolve(int layer, double[][] x, bool training)
    {
        ConvolutionDefinition convolution = _definition.Convolutions[layer];
        MapShape map = _definition.MapOf(layer), convolved = convolution.Convolved(map);
        if (_definition.Placement == BatchNormalizationPlacement.LayerInput)
            x = Normalize(layer, x, training);
        double[] weights = Arrays[$"conv{layer + 1}.weight"];
        double[]? bias = Arrays.GetValueOrDefault($"conv{layer + 1}.bias");
        x = [.. x.Select(picture => Convolve(convolution, map, convolved, picture, weights, bias))];
        if (_definition.Placement == BatchNormalizationPlacement.BeforeActivation)
            x = Normalize(layer, x, training);
        x = [.. x.Select(row => row.Select(Activate).ToArray())];
        if (_definition.Placement == BatchNormalizationPlacement.AfterActivation)
            x = Normalize(layer, x, training);
        return convolution.Pooling is { } pooling ? [.. x.Select(picture => Pool(pooling, convolved, picture))] : x;
    }

    private static double[] Convolve(
        ConvolutionDefinition convolution, MapShape map, MapShape convolved, double[] picture, double[] weights, double[]? bias)
    {
        var result = new double[convolved.Values];
        int at = 0;
        for (int o = 0; o < convolved.Channels; o++)
        {
            for (int i = 0; i < convolved.Height; i++)
            {
                for (int j = 0; j < convolved.Width; j++)
                {
                    double sum = bias?[o] ?? 0;
                    for (int c = 0; c < map.Channels; c++)
                    {
                        for (int u = 0; u < convolution.KernelHeight; u++)
                        {
                            for (int v = 0; v < convolution.KernelWidth; v++)
                            {
                                int y = i * convolution.StrideY - convolution.Top + u, z = j * convolution.StrideX - convolution.Left + v;
                                if (y >= 0 && y < map.Height && z >= 0 && z < map.Width)
                                {
                                    sum += weights[((o * map.Channels + c) * convolution.KernelHeight + u) * convolution.KernelWidth + v]
                                        * picture[(c * map.Height + y) * map.Width + z];
                                }
                            }
                        }
                    }
                    result[at++] = sum;
                }
            }
        }
        return result;
    }

    private double[] Pool(PoolingDefinition pooling, MapShape map, double[] picture)
    {
        WindowGrid grid = pooling.Over(map);
        var result = new double[map.Channels * grid.Positions];
        for (int k = 0; k < result.Length; k++)
        {
            int channel = k / grid.Positions, i = k % grid.Positions / grid.OutputWidth, j = k % grid.OutputWidth;
            double[] window = [.. from u in Enumerable.Range(i * grid.StrideY - grid.Top, grid.KernelHeight)
                from v in Enumerable.Range(j * grid.StrideX - grid.Left, grid.KernelWidth)
                where u >= 0 && u < map.Height && v >= 0 && v < map.Width
                select picture[(channel * map.Height + u) * map.Width + v]];
            result[k] = pooling.TakesMaximum ? window.Max() : window.Sum() / (grid.KernelHeight * grid.KernelWidth);
            if (pooling.TakesMaximum && window.Length > 1)
                NearestKink = Math.Min(NearestKink, result[k] - window.Order().ElementAt(window.Length - 2));
        }
        return result;
    }

    private double[][] Linear(int layer, double[][] x)
    {
        int dense = layer - _definition.Convolutions.Length;
        int inputs = _definition.InputsOf(dense), outputs = _definition.OutputsOf(dense);
        double[] weights = Arrays[$"linear{layer + 1}.weight"];
        double[]? bias = Arrays.GetValueOrDefault($"linear{layer + 1}.bias");
        var result = new double[x.Length][];
        for (int r = 0; r < x.Length; r++)
        {
            result[r] = new double[outputs];
            for (int o = 0; o < outputs; o++)
            {
                double sum = bias?[o] ?? 0;
                for (int i = 0; i < inputs; i++)
                    sum += weights[o * inputs + i] * x[r][i];
                result[r][o] = sum;
            }
        }
        return result;
    }

    private double[][] Normalize(int layer, double[][] x, bool training)
    {
        string name = $"bn{layer + 1}";
        if (!Arrays.TryGetValue($"{name}.gamma", out double[]? gamma))
            return x;
        int columns = gamma.Length, pixels = x[0].Length / columns;
        double[] beta = Arrays[$"{name}.beta"];
        double[][] result = [.. x.Select(_ => new double[columns * pixels])];
        foreach ((int begin, int end) in Batches(x.Length, training ? _definition.VirtualBatchSize : 0, joinsOneRow: pixels == 1))
        {
            for (int c = 0; c < columns; c++)
            {
                double mean = Arrays[$"{name}.running_mean"][c], variance = Arrays[$"{name}.running_var"][c];
                if (training)
                    (mean, variance) = Moments(x, begin, end, c, pixels);
                for (int r = begin; r < end; r++)
                {
                    for (int i = c * pixels; i < (c + 1) * pixels; i++)
                        result[r][i] = gamma[c] * (x[r][i] - mean) / Math.Sqrt(variance + _definition.Epsilon) + beta[c];
                }
            }
        }
        NormalizationInputs[name] = x;
        NormalizationOutputs[name] = result;
        return result;
    }

    /// <summary>Mean and biased variance of one column of rows [begin, end).</summary>
    /// <remarks>Of a map the column is a channel, with all its pixels.</remarks>
    public static (double Mean, double Variance) Moments(double[][] x, int begin, int end, int column, int pixels = 1)
    {
        double[] values = [.. x[begin..end].SelectMany(row => row[(column * pixels)..((column + 1) * pixels)])];
        double mean = values.Sum() / values.Length;
        return (mean, values.Sum(value => (value - mean) * (value - mean)) / values.Length);
    }

    private double Activate(double x)
    {
        if (ActivationOracle.HasKink(_definition.Activation))
            NearestKink = Math.Min(NearestKink, Math.Abs(x));
        return ActivationOracle.Value(_definition.Activation, x);
    }

    private double RowLoss(double[] z, double[] y, TrainingSettings settings)
    {
        switch (settings.Objective)
        {
            case SoftmaxCrossEntropy { LabelSmoothing: var smoothing }:
                double largest = z.Max();
                double logSum = largest + Math.Log(z.Sum(v => Math.Exp(v - largest)));
                return z.Select((v, k) => ((k == (int)y[0] ? 1 - smoothing : 0) + smoothing / z.Length) * (logSum - v)).Sum();
            case BinaryCrossEntropy:
                return z.Zip(y, (v, t) => ActivationOracle.Softplus(v) - v * t).Average();
            case SquaredLoss:
                return z.Zip(y, (v, t) => (v - t) * (v - t)).Average();
            case HuberLoss { Delta: var delta }:
                return z.Zip(y, (v, t) => Huber(v, t, delta)).Average();
            case PoissonLoss:
                return z.Zip(y, (v, t) => 2 * ((t == 0 ? 0 : t * (Math.Log(t) - v)) - t + Math.Exp(v))).Average();
            case TweedieLoss { Power: var p }:
                return z.Zip(y, (v, t) => 2 * (Math.Pow(t, 2 - p) / ((1 - p) * (2 - p)) - t * Math.Exp(v * (1 - p)) / (1 - p)
                    + Math.Exp(v * (2 - p)) / (2 - p))).Average();
            case QuantileLoss { Level: var level }:
                return z.Zip(y, (v, t) => Pinball(v, t, level)).Average();
            default:
                throw new ArgumentException($"No formula for {settings.Objective.Name}.", nameof(settings));
        }

        double Pinball(double v, double t, double level)
        {
            NearestKink = Math.Min(NearestKink, Math.Abs(v - t));
            return Math.Max(level * (t - v), (level - 1) * (t - v));
        }

        double Huber(double v, double t, double delta)
        {
            double d = Math.Abs(v - t);
            NearestKink = Math.Min(NearestKink, Math.Abs(d - delta));
            return d <= delta ? 0.5 * d * d : delta * (d - delta / 2);
        }
    }
}
