using System.Security.Cryptography;
using MLNetBatchNorm.Data;
using MLNetBatchNorm.Distribution;
using MLNetBatchNorm.Objectives;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm;

/// <summary>
/// The rows of a <c>Fit</c> where its trainings run: put together of the header and the blocks of <see cref="FitTrainings"/>, in memory, or
/// in a temporary file where they are in one there. Any number of trainings read them, each with a <see cref="TrainingWorker"/>.
/// </summary>
/// <remarks>What comes in is checked as if an enemy had written it; what is not as it should be ends in an
/// <see cref="InvalidDataException"/>.</remarks>
public sealed class TrainingRows : IDisposable
{
    private readonly IncrementalHash? _hash;
    private readonly RowsHeader? _header;
    private readonly RowStore? _training;
    private readonly MemoryRows? _validation;
    private readonly bool _ownsRows;
    private readonly Lazy<byte[]> _finalHash;
    private FitRows? _rows;
    private int _blocks;

    internal TrainingRows(FitRows rows, bool ownsRows)
    {
        _rows = rows;
        _ownsRows = ownsRows;
        _blocks = RowsFormat.Blocks(rows);
        MemoryBytes = RowsFormat.MemoryBytes(rows);
        AreSpilled = rows.IsSpilled;
        _finalHash = new Lazy<byte[]>(() => HashOf(rows));
    }

    private TrainingRows(RowsHeader header, byte[] bytes, RowStore training)
    {
        _header = header;
        _ownsRows = true;
        _training = training;
        _validation = header.ValidationBlocks > 0 ? new MemoryRows(header.Shape.CreateTable()) : null;
        if (header.Classes > 0)
            training.Classes = new ClassSummary(header.Classes);
        if (header.HasGroups)
            training.Groups = new RowGroups();
        MemoryBytes = header.MemoryBytes;
        AreSpilled = header.IsSpilled;
        _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        _hash.AppendData(bytes);
        _finalHash = new Lazy<byte[]>(_hash.GetCurrentHash);
    }

    /// <summary>Memory that the rows take here; where <see cref="AreSpilled"/>, what each training that is under way takes.</summary>
    public long MemoryBytes { get; }

    /// <summary>Whether the rows go to a temporary file.</summary>
    public bool AreSpilled { get; }

    /// <summary>Number of blocks that have come.</summary>
    public int NumberOfBlocks => _blocks;

    /// <summary>Whether all blocks have come.</summary>
    public bool IsComplete => _rows is not null;

    /// <summary>The rows, when all are there.</summary>
    internal FitRows Rows => _rows ?? throw new InvalidOperationException("Not all blocks of the rows have come.");

    /// <summary>Hash of all that came: by it a training is known again.</summary>
    internal byte[] Hash => _finalHash.Value;

    /// <summary>Begins with the header.</summary>
    /// <param name="header">What <see cref="FitTrainings.GetRowsHeader"/> gave.</param>
    /// <param name="temporaryDirectory">Where the temporary file is made, if it needs one.</param>
    /// <returns>Rows to which the blocks are to be added.</returns>
    /// <exception cref="InvalidDataException">It is no header, or that of another version of the library.</exception>
    /// <exception cref="IOException">The file cannot be made.</exception>
    public static TrainingRows Begin(byte[] header, string temporaryDirectory)
    {
        ArgumentNullException.ThrowIfNull(header);
        ArgumentException.ThrowIfNullOrEmpty(temporaryDirectory);
        RowsHeader read = RowsFormat.ReadHeader(header);
        try
        {
            RowStore training = read.IsSpilled
                ? new FileRows(SpillFile.Create(temporaryDirectory), read.Shape, read.MemoryBytes, seed: 0)
                : new MemoryRows(read.Shape.CreateTable());
            return new TrainingRows(read, header, training);
        }
        catch (SpillException e)
        {
            throw new IOException(e.Message, e);
        }
    }

    /// <summary>Adds a block; all come in the order of their numbers.</summary>
    /// <param name="block">What <see cref="FitTrainings.GetRowBlock"/> gave.</param>
    /// <exception cref="InvalidDataException">It is not the next block.</exception>
    /// <exception cref="IOException">The temporary file cannot be written.</exception>
    public void Add(byte[] block)
    {
        ArgumentNullException.ThrowIfNull(block);
        if (_header is not { } header || _training is not { } training || _rows is not null)
            throw new InvalidDataException("All blocks of the rows have come already.");
        bool isTraining = _blocks < header.Blocks;
        ReadOnlySpan<byte> rows = RowsFormat.RowsOf(block, out ReadOnlySpan<uint> groups);
        RowStore store = isTraining ? training : _validation!;
        int before = store.Rows;
        try
        {
            store.AddBlock(rows, isTraining ? AddClass : CheckTarget);
        }
        catch (SpillException e)
        {
            throw new IOException(e.Message, e);
        }

        int needed = isTraining && header.HasGroups ? store.Rows - before : 0;
        if (groups.Length != needed)
            throw new InvalidDataException($"Block {_blocks} of the rows has {groups.Length} groups instead of {needed}.");
        foreach (uint group in groups)
            training.Groups!.Add(group);
        if (!AreSpilled && InMemory > MemoryBytes)
            throw new InvalidDataException($"The rows take more than the {MemoryBytes} bytes of memory that their header speaks of.");
        _hash!.AppendData(block);
        _blocks++;
        if (_blocks == header.Blocks + header.ValidationBlocks)
            Complete(header, training);
    }

    /// <summary>Gives the memory or the file back. No training may be under way.</summary>
    public void Dispose()
    {
        _hash?.Dispose();
        if (_ownsRows)
            _training?.Dispose();
        _rows = null;
    }

    private long InMemory => ((MemoryRows)_training!).Table.MemoryBytes + (_validation?.Table.MemoryBytes ?? 0);

    private void Complete(RowsHeader header, RowStore training)
    {
        if (training.Rows != header.Rows || (_validation?.Rows ?? 0) != header.ValidationRows)
        {
            throw new InvalidDataException(
                $"There are {training.Rows} training rows and {_validation?.Rows ?? 0} validation rows, but the header says "
                + $"{header.Rows} and {header.ValidationRows}.");
        }
        training.Complete();
        // Before the hash is gone with this object.
        _ = Hash;
        _rows = FitRows.Received(training, _validation?.Table, new LabelUnits(header.Objective, header.Scales));
    }

    private void AddClass(int row, ReadOnlySpan<float> target, float weight)
    {
        CheckTarget(row, target, weight);
        _training!.Classes?.Add((int)target[0], row, weight);
    }

    /// <summary>What a loss is given without asking again.</summary>
    private void CheckTarget(int row, ReadOnlySpan<float> target, float weight)
    {
        LabelDomain labels = _header!.Objective.Labels;
        // Of several targets some may be missing, and none is a class that is counted.
        bool mayBeMissing = target.Length > 1;
        bool isClass = labels.Kind == LabelKind.Class || _header.Classes > 0;
        foreach (float label in target)
        {
            if (mayBeMissing && float.IsNaN(label))
                continue;
            if (!labels.Contains(label) || (isClass && label >= Math.Max(1, _header.Classes)))
                throw new InvalidDataException($"Row {row} has the label {label}.");
        }

        if (!(weight > 0 && float.IsFinite(weight)))
            throw new InvalidDataException($"Row {row} has the weight {weight}.");
    }

    private static byte[] HashOf(FitRows rows)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(RowsFormat.WriteHeader(rows));
        for (int block = 0; block < RowsFormat.Blocks(rows); block++)
            hash.AppendData(RowsFormat.CopyBlock(rows, block));
        return hash.GetHashAndReset();
    }
}
