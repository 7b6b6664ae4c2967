using System.IO.Compression;
using System.Text.Json;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNetBatchNorm.Benchmarks;

/// <summary>
/// A folder that holds one table: <c>train.csv.gz</c> and <c>test.csv.gz</c> (a header, commas, no quotes, an empty cell is a
/// missing value, the column to predict is <c>target</c>) and <c>meta.json</c> (<c>task</c>: binary, multiclass or regression;
/// <c>numeric</c> and <c>categorical</c>: names of columns).
/// </summary>
/// <remarks>
/// Both files are unpacked to a temporary folder, because ML.NET's text loader reads plain files only; <see cref="Dispose"/> removes it.
/// </remarks>
internal sealed class BenchmarkTable : IDisposable
{
    private const string TargetColumn = "target";
    private const string NumbersColumn = "Numbers";

    private readonly string _unpacked = Directory.CreateTempSubdirectory("table-").FullName;
    private readonly MLContext _ml;
    private readonly string _folder;
    private readonly string[] _numeric;
    private readonly string[] _categorical;

    /// <summary>Opens a table's folder.</summary>
    public BenchmarkTable(MLContext ml, string folder)
    {
        _ml = ml;
        _folder = folder;
        Name = Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder)));
        using JsonDocument document = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "meta.json")));
        Task = document.RootElement.GetProperty("task").GetString() ?? "";
        _numeric = Names(document.RootElement, "numeric");
        _categorical = Names(document.RootElement, "categorical");
        string trainPath = Unpack("train"), testPath = Unpack("test");
        _numeric = WithValues(trainPath, _numeric);
        _categorical = WithValues(trainPath, _categorical);
        Train = Load(trainPath);
        Test = Load(testPath);
    }

    /// <summary>Name of the folder.</summary>
    public string Name { get; }

    /// <summary>binary, multiclass or regression.</summary>
    public string Task { get; }

    /// <summary>Training rows, in memory once read.</summary>
    public IDataView Train { get; }

    /// <summary>Test rows.</summary>
    public IDataView Test { get; }

    /// <summary>Numbers as they are, categories one-hot, one vector; what stands before every trainer.</summary>
    public IEstimator<ITransformer> Featurize()
    {
        string[] parts = _numeric.Length > 0 ? [NumbersColumn, .. CategoryColumns] : [.. CategoryColumns];
        if (parts.Length == 0)
            throw new InvalidDataException($"{_folder}: no column has a value; give numeric or categorical columns in meta.json.");
        IEstimator<ITransformer> join = _ml.Transforms.Concatenate("Features", parts);
        if (_categorical.Length > 0)
        {
            join = _ml.Transforms.Categorical.OneHotEncoding([.. CategoryColumns.Select(name => new InputOutputColumnPair(name))])
                .Append(join);
        }
        return Task == "multiclass"
            ? join.Append(_ml.Transforms.Conversion.MapValueToKey(
                "Label", keyOrdinality: Microsoft.ML.Transforms.ValueToKeyMappingEstimator.KeyOrdinality.ByValue))
            : join;
    }

    /// <summary>Every table under <paramref name="root"/>, by name; the folder itself if it is one.</summary>
    public static string[] FoldersUnder(string root)
    {
        string[] folders = File.Exists(Path.Combine(root, "meta.json"))
            ? [root]
            : [.. Directory.GetDirectories(root).Where(folder => File.Exists(Path.Combine(folder, "meta.json")))
                .Order(StringComparer.Ordinal)];
        return folders.Length > 0 ? folders : throw new InvalidDataException($"{root} holds no folder with a meta.json.");
    }

    public void Dispose() => Directory.Delete(_unpacked, recursive: true);

    private IEnumerable<string> CategoryColumns => _categorical.Select((_, i) => $"Category{i}");

    private static string[] Names(JsonElement root, string property) =>
        root.TryGetProperty(property, out JsonElement names) && names.ValueKind == JsonValueKind.Array
            ? [.. names.EnumerateArray().Select(name => name.GetString()!)]
            : [];

    private string Unpack(string part)
    {
        string path = Path.Combine(_unpacked, part + ".csv");
        using var packed = new GZipStream(File.OpenRead(Path.Combine(_folder, part + ".csv.gz")), CompressionMode.Decompress);
        using FileStream plain = File.Create(path);
        packed.CopyTo(plain);
        return path;
    }

    /// <summary>
    /// The columns with a value in some training row. There is nothing to learn from the others, one-hot encoding cannot make a vector of
    /// no categories, and our trainer refuses a number that is never there.
    /// </summary>
    private static string[] WithValues(string path, string[] columns)
    {
        string[] header = Header(path);
        int[] places = [.. columns.Select(column => Place(header, column))];
        bool[] hasValue = new bool[columns.Length];
        foreach (string line in File.ReadLines(path).Skip(1))
        {
            if (Array.TrueForAll(hasValue, has => has))
                break;
            string[] cells = line.Split(',');
            for (int i = 0; i < places.Length; i++)
                hasValue[i] |= places[i] < cells.Length && cells[places[i]].Trim().Length > 0;
        }
        return [.. columns.Where((_, i) => hasValue[i])];
    }

    private IDataView Load(string path)
    {
        string[] header = Header(path);
        DataKind labelKind = Task switch
        {
            "binary" => DataKind.Boolean,
            "multiclass" or "regression" => DataKind.Single,
            _ => throw new InvalidDataException($"{_folder}: the task is '{Task}'; it must be binary, multiclass or regression."),
        };
        var columns = new List<TextLoader.Column> { new("Label", labelKind, Place(header, TargetColumn)) };
        if (_numeric.Length > 0)
        {
            columns.Add(new TextLoader.Column(
                NumbersColumn, DataKind.Single, [.. _numeric.Select(name => new TextLoader.Range(Place(header, name)))]));
        }
        columns.AddRange(
            CategoryColumns.Zip(_categorical, (column, name) => new TextLoader.Column(column, DataKind.String, Place(header, name))));
        TextLoader loader = _ml.Data.CreateTextLoader(new TextLoader.Options
        {
            Columns = [.. columns],
            HasHeader = true,
            Separators = [','],
            AllowQuoting = false,
            MissingRealsAsNaNs = true,
        });
        return _ml.Data.Cache(loader.Load(path));
    }

    private static string[] Header(string path) => File.ReadLines(path).First().Split(',');

    private static int Place(string[] header, string column)
    {
        int place = Array.IndexOf(header, column);
        return place >= 0
            ? place
            : throw new InvalidDataException($"The header has no column '{column}'; it has {string.Join(", ", header)}.");
    }
}
