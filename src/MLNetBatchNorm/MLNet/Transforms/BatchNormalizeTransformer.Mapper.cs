using System.Collections.Immutable;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Model.OnnxConverter;
using Microsoft.ML.Runtime;

namespace MLNetBatchNorm;

public sealed partial class BatchNormalizeTransformer
{
    /// <summary>The transformer bound to a schema: output columns, getters, and the export to ONNX.</summary>
    private sealed class Mapper : OneToOneMapperBase, ISaveAsOnnx
    {
        private const int MinimumOpSet = 9;

        /// <summary>
        /// In ONNX the arithmetic is in the type of the column and runtimes fold the mean into the offset. From this ratio of mean to
        /// deviation on, in single precision about four bits lost, the mean is subtracted by a node of its own.
        /// </summary>
        private const double LargeMeanInDeviations = 16;

        /// <summary>
        /// In front of every name: ML.NET keeps columns and constants in one table, so a
        /// constant called like a column would take its place.
        /// </summary>
        private const string Prefix = "BatchNormalize.";

        private readonly BatchNormalizeTransformer _transformer;

        public Mapper(BatchNormalizeTransformer transformer, DataViewSchema inputSchema)
            : base(transformer.Host.Register(nameof(Mapper)), transformer, inputSchema)
            => _transformer = transformer;

        public bool CanSaveOnnx(OnnxContext ctx) => true;

        public void SaveAsOnnx(OnnxContext ctx)
        {
            Host.CheckValue(ctx, nameof(ctx));
            ctx.CheckOpSetVersion(MinimumOpSet, LoaderSignature);

            // All inputs are looked up before an output can take the name of one of them.
            string?[] inputs =
                _transformer._columns.Select(c => ctx.ContainsColumn(c.InputName) ? ctx.GetVariableName(c.InputName) : null).ToArray();
            for (int i = 0; i < inputs.Length; i++)
            {
                BatchNormalizeColumn column = _transformer._columns[i];
                if (inputs[i] is { } input)
                    SaveAsOnnx(ctx, column, input, InputSchema[ColMapNewToOld[i]].Type);
                else
                    ctx.RemoveColumn(column.OutputName, false);
            }
        }

        protected override DataViewSchema.DetachedColumn[] GetOutputColumnsCore()
        {
            var result = new DataViewSchema.DetachedColumn[_transformer._columns.Length];
            for (int i = 0; i < result.Length; i++)
            {
                DataViewSchema.Column input = InputSchema[ColMapNewToOld[i]];
                var annotations = new DataViewSchema.Annotations.Builder();
                annotations.Add(AnnotationUtils.Kinds.IsNormalized, BooleanDataViewType.Instance, (ref bool value) => value = true);
                annotations.Add(input.Annotations, kind => kind == AnnotationUtils.Kinds.SlotNames);
                result[i] = new DataViewSchema.DetachedColumn(_transformer._columns[i].OutputName, input.Type, annotations.ToAnnotations());
            }

            return result;
        }

        protected override Delegate MakeGetter(DataViewRow input, int iinfo, Func<int, bool> activeOutput, out Action? disposer)
        {
            disposer = null;
            BatchNormalizeColumn column = _transformer._columns[iinfo];
            DataViewSchema.Column source = input.Schema[ColMapNewToOld[iinfo]];
            bool single = column.ItemType.Equals(NumberDataViewType.Single);
            if (column.IsVector)
                return single ? SingleVectorGetter(input, source, column) : DoubleVectorGetter(input, source, column);
            return single ? SingleGetter(input, source, column) : DoubleGetter(input, source, column);
        }

        private ValueGetter<VBuffer<float>> SingleVectorGetter(DataViewRow input, DataViewSchema.Column source, BatchNormalizeColumn column)
        {
            ValueGetter<VBuffer<float>> getter = input.GetGetter<VBuffer<float>>(source);
            VBuffer<float> row = default;
            return (ref VBuffer<float> destination) =>
            {
                getter(ref row);
                column.Apply(Host, in row, ref destination);
            };
        }

        private ValueGetter<VBuffer<double>> DoubleVectorGetter(
            DataViewRow input, DataViewSchema.Column source, BatchNormalizeColumn column)
        {
            ValueGetter<VBuffer<double>> getter = input.GetGetter<VBuffer<double>>(source);
            VBuffer<double> row = default;
            return (ref VBuffer<double> destination) =>
            {
                getter(ref row);
                column.Apply(Host, in row, ref destination);
            };
        }

        private static ValueGetter<float> SingleGetter(DataViewRow input, DataViewSchema.Column source, BatchNormalizeColumn column)
        {
            ValueGetter<float> getter = input.GetGetter<float>(source);
            return (ref float destination) =>
            {
                getter(ref destination);
                destination = column.Apply(destination);
            };
        }

        private static ValueGetter<double> DoubleGetter(DataViewRow input, DataViewSchema.Column source, BatchNormalizeColumn column)
        {
            ValueGetter<double> getter = input.GetGetter<double>(source);
            return (ref double destination) =>
            {
                getter(ref destination);
                destination = column.Apply(destination);
            };
        }

        private static void SaveAsOnnx(OnnxContext ctx, BatchNormalizeColumn column, string input, DataViewType type)
        {
            BatchNormalizationColumnParameters parameters = column.Parameters;
            bool single = column.ItemType.Equals(NumberDataViewType.Single);
            ImmutableArray<double> mean = parameters.Mean;
            bool largeMean = Enumerable.Range(0, column.Size).Any(
                i => Math.Abs(mean[i]) > LargeMeanInDeviations * Math.Sqrt(parameters.Variance[i] + parameters.Epsilon));
            if (largeMean)
            {
                // x - rounded mean is exact near the mean; the node after it subtracts what rounding left over.
                ImmutableArray<double> rounded = single ? [.. mean.Select(m => (double)(float)m)] : mean;
                string centered = ctx.AddIntermediateVariable(type, Prefix + "centered", true);
                ctx.CreateNode("Sub", [input, Initializer(ctx, rounded, single, "large_mean")], [centered], ctx.GetNodeName("Sub"), "");
                input = centered;
                mean = [.. mean.Zip(rounded, (exact, near) => exact - near)];
            }

            string[] inputs =
            [
                input,
                Initializer(ctx, parameters.Gamma, single, "gamma"),
                Initializer(ctx, parameters.Beta, single, "beta"),
                Initializer(ctx, mean, single, "mean"),
                Initializer(ctx, parameters.Variance, single, "variance"),
            ];
            string output = ctx.AddIntermediateVariable(type, column.OutputName);
            OnnxNode node = ctx.CreateNode("BatchNormalization", inputs, [output], ctx.GetNodeName("BatchNormalization"), "");
            node.AddAttribute("epsilon", parameters.Epsilon);
        }

        private static string Initializer(OnnxContext ctx, ImmutableArray<double> values, bool single, string name)
            => single
                ? ctx.AddInitializer(values.Select(v => (float)v), [values.Length], Prefix + name)
                : ctx.AddInitializer(values, [values.Length], Prefix + name);
    }
}
