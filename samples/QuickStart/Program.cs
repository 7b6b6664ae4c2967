// Three tasks on raw columns with the trainers' defaults, each beside a linear trainer of ML.NET on the same split; then every model is
// saved, loaded by a second process, and has to give the same scores to the last bit.
using System.Diagnostics;
using System.Globalization;
using Microsoft.ML;
using QuickStart;

CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
if (args is [SecondProcess.Command, var folder])
    return SecondProcess.ScoreSavedModels(folder);

// The one source of chance: which rows are held out, and the networks' random numbers. Another number as argument gives another split.
int seed = args is [var number] ? int.Parse(number) : 42;
var clock = Stopwatch.StartNew();
var ml = new MLContext(seed);

Console.WriteLine($"Training on four fifths of each table (TrainTestSplit, seed {seed}), measuring both trainers on the held-out fifth.");
TaskResult[] results = [Digits.Run(ml), Tumours.Run(ml), KnownFunction.Run(ml)];
Report.Table(results);

bool[] identical = SecondProcess.GivesTheSameScores(ml, results);
return Report.Summary(results, identical, clock.Elapsed);
