using System.Diagnostics;
using System.Globalization;
using MLNetBatchNorm.Proof;
using MLNetBatchNorm.Tests.Distribution;

// Without arguments: prints a line for each case, its name and its hash, and last a hash of all lines.
// --check FILE: compares with such lines; ends with 1 and names each that differs.
// --through-bytes FILE: the same, with trainings that travel as bytes and are lost once. What goes on from a file is left out.
IReadOnlyDictionary<string, string>? expected = args switch
{
    [] => null,
    ["--check" or "--through-bytes", string file] =>
        File.ReadLines(file).Select(line => line.Split('\t')).ToDictionary(parts => parts[0], parts => parts[1]),
    _ => throw new ArgumentException("Arguments: none, --check FILE, or --through-bytes FILE."),
};
bool throughBytes = args is ["--through-bytes", ..];
if (throughBytes)
    ModelHash.Runner = new BytesRunner { LostAfter = 1, KeepsStates = true };
var watch = Stopwatch.StartNew();
var found = new Dictionary<string, string>();
var nameOfHash = new Dictionary<string, string>();
using var all = new BitHash();
int faults = 0;
foreach (Case each in Cases.All.Where(each => !throughBytes || !each.Settings.Interrupted))
    Report(each.Name, Runs.Hash(each), each.SameAs);
foreach ((string name, string hash, string? sameAs) in Runs.OfTransform().Concat(Runs.OfGoldenModels()))
    Report(name, hash, sameAs);
if (!throughBytes)
    Report("all", all.Take(), null);
foreach (string name in throughBytes ? [] : expected?.Keys.Except(found.Keys) ?? [])
    Fault($"{name}: expected, but there is no such case");
string seconds = watch.Elapsed.TotalSeconds.ToString("0", CultureInfo.InvariantCulture);
Console.Error.WriteLine($"{found.Count} lines, {faults} faults, {seconds} s");
return faults == 0 ? 0 : 1;

void Report(string name, string hash, string? sameAs)
{
    found.Add(name, hash);
    all.Add($"{name}\t{hash}\n");
    if (expected is null)
        Console.WriteLine($"{name}\t{hash}");
    else if (!expected.TryGetValue(name, out string? then))
        Fault($"{name}: a case that is not expected");
    else if (then != hash)
        Fault($"{name}: {hash}, expected {then}");

    if (sameAs is not null && found[sameAs] != hash)
        Fault($"{name}: has to be the same as '{sameAs}', and is not");
    if (sameAs is null && !nameOfHash.TryAdd(hash, name))
        Fault($"{name}: the same as '{nameOfHash[hash]}', so that what is set has no effect");
}

void Fault(string text)
{
    faults++;
    Console.Error.WriteLine(text);
}
