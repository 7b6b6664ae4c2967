using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace MLNetBatchNorm.Kernels;

/// <summary>The numbers of one Adam or AdamW step, computed in double from the options and the step number.</summary>
internal readonly struct AdamCoefficients
{
    /// <summary>Coefficients of step <paramref name="step"/>, counted from 1.</summary>
    public AdamCoefficients(double learningRate, double beta1, double beta2, double epsilon, double weightDecay, long step)
    {
        Beta1 = (float)beta1;
        OneMinusBeta1 = (float)(1 - beta1);
        Beta2 = (float)beta2;
        OneMinusBeta2 = (float)(1 - beta2);
        StepSize = (float)(learningRate / (1 - Math.Pow(beta1, step)));
        InverseRootCorrection = (float)(1 / Math.Sqrt(1 - Math.Pow(beta2, step)));
        Epsilon = (float)epsilon;
        L2 = (float)weightDecay;
        Decay = (float)(learningRate * weightDecay);
    }

    /// <summary>Weight of the old first moment.</summary>
    public float Beta1 { get; }

    /// <summary>1 - beta1, rounded once.</summary>
    public float OneMinusBeta1 { get; }

    /// <summary>Weight of the old second moment.</summary>
    public float Beta2 { get; }

    /// <summary>1 - beta2, rounded once.</summary>
    public float OneMinusBeta2 { get; }

    /// <summary>learningRate / (1 - beta1^t).</summary>
    public float StepSize { get; }

    /// <summary>1 / sqrt(1 - beta2^t).</summary>
    public float InverseRootCorrection { get; }

    /// <summary>Added to the root of the corrected second moment.</summary>
    public float Epsilon { get; }

    /// <summary>Weight decay as Adam applies it: added to the gradient.</summary>
    public float L2 { get; }

    /// <summary>Weight decay as AdamW applies it: learningRate * weightDecay, the share of the parameter that is taken away.</summary>
    public float Decay { get; }
}
