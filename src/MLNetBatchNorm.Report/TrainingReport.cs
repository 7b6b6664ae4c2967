using System.Text;
using Microsoft.ML;

namespace MLNetBatchNorm.Reporting;

/// <summary>
/// One HTML page about a trained network: how training went, what the layers hold, how good it is
/// on rows it has not seen, and what it looks at.
/// </summary>
/// <remarks>
/// The page is one file without scripts and without references to anything outside of it. Every picture has a text in its place for those
/// who do not see it, and the numbers behind it in a table. It follows the reader's light or dark setting and fits a phone.
/// </remarks>
public static class TrainingReport
{
    /// <summary>Writes the page into a file.</summary>
    /// <param name="mlContext">Evaluates and shuffles; its seed decides how features are shuffled.</param>
    /// <param name="model">A trained network, or a pipeline that has one; fitted just now or loaded.</param>
    /// <param name="heldOut">
    /// Rows that were not used for training, as <paramref name="model"/> takes them, with their labels; one is enough, and what
    /// is not defined for them is said so on the page.
    /// </param>
    /// <param name="path">The file; it is replaced if it exists.</param>
    /// <param name="options">What is shown; null for the defaults.</param>
    /// <exception cref="ArgumentException">
    /// There is no network in <paramref name="model"/>, or the label column is absent, of another type, of other classes or empty.
    /// </exception>
    public static void Write(MLContext mlContext, ITransformer model, IDataView heldOut, string path, TrainingReportOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        File.WriteAllText(path, ToHtml(mlContext, model, heldOut, options), new UTF8Encoding(encoderShouldEmitUTF8Identifier: false));
    }

    /// <summary>The page as text.</summary>
    /// <param name="mlContext">Evaluates and shuffles; its seed decides how features are shuffled.</param>
    /// <param name="model">A trained network, or a pipeline that has one; fitted just now or loaded.</param>
    /// <param name="heldOut">
    /// Rows that were not used for training, as <paramref name="model"/> takes them, with their labels; one is enough, and what
    /// is not defined for them is said so on the page.
    /// </param>
    /// <param name="options">What is shown; null for the defaults.</param>
    /// <returns>A whole HTML document, which is well-formed XML as well.</returns>
    /// <exception cref="ArgumentException">
    /// There is no network in <paramref name="model"/>, or the label column is absent, of another type, of other classes or empty.
    /// </exception>
    public static string ToHtml(MLContext mlContext, ITransformer model, IDataView heldOut, TrainingReportOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(mlContext);
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(heldOut);
        options ??= new TrainingReportOptions();
        options.Check();

        if (TargetsPage.Find(model) is { } targets)
            return TargetsPage.ToHtml(mlContext, model, targets, heldOut, options);
        var network = ReportedNetwork.Find(model);
        IDataView inputs = network.Before.Transform(heldOut);
        var results = HeldOutResults.Read(network, inputs, options.LabelColumnName);

        var page = new Page(options.Title);
        ResultSections.Add(page, results);
        if (results is RegressionResults numbers)
            IntervalSections.Add(page, numbers, network.IntervalLevels);
        TrialSection.Add(page, network.Trials);
        CourseSections.Add(
            page, [.. network.Members.Select(member => member.TrainingHistory)], network.Task, network.MetricName,
            network.Network.NumberOfTeachers);
        if (options.PermutationCount > 0 && results.WhyNoMeasure is { } reason)
            ImportanceSection.AddReason(page, reason);
        else if (options.PermutationCount > 0)
        {
            ImportanceSection.Add(
                page, SlotImportance.Measure(mlContext, network, inputs, results.Unlabelled + results.Unscored > 0, options),
                options.NumberOfImportantSlots, network.Task);
        }
        if (options.ContributionRowCount > 0 && network.ContributionBase is not null)
        {
            ContributionSection.Add(
                page, network, RowContributions.Measure(network, inputs, options.ContributionRowCount), results, options);
        }
        PictureSections.Add(page, network.Network);
        LayerSections.Add(page, network.Members);
        return page.ToHtml();
    }
}
