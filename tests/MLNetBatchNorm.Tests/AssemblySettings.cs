using Microsoft.VisualStudio.TestTools.UnitTesting;

// Tests share two cores with the training threads they start; running them one after another keeps them honest about allocation and threads.
[assembly: DoNotParallelize]
