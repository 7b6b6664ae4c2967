using MLNetBatchNorm.Stress;

return args switch
{
    ["fuzz", .. string[] rest] => FuzzCommand.Run(rest),
    ["soak", .. string[] rest] => SoakCommand.Run(rest),
    _ => throw new ArgumentException("Commands: fuzz [inputs] [seed] [folder]; soak [minutes]."),
};
