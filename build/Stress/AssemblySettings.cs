using System.Runtime.CompilerServices;

// The run-time half of build/PublicizeMLNet.targets, for asking whether an exception bears ML.NET's mark.
[assembly: IgnoresAccessChecksTo("Microsoft.ML.Core")]
