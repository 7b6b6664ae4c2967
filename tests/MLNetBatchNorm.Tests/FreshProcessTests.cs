using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace MLNetBatchNorm.Tests;

[TestClass]
public sealed class FreshProcessTests
{
    [TestMethod]
    public void Run_Task_GetsArgumentsEnvironmentAndANewProcess()
    {
        string output = FreshProcess.Run<Echo>(new Dictionary<string, string> { ["BATCHNORM_TEST"] = "set" }, "one", "two words", "");

        Assert.AreEqual($"one|two words|;set;False;True", output);
    }

    [TestMethod]
    public void Run_TaskThatThrows_FailsWithItsException()
    {
        var exception = Assert.ThrowsExactly<InvalidOperationException>(() => FreshProcess.Run<Failing>());

        Assert.Contains("exit code 1", exception.Message);
        Assert.Contains("meant to fail", exception.Message);
    }

    internal sealed class Echo : IFreshProcessTask
    {
        public static void Run(string[] arguments, TextWriter output)
            => output.Write(
                $"{string.Join('|', arguments)};{Environment.GetEnvironmentVariable("BATCHNORM_TEST")};"
                + $"{FreshProcess.IsLibraryLoaded()};{Environment.ProcessId > 0}");
    }

    internal sealed class Failing : IFreshProcessTask
    {
        public static void Run(string[] arguments, TextWriter output) => throw new NotSupportedException("meant to fail");
    }
}
