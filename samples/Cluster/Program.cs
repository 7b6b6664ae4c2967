// How is a model trained on several machines? One command starts two silos as processes, trains on them, and kills one.
using System.Globalization;
using Cluster;
using MLNetBatchNorm.Clustering;

CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
TrainingClusterOptions cluster = ClusterSettings.FromEnvironment();
switch (args)
{
    case ["silo"]:
        // All that a machine of the cluster has to run.
        await using (TrainingCluster silo = await TrainingCluster.StartSiloAsync(cluster, ClusterSettings.SiloFromEnvironment()))
        {
            Console.WriteLine("ready");
            await silo.WaitForEndAsync();
        }

        return 0;
    case ["train"]:
        // A client of a cluster that runs already.
        await using (TrainingCluster client = await TrainingCluster.ConnectAsync(cluster))
            Console.WriteLine(Job.Train(client.CreateRunner(), _ => { }));
        return 0;
    case []:
        await Demonstration.Run(cluster);
        return 0;
    default:
        Console.Error.WriteLine("Arguments: none, silo, or train.");
        return 2;
}
