using System.Globalization;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Model;
using Microsoft.ML.Model.OnnxConverter;
using Microsoft.ML.Runtime;
using Microsoft.ML.Trainers;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm;

/// <summary>What the model parameters of the two trainers of several targets have in common.</summary>
/// <remarks>
/// <para>
/// <inheritdoc cref="BatchNormNetworkModelParametersBase{TScore}" path="/remarks"/>
/// </para>
/// <para>
/// ML.NET loads a model of this kind as one whose score is a single number, and asks for nothing more; its columns are the vectors that
/// <c>Transform</c> adds.
/// </para>
/// </remarks>
public abstract class BatchNormNetworkMultiOutputModelParametersBase
    : BatchNormNetworkModelParametersBase<float>, ISchemaBindableMapper, IBindableCanSaveOnnx
{
    private IReadOnlyList<string>? _targetNames;

    private protected BatchNormNetworkMultiOutputModelParametersBase(
        IHostEnvironment env, string loaderSignature, TrainedNetwork network)
        : base(env, loaderSignature, network)
    {
        ScoreType = new VectorDataViewType(NumberDataViewType.Single, NumberOfTargets);
    }

    private protected BatchNormNetworkMultiOutputModelParametersBase(IHostEnvironment env, string loaderSignature, ModelLoadContext ctx)
        : base(env, loaderSignature, ctx)
    {
        ScoreType = new VectorDataViewType(NumberDataViewType.Single, NumberOfTargets);
    }

    /// <summary>Number of targets: slots of the score column.</summary>
    public int NumberOfTargets => Scoring.Outputs;

    /// <summary>
    /// The names of the targets, in the order of the slots of the score column: those of the label column's slots; one without a name is
    /// called by its number, from 0.
    /// </summary>
    public IReadOnlyList<string> TargetNames => _targetNames ??=
    [
        .. Enumerable.Range(0, NumberOfTargets)
            .Select(target => Names?[target] ?? target.ToString(CultureInfo.InvariantCulture)),
    ];

    private protected override DataViewType ScoreType { get; }

    /// <summary>What ML.NET calls the kind of the columns.</summary>
    private protected abstract string ScoreColumnKind { get; }

    private SlotNames? Names => Scoring.Trained.TargetNames;

    private protected override Delegate CreateMapper(ScoringNetwork.RowScorer scorer)
    {
        int targets = NumberOfTargets;
        ValueMapper<VBuffer<float>, VBuffer<float>> mapper = (in VBuffer<float> features, ref VBuffer<float> score) =>
        {
            VBufferEditor<float> editor = VBufferEditor.Create(ref score, targets);
            scorer.Score(features, editor.Values);
            score = editor.Commit();
        };
        return mapper;
    }

    ISchemaBoundMapper ISchemaBindableMapper.Bind(IHostEnvironment env, RoleMappedSchema schema)
    {
        Contracts.CheckValue(env, nameof(env));
        env.CheckValue(schema, nameof(schema));
        DataViewType found = schema.Feature!.Value.Type;
        VectorDataViewType needed = Scoring.InputType;
        // Pixels come as a vector of several dimensions, of which only their product matters.
        if (found is not VectorDataViewType vector || !vector.ItemType.Equals(needed.ItemType) || vector.Size != needed.Size)
            throw env.Except("Incompatible features column type: '{0}' vs '{1}'", found, needed);
        return new TargetsRowMapper(this, schema, Scoring, OutputColumns());
    }

    bool IBindableCanSaveOnnx.SaveAsOnnx(OnnxContext ctx, RoleMappedSchema schema, string[] outputNames)
    {
        Host.CheckValue(ctx, nameof(ctx));
        Host.CheckValue(schema, nameof(schema));
        Host.CheckValue(outputNames, nameof(outputNames));
        SaveOnnx(ctx, outputNames, ctx.GetVariableName(schema.Feature!.Value.Name));
        return true;
    }

    /// <summary>The columns that are made of the scores of a row, the scores themselves first.</summary>
    private protected abstract IReadOnlyList<TargetsColumn> OutputColumns();

    /// <summary>The annotations of a column.</summary>
    /// <param name="valueKind">What ML.NET calls its values.</param>
    /// <param name="isNormalized">Whether they are probabilities.</param>
    private protected DataViewSchema.Annotations AnnotationsOf(string valueKind, bool isNormalized = false)
    {
        var annotations = new DataViewSchema.Annotations.Builder();
        if (Names is { } names)
        {
            annotations.AddSlotNames(names.Slots, (ref VBuffer<ReadOnlyMemory<char>> value) =>
            {
                var editor = VBufferEditor.Create(ref value, names.Slots);
                for (int target = 0; target < names.Slots; target++)
                    editor.Values[target] = names[target].AsMemory();
                value = editor.Commit();
            });
        }

        if (isNormalized)
            annotations.Add(AnnotationUtils.Kinds.IsNormalized, BooleanDataViewType.Instance, (ref bool value) => value = true);
        AddText(annotations, AnnotationUtils.Kinds.ScoreColumnKind, ScoreColumnKind);
        AddText(annotations, AnnotationUtils.Kinds.ScoreValueKind, valueKind);
        return annotations.ToAnnotations();
    }

    private static void AddText(DataViewSchema.Annotations.Builder annotations, string kind, string text) =>
        annotations.Add(kind, TextDataViewType.Instance, (ref ReadOnlyMemory<char> value) => value = text.AsMemory());
}
