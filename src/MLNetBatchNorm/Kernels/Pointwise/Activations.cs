using System.Runtime.CompilerServices;

namespace MLNetBatchNorm.Kernels;

/// <summary>
/// All activation functions, each in one type with all that is said of it, and the one place that
/// turns a member of the enumeration into its type.
/// </summary>
internal static class Activations
{
    /// <summary>Calls the visitor with the type that <paramref name="f"/> stands for; null stands for the identity.</summary>
    /// <remarks>
    /// Loops over floats go through this, not through delegates: they are compiled for every type by itself, with f and f' inlined.
    /// </remarks>
    /// <exception cref="ArgumentOutOfRangeException">The enumeration has no such member, or this switch has no line for it.</exception>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Visit<TVisitor>(ActivationFunction? f, ref TVisitor visitor)
        where TVisitor : struct, IActivationVisitor
    {
        switch (f)
        {
            case null: visitor.Visit<Identity>(); break;
            case ActivationFunction.ReLU: visitor.Visit<Relu>(); break;
            case ActivationFunction.LeakyReLU: visitor.Visit<LeakyRelu>(); break;
            case ActivationFunction.ELU: visitor.Visit<Elu>(); break;
            case ActivationFunction.SELU: visitor.Visit<Selu>(); break;
            case ActivationFunction.GELU: visitor.Visit<Gelu>(); break;
            case ActivationFunction.SiLU: visitor.Visit<Silu>(); break;
            case ActivationFunction.Mish: visitor.Visit<Mish>(); break;
            case ActivationFunction.Tanh: visitor.Visit<Tanh>(); break;
            case ActivationFunction.Sigmoid: visitor.Visit<Sigmoid>(); break;
            default: throw new ArgumentOutOfRangeException(nameof(f), f, "Unknown activation function.");
        }
    }

    /// <summary>
    /// What a linear map in front of the activation multiplies the variance of its inputs by when its
    /// weights are drawn: 2 where half of it is lost.
    /// </summary>
    public static double SquaredGain(ActivationFunction f)
    {
        var visitor = default(Description);
        Visit(f, ref visitor);
        return visitor.SquaredGain;
    }

    /// <summary>The activation in steps of a graph of operators, the last of which gives the result.</summary>
    public static OperatorStep[] Graph(ActivationFunction f)
    {
        var visitor = default(Description);
        Visit(f, ref visitor);
        return visitor.Graph;
    }

    private struct Description : IActivationVisitor
    {
        public double SquaredGain;
        public OperatorStep[] Graph;

        public void Visit<TActivation>()
            where TActivation : struct, IActivation
        {
            SquaredGain = TActivation.SquaredGain;
            Graph = TActivation.Graph;
        }
    }

    /// <summary>f(x) = x: for layers without an activation.</summary>
    public readonly struct Identity : IActivation
    {
        public static bool DerivativeReadsOutput => false;

        public static double SquaredGain => 1;

        public static OperatorStep[] Graph => [];

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static V Forward<TSimd, V>(V x)
            where TSimd : struct, ISimd<V>
            where V : struct
            => x;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static V Derivative<TSimd, V>(V x, V y)
            where TSimd : struct, ISimd<V>
            where V : struct
            => TSimd.Broadcast(1f);
    }

    /// <summary>max(x, 0); f'(0) = 0.</summary>
    public readonly struct Relu : IActivation
    {
        public static bool DerivativeReadsOutput => false;

        public static double SquaredGain => 2;

        public static OperatorStep[] Graph => [new("Relu")];

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static V Forward<TSimd, V>(V x)
            where TSimd : struct, ISimd<V>
            where V : struct
            => TSimd.Max(TSimd.Broadcast(0f), x);

        /// <summary>
        /// From x alone, which spares the loop a stream of memory. Where x is not positive, max(0, x) is the derivative: 0, or NaN.
        /// </summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static V Derivative<TSimd, V>(V x, V y)
            where TSimd : struct, ISimd<V>
            where V : struct
        {
            V zero = TSimd.Broadcast(0f);
            return TSimd.Select(TSimd.GreaterThan(x, zero), TSimd.Broadcast(1f), TSimd.Max(zero, x));
        }
    }

    /// <summary>x for x &gt; 0, otherwise 0.01 x; f'(0) = 0.01.</summary>
    public readonly struct LeakyRelu : IActivation
    {
        public static bool DerivativeReadsOutput => false;

        public static double SquaredGain => 2;

        public static OperatorStep[] Graph => [new("LeakyRelu") { Settings = [("alpha", Slope)] }];

        /// <summary>PyTorch's default slope.</summary>
        private const float Slope = 0.01f;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static V Forward<TSimd, V>(V x)
            where TSimd : struct, ISimd<V>
            where V : struct
            => TSimd.Max(TSimd.Multiply(x, TSimd.Broadcast(Slope)), x);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static V Derivative<TSimd, V>(V x, V y)
            where TSimd : struct, ISimd<V>
            where V : struct
        {
            V notPositive = TSimd.Select(TSimd.AreEqual(x, x), TSimd.Broadcast(Slope), x);      // a NaN is not equal to itself, and stays
            return TSimd.Select(TSimd.GreaterThan(x, TSimd.Broadcast(0f)), TSimd.Broadcast(1f), notPositive);
        }
    }

    /// <summary>x for x &gt; 0, otherwise e^x - 1; f'(0) = 1.</summary>
    public readonly struct Elu : IActivation
    {
        public static bool DerivativeReadsOutput => true;

        public static double SquaredGain => 2;

        public static OperatorStep[] Graph => [new("Elu") { Settings = [("alpha", 1f)] }];

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static V Forward<TSimd, V>(V x)
            where TSimd : struct, ISimd<V>
            where V : struct
        {
            V zero = TSimd.Broadcast(0f);
            V negative = VectorMath.ExpMinusOneOfNonPositive<TSimd, V>(TSimd.Min(zero, x));
            return TSimd.Select(TSimd.GreaterThan(x, zero), x, negative);
        }

        /// <summary>e^x = y + 1 on the negative side.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static V Derivative<TSimd, V>(V x, V y)
            where TSimd : struct, ISimd<V>
            where V : struct
            => TSimd.Add(TSimd.Min(TSimd.Broadcast(0f), y), TSimd.Broadcast(1f));
    }

    /// <summary>s x for x &gt; 0, otherwise s a (e^x - 1); f'(0) = s a.</summary>
    public readonly struct Selu : IActivation
    {
        public static bool DerivativeReadsOutput => true;

        public static double SquaredGain => 1;

        public static OperatorStep[] Graph => [new("Selu") { Settings = [("alpha", (float)Alpha), ("gamma", (float)Scale)] }];

        /// <summary>The constants of Klambauer et al. 2017 as PyTorch writes them.</summary>
        private const double Scale = 1.0507009873554805;
        private const double Alpha = 1.6732632423543772;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static V Forward<TSimd, V>(V x)
            where TSimd : struct, ISimd<V>
            where V : struct
        {
            V zero = TSimd.Broadcast(0f);
            V negative = VectorMath.ExpMinusOneOfNonPositive<TSimd, V>(TSimd.Min(zero, x));
            return TSimd.Select(
                TSimd.GreaterThan(x, zero),
                TSimd.Multiply(x, TSimd.Broadcast((float)Scale)),
                TSimd.Multiply(negative, TSimd.Broadcast((float)(Scale * Alpha))));
        }

        /// <summary>s a e^x = y + s a on the negative side.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static V Derivative<TSimd, V>(V x, V y)
            where TSimd : struct, ISimd<V>
            where V : struct
            => TSimd.Select(
                TSimd.GreaterThan(y, TSimd.Broadcast(0f)),
                TSimd.Broadcast((float)Scale),
                TSimd.Add(y, TSimd.Broadcast((float)(Scale * Alpha))));
    }

    /// <summary>x Phi(x); f'(x) = Phi(x) + x phi(x).</summary>
    public readonly struct Gelu : IActivation
    {
        public static bool DerivativeReadsOutput => false;

        public static double SquaredGain => 2;

        /// <summary><c>x (1 + erf(x / sqrt(2))) / 2</c>, in the order in which runtimes recognize it.</summary>
        public static OperatorStep[] Graph =>
        [
            new("Div", "argument", [Operand.Input, Operand.Constant("root_of_two", (float)Math.Sqrt(2))]),
            new("Erf", "erf", ["argument"]),
            new("Add", "sum", ["erf", Operand.Constant("one", 1)]),
            new("Mul", "product", [Operand.Input, "sum"]),
            new("Mul", ["product", Operand.Constant("half", 0.5f)]),
        ];

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static V Forward<TSimd, V>(V x)
            where TSimd : struct, ISimd<V>
            where V : struct
            => TSimd.Multiply(x, VectorMath.NormalCumulative<TSimd, V>(x, out _));

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static V Derivative<TSimd, V>(V x, V y)
            where TSimd : struct, ISimd<V>
            where V : struct
        {
            V cumulative = VectorMath.NormalCumulative<TSimd, V>(x, out V density);
            return TSimd.FusedMultiplyAdd(x, density, cumulative);
        }
    }

    /// <summary>x s with s = sigmoid(x); f'(x) = s + x s (1 - s).</summary>
    /// <remarks>
    /// s (1 - s) is taken as e / (1 + e)^2 with e = e^-|x|: 1 - s would cancel where s is near 1, and x magnifies the error.
    /// </remarks>
    public readonly struct Silu : IActivation
    {
        public static bool DerivativeReadsOutput => false;

        public static double SquaredGain => 2;

        public static OperatorStep[] Graph => [new("Sigmoid", "sigmoid", [Operand.Input]), new("Mul", [Operand.Input, "sigmoid"])];

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static V Forward<TSimd, V>(V x)
            where TSimd : struct, ISimd<V>
            where V : struct
            => TSimd.Multiply(x, VectorMath.Sigmoid<TSimd, V>(x));

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static V Derivative<TSimd, V>(V x, V y)
            where TSimd : struct, ISimd<V>
            where V : struct
        {
            V s = VectorMath.Sigmoid<TSimd, V>(x, out V e, out V inverse);
            V slope = TSimd.Multiply(e, TSimd.Multiply(inverse, inverse));
            return TSimd.FusedMultiplyAdd(x, slope, s);
        }
    }

    /// <summary>x tanh(ln(1 + e^x)).</summary>
    /// <remarks>
    /// With e = e^x and n = e (e + 2) = (1 + e)^2 - 1 the hyperbolic tangent is n / (n + 2): no logarithm and no cancellation.
    /// f'(x) = n / (n + 2) + 4 x e (1 + e) / (n + 2)^2. From x = 20 on both are x and 1 to the last bit, so
    /// e is taken at min(x, 20) and cannot overflow.
    /// </remarks>
    public readonly struct Mish : IActivation
    {
        public static bool DerivativeReadsOutput => false;

        public static double SquaredGain => 2;

        public static OperatorStep[] Graph =>
            [new("Softplus", "softplus", [Operand.Input]), new("Tanh", "tanh", ["softplus"]), new("Mul", [Operand.Input, "tanh"])];

        private const float Saturation = 20f;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static V Forward<TSimd, V>(V x)
            where TSimd : struct, ISimd<V>
            where V : struct
        {
            V two = TSimd.Broadcast(2f);
            V e = VectorMath.ExpUpTo88<TSimd, V>(TSimd.Min(TSimd.Broadcast(Saturation), x));
            V n = TSimd.Multiply(e, TSimd.Add(e, two));
            return TSimd.Multiply(x, TSimd.Divide(n, TSimd.Add(n, two)));
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static V Derivative<TSimd, V>(V x, V y)
            where TSimd : struct, ISimd<V>
            where V : struct
        {
            V one = TSimd.Broadcast(1f);
            V two = TSimd.Broadcast(2f);
            V bounded = TSimd.Min(TSimd.Broadcast(Saturation), x);
            V e = VectorMath.ExpUpTo88<TSimd, V>(bounded);
            V n = TSimd.Multiply(e, TSimd.Add(e, two));
            V inverse = TSimd.Divide(one, TSimd.Add(n, two));
            V slope = TSimd.Multiply(
                TSimd.Multiply(TSimd.Multiply(bounded, TSimd.Broadcast(4f)), e), TSimd.Multiply(TSimd.Add(e, one), inverse));
            return TSimd.Multiply(TSimd.Add(n, slope), inverse);
        }
    }

    /// <summary>tanh(x); f'(x) = 1 - y^2.</summary>
    public readonly struct Tanh : IActivation
    {
        public static bool DerivativeReadsOutput => true;

        public static double SquaredGain => 1;

        public static OperatorStep[] Graph => [new("Tanh")];

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static V Forward<TSimd, V>(V x)
            where TSimd : struct, ISimd<V>
            where V : struct
            => VectorMath.Tanh<TSimd, V>(x);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static V Derivative<TSimd, V>(V x, V y)
            where TSimd : struct, ISimd<V>
            where V : struct
            => TSimd.FusedMultiplyAdd(TSimd.Negate(y), y, TSimd.Broadcast(1f));
    }

    /// <summary>1 / (1 + e^-x); f'(x) = y (1 - y).</summary>
    public readonly struct Sigmoid : IActivation
    {
        public static bool DerivativeReadsOutput => true;

        public static double SquaredGain => 1;

        public static OperatorStep[] Graph => [new("Sigmoid")];

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static V Forward<TSimd, V>(V x)
            where TSimd : struct, ISimd<V>
            where V : struct
            => VectorMath.Sigmoid<TSimd, V>(x);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static V Derivative<TSimd, V>(V x, V y)
            where TSimd : struct, ISimd<V>
            where V : struct
            => TSimd.FusedMultiplyAdd(TSimd.Negate(y), y, y);
    }
}
