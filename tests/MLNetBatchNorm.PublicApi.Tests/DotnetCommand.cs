using System.Diagnostics;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace MLNetBatchNorm.PublicApi.Tests;

/// <summary>Runs the <c>dotnet</c> command line in a process of its own, which inherits nothing of the build that runs the tests.</summary>
internal static class DotnetCommand
{
    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(10);

    /// <summary>What the command printed. A command that fails fails the test, with its output.</summary>
    /// <param name="folder">The working directory.</param>
    /// <param name="packages">The folder in which restored packages are installed; null: the user's.</param>
    /// <param name="arguments">The command and its arguments.</param>
    public static string Run(string folder, string? packages, params string[] arguments)
    {
        (int exitCode, string printed) = TryRun(folder, packages, arguments);
        Assert.AreEqual(0, exitCode, $"dotnet {string.Join(' ', arguments)}\n{printed}");
        return printed;
    }

    /// <summary>As <see cref="Run"/>, of a command that may fail.</summary>
    public static (int ExitCode, string Printed) TryRun(string folder, string? packages, params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet", arguments)
        {
            WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true,
        };
        foreach (string name in start.Environment.Keys.Where(
            name => name.StartsWith("MSBUILD", StringComparison.OrdinalIgnoreCase)).ToArray())
        {
            start.Environment.Remove(name);
        }
        start.Environment["MSBUILDDISABLENODEREUSE"] = "1";
        start.Environment["UseSharedCompilation"] = "false";
        start.Environment["DOTNET_CLI_UI_LANGUAGE"] = "en";
        start.Environment["DOTNET_NOLOGO"] = "1";
        if (packages != null)
            start.Environment["NUGET_PACKAGES"] = packages;

        return End(start);
    }

    /// <summary>What a program printed; one that fails fails the test, with its output.</summary>
    public static string RunProgram(string program, string folder)
    {
        (int exitCode, string printed) = End(
            new ProcessStartInfo(program) { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true });
        Assert.AreEqual(0, exitCode, $"{program}\n{printed}");
        return printed;
    }

    private static (int ExitCode, string Printed) End(ProcessStartInfo start)
    {
        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> error = process.StandardError.ReadToEndAsync();
        if (!process.WaitForExit(s_limit))
        {
            process.Kill(entireProcessTree: true);
            Assert.Fail($"{start.FileName} {string.Join(' ', start.ArgumentList)} did not end within {s_limit}.");
        }

        return (process.ExitCode, output.GetAwaiter().GetResult() + error.GetAwaiter().GetResult());
    }
}
