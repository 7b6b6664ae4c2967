using Microsoft.VisualStudio.TestTools.UnitTesting;

// One after another, as in the other test projects: training and the runtime start threads of their own.
[assembly: DoNotParallelize]
