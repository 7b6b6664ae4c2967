using Microsoft.VisualStudio.TestTools.UnitTesting;

// Silos take cores and ports; one test at a time.
[assembly: DoNotParallelize]
