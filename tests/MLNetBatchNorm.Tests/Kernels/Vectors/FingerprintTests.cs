using System.Runtime.InteropServices;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Tests.Kernels;

/// <summary>
/// One number for the bits of everything the elementwise kernels compute, by the path this machine and these settings
/// choose. It is the same for every instruction set and operating system; a run with DOTNET_EnableAVX512=0,
/// DOTNET_EnableAVX2=0 or DOTNET_EnableHWIntrinsic=0 checks that. A change of a kernel's arithmetic changes it: then the new
/// number is written here, after the tests of that kernel have passed.
/// </summary>
[TestClass]
public sealed class FingerprintTests
{
    private const ulong Expected = 0x1057F87F74938E75;

    private const int Rows = 150;

    [TestMethod]
    public void Fingerprint_IsTheSameEverywhere() => Assert.AreEqual($"{Expected:X16}", $"{Compute(0.1f):X16}");

    [TestMethod]
    public void Fingerprint_OfASlightlyOtherDropoutRate_Differs() => Assert.AreNotEqual($"{Expected:X16}", $"{Compute(0.1001f):X16}");

    private static ulong Compute(float dropoutRate)
    {
        // Inputs made of exact operations on seeded integers: the logarithms and cosines of
        // KernelTesting.Normal may differ between systems.
        var random = new Random(20260801);
        ulong hash = 14695981039346656037;      // FNV-1a
        float[] x = Uniform(Rows * 16, 6);
        float[] pivot = new float[16], offset = new float[16], variance = new float[16];
        ColumnStatistics.Moments(x, Rows, pivot, offset, variance);
        Add(pivot);
        Add(offset);
        Add(variance);

        float[] inverseDeviation = Array.ConvertAll(variance, value => 1 / MathF.Sqrt(value + 1e-5f));
        float[] gamma = Uniform(16, 2), beta = Uniform(16, 1);
        foreach (ActivationFunction f in Enum.GetValues<ActivationFunction>())
        {
            float[] y = new float[x.Length], d = Uniform(x.Length, 1), dGamma = new float[16], dBeta = new float[16];
            BatchNormKernels.Normalize(f, x, Rows, pivot, offset, inverseDeviation, gamma, beta, y);
            Dropout.Apply(y, Rows, 42, 3, dropoutRate);
            Add(y);
            BatchNormKernels.Normalize(f, x, Rows, pivot, offset, inverseDeviation, gamma, beta, y);
            BatchNormKernels.BackwardSums(f, x, Rows, pivot, offset, inverseDeviation, gamma, beta, y, d, dGamma, dBeta);
            BatchNormKernels.BackwardInput(x, Rows, pivot, offset, inverseDeviation, gamma, dGamma, dBeta, d);
            Add(d);
            ActivationKernels.Forward(f, x, y);
            ActivationKernels.Backward(f, x, y, d);
            Add(y);
            Add(d);
            Add(dGamma);
            Add(dBeta);
        }

        foreach (int outputs in new[] { 1, 2, 3, 6, 10, 16, 30 })
        {
            int padded = (outputs + 15) / 16 * 16;
            float[] z = Uniform(padded * Rows, 8), dz = new float[padded * Rows], loss = new float[Rows], p = new float[outputs * Rows];
            float[] classes = Enumerable.Range(0, Rows).Select(_ => (float)random.Next(outputs)).ToArray();
            float[] targets = Array.ConvertAll(Uniform(outputs * Rows, 0.5f), value => value + 0.5f);
            Losses.SoftmaxCrossEntropy(z, Rows, outputs, classes, [], 0.1f, 0.05f, dz, loss, 0, Rows);
            Add(dz);
            Add(loss);
            Losses.BinaryCrossEntropy(z, Rows, outputs, targets, [], 0.1f, dz, loss, 0, Rows);
            Add(dz);
            Add(loss);
            Losses.Huber(z, Rows, outputs, targets, [], 0.1f, 1f, dz, loss, 0, Rows);
            Add(dz);
            Add(loss);
            Losses.Softmax(z, Rows, outputs, p, 0, Rows);
            Add(p);
            Losses.Sigmoid(z, Rows, outputs, p, 0, Rows);
            Add(p);
        }

        float[] parameters = Uniform(160, 1), g = Uniform(160, 1), first = new float[160], second = new float[160], third = new float[160];
        for (int t = 1; t <= 3; t++)
        {
            OptimizerKernels.AdamW(parameters, g, first, second, new AdamCoefficients(0.01, 0.5, 0.75, 1e-8, 0.1, 1));
            OptimizerKernels.RmsProp(parameters, g, second, first, third, 0.01f, 0.9f, 0.1f, 1e-8f, 0.9f, 0.01f);
            OptimizerKernels.SgdMomentum(parameters, g, third, 0.01f, 0.9f, true, 0.01f);
        }

        Add(parameters);
        Add(third);
        return hash;

        float[] Uniform(int length, float size)
        {
            var values = new float[length];
            for (int i = 0; i < length; i++)
                values[i] = random.Next(-(1 << 20), 1 << 20) * (size / (1 << 20));
            return values;
        }

        void Add(float[] values)
        {
            foreach (byte value in MemoryMarshal.AsBytes(values.AsSpan()))
                hash = (hash ^ value) * 1099511628211;
        }
    }
}
