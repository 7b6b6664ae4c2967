using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Tests.Kernels;

/// <summary>
/// Every kernel gives the same bits with vectors of 4, 8 and 16 floats. Vector512 and Vector256 work on any machine: where the hardware
/// lacks them the runtime computes them from narrower ones.
/// </summary>
[TestClass]
public sealed unsafe class VectorWidthTests
{
    private static readonly int[] s_rowCounts = [0, 1, 2, 3, 5, 17, 63, 66, 129, 259];

    public static IEnumerable<object[]> Functions => ActivationOracle.All.Select(f => new object[] { f });

    public static IEnumerable<object?[]> FunctionsAndNone => Functions.Prepend<object?[]>([null]);

    [TestMethod]
    public void VectorMath_SweepOfAllFloats()
    {
        var x = new float[65536];
        for (int i = 0; i < x.Length; i++)
            x[i] = BitConverter.UInt32BitsToSingle((uint)i * 65537);
        Check<ExpFunction>(Array.ConvertAll(x, value => value > 88 ? 88 : value));
        Check<ExpMinusOneFunction>(Array.ConvertAll(x, value => value > 0 ? -value : value));
        Check<LogFunction>(x);
        Check<LogOnePlusFunction>(Array.ConvertAll(x, value => value < 0 || value > 1 ? 0.5f : value));
        Check<SigmoidFunction>(x);
        Check<TanhFunction>(x);
        Check<ErfFunction>(x);
        Check<NormalCumulativeFunction>(x);
        Check<NormalDensityFunction>(x);
        Check<SinOfTurnsFunction>(x);
        Check<CosOfTurnsFunction>(x);

        static void Check<TFunction>(float[] x)
            where TFunction : struct, IVectorFunction
        {
            float[] narrow = new float[x.Length], middle = new float[x.Length], wide = new float[x.Length];
            KernelTesting.Map<Simd128, Vector128<float>, TFunction>(x, narrow);
            KernelTesting.Map<Simd256, Vector256<float>, TFunction>(x, middle);
            KernelTesting.Map<Simd512, Vector512<float>, TFunction>(x, wide);
            KernelTesting.AssertSameBits(narrow, middle, typeof(TFunction).Name);
            KernelTesting.AssertSameBits(narrow, wide, typeof(TFunction).Name);
        }
    }

    [TestMethod]
    public void Lanes_SumsAndLargest_AreTheSameTree()
    {
        var random = new Random(1);
        for (int trial = 0; trial < 1000; trial++)
        {
            float[] x = KernelTesting.Normal(random, 16, 0, 1000);
            Vector512<float> line = Vector512.Create(x);
            float narrow = Simd128.SumLanes(
                (line.GetLower().GetLower() + line.GetUpper().GetLower()) + (line.GetLower().GetUpper() + line.GetUpper().GetUpper()));
            float wide = Simd512.SumLanes(line);
            KernelTesting.AssertSameBits([narrow, narrow], [Simd256.SumLanes(line.GetLower() + line.GetUpper()), wide], "sum");
            Assert.AreEqual(x.Max(), Simd512.MaxLanes(line));
            Assert.AreEqual(x.Take(8).Max(), Simd256.MaxLanes(line.GetLower()));
            Assert.AreEqual(x.Take(4).Max(), Simd128.MaxLanes(line.GetLower().GetLower()));
        }
    }

    /// <summary>Negative control: a sum in another order does differ, so the comparison can fail.</summary>
    [TestMethod]
    public void Lanes_SummedInOrder_DifferFromTheTree()
    {
        var random = new Random(1);
        int different = 0;
        for (int trial = 0; trial < 1000; trial++)
        {
            float[] x = KernelTesting.Normal(random, 16, 0, 1000);
            float sum = 0;
            foreach (float value in x)
                sum += value;
            different += sum == Simd512.SumLanes(Vector512.Create(x)) ? 0 : 1;
        }

        Assert.IsGreaterThan(100, different);
    }

    [TestMethod]
    [DynamicData(nameof(Functions))]
    public void Activations(ActivationFunction f)
    {
        float[] x = KernelTesting.Normal(new Random(1), 1600, 0, 4);
        float[] d = KernelTesting.Normal(new Random(2), 1600);
        AssertSameOnAllWidths(Run<Simd128, Vector128<float>>(), Run<Simd256, Vector256<float>>(), Run<Simd512, Vector512<float>>());

        float[][] Run<TSimd, V>()
            where TSimd : struct, ISimd<V>
            where V : struct
        {
            var y = new float[x.Length];
            float[] gradient = (float[])d.Clone();
            fixed (float* px = x, py = y, pd = gradient)
            {
                ActivationKernels.Forward<TSimd, V>(f, px, py, x.Length);
                ActivationKernels.Backward<TSimd, V>(f, px, py, pd, x.Length);
            }

            return [y, gradient];
        }
    }

    [TestMethod]
    public void ColumnStatistics_AllRowCounts()
    {
        foreach (int rows in s_rowCounts.Where(rows => rows > 0))
        {
            float[] x = Columns(rows, sorted: rows % 2 == 0);
            AssertSameOnAllWidths(Run<Simd128, Vector128<float>>(), Run<Simd256, Vector256<float>>(), Run<Simd512, Vector512<float>>());

            float[][] Run<TSimd, V>()
                where TSimd : struct, ISimd<V>
                where V : struct
            {
                float[] pivot = new float[16], offset = new float[16], variance = new float[16], sums = new float[16];
                fixed (float* px = x, pp = pivot, po = offset, pv = variance, ps = sums)
                {
                    ColumnStatistics.Moments<TSimd, V>(px, rows, pp, po, pv);
                    ColumnStatistics.ColumnSums<TSimd, V>(px, rows, ps);
                }

                return [pivot, offset, variance, sums];
            }
        }
    }

    [TestMethod]
    [DynamicData(nameof(FunctionsAndNone))]
    public void BatchNormalization(ActivationFunction? f)
    {
        foreach (int rows in s_rowCounts)
        {
            float[] x = Columns(rows, sorted: false);
            float[] incoming = KernelTesting.Normal(new Random(rows), rows * 16);
            float[] columns = KernelTesting.Normal(new Random(rows + 1), 5 * 16, 1, 0.3);
            AssertSameOnAllWidths(Run<Simd128, Vector128<float>>(), Run<Simd256, Vector256<float>>(), Run<Simd512, Vector512<float>>());

            float[][] Run<TSimd, V>()
                where TSimd : struct, ISimd<V>
                where V : struct
            {
                float[] y = new float[rows * 16], d = (float[])incoming.Clone(), dGamma = new float[16], dBeta = new float[16];
                float[] sums = new float[rows * 16];
                fixed (float* px = x, pc = columns, py = y, pd = d, pg = dGamma, pb = dBeta)
                {
                    var c = new BatchNormKernels.Columns(pc, pc + 16, pc + 32, pc + 48, pc + 64);
                    BatchNormKernels.Normalize<TSimd, V>(f, px, rows, c, py);
                    BatchNormKernels.BackwardSums<TSimd, V>(f, px, rows, c, py, pd, pg, pb);
                    d.CopyTo(sums, 0);
                    BatchNormKernels.BackwardInput<TSimd, V>(px, rows, c, pg, pb, pd);
                }

                return [y, sums, d, dGamma, dBeta];
            }
        }
    }

    [TestMethod]
    public void SoftmaxAndCrossEntropy_EveryNumberOfClasses()
    {
        foreach (int outputs in new[] { 1, 2, 3, 4, 5, 7, 8, 9, 12, 13, 15, 16, 17, 31, 33, 50 })
        {
            const int Rows = 21;
            var random = new Random(outputs);
            int panels = (outputs + 15) / 16;
            float[] z = KernelTesting.Normal(random, panels * 16 * Rows, 0, 3);
            float[] classes = Enumerable.Range(0, Rows).Select(_ => (float)random.Next(outputs)).ToArray();
            float[] weights = Enumerable.Range(0, Rows).Select(r => r == 5 ? 0f : 1 + (r / 7f)).ToArray();
            float[][] narrow = Run<Simd128, Vector128<float>, Losses.FourVectors>();
            AssertSameOnAllWidths(
                narrow, Run<Simd256, Vector256<float>, Losses.TwoVectors>(), Run<Simd512, Vector512<float>, Losses.OneVector>());

            // What the entry points choose: narrow vectors for few classes.
            float[] dz = new float[z.Length], loss = new float[Rows], p = new float[Rows * outputs];
            Losses.SoftmaxCrossEntropy(z, Rows, outputs, classes, weights, 0.3f, 0.1f, dz, loss, 2, Rows);
            Losses.Softmax(z, Rows, outputs, p, 2, Rows);
            AssertSameOnAllWidths(narrow, [dz, loss, p], [dz, loss, p]);

            float[][] Run<TSimd, V, TVectors>()
                where TSimd : struct, ISimd<V>
                where V : struct
                where TVectors : struct, Losses.IVectorCount
            {
                float[] dz = new float[z.Length], loss = new float[Rows], p = new float[Rows * outputs];
                fixed (float* pz = z, pc = classes, pw = weights, pd = dz, pl = loss, pp = p)
                {
                    var c = new Losses.ClassLoss(outputs, Rows, pc, pw, 0.3f, 0.1f);
                    Losses.CrossEntropy<TSimd, V, TVectors>(pz, c, pd, pl, 2, Rows);
                    Losses.Softmax<TSimd, V, TVectors>(pz, Rows, outputs, pp, 2, Rows);
                }

                return [dz, loss, p];
            }
        }
    }

    [TestMethod]
    public void PointwiseLosses()
    {
        foreach (int outputs in new[] { 1, 3, 16, 20, 300 })
        {
            const int Rows = 23;
            var random = new Random(outputs);
            float[] z = KernelTesting.Normal(random, (outputs + 15) / 16 * 16 * Rows, 0, 3);
            float[] targets = Enumerable.Range(0, Rows * outputs).Select(_ => (float)random.NextDouble()).ToArray();
            AssertSameOnAllWidths(Run<Simd128, Vector128<float>>(), Run<Simd256, Vector256<float>>(), Run<Simd512, Vector512<float>>());

            float[][] Run<TSimd, V>()
                where TSimd : struct, ISimd<V>
                where V : struct
            {
                float[][] gradient = [new float[z.Length], new float[z.Length], new float[z.Length]];
                float[][] loss = [new float[Rows], new float[Rows], new float[Rows]];
                var probability = new float[Rows * outputs];
                fixed (float* pz = z, pt = targets, d0 = gradient[0], d1 = gradient[1], d2 = gradient[2])
                fixed (float* l0 = loss[0], l1 = loss[1], l2 = loss[2], p = probability)
                {
                    Losses.Pointwise<TSimd, V, BinaryCrossEntropyLoss>(pz, Rows, outputs, pt, null, 0.3f, 0, d0, l0, 1, Rows);
                    Losses.Pointwise<TSimd, V, SquaredErrorLoss>(pz, Rows, outputs, pt, null, 0.3f, 0, d1, l1, 1, Rows);
                    Losses.Pointwise<TSimd, V, HuberErrorLoss>(pz, Rows, outputs, pt, null, 0.3f, 0.7f, d2, l2, 1, Rows);
                    Losses.Sigmoid<TSimd, V>(pz, Rows, outputs, p, 1, Rows);
                }

                return [.. gradient, .. loss, probability];
            }
        }
    }

    [TestMethod]
    public void LossesOfCountsAmountsAndQuantiles()
    {
        foreach (int outputs in new[] { 1, 3, 16, 20 })
        {
            const int Rows = 23;
            var random = new Random(outputs);
            float[] z = KernelTesting.Normal(random, (outputs + 15) / 16 * 16 * Rows, 0, 3);
            z[4] = 200;                                // beyond what is bounded
            float[] targets = [.. Enumerable.Range(0, Rows * outputs).Select(i => i % 3 == 1 ? 0 : 5 * random.NextSingle())];
            AssertSameOnAllWidths(Run<Simd128, Vector128<float>>(), Run<Simd256, Vector256<float>>(), Run<Simd512, Vector512<float>>());

            float[][] Run<TSimd, V>()
                where TSimd : struct, ISimd<V>
                where V : struct
            {
                float[][] gradient = [new float[z.Length], new float[z.Length], new float[z.Length]];
                float[][] loss = [new float[Rows], new float[Rows], new float[Rows]];
                float[] mean = (float[])z.Clone();
                fixed (float* pz = z, pt = targets, d0 = gradient[0], d1 = gradient[1], d2 = gradient[2], pm = mean)
                fixed (float* l0 = loss[0], l1 = loss[1], l2 = loss[2])
                {
                    Losses.Pointwise<TSimd, V, PoissonLoss.Kernel>(pz, Rows, outputs, pt, null, 0.3f, 0, d0, l0, 1, Rows);
                    Losses.Pointwise<TSimd, V, TweedieLoss.Kernel>(pz, Rows, outputs, pt, null, 0.3f, 1.3f, d1, l1, 1, Rows);
                    Losses.Pointwise<TSimd, V, QuantileLoss.Kernel>(pz, Rows, outputs, pt, null, 0.3f, 0.7f, d2, l2, 1, Rows);
                    Exponential.Apply<TSimd, V>(pm, mean.Length);
                }

                return [.. gradient, .. loss, mean];
            }
        }
    }

    /// <summary>Windows that overlap, that leave pixels out, that tile, and that lie partly in the padding.</summary>
    [TestMethod]
    [DataRow(2, 2, 2, 2, 0, 0)]
    [DataRow(3, 2, 1, 2, 1, 0)]
    [DataRow(2, 3, 3, 1, 0, 1)]
    [DataRow(3, 3, 2, 2, 1, 1)]
    public void Pooling(int height, int width, int strideY, int strideX, int top, int left)
    {
        const int Pictures = 3, Rows = 6, Columns = 8;
        var grid = new WindowGrid(
            Rows, Columns, height, width, strideY, strideX, top, left, WindowGrid.Count(Rows, height, strideY, 2L * top),
            WindowGrid.Count(Columns, width, strideX, 2L * left));
        float[] x = KernelTesting.Normal(new Random(height), Pictures * grid.Pixels * 16);
        for (int i = 0; i < x.Length; i += 5)
            x[i] = i % 3 == 0 ? -0f : 0;               // the same number more than once in a window, and both zeros
        float[] d = KernelTesting.Normal(new Random(width), Pictures * grid.Positions * 16);
        AssertSameOnAllWidths(Run<Simd128, Vector128<float>>(), Run<Simd256, Vector256<float>>(), Run<Simd512, Vector512<float>>());

        float[][] Run<TSimd, V>()
            where TSimd : struct, ISimd<V>
            where V : struct
        {
            float[] largest = new float[d.Length], mean = new float[d.Length], dLargest = new float[x.Length], dMean = new float[x.Length];
            fixed (float* px = x, pd = d, pl = largest, pm = mean, pdl = dLargest, pdm = dMean)
            {
                PoolingKernels.Maximum<TSimd, V>(px, Pictures, grid, pl);
                PoolingKernels.MaximumBackward<TSimd, V>(px, pl, pd, Pictures, grid, pdl);
                PoolingKernels.Mean<TSimd, V>(px, Pictures, grid, pm);
                PoolingKernels.MeanBackward<TSimd, V>(pd, Pictures, grid, pdm);
            }

            Assert.IsTrue(dLargest.Any(value => value != 0) && dMean.Any(value => value != 0));
            return [largest, mean, dLargest, dMean];
        }
    }

    /// <summary>
    /// Products of blocks, as convolutions take them: on each width that the machine has, and however rows are cut into blocks, the bits of
    /// the product of all rows at once.
    /// </summary>
    [TestMethod]
    public void BlocksOfRows_InEveryWidthAndCut_AreTheProductOfAll()
    {
        foreach ((int rows, int inner, int panels) in new[] { (1, 9, 1), (2, 27, 2), (3, 18, 3), (13, 50, 1), (29, 5, 2), (48, 75, 3) })
        {
            var random = new Random(rows);
            int capacity = rows + 2, columns = 16 * panels;
            float[] a = KernelTesting.Normal(random, (int)PanelLayout.Length(capacity, inner));
            float[] b = KernelTesting.Normal(random, columns * inner), bias = KernelTesting.Normal(random, columns);
            float[] d = KernelTesting.Normal(random, columns * capacity);
            float[] expected = new float[columns * capacity], expectedGradient = new float[columns * inner];
            MatrixMultiply.Multiply(a, capacity, inner, b, bias, expected, capacity, 0, rows, 0, panels);
            MatrixMultiply.AddWeightGradient<Simd128, Vector128<float>>(
                a, capacity, inner, d, capacity, 0, rows, expectedGradient, panels);
            Assert.IsTrue(expected.Any(value => value != 0) && expectedGradient.Any(value => value != 0));

            foreach (int cut in new[] { rows, 1, 7, 12 })
            {
                string what = $"{rows} x {inner} x {columns} by {cut}";
                Check(MatrixMultiply.MultiplyBlock, MatrixMultiply.AddWeightGradient, $"{what}, entry point");
                Check(MatrixMultiply.MultiplyBlock<Simd128, Vector128<float>>, MatrixMultiply.AddWeightGradient<Simd128, Vector128<float>>,
                    $"{what}, 128 bits");
                if (Vector256.IsHardwareAccelerated && Fma.IsSupported)
                {
                    Check(MatrixMultiply.MultiplyBlock<Simd256, Vector256<float>>,
                        MatrixMultiply.AddWeightGradient<Simd256, Vector256<float>>, $"{what}, 256 bits");
                }

                if (Vector512.IsHardwareAccelerated)
                {
                    Check(MatrixMultiply.MultiplyBlock<Simd512, Vector512<float>>,
                        MatrixMultiply.AddWeightGradient<Simd512, Vector512<float>>, $"{what}, 512 bits");
                }

                void Check(BlockProduct multiply, BlockGradient addGradient, string name)
                {
                    float[] product = new float[expected.Length], gradient = new float[expectedGradient.Length];
                    for (int first = 0; first < rows; first += cut)
                    {
                        int count = Math.Min(cut, rows - first);
                        float[] block = new float[PanelLayout.Length(cut, inner)];
                        for (int k = 0; k < inner; k++)
                        {
                            for (int row = 0; row < count; row++)
                                block[PanelLayout.Index(row, k, cut)] = a[PanelLayout.Index(first + row, k, capacity)];
                        }

                        multiply(block, cut, count, inner, b, bias, product, capacity, first, panels);
                        addGradient(block, cut, inner, d, capacity, first, count, gradient, panels);
                    }

                    KernelTesting.AssertSameBits(expected, product, name);
                    KernelTesting.AssertSameBits(expectedGradient, gradient, $"{name}, gradient");
                }
            }
        }
    }

    private delegate void BlockProduct(
        ReadOnlySpan<float> a, int aRowCapacity, int rows, int inner, ReadOnlySpan<float> b, ReadOnlySpan<float> bias, Span<float> c,
        int cRowCapacity, int cFirstRow, int panels);

    private delegate void BlockGradient(
        ReadOnlySpan<float> a, int aRowCapacity, int inputs, ReadOnlySpan<float> d, int dRowCapacity, int dFirstRow, int rows,
        Span<float> c, int panels);

    [TestMethod]
    public void LossesOfTargets()
    {
        foreach (int outputs in new[] { 1, 3, 16, 20, 300 })
        {
            const int Rows = 23;
            var random = new Random(outputs);
            float[] z = KernelTesting.Normal(random, (outputs + 15) / 16 * 16 * Rows, 0, 3);
            float[] targets = [.. Enumerable.Range(0, Rows * outputs).Select(i => i % 5 == 3 ? float.NaN : random.NextSingle())];
            float[] ofTarget = [.. Enumerable.Range(0, outputs).Select(k => k % 7 == 2 ? 0 : 0.5f + k % 4)];
            AssertSameOnAllWidths(Run<Simd128, Vector128<float>>(), Run<Simd256, Vector256<float>>(), Run<Simd512, Vector512<float>>());

            float[][] Run<TSimd, V>()
                where TSimd : struct, ISimd<V>
                where V : struct
            {
                float[][] gradient = [new float[z.Length], new float[z.Length], new float[z.Length]];
                float[][] loss = [new float[Rows], new float[Rows], new float[Rows]];
                fixed (float* pz = z, pt = targets, pv = ofTarget, d0 = gradient[0], d1 = gradient[1], d2 = gradient[2])
                fixed (float* l0 = loss[0], l1 = loss[1], l2 = loss[2])
                {
                    Losses.OfTargets<TSimd, V, BinaryCrossEntropyLoss>(pz, Rows, outputs, pt, pv, null, 0.3f, 0, d0, l0, 1, Rows);
                    Losses.OfTargets<TSimd, V, SquaredErrorLoss>(pz, Rows, outputs, pt, pv, null, 0.3f, 0, d1, l1, 1, Rows);
                    Losses.OfTargets<TSimd, V, HuberErrorLoss>(pz, Rows, outputs, pt, pv, null, 0.3f, 0.7f, d2, l2, 1, Rows);
                }

                return [.. gradient, .. loss];
            }
        }
    }

    [TestMethod]
    public void Optimizers()
    {
        float[] start = KernelTesting.Normal(new Random(1), 160);
        float[] g = KernelTesting.Normal(new Random(2), 160);
        AssertSameOnAllWidths(Run<Simd128, Vector128<float>>(), Run<Simd256, Vector256<float>>(), Run<Simd512, Vector512<float>>());

        float[][] Run<TSimd, V>()
            where TSimd : struct, ISimd<V>
            where V : struct
        {
            float[] p = (float[])start.Clone(), m = new float[160], v = new float[160], b = new float[160];
            fixed (float* pp = p, pg = g, pm = m, pv = v, pb = b)
            {
                for (int t = 1; t <= 4; t++)
                {
                    OptimizerKernels.Sgd<TSimd, V>(pp, pg, 160, 0.01f, 0.1f);
                    OptimizerKernels.Approach<TSimd, V>(pp, pg, 160, 0.3f);
                    OptimizerKernels.SgdMomentum<TSimd, V>(pp, pg, pb, 160, 0.01f, 0.9f, t % 2 == 0, 0.1f);
                    OptimizerKernels.Adam<TSimd, V>(pp, pg, pm, pv, 160, new AdamCoefficients(0.01, 0.9, 0.99, 1e-8, 0.1, t), t % 2 == 0);
                    OptimizerKernels.RmsProp<TSimd, V>(
                        pp, pg, pv, pm, t % 2 == 0 ? pb : null, 160,
                        new OptimizerKernels.RmsPropCoefficients(0.01f, 0.9f, 0.1f, 1e-8f, 0.5f, 0.1f));
                }
            }

            return [p, m, v, b];
        }
    }

    [TestMethod]
    public void DropoutMasks()
    {
        foreach (int rows in s_rowCounts)
        {
            AssertSameOnAllWidths(Run<Simd128, Vector128<float>>(), Run<Simd256, Vector256<float>>(), Run<Simd512, Vector512<float>>());

            float[][] Run<TSimd, V>()
                where TSimd : struct, ISimd<V>
                where V : struct
            {
                float[] x = KernelTesting.Normal(new Random(rows), rows * 16);
                fixed (float* px = x)
                    Dropout.Apply<TSimd, V>(px, px, rows, 12345, 6, 0.37f);
                return [x];
            }
        }
    }

    private static void AssertSameOnAllWidths(float[][] narrow, float[][] middle, float[][] wide)
    {
        for (int i = 0; i < narrow.Length; i++)
        {
            KernelTesting.AssertSameBits(narrow[i], middle[i], $"result {i}, 8 lanes");
            KernelTesting.AssertSameBits(narrow[i], wide[i], $"result {i}, 16 lanes");
        }
    }

    /// <summary>Columns at various offsets; some sorted, so that the moments need their second pass.</summary>
    private static float[] Columns(int rows, bool sorted)
    {
        float[] x = KernelTesting.Normal(new Random(rows), rows * 16);
        for (int i = 0; i < x.Length; i++)
            x[i] += (i & 15) * 1000f + (sorted && (i & 1) == 0 ? i / 16f : 0);
        return x;
    }
}
