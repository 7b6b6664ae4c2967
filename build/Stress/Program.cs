using MLNetBatchNorm.Stress;

return args switch
{
    ["fuzz", .. string[] rest] => FuzzCommand.Run(rest),
#if COVERAGE
    ["instrument", .. string[] rest] => CoverageCommand.Run(rest),
#endif
    ["soak", .. string[] rest] => SoakCommand.Run(rest),
    _ => throw new ArgumentException("Commands: fuzz [inputs] [seed] [folder]; soak [minutes]."),
};
