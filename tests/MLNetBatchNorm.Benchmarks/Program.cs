using MLNetBatchNorm.Benchmarks;
using MLNetBatchNorm.Kernels;

// Plain commands; tab-separated lines on standard output and nothing else. CONTRIBUTING.md lists them.
string[] rest = args.Length > 1 ? args[1..] : [];
try
{
    switch (args.Length > 0 ? args[0] : "")
    {
        case "throughput":
            return Throughput.Run(rest);
        case "fit":
            return FitCommand.Run(rest);
        case "scale":
            return Scale.Run(rest);
        case "engine":
            return EngineCommand.Run(rest);
        case "blocks":
            return BlocksCommand.Run(rest);
        case "transform":
            return TransformCommand.Run(rest);
        case "kernels":
            return KernelCommand.Run(rest);
        case "mnist-paper":
            return MnistPaper.Run(rest);
        case "accuracy":
            return AccuracyCommand.Run(rest);
        case "price":
            return PriceCommand.Run(rest);
        case "contributions":
            return ContributionsCommand.Run(rest);
        case "targets":
            return TargetsCommand.Run(rest);
        case "intervals":
            return IntervalsCommand.Run(rest);
        case "stream":
            return StreamCommand.Run(rest);
        case "accuracy-table":
            return AccuracyTable.Run(rest);
        case "images":
            return ImagesCommand.Run(rest);
        case "text":
            return TextCommand.Run(rest);
        case "words":
            return WordsCommand.Run(rest);
        case "categories":
            return CategoriesCommand.Run(rest);
        default:
            Console.Error.WriteLine(
                """
                usage:
                  throughput [threads] [seconds] [case|all]          training and scoring speed of six networks, data in memory
                  throughput [threads] [seconds] [case|all] LIBRARY  the same training with the matrix products of a native library
                  fit [threads] [rows] [scaled]                      the same training through Fit, against throughput in the same process
                  scale [threads] [seconds]                          cost of a row as rows, inputs and width grow
                  engine                                             PredictionEngine.Predict: ours, L-BFGS, FastTree, LightGBM
                  engine CASE...                                     the same of a network of throughput, against ONNX Runtime on one thread
                  blocks [case...]                                   blocks and rows through Score, against ONNX Runtime on one thread
                  transform [rows]                                   Transform over a view, against ML.NET's linear trainer
                  kernels [quick] [name...]                          BenchmarkDotNet over the kernels, with their share of the core's peak
                  accuracy DIR [seed] [--peers]                      every table under DIR with the defaults: ours, LightGBM, FastTree
                  accuracy DIR [seed] --validation [Option=Value...] the same on a quarter of the training rows, to choose defaults by
                  accuracy DIR [seed] --rows=N [Option=Value...]     the same on N of the training rows, the others measuring
                  accuracy-table FILE... [picture.png]               wins, mean ranks and log-loss from such lines, ours and others
                  price DIR [seed] [METHOD...]                       Fit, a row, many rows and bytes: ours, LightGBM, FastTree
                  contributions DIR [seed]                           contributions of columns to scores, against exact Shapley values
                  targets [DIR SLOT COUNT] [Option=Value...]         one network for several numbers, against one for each
                  images DIR [seed] [--validation] [Option=Value...] every set of pictures under DIR: ours, convolutional and dense
                  intervals DIR [seed] LEVEL                         coverage, width and score of prediction intervals: ours, LightGBM
                  text DIR [--peers] [seed]                          FeaturizeText and a trainer, nothing cached: ours, SDCA, LightGBM
                  text DIR --cached [--peers] [seed]                 the trainers alone, on features computed before and kept in memory
                  words [CASE...] [seed...] [--peers] [--cached]     short generated texts of many classes: ours, SDCA
                  categories [ROWS [CATEGORIES [SEED]]] [METHOD...]  a column of very many categories: ours, SDCA, LightGBM
                  stream ROWS BUDGET_MB [SMALLER_ROWS] [EPOCHS]      more rows than the memory budget holds, beside training in memory
                  mnist-paper IDX_DIR [picture.png] [seed]           the batch-normalization paper's experiment on MNIST, with and without
                """);
            return 2;
    }
}
catch (Exception e) when (e is ArgumentException or FormatException or IOException or InvalidDataException or NativeBlasException)
{
    Console.Error.WriteLine(e.Message);
    return 1;
}
