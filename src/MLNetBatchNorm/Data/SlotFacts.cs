namespace MLNetBatchNorm.Data;

/// <summary>What is known of all values of one column, exactly.</summary>
internal struct SlotFacts
{
    private float _first;
    private float _second;
    private State _state;

    private enum State : byte
    {
        NoValue,
        OneValue,
        TwoValues,
        ManyValues,
    }

    /// <summary>Smallest value.</summary>
    public float Minimum { get; private set; }

    /// <summary>Largest value.</summary>
    public float Maximum { get; private set; }

    /// <summary>Rows in which the value is missing.</summary>
    public int Missing { get; private set; }

    /// <summary>Rows in which the value is not 0, nor missing.</summary>
    public int NonZero { get; private set; }

    /// <summary>Sum of all values.</summary>
    public double Sum { get; private set; }

    /// <summary>Largest magnitude.</summary>
    public readonly float Largest => _state == State.NoValue ? 0 : Math.Max(Math.Abs(Minimum), Math.Abs(Maximum));

    /// <summary>Whether there are no two values that differ.</summary>
    public readonly bool IsConstant => _state < State.TwoValues;

    /// <summary>
    /// Whether there are exactly two values, and which: the one that stands for no, the 0 if it is
    /// one of them, else the smaller; and the other.
    /// </summary>
    public readonly bool HasTwoValues(out float off, out float on)
    {
        bool firstIsOff = _first == 0 || (_second != 0 && _first < _second);
        (off, on) = firstIsOff ? (_first, _second) : (_second, _first);
        return _state == State.TwoValues;
    }

    /// <summary>Whether one of two values is 0.</summary>
    public readonly bool HasZero => _state == State.TwoValues && (_first == 0 || _second == 0);

    /// <summary>Of a column of two values, how many rows hold the one that stands for yes, and the sum of their hashes.</summary>
    public readonly (int Count, ulong Hash) RowsOn(int rows, ulong allHashes)
    {
        HasTwoValues(out _, out float on);
        return on == _second ? (Others, OtherHashes) : (rows - Missing - Others, allHashes - OtherHashes);
    }

    /// <summary>
    /// Rows that hold another value than the first one, and the sum of their hashes; not kept once there are more than two values.
    /// </summary>
    private int Others { get; set; }

    private ulong OtherHashes { get; set; }

    // Rows whose value was taken, missing or not, and the sum of their hashes; that only as long as there are no more than two values.
    private int Taken { get; set; }

    private ulong TakenHashes { get; set; }

    /// <summary>The same where the rows whose value was not taken hold a 0, as sparse rows do that leave it out.</summary>
    /// <param name="rows">Number of all rows.</param>
    /// <param name="allHashes">Sum of their hashes.</param>
    public readonly SlotFacts WithZeros(int rows, ulong allHashes)
    {
        int zeros = rows - Taken;
        if (zeros == 0)
            return this;
        SlotFacts facts = this;
        facts.Taken = rows;
        facts.TakenHashes = allHashes;
        facts.Minimum = Math.Min(Minimum, 0);
        facts.Maximum = Math.Max(Maximum, 0);
        switch (_state)
        {
            case State.NoValue:
                (facts._first, facts._state) = (0, State.OneValue);
                break;
            case State.OneValue when _first != 0:
                (facts._second, facts._state) = (0, State.TwoValues);
                (facts.Others, facts.OtherHashes) = (zeros, allHashes - TakenHashes);
                break;
            case State.TwoValues when _second == 0:
                facts.Others += zeros;
                facts.OtherHashes += allHashes - TakenHashes;
                break;
            case State.TwoValues when _first != 0:
                facts._state = State.ManyValues;
                break;
        }
        return facts;
    }

    /// <summary>Takes a row's value.</summary>
    /// <param name="value">The value; NaN where it is missing.</param>
    /// <param name="hash">A hash of the row's number.</param>
    public void Add(float value, ulong hash)
    {
        Taken++;
        if (_state != State.ManyValues)
            TakenHashes += hash;
        if (float.IsNaN(value))
        {
            Missing++;
            return;
        }
        Minimum = Math.Min(Minimum, value);
        Maximum = Math.Max(Maximum, value);
        Sum += value;
        if (value != 0)
            NonZero++;
        if (_state == State.ManyValues || (_state != State.NoValue && value == _first))
            return;
        if (_state == State.NoValue)
        {
            (Minimum, Maximum, _first, _state) = (value, value, value, State.OneValue);
            return;
        }
        Others++;
        OtherHashes += hash;
        if (_state == State.OneValue)
            (_second, _state) = (value, State.TwoValues);
        else if (value != _second)
            _state = State.ManyValues;
    }
}
