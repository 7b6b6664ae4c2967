using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace MLNetBatchNorm.Kernels;

internal static partial class MatrixMultiply
{
    private const int BlockLength = Width * Width;

    /// <summary>Transposes weights for the outputs of the panels [firstPanel, endPanel) of w.</summary>
    /// <remarks>
    /// w is [inputs, outputs], wt is [outputs, inputs], both in the weights' layout.
    ///   wt[o, i] = w[i, o]; 0 in the padding lanes i >= inputs
    /// Only the rows o of wt that belong to these panels are written, in every panel of wt. wt must not overlap w.
    /// A block of 16 inputs and 16 outputs is 1 KiB in one piece on both sides, so neither cache nor memory sees a stride.
    /// </remarks>
    public static unsafe void TransposeWeights(ReadOnlySpan<float> w, int inputs, int outputs, Span<float> wt, int firstPanel, int endPanel)
    {
        if (firstPanel < 0 || endPanel < firstPanel || inputs < 0 || outputs < 0 || endPanel > PanelLayout.PanelCount(outputs))
            ThrowRange();
        if (w.Length < (long)endPanel * Width * inputs)
            ThrowShort(nameof(w));
        if (wt.Length < PanelLayout.Length(outputs, inputs))
            ThrowShort(nameof(wt));

        fixed (float* source = w, target = wt)
        {
            float* edge = stackalloc float[2 * BlockLength], edgeTransposed = edge + BlockLength;
            for (int panel = firstPanel; panel < endPanel; panel++)
            {
                int firstOutput = panel * Width;
                int blockOutputs = Math.Min(Width, outputs - firstOutput);
                for (int firstInput = 0; firstInput < inputs; firstInput += Width)
                {
                    float* from = source + ((nint)panel * inputs + firstInput) * Width;
                    float* to = target + ((nint)(firstInput / Width) * outputs + firstOutput) * Width;
                    int blockInputs = Math.Min(Width, inputs - firstInput);
                    if (blockInputs == Width && blockOutputs == Width)
                        TransposeBlock(from, to);
                    else
                    {
                        new Span<float>(from, blockInputs * Width).CopyTo(new Span<float>(edge, BlockLength));
                        new Span<float>(edge + blockInputs * Width, BlockLength - blockInputs * Width).Clear();
                        TransposeBlock(edge, edgeTransposed);
                        new Span<float>(edgeTransposed, blockOutputs * Width).CopyTo(new Span<float>(to, blockOutputs * Width));
                    }
                }
            }
        }
    }

    /// <summary>to[o, i] = from[i, o], both [16, 16] row-major.</summary>
    private static unsafe void TransposeBlock(float* from, float* to)
    {
        if (Avx512F.IsSupported)
            TransposeBlock512(from, to);
        else if (Avx.IsSupported)
        {
            TransposeBlock256(from, to);
            TransposeBlock256(from + 8, to + 8 * Width);
            TransposeBlock256(from + 8 * Width, to + 8);
            TransposeBlock256(from + 8 * Width + 8, to + 8 * Width + 8);
        }
        else
            for (int o = 0; o < Width; o++)
                for (int i = 0; i < Width; i++)
                    to[o * Width + i] = from[i * Width + o];
    }

    /// <summary>
    /// Two steps: rows 4g to 4g + 3 are transposed inside every 128-bit quarter, then the quarters like a 4 x 4 matrix of four floats each.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static unsafe void TransposeBlock512(float* from, float* to)
    {
        // columns[4g + j], quarter q: rows 4g to 4g + 3 of column 4q + j.
        float* columns = stackalloc float[BlockLength];
        for (int g = 0; g < BlockLength; g += 4 * Width)
        {
            Vector512<float> r0 = Vector512.Load(from + g), r1 = Vector512.Load(from + g + Width);
            Vector512<float> r2 = Vector512.Load(from + g + 2 * Width), r3 = Vector512.Load(from + g + 3 * Width);
            Vector512<double> low01 = Avx512F.UnpackLow(r0, r1).AsDouble(), high01 = Avx512F.UnpackHigh(r0, r1).AsDouble();
            Vector512<double> low23 = Avx512F.UnpackLow(r2, r3).AsDouble(), high23 = Avx512F.UnpackHigh(r2, r3).AsDouble();
            Avx512F.UnpackLow(low01, low23).AsSingle().Store(columns + g);
            Avx512F.UnpackHigh(low01, low23).AsSingle().Store(columns + g + Width);
            Avx512F.UnpackLow(high01, high23).AsSingle().Store(columns + g + 2 * Width);
            Avx512F.UnpackHigh(high01, high23).AsSingle().Store(columns + g + 3 * Width);
        }

        for (int j = 0; j < 4 * Width; j += Width)
        {
            Vector512<float> g0 = Vector512.Load(columns + j), g1 = Vector512.Load(columns + j + 4 * Width);
            Vector512<float> g2 = Vector512.Load(columns + j + 8 * Width), g3 = Vector512.Load(columns + j + 12 * Width);
            Vector512<float> left01 = Avx512F.Shuffle4x128(g0, g1, 0x44), right01 = Avx512F.Shuffle4x128(g0, g1, 0xEE);
            Vector512<float> left23 = Avx512F.Shuffle4x128(g2, g3, 0x44), right23 = Avx512F.Shuffle4x128(g2, g3, 0xEE);
            Avx512F.Shuffle4x128(left01, left23, 0x88).Store(to + j);
            Avx512F.Shuffle4x128(left01, left23, 0xDD).Store(to + j + 4 * Width);
            Avx512F.Shuffle4x128(right01, right23, 0x88).Store(to + j + 8 * Width);
            Avx512F.Shuffle4x128(right01, right23, 0xDD).Store(to + j + 12 * Width);
        }
    }

    /// <summary>The same for a quarter of the block, [8, 8] with rows 16 apart.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static unsafe void TransposeBlock256(float* from, float* to)
    {
        // columns[4g + j], half h: rows 4g to 4g + 3 of column 4h + j.
        float* columns = stackalloc float[64];
        for (int g = 0; g < 2; g++)
        {
            float* row = from + 4 * g * Width, column = columns + 32 * g;
            Vector256<float> r0 = Vector256.Load(row), r1 = Vector256.Load(row + Width);
            Vector256<float> r2 = Vector256.Load(row + 2 * Width), r3 = Vector256.Load(row + 3 * Width);
            Vector256<double> low01 = Avx.UnpackLow(r0, r1).AsDouble(), high01 = Avx.UnpackHigh(r0, r1).AsDouble();
            Vector256<double> low23 = Avx.UnpackLow(r2, r3).AsDouble(), high23 = Avx.UnpackHigh(r2, r3).AsDouble();
            Avx.UnpackLow(low01, low23).AsSingle().Store(column);
            Avx.UnpackHigh(low01, low23).AsSingle().Store(column + 8);
            Avx.UnpackLow(high01, high23).AsSingle().Store(column + 16);
            Avx.UnpackHigh(high01, high23).AsSingle().Store(column + 24);
        }

        for (int j = 0; j < 4; j++)
        {
            Vector256<float> g0 = Vector256.Load(columns + 8 * j), g1 = Vector256.Load(columns + 8 * j + 32);
            Avx.Permute2x128(g0, g1, 0x20).Store(to + j * Width);
            Avx.Permute2x128(g0, g1, 0x31).Store(to + (j + 4) * Width);
        }
    }
}
