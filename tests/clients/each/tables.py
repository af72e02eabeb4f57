"""Tables of data on the store: Delta Lake and Iceberg, whose commits depend on conditional writes and exact listings."""

import concurrent.futures

from kit import client

WRITERS, COMMITS, ROWS = 4, 6, 100


def options(case):
    return {"AWS_ENDPOINT_URL": case.endpoint, "AWS_ALLOW_HTTP": "true", "AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": case.key,
            "AWS_SECRET_ACCESS_KEY": case.secret}


@client
def deltalake(case):
    """Writers that commit at once: a lost conditional write would lose rows, a false success would lose a commit."""
    from arro3.core import Array, DataType, Table
    from deltalake import DeltaTable, QueryBuilder, write_deltalake
    case.make_bucket()
    where, own = f"s3://{case.bucket}/table", options(case)

    def rows(writer, commit):
        start = (writer * COMMITS + commit) * ROWS
        return Table.from_pydict({"id": Array(range(start, start + ROWS), type=DataType.int64())})

    write_deltalake(where, rows(WRITERS, 0), storage_options=own)

    def append(writer):
        for commit in range(COMMITS):
            write_deltalake(where, rows(writer, commit), mode="append", storage_options=own)

    with concurrent.futures.ThreadPoolExecutor(WRITERS) as pool:
        for done in [pool.submit(append, writer) for writer in range(WRITERS)]:
            done.result()
    table = DeltaTable(where, storage_options=own)
    assert table.version() == WRITERS * COMMITS, f"version {table.version()} after {WRITERS * COMMITS} appends"
    expected = sorted([*range(WRITERS * COMMITS * ROWS), *range(WRITERS * COMMITS * ROWS, WRITERS * COMMITS * ROWS + ROWS)])
    assert identifiers(QueryBuilder, table) == expected, "rows are lost or twice there"
    table.delete("id < 100")
    table.optimize.compact()
    table.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    again = DeltaTable(where, storage_options=own)
    assert identifiers(QueryBuilder, again) == expected[100:], "after delete, compaction and vacuum"


def identifiers(builder, table):
    found = builder().register("t", table).execute("select id from t order by id").read_all()
    return found["id"].to_pylist() if hasattr(found["id"], "to_pylist") else [value.as_py() for value in found["id"]]


@client(full=True)
def pyiceberg(case):
    import pyarrow as pa
    from pyiceberg.catalog.sql import SqlCatalog
    case.make_bucket()
    catalog = SqlCatalog("c", uri=f"sqlite:///{case.folder}/catalog.db", warehouse=f"s3://{case.bucket}/warehouse", **{
        "s3.endpoint": case.endpoint, "s3.access-key-id": case.key, "s3.secret-access-key": case.secret, "s3.region": "us-east-1"})
    catalog.create_namespace("n")
    batch = pa.table({"id": pa.array(range(1_000), pa.int64()), "name": [f"n{index % 7}" for index in range(1_000)]})
    table = catalog.create_table("n.t", schema=batch.schema)
    for _ in range(3):
        table.append(batch)
    first = table.history()[0].snapshot_id
    table.delete("id >= 500")
    assert sorted(table.scan().to_arrow()["id"].to_pylist()) == sorted(list(range(500)) * 3)
    assert table.scan(row_filter="name = 'n3' and id < 100").to_arrow().num_rows == 3 * len([index for index in range(100) if index % 7 == 3])
    assert table.scan(snapshot_id=first).to_arrow().num_rows == 1_000
    table.overwrite(batch.slice(0, 10))
    assert catalog.load_table("n.t").scan().to_arrow().num_rows == 10
    catalog.purge_table("n.t") if hasattr(catalog, "purge_table") else catalog.drop_table("n.t")
