// What does a training look like from outside? The three networks of QuickStart, each with a page about it.
using System.Globalization;
using Microsoft.ML;
using MLNetBatchNorm.Reporting;
using QuickStart;

CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
string folder = Directory.CreateDirectory(args is [var given] ? given : Path.Combine("artifacts", "reports")).FullName;
var ml = new MLContext(seed: 42);
foreach (Func<MLContext, TaskResult> run in new[] { Digits.Run, Tumours.Run, KnownFunction.Run })
{
    TaskResult result = run(ml);
    string page = Path.Combine(folder, result.Name + ".html");
    TrainingReport.Write(ml, result.Model, result.HeldOut, page, new TrainingReportOptions { Title = $"Training report: {result.Name}" });
    Console.WriteLine(
        $"{result.Name}: {result.Measure} {result.Network:F4}, {new FileInfo(page).Length / 1024} KiB in {Path.GetFileName(page)}");
}

Console.WriteLine($"The pages are in {folder}");
