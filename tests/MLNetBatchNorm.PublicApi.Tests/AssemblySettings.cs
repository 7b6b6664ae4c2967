using Microsoft.VisualStudio.TestTools.UnitTesting;

// The README's examples name files relative to the current directory, of which a process has one.
[assembly: DoNotParallelize]
