using System.Diagnostics;
using System.Reflection;
using System.Text.Json.Nodes;

namespace MLNetBatchNorm.Tests;

/// <summary>A piece of a test that runs in a process of its own, where nothing is loaded, registered or cached yet.</summary>
internal interface IFreshProcessTask
{
    /// <summary>
    /// Runs in the new process. What it writes to <paramref name="output"/> is returned to the test; an exception fails the test.
    /// </summary>
    static abstract void Run(string[] arguments, TextWriter output);
}

/// <summary>Starts the test executable again to run one <see cref="IFreshProcessTask"/>.</summary>
internal static class FreshProcess
{
    private const string TaskSwitch = "--fresh-process-task";
    private const string LibraryName = "MLNetBatchNorm";

    /// <summary>Generous: a loaded machine of two cores needs a second or two.</summary>
    private static readonly TimeSpan s_timeLimit = TimeSpan.FromMinutes(3);

    /// <summary>Runs the task and returns what it wrote. Throws with its error output when it fails or does not end in time.</summary>
    public static string Run<TTask>(params string[] arguments) where TTask : IFreshProcessTask =>
        Run<TTask>(new Dictionary<string, string>(), arguments);

    /// <inheritdoc cref="Run{TTask}(string[])"/>
    /// <param name="environment">Environment variables to add, such as <c>DOTNET_EnableAVX2=0</c>.</param>
    /// <param name="arguments">What the task is given.</param>
    public static string Run<TTask>(IReadOnlyDictionary<string, string> environment, params string[] arguments)
        where TTask : IFreshProcessTask
    {
        return End<TTask>(Start<TTask>(environment, arguments));
    }

    /// <summary>
    /// As <see cref="Run{TTask}(string[])"/>, in a process that can make no file larger than
    /// some blocks of 512 bytes: as good as a full disk.
    /// </summary>
    public static string RunWithFileLimit<TTask>(int blocks, params string[] arguments) where TTask : IFreshProcessTask
    {
        ProcessStartInfo task = StartInfo<TTask>(arguments);
        // Without the signal a write beyond the limit fails as any other. The runtime's own files of memory must not count.
        var start = new ProcessStartInfo("/bin/sh") { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["DOTNET_EnableWriteXorExecute"] = "0";
        start.Environment["DOTNET_EnableDiagnostics"] = "0";
        foreach (string argument in (string[])["-c", $"trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"", task.FileName,
            .. task.ArgumentList])
        {
            start.ArgumentList.Add(argument);
        }
        return End<TTask>(Process.Start(start)!);
    }

    /// <summary>
    /// As <see cref="Run{TTask}(string[])"/>, in a program that does not reference the library: its default context does not find it. The
    /// task is told where the library's file is, in front of the other arguments.
    /// </summary>
    public static string RunWithoutLibrary<TTask>(params string[] arguments) where TTask : IFreshProcessTask
    {
        string tests = typeof(FreshProcess).Assembly.Location, library = Path.Combine(AppContext.BaseDirectory, LibraryName + ".dll");
        // The runtime looks for what this file lists in the file's own folder.
        string dependencies = Path.Combine(AppContext.BaseDirectory, $"host-{Guid.NewGuid():N}.deps.json");
        try
        {
            JsonNode json = JsonNode.Parse(File.ReadAllText(Path.ChangeExtension(tests, ".deps.json")))!;
            foreach (JsonObject part in json["targets"]!.AsObject().Select(target => target.Value!.AsObject()).Append(
                json["libraries"]!.AsObject()))
            {
                foreach (string name in part.Select(entry => entry.Key).Where(
                    name => name.StartsWith(LibraryName + "/", StringComparison.Ordinal)).ToArray())
                {
                    part.Remove(name);
                }
            }

            File.WriteAllText(dependencies, json.ToJsonString());
            var start = new ProcessStartInfo(
                "dotnet",
                ["exec", "--depsfile", dependencies, "--runtimeconfig", Path.ChangeExtension(tests, ".runtimeconfig.json"), tests,
                    TaskSwitch, typeof(TTask).FullName!, library, .. arguments])
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            };
            return End<TTask>(Process.Start(start)!);
        }
        finally
        {
            File.Delete(dependencies);
        }
    }

    private static string End<TTask>(Process started)
    {
        using Process process = started;
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> errors = process.StandardError.ReadToEndAsync();
        if (!process.WaitForExit(s_timeLimit))
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"{typeof(TTask).Name} did not end within {s_timeLimit.TotalMinutes} minutes.");
        }

        process.WaitForExit();
        if (process.ExitCode != 0)
        {
            throw new InvalidOperationException(
                $"{typeof(TTask).Name} failed in its own process with exit code {process.ExitCode}: {errors.Result}");
        }
        return output.Result;
    }

    /// <summary>Starts the task with redirected output and does not wait: for a test that ends the process itself.</summary>
    public static Process Start<TTask>(IReadOnlyDictionary<string, string> environment, params string[] arguments)
        where TTask : IFreshProcessTask
    {
        ProcessStartInfo start = StartInfo<TTask>(arguments);
        foreach ((string name, string value) in environment)
            start.Environment[name] = value;
        return Process.Start(start)!;
    }

    private static ProcessStartInfo StartInfo<TTask>(string[] arguments)
    {
        ProcessStartInfo start = OfTestExecutable();
        start.RedirectStandardOutput = true;
        start.RedirectStandardError = true;
        start.ArgumentList.Add(TaskSwitch);
        start.ArgumentList.Add(typeof(TTask).FullName!);
        foreach (string argument in arguments)
            start.ArgumentList.Add(argument);
        return start;
    }

    /// <summary>
    /// Whether the library under test is loaded in this process: a task that shows how it is found asks before it uses it.
    /// </summary>
    public static bool IsLibraryLoaded() => AppDomain.CurrentDomain.GetAssemblies().Any(a => a.GetName().Name == LibraryName);

    internal static bool IsTask(string[] args) => args.Length > 1 && args[0] == TaskSwitch;

    internal static int RunTask(string[] args)
    {
        try
        {
            MethodInfo run = typeof(FreshProcess).Assembly.GetType(args[1], throwOnError: true)!
                .GetMethod(
                    nameof(IFreshProcessTask.Run), BindingFlags.Public | BindingFlags.Static, [typeof(string[]), typeof(TextWriter)])!;
            run.Invoke(null, BindingFlags.DoNotWrapExceptions, null, [args[2..], Console.Out], null);
            Console.Out.Flush();
            return 0;
        }
        catch (Exception e)
        {
            Console.Error.WriteLine(e);
            return 1;
        }
    }

    private static ProcessStartInfo OfTestExecutable()
    {
        string library = typeof(FreshProcess).Assembly.Location;
        string executable = Path.ChangeExtension(library, OperatingSystem.IsWindows() ? ".exe" : null);
        if (File.Exists(executable))
            return new ProcessStartInfo(executable);
        var start = new ProcessStartInfo("dotnet");
        start.ArgumentList.Add(library);
        return start;
    }
}
