using System.Diagnostics;
using Google.Protobuf;
using Microsoft.ML;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Tests.MLNet;

namespace MLNetBatchNorm.Onnx.Tests;

/// <summary>ONNX's own checker, a second reader beside ONNX Runtime, has nothing to say against our files.</summary>
[TestClass]
public sealed class CheckerTests
{
    /// <summary>Debian's interpreter, whose package python3-onnx holds the checker; others on the path would not see it.</summary>
    private const string Python = "/usr/bin/python3";

    [TestMethod]
    public void Checker_ExportedFiles_AreValid()
    {
        RequireChecker();
        var context = new MLContext(1);
        var models = new List<OnnxModel>();
        foreach (NetworkKind kind in Enum.GetValues<NetworkKind>())
        {
            ITransformer transformer = TinyNetworks.Train(context, kind, options =>
            {
                options.NumberOfEnsembleMembers = 2;
                options.NumberOfInputPieces = 3;
                options.Activation = ActivationFunction.Mish;
            });
            models.AddRange(from opSet in Enumerable.Range(12, 6) from fold in new[] { true, false } select OnnxModel.Of(
                context, transformer, opSet, fold));
        }

        (int exitCode, string output) = Check(models);
        Assert.AreEqual(0, exitCode, output);
    }

    [TestMethod]
    public void Checker_DamagedFile_IsFound()
    {
        RequireChecker();
        var context = new MLContext(1);
        OnnxModel model = OnnxModel.Of(context, TinyNetworks.Train(context, NetworkKind.Regression));
        model.Content.Graph.Node[^1].Input[^1] = "nothing";
        (int exitCode, string output) = Check([model]);
        Assert.AreNotEqual(0, exitCode);
        Assert.Contains("nothing", output);
    }

    private static void RequireChecker()
    {
        if (!File.Exists(Python) || Run(["-c", "import onnx"]).ExitCode != 0)
            Assert.Inconclusive($"{Python} has no module onnx. On Debian: apt-get install python3-onnx.");
    }

    private static (int ExitCode, string Output) Check(IReadOnlyList<OnnxModel> models)
    {
        string folder = Directory.CreateTempSubdirectory("batchnorm-onnx-").FullName;
        try
        {
            string[] paths = [.. models.Select((_, i) => Path.Combine(folder, $"{i}.onnx"))];
            for (int i = 0; i < paths.Length; i++)
                File.WriteAllBytes(paths[i], models[i].Content.ToByteArray());
            return Run(
                ["-c", "import sys, onnx\nfor path in sys.argv[1:]:\n  onnx.checker.check_model(onnx.load(path), full_check=True)",
                    .. paths]);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static (int ExitCode, string Output) Run(string[] arguments)
    {
        var start = new ProcessStartInfo(Python, arguments) { RedirectStandardError = true };
        using Process process = Process.Start(start)!;
        string output = process.StandardError.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output);
    }
}
