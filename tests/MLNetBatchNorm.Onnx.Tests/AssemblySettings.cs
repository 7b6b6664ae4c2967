using System.Runtime.CompilerServices;
using Microsoft.VisualStudio.TestTools.UnitTesting;

// One after another, as in the other test projects: training and the runtime start threads of their own.
[assembly: DoNotParallelize]

// The run-time half of build/PublicizeMLNet.targets for this assembly.
[assembly: IgnoresAccessChecksTo("Microsoft.ML.Core")]
[assembly: IgnoresAccessChecksTo("Microsoft.ML.Data")]
