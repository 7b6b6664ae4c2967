using System.Diagnostics;
using System.Runtime.InteropServices;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace QuickStart;

/// <summary>Saves models, and scores them in another process that has nothing but the files.</summary>
internal static class SecondProcess
{
    /// <summary>The argument with which the program starts itself.</summary>
    public const string Command = "score-saved-models";

    private const string LibraryName = "MLNetBatchNorm";

    /// <summary>For each result, whether its model gives the same scores, bit for bit, when a new process loads it.</summary>
    public static bool[] GivesTheSameScores(MLContext ml, IReadOnlyList<TaskResult> results)
    {
        string folder = Directory.CreateTempSubdirectory("quickstart-").FullName;
        try
        {
            foreach (TaskResult result in results)
            {
                string path = Path.Combine(folder, result.Name);
                ml.Model.Save(result.Model, result.HeldOut.Schema, path + ".zip");
                using FileStream rows = File.Create(path + ".rows");
                ml.Data.SaveAsBinary(result.HeldOut, rows);
            }

            bool ran = StartMyself(folder) == 0;
            return [.. results.Select(result => ran && Compare(result, Path.Combine(folder, result.Name + ".scores")))];
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>
    /// The second process: loads every model of the folder and writes the scores of its rows beside it. Names no type of the library.
    /// </summary>
    public static int ScoreSavedModels(string folder)
    {
        if (AppDomain.CurrentDomain.GetAssemblies().Any(assembly => assembly.GetName().Name == LibraryName))
        {
            Console.Error.WriteLine($"{LibraryName} is loaded before Model.Load: this process proves nothing.");
            return 1;
        }

        var ml = new MLContext();
        foreach (string path in Directory.GetFiles(folder, "*.zip"))
        {
            ITransformer model = ml.Model.Load(path, out _);
            IDataView rows = ml.Data.LoadFromBinary(Path.ChangeExtension(path, ".rows"));
            File.WriteAllBytes(Path.ChangeExtension(path, ".scores"), ScoreBytes(model.Transform(rows)));
        }

        return 0;
    }

    private static bool Compare(TaskResult result, string path)
    {
        byte[] expected = ScoreBytes(result.Model.Transform(result.HeldOut));
        bool same = expected.Length > 0 && expected.AsSpan().SequenceEqual(File.ReadAllBytes(path));
        Console.WriteLine(
            $"{result.Name}: {expected.Length / sizeof(float)} scores from the saved model in a second process are "
            + $"{(same ? "identical bit for bit" : "NOT the same")}");
        return same;
    }

    /// <summary>The bits of every score: one number a row, or one for each class.</summary>
    private static byte[] ScoreBytes(IDataView scored)
    {
        IEnumerable<float> scores = scored.Schema["Score"].Type is VectorDataViewType
            ? scored.GetColumn<float[]>("Score").SelectMany(row => row)
            : scored.GetColumn<float>("Score");
        return MemoryMarshal.AsBytes<float>(scores.ToArray()).ToArray();
    }

    private static int StartMyself(string folder)
    {
        string program = Environment.ProcessPath ?? throw new InvalidOperationException("The path of this program is not known.");
        var start = new ProcessStartInfo(program);
        if (Path.GetFileNameWithoutExtension(program) == "dotnet")
            start.ArgumentList.Add(Environment.GetCommandLineArgs()[0]);
        start.ArgumentList.Add(Command);
        start.ArgumentList.Add(folder);
        using Process process = Process.Start(start) ?? throw new InvalidOperationException($"{program} did not start.");
        process.WaitForExit();
        return process.ExitCode;
    }
}
