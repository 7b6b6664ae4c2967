using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Tests.Kernels;

/// <summary>Encoding, table and gradient against the matrix of pieces times the weights, in double and with the dense kernels.</summary>
[TestClass]
public sealed class TableAgainstDenseTests
{
    private const double U = KernelTesting.U;

    [TestMethod]
    [DataRow(1, 1, 1, 1)]
    [DataRow(1, 5, 40, 30)]
    [DataRow(3, 1, 17, 16)]
    [DataRow(6, 32, 256, 33)]
    [DataRow(4, 100, 100, 20)]
    public void ForwardAndGradient_StayWithinTheErrorOfTheirChains(int slots, int pieces, int rows, int units)
    {
        var d = new DenseProblem(slots, pieces, rows, units);
        (double forward, double gradient) = d.LargestErrors();
        Assert.IsLessThanOrEqualTo(1.0, forward, "forward, in units of the bound");
        Assert.IsLessThanOrEqualTo(1.0, gradient, "gradient, in units of the bound");
    }

    /// <summary>The bounds are narrow enough to notice one value that moved by a hundredth of its piece.</summary>
    [TestMethod]
    public void Bounds_NoticeOneFractionThatIsOffByAHundredth()
    {
        var d = new DenseProblem(6, 32, 256, 33);
        int at = Array.FindIndex(d.Fractions, f => f is > 0.3f and < 0.6f);
        d.Fractions[at] += 0.01f;
        (double forward, double gradient) = d.LargestErrors();
        Assert.IsGreaterThan(1.0, forward);
        Assert.IsGreaterThan(1.0, gradient);
    }

    /// <summary>Both are within their own bounds of the exact result, hence within the sum of the bounds of each other.</summary>
    [TestMethod]
    public void DenseKernels_OnTheMatrixOfPieces_AreWithinTheSumOfBothBounds()
    {
        var d = new DenseProblem(6, 32, 128, 33);
        float[] dense = new float[PanelLayout.Length(d.Rows, d.Units)], gradient = new float[d.Weights.Length];
        MatrixMultiply.Multiply(d.PiecePanels, d.Rows, d.WeightRows, d.Weights, d.Bias, dense, d.Rows, 0, d.Rows, 0, d.Panels);
        MatrixMultiply.WeightGradient(d.PiecePanels, d.Rows, d.WeightRows, d.G, d.Rows, d.Rows, gradient, 0, d.Panels);
        (float[] c, float[] dw) = d.Run();
        for (int n = 0; n < d.Units; n++)
        {
            for (int r = 0; r < d.Rows; r++)
            {
                (double exact, double magnitude) = d.Result(r, n);
                double bound = d.ForwardBound(magnitude) + MatrixOracle.ChainErrorBound(d.WeightRows) * magnitude;
                int at = PanelLayout.Index(r, n, d.Rows);
                KernelTesting.AssertWithin(dense[at], c[at], bound, () => $"row {r}, unit {n}, exactly {exact}");
            }
            for (int w = 0; w < d.WeightRows; w++)
            {
                (double exact, double magnitude) = d.Gradient(w, n);
                double bound = d.GradientBound(magnitude) + MatrixOracle.ChainErrorBound(d.Rows) * magnitude;
                int at = PanelLayout.WeightIndex(w, n, d.WeightRows);
                KernelTesting.AssertWithin(gradient[at], dw[at], bound, () => $"weight {w}, unit {n}, exactly {exact}");
            }
        }
    }

    /// <summary>Lines between trained heights: the gradient is (1 - f) g and f g.</summary>
    [TestMethod]
    public void GradientOfTrainedHeights_StaysWithinTheErrorOfItsChains()
    {
        const int Heights = 9, Rows = 200, Units = 20;
        var p = new TableProblem([(0, Heights)], lines: 1, Rows, Units);
        float[] gradient = new float[p.Panels * 16 * p.WeightRows];
        TableSums.WeightGradient(p.Order(), p.G, p.RowCapacity, gradient, p.WeightRows, 0, p.Panels);
        for (int n = 0; n < Units; n++)
        {
            var exact = new double[Heights + 1];
            var magnitude = new double[Heights + 1];
            for (int r = 0; r < Rows; r++)
            {
                double g = p.G[PanelLayout.Index(r, n, p.RowCapacity)], f = p.Fractions[r];
                exact[p.Indices[r]] += (1 - f) * g;
                exact[p.Indices[r] + 1] += f * g;
                magnitude[p.Indices[r]] += Math.Abs(g) * (1 + f);       // A - B: g and f g, each with its rounding
                magnitude[p.Indices[r] + 1] += f * Math.Abs(g);
            }
            for (int k = 0; k < Heights; k++)
            {
                float found = gradient[PanelLayout.WeightIndex(TableProblem.WeightsBefore + k, n, p.WeightRows)];
                double bound = MatrixOracle.ChainErrorBound(Rows + 2) * magnitude[k];
                KernelTesting.AssertWithin(exact[k], found, bound, () => $"height {k}, unit {n}");
            }
        }
    }

    /// <summary>Raw values, some on borders, some beyond, some missing, and the same thing as a matrix of pieces.</summary>
    private sealed class DenseProblem
    {
        private readonly TableLayout _layout;
        private readonly int _pieces;
        private readonly int[] _indices;
        private readonly double[] _exactPieces;

        public DenseProblem(int slots, int pieces, int rows, int units)
        {
            var random = new Random(slots + pieces);
            _pieces = pieces;
            (Rows, Units, Panels) = (rows, units, PanelLayout.PanelCount(units));
            int perSlot = pieces + 1;
            WeightRows = slots * perSlot;
            var tableSlots = new TableSlot[slots];
            var pieceSlots = new PieceSlot[slots];
            for (int s = 0; s < slots; s++)
                tableSlots[s] = new TableSlot(s * perSlot, pieces, 1);
            _layout = new TableLayout(tableSlots);
            for (int s = 0; s < slots; s++)
            {
                float[] borders = KernelTesting.Normal(random, pieces + 1, mean: s, deviation: 2);
                Array.Sort(borders);
                pieceSlots[s] = new PieceSlot(s, _layout.BorderRow(s, 0), _layout.PlainRow(s, 0), borders);
            }
            var encoder = new PieceEncoder(pieceSlots);

            _indices = new int[rows * slots];
            Fractions = new float[rows * slots];
            PiecePanels = new float[PanelLayout.Length(rows, WeightRows)];
            _exactPieces = new double[rows * WeightRows];
            for (int r = 0; r < rows; r++)
            {
                var raw = new float[slots];
                for (int s = 0; s < slots; s++)
                {
                    float[] borders = pieceSlots[s].Borders;
                    raw[s] = random.Next(8) switch
                    {
                        0 => float.NaN,
                        1 => borders[random.Next(borders.Length)],
                        2 => random.Next(2) == 0 ? float.NegativeInfinity : float.PositiveInfinity,
                        _ => (float)(s + 6 * (random.NextDouble() - 0.5)),
                    };
                }
                encoder.Encode(raw, _indices.AsSpan(r * slots), Fractions.AsSpan(r * slots));
                for (int s = 0; s < slots; s++)
                {
                    float[] borders = pieceSlots[s].Borders;
                    for (int k = 0; k < pieces; k++)
                    {
                        var piece = new InputPiece(s, borders[k], (float)(1 / ((double)borders[k + 1] - borders[k])));
                        Set(s * perSlot + k, piece.Encode(raw));
                    }
                    Set(s * perSlot + pieces, float.IsNaN(raw[s]) ? 1 : 0);
                }

                void Set(int weight, float value)
                {
                    PiecePanels[PanelLayout.Index(r, weight, rows)] = value;
                    _exactPieces[r * WeightRows + weight] = value;
                }
            }
            Weights = MatrixOracle.Random(Panels * 16 * WeightRows, 5);
            Bias = MatrixOracle.Random(Panels * 16, 6);
            G = MatrixOracle.Random(Panels * 16 * rows, 7);
        }

        public int Rows { get; }

        public int Units { get; }

        public int Panels { get; }

        public int WeightRows { get; }

        public float[] Weights { get; }

        public float[] Bias { get; }

        public float[] G { get; }

        public float[] Fractions { get; }

        public float[] PiecePanels { get; }

        /// <summary>
        /// A row of the table has up to K roundings, 1 - f one, and the chain two for each slot; what is rounded is nowhere more than the
        /// sum of the magnitudes of the pieces' weights up to and with the one that the value lies in.
        /// </summary>
        public double ForwardBound(double magnitude) => Gamma(_pieces + 1 + 2 * _layout.Slots) * magnitude;

        /// <summary>A chain of at most all rows, then a sum of at most K + 1 chains and one more.</summary>
        public double GradientBound(double magnitude) => Gamma(Rows + _pieces + 2) * magnitude;

        public (float[] C, float[] Gradient) Run()
        {
            int slots = _layout.Slots;
            float[] c = new float[Panels * 16 * Rows], gradient = new float[Weights.Length];
            var order = new TableOrder(_layout);
            order.Sort(new TableBatch(_indices, Fractions, Rows, slots, slots));
            TableSums.ForwardFromWeights(order, Weights, WeightRows, Bias, c, Rows, 0, Panels);
            TableSums.WeightGradient(order, G, Rows, gradient, WeightRows, 0, Panels);
            return (c, gradient);
        }

        public (double Forward, double Gradient) LargestErrors()
        {
            (float[] c, float[] gradient) = Run();
            double forward = 0, backward = 0;
            for (int n = 0; n < Units; n++)
            {
                for (int r = 0; r < Rows; r++)
                {
                    (double exact, double magnitude) = Result(r, n);
                    forward = Math.Max(forward, Math.Abs(c[PanelLayout.Index(r, n, Rows)] - exact) / ForwardBound(magnitude));
                }
                for (int w = 0; w < WeightRows; w++)
                {
                    (double exact, double magnitude) = Gradient(w, n);
                    double error = Math.Abs(gradient[PanelLayout.WeightIndex(w, n, WeightRows)] - exact);
                    if (error > 0)
                        backward = Math.Max(backward, error / GradientBound(magnitude));
                }
            }
            return (forward, backward);
        }

        /// <summary>Bias and pieces times weights; magnitude: with every piece that is not 0 as 1.</summary>
        public (double Exact, double Magnitude) Result(int r, int n)
        {
            double exact = Bias[n], magnitude = Math.Abs(Bias[n]);
            for (int w = 0; w < WeightRows; w++)
            {
                double piece = _exactPieces[r * WeightRows + w], weight = Weights[PanelLayout.WeightIndex(w, n, WeightRows)];
                exact += piece * weight;
                magnitude += piece > 0 ? Math.Abs(weight) : 0;
            }
            return (exact, magnitude);
        }

        public (double Exact, double Magnitude) Gradient(int w, int n)
        {
            double exact = 0, magnitude = 0;
            for (int r = 0; r < Rows; r++)
            {
                double piece = _exactPieces[r * WeightRows + w], g = G[PanelLayout.Index(r, n, Rows)];
                exact += piece * g;
                magnitude += piece > 0 ? Math.Abs(g) : 0;
            }
            return (exact, magnitude);
        }

        private static double Gamma(int n) => n * U / (1 - n * U) * (1 + 1e-6);
    }
}
