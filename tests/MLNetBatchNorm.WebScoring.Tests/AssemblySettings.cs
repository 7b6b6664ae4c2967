using Microsoft.VisualStudio.TestTools.UnitTesting;

// Each test has a server of its own, and some load it: one after another they do not disturb each other.
[assembly: DoNotParallelize]
