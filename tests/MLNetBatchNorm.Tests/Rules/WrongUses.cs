// Types that break the dependency rule, each in one way, in layers of their own: the negative control of DependencyRuleTests.
#pragma warning disable IDE0130, CA1822, CS0169, IDE0051, IDE0044
using Microsoft.ML;

namespace MLNetBatchNorm.Tests.Rules.Wrong
{
    internal sealed class PlainTypeOfNetwork
    {
        private readonly Kernels.Right _right = new();

        public override string ToString() => _right.ToString() ?? "";
    }

    internal sealed class InNoLayer;
}

namespace MLNetBatchNorm.Tests.Rules.Wrong.Kernels
{
    internal sealed class Right
    {
        public Span<float> Use(Span<float> values) => values[1..];
    }

    internal sealed class InASignature
    {
        public void Use(Network.Right[] parameter) => _ = parameter.Length;
    }

    internal sealed class InTheBodyOfALambda
    {
        public Func<int> Use() => () => new Network.Right().GetHashCode();
    }

    internal sealed class OfAPlainType
    {
        public static readonly List<PlainTypeOfNetwork> Field = [];
    }
}

namespace MLNetBatchNorm.Tests.Rules.Wrong.Network
{
    internal sealed class Right
    {
        public Kernels.Right Use(Right other) => new();
    }

    internal sealed class OfTraining : Training.Right;

    internal sealed class OfMLNet
    {
        public void Use() => _ = new MLContext();
    }
}

namespace MLNetBatchNorm.Tests.Rules.Wrong.Training
{
    internal class Right
    {
        public (Network.Right, Kernels.Right) Use() => default;
    }
}

namespace MLNetBatchNorm.Tests.Rules.Wrong.Persistence
{
    internal sealed class AsATypeArgument
    {
        public void Use() => Array.Empty<MLNet.Right>();
    }
}

namespace MLNetBatchNorm.Tests.Rules.Wrong.MLNet
{
    internal sealed class Right
    {
        public (Network.Right, Kernels.Right, Training.Right, Persistence.AsATypeArgument) Use(MLContext context) => default;
    }
}
