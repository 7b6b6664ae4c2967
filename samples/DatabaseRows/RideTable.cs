using System.Data.Common;
using System.Globalization;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNetBatchNorm.Samples;

/// <summary>A table of rides in a database, of which the last have no fare yet.</summary>
internal sealed class RideTable(MLContext ml, DbProviderFactory factory, string connectionString)
{
    private const string Columns = "SELECT id, distance, hour, payment, amount FROM rides";

    /// <summary>The rides that are paid. The order is part of the query: other orders are other data, and another model.</summary>
    public IDataView Paid => Load($"{Columns} WHERE amount IS NOT NULL ORDER BY id");

    /// <summary>The others.</summary>
    public IDataView Unpaid => Load($"{Columns} WHERE amount IS NULL ORDER BY id");

    /// <summary>
    /// Makes the table, with the column types such tables have; an hour that is missing is NULL, and so is the fare from the given ride
    /// on.
    /// </summary>
    public void Create(IReadOnlyList<Fare> fares, int paid)
    {
        using DbConnection connection = Open();
        using DbTransaction transaction = connection.BeginTransaction();
        Execute(connection, "DROP TABLE IF EXISTS rides");
        Execute(connection, """
            CREATE TABLE rides (id bigint PRIMARY KEY, distance double precision NOT NULL, hour integer, payment varchar(10) NOT NULL,
                amount numeric(8, 2), predicted double precision)
            """);
        using DbCommand insert = Command(connection, "INSERT INTO rides VALUES (@id, @distance, @hour, @payment, @amount, NULL)");
        for (int i = 0; i < fares.Count; i++)
        {
            Set(insert, "id", (long)i);
            Set(insert, "distance", (double)fares[i].Distance);
            Set(insert, "hour", float.IsNaN(fares[i].Hour) ? DBNull.Value : (int)fares[i].Hour);
            Set(insert, "payment", fares[i].Payment);
            Set(insert, "amount", i < paid ? Math.Round((decimal)fares[i].Amount, 2) : DBNull.Value);
            insert.ExecuteNonQuery();
        }

        transaction.Commit();
    }

    /// <summary>Writes predictions into the table, all or none of them.</summary>
    public int Write(IEnumerable<Prediction> predictions)
    {
        using DbConnection connection = Open();
        using DbTransaction transaction = connection.BeginTransaction();
        using DbCommand update = Command(connection, "UPDATE rides SET predicted = @predicted WHERE id = @id");
        int written = 0;
        foreach (Prediction prediction in predictions)
        {
            Set(update, "predicted", (double)prediction.Score);
            Set(update, "id", prediction.Id);
            written += update.ExecuteNonQuery();
        }

        transaction.Commit();
        return written;
    }

    /// <summary>The predictions as the table has them, in the order of the rides.</summary>
    public List<double> Predictions()
    {
        using DbConnection connection = Open();
        using DbCommand select = Command(connection, "SELECT predicted FROM rides WHERE predicted IS NOT NULL ORDER BY id");
        using DbDataReader reader = select.ExecuteReader();
        var predictions = new List<double>();
        while (reader.Read())
            predictions.Add(reader.GetDouble(0));
        return predictions;
    }

    public int NullHours()
    {
        using DbConnection connection = Open();
        using DbCommand select = Command(connection, "SELECT count(*) FROM rides WHERE hour IS NULL AND amount IS NOT NULL");
        return Convert.ToInt32(select.ExecuteScalar(), CultureInfo.InvariantCulture);
    }

    private static void Execute(DbConnection connection, string sql)
    {
        using DbCommand command = Command(connection, sql);
        command.ExecuteNonQuery();
    }

    private static DbCommand Command(DbConnection connection, string sql)
    {
        DbCommand command = connection.CreateCommand();
        command.CommandText = sql;
        return command;
    }

    private static void Set(DbCommand command, string name, object value)
    {
        DbParameter parameter;
        if (command.Parameters.Contains(name))
        {
            parameter = command.Parameters[name];
        }
        else
        {
            parameter = command.CreateParameter();
            parameter.ParameterName = name;
            command.Parameters.Add(parameter);
        }

        parameter.Value = value;
    }

    private IDataView Load(string sql) => ml.Data.CreateDatabaseLoader<Ride>().Load(new DatabaseSource(factory, connectionString, sql));

    private DbConnection Open()
    {
        DbConnection connection = factory.CreateConnection()!;
        connection.ConnectionString = connectionString;
        connection.Open();
        return connection;
    }
}
