using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Tests.Kernels;

[TestClass]
public sealed class ActivationsTests
{
    [TestMethod]
    public void Visit_EveryMember_HasATypeOfItsOwn()
    {
        ActivationFunction?[] members = [null, .. Enum.GetValues<ActivationFunction>().Select(f => (ActivationFunction?)f)];

        Assert.AreEqual(members.Length, members.Select(TypeOf).Distinct().Count());
    }

    [TestMethod]
    public void Visit_NumberWithoutMember_Throws()
    {
        ActivationFunction unknown = Enum.GetValues<ActivationFunction>().Max() + 1;

        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => TypeOf(unknown));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => Activations.SquaredGain(unknown));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => Activations.Graph(unknown));
    }

    /// <summary>2 where half of the variance is lost, 1 for what is near the identity or bounded.</summary>
    [TestMethod]
    public void SquaredGain_IsThatOfTheFamily()
    {
        ActivationFunction[] ones = [ActivationFunction.SELU, ActivationFunction.Tanh, ActivationFunction.Sigmoid];

        foreach (ActivationFunction f in Enum.GetValues<ActivationFunction>())
            Assert.AreEqual(ones.Contains(f) ? 1 : 2, Activations.SquaredGain(f));
    }

    /// <summary>Each step reads the input, constants and steps before it; only the last one is the result.</summary>
    [TestMethod]
    public void Graph_OfEveryMember_CanBeComputedInOrder()
    {
        foreach (ActivationFunction f in Enum.GetValues<ActivationFunction>())
        {
            OperatorStep[] steps = Activations.Graph(f);
            var known = new HashSet<string> { Operand.Input.Name };
            Assert.AreNotEqual(0, steps.Length);
            for (int i = 0; i < steps.Length; i++)
            {
                foreach (Operand operand in steps[i].Operands)
                    Assert.IsTrue(operand.Value is not null || known.Contains(operand.Name), $"{f}: {operand.Name}");
                Assert.AreEqual(i == steps.Length - 1, steps[i].Result.Length == 0);
                known.Add(steps[i].Result);
            }
        }
    }

    private static Type TypeOf(ActivationFunction? f)
    {
        var visitor = default(TypeVisitor);
        Activations.Visit(f, ref visitor);
        return visitor.Type;
    }

    private struct TypeVisitor : IActivationVisitor
    {
        public Type Type;

        public void Visit<TActivation>()
            where TActivation : struct, IActivation => Type = typeof(TActivation);
    }
}
