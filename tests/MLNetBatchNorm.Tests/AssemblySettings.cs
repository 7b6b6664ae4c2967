using System.Runtime.CompilerServices;
using Microsoft.VisualStudio.TestTools.UnitTesting;

// Tests share two cores with the training threads they start; running them one after another
// keeps them honest about allocation and threads.
[assembly: DoNotParallelize]

// The run-time half of build/PublicizeMLNet.targets for this assembly. The attribute class is the library's (internal, and visible to its
// tests); the runtime looks for the name of the attribute, not for the assembly that declares it.
[assembly: IgnoresAccessChecksTo("Microsoft.ML.Core")]
[assembly: IgnoresAccessChecksTo("Microsoft.ML.Data")]
